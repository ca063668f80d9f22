/* Reads a compiled graph back, drc-graph/1: the inverse of emit/json.c. Whoever wrote the file,
 * what comes out has passed graph_verify. A large document is walked node by node, so that memory
 * stays with the graph's own. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "compiler/graph/graph.h"
#include "compiler/graph/graph_read_node.h"

enum {
    TEXT_BYTES_MAX = 1 << 30,
    NODES_MAX = 4000000,
    VMS_MAX = 100000,
    POOLS_MAX = 10000,
};

/* ---- arrays of the document, element by element ---- */

typedef bool (*element_reader)(struct graph_reader *r, const cJSON *json, size_t index,
                               const struct json_at *at);

static size_t count_elements(struct json_text array)
{
    struct json_cursor cursor;
    struct json_text value;
    size_t count = 0;
    if (json_open(&cursor, array, '[')) {
        while (json_next(&cursor, NULL, &value)) {
            count++;
        }
    }
    return count;
}

static bool read_elements(struct graph_reader *r, struct json_text array, const char *name,
                          element_reader read)
{
    struct json_at at = {.key = name};
    struct json_cursor cursor;
    if (!json_open(&cursor, array, '[')) {
        return json_fail(&at, r->error, "an array is expected");
    }
    struct json_text text;
    for (size_t i = 0; json_next(&cursor, NULL, &text); i++) {
        const struct json_at *here = JSON_ELEMENT(&at, i);
        cJSON *json = json_tree(text, here, r->error);
        bool ok = json && read(r, json, i, here);
        cJSON_Delete(json);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool add_vm(struct graph_reader *r, const cJSON *json, size_t index, const struct json_at *at)
{
    static const char *const keys[] = {"name", "critical", NULL};
    struct graph_vm *vm = &r->graph->vms[index];
    if (!json_expect_object(json, keys, at, r->error) ||
        !json_get_text(json, "name", JSON_NEEDED, r->arena, &vm->name, at, r->error) ||
        !json_get_bool(json, "critical", JSON_NEEDED, &vm->critical, at, r->error)) {
        return false;
    }
    return map_put(&r->vm_by_name, vm->name, vm) ||
           json_fail(at, r->error, "VM \"%s\" is there twice", vm->name);
}

static bool read_slots(struct graph_reader *r, const cJSON *slots, struct graph_pool *pool,
                       const struct json_at *parent)
{
    const struct json_at *at = JSON_MEMBER(parent, "slots");
    if (!slots) {
        return true;
    }
    if (!json_expect_array(slots, at, r->error)) {
        return false;
    }
    if (cJSON_GetArraySize(slots) != pool->capacity) {
        return json_fail(at, r->error, "a pool of %d needs that many slots", pool->capacity);
    }
    pool->slots = ARENA_ARRAY(r->arena, const char *, (size_t)pool->capacity);
    size_t i = 0;
    for (const cJSON *slot = slots->child; slot; slot = slot->next, i++) {
        if (!cJSON_IsString(slot)) {
            return json_fail(JSON_ELEMENT(at, i), r->error, "a text is expected");
        }
        pool->slots[i] = arena_strdup(r->arena, slot->valuestring);
    }
    return true;
}

static bool add_pool(struct graph_reader *r, const cJSON *json, size_t index, const struct json_at *at)
{
    static const char *const keys[] = {"id", "capacity", "slots", NULL};
    struct graph_pool *pool = &r->graph->pools[index];
    int64_t capacity = 0;
    if (!json_expect_object(json, keys, at, r->error) ||
        !json_get_text(json, "id", JSON_NEEDED, r->arena, &pool->id, at, r->error) ||
        !json_get_int(json, "capacity", JSON_NEEDED, 1, 1000, &capacity, at, r->error)) {
        return false;
    }
    pool->capacity = (int)capacity;
    if (!map_put(&r->pool_by_id, pool->id, pool)) {
        return json_fail(at, r->error, "pool \"%s\" is there twice", pool->id);
    }
    return read_slots(r, cJSON_GetObjectItemCaseSensitive(json, "slots"), pool, at);
}

static bool add_assumption(struct graph_reader *r, const cJSON *json, size_t index,
                           const struct json_at *at)
{
    if (!cJSON_IsString(json)) {
        return json_fail(at, r->error, "a text is expected");
    }
    r->graph->assumptions[index] = arena_strdup(r->arena, json->valuestring);
    return true;
}

static bool add_node(struct graph_reader *r, const cJSON *json, size_t index, const struct json_at *at)
{
    struct graph_node *node = &r->graph->nodes[index];
    node->index = (uint32_t)index;
    if (!graph_read_node(r, json, node, at)) {
        return false;
    }
    return map_put(&r->graph->node_by_id, node->id, node) ||
           json_fail(at, r->error, "node \"%s\" is there twice", node->id);
}

/* ---- the document ---- */

enum member {
    MEMBER_FORMAT,
    MEMBER_PLAN,
    MEMBER_DIGESTS,
    MEMBER_WORKFLOW,
    MEMBER_REGION,
    MEMBER_ACCOUNT,
    MEMBER_VMS,
    MEMBER_POOLS,
    MEMBER_ASSUMPTIONS,
    MEMBER_NODES,
    MEMBER_COUNT,
};
static const char *const member_names[MEMBER_COUNT] = {
    "format",  "plan", "digests", "workflow",    "region",
    "account", "vms",  "pools",   "assumptions", "nodes"};

static bool find_members(struct graph_reader *r, struct json_text document,
                         struct json_text members[MEMBER_COUNT])
{
    struct json_cursor cursor;
    if (!json_open(&cursor, document, '{')) {
        return error_set(r->error, "an object is expected");
    }
    struct json_text key, value;
    while (json_next(&cursor, &key, &value)) {
        int m = 0;
        while (m < MEMBER_COUNT && (key.length != strlen(member_names[m]) + 2 ||
                                    memcmp(key.at + 1, member_names[m], key.length - 2) != 0)) {
            m++;
        }
        if (m == MEMBER_COUNT) {
            return error_set(r->error, "there is no key %.*s in a graph",
                             key.length > 60 ? 60 : (int)key.length, key.at);
        }
        if (members[m].at) {
            return json_fail(&(struct json_at){.key = member_names[m]}, r->error,
                             "the key is given twice");
        }
        members[m] = value;
    }
    for (int m = 0; m < MEMBER_COUNT; m++) {
        if (!members[m].at && m != MEMBER_ACCOUNT && m != MEMBER_ASSUMPTIONS) {
            return error_set(r->error, "\"%s\" is missing", member_names[m]);
        }
    }
    return true;
}

/* A member of the document as text. */
static bool read_text(struct graph_reader *r, const struct json_text *members, enum member member,
                      const char **out)
{
    if (!members[member].at) {
        return true;
    }
    struct json_at at = {.key = member_names[member]};
    cJSON *json = json_tree(members[member], &at, r->error);
    bool ok = json && (cJSON_IsString(json) || json_fail(&at, r->error, "a text is expected"));
    if (ok) {
        *out = arena_strdup(r->arena, json->valuestring);
    }
    cJSON_Delete(json);
    return ok;
}

static bool read_digests(struct graph_reader *r, const cJSON *json, const struct json_at *at)
{
    static const char *const keys[] = {"plan", "inventory", "tool", NULL};
    struct graph *graph = r->graph;
    graph->inventory_digest = "";
    return json_expect_object(json, keys, at, r->error) &&
           json_get_text(json, "plan", JSON_NEEDED, r->arena, &graph->plan_digest, at, r->error) &&
           json_get_text(json, "inventory", JSON_OPTIONAL, r->arena, &graph->inventory_digest, at,
                         r->error) &&
           json_get_text(json, "tool", JSON_NEEDED, r->arena, &graph->tool, at, r->error);
}

static bool read_plan(struct graph_reader *r, const cJSON *json, const struct json_at *at)
{
    static const char *const keys[] = {"name", "file", NULL};
    return json_expect_object(json, keys, at, r->error) &&
           json_get_text(json, "name", JSON_NEEDED, r->arena, &r->graph->plan_name, at, r->error) &&
           json_get_text(json, "file", JSON_OPTIONAL, r->arena, &r->graph->plan_file, at, r->error);
}

static bool read_object(struct graph_reader *r, const struct json_text *members, enum member member,
                        bool (*read)(struct graph_reader *r, const cJSON *json, const struct json_at *at))
{
    struct json_at at = {.key = member_names[member]};
    cJSON *json = json_tree(members[member], &at, r->error);
    bool ok = json && read(r, json, &at);
    cJSON_Delete(json);
    return ok;
}

static bool read_head(struct graph_reader *r, const struct json_text *members)
{
    const char *format = "", *workflow = "";
    if (!read_text(r, members, MEMBER_FORMAT, &format)) {
        return false;
    }
    if (!format || strcmp(format, "drc-graph/1") != 0) {
        return json_fail(&(struct json_at){.key = "format"}, r->error,
                         "\"%.40s\" is no format that this version of drc reads", format ? format : "");
    }
    if (!read_object(r, members, MEMBER_PLAN, read_plan) ||
        !read_object(r, members, MEMBER_DIGESTS, read_digests) ||
        !read_text(r, members, MEMBER_WORKFLOW, &workflow) ||
        !read_text(r, members, MEMBER_REGION, &r->graph->region) ||
        !read_text(r, members, MEMBER_ACCOUNT, &r->graph->account)) {
        return false;
    }
    return workflow_by_name(workflow, &r->graph->workflow) ||
           json_fail(&(struct json_at){.key = "workflow"}, r->error, "there is no such workflow");
}

/* Room for an array of the document, once it is known that it is not too long. */
static bool make_room(struct graph_reader *r, struct json_text array, const char *name, size_t max,
                      size_t item_size, void **items, size_t *count)
{
    *count = array.at ? count_elements(array) : 0;
    if (*count > max) {
        return json_fail(&(struct json_at){.key = name}, r->error,
                         "there are %zu of them, more than the %zu that drc reads", *count, max);
    }
    *items = arena_zalloc(r->arena, *count * item_size);
    return true;
}

static bool make_rooms(struct graph_reader *r, const struct json_text *members)
{
    struct graph *graph = r->graph;
    return make_room(r, members[MEMBER_VMS], "vms", VMS_MAX, sizeof *graph->vms,
                     (void **)&graph->vms, &graph->vm_count) &&
           make_room(r, members[MEMBER_POOLS], "pools", POOLS_MAX, sizeof *graph->pools,
                     (void **)&graph->pools, &graph->pool_count) &&
           make_room(r, members[MEMBER_ASSUMPTIONS], "assumptions", VMS_MAX,
                     sizeof *graph->assumptions, (void **)&graph->assumptions,
                     &graph->assumption_count) &&
           make_room(r, members[MEMBER_NODES], "nodes", NODES_MAX, sizeof *graph->nodes,
                     (void **)&graph->nodes, &graph->node_count);
}

static bool read_document(struct graph_reader *r, const char *text, size_t length)
{
    struct json_text members[MEMBER_COUNT] = {{0}};
    if (length > TEXT_BYTES_MAX) {
        return error_set(r->error, "%zu bytes are more than drc reads (1 GiB)", length);
    }
    return json_check(text, length, r->error) &&
           find_members(r, (struct json_text){.at = text, .length = length}, members) &&
           read_head(r, members) && make_rooms(r, members) &&
           read_elements(r, members[MEMBER_VMS], "vms", add_vm) &&
           read_elements(r, members[MEMBER_POOLS], "pools", add_pool) &&
           (!members[MEMBER_ASSUMPTIONS].at ||
            read_elements(r, members[MEMBER_ASSUMPTIONS], "assumptions", add_assumption)) &&
           read_elements(r, members[MEMBER_NODES], "nodes", add_node) &&
           graph_verify(r->graph, r->error);
}

struct graph *graph_read(struct arena *arena, const char *path, const char *text, size_t length,
                         struct error *error)
{
    struct graph_reader r = {
        .arena = arena,
        .graph = ARENA_NEW(arena, struct graph),
        .error = error,
        .vm_by_name = {.arena = arena},
        .pool_by_id = {.arena = arena},
        .shared_texts = {.arena = arena},
    };
    r.graph->arena = arena;
    r.graph->node_by_id = (struct map){.arena = arena};
    if (!read_document(&r, text, length)) {
        error_prefix(error, "%s", path);
        error_help(error, "compile the plan again: drc plan compile PLAN WORKFLOW -o FILE");
        return NULL;
    }
    return r.graph;
}
