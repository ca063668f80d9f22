/* What cannot be carried out, by this version or on the VM's system, is refused with its line, never
 * skipped silently. */
#include <string.h>

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

/* ---- scripts and the systems of instances ---- */

static bool is_powershell(const char *path)
{
    size_t length = strlen(path);
    return length >= 4 && strcasecmp(path + length - 4, ".ps1") == 0;
}

static bool check_system(struct lowering *l, const struct vm_lowering *v, struct text script)
{
    bool windows = strcmp(v->hardware.os, "windows") == 0;
    if (!v->hardware.os_known || windows == is_powershell(script.value)) {
        return true;
    }
    struct diagnostic *found =
        diagnose(l->diagnostics, DIAG_SCRIPT_FOR_OTHER_SYSTEM, script.at,
                 windows ? "%s runs Windows, where %s cannot be run"
                         : "%s runs Linux, where %s cannot be run",
                 v->vm->name, script.value);
    diagnostic_help(l->diagnostics, found,
                    windows ? "scripts for Windows are PowerShell's, and end with .ps1; run_on: runner runs "
                              "it beside drc"
                            : "files that end with .ps1 are for Windows: begin it with the line of its "
                              "interpreter, and name it otherwise");
    return false;
}

bool lowering_check_scripts(struct lowering *l)
{
    bool ok = true;
    for (size_t i = 0; i < l->plan->vm_count; i++) {
        const struct vm_lowering *v = &l->vms[i];
        for (size_t j = 0; j < v->vm->ready_count; j++) {
            const struct check *check = &v->vm->ready[j];
            if (check->kind == CHECK_SCRIPT && check->on_instance) {
                ok = check_system(l, v, check->script) && ok;
            }
        }
        for (size_t j = 0; j < v->vm->post_boot_count; j++) {
            const struct step *step = &v->vm->post_boot[j];
            if (!runs(l, step)) {
                continue;
            }
            if (step->kind == STEP_SCRIPT && step->on_instance) {
                ok = check_system(l, v, step->script) && ok;
            } else if (step->kind == STEP_CHECK && step->check.kind == CHECK_SCRIPT &&
                       step->check.on_instance) {
                ok = check_system(l, v, step->check.script) && ok;
            }
        }
    }
    return ok;
}

/* ---- what no version carries out yet ---- */

bool lowering_check_support(struct lowering *l)
{
    bool ok = true;
    for (size_t i = 0; l->workflow == WORKFLOW_FAILBACK && i < l->plan->vm_count; i++) {
        ok = check_vm(l, &l->plan->vms[i]) && ok;
    }
    return ok;
}
