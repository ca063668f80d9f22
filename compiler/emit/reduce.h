/* Reduce: the transitive reduction of a graph's edges, for drawing: an edge goes when a longer way
 * says the same. */
#ifndef DRC_EMIT_REDUCE_H
#define DRC_EMIT_REDUCE_H

#include <stdbool.h>

struct arena;
struct graph;

/* keep[i][e]: whether edge e of node i's `after` is drawn. Twice the same predecessor: once. */
bool **reduce_edges(struct arena *arena, const struct graph *graph);

#endif
