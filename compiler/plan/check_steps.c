#define PCRE2_CODE_UNIT_WIDTH 8
#include "compiler/plan/check.h"

#include <pcre2.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/plan/bind.h"

/* Steps and checks: where they run, when, and on what values. */

static bool runs_during(const struct plan *plan, unsigned during, enum workflow workflow)
{
    return (during & 1U << workflow) && plan_has_workflow(plan, workflow);
}

/* ---- On an instance ---- */

static enum site_network network_of(enum workflow workflow)
{
    return workflow == WORKFLOW_TEST ? NETWORK_TEST : NETWORK_PRODUCTION;
}

static void check_on_instance(const struct plan *plan, const struct plan_vm *vm, unsigned during,
                              struct span at, struct diagnostics *diagnostics)
{
    static const enum workflow cloud[] = {WORKFLOW_FAILOVER, WORKFLOW_TEST};
    for (size_t i = 0; i < sizeof cloud / sizeof *cloud; i++) {
        if (!runs_during(plan, during, cloud[i]) || vm->iam_profile[network_of(cloud[i])].value) {
            continue;
        }
        struct diagnostic *found =
            diagnose(diagnostics, DIAG_SCRIPT_NEEDS_IAM_PROFILE, at,
                     "%s has no iam_profile for networks.%s, so nothing can be run on it", vm->name,
                     network_name(network_of(cloud[i])));
        diagnostic_secondary(diagnostics, found, vm->at, "%s is defined here", vm->name);
        diagnostic_help(diagnostics, found,
                        "iam_profile: NAME lets the instance register with Systems Manager; "
                        "run_on: runner needs none");
        break;
    }
    if (runs_during(plan, during, WORKFLOW_FAILBACK) && !vm->guest_credentials.reference) {
        struct diagnostic *found = diagnose(
            diagnostics, DIAG_SCRIPT_NEEDS_GUEST_LOGIN, at,
            "%s has no guest.credentials, so a failback cannot run anything in it", vm->name);
        diagnostic_secondary(diagnostics, found, vm->at, "%s is defined here", vm->name);
        diagnostic_help(diagnostics, found,
                        "guest: {credentials: env:NAME}, or run_on: runner, or leave failback out of "
                        "during");
    }
}

/* ---- Patterns ---- */

static void check_pattern(const struct check *check, struct diagnostics *diagnostics)
{
    if (check->kind != CHECK_HTTP || !check->match) {
        return;
    }
    int code;
    PCRE2_SIZE offset;
    pcre2_code *pattern = pcre2_compile((PCRE2_SPTR)check->match, PCRE2_ZERO_TERMINATED, PCRE2_UTF,
                                        &code, &offset, NULL);
    if (!pattern) {
        unsigned char reason[256];
        pcre2_get_error_message(code, reason, sizeof reason);
        struct diagnostic *found = diagnose(diagnostics, DIAG_INVALID_PATTERN, check->match_at,
                                            "\"%s\" is no regular expression", check->match);
        diagnostic_label(diagnostics, found, "%s, at character %zu", (const char *)reason, offset);
        diagnostic_help(diagnostics, found,
                        "characters such as ( [ { * + ? . are written with a backslash before "
                        "them when they are meant as such");
    }
    pcre2_code_free(pattern);
}

/* ---- Values ---- */

static bool has_public_address(const struct plan_vm *vm, enum workflow workflow)
{
    enum site_network network = network_of(workflow);
    return vm->public_ip[network] || vm->elastic_ip[network].value;
}

static bool value_exists(const struct reference_part *part, enum workflow workflow)
{
    bool at_home = workflow == WORKFLOW_FAILBACK;
    switch (part->field) {
    case VM_FIELD_PUBLIC_IP:
        return !at_home && has_public_address(part->vm, workflow);
    case VM_FIELD_INSTANCE_ID:
        return !at_home;
    default:
        return true;
    }
}

/* A value that one of the workflows never yields. */
static void check_value(const struct plan *plan, unsigned during, const struct reference_part *part,
                        struct diagnostics *diagnostics)
{
    static const char *const names[] = {
        [VM_FIELD_ADDRESS] = "address",     [VM_FIELD_PRIVATE_IP] = "private_ip",
        [VM_FIELD_PUBLIC_IP] = "public_ip", [VM_FIELD_INSTANCE_ID] = "instance_id",
        [VM_FIELD_NAME] = "name",
    };
    for (int i = WORKFLOW_FAILOVER; i < WORKFLOW_COUNT; i++) {
        enum workflow workflow = (enum workflow)i;
        if (!runs_during(plan, during, workflow) || value_exists(part, workflow)) {
            continue;
        }
        struct diagnostic *found =
            diagnose(diagnostics, DIAG_REFERENCE_WITHOUT_VALUE, part->at, "%s has no %s in a %s",
                     part->vm->name, names[part->field], workflow_name(workflow));
        if (workflow == WORKFLOW_FAILBACK) {
            diagnostic_help(diagnostics, found,
                            "at home there is none: use address, or leave failback out of during");
        } else {
            diagnostic_help(diagnostics, found,
                            "use address (public if there is one, else private), or give %s a "
                            "public_ip or an elastic_ip",
                            part->vm->name);
        }
        return;
    }
}

static void check_template(const struct plan *plan, unsigned during, bool before,
                           const struct template *template, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < template->part_count; i++) {
        const struct reference_part *part = &template->parts[i];
        if (part->kind != REFERENCE_VM) {
            continue;
        }
        if (before && reference_is_late(part)) {
            struct diagnostic *found =
                diagnose(diagnostics, DIAG_REFERENCE_TOO_LATE, part->at,
                         "before anything is changed, %s has no such value yet", part->vm->name);
            diagnostic_help(diagnostics, found, "move the step to after, or to post_boot of a VM");
            continue;
        }
        check_value(plan, during, part, diagnostics);
    }
}

static void check_values(const struct plan *plan, const struct step *step, bool before,
                         struct diagnostics *diagnostics)
{
    unsigned during = step->during;
    for (size_t i = 0; i < step->arg_count; i++) {
        check_template(plan, during, before, &step->args[i], diagnostics);
    }
    for (size_t i = 0; i < step->env_count; i++) {
        check_template(plan, during, before, &step->env[i].value, diagnostics);
    }
    for (size_t i = 0; i < step->value_count; i++) {
        check_template(plan, during, before, &step->values[i], diagnostics);
    }
    check_template(plan, during, before, &step->check.value, diagnostics);
}

/* ---- Steps ---- */

static bool never_runs(const struct plan *plan, const struct step *step)
{
    for (int i = 0; i < WORKFLOW_COUNT; i++) {
        if (runs_during(plan, step->during, (enum workflow)i)) {
            return false;
        }
    }
    return true;
}

/* A step of the whole plan that asks after a VM's port or status: whose? */
static bool needs_vm(const struct check *check)
{
    return check->kind == CHECK_INSTANCE_STATUS || check->kind == CHECK_TCP ||
           check->kind == CHECK_HTTP;
}

static bool is_before(const struct plan *plan, const struct step *step)
{
    return plan->before_count && step >= plan->before && step < plan->before + plan->before_count;
}

static bool runs_on_instance(const struct step *step)
{
    return (step->kind == STEP_SCRIPT && step->on_instance) ||
           (step->kind == STEP_CHECK && step->check.on_instance);
}

static void visit_step(const struct plan *plan, const struct plan_vm *vm, const struct step *step,
                       void *context)
{
    struct diagnostics *diagnostics = context;
    if (never_runs(plan, step)) {
        struct diagnostic *found = diagnose(diagnostics, DIAG_STEP_NEVER_RUNS, step->at,
                                            "no workflow of this plan runs \"%s\"", step->name);
        diagnostic_help(diagnostics, found,
                        "during lists when: failover, test (needs networks.test) or failback "
                        "(needs sites.primary.failback)");
    }
    if (vm && runs_on_instance(step)) {
        check_on_instance(plan, vm, step->during, step->at, diagnostics);
    }
    if (step->kind == STEP_CHECK) {
        check_pattern(&step->check, diagnostics);
        if (!vm && needs_vm(&step->check)) {
            struct diagnostic *found = diagnose(diagnostics, DIAG_STEP_NEEDS_VM, step->at,
                                                "this check needs a VM to look at");
            diagnostic_help(diagnostics, found, "move it to post_boot or ready of a VM");
        }
    }
    check_values(plan, step, is_before(plan, step), diagnostics);
}

/* A readiness check is made in every workflow that brings the VM up. */
static void check_ready(const struct plan *plan, const struct plan_vm *vm,
                        const struct check *check, struct diagnostics *diagnostics)
{
    unsigned during = 1U << WORKFLOW_FAILOVER | 1U << WORKFLOW_TEST | 1U << WORKFLOW_FAILBACK;
    check_pattern(check, diagnostics);
    check_template(plan, during, false, &check->value, diagnostics);
    if (check->on_instance) {
        check_on_instance(plan, vm, during, check->at, diagnostics);
    }
}

void check_steps(const struct plan *plan, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < plan->vm_count; i++) {
        for (size_t j = 0; j < plan->vms[i].ready_count; j++) {
            check_ready(plan, &plan->vms[i], &plan->vms[i].ready[j], diagnostics);
        }
    }
    plan_each_step(plan, visit_step, diagnostics);
}
