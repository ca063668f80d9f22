/* Graphs made by hand, for tests of what reads graphs. */
#ifndef DRC_TESTS_GRAPH_MAKER_H
#define DRC_TESTS_GRAPH_MAKER_H

#include "compiler/graph/graph.h"

/* An empty failover graph of the plan "shop" with room for `capacity` nodes, VMs and pools. */
struct graph *maker_graph(struct arena *arena, size_t capacity);

int32_t maker_vm(struct graph *graph, const char *name, bool critical);
int32_t maker_pool(struct graph *graph, const char *id, int capacity);

/* Returns the node's index. Its VM is the one that the id begins with, if there is such a one. */
uint32_t maker_node(struct graph *graph, const char *id, enum action action, int64_t expected_ms);

/* `node` comes after `before`, which has to have the smaller index. */
void maker_edge(struct graph *graph, uint32_t before, uint32_t node);

/* Inputs, in the order of the action's. Texts are kept, not copied. */
void maker_text(struct graph *graph, uint32_t node, const char *name, const char *text);
void maker_int(struct graph *graph, uint32_t node, const char *name, int64_t value);
void maker_bind(struct graph *graph, uint32_t node, const char *name, const char *binding);
void maker_output(struct graph *graph, uint32_t node, const char *name, uint32_t from,
                  const char *output);
void maker_value(struct graph *graph, uint32_t node, const char *name, struct value value);

/* A list of `count` texts, and a map of one key. */
struct value maker_texts(struct graph *graph, const char *const *texts, uint32_t count);
struct value maker_map(struct graph *graph, const char *const *keys, const struct value *values,
                       uint32_t count);

#endif
