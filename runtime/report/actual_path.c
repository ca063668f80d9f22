#include "runtime/report/actual_path.h"

#include "compiler/base/arena.h"
#include "compiler/graph/estimate.h"

enum { TURN_MS = 20 }; /* what a commit may take: no rate limit makes anyone wait so briefly */

static bool has_ended(const struct node_status *status)
{
    return status->state == NODE_DONE || status->state == NODE_FAILED;
}

int32_t actual_end(const struct actual_run *run)
{
    const struct graph *graph = run->graph;
    const struct node_status *nodes = run->nodes;
    int32_t milestone = NO_NODE, last = NO_NODE;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (!has_ended(&nodes[i])) {
            continue;
        }
        if (last == NO_NODE || nodes[i].ended_ms > nodes[last].ended_ms) {
            last = (int32_t)i;
        }
        if (node->action == ACTION_RECOVERED && node->vm != NO_VM && graph->vms[node->vm].critical &&
            nodes[i].state == NODE_DONE &&
            (milestone == NO_NODE || nodes[i].ended_ms > nodes[milestone].ended_ms)) {
            milestone = (int32_t)i;
        }
    }
    return milestone != NO_NODE ? milestone : last;
}

static void take_later(const struct node_status *nodes, uint32_t before, int32_t *last)
{
    if (nodes[before].ended_ms >= 0 &&
        (*last == NO_NODE || nodes[before].ended_ms > nodes[*last].ended_ms)) {
        *last = (int32_t)before;
    }
}

/* The predecessor that ended last; NO_NODE: it could start with the run. */
static int32_t last_before(const struct graph_node *node, const struct node_status *nodes)
{
    int32_t last = NO_NODE;
    for (uint32_t e = 0; e < node->after_count; e++) {
        take_later(nodes, node->after[e].node, &last);
    }
    if (node->guards != NO_NODE) {
        take_later(nodes, (uint32_t)node->guards, &last);
    }
    return last;
}

/* Whether a place in the pool was given back in that time: it had been full, then. */
static bool place_came_free(const struct actual_run *run, int32_t pool, int64_t from_ms,
                            int64_t until_ms)
{
    for (uint32_t i = 0; i < run->graph->node_count; i++) {
        int64_t ended_ms = run->nodes[i].ended_ms;
        if (run->graph->nodes[i].release == pool && ended_ms > from_ms && ended_ms <= until_ms) {
            return true;
        }
    }
    return false;
}

static enum actual_wait why_waited(const struct actual_run *run, uint32_t index, int64_t from_ms,
                                   int64_t until_ms)
{
    const struct graph_node *node = &run->graph->nodes[index];
    const struct action_info *info = action_info(node->action);
    if (until_ms <= from_ms) {
        return WAITED_FOR_NOTHING;
    }
    if (node->acquire != NO_POOL && place_came_free(run, node->acquire, from_ms, until_ms)) {
        return WAITED_FOR_POOL;
    }
    bool limited = info->bucket != BUCKET_NONE || info->resource != BUCKET_NONE;
    bool sends = info->effect != EFFECT_WAIT && info->effect != EFFECT_LOCAL;
    return limited && sends && until_ms - from_ms > TURN_MS ? WAITED_FOR_LIMIT : WAITED_FOR_TURN;
}

static int64_t overlap_ms(const struct actual_run *run, int64_t from_ms, int64_t until_ms)
{
    int64_t sum = 0;
    for (size_t i = 0; i < run->outage_count; i++) {
        const struct actual_outage *outage = &run->outages[i];
        int64_t from = outage->from_ms > from_ms ? outage->from_ms : from_ms;
        int64_t until = outage->until_ms < until_ms ? outage->until_ms : until_ms;
        sum += until > from ? until - from : 0;
    }
    return sum;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t expected_ms(const struct actual_run *run, uint32_t index)
{
    if (!run->schedule) {
        return run->graph->nodes[index].expected_ms;
    }
    const struct schedule_entry *entry = &run->schedule->entries[index];
    return entry->end_ms - entry->start_ms;
}

/* The cloud goes on while no process does: only what went beyond the expected is the outage's. */
static void take_outages(const struct actual_run *run, struct actual_link *link, int64_t from_ms,
                         int64_t started_ms, int64_t ended_ms)
{
    int64_t in_wait = overlap_ms(run, from_ms, started_ms);
    int64_t in_work = overlap_ms(run, started_ms, ended_ms);
    int64_t beyond = link->work_ms - expected_ms(run, link->node);
    in_work = smaller(in_work, beyond > 0 ? beyond : 0);
    link->wait_ms -= in_wait;
    link->work_ms -= in_work;
    link->away_ms = in_wait + in_work;
    link->waited_for = link->wait_ms > 0 ? link->waited_for : WAITED_FOR_NOTHING;
}

static struct actual_link make_link(const struct actual_run *run, uint32_t index, int64_t from_ms,
                                    int64_t ended_ms)
{
    int64_t started_ms = run->nodes[index].started_ms;
    started_ms = started_ms < from_ms ? from_ms : smaller(started_ms, ended_ms);
    struct actual_link link = {
        .node = index,
        .waited_for = why_waited(run, index, from_ms, started_ms),
        .wait_ms = started_ms - from_ms,
        .work_ms = ended_ms - started_ms,
    };
    take_outages(run, &link, from_ms, started_ms, ended_ms);
    return link;
}

static void turn_round(struct actual_path *path)
{
    for (size_t i = 0; i < path->count / 2; i++) {
        struct actual_link link = path->links[i];
        path->links[i] = path->links[path->count - 1 - i];
        path->links[path->count - 1 - i] = link;
    }
}

struct actual_path *actual_path_find(struct arena *arena, const struct actual_run *run, int32_t end)
{
    struct actual_path *path = ARENA_NEW(arena, struct actual_path);
    size_t capacity = 0;
    int64_t until_ms = end == NO_NODE ? 0 : run->nodes[end].ended_ms;
    path->total_ms = until_ms;
    for (int32_t i = end; i != NO_NODE;) {
        int32_t before = last_before(&run->graph->nodes[i], run->nodes);
        /* One that ended after its successor (a journal of times that do not fit) counts up to it. */
        int64_t from_ms = before == NO_NODE ? 0 : smaller(run->nodes[before].ended_ms, until_ms);
        path->links = arena_grow(arena, path->links, path->count, &capacity, sizeof *path->links);
        path->links[path->count++] = make_link(run, (uint32_t)i, from_ms, until_ms);
        until_ms = from_ms;
        i = before;
    }
    turn_round(path);
    return path;
}
