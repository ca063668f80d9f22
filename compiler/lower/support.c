/* What this version cannot carry out yet is refused with its line, never skipped silently. */
#include "compiler/lower/lowering.h"

static bool runs(const struct lowering *l, const struct step *step)
{
    return (step->during & (1U << l->workflow)) != 0;
}

static bool refuse_step(struct lowering *l, struct span at, const char *what)
{
    struct diagnostic *found = diagnose(l->diagnostics, DIAG_STEP_NOT_BUILT, at,
                                        "this version of drc cannot carry out %s yet", what);
    diagnostic_label(l->diagnostics, found, "%s would need it", workflow_name(l->workflow));
    diagnostic_help(l->diagnostics, found,
                    "during: says which workflows run a step; leave %s out to compile without it",
                    workflow_name(l->workflow));
    return false;
}

static bool check_check(struct lowering *l, const struct check *check)
{
    switch (check->kind) {
    case CHECK_DNS:
        return refuse_step(l, check->at, "checks of DNS");
    case CHECK_SCRIPT:
        return refuse_step(l, check->at, "checks by script");
    default:
        return true;
    }
}

static bool check_step(struct lowering *l, const struct step *step)
{
    if (!runs(l, step)) {
        return true;
    }
    switch (step->kind) {
    case STEP_SCRIPT:
        return refuse_step(l, step->at, "scripts");
    case STEP_DNS:
        return refuse_step(l, step->at, "changes of DNS");
    case STEP_APPROVE:
        return refuse_step(l, step->at, "approvals");
    case STEP_DELAY:
        return true;
    case STEP_CHECK:
        break;
    }
    return check_check(l, &step->check);
}

static bool check_steps(struct lowering *l, const struct step *steps, size_t count)
{
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        ok = check_step(l, &steps[i]) && ok;
    }
    return ok;
}

static bool check_vm(struct lowering *l, const struct plan_vm *vm)
{
    bool ok = true;
    for (size_t i = 0; i < vm->ready_count; i++) {
        ok = check_check(l, &vm->ready[i]) && ok;
    }
    if (vm->target_groups[l->network].count > 0) {
        struct diagnostic *found =
            diagnose(l->diagnostics, DIAG_FEATURE_NOT_BUILT, vm->target_groups[l->network].at,
                     "this version of drc cannot register VMs with target groups yet");
        diagnostic_help(l->diagnostics, found,
                        "leave target_groups out, and register %s by hand after a failover",
                        vm->name);
        ok = false;
    }
    return check_steps(l, vm->post_boot, vm->post_boot_count) && ok;
}

bool lowering_check_support(struct lowering *l)
{
    bool ok = check_steps(l, l->plan->before, l->plan->before_count);
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        ok = check_vm(l, l->vms[i].vm) && ok;
    }
    return check_steps(l, l->plan->after, l->plan->after_count) && ok;
}
