/* What every graph has to keep, however it came to be: compiled, read from a file, or made for a
 * cleanup. The executor relies on it. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/graph/graph.h"

enum { VALUE_DEPTH_MAX = 8, ID_LENGTH_MAX = 200, POOL_CAPACITY_MAX = 1000 };

struct verifier {
    const struct graph *graph;
    const struct graph_node *node; /* at hand */
    struct error *error;
    int32_t *held;  /* for each VM the pool that it holds slots of */
    uint32_t *held_count;
    uint32_t *seen; /* for each node: index + 1 of the node that has an edge from it */
    enum edge_when *seen_when;
};

static bool is_milestone_or_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '/';
}

/* PREFIX/ACTION-NAME, of the characters of names. */
static bool verify_id(struct verifier *v)
{
    const char *id = v->node->id, *name = action_info(v->node->action)->name;
    size_t length = strlen(id), name_length = strlen(name);
    if (length > ID_LENGTH_MAX || length < name_length + 2 || id[length - name_length - 1] != '/' ||
        strcmp(id + length - name_length, name) != 0) {
        return error_set(v->error, "the id does not end with the action's name, \"/%s\"", name);
    }
    for (const char *c = id; *c; c++) {
        if (!is_milestone_or_name(*c)) {
            return error_set(v->error, "the id holds a character that ids do not have");
        }
    }
    if (v->node->vm == NO_VM) {
        return true;
    }
    const char *vm = v->graph->vms[v->node->vm].name;
    size_t vm_length = strlen(vm);
    if (strncmp(id, vm, vm_length) != 0 || id[vm_length] != '/') {
        return error_set(v->error, "the id does not begin with the VM's name, \"%s/\"", vm);
    }
    return true;
}

static bool verify_edges(struct verifier *v)
{
    const struct graph_node *node = v->node;
    for (uint32_t i = 0; i < node->after_count; i++) {
        uint32_t from = node->after[i].node;
        if (from >= node->index) {
            return error_set(v->error, "it comes after a node that does not stand before it");
        }
        if (v->seen[from] == node->index + 1) {
            return error_set(v->error, "it comes after %s twice", v->graph->nodes[from].id);
        }
        v->seen[from] = node->index + 1;
        v->seen_when[from] = node->after[i].when;
    }
    if (node->guards == NO_NODE) {
        return true;
    }
    if (node->guards < 0 || node->guards >= (int64_t)node->index ||
        v->seen[node->guards] != node->index + 1) {
        return error_set(v->error, "it guards a node that it does not come after");
    }
    return true;
}

static bool has_kind(enum value_kind kind, enum value_type type)
{
    switch (type) {
    case TYPE_TEXT:
        return kind == VALUE_TEXT || kind == VALUE_SECRET || kind == VALUE_TEMPLATE;
    case TYPE_INT:
        return kind == VALUE_INT;
    case TYPE_BOOL:
        return kind == VALUE_BOOL;
    case TYPE_LIST:
        return kind == VALUE_LIST;
    case TYPE_MAP:
        return kind == VALUE_MAP;
    }
    return false;
}

static bool verify_output(struct verifier *v, const struct value *value, enum value_type type)
{
    int64_t from = value->node;
    if (from < 0 || from >= (int64_t)v->node->index || v->seen[from] != v->node->index + 1 ||
        v->seen_when[from] != WHEN_OK) {
        return error_set(v->error, "takes a value from a node that it does not come after (ok)");
    }
    const struct graph_node *node = &v->graph->nodes[from];
    const struct action_port *output = action_output(node->action, value->text);
    if (!output) {
        return error_set(v->error, "takes \"%s\" from %s, which has no such output", value->text,
                         node->id);
    }
    return output->type == type ||
           error_set(v->error, "takes \"%s\" from %s, which is of the type %s, not %s", value->text,
                     node->id, value_type_name(output->type), value_type_name(type));
}

static bool verify_slot(struct verifier *v, const struct value *value)
{
    int32_t pool = value->node;
    if (pool < 0 || (size_t)pool >= v->graph->pool_count || !v->graph->pools[pool].slots) {
        return error_set(v->error, "takes a slot from a pool without slots");
    }
    return (v->node->vm != NO_VM && v->held[v->node->vm] == pool) ||
           error_set(v->error, "takes a slot of %s, of which its VM holds none",
                     v->graph->pools[pool].id);
}

static bool verify_value(struct verifier *v, const struct value *value, int depth);

static bool verify_items(struct verifier *v, const struct value *value, int depth)
{
    if (depth == VALUE_DEPTH_MAX) {
        return error_set(v->error, "is nested too deeply");
    }
    for (uint32_t i = 0; i < value->count; i++) {
        if (!verify_value(v, &value->items[i], depth + 1)) {
            return false;
        }
    }
    return true;
}

/* What lies within a list, a map or a template may be of any type. */
static bool verify_value(struct verifier *v, const struct value *value, int depth)
{
    switch (value->kind) {
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_TEMPLATE:
        return verify_items(v, value, depth);
    case VALUE_OUTPUT:
        return verify_output(v, value, TYPE_TEXT);
    case VALUE_SLOT:
        return verify_slot(v, value);
    default:
        return true;
    }
}

static bool verify_input(struct verifier *v, const struct value *value,
                         const struct action_port *port)
{
    bool ok;
    if (value->kind == VALUE_OUTPUT) {
        ok = verify_output(v, value, port->type);
    } else if (value->kind == VALUE_BIND || value->kind == VALUE_SLOT) {
        ok = port->type == TYPE_TEXT || error_set(v->error, "is text, and has to be of the type %s",
                                                  value_type_name(port->type));
        ok = ok && verify_value(v, value, 0);
    } else {
        ok = has_kind(value->kind, port->type) ||
             error_set(v->error, "has to be of the type %s", value_type_name(port->type));
        ok = ok && verify_value(v, value, 0);
    }
    return ok || error_prefix(v->error, "input %s", port->name);
}

/* In the order of action.def, each once, and all that are needed. */
static bool verify_inputs(struct verifier *v)
{
    const struct action_info *info = action_info(v->node->action);
    uint32_t next = 0;
    for (size_t p = 0; p < info->input_count; p++) {
        const struct action_port *port = &info->inputs[p];
        if (next < v->node->input_count && strcmp(v->node->inputs[next].name, port->name) == 0) {
            if (!verify_input(v, &v->node->inputs[next].value, port)) {
                return false;
            }
            next++;
        } else if (!port->optional) {
            return error_set(v->error, "input %s is missing", port->name);
        }
    }
    return next == v->node->input_count ||
           error_set(v->error, "input %s is not one of the action's, or out of order",
                     v->node->inputs[next].name);
}

static bool is_pool(const struct verifier *v, int32_t pool)
{
    return pool >= 0 && (size_t)pool < v->graph->pool_count;
}

/* A VM holds a slot of one pool at a time, or several where they have no names. */
static bool verify_acquire(struct verifier *v)
{
    int32_t pool = v->node->acquire;
    if (pool == NO_POOL) {
        return true;
    }
    if (!is_pool(v, pool) || v->node->vm == NO_VM) {
        return error_set(v->error, "it acquires what is no pool, or belongs to no VM");
    }
    bool several = v->held[v->node->vm] == pool && !v->graph->pools[pool].slots;
    if (v->held[v->node->vm] != NO_POOL && !several) {
        return error_set(v->error, "it acquires %s while its VM holds a slot of %s",
                         v->graph->pools[pool].id, v->graph->pools[v->held[v->node->vm]].id);
    }
    v->held[v->node->vm] = pool;
    v->held_count[v->node->vm]++;
    return true;
}

static bool verify_release(struct verifier *v)
{
    int32_t pool = v->node->release;
    if (pool == NO_POOL) {
        return true;
    }
    if (!is_pool(v, pool) || v->node->vm == NO_VM || v->held[v->node->vm] != pool) {
        return error_set(v->error, "it releases a pool of which its VM holds no slot");
    }
    if (--v->held_count[v->node->vm] == 0) {
        v->held[v->node->vm] = NO_POOL;
    }
    return true;
}

static bool verify_node(struct verifier *v)
{
    const struct graph_node *node = v->node;
    if ((unsigned)node->action >= ACTION_COUNT || node->action == ACTION_NONE) {
        return error_set(v->error, "it has no action");
    }
    if (node->vm != NO_VM && (node->vm < 0 || (size_t)node->vm >= v->graph->vm_count)) {
        return error_set(v->error, "it belongs to a VM that is not in the graph");
    }
    if (node->timeout_ms <= 0 || node->expected_ms < 0 || node->retries < 0) {
        return error_set(v->error, "its timeout, expected duration or retries are out of range");
    }
    return verify_id(v) && verify_edges(v) && verify_acquire(v) && verify_inputs(v) &&
           verify_release(v);
}

static bool verify_pools(const struct graph *graph, struct error *error)
{
    for (size_t i = 0; i < graph->pool_count; i++) {
        int capacity = graph->pools[i].capacity;
        if (capacity < 1 || capacity > POOL_CAPACITY_MAX) {
            return error_set(error, "pool %s: its capacity is not from 1 to %d", graph->pools[i].id,
                             POOL_CAPACITY_MAX);
        }
    }
    return true;
}

static bool verify_all_released(const struct verifier *v)
{
    for (size_t i = 0; i < v->graph->vm_count; i++) {
        if (v->held[i] != NO_POOL) {
            return error_set(v->error, "VM %s never releases its slot of %s", v->graph->vms[i].name,
                             v->graph->pools[v->held[i]].id);
        }
    }
    return true;
}

bool graph_verify(const struct graph *graph, struct error *error)
{
    if (!verify_pools(graph, error)) {
        return false;
    }
    struct arena *arena = arena_create();
    struct verifier v = {
        .graph = graph,
        .error = error,
        .held = arena_alloc(arena, (graph->vm_count + 1) * sizeof *v.held),
        .held_count = ARENA_ARRAY(arena, uint32_t, graph->vm_count + 1),
        .seen = ARENA_ARRAY(arena, uint32_t, graph->node_count + 1),
        .seen_when = arena_alloc(arena, (graph->node_count + 1) * sizeof *v.seen_when),
    };
    for (size_t i = 0; i < graph->vm_count; i++) {
        v.held[i] = NO_POOL;
    }
    bool ok = true;
    for (uint32_t i = 0; ok && i < graph->node_count; i++) {
        v.node = &graph->nodes[i];
        ok = v.node->index == i && verify_node(&v);
        if (!ok) {
            error_prefix(error, "node %s", v.node->id);
        }
    }
    ok = ok && verify_all_released(&v);
    arena_destroy(arena);
    return ok;
}
