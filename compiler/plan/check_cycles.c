#include "compiler/plan/check.h"

#include <assert.h>

#include "compiler/base/arena.h"
#include "compiler/plan/bind.h"

/* Circles of dependencies. Each VM has three stages (running, ready, recovered), each needing the
 * one before; depends_on and late references add needs between VMs. Whatever is strongly connected
 * holds a circle, of which the shortest through its first stage is shown. */

enum { STAGE_COUNT = 3, CYCLE_LABELS_MAX = 12 };

struct need {
    uint32_t stage; /* VM index * STAGE_COUNT + stage */
    struct span at; /* source NULL: within a VM */
    bool reference;
};

struct needs {
    const struct plan *plan;
    struct need *items; /* those of stage s: items[first[s]] … items[first[s + 1] - 1] */
    uint32_t *first;
    uint32_t stage_count;
    size_t count, capacity;
};

static uint32_t stage_of(const struct plan_vm *vm, enum dependency_stage stage)
{
    return (uint32_t)vm->index * STAGE_COUNT + (uint32_t)stage;
}

/* ---- The needs of each stage ---- */

static void add_need(struct needs *needs, struct need need)
{
    needs->items = arena_grow(needs->plan->arena, needs->items, needs->count, &needs->capacity,
                              sizeof *needs->items);
    needs->items[needs->count++] = need;
}

static void add_template(struct needs *needs, const struct plan_vm *vm,
                         const struct template *template)
{
    for (size_t i = 0; i < template->part_count; i++) {
        const struct reference_part *part = &template->parts[i];
        if (reference_is_late(part) && part->vm != vm) {
            add_need(needs, (struct need){stage_of(part->vm, STAGE_RUNNING), part->at, true});
        }
    }
}

static void add_step(struct needs *needs, const struct plan_vm *vm, const struct step *step)
{
    for (size_t i = 0; i < step->arg_count; i++) {
        add_template(needs, vm, &step->args[i]);
    }
    for (size_t i = 0; i < step->env_count; i++) {
        add_template(needs, vm, &step->env[i].value);
    }
    for (size_t i = 0; i < step->value_count; i++) {
        add_template(needs, vm, &step->values[i]);
    }
    add_template(needs, vm, &step->check.value);
}

static void add_vm(struct needs *needs, const struct plan_vm *vm)
{
    needs->first[stage_of(vm, STAGE_RUNNING)] = (uint32_t)needs->count;
    for (size_t i = 0; i < vm->dependency_count; i++) {
        const struct dependency *dependency = &vm->dependencies[i];
        add_need(needs,
                 (struct need){stage_of(dependency->vm, dependency->stage), dependency->at, false});
    }
    needs->first[stage_of(vm, STAGE_READY)] = (uint32_t)needs->count;
    add_need(needs, (struct need){.stage = stage_of(vm, STAGE_RUNNING)});
    for (size_t i = 0; i < vm->ready_count; i++) {
        add_template(needs, vm, &vm->ready[i].value);
    }
    needs->first[stage_of(vm, STAGE_RECOVERED)] = (uint32_t)needs->count;
    add_need(needs, (struct need){.stage = stage_of(vm, STAGE_READY)});
    for (size_t i = 0; i < vm->post_boot_count; i++) {
        add_step(needs, vm, &vm->post_boot[i]);
    }
}

static struct needs collect_needs(const struct plan *plan)
{
    struct needs needs = {.plan = plan};
    needs.stage_count = (uint32_t)plan->vm_count * STAGE_COUNT;
    needs.first = ARENA_ARRAY(plan->arena, uint32_t, needs.stage_count + 1);
    for (size_t i = 0; i < plan->vm_count; i++) {
        add_vm(&needs, &plan->vms[i]);
    }
    needs.first[needs.stage_count] = (uint32_t)needs.count;
    return needs;
}

/* ---- Strongly connected stages (Tarjan's algorithm, with its own stack) ---- */

struct component_search {
    const struct needs *needs;
    uint32_t *order, *low, *component; /* by stage; order 0: not seen, component 0: open */
    uint32_t *open, *path, *next;      /* stacks, and the next need to look at by stage */
    uint32_t open_count, path_count, seen, components;
};

static void enter(struct component_search *search, uint32_t stage)
{
    search->order[stage] = search->low[stage] = ++search->seen;
    search->next[stage] = search->needs->first[stage];
    search->open[search->open_count++] = stage;
    search->path[search->path_count++] = stage;
}

static void leave(struct component_search *search, uint32_t stage)
{
    search->path_count--;
    if (search->path_count) {
        uint32_t above = search->path[search->path_count - 1];
        if (search->low[stage] < search->low[above]) {
            search->low[above] = search->low[stage];
        }
    }
    if (search->low[stage] == search->order[stage]) {
        uint32_t member;
        search->components++;
        do {
            member = search->open[--search->open_count];
            search->component[member] = search->components;
        } while (member != stage);
    }
}

static void search_from(struct component_search *search, uint32_t start)
{
    enter(search, start);
    while (search->path_count) {
        uint32_t stage = search->path[search->path_count - 1];
        if (search->next[stage] == search->needs->first[stage + 1]) {
            leave(search, stage);
            continue;
        }
        uint32_t other = search->needs->items[search->next[stage]++].stage;
        if (!search->order[other]) {
            enter(search, other);
        } else if (!search->component[other] && search->order[other] < search->low[stage]) {
            search->low[stage] = search->order[other];
        }
    }
}

/* The number of each stage's component. */
static uint32_t *find_components(const struct needs *needs)
{
    struct arena *arena = needs->plan->arena;
    uint32_t count = needs->stage_count;
    struct component_search search = {
        .needs = needs,
        .order = ARENA_ARRAY(arena, uint32_t, count),
        .low = ARENA_ARRAY(arena, uint32_t, count),
        .component = ARENA_ARRAY(arena, uint32_t, count),
        .open = ARENA_ARRAY(arena, uint32_t, count),
        .path = ARENA_ARRAY(arena, uint32_t, count),
        .next = ARENA_ARRAY(arena, uint32_t, count),
    };
    for (uint32_t stage = 0; stage < count; stage++) {
        if (!search.order[stage]) {
            search_from(&search, stage);
        }
    }
    return search.component;
}

/* ---- One circle ---- */

/* A need and the stage that has it. */
struct link {
    uint32_t from;
    const struct need *need;
};

/* The links between VMs of the shortest circle through `start`, in order; breadth first. */
static struct link *shortest_cycle(const struct needs *needs, const uint32_t *component,
                                   uint32_t start, size_t *count)
{
    struct arena *arena = needs->plan->arena;
    struct link *came_by = ARENA_ARRAY(arena, struct link, needs->stage_count);
    uint32_t *queue = ARENA_ARRAY(arena, uint32_t, needs->stage_count);
    uint32_t head = 0, tail = 0;
    queue[tail++] = start;
    while (head < tail && !came_by[start].need) {
        uint32_t stage = queue[head++];
        for (uint32_t i = needs->first[stage]; i < needs->first[stage + 1]; i++) {
            const struct need *need = &needs->items[i];
            if (component[need->stage] == component[start] && !came_by[need->stage].need) {
                came_by[need->stage] = (struct link){stage, need};
                queue[tail++] = need->stage;
            }
        }
    }
    struct link *links = ARENA_ARRAY(arena, struct link, needs->stage_count);
    size_t used = needs->stage_count;
    uint32_t at = start;
    do {
        assert(came_by[at].need); /* each stage of a component is on a circle of it */
        if (came_by[at].need->at.source) {
            links[--used] = came_by[at];
        }
        at = came_by[at].from;
    } while (at != start);
    *count = needs->stage_count - used;
    return links + used;
}

static const struct plan_vm *vm_of(const struct needs *needs, uint32_t stage)
{
    return &needs->plan->vms[stage / STAGE_COUNT];
}

static const char *link_text(const struct needs *needs, const struct link *link, size_t number)
{
    return arena_printf(needs->plan->arena,
                        link->need->reference ? "%zu. %s needs a value of %s" : "%zu. %s needs %s",
                        number, vm_of(needs, link->from)->name,
                        vm_of(needs, link->need->stage)->name);
}

static void report_cycle(const struct needs *needs, const struct link *links, size_t count,
                         struct diagnostics *diagnostics)
{
    const struct link *reference = NULL;
    for (size_t i = 0; i < count && !reference; i++) {
        reference = links[i].need->reference ? &links[i] : NULL;
    }
    struct diagnostic *found =
        reference
            ? diagnose(diagnostics, DIAG_REFERENCE_TOO_LATE, links[0].need->at,
                       "%s needs a value of %s, which is started only after %s",
                       vm_of(needs, reference->from)->name,
                       vm_of(needs, reference->need->stage)->name,
                       vm_of(needs, reference->from)->name)
            : diagnose(diagnostics, DIAG_DEPENDENCY_CYCLE, links[0].need->at,
                       "%s depend on each other in a circle",
                       count == 2 ? "two VMs" : arena_printf(needs->plan->arena, "%zu VMs", count));
    diagnostic_label(diagnostics, found, "%s", link_text(needs, &links[0], 1));
    for (size_t i = 1; i < count && i < CYCLE_LABELS_MAX; i++) {
        diagnostic_secondary(diagnostics, found, links[i].need->at, "%s",
                             link_text(needs, &links[i], i + 1));
    }
    if (count > CYCLE_LABELS_MAX) {
        diagnostic_note(diagnostics, found, "and %zu more, back to %s", count - CYCLE_LABELS_MAX,
                        vm_of(needs, links[0].from)->name);
    }
    diagnostic_help(diagnostics, found, "remove one of the %s",
                    count == 2 ? "two" : arena_printf(needs->plan->arena, "%zu", count));
}

void check_cycles(const struct plan *plan, struct diagnostics *diagnostics)
{
    struct needs needs = collect_needs(plan);
    const uint32_t *component = find_components(&needs);
    uint32_t *sizes = ARENA_ARRAY(plan->arena, uint32_t, needs.stage_count + 1);
    for (uint32_t stage = 0; stage < needs.stage_count; stage++) {
        sizes[component[stage]]++;
    }
    for (uint32_t stage = 0; stage < needs.stage_count; stage++) {
        if (sizes[component[stage]] > 1) {
            size_t count;
            const struct link *links = shortest_cycle(&needs, component, stage, &count);
            report_cycle(&needs, links, count, diagnostics);
            sizes[component[stage]] = 0;
        }
    }
}
