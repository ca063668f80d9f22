/* What this version cannot carry out yet is refused with its line, never skipped silently. */
#include "compiler/lower/lowering.h"

static bool runs(const struct lowering *l, const struct step *step)
{
    return (step->during & (1U << l->workflow)) != 0;
}

/* Guest operations at home. */
static bool refuse_in_guest(struct lowering *l, struct span at, const char *what)
{
    struct diagnostic *found =
        diagnose(l->diagnostics, DIAG_STEP_NOT_BUILT, at,
                 "this version of drc cannot carry out %s in a guest at home yet", what);
    diagnostic_label(l->diagnostics, found, "%s would need it", workflow_name(l->workflow));
    diagnostic_help(l->diagnostics, found,
                    "run_on: runner, or leave %s out of during to compile without it",
                    workflow_name(l->workflow));
    return false;
}

static bool check_vm(struct lowering *l, const struct plan_vm *vm)
{
    bool ok = true;
    for (size_t i = 0; i < vm->ready_count; i++) {
        if (vm->ready[i].on_instance) {
            ok = refuse_in_guest(l, vm->ready[i].at, "checks");
        }
    }
    for (size_t i = 0; i < vm->post_boot_count; i++) {
        const struct step *step = &vm->post_boot[i];
        if (runs(l, step) && step->kind == STEP_SCRIPT && step->on_instance) {
            ok = refuse_in_guest(l, step->at, "scripts");
        } else if (runs(l, step) && step->kind == STEP_CHECK && step->check.on_instance) {
            ok = refuse_in_guest(l, step->at, "checks");
        }
    }
    return ok;
}

bool lowering_check_support(struct lowering *l)
{
    bool ok = true;
    for (size_t i = 0; l->workflow == WORKFLOW_FAILBACK && i < l->plan->vm_count; i++) {
        ok = check_vm(l, &l->plan->vms[i]) && ok;
    }
    return ok;
}
