/* Bound: a graph as it reads with the bindings of facts filled in. */
#ifndef DRC_EMIT_BOUND_H
#define DRC_EMIT_BOUND_H

struct arena;
struct facts;
struct graph;

/* The graph itself where facts are NULL or bind nothing, else a copy in the arena that shares what
 * is not bound. For showing only: bindings that facts lack stay symbolic. */
const struct graph *graph_bound(struct arena *arena, const struct graph *graph,
                                const struct facts *facts);

#endif
