#include "compiler/plan/check.h"

#include <string.h>

#include "compiler/base/arena.h"

/* What may be claimed once: source VMs and elastic addresses. And what a critical VM may lean on.
 */

struct claim {
    const struct plan_vm *vm;
    struct span at;
};

/* The earlier claim of `name`, or NULL, and then this one is noted. */
static const struct claim *claim(const struct plan *plan, struct map *claims, struct text name,
                                 const struct plan_vm *vm)
{
    const struct claim *earlier = map_get(claims, name.value);
    if (!earlier) {
        struct claim *own = ARENA_NEW(plan->arena, struct claim);
        *own = (struct claim){vm, name.at};
        map_put(claims, name.value, own);
    }
    return earlier;
}

static void check_sources(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct map claims = {.arena = plan->arena};
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        const struct claim *earlier =
            vm->source.value ? claim(plan, &claims, vm->source, vm) : NULL;
        if (earlier) {
            struct diagnostic *found =
                diagnose(diagnostics, DIAG_DUPLICATE_SOURCE, vm->source.at,
                         "%s and %s have the same source", earlier->vm->name, vm->name);
            diagnostic_secondary(diagnostics, found, earlier->at, "%s has it already",
                                 earlier->vm->name);
            diagnostic_help(diagnostics, found,
                            "each VM of the plan protects one machine; correct the path of one");
        }
    }
}

static void check_elastic_addresses(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct map claims = {.arena = plan->arena};
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        for (int n = 0; n < NETWORK_COUNT; n++) {
            struct text address = vm->elastic_ip[n];
            const struct claim *earlier = address.value ? claim(plan, &claims, address, vm) : NULL;
            if (!earlier) {
                continue;
            }
            struct diagnostic *found =
                diagnose(diagnostics, DIAG_DUPLICATE_ELASTIC_ADDRESS, address.at,
                         "elastic address %s is claimed twice", address.value);
            diagnostic_label(diagnostics, found, "by %s here", vm->name);
            diagnostic_secondary(diagnostics, found, earlier->at, "by %s here", earlier->vm->name);
            diagnostic_help(diagnostics, found,
                            earlier->vm == vm
                                ? "a test would take it from production: allocate another one"
                                : "an address serves one VM: allocate another one");
        }
    }
}

static void check_critical(const struct plan *plan, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct plan_vm *vm = &plan->vms[i];
        for (size_t j = 0; vm->critical && j < vm->dependency_count; j++) {
            const struct dependency *dependency = &vm->dependencies[j];
            if (dependency->vm->critical) {
                continue;
            }
            struct diagnostic *found = diagnose(
                diagnostics, DIAG_CRITICAL_DEPENDS_ON_NONCRITICAL, dependency->at,
                "%s is critical and depends on %s, which is not", vm->name, dependency->vm->name);
            diagnostic_secondary(diagnostics, found, dependency->vm->critical_at,
                                 "%s may fail without failing the run", dependency->vm->name);
            diagnostic_help(diagnostics, found,
                            "make %s critical, or give %s critical: false as well",
                            dependency->vm->name, vm->name);
        }
    }
}

void check_names(const struct plan *plan, struct diagnostics *diagnostics)
{
    check_sources(plan, diagnostics);
    check_elastic_addresses(plan, diagnostics);
    check_critical(plan, diagnostics);
}
