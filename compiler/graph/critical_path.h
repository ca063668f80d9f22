/* Critical path and slack of a schedule, by what bound each node. Used by estimate.c alone. */
#ifndef DRC_GRAPH_CRITICAL_PATH_H
#define DRC_GRAPH_CRITICAL_PATH_H

#include <stdint.h>

struct arena;
struct graph;
struct schedule;

/* Fills in what the entries' times and bindings lead to: rto_ms, makespan_ms, the critical path,
 * slack. order: the nodes as they were started (node_count of them). */
void find_critical_path(struct arena *arena, struct arena *scratch, const struct graph *graph,
                        const uint32_t *order, struct schedule *schedule);

#endif
