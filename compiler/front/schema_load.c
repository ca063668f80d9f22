/* From JSON to a compiled schema. What is not known is refused, so that a schema never promises
 * what is not checked. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/embedded.h"
#include "compiler/front/schema_node.h"

/* A JSON value and the schema made of it: $ref may point anywhere, also back. */
struct made {
    const cJSON *json;
    struct schema_node *node;
};

struct loader {
    struct arena *arena;
    const char *name;
    const cJSON *root;
    struct made *made;
    size_t made_count, made_capacity;
    pcre2_compile_context *compile_context;
    struct error *error;
};

static struct schema_node *load_node(struct loader *loader, const cJSON *json);

static bool fail(struct loader *loader, const char *keyword, const char *why)
{
    return error_set(loader->error, "loading the schema %s: %s %s", loader->name, keyword, why);
}

/* ---- values ---- */

static struct tree *value_tree(struct arena *arena, const cJSON *json);

static void value_collection(struct arena *arena, const cJSON *json, struct tree *tree)
{
    size_t count = (size_t)cJSON_GetArraySize(json), i = 0;
    const cJSON *item;
    if (cJSON_IsArray(json)) {
        tree->kind = TREE_SEQUENCE;
        tree->items = ARENA_ARRAY(arena, struct tree *, count);
        cJSON_ArrayForEach(item, json)
        {
            tree->items[i++] = value_tree(arena, item);
        }
        tree->item_count = i;
        return;
    }
    tree->kind = TREE_MAPPING;
    tree->pairs = ARENA_ARRAY(arena, struct tree_pair, count);
    cJSON_ArrayForEach(item, json)
    {
        struct tree *key = ARENA_NEW(arena, struct tree);
        key->kind = TREE_STRING;
        key->text = arena_strdup(arena, item->string);
        tree->pairs[i++] = (struct tree_pair){key, value_tree(arena, item)};
    }
    tree->pair_count = i;
}

static void value_number(struct arena *arena, double number, struct tree *tree)
{
    if (number == floor(number) && fabs(number) < 9007199254740992.0) {
        tree->kind = TREE_INT;
        tree->integer = (int64_t)number;
        tree->text = arena_printf(arena, "%lld", (long long)tree->integer);
    } else {
        tree->kind = TREE_FLOAT;
        tree->number = number;
        tree->text = arena_printf(arena, "%.17g", number);
    }
}

/* A JSON value in the shape that YAML values have. */
static struct tree *value_tree(struct arena *arena, const cJSON *json)
{
    struct tree *tree = ARENA_NEW(arena, struct tree);
    if (cJSON_IsString(json)) {
        tree->kind = TREE_STRING;
        tree->text = arena_strdup(arena, json->valuestring);
    } else if (cJSON_IsBool(json)) {
        tree->kind = TREE_BOOL;
        tree->boolean = cJSON_IsTrue(json);
        tree->text = tree->boolean ? "true" : "false";
    } else if (cJSON_IsNumber(json)) {
        value_number(arena, json->valuedouble, tree);
    } else if (cJSON_IsNull(json)) {
        tree->kind = TREE_NULL;
        tree->text = "null";
    } else {
        value_collection(arena, json, tree);
    }
    return tree;
}

/* ---- keywords; each takes the value of its keyword ---- */

static bool load_names(struct loader *loader, const cJSON *json, struct schema_names *names)
{
    if (!cJSON_IsArray(json)) {
        return fail(loader, "a list of names", "is no array");
    }
    names->items = ARENA_ARRAY(loader->arena, const char *, (size_t)cJSON_GetArraySize(json));
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        if (!cJSON_IsString(item)) {
            return fail(loader, "a list of names", "holds something else");
        }
        names->items[names->count++] = arena_strdup(loader->arena, item->valuestring);
    }
    return true;
}

static bool load_nodes(struct loader *loader, const cJSON *json, struct schema_nodes *nodes)
{
    if (!cJSON_IsArray(json)) {
        return fail(loader, "a list of schemas", "is no array");
    }
    nodes->items =
        ARENA_ARRAY(loader->arena, struct schema_node *, (size_t)cJSON_GetArraySize(json));
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        struct schema_node *node = load_node(loader, item);
        if (!node) {
            return false;
        }
        nodes->items[nodes->count++] = node;
    }
    return true;
}

static unsigned type_bit(const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } types[] = {{"null", SCHEMA_NULL},       {"boolean", SCHEMA_BOOLEAN},
                 {"integer", SCHEMA_INTEGER}, {"number", SCHEMA_NUMBER | SCHEMA_INTEGER},
                 {"string", SCHEMA_STRING},   {"array", SCHEMA_ARRAY},
                 {"object", SCHEMA_OBJECT}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, name) == 0) {
            return types[i].bit;
        }
    }
    return 0;
}

static bool load_type(struct loader *loader, const cJSON *json, struct schema_node *node)
{
    node->types = cJSON_IsString(json) ? type_bit(json->valuestring) : 0;
    const cJSON *item;
    if (cJSON_IsArray(json)) {
        cJSON_ArrayForEach(item, json)
        {
            node->types |= cJSON_IsString(item) ? type_bit(item->valuestring) : 0;
        }
    }
    return node->types != 0 || fail(loader, "type", "names no type");
}

static bool load_choices(struct loader *loader, const cJSON *json, bool single,
                         struct schema_node *node)
{
    if (!single && !cJSON_IsArray(json)) {
        return fail(loader, "enum", "is no array");
    }
    struct tree *value = value_tree(loader->arena, json);
    node->has_choices = true;
    node->choices = single ? ARENA_NEW(loader->arena, struct tree *) : value->items;
    node->choice_count = single ? 1 : value->item_count;
    if (single) {
        node->choices[0] = value;
    }
    return true;
}

static bool load_pattern(struct loader *loader, const char *text, struct schema_pattern *pattern)
{
    int code;
    PCRE2_SIZE at;
    uint32_t options =
        PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE;
    pattern->text = arena_strdup(loader->arena, text);
    pattern->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &code, &at,
                                  loader->compile_context);
    return pattern->code || fail(loader, text, "is no regular expression");
}

static bool load_pattern_properties(struct loader *loader, const cJSON *json,
                                    struct schema_node *node)
{
    size_t count = (size_t)cJSON_GetArraySize(json);
    node->pattern_properties = ARENA_ARRAY(loader->arena, struct schema_pattern, count);
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        struct schema_pattern *pattern = &node->pattern_properties[node->pattern_property_count++];
        if (!load_pattern(loader, item->string, pattern) ||
            !(pattern->node = load_node(loader, item))) {
            return false;
        }
    }
    return true;
}

static bool load_properties(struct loader *loader, const cJSON *json, struct schema_node *node)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        struct schema_property *property = ARENA_NEW(loader->arena, struct schema_property);
        property->key = arena_strdup(loader->arena, item->string);
        property->node = load_node(loader, item);
        if (!property->node) {
            return false;
        }
        map_put(&node->properties, property->key, property);
    }
    return true;
}

static uint64_t key_head(const char *key)
{
    char bytes[sizeof(uint64_t)] = {0};
    uint64_t head;
    memcpy(bytes, key, strnlen(key, sizeof bytes));
    memcpy(&head, bytes, sizeof head);
    return head;
}

/* The map's properties as an array that is fast to search. */
static void make_table(struct arena *arena, struct schema_node *node)
{
    node->property_table = ARENA_ARRAY(arena, struct schema_property, map_count(&node->properties));
    for (struct map_entry *entry = map_first(&node->properties); entry; entry = map_next(entry)) {
        struct schema_property *property = &node->property_table[node->property_count++];
        *property = *(const struct schema_property *)entry->value;
        property->head = key_head(property->key);
    }
}

const struct schema_property *schema_property(const struct schema_node *node, const char *key)
{
    uint64_t head = key_head(key);
    for (size_t i = 0; i < node->property_count; i++) {
        const struct schema_property *property = &node->property_table[i];
        if (property->head == head && strcmp(property->key, key) == 0) {
            return property;
        }
    }
    return NULL;
}

static bool load_dependencies(struct loader *loader, const cJSON *json, struct schema_node *node)
{
    size_t count = (size_t)cJSON_GetArraySize(json);
    node->dependencies = ARENA_ARRAY(loader->arena, struct schema_dependency, count);
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        struct schema_dependency *dependency = &node->dependencies[node->dependency_count++];
        dependency->key = arena_strdup(loader->arena, item->string);
        if (!load_names(loader, item, &dependency->needs)) {
            return false;
        }
    }
    return true;
}

/* A name of a pointer's path: ~1 is a slash, ~0 a tilde, %XX a byte (RFC 6901). */
static char *unescape(const char *from, size_t length)
{
    char *name = base_alloc(length + 1);
    char *to = name;
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '~' && i + 1 < length) {
            *to++ = from[++i] == '1' ? '/' : '~';
        } else if (from[i] == '%' && i + 2 < length) {
            char digits[] = {from[i + 1], from[i + 2], '\0'};
            *to++ = (char)strtol(digits, NULL, 16);
            i += 2;
        } else {
            *to++ = from[i];
        }
    }
    return name;
}

static const cJSON *follow_pointer(const cJSON *root, const char *pointer)
{
    const cJSON *at = root;
    while (at && *pointer == '/') {
        size_t length = strcspn(++pointer, "/");
        char *name = unescape(pointer, length);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, (int)strtol(name, NULL, 10))
                               : cJSON_GetObjectItemCaseSensitive(at, name);
        free(name);
        pointer += length;
    }
    return *pointer ? NULL : at;
}

static bool load_ref(struct loader *loader, const cJSON *json, struct schema_node *node)
{
    const char *text = cJSON_IsString(json) ? json->valuestring : "";
    const cJSON *target = *text == '#' ? follow_pointer(loader->root, text + 1) : NULL;
    if (!target) {
        return fail(loader, *text ? text : "$ref", "points to no schema in this file");
    }
    node->ref = load_node(loader, target);
    return node->ref != NULL;
}

/* An annotation's value as YAML in one line. */
static const char *value_text(struct loader *loader, const cJSON *json)
{
    struct buffer text = {0};
    schema_write_value(value_tree(loader->arena, json), &text);
    const char *copy = arena_strdup(loader->arena, buffer_text(&text));
    buffer_free(&text);
    return copy;
}

static const char *string_text(struct loader *loader, const cJSON *json)
{
    return arena_strdup(loader->arena, cJSON_IsString(json) ? json->valuestring : "");
}

static bool load_code(struct loader *loader, const cJSON *json, struct schema_node *node)
{
    const struct diagnostic_info *info =
        cJSON_IsString(json) ? diagnostic_info_by_code(json->valuestring) : NULL;
    if (!info) {
        return fail(loader, "x-code", "is no code of a diagnostic");
    }
    enum diagnostic_code *code = ARENA_NEW(loader->arena, enum diagnostic_code);
    while (diagnostic_info(*code) != info) {
        ++*code;
    }
    node->code = code;
    return true;
}

static bool load_examples(struct loader *loader, const cJSON *json, struct schema_node *node)
{
    size_t count = (size_t)cJSON_GetArraySize(json), i = 0;
    const char **examples = ARENA_ARRAY(loader->arena, const char *, count + 1);
    const cJSON *item;
    cJSON_ArrayForEach(item, json)
    {
        examples[i++] = cJSON_IsString(item) ? string_text(loader, item) : value_text(loader, item);
    }
    node->examples = examples;
    return true;
}

/* Annotations; *known is false when the keyword is none. */
static bool load_annotation(struct loader *loader, const cJSON *json, struct schema_node *node,
                            bool *known)
{
    const char *key = json->string;
    const struct {
        const char *key;
        const char **to;
    } texts[] = {{"title", &node->title},
                 {"description", &node->description},
                 {"x-default", &node->default_text},
                 {"x-expect", &node->expect},
                 {"x-message", &node->message},
                 {"x-see", &node->see},
                 {"x-key", &node->key_name}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(key, texts[i].key) == 0) {
            *texts[i].to = string_text(loader, json);
            return true;
        }
    }
    if (strcmp(key, "default") == 0) {
        node->default_text = value_text(loader, json);
    } else if (strcmp(key, "examples") == 0) {
        return load_examples(loader, json, node);
    } else if (strcmp(key, "x-code") == 0) {
        return load_code(loader, json, node);
    } else if (strcmp(key, "x-secret") == 0) {
        node->secret = cJSON_IsTrue(json);
    } else {
        *known = strncmp(key, "x-", 2) == 0 || strcmp(key, "$schema") == 0 ||
                 strcmp(key, "$comment") == 0 || strcmp(key, "$defs") == 0;
    }
    return true;
}

/* Limits: a number under the name of a member; *known is false when the keyword is none. */
static bool load_limit(struct loader *loader, const cJSON *json, struct schema_node *node,
                       bool *known)
{
    const struct {
        const char *key;
        double *number;
        int64_t *count;
    } limits[] = {{"minimum", &node->minimum, NULL},
                  {"maximum", &node->maximum, NULL},
                  {"exclusiveMinimum", &node->exclusive_minimum, NULL},
                  {"exclusiveMaximum", &node->exclusive_maximum, NULL},
                  {"minLength", NULL, &node->min_length},
                  {"maxLength", NULL, &node->max_length},
                  {"minItems", NULL, &node->min_items},
                  {"maxItems", NULL, &node->max_items},
                  {"minProperties", NULL, &node->min_properties},
                  {"maxProperties", NULL, &node->max_properties}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (strcmp(json->string, limits[i].key) != 0) {
            continue;
        }
        if (!cJSON_IsNumber(json)) {
            return fail(loader, json->string, "is no number");
        }
        if (limits[i].number) {
            *limits[i].number = json->valuedouble;
            node->checks_numbers = true;
        } else {
            *limits[i].count = (int64_t)json->valuedouble;
        }
        return true;
    }
    *known = false;
    return true;
}

/* Keywords whose value is one schema; *known is false when the keyword is none. */
static bool load_subschema(struct loader *loader, const cJSON *json, struct schema_node *node,
                           bool *known)
{
    const struct {
        const char *key;
        const struct schema_node **to;
    } subschemas[] = {{"items", &node->items},
                      {"additionalProperties", &node->additional},
                      {"propertyNames", &node->property_names},
                      {"not", &node->not_},
                      {"if", &node->if_},
                      {"then", &node->then_},
                      {"else", &node->else_}};
    for (size_t i = 0; i < sizeof subschemas / sizeof *subschemas; i++) {
        if (strcmp(json->string, subschemas[i].key) == 0) {
            *subschemas[i].to = load_node(loader, json);
            return *subschemas[i].to != NULL;
        }
    }
    *known = false;
    return true;
}

static bool load_keyword(struct loader *loader, const cJSON *json, struct schema_node *node)
{
    const char *key = json->string;
    if (strcmp(key, "type") == 0) {
        return load_type(loader, json, node);
    } else if (strcmp(key, "enum") == 0 || strcmp(key, "const") == 0) {
        return load_choices(loader, json, *key == 'c', node);
    } else if (strcmp(key, "properties") == 0) {
        return load_properties(loader, json, node);
    } else if (strcmp(key, "patternProperties") == 0) {
        return load_pattern_properties(loader, json, node);
    } else if (strcmp(key, "required") == 0) {
        return load_names(loader, json, &node->required);
    } else if (strcmp(key, "dependentRequired") == 0) {
        return load_dependencies(loader, json, node);
    } else if (strcmp(key, "prefixItems") == 0) {
        return load_nodes(loader, json, &node->prefix_items);
    } else if (strcmp(key, "allOf") == 0) {
        return load_nodes(loader, json, &node->all_of);
    } else if (strcmp(key, "anyOf") == 0) {
        return load_nodes(loader, json, &node->any_of);
    } else if (strcmp(key, "oneOf") == 0) {
        return load_nodes(loader, json, &node->one_of);
    } else if (strcmp(key, "uniqueItems") == 0) {
        node->unique_items = cJSON_IsTrue(json);
        return true;
    } else if (strcmp(key, "$ref") == 0) {
        return load_ref(loader, json, node);
    } else if (strcmp(key, "pattern") == 0) {
        struct schema_pattern *pattern = ARENA_NEW(loader->arena, struct schema_pattern);
        node->pattern = pattern;
        return load_pattern(loader, cJSON_IsString(json) ? json->valuestring : "(", pattern);
    }
    bool known = true;
    bool loaded = load_subschema(loader, json, node, &known);
    if (!known) {
        known = true;
        loaded = load_limit(loader, json, node, &known);
    }
    if (!known) {
        known = true;
        loaded = load_annotation(loader, json, node, &known);
    }
    return known ? loaded : fail(loader, key, "is a keyword that is not supported");
}

static struct schema_node *new_node(struct loader *loader, const cJSON *json)
{
    struct schema_node *node = ARENA_NEW(loader->arena, struct schema_node);
    node->types = SCHEMA_ANY;
    node->minimum = node->exclusive_minimum = -INFINITY;
    node->maximum = node->exclusive_maximum = INFINITY;
    node->min_length = node->max_length = node->min_items = node->max_items = -1;
    node->min_properties = node->max_properties = -1;
    node->properties.arena = loader->arena;
    loader->made = arena_grow(loader->arena, loader->made, loader->made_count,
                              &loader->made_capacity, sizeof *loader->made);
    loader->made[loader->made_count++] = (struct made){json, node};
    return node;
}

static void mark_required(struct schema_node *node)
{
    for (size_t i = 0; i < node->required.count; i++) {
        struct schema_property *property = map_get(&node->properties, node->required.items[i]);
        if (property) {
            property->required = true;
        }
    }
}

/* NULL when the schema was refused. A schema that is being loaded is found again by its $ref. */
static struct schema_node *load_node(struct loader *loader, const cJSON *json)
{
    for (size_t i = 0; i < loader->made_count; i++) {
        if (loader->made[i].json == json) {
            return loader->made[i].node;
        }
    }
    struct schema_node *node = new_node(loader, json);
    if (cJSON_IsBool(json)) {
        node->never = cJSON_IsFalse(json);
        return node;
    }
    if (!cJSON_IsObject(json)) {
        fail(loader, json->string ? json->string : "a schema", "is no object");
        return NULL;
    }
    const cJSON *keyword;
    cJSON_ArrayForEach(keyword, json)
    {
        if (!load_keyword(loader, keyword, node)) {
            return NULL;
        }
    }
    mark_required(node);
    make_table(loader->arena, node);
    node->only_required = node->required.count > 0 && json->child && !json->child->next;
    return node;
}

/* PCRE2's memory lies in the arena, so that a schema goes with it. */
static void *pcre2_alloc(PCRE2_SIZE size, void *arena)
{
    return arena_alloc(arena, size);
}

static void pcre2_release(void *memory, void *arena)
{
    (void)memory, (void)arena;
}

struct schema *schema_load(struct arena *arena, const char *name, const char *json,
                           struct error *error)
{
    cJSON *root = cJSON_ParseWithOpts(json, NULL, true);
    if (!root) {
        error_set(error, "loading the schema %s: it is no JSON", name);
        return NULL;
    }
    pcre2_general_context *memory = pcre2_general_context_create(pcre2_alloc, pcre2_release, arena);
    struct loader loader = {.arena = arena,
                            .name = name,
                            .root = root,
                            .compile_context = pcre2_compile_context_create(memory),
                            .error = error};
    struct schema *schema = ARENA_NEW(arena, struct schema);
    schema->name = arena_strdup(arena, name);
    schema->root = load_node(&loader, root);
    cJSON_Delete(root);
    return schema->root ? schema : NULL;
}

struct schema *schema_plan(struct arena *arena)
{
    struct error error = {0};
    struct schema *schema =
        schema_load(arena, "plan.schema.json", embedded_plan_schema_json, &error);
    if (!schema) {
        abort(); /* it is part of the program, and a unit test loads it */
    }
    return schema;
}
