#include "compiler/plan/check.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/plan/bind.h"

/* What may be claimed once: source VMs, elastic addresses, and target groups by production or tests. And
 * what a critical VM may lean on. */

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

/* A step that fails the VM, and takes a value that may not be there. */
static void check_values_of(const struct plan_vm *vm, const struct template *template,
                            struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < template->part_count; i++) {
        const struct reference_part *part = &template->parts[i];
        if (!reference_is_late(part) || part->vm == vm || part->vm->critical) {
            continue;
        }
        struct diagnostic *found = diagnose(
            diagnostics, DIAG_CRITICAL_DEPENDS_ON_NONCRITICAL, part->at,
            "%s is critical and needs a value of %s, which is not", vm->name, part->vm->name);
        diagnostic_secondary(diagnostics, found, part->vm->critical_at,
                             "%s may fail without failing the run", part->vm->name);
        diagnostic_help(diagnostics, found,
                        "make %s critical, or let the step fail: on_failure: continue",
                        part->vm->name);
    }
}

static void check_critical_step(const struct plan *plan, const struct plan_vm *vm,
                                const struct step *step, void *context)
{
    (void)plan;
    if (!vm || !vm->critical || step->continue_on_failure) {
        return;
    }
    for (size_t i = 0; i < step->arg_count; i++) {
        check_values_of(vm, &step->args[i], context);
    }
    for (size_t i = 0; i < step->env_count; i++) {
        check_values_of(vm, &step->env[i].value, context);
    }
    for (size_t i = 0; i < step->value_count; i++) {
        check_values_of(vm, &step->values[i], context);
    }
    check_values_of(vm, &step->check.value, context);
}

/* A test's machine among those that production's load balancers send to would serve customers. */
static void check_target_groups(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct map claims = {.arena = plan->arena};
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct texts *groups = &plan->vms[i].target_groups[NETWORK_PRODUCTION];
        for (size_t j = 0; j < groups->count; j++) {
            claim(plan, &claims, groups->items[j], &plan->vms[i]);
        }
    }
    for (size_t i = 0; i < plan->vm_count; i++) {
        const struct texts *groups = &plan->vms[i].target_groups[NETWORK_TEST];
        for (size_t j = 0; j < groups->count; j++) {
            const struct claim *production = map_get(&claims, groups->items[j].value);
            if (!production) {
                continue;
            }
            struct diagnostic *found =
                diagnose(diagnostics, DIAG_NETWORKS_SHARE_TARGETS, groups->items[j].at,
                         "a test of %s would be registered with production's target group",
                         plan->vms[i].name);
            diagnostic_secondary(diagnostics, found, production->at, "production's, of %s",
                                 production->vm->name);
            diagnostic_help(diagnostics, found, "give the test a target group of its own, or none");
        }
    }
}

void check_names(const struct plan *plan, struct diagnostics *diagnostics)
{
    check_sources(plan, diagnostics);
    check_elastic_addresses(plan, diagnostics);
    check_target_groups(plan, diagnostics);
    check_critical(plan, diagnostics);
    plan_each_step(plan, check_critical_step, diagnostics);
}
