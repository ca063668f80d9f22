#include "tests/unit/support/graph_maker.h"

#include <assert.h>
#include <string.h>

#include "compiler/base/arena.h"

struct graph *maker_graph(struct arena *arena, size_t capacity)
{
    struct graph *graph = ARENA_NEW(arena, struct graph);
    graph->arena = arena;
    graph->plan_name = "shop";
    graph->plan_digest = "5f2c91d0000000000000000000000000000000000000000000000000000000aa";
    graph->inventory_digest = "";
    graph->tool = "drc test";
    graph->workflow = WORKFLOW_FAILOVER;
    graph->region = "eu-west-1";
    graph->account = "111122223333";
    graph->vms = ARENA_ARRAY(arena, struct graph_vm, capacity + 1);
    graph->pools = ARENA_ARRAY(arena, struct graph_pool, capacity + 1);
    graph->nodes = ARENA_ARRAY(arena, struct graph_node, capacity + 1);
    return graph;
}

int32_t maker_vm(struct graph *graph, const char *name, bool critical)
{
    graph->vms[graph->vm_count] = (struct graph_vm){.name = name, .critical = critical};
    return (int32_t)graph->vm_count++;
}

int32_t maker_pool(struct graph *graph, const char *id, int capacity)
{
    graph->pools[graph->pool_count] = (struct graph_pool){.id = id, .capacity = capacity};
    return (int32_t)graph->pool_count++;
}

static int32_t owner(const struct graph *graph, const char *id)
{
    for (size_t i = 0; i < graph->vm_count; i++) {
        size_t length = strlen(graph->vms[i].name);
        if (strncmp(id, graph->vms[i].name, length) == 0 && id[length] == '/') {
            return (int32_t)i;
        }
    }
    return NO_VM;
}

uint32_t maker_node(struct graph *graph, const char *id, enum action action, int64_t expected_ms)
{
    uint32_t index = (uint32_t)graph->node_count++;
    graph->nodes[index] = (struct graph_node){
        .id = arena_strdup(graph->arena, id),
        .action = action,
        .index = index,
        .vm = owner(graph, id),
        .guards = NO_NODE,
        .acquire = NO_POOL,
        .release = NO_POOL,
        .expected_ms = expected_ms,
        .timeout_ms = 60000,
    };
    return index;
}

void maker_edge(struct graph *graph, uint32_t before, uint32_t node)
{
    assert(before < node);
    struct graph_node *to = &graph->nodes[node];
    struct edge *after = ARENA_ARRAY(graph->arena, struct edge, to->after_count + 1);
    if (to->after_count > 0) {
        memcpy(after, to->after, to->after_count * sizeof *after);
    }
    after[to->after_count++] = (struct edge){.node = before, .when = WHEN_OK};
    to->after = after;
}

void maker_value(struct graph *graph, uint32_t node, const char *name, struct value value)
{
    struct graph_node *to = &graph->nodes[node];
    struct input *inputs = ARENA_ARRAY(graph->arena, struct input, to->input_count + 1);
    if (to->input_count > 0) {
        memcpy(inputs, to->inputs, to->input_count * sizeof *inputs);
    }
    inputs[to->input_count++] = (struct input){.name = name, .value = value};
    to->inputs = inputs;
}

void maker_text(struct graph *graph, uint32_t node, const char *name, const char *text)
{
    maker_value(graph, node, name, (struct value){.kind = VALUE_TEXT, .text = text});
}

void maker_int(struct graph *graph, uint32_t node, const char *name, int64_t value)
{
    maker_value(graph, node, name, (struct value){.kind = VALUE_INT, .integer = value});
}

void maker_bind(struct graph *graph, uint32_t node, const char *name, const char *binding)
{
    maker_value(graph, node, name, (struct value){.kind = VALUE_BIND, .text = binding});
}

void maker_output(struct graph *graph, uint32_t node, const char *name, uint32_t from,
                  const char *output)
{
    maker_value(graph, node, name,
                (struct value){.kind = VALUE_OUTPUT, .text = output, .node = (int32_t)from});
}

struct value maker_texts(struct graph *graph, const char *const *texts, uint32_t count)
{
    struct value list = {.kind = VALUE_LIST, .count = count};
    list.items = ARENA_ARRAY(graph->arena, struct value, count);
    for (uint32_t i = 0; i < count; i++) {
        list.items[i] = (struct value){.kind = VALUE_TEXT, .text = texts[i]};
    }
    return list;
}

struct value maker_map(struct graph *graph, const char *const *keys, const struct value *values,
                       uint32_t count)
{
    struct value map = {.kind = VALUE_MAP, .count = count};
    map.items = ARENA_ARRAY(graph->arena, struct value, count);
    map.keys = ARENA_ARRAY(graph->arena, const char *, count);
    memcpy(map.items, values, count * sizeof *values);
    memcpy(map.keys, keys, count * sizeof *keys);
    return map;
}
