#include "compiler/emit/bound.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"

static bool has_binding(const struct value *value)
{
    bool has = value->kind == VALUE_BIND;
    bool nested =
        value->kind == VALUE_LIST || value->kind == VALUE_MAP || value->kind == VALUE_TEMPLATE;
    for (uint32_t i = 0; nested && !has && i < value->count; i++) {
        has = has_binding(&value->items[i]);
    }
    return has;
}

static struct value bound_value(struct arena *arena, const struct value *value,
                                const struct facts *facts)
{
    struct value bound = *value;
    if (!has_binding(value)) {
        return bound;
    }
    if (value->kind == VALUE_BIND) {
        const char *text = map_get(&facts->bindings, value->text);
        return text ? (struct value){.kind = VALUE_TEXT, .text = text} : bound;
    }
    bound.items = ARENA_ARRAY(arena, struct value, value->count);
    for (uint32_t i = 0; i < value->count; i++) {
        bound.items[i] = bound_value(arena, &value->items[i], facts);
    }
    return bound;
}

static void bind_node(struct arena *arena, struct graph_node *node, const struct facts *facts)
{
    struct input *inputs = ARENA_ARRAY(arena, struct input, node->input_count);
    for (uint32_t i = 0; i < node->input_count; i++) {
        inputs[i].name = node->inputs[i].name;
        inputs[i].value = bound_value(arena, &node->inputs[i].value, facts);
    }
    node->inputs = inputs;
}

const struct graph *graph_bound(struct arena *arena, const struct graph *graph,
                                const struct facts *facts)
{
    if (!facts || map_count(&facts->bindings) == 0) {
        return graph;
    }
    struct graph *bound = arena_alloc(arena, sizeof *bound);
    *bound = *graph;
    bound->nodes = ARENA_ARRAY(arena, struct graph_node, graph->node_count);
    if (graph->node_count > 0) {
        memcpy(bound->nodes, graph->nodes, graph->node_count * sizeof *graph->nodes);
    }
    for (size_t i = 0; i < bound->node_count; i++) {
        bind_node(arena, &bound->nodes[i], facts);
    }
    return bound;
}
