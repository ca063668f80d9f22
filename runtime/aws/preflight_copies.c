/* DR copies: still there and completed, and what loss they mean. */
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/emit/emit.h"
#include "runtime/aws/preflight.h"

enum { CLOCK_SKEW_MS = 5 * 60 * 1000 }; /* as far as AWS lets a signature be off */

/* Whole seconds, as people read them. */
static const char *duration(struct preflight *preflight, int64_t ms)
{
    char text[32];
    return arena_strdup(preflight->arena, format_duration(text, ms < 0 ? 0 : ms / 1000 * 1000));
}

/* More than the objective: objectives.on_miss decides, of a failover. A test loses nothing. */
static void tell_miss(struct preflight *preflight, const char *subject, const char *time,
                      int64_t loss)
{
    int64_t rpo = preflight->plan->objectives.rpo.ms;
    bool refused = preflight->plan->objectives.refuse_on_miss && !preflight->terms.accepted &&
                   preflight->graph->workflow == WORKFLOW_FAILOVER;
    preflight_find(preflight, refused ? FINDING_FATAL : FINDING_WARNING, subject,
                   refused
                       ? "--accept-data-loss goes on all the same; objectives.on_miss of the plan "
                         "is refuse"
                       : "the objective is objectives.rpo of the plan",
                   "recovery point %s: %s would be lost, more than the objective of %s", time,
                   duration(preflight, loss), duration(preflight, rpo));
}

/* What went wrong may be in it already. */
static void tell_after(struct preflight *preflight, const char *subject, const char *time)
{
    char disaster[32], help[128];
    format_time(disaster, preflight->terms.disaster_utc_ms);
    snprintf(help, sizeof help, "--recovery-point %s takes one from before", disaster);
    preflight_find(preflight, FINDING_WARNING, subject, help,
                   "recovery point %s is of after the disaster (%s): it may hold what went wrong",
                   time, disaster);
}

static void tell_loss(struct preflight *preflight, const struct plan_vm *vm)
{
    const char *subject = arena_printf(preflight->arena, "DR copies of %s", vm->name);
    const char *time = map_get(&preflight->facts->bindings,
                               arena_printf(preflight->arena, "%s/recovery-point", vm->name));
    int64_t at = time ? parse_time(time) : -1;
    int64_t disaster = preflight->terms.disaster_utc_ms;
    int64_t from = disaster > 0 ? disaster : aws_utc_ms(preflight->aws);
    int64_t rpo = preflight->plan->objectives.rpo.ms;
    if (at < 0) {
        preflight_find(preflight, FINDING_FATAL, subject, "gather facts again, or replicate first",
                       "the facts bind no recovery point");
    } else if (rpo > 0 && from - at > rpo) {
        tell_miss(preflight, subject, time, from - at);
    } else if (disaster > 0 && at > disaster) {
        tell_after(preflight, subject, time);
    } else if (at > from + CLOCK_SKEW_MS) {
        preflight_find(
            preflight, FINDING_WARNING, subject,
            "set the clock of this host, or that of what makes the recovery points",
            "recovery point %s is %s ahead of this clock: what would be lost is not known", time,
            duration(preflight, at - from));
    } else {
        preflight_find(preflight, FINDING_PASSED, subject, NULL,
                       "recovery point %s: %s would be lost", time, duration(preflight, from - at));
    }
}

enum { IDS_IN_A_FILTER = 200 };

struct chunk {
    struct preflight *preflight;
    struct map missing; /* snapshot id -> name of its binding */
};

static void on_snapshots(void *context, const struct aws_answer *answer)
{
    struct chunk *chunk = context;
    const struct xml *item = xml_first(answer->xml, "snapshotSet");
    for (; item; item = item->next) {
        const char *id = xml_text(item, "snapshotId"), *state = xml_text(item, "status");
        const char *name = id ? map_get(&chunk->missing, id) : NULL;
        if (name && state && strcmp(state, "completed") == 0) {
            map_put(&chunk->missing, arena_strdup(chunk->preflight->arena, id), NULL);
        }
    }
    for (struct map_entry *entry = map_first(&chunk->missing); entry; entry = map_next(entry)) {
        if (entry->value) {
            preflight_find(chunk->preflight, FINDING_FATAL,
                           arena_printf(chunk->preflight->arena, "snapshot %s", entry->key),
                           "gather facts again: a newer copy may have replaced it",
                           "it is %s, and not there or not completed", (const char *)entry->value);
        }
    }
}

static void ask_chunk(struct preflight *preflight, struct chunk *chunk)
{
    struct form form = {{0}};
    size_t count = 0;
    form_begin(&form, AWS_SERVICE_EC2, "DescribeSnapshots");
    form_add(&form, "snapshot-id", "Filter.1.Name");
    for (struct map_entry *entry = map_first(&chunk->missing); entry; entry = map_next(entry)) {
        form_add(&form, entry->key, "Filter.1.Value.%zu", ++count);
    }
    asks_add_form(preflight->asks, "DescribeSnapshots", &form, false, on_snapshots, chunk);
}

static struct chunk *chunk_create(struct preflight *preflight)
{
    struct chunk *chunk = ARENA_NEW(preflight->arena, struct chunk);
    chunk->preflight = preflight;
    chunk->missing.arena = preflight->arena;
    return chunk;
}

static bool is_snapshot(const char *binding)
{
    size_t length = strlen(binding), tail = strlen("snapshot");
    return length > tail && strcmp(binding + length - tail, "snapshot") == 0;
}

void preflight_copies(struct preflight *preflight)
{
    if (!preflight->facts) {
        return;
    }
    for (size_t i = 0; i < preflight->graph->vm_count; i++) {
        const struct plan_vm *vm = preflight_vm(preflight, i);
        if (vm) {
            tell_loss(preflight, vm);
        }
    }
    struct chunk *chunk = chunk_create(preflight);
    const struct map *bindings = &preflight->facts->bindings;
    for (struct map_entry *entry = map_first(bindings); entry; entry = map_next(entry)) {
        if (is_snapshot(entry->key)) {
            map_put(&chunk->missing, entry->value, (void *)entry->key);
        }
        if (map_count(&chunk->missing) == IDS_IN_A_FILTER) {
            ask_chunk(preflight, chunk);
            chunk = chunk_create(preflight);
        }
    }
    if (map_count(&chunk->missing) > 0) {
        ask_chunk(preflight, chunk);
    }
}
