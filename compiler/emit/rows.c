#include "compiler/emit/rows.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/emit/words.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

/* Waits that only see an action through; readiness checks and delays stand for themselves. */
static bool sees_through(const struct graph_node *node)
{
    const struct action_info *info = action_info(node->action);
    return info->effect == EFFECT_WAIT && strncmp(info->name, "wait-", 5) == 0;
}

static bool acts(const struct graph_node *node)
{
    enum action_effect effect = action_info(node->action)->effect;
    return effect == EFFECT_CREATE || effect == EFFECT_CHANGE || effect == EFFECT_DELETE;
}

struct row_pairs rows_pair(struct arena *arena, const struct graph *graph)
{
    struct row_pairs pairs = {
        .wait_of = ARENA_ARRAY(arena, int32_t, graph->node_count),
        .subject_of = ARENA_ARRAY(arena, int32_t, graph->node_count),
    };
    for (size_t i = 0; i < graph->node_count; i++) {
        pairs.wait_of[i] = pairs.subject_of[i] = NO_NODE;
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        int32_t subject = NO_NODE;
        for (uint32_t e = 0; sees_through(node) && e < node->after_count; e++) {
            const struct graph_node *before = &graph->nodes[node->after[e].node];
            if (acts(before) && before->vm == node->vm && (int32_t)before->index > subject &&
                pairs.wait_of[before->index] == NO_NODE) {
                subject = (int32_t)before->index;
            }
        }
        if (subject != NO_NODE) {
            pairs.subject_of[i] = subject;
            pairs.wait_of[subject] = (int32_t)i;
        }
    }
    return pairs;
}

static bool is_bookkeeping(const struct graph_node *node, bool critical)
{
    if (graph_is_for_failure(node)) {
        return true;
    }
    switch (node->action) {
    case ACTION_RUNNING:
    case ACTION_READY:
    case ACTION_LAUNCHED:
    case ACTION_RELEASE_PLACE:
        return true;
    case ACTION_DETACH_VOLUME:
    case ACTION_DELETE_VOLUME:
    case ACTION_SET_DELETE_ON_TERMINATION:
    case ACTION_HOLD_COPY:
    case ACTION_RECORD_COPY:
        return !critical;
    default:
        return false;
    }
}

static int by_time(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    if (a->start_ms != b->start_ms) {
        return a->start_ms < b->start_ms ? -1 : 1;
    }
    return a->node < b->node ? -1 : 1;
}

struct row *rows_by_time(struct arena *arena, const struct graph *graph,
                         const struct schedule *schedule, size_t *count)
{
    struct row_pairs pairs = rows_pair(arena, graph);
    struct row *rows = ARENA_ARRAY(arena, struct row, graph->node_count);
    *count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (pairs.subject_of[i] != NO_NODE) {
            continue;
        }
        const struct schedule_entry *own = &schedule->entries[i];
        int32_t wait = pairs.wait_of[i];
        const struct schedule_entry *last = wait == NO_NODE ? own : &schedule->entries[wait];
        struct row *row = &rows[(*count)++];
        *row = (struct row){
            .node = i,
            .wait = wait,
            .start_ms = own->start_ms,
            .end_ms = last->end_ms,
            .critical = own->critical || last->critical,
        };
        row->bookkeeping = is_bookkeeping(&graph->nodes[i], row->critical);
    }
    if (*count > 0) {
        qsort(rows, *count, sizeof *rows, by_time);
    }
    return rows;
}
