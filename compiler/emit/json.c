/* The compiled graph as JSON, drc-graph/1: one line for each node, so that line diffs are useful;
 * streamed, because a tree of 200,000 nodes is slow. graph_read.c is its inverse. */
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/graph/graph.h"

/* Whether a value is known as it stands, to the innermost item. */
static bool is_literal(const struct value *value)
{
    if (value->kind == VALUE_LIST || value->kind == VALUE_MAP) {
        for (uint32_t i = 0; i < value->count; i++) {
            if (!is_literal(&value->items[i])) {
                return false;
            }
        }
        return true;
    }
    return value->kind == VALUE_TEXT || value->kind == VALUE_INT || value->kind == VALUE_BOOL;
}

typedef void (*item_writer)(struct json_writer *json, const struct graph *graph,
                            const struct value *value);

static void write_items(struct json_writer *json, const struct graph *graph,
                        const struct value *value, item_writer write_item)
{
    json_begin_array(json);
    for (uint32_t i = 0; i < value->count; i++) {
        write_item(json, graph, &value->items[i]);
    }
    json_end_array(json);
}

static void write_members(struct json_writer *json, const struct graph *graph,
                          const struct value *value, item_writer write_item)
{
    json_begin_object(json);
    for (uint32_t i = 0; i < value->count; i++) {
        json_key(json, value->keys[i]);
        write_item(json, graph, &value->items[i]);
    }
    json_end_object(json);
}

static void write_literal(struct json_writer *json, const struct graph *graph,
                          const struct value *value)
{
    switch (value->kind) {
    case VALUE_INT:
        json_int(json, value->integer);
        break;
    case VALUE_BOOL:
        json_bool(json, value->boolean);
        break;
    case VALUE_LIST:
        write_items(json, graph, value, write_literal);
        break;
    case VALUE_MAP:
        write_members(json, graph, value, write_literal);
        break;
    default:
        json_string(json, value->text);
    }
}

/* Each value is an object that says its kind: {"value":8}, {"bind":"db/disk-0/snapshot"}. */
static void write_value(struct json_writer *json, const struct graph *graph,
                        const struct value *value)
{
    json_begin_object(json);
    switch (value->kind) {
    case VALUE_OUTPUT:
        json_key_string(json, "node", graph->nodes[value->node].id);
        json_key_string(json, "output", value->text);
        break;
    case VALUE_BIND:
        json_key_string(json, "bind", value->text);
        break;
    case VALUE_SLOT:
        json_key_string(json, "slot", graph->pools[value->node].id);
        break;
    case VALUE_SECRET:
        json_key_string(json, "secret", value->text);
        break;
    case VALUE_TEMPLATE:
        json_key(json, "template");
        write_items(json, graph, value, write_value);
        break;
    default:
        if (is_literal(value)) {
            json_key(json, "value");
            write_literal(json, graph, value);
        } else if (value->kind == VALUE_LIST) {
            json_key(json, "list");
            write_items(json, graph, value, write_value);
        } else {
            json_key(json, "map");
            write_members(json, graph, value, write_value);
        }
    }
    json_end_object(json);
}

static void write_edges(struct json_writer *json, const struct graph *graph,
                        const struct graph_node *node)
{
    if (node->after_count == 0) {
        return;
    }
    json_key(json, "after");
    json_begin_array(json);
    for (uint32_t i = 0; i < node->after_count; i++) {
        json_begin_object(json);
        json_key_string(json, "node", graph->nodes[node->after[i].node].id);
        json_key_string(json, "when", edge_when_name(node->after[i].when));
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_ports(struct json_writer *json, const struct graph *graph,
                        const struct graph_node *node)
{
    if (node->input_count > 0) {
        json_key(json, "inputs");
        json_begin_object(json);
        for (uint32_t i = 0; i < node->input_count; i++) {
            json_key(json, node->inputs[i].name);
            write_value(json, graph, &node->inputs[i].value);
        }
        json_end_object(json);
    }
    const struct action_info *info = action_info(node->action);
    if (info->output_count > 0) {
        json_key(json, "outputs");
        json_begin_array(json);
        for (size_t i = 0; i < info->output_count; i++) {
            json_string(json, info->outputs[i].name);
        }
        json_end_array(json);
    }
}

static void write_because(struct json_writer *json, const struct because *because)
{
    json_key(json, "because");
    json_begin_object(json);
    if (because->file) {
        json_key_string(json, "file", because->file);
        json_key_int(json, "line", because->line);
    }
    json_key_string(json, "rule", because->rule);
    json_end_object(json);
}

static void write_node(struct json_writer *json, const struct graph *graph,
                       const struct graph_node *node)
{
    json_begin_object(json);
    json_key_string(json, "id", node->id);
    json_key_string(json, "action", action_info(node->action)->name);
    if (node->vm != NO_VM) {
        json_key_string(json, "vm", graph->vms[node->vm].name);
    }
    write_edges(json, graph, node);
    if (node->guards != NO_NODE) {
        json_key_string(json, "guards", graph->nodes[node->guards].id);
    }
    write_ports(json, graph, node);
    if (node->acquire != NO_POOL) {
        json_key_string(json, "acquire", graph->pools[node->acquire].id);
    }
    if (node->release != NO_POOL) {
        json_key_string(json, "release", graph->pools[node->release].id);
    }
    json_key_int(json, "timeout_ms", node->timeout_ms);
    if (node->retries > 0) {
        json_key_int(json, "retries", node->retries);
    }
    if (node->continue_on_failure) {
        json_key_string(json, "on_failure", "continue");
    }
    if (node->expected_ms > 0) {
        json_key_int(json, "expected_ms", node->expected_ms);
    }
    write_because(json, &node->because);
    json_end_object(json);
}

static void write_head(struct json_writer *json, const struct graph *graph)
{
    json_key_string(json, "format", "drc-graph/1");
    json_key(json, "plan");
    json_begin_object(json);
    json_key_string(json, "name", graph->plan_name);
    json_key_string(json, "file", graph->plan_file);
    json_end_object(json);
    json_key(json, "digests");
    json_begin_object(json);
    json_key_string(json, "plan", graph->plan_digest);
    if (graph->inventory_digest && graph->inventory_digest[0]) {
        json_key_string(json, "inventory", graph->inventory_digest);
    }
    json_key_string(json, "tool", graph->tool);
    json_end_object(json);
    json_key_string(json, "workflow", workflow_name(graph->workflow));
    json_key_string(json, "region", graph->region);
    json_key_string(json, "account", graph->account);
}

static void write_vms(struct json_writer *json, const struct graph *graph)
{
    json_key(json, "vms");
    json_begin_array(json);
    for (size_t i = 0; i < graph->vm_count; i++) {
        json_begin_object(json);
        json_key_string(json, "name", graph->vms[i].name);
        json_key_bool(json, "critical", graph->vms[i].critical);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_pool(struct json_writer *json, const struct graph_pool *pool)
{
    json_begin_object(json);
    json_key_string(json, "id", pool->id);
    json_key_int(json, "capacity", pool->capacity);
    if (pool->slots) {
        json_key(json, "slots");
        json_begin_array(json);
        for (int i = 0; i < pool->capacity; i++) {
            json_string(json, pool->slots[i]);
        }
        json_end_array(json);
    }
    json_end_object(json);
}

static void write_pools(struct json_writer *json, const struct graph *graph)
{
    json_key(json, "pools");
    json_begin_array(json);
    for (size_t i = 0; i < graph->pool_count; i++) {
        write_pool(json, &graph->pools[i]);
    }
    json_end_array(json);
}

static void write_assumptions(struct json_writer *json, const struct graph *graph)
{
    if (graph->assumption_count == 0) {
        return;
    }
    json_key(json, "assumptions");
    json_begin_array(json);
    for (size_t i = 0; i < graph->assumption_count; i++) {
        json_string(json, graph->assumptions[i]);
    }
    json_end_array(json);
}

void graph_write_json(const struct graph *graph, struct buffer *out)
{
    struct json_writer json = json_writer(out, 1);
    json.compact_from = 2;
    json_begin_object(&json);
    write_head(&json, graph);
    write_vms(&json, graph);
    write_pools(&json, graph);
    write_assumptions(&json, graph);
    json_key(&json, "nodes");
    json_begin_array(&json);
    for (size_t i = 0; i < graph->node_count; i++) {
        write_node(&json, graph, &graph->nodes[i]);
    }
    json_end_array(&json);
    json_end_object(&json);
}
