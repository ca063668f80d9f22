/* Builder: makes a graph node by node, in topological order: a node can only come after nodes that
 * are there already, so the order of making is the order of the graph. Used by lower/, and by
 * whoever needs a graph without a plan (cleanup). Constant work for each node, input and edge. */
#ifndef DRC_GRAPH_BUILDER_H
#define DRC_GRAPH_BUILDER_H

#include "compiler/graph/graph.h"

struct graph_builder;

/* `graph` is the graph under way, in the arena: its name, digests, VMs and the like are the
 * caller's to fill, before or after; pools and nodes are the builder's. nodes_expected: a guess
 * that saves copying. */
struct graph_builder *builder_create(struct arena *arena, struct graph *graph,
                                     size_t nodes_expected);

/* Adds a pool and returns its index. The texts are kept, not copied. */
int32_t builder_pool(struct graph_builder *builder, const char *id, int capacity,
                     const char **slots);

/* Adds the node PREFIX/ACTION-NAME and returns its index. Timeout and expected duration are the
 * action's own until they are changed through builder_current. The calls below are about
 * the node added last. */
uint32_t builder_node(struct graph_builder *builder, enum action action, const char *prefix,
                      int32_t vm, struct because because);
/* The node added last, to change it; valid until the next one is added. */
struct graph_node *builder_current(struct graph_builder *builder);

/* An earlier one; valid until the next one is added. */
const struct graph_node *builder_at(const struct graph_builder *builder, uint32_t node);

/* An edge from an earlier node; ok wins where both are asked for. */
void builder_after(struct graph_builder *builder, uint32_t node, enum edge_when when);
/* Whether no node comes after that one so far. */
bool builder_is_end(const struct graph_builder *builder, uint32_t node);
/* The node runs if `node` was attempted, whatever became of it; with the edge that this needs. */
void builder_guards(struct graph_builder *builder, uint32_t node);
/* An input, in the order of action.def, where it has to be known; with an edge from every node
 * whose output it holds. */
void builder_input(struct graph_builder *builder, const char *name, struct value value);
/* The same for what may be absent: nothing when text is NULL. */
void builder_input_text(struct graph_builder *builder, const char *name, const char *text);

/* Completes the graph; the builder is not to be used any more. graph_verify is the caller's. */
struct graph *builder_finish(struct graph_builder *builder);

/* Values. Texts, items and keys are kept, not copied. */
struct value text_value(const char *text);
struct value int_value(int64_t integer);
struct value bool_value(bool boolean);
struct value list_value(struct value *items, size_t count);
struct value map_value(const char **keys, struct value *items, size_t count);
struct value output_value(uint32_t node, const char *output);
struct value bind_value(const char *name);
struct value slot_value(int32_t pool);

#endif
