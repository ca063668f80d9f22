#include "compiler/plan/check.h"

#include <inttypes.h>

#include "compiler/base/arena.h"

bool plan_check(const struct plan *plan, struct diagnostics *diagnostics)
{
    size_t errors_before = diagnostics->error_count;
    check_names(plan, diagnostics);
    check_cycles(plan, diagnostics);
    check_files(plan, diagnostics);
    check_scripts(plan, diagnostics);
    check_network(plan, diagnostics);
    check_addresses(plan, diagnostics);
    check_objectives(plan, diagnostics);
    check_boot(plan, diagnostics);
    check_volumes(plan, diagnostics);
    check_steps(plan, diagnostics);
    check_dns(plan, diagnostics);
    return diagnostics->error_count == errors_before;
}

bool plan_has_workflow(const struct plan *plan, enum workflow workflow)
{
    switch (workflow) {
    case WORKFLOW_BACKUP:
        return plan->backup.given;
    case WORKFLOW_REPLICATE:
        return plan->replication.given;
    case WORKFLOW_TEST:
        return plan->networks[NETWORK_TEST].given;
    case WORKFLOW_FAILBACK:
        return plan->failback.given;
    default:
        return true;
    }
}

void plan_each_step(const struct plan *plan, step_visitor *visit, void *context)
{
    for (size_t i = 0; i < plan->before_count; i++) {
        visit(plan, NULL, &plan->before[i], context);
    }
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        for (size_t j = 0; j < vm->post_boot_count; j++) {
            visit(plan, vm, &vm->post_boot[j], context);
        }
    }
    for (size_t i = 0; i < plan->after_count; i++) {
        visit(plan, NULL, &plan->after[i], context);
    }
}

const char *duration_text(const struct plan *plan, int64_t ms)
{
    static const struct {
        int64_t ms;
        char unit;
    } units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (ms >= units[i].ms && ms % units[i].ms == 0) {
            return arena_printf(plan->arena, "%" PRId64 "%c", ms / units[i].ms, units[i].unit);
        }
    }
    return arena_printf(plan->arena, "%" PRId64 "s", ms / 1000);
}
