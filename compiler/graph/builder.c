#include "compiler/graph/builder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

struct graph_builder {
    struct arena *arena;
    struct graph *graph;
    struct graph_node *nodes;
    size_t node_count, node_capacity;
    size_t pool_capacity;
    /* Of the node added last, copied to their final place when it is complete. */
    struct edge *edges;
    size_t edge_count, edge_capacity;
    size_t next_port; /* of its action's inputs */
    /* For each node the place of its edge among `edges` plus 1, and for which node that is said. */
    struct seen {
        uint32_t by, place;
    } * seen;
    size_t seen_capacity;
};

struct graph_builder *builder_create(struct arena *arena, struct graph *graph,
                                     size_t nodes_expected)
{
    struct graph_builder *builder = ARENA_NEW(arena, struct graph_builder);
    builder->arena = arena;
    builder->graph = graph;
    builder->node_capacity = nodes_expected;
    builder->nodes = arena_alloc(arena, nodes_expected * sizeof *builder->nodes);
    builder->seen_capacity = nodes_expected;
    builder->seen = ARENA_ARRAY(arena, struct seen, nodes_expected);
    return builder;
}

int32_t builder_pool(struct graph_builder *builder, const char *id, int capacity,
                     const char **slots)
{
    struct graph *graph = builder->graph;
    graph->pools = arena_grow(builder->arena, graph->pools, graph->pool_count,
                              &builder->pool_capacity, sizeof *graph->pools);
    graph->pools[graph->pool_count] =
        (struct graph_pool){.id = id, .capacity = capacity, .slots = slots};
    return (int32_t)graph->pool_count++;
}

struct graph_node *builder_current(struct graph_builder *builder)
{
    assert(builder->node_count > 0);
    return &builder->nodes[builder->node_count - 1];
}

const struct graph_node *builder_at(const struct graph_builder *builder, uint32_t node)
{
    assert(node < builder->node_count);
    return &builder->nodes[node];
}

/* Gives the node added last its edges. */
static void complete_node(struct graph_builder *builder)
{
    if (builder->edge_count == 0) {
        return;
    }
    struct graph_node *node = builder_current(builder);
    node->after = arena_alloc(builder->arena, builder->edge_count * sizeof *node->after);
    memcpy(node->after, builder->edges, builder->edge_count * sizeof *node->after);
    node->after_count = (uint32_t)builder->edge_count;
    builder->edge_count = 0;
}

static const char *join_id(struct arena *arena, const char *prefix, const char *name)
{
    size_t prefix_length = strlen(prefix), name_length = strlen(name);
    char *id = arena_alloc(arena, prefix_length + name_length + 2);
    memcpy(id, prefix, prefix_length + 1);
    id[prefix_length] = '/';
    memcpy(id + prefix_length + 1, name, name_length + 1);
    return id;
}

static void grow_seen(struct graph_builder *builder)
{
    if (builder->node_count <= builder->seen_capacity) {
        return;
    }
    struct seen *grown = ARENA_ARRAY(builder->arena, struct seen, builder->node_capacity);
    if (builder->seen_capacity) {
        memcpy(grown, builder->seen, builder->seen_capacity * sizeof *grown);
    }
    builder->seen = grown;
    builder->seen_capacity = builder->node_capacity;
}

uint32_t builder_node(struct graph_builder *builder, enum action action, const char *prefix,
                      int32_t vm, struct because because)
{
    complete_node(builder);
    const struct action_info *info = action_info(action);
    builder->nodes = arena_grow(builder->arena, builder->nodes, builder->node_count,
                                &builder->node_capacity, sizeof *builder->nodes);
    struct graph_node *node = &builder->nodes[builder->node_count];
    *node = (struct graph_node){
        .id = join_id(builder->arena, prefix, info->name),
        .action = action,
        .index = (uint32_t)builder->node_count,
        .vm = vm,
        .guards = NO_NODE,
        .inputs = info->input_count
                      ? arena_alloc(builder->arena, info->input_count * sizeof *node->inputs)
                      : NULL,
        .acquire = NO_POOL,
        .release = NO_POOL,
        .timeout_ms = info->deadline_ms,
        .expected_ms = info->expected_ms,
        .because = because,
    };
    builder->node_count++;
    builder->next_port = 0;
    grow_seen(builder);
    return node->index;
}

void builder_after(struct graph_builder *builder, uint32_t node, enum edge_when when)
{
    struct graph_node *current = builder_current(builder);
    assert(node < current->index);
    struct seen *seen = &builder->seen[node];
    if (seen->place && seen->by == current->index) {
        if (when == WHEN_OK) {
            builder->edges[seen->place - 1].when = WHEN_OK;
        }
        return;
    }
    builder->edges = arena_grow(builder->arena, builder->edges, builder->edge_count,
                                &builder->edge_capacity, sizeof *builder->edges);
    builder->edges[builder->edge_count++] = (struct edge){.node = node, .when = when};
    *seen = (struct seen){.by = current->index, .place = (uint32_t)builder->edge_count};
}

bool builder_is_end(const struct graph_builder *builder, uint32_t node)
{
    return builder->seen[node].place == 0;
}

void builder_guards(struct graph_builder *builder, uint32_t node)
{
    builder_current(builder)->guards = (int32_t)node;
    builder_after(builder, node, WHEN_ENDED);
}

static void add_edges_of(struct graph_builder *builder, const struct value *value)
{
    if (value->kind == VALUE_OUTPUT) {
        builder_after(builder, (uint32_t)value->node, WHEN_OK);
    } else if (value->kind == VALUE_LIST || value->kind == VALUE_MAP ||
               value->kind == VALUE_TEMPLATE) {
        for (uint32_t i = 0; i < value->count; i++) {
            add_edges_of(builder, &value->items[i]);
        }
    }
}

void builder_input(struct graph_builder *builder, const char *name, struct value value)
{
    struct graph_node *node = builder_current(builder);
    const struct action_info *info = action_info(node->action);
    while (builder->next_port < info->input_count &&
           strcmp(info->inputs[builder->next_port].name, name) != 0) {
        builder->next_port++;
    }
    if (builder->next_port == info->input_count) {
        abort(); /* The action has no such input, or it comes out of its order. */
    }
    node->inputs[node->input_count++] =
        (struct input){.name = info->inputs[builder->next_port++].name, .value = value};
    add_edges_of(builder, &value);
}

void builder_input_text(struct graph_builder *builder, const char *name, const char *text)
{
    if (text) {
        builder_input(builder, name, text_value(text));
    }
}

struct graph *builder_finish(struct graph_builder *builder)
{
    if (builder->node_count > 0) {
        complete_node(builder);
    }
    builder->graph->arena = builder->arena;
    builder->graph->nodes = builder->nodes;
    builder->graph->node_count = builder->node_count;
    return builder->graph;
}

struct value text_value(const char *text)
{
    return (struct value){.kind = VALUE_TEXT, .text = text};
}

struct value int_value(int64_t integer)
{
    return (struct value){.kind = VALUE_INT, .integer = integer};
}

struct value bool_value(bool boolean)
{
    return (struct value){.kind = VALUE_BOOL, .boolean = boolean};
}

struct value list_value(struct value *items, size_t count)
{
    return (struct value){.kind = VALUE_LIST, .items = items, .count = (uint32_t)count};
}

struct value map_value(const char **keys, struct value *items, size_t count)
{
    return (struct value){
        .kind = VALUE_MAP, .items = items, .keys = keys, .count = (uint32_t)count};
}

struct value output_value(uint32_t node, const char *output)
{
    return (struct value){.kind = VALUE_OUTPUT, .text = output, .node = (int32_t)node};
}

struct value bind_value(const char *name)
{
    return (struct value){.kind = VALUE_BIND, .text = name};
}

struct value slot_value(int32_t pool)
{
    return (struct value){.kind = VALUE_SLOT, .node = pool};
}
