#include "compiler/graph/critical_path.h"

#include "compiler/base/arena.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

/* Whether the RTO counts until this node has ended. */
static bool counts_for_rto(const struct graph *graph, const struct graph_node *node)
{
    return node->action == ACTION_RECOVERED && node->vm != NO_VM && graph->vms[node->vm].critical;
}

/* The node that ends the schedule: the last critical VM's milestone, else the last of all. */
static int32_t find_end(const struct graph *graph, struct schedule *schedule)
{
    int32_t rto = NO_NODE, last = NO_NODE;
    for (size_t i = 0; i < graph->node_count; i++) {
        int64_t end_ms = schedule->entries[i].end_ms;
        if (last == NO_NODE || end_ms > schedule->makespan_ms) {
            last = (int32_t)i;
            schedule->makespan_ms = end_ms;
        }
        if (counts_for_rto(graph, &graph->nodes[i]) &&
            (rto == NO_NODE || end_ms > schedule->rto_ms)) {
            rto = (int32_t)i;
            schedule->rto_ms = end_ms;
        }
    }
    return rto != NO_NODE ? rto : last;
}

static void mark_path(struct arena *arena, struct schedule *schedule, int32_t end)
{
    size_t count = 0;
    for (int32_t i = end; i != NO_NODE; i = schedule->entries[i].binding_node) {
        schedule->entries[i].critical = true;
        count++;
    }
    schedule->critical_path = ARENA_ARRAY(arena, uint32_t, count);
    schedule->critical_path_count = count;
    for (int32_t i = end; i != NO_NODE; i = schedule->entries[i].binding_node) {
        schedule->critical_path[--count] = (uint32_t)i;
    }
}

static void lower_to(int64_t *limit_ms, int64_t ms)
{
    if (ms < *limit_ms) {
        *limit_ms = ms;
    }
}

/* Against the order of the starts, so that whoever waited for a node, for whatever reason, has said
 * before how late it may start. */
static void measure_slack(struct arena *scratch, const struct graph *graph, const uint32_t *order,
                          struct schedule *schedule)
{
    int64_t *latest_ms = ARENA_ARRAY(scratch, int64_t, graph->node_count); /* end */
    for (size_t i = 0; i < graph->node_count; i++) {
        bool rto = counts_for_rto(graph, &graph->nodes[i]);
        latest_ms[i] = rto ? schedule->rto_ms : schedule->makespan_ms;
    }
    for (size_t at = graph->node_count; at-- > 0;) {
        const struct graph_node *node = &graph->nodes[order[at]];
        struct schedule_entry *entry = &schedule->entries[node->index];
        entry->slack_ms = latest_ms[node->index] - entry->end_ms;
        for (uint32_t e = 0; e < node->after_count; e++) {
            lower_to(&latest_ms[node->after[e].node], entry->start_ms + entry->slack_ms);
        }
        if (node->guards != NO_NODE) {
            lower_to(&latest_ms[node->guards], entry->start_ms + entry->slack_ms);
        }
        if (entry->bound_by == BOUND_BY_POOL) {
            lower_to(&latest_ms[entry->binding_node], entry->start_ms + entry->slack_ms);
        } else if (entry->bound_by == BOUND_BY_BUCKET) {
            const struct schedule_entry *taker = &schedule->entries[entry->binding_node];
            lower_to(&latest_ms[entry->binding_node], taker->end_ms + entry->slack_ms);
        }
    }
}

void find_critical_path(struct arena *arena, struct arena *scratch, const struct graph *graph,
                        const uint32_t *order, struct schedule *schedule)
{
    if (graph->node_count == 0) {
        return;
    }
    mark_path(arena, schedule, find_end(graph, schedule));
    measure_slack(scratch, graph, order, schedule);
}
