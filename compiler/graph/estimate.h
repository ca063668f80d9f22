/* Estimate: predicts when each node of a graph starts and ends, by list scheduling over edges,
 * pools and rate buckets with expected durations; the RTO and the critical path follow. */
#ifndef DRC_GRAPH_ESTIMATE_H
#define DRC_GRAPH_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct facts;
struct graph;

/* What made a node start when it did. */
enum binding_kind { BOUND_BY_NOTHING, BOUND_BY_NODE, BOUND_BY_POOL, BOUND_BY_BUCKET };

struct schedule_entry {
    int64_t start_ms, end_ms; /* from the start of the run */
    enum binding_kind bound_by;
    int32_t binding_node; /* NODE: predecessor; POOL, BUCKET: who held or took it; NO_NODE */
    int64_t slack_ms;     /* how much later it could end without the RTO getting worse */
    bool critical;        /* on the critical path */
};

/* Lies in the arena. */
struct schedule {
    struct schedule_entry *entries; /* graph->node_count, by node index */
    int64_t rto_ms;      /* until every critical VM is recovered; 0: the graph recovers none */
    int64_t makespan_ms; /* until the last node has ended */
    /* Node indexes in order: the chain of bindings that leads to rto_ms (to makespan_ms where no
     * critical VM is recovered). A link by BUCKET goes from start to start, all others from an end
     * to a start, without a gap. */
    uint32_t *critical_path;
    size_t critical_path_count;
    bool limits; /* whether rate buckets counted */
};

/* facts may be NULL: built-in durations. `limits`: whether rate buckets count. The graph has to be
 * one that graph_verify passes. */
struct schedule *estimate(struct arena *arena, const struct graph *graph, const struct facts *facts,
                          bool limits);

/* The same with `schedule`'s durations, but with the nodes marked in left_out (node_count of them)
 * taking no time, no request and no place in a pool: what would be gained without them. */
struct schedule *estimate_without(struct arena *arena, const struct graph *graph,
                                  const struct schedule *schedule, const bool *left_out);

#endif
