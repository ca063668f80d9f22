/* A node of a compiled graph read back, with its values, edges and reasons. */
#include "compiler/graph/graph_read_node.h"

#include <limits.h>
#include <string.h>

#include "compiler/base/arena.h"

enum { VALUE_DEPTH_MAX = 8 };

static const char *share_text(struct graph_reader *r, const char *text)
{
    const char *shared = map_get(&r->shared_texts, text);
    if (!shared) {
        shared = arena_strdup(r->arena, text);
        map_put(&r->shared_texts, shared, (void *)shared);
    }
    return shared;
}

/* ---- values ---- */

typedef bool (*item_reader)(struct graph_reader *r, const cJSON *json, struct value *value, int depth,
                            const struct json_at *at);

static bool read_items(struct graph_reader *r, const cJSON *json, struct value *value,
                       enum value_kind kind, int depth, const struct json_at *at,
                       item_reader read_item)
{
    bool map = kind == VALUE_MAP;
    if (depth == VALUE_DEPTH_MAX) {
        return json_fail(at, r->error, "the nesting is too deep");
    }
    if (map ? !json_expect_object(json, NULL, at, r->error)
            : !json_expect_array(json, at, r->error)) {
        return false;
    }
    size_t count = (size_t)cJSON_GetArraySize(json), i = 0;
    *value = (struct value){.kind = kind, .count = (uint32_t)count};
    value->items = ARENA_ARRAY(r->arena, struct value, count);
    value->keys = map ? ARENA_ARRAY(r->arena, const char *, count) : NULL;
    for (const cJSON *item = json->child; item; item = item->next, i++) {
        const struct json_at *here = map ? JSON_MEMBER(at, item->string) : JSON_ELEMENT(at, i);
        if (map) {
            value->keys[i] = arena_strdup(r->arena, item->string);
        }
        if (!read_item(r, item, &value->items[i], depth + 1, here)) {
            return false;
        }
    }
    return true;
}

static bool read_literal(struct graph_reader *r, const cJSON *json, struct value *value, int depth,
                         const struct json_at *at)
{
    if (cJSON_IsString(json)) {
        *value =
            (struct value){.kind = VALUE_TEXT, .text = arena_strdup(r->arena, json->valuestring)};
        return true;
    }
    if (cJSON_IsBool(json)) {
        *value = (struct value){.kind = VALUE_BOOL, .boolean = cJSON_IsTrue(json)};
        return true;
    }
    int64_t integer;
    if (json_is_int(json, &integer)) {
        *value = (struct value){.kind = VALUE_INT, .integer = integer};
        return true;
    }
    if (cJSON_IsArray(json)) {
        return read_items(r, json, value, VALUE_LIST, depth, at, read_literal);
    }
    if (cJSON_IsObject(json)) {
        return read_items(r, json, value, VALUE_MAP, depth, at, read_literal);
    }
    return json_fail(at, r->error, "a text, whole number, boolean, array or object is expected");
}

static struct graph_node *find_node(struct graph_reader *r, const cJSON *object, const char *key,
                                    const struct json_at *at)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    if (!id) {
        json_fail(JSON_MEMBER(at, key), r->error, "the id of a node is expected");
        return NULL;
    }
    struct graph_node *node = map_get(&r->graph->node_by_id, id);
    if (!node) {
        json_fail(JSON_MEMBER(at, key), r->error, "no node \"%.200s\" stands before this one", id);
    }
    return node;
}

static bool find_pool(struct graph_reader *r, const cJSON *object, const char *key, int32_t *index,
                      const struct json_at *at)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    const struct graph_pool *pool = id ? map_get(&r->pool_by_id, id) : NULL;
    if (!pool) {
        return json_fail(JSON_MEMBER(at, key), r->error, "the id of a pool is expected");
    }
    *index = (int32_t)(pool - r->graph->pools);
    return true;
}

static bool read_output(struct graph_reader *r, const cJSON *json, struct value *value,
                        const struct json_at *at)
{
    static const char *const keys[] = {"node", "output", NULL};
    const char *output = NULL;
    const struct graph_node *node;
    if (!json_expect_object(json, keys, at, r->error) || !(node = find_node(r, json, "node", at)) ||
        !json_get_text(json, "output", JSON_NEEDED, r->arena, &output, at, r->error)) {
        return false;
    }
    const struct action_port *port = action_output(node->action, output);
    if (!port) {
        return json_fail(JSON_MEMBER(at, "output"), r->error, "%s has no such output", node->id);
    }
    *value = (struct value){.kind = VALUE_OUTPUT, .text = port->name, .node = (int32_t)node->index};
    return true;
}

static bool read_value(struct graph_reader *r, const cJSON *json, struct value *value, int depth,
                       const struct json_at *at)
{
    if (!json_expect_object(json, NULL, at, r->error)) {
        return false;
    }
    if (cJSON_HasObjectItem(json, "node")) {
        return read_output(r, json, value, at);
    }
    const cJSON *only = json->child;
    if (!only || only->next) {
        return json_fail(at, r->error, "an object with one key (its kind) is expected");
    }
    const struct json_at *inner = JSON_MEMBER(at, only->string);
    if (strcmp(only->string, "value") == 0) {
        return read_literal(r, only, value, depth, inner);
    }
    if (strcmp(only->string, "list") == 0) {
        return read_items(r, only, value, VALUE_LIST, depth, inner, read_value);
    }
    if (strcmp(only->string, "map") == 0) {
        return read_items(r, only, value, VALUE_MAP, depth, inner, read_value);
    }
    if (strcmp(only->string, "template") == 0) {
        return read_items(r, only, value, VALUE_TEMPLATE, depth, inner, read_value);
    }
    if (strcmp(only->string, "slot") == 0) {
        value->kind = VALUE_SLOT;
        return find_pool(r, json, "slot", &value->node, at);
    }
    bool bind = strcmp(only->string, "bind") == 0;
    if (!bind && strcmp(only->string, "secret") != 0) {
        return json_fail(inner, r->error, "there is no such kind of value");
    }
    value->kind = bind ? VALUE_BIND : VALUE_SECRET;
    return json_get_text(json, only->string, JSON_NEEDED, r->arena, &value->text, at, r->error);
}

/* ---- nodes ---- */

static bool read_edge(struct graph_reader *r, const cJSON *json, struct edge *edge,
                      const struct json_at *at)
{
    static const char *const keys[] = {"node", "when", NULL};
    const struct graph_node *node;
    if (!json_expect_object(json, keys, at, r->error) || !(node = find_node(r, json, "node", at))) {
        return false;
    }
    const char *when = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "when"));
    for (int i = WHEN_OK; when && i <= WHEN_FAILED; i++) {
        if (strcmp(when, edge_when_name((enum edge_when)i)) == 0) {
            *edge = (struct edge){.node = node->index, .when = (enum edge_when)i};
            return true;
        }
    }
    return json_fail(JSON_MEMBER(at, "when"), r->error, "\"ok\", \"ended\" or \"failed\" is expected");
}

static bool read_edges(struct graph_reader *r, const cJSON *json, struct graph_node *node,
                       const struct json_at *parent)
{
    const struct json_at *at = JSON_MEMBER(parent, "after");
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(json, "after");
    if (!after) {
        return true;
    }
    if (!json_expect_array(after, at, r->error)) {
        return false;
    }
    node->after_count = (uint32_t)cJSON_GetArraySize(after);
    node->after = ARENA_ARRAY(r->arena, struct edge, node->after_count);
    size_t i = 0;
    for (const cJSON *edge = after->child; edge; edge = edge->next, i++) {
        if (!read_edge(r, edge, &node->after[i], JSON_ELEMENT(at, i))) {
            return false;
        }
    }
    return true;
}

static bool read_inputs(struct graph_reader *r, const cJSON *json, struct graph_node *node,
                        const struct json_at *parent)
{
    const struct json_at *at = JSON_MEMBER(parent, "inputs");
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(json, "inputs");
    if (!inputs) {
        return true;
    }
    if (!json_expect_object(inputs, NULL, at, r->error)) {
        return false;
    }
    node->inputs = ARENA_ARRAY(r->arena, struct input, (size_t)cJSON_GetArraySize(inputs));
    for (const cJSON *item = inputs->child; item; item = item->next) {
        const struct json_at *here = JSON_MEMBER(at, item->string);
        const struct action_port *port = action_input(node->action, item->string);
        if (!port) {
            return json_fail(here, r->error, "the action has no such input");
        }
        struct input *input = &node->inputs[node->input_count++];
        input->name = port->name;
        if (!read_value(r, item, &input->value, 0, here)) {
            return false;
        }
    }
    return true;
}

/* They are the action's; a file that says otherwise was made for another instruction set. */
static bool check_outputs(struct graph_reader *r, const cJSON *json, const struct graph_node *node,
                          const struct json_at *parent)
{
    const struct action_info *info = action_info(node->action);
    const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(json, "outputs");
    size_t i = 0;
    bool ok = outputs ? cJSON_IsArray(outputs) : info->output_count == 0;
    const cJSON *name = ok && outputs ? outputs->child : NULL;
    for (; ok && name; name = name->next, i++) {
        ok = cJSON_IsString(name) && i < info->output_count &&
             strcmp(name->valuestring, info->outputs[i].name) == 0;
    }
    return (ok && i == (outputs ? info->output_count : 0)) ||
           json_fail(JSON_MEMBER(parent, "outputs"), r->error, "these are not the outputs of %s",
                     info->name);
}

static bool read_because(struct graph_reader *r, const cJSON *json, struct because *because,
                         const struct json_at *parent)
{
    static const char *const keys[] = {"file", "line", "rule", NULL};
    const struct json_at *at = JSON_MEMBER(parent, "because");
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(json, "because");
    if (!object) {
        return json_fail(parent, r->error, "\"because\" is missing");
    }
    if (!json_expect_object(object, keys, at, r->error)) {
        return false;
    }
    const cJSON *file = cJSON_GetObjectItemCaseSensitive(object, "file");
    const cJSON *rule = cJSON_GetObjectItemCaseSensitive(object, "rule");
    if (!cJSON_IsString(rule) || (file && !cJSON_IsString(file))) {
        return json_fail(at, r->error, "\"rule\" and \"file\" have to be text");
    }
    int64_t line = 0;
    if (!json_get_int(object, "line", file ? JSON_NEEDED : JSON_OPTIONAL, 0, UINT32_MAX, &line, at,
                      r->error)) {
        return false;
    }
    *because = (struct because){.file = file ? share_text(r, file->valuestring) : NULL,
                                .line = (uint32_t)line,
                                .rule = share_text(r, rule->valuestring)};
    return true;
}

static bool read_numbers(struct graph_reader *r, const cJSON *json, struct graph_node *node,
                         const struct json_at *at)
{
    int64_t retries = 0;
    node->expected_ms = 0;
    if (!json_get_int(json, "timeout_ms", JSON_NEEDED, 1, JSON_INT_MAX, &node->timeout_ms, at,
                      r->error) ||
        !json_get_int(json, "retries", JSON_OPTIONAL, 0, 1000, &retries, at, r->error) ||
        !json_get_int(json, "expected_ms", JSON_OPTIONAL, 0, JSON_INT_MAX, &node->expected_ms, at,
                      r->error)) {
        return false;
    }
    node->retries = (int)retries;
    const cJSON *policy = cJSON_GetObjectItemCaseSensitive(json, "on_failure");
    const char *word = cJSON_GetStringValue(policy);
    if (policy && (!word || (strcmp(word, "continue") != 0 && strcmp(word, "abort") != 0))) {
        return json_fail(JSON_MEMBER(at, "on_failure"), r->error,
                         "\"abort\" or \"continue\" is expected");
    }
    node->continue_on_failure = word && word[0] == 'c';
    return true;
}

/* VM, guards and pools: what is named by the node itself. */
static bool read_relations(struct graph_reader *r, const cJSON *json, struct graph_node *node,
                           const struct json_at *at)
{
    node->vm = NO_VM;
    node->guards = NO_NODE;
    node->acquire = node->release = NO_POOL;
    const cJSON *vm = cJSON_GetObjectItemCaseSensitive(json, "vm");
    if (vm) {
        const char *name = cJSON_GetStringValue(vm);
        const struct graph_vm *found = name ? map_get(&r->vm_by_name, name) : NULL;
        if (!found) {
            return json_fail(JSON_MEMBER(at, "vm"), r->error, "this VM is not among \"vms\"");
        }
        node->vm = (int32_t)(found - r->graph->vms);
    }
    if (cJSON_HasObjectItem(json, "guards")) {
        const struct graph_node *guarded = find_node(r, json, "guards", at);
        if (!guarded) {
            return false;
        }
        node->guards = (int32_t)guarded->index;
    }
    return (!cJSON_HasObjectItem(json, "acquire") ||
            find_pool(r, json, "acquire", &node->acquire, at)) &&
           (!cJSON_HasObjectItem(json, "release") ||
            find_pool(r, json, "release", &node->release, at));
}

bool graph_read_node(struct graph_reader *r, const cJSON *json, struct graph_node *node,
                     const struct json_at *at)
{
    static const char *const keys[] = {"id",          "action",     "vm",      "after",
                                       "guards",      "inputs",     "outputs", "acquire",
                                       "release",     "timeout_ms", "retries", "on_failure",
                                       "expected_ms", "because",    NULL};
    if (!json_expect_object(json, keys, at, r->error) ||
        !json_get_text(json, "id", JSON_NEEDED, r->arena, &node->id, at, r->error)) {
        return false;
    }
    const char *action = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "action"));
    node->action = action ? action_by_name(action) : ACTION_NONE;
    if (node->action == ACTION_NONE) {
        return json_fail(JSON_MEMBER(at, "action"), r->error,
                         "this is no action that this version of drc knows");
    }
    return read_relations(r, json, node, at) && read_edges(r, json, node, at) &&
           read_inputs(r, json, node, at) && check_outputs(r, json, node, at) &&
           read_numbers(r, json, node, at) && read_because(r, json, &node->because, at);
}
