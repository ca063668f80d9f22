/* Reduce: the transitive reduction of a graph's edges, for drawing: an edge goes when a longer way
 * says the same: for an edge `ok` one of such edges alone, for an edge `ended` any. */
#ifndef DRC_EMIT_REDUCE_H
#define DRC_EMIT_REDUCE_H

#include <stdbool.h>

struct arena;
struct graph;

/* keep[i][e]: whether edge e of node i's `after` is drawn. Of two for the same predecessor
 * the stronger one. */
bool **reduce_edges(struct arena *arena, const struct graph *graph);

#endif
