#include "runtime/simulation/scenario.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/map.h"
#include "runtime/sandbox/timing.h"

struct faults {
    struct arena *arena;
    struct rehearsal_fault *items;
    size_t count, capacity;
};

static void add_fault(struct faults *faults, const char *name, double value)
{
    faults->items = arena_grow(faults->arena, faults->items, faults->count, &faults->capacity,
                               sizeof *faults->items);
    faults->items[faults->count++] = (struct rehearsal_fault){name, value};
}

/* In the middle of the sandbox's spread is what the estimate expects: measured, or built in. */
static void add_expected(struct faults *faults, const struct facts *facts)
{
    for (enum timing timing = 0; timing < TIMING_COUNT; timing++) {
        const struct timing_info *info = timing_info(timing);
        const int64_t *measured = NULL;
        for (size_t i = 0; i < 2 && !measured; i++) {
            if (info->actions[i] != ACTION_NONE) {
                measured = map_get(&facts->durations, action_info(info->actions[i])->name);
            }
        }
        int64_t ms = measured ? *measured : action_info(info->actions[0])->expected_ms;
        add_fault(faults, arena_printf(faults->arena, "time:%s", info->name), (double)ms);
    }
}

/* Measured for a node: "db/disk-0/wait-injected" is the VM's first part and the action's last. */
static void add_measured(struct faults *faults, const struct facts *facts)
{
    for (struct map_entry *entry = map_first(&facts->durations); entry; entry = map_next(entry)) {
        const char *vm_end = strchr(entry->key, '/'), *action = strrchr(entry->key, '/');
        enum timing timing = vm_end ? timing_of_action(action_by_name(action + 1)) : TIMING_COUNT;
        if (timing != TIMING_COUNT) {
            add_fault(faults,
                      arena_printf(faults->arena, "time:%s/%.*s", timing_info(timing)->name,
                                   (int)(vm_end - entry->key), entry->key),
                      (double)*(const int64_t *)entry->value);
        }
    }
}

struct scenario *scenario_make(struct arena *arena, const struct scenario_options *options)
{
    struct faults faults = {.arena = arena};
    const struct facts *facts = options->facts ? options->facts : facts_create(arena);
    const struct fault_profile *profile = options->profile;
    for (size_t i = 0; i < PROFILE_FAULTS_MAX && profile->faults[i].name; i++) {
        add_fault(&faults, profile->faults[i].name, profile->faults[i].value);
    }
    add_expected(&faults, facts);
    add_measured(&faults, facts);
    for (size_t i = 0; i < options->capacity_missing_count; i++) {
        add_fault(&faults, arena_printf(arena, "capacity:%s", options->capacity_missing[i]), 1);
    }
    struct scenario *scenario = ARENA_NEW(arena, struct scenario);
    *scenario = (struct scenario){
        .plan = options->plan,
        .workflow = options->workflow,
        .facts = facts,
        .profile = profile,
        .faults = faults.items,
        .fault_count = faults.count,
        .outage_ms = options->outage_ms,
    };
    return scenario;
}

/* The types that the graph asks for, each once, to be told: "m6i.large, r6i.xlarge". */
struct types {
    struct arena *arena;
    struct map seen;
    struct buffer told;
};

static void take_types(struct types *types, const struct graph_node *node)
{
    const struct value *list = graph_input(node, "instance_types");
    for (uint32_t i = 0; list && list->kind == VALUE_LIST && i < list->count; i++) {
        const struct value *item = &list->items[i];
        if (item->kind == VALUE_TEXT && map_put(&types->seen, item->text, types)) {
            buffer_printf(&types->told, "%s%s", types->told.length ? ", " : "", item->text);
        }
    }
}

bool scenario_check_capacity(const struct graph *graph, const char *missing, struct error *error)
{
    struct types types = {.arena = arena_create()};
    types.seen.arena = types.arena;
    for (size_t i = 0; i < graph->node_count; i++) {
        take_types(&types, &graph->nodes[i]);
    }
    size_t length = strcspn(missing, "/");
    bool known = length == 0 ? missing[0] == '/' && missing[1] != '\0'
                             : map_get_n(&types.seen, missing, length) != NULL;
    if (!known) {
        error_set(error, "the plan asks for no instance type \"%.*s\"", (int)length, missing);
        error_help(error, "it asks for %s", buffer_text(&types.told));
    }
    buffer_free(&types.told);
    arena_destroy(types.arena);
    return known;
}
