/* Edges: who follows whom, as arrays; the nodes of each VM; whose slot a node names; the order in
 * which ready nodes go. Built once. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"

/* A guard waits for what it guards even when no edge says so. */
static void count_edges(struct executor *executor, uint32_t *counts)
{
    const struct graph *graph = executor->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        for (uint32_t e = 0; e < node->after_count; e++) {
            counts[node->after[e].node]++;
        }
        if (executor->nodes[i].guarded != NO_NODE) {
            counts[executor->nodes[i].guarded]++;
        }
    }
}

static void fill_edges(struct executor *executor, uint32_t *next)
{
    const struct graph *graph = executor->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        int32_t guarded = executor->nodes[i].guarded;
        for (uint32_t e = 0; e < node->after_count; e++) {
            uint32_t before = node->after[e].node;
            bool its_guarded = (int32_t)before == guarded;
            executor->successors[next[before]++] = (struct successor){
                .node = i, .when = its_guarded ? WHEN_ENDED : node->after[e].when};
        }
        if (guarded != NO_NODE) {
            executor->successors[next[guarded]++] =
                (struct successor){.node = i, .when = WHEN_ENDED};
        }
    }
}

static void build_successors(struct executor *executor)
{
    size_t count = executor->graph->node_count;
    uint32_t *start = ARENA_ARRAY(executor->arena, uint32_t, count + 1);
    uint32_t *counts = base_alloc((count + 1) * sizeof *counts);
    count_edges(executor, counts);
    for (size_t i = 0; i < count; i++) {
        start[i + 1] = start[i] + counts[i];
    }
    executor->successor_start = start;
    executor->successors = ARENA_ARRAY(executor->arena, struct successor, start[count] + 1);
    memcpy(counts, start, count * sizeof *counts);
    fill_edges(executor, counts);
    free(counts);
}

static void build_vms(struct executor *executor)
{
    const struct graph *graph = executor->graph;
    uint32_t *start = ARENA_ARRAY(executor->arena, uint32_t, graph->vm_count + 2);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].vm != NO_VM) {
            start[graph->nodes[i].vm + 2]++;
        }
    }
    for (size_t vm = 2; vm < graph->vm_count + 2; vm++) {
        start[vm] += start[vm - 1];
    }
    executor->vm_nodes = ARENA_ARRAY(executor->arena, uint32_t, graph->node_count + 1);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].vm != NO_VM) {
            executor->vm_nodes[start[graph->nodes[i].vm + 1]++] = i;
        }
    }
    executor->vm_start = start;
    executor->vm_failed = ARENA_ARRAY(executor->arena, int32_t, graph->vm_count + 1);
    for (size_t vm = 0; vm < graph->vm_count; vm++) {
        executor->vm_failed[vm] = NO_NODE;
    }
}

static int32_t slot_pool(const struct graph_node *node)
{
    for (uint32_t i = 0; i < node->input_count; i++) {
        if (node->inputs[i].value.kind == VALUE_SLOT) {
            return node->inputs[i].value.node;
        }
    }
    return node->release;
}

/* The nearest node before `of` that takes a slot of the pool: predecessors are searched, those of
 * the same VM only. `seen` is scratch, as large as the graph; `mark` makes it new. */
static int32_t find_holder(const struct graph *graph, uint32_t of, int32_t pool, uint32_t *stack,
                           uint32_t *seen)
{
    size_t depth = 0;
    int32_t best = NO_NODE;
    stack[depth++] = of;
    while (depth > 0) {
        const struct graph_node *node = &graph->nodes[stack[--depth]];
        if (node->acquire == pool) {
            best = (int32_t)node->index > best ? (int32_t)node->index : best;
            continue;
        }
        for (uint32_t e = 0; e < node->after_count; e++) {
            uint32_t before = node->after[e].node;
            if (seen[before] != of + 1 && graph->nodes[before].vm == graph->nodes[of].vm) {
                seen[before] = of + 1;
                stack[depth++] = before;
            }
        }
    }
    return best;
}

static void find_holders(struct executor *executor)
{
    const struct graph *graph = executor->graph;
    uint32_t *stack = base_alloc((graph->node_count + 1) * sizeof *stack);
    uint32_t *seen = base_alloc((graph->node_count + 1) * sizeof *seen);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        struct node_run *run = &executor->nodes[i];
        int32_t pool = slot_pool(node);
        run->holder = pool == NO_POOL ? NO_NODE : find_holder(graph, i, pool, stack, seen);
        run->guarded = node->guards;
        if (run->guarded == NO_NODE && node->release != NO_POOL && run->holder != (int32_t)i) {
            run->guarded = run->holder; /* a slot is given back whatever became of its holder */
        }
    }
    free(stack);
    free(seen);
}

struct rank_key {
    int64_t latest, start;
    uint32_t node;
};

static int by_latest_start(const void *a, const void *b)
{
    const struct rank_key *one = a, *other = b;
    if (one->latest != other->latest) {
        return one->latest < other->latest ? -1 : 1;
    }
    if (one->start != other->start) {
        return one->start < other->start ? -1 : 1;
    }
    return one->node < other->node ? -1 : 1;
}

/* When a node has to start at the latest, if nothing but edges and durations counted: critical VMs
 * have to be there by the RTO, everything by the end. The schedule's own slack counts limits and
 * pools too, as they would be used in its order, which says little where all of them are short. */
static int64_t latest_start_ms(const struct executor *executor, const struct rank_key *keys,
                               uint32_t node)
{
    const struct schedule *schedule = executor->options.schedule;
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    const struct schedule_entry *entry = &schedule->entries[node];
    bool rto = graph_node->action == ACTION_RECOVERED && graph_node->vm != NO_VM &&
               executor->graph->vms[graph_node->vm].critical;
    int64_t end = rto ? schedule->rto_ms : schedule->makespan_ms;
    for (uint32_t at = executor->successor_start[node]; at < executor->successor_start[node + 1];
         at++) {
        int64_t latest = keys[executor->successors[at].node].latest;
        end = latest < end ? latest : end;
    }
    return end - (entry->end_ms - entry->start_ms);
}

static void build_ranks(struct executor *executor)
{
    size_t count = executor->graph->node_count;
    const struct schedule *schedule = executor->options.schedule;
    executor->rank = ARENA_ARRAY(executor->arena, uint32_t, count + 1);
    struct rank_key *keys = base_alloc((count + 1) * sizeof *keys);
    for (uint32_t i = (uint32_t)count; i-- > 0;) {
        keys[i].node = i;
        if (schedule) {
            keys[i].latest = latest_start_ms(executor, keys, i);
            keys[i].start = schedule->entries[i].start_ms;
        }
    }
    if (schedule && count > 1 && !graph_keeps_order(executor->graph)) {
        qsort(keys, count, sizeof *keys, by_latest_start);
    }
    for (uint32_t i = 0; i < count; i++) {
        executor->rank[keys[i].node] = i;
    }
    free(keys);
}

void edges_build(struct executor *executor)
{
    find_holders(executor);
    build_successors(executor);
    build_vms(executor);
    build_ranks(executor);
}
