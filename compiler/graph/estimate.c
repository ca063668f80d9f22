/* List scheduling as a simulation: time jumps from one end of a node, or one refilled bucket, to
 * the next; of the nodes that wait for the same pool or bucket, that with the longest remaining
 * path goes first (or the graph's first, where it keeps its order). Every step costs O(log n). */
#include "compiler/graph/estimate.h"

#include <assert.h>
#include <limits.h>

#include "compiler/base/arena.h"
#include "compiler/graph/critical_path.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "compiler/graph/heap.h"
#include "compiler/graph/rate.h"

/* Nothing that facts claim makes sums overflow: a year. */
static const int64_t DURATION_MAX_MS = INT64_C(366) * 24 * 3600 * 1000;

struct pool_state {
    int free;
    struct heap waiting;
    int32_t last_release; /* the node that gave a place back last */
};

struct simulation {
    struct arena *scratch;
    const struct graph *graph;
    const bool *left_out; /* NULL: none is */
    bool limits;
    int64_t now_ms;
    struct schedule_entry *entries;
    const int64_t *duration_ms;
    int64_t *tail_ms;         /* the longest path from the node's start to the graph's end */
    int64_t *queued_ms;       /* since when the node waits in its present queue */
    uint32_t *blockers;       /* predecessors that have not ended */
    uint32_t *next_at, *next; /* successors of i: next[next_at[i]] up to next[next_at[i + 1]] */
    uint32_t *order;          /* nodes as they were started */
    size_t order_count;
    struct heap running; /* by end */
    struct heap requests[ACTION_COUNT];
    struct pool_state *pools;
    struct rate rates[BUCKET_COUNT];
};

/* What is only for a failure is not predicted to be needed. */
static bool is_left_out(const struct simulation *sim, const struct graph_node *node)
{
    return (sim->left_out && sim->left_out[node->index]) || graph_is_for_failure(node);
}

/* Calls `each` with every predecessor; a guard comes after the node that it guards. */
#define FOR_PREDECESSORS(node, predecessor, ...)                                                   \
    do {                                                                                           \
        for (uint32_t edge_ = 0; edge_ < (node)->after_count; edge_++) {                           \
            uint32_t predecessor = (node)->after[edge_].node;                                      \
            __VA_ARGS__                                                                            \
        }                                                                                          \
        if ((node)->guards != NO_NODE) {                                                           \
            uint32_t predecessor = (uint32_t)(node)->guards;                                       \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    } while (0)

static void link_successors(struct simulation *sim)
{
    const struct graph *graph = sim->graph;
    sim->blockers = ARENA_ARRAY(sim->scratch, uint32_t, graph->node_count);
    sim->next_at = ARENA_ARRAY(sim->scratch, uint32_t, graph->node_count + 2);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        FOR_PREDECESSORS(node, before, {
            assert(before < i);
            sim->blockers[i]++;
            sim->next_at[before + 2]++;
        });
    }
    for (size_t i = 2; i < graph->node_count + 2; i++) {
        sim->next_at[i] += sim->next_at[i - 1];
    }
    /* next_at is one place ahead while the lists fill, and right when they are full. */
    sim->next = ARENA_ARRAY(sim->scratch, uint32_t, sim->next_at[graph->node_count + 1]);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        FOR_PREDECESSORS(node, before, { sim->next[sim->next_at[before + 1]++] = (uint32_t)i; });
    }
}

static void measure_tails(struct simulation *sim)
{
    sim->tail_ms = ARENA_ARRAY(sim->scratch, int64_t, sim->graph->node_count);
    for (size_t i = sim->graph->node_count; i-- > 0;) {
        const struct graph_node *node = &sim->graph->nodes[i];
        sim->tail_ms[i] += sim->duration_ms[i];
        FOR_PREDECESSORS(node, before, {
            if (sim->tail_ms[before] < sim->tail_ms[i]) {
                sim->tail_ms[before] = sim->tail_ms[i];
            }
        });
    }
}

static void start(struct simulation *sim, uint32_t i)
{
    struct schedule_entry *entry = &sim->entries[i];
    entry->start_ms = sim->now_ms;
    entry->end_ms = sim->now_ms + sim->duration_ms[i];
    sim->order[sim->order_count++] = i;
    heap_push(sim->scratch, &sim->running, entry->end_ms, i);
}

/* Who goes first of those that wait for the same: the smaller one. */
static int64_t turn(const struct simulation *sim, uint32_t i)
{
    return graph_keeps_order(sim->graph) ? (int64_t)i : -sim->tail_ms[i];
}

static void queue_for_request(struct simulation *sim, uint32_t i)
{
    const struct graph_node *node = &sim->graph->nodes[i];
    const struct action_info *info = action_info(node->action);
    bool limited = sim->rates[info->bucket].limited || sim->rates[info->resource].limited;
    if (!sim->limits || !limited || is_left_out(sim, node)) {
        start(sim, i);
        return;
    }
    sim->queued_ms[i] = sim->now_ms;
    heap_push(sim->scratch, &sim->requests[node->action], turn(sim, i), i);
}

/* All predecessors have ended; `last` is the one that ended last. */
static void make_ready(struct simulation *sim, uint32_t i, int32_t last)
{
    const struct graph_node *node = &sim->graph->nodes[i];
    sim->entries[i].bound_by = last == NO_NODE ? BOUND_BY_NOTHING : BOUND_BY_NODE;
    sim->entries[i].binding_node = last;
    if (node->acquire == NO_POOL || is_left_out(sim, node)) {
        queue_for_request(sim, i);
        return;
    }
    sim->queued_ms[i] = sim->now_ms;
    heap_push(sim->scratch, &sim->pools[node->acquire].waiting, turn(sim, i), i);
}

static void enter_pool(struct simulation *sim, struct pool_state *pool)
{
    uint32_t i = heap_pop(&pool->waiting).node;
    pool->free--;
    if (sim->now_ms > sim->queued_ms[i] && pool->last_release != NO_NODE) {
        sim->entries[i].bound_by = BOUND_BY_POOL;
        sim->entries[i].binding_node = pool->last_release;
    }
    queue_for_request(sim, i);
}

static void complete(struct simulation *sim, uint32_t i)
{
    const struct graph_node *node = &sim->graph->nodes[i];
    if (node->release != NO_POOL && !is_left_out(sim, node)) {
        sim->pools[node->release].free++;
        sim->pools[node->release].last_release = (int32_t)i;
    }
    for (uint32_t at = sim->next_at[i]; at < sim->next_at[i + 1]; at++) {
        if (--sim->blockers[sim->next[at]] == 0) {
            make_ready(sim, sim->next[at], (int32_t)i);
        }
    }
}

static void complete_due(struct simulation *sim)
{
    while (sim->running.count > 0 && sim->running.items[0].key <= sim->now_ms) {
        complete(sim, heap_pop(&sim->running).node);
    }
}

static void dispatch_pools(struct simulation *sim)
{
    for (size_t i = 0; i < sim->graph->pool_count; i++) {
        while (sim->pools[i].free > 0 && sim->pools[i].waiting.count > 0) {
            enter_pool(sim, &sim->pools[i]);
        }
    }
}

/* When a request of that action could go, seen from now. */
static int64_t admission_ms(const struct simulation *sim, enum action action)
{
    const struct action_info *info = action_info(action);
    int64_t request = rate_ready_ms(&sim->rates[info->bucket], sim->now_ms);
    int64_t resource = rate_ready_ms(&sim->rates[info->resource], sim->now_ms);
    return request > resource ? request : resource;
}

/* The action whose most urgent node may send now; ACTION_NONE when none may. */
static enum action next_request(const struct simulation *sim)
{
    enum action best = ACTION_NONE;
    for (enum action action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
        const struct heap *queue = &sim->requests[action];
        if (queue->count == 0 || admission_ms(sim, action) > sim->now_ms) {
            continue;
        }
        if (best == ACTION_NONE || queue->items[0].key < sim->requests[best].items[0].key ||
            (queue->items[0].key == sim->requests[best].items[0].key &&
             queue->items[0].node < sim->requests[best].items[0].node)) {
            best = action;
        }
    }
    return best;
}

/* Which of the two buckets made the request wait until now. */
static const struct rate *lacking(const struct simulation *sim, const struct action_info *info)
{
    const struct rate *resource = &sim->rates[info->resource];
    return rate_ready_ms(resource, sim->now_ms - 1) >= sim->now_ms ? resource
                                                                   : &sim->rates[info->bucket];
}

/* One request for as many waiting nodes of the action as it can serve. */
static void send_request(struct simulation *sim, enum action action)
{
    const struct action_info *info = action_info(action);
    struct heap *queue = &sim->requests[action];
    int32_t binding = lacking(sim, info)->last_taker;
    uint32_t first = queue->items[0].node;
    rate_take(&sim->rates[info->bucket], sim->now_ms, first);
    int served = 0;
    do {
        uint32_t i = heap_pop(queue).node;
        rate_take(&sim->rates[info->resource], sim->now_ms, i);
        if (sim->now_ms > sim->queued_ms[i] && binding != NO_NODE) {
            sim->entries[i].bound_by = BOUND_BY_BUCKET;
            sim->entries[i].binding_node = binding;
        }
        start(sim, i);
    } while (++served < info->batch_max && queue->count > 0 &&
             rate_ready_ms(&sim->rates[info->resource], sim->now_ms) <= sim->now_ms);
}

static void dispatch_requests(struct simulation *sim)
{
    for (enum action action; (action = next_request(sim)) != ACTION_NONE;) {
        send_request(sim, action);
    }
}

/* Pools whose holders wait for each other: a graph that graph_verify should have refused. The most
 * urgent node enters all the same, so that there is always an estimate. */
static void overcommit(struct simulation *sim)
{
    struct pool_state *best = NULL;
    for (size_t i = 0; i < sim->graph->pool_count; i++) {
        struct pool_state *pool = &sim->pools[i];
        if (pool->waiting.count > 0 &&
            (!best || pool->waiting.items[0].key < best->waiting.items[0].key)) {
            best = pool;
        }
    }
    assert(best);
    enter_pool(sim, best);
}

static void advance(struct simulation *sim)
{
    int64_t next_ms = sim->running.count > 0 ? sim->running.items[0].key : INT64_MAX;
    for (enum action action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
        if (sim->requests[action].count > 0 && admission_ms(sim, action) < next_ms) {
            next_ms = admission_ms(sim, action);
        }
    }
    if (next_ms == INT64_MAX) {
        overcommit(sim);
    } else {
        sim->now_ms = next_ms;
    }
}

static void simulate(struct simulation *sim)
{
    for (size_t i = 0; i < sim->graph->node_count; i++) {
        if (sim->graph->nodes[i].after_count == 0 && sim->graph->nodes[i].guards == NO_NODE) {
            make_ready(sim, (uint32_t)i, NO_NODE);
        }
    }
    for (;;) {
        complete_due(sim);
        dispatch_pools(sim);
        dispatch_requests(sim);
        if (sim->order_count == sim->graph->node_count) {
            return;
        }
        advance(sim);
    }
}

static struct schedule *schedule_graph(struct arena *arena, struct arena *scratch,
                                       const struct graph *graph, const int64_t *duration_ms,
                                       const bool *left_out, bool limits)
{
    struct simulation sim = {
        .scratch = scratch,
        .graph = graph,
        .left_out = left_out,
        .limits = limits,
        .entries = ARENA_ARRAY(arena, struct schedule_entry, graph->node_count),
        .duration_ms = duration_ms,
        .queued_ms = ARENA_ARRAY(scratch, int64_t, graph->node_count),
        .order = ARENA_ARRAY(scratch, uint32_t, graph->node_count),
        .pools = ARENA_ARRAY(scratch, struct pool_state, graph->pool_count),
    };
    for (size_t i = 0; i < graph->pool_count; i++) {
        sim.pools[i].free = graph->pools[i].capacity;
        sim.pools[i].last_release = NO_NODE;
    }
    for (enum bucket bucket = 0; bucket < BUCKET_COUNT; bucket++) {
        sim.rates[bucket] = rate_full(bucket_info(bucket));
    }
    link_successors(&sim);
    measure_tails(&sim);
    simulate(&sim);

    struct schedule *schedule = ARENA_NEW(arena, struct schedule);
    schedule->entries = sim.entries;
    schedule->limits = limits;
    find_critical_path(arena, scratch, graph, sim.order, schedule);
    return schedule;
}

static int64_t sane_duration(int64_t ms)
{
    return ms < 0 ? 0 : ms > DURATION_MAX_MS ? DURATION_MAX_MS : ms;
}

/* Whether one of its kind says how long another takes. How long a delay takes is the plan's word, a copy
 * takes as long as its bytes, and of scripts each is another. */
static bool is_like_others(enum action action)
{
    switch (action) {
    case ACTION_DELAY:
    case ACTION_PUT_BLOCKS:
    case ACTION_RUN_SCRIPT:
    case ACTION_WAIT_SCRIPT:
    case ACTION_CHECK_SCRIPT:
        return false;
    default:
        return true;
    }
}

/* Measured for the very node, else for its kind of action, else what the graph expects. How long people
 * thought the last time is no part of what is predicted, as it is not of what counts. */
static int64_t expected_ms(const struct graph_node *node, const struct facts *facts,
                           const int64_t *const by_action[])
{
    if (graph_is_for_failure(node)) {
        return 0;
    }
    if (node->action == ACTION_APPROVE) {
        return 0;
    }
    const int64_t *measured = facts ? map_get(&facts->durations, node->id) : NULL;
    if (!measured && is_like_others(node->action)) {
        measured = by_action[node->action];
    }
    return sane_duration(measured ? *measured : node->expected_ms);
}

struct schedule *estimate(struct arena *arena, const struct graph *graph, const struct facts *facts,
                          bool limits)
{
    if (facts && map_count(&facts->durations) == 0) {
        facts = NULL;
    }
    const int64_t *by_action[ACTION_COUNT] = {NULL};
    for (enum action action = ACTION_NONE + 1; facts && action < ACTION_COUNT; action++) {
        by_action[action] = map_get(&facts->durations, action_info(action)->name);
    }
    struct arena *scratch = arena_create();
    int64_t *duration_ms = ARENA_ARRAY(scratch, int64_t, graph->node_count);
    for (size_t i = 0; i < graph->node_count; i++) {
        duration_ms[i] = expected_ms(&graph->nodes[i], facts, by_action);
    }
    struct schedule *schedule = schedule_graph(arena, scratch, graph, duration_ms, NULL, limits);
    arena_destroy(scratch);
    return schedule;
}

struct schedule *estimate_without(struct arena *arena, const struct graph *graph,
                                  const struct schedule *schedule, const bool *left_out)
{
    struct arena *scratch = arena_create();
    int64_t *duration_ms = ARENA_ARRAY(scratch, int64_t, graph->node_count);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct schedule_entry *entry = &schedule->entries[i];
        duration_ms[i] = left_out[i] ? 0 : entry->end_ms - entry->start_ms;
    }
    struct schedule *shorter =
        schedule_graph(arena, scratch, graph, duration_ms, left_out, schedule->limits);
    arena_destroy(scratch);
    return shorter;
}
