/* Tags: TagSpecification at creation, CreateTags, DeleteTags, DescribeTags. */
#include <string.h>

#include "runtime/sandbox/resource.h"

/* EC2 User Guide, "Tag restrictions". */
enum { TAGS_MAX = 50, TAG_KEY_MAX = 128, TAG_VALUE_MAX = 256, TAG_RESOURCES_MAX = 1000 };

static const struct {
    const char *prefix, *type, *table;
} kinds[] = {
    {"i-", "instance", "SELECT 1 FROM instances WHERE id = ?"},
    {"vol-", "volume", "SELECT 1 FROM volumes WHERE id = ?"},
    {"snap-", "snapshot", "SELECT 1 FROM snapshots WHERE id = ?"},
    {"ami-", "image", "SELECT 1 FROM images WHERE id = ?"},
    {"eni-", "network-interface", "SELECT 1 FROM interfaces WHERE id = ?"},
    {"eipalloc-", "elastic-ip", "SELECT 1 FROM addresses WHERE id = ?"},
    {"subnet-", "subnet", "SELECT 1 FROM subnets WHERE id = ?"},
    {"vpc-", "vpc", "SELECT 1 FROM vpcs WHERE id = ?"},
    {"sg-", "security-group", "SELECT 1 FROM security_groups WHERE id = ?"},
    {"key-", "key-pair", "SELECT 1 FROM key_pairs WHERE id = ?"},
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

static int kind_of(const char *id)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strncmp(id, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
            return i;
        }
    }
    return -1;
}

const char *tag_type_of(const char *id)
{
    int kind = kind_of(id);
    return kind < 0 ? NULL : kinds[kind].type;
}

void tags_load(struct request *r, struct resource *object)
{
    struct sqlite3_stmt *rows = state_query(
        r->state, "SELECT key, value FROM tags WHERE resource = ? ORDER BY key", "s", object->id);
    while (state_next(r->state, rows)) {
        struct tags *tags = &object->tags;
        tags->items =
            arena_grow(r->arena, tags->items, tags->count, &tags->capacity, sizeof *tags->items);
        tags->items[tags->count++] =
            (struct resource_tag){state_text(r->arena, rows, 0), state_text(r->arena, rows, 1)};
    }
}

const char *tag_value(const struct tags *tags, const char *key)
{
    for (size_t i = 0; i < tags->count; i++) {
        if (strcmp(tags->items[i].key, key) == 0) {
            return tags->items[i].value;
        }
    }
    return NULL;
}

void tags_write(struct request *r, const struct tags *tags)
{
    if (!tags->count) {
        return;
    }
    xml_open(&r->xml, "tagSet");
    for (size_t i = 0; i < tags->count; i++) {
        xml_open(&r->xml, "item");
        xml_put(&r->xml, "key", tags->items[i].key);
        xml_put(&r->xml, "value", tags->items[i].value);
        xml_close(&r->xml, "item");
    }
    xml_close(&r->xml, "tagSet");
}

static bool check_tag(struct request *r, const char *key, const char *value)
{
    if (!*key || strlen(key) > TAG_KEY_MAX * 4) {
        return fail(r, 400, "InvalidParameterValue",
                    "Tag keys have to be 1 to 128 characters long. Invalid key: %s", key);
    }
    if (strncasecmp(key, "aws:", 4) == 0) {
        return fail(r, 400, "InvalidParameterValue",
                    "Tag keys starting with 'aws:' are reserved for internal use");
    }
    if (strlen(value) > TAG_VALUE_MAX * 4) {
        return fail(r, 400, "InvalidParameterValue",
                    "Tag value exceeds the maximum length of 256 characters");
    }
    return true;
}

/* Tag.N.Key and Tag.N.Value below `prefix`. */
static bool check_tags(struct request *r, const char *prefix)
{
    struct map seen = {.arena = r->arena};
    for (size_t i = 1;; i++) {
        const char *key = query_get(&r->query, "%sTag.%zu.Key", prefix, i);
        const char *value = query_get(&r->query, "%sTag.%zu.Value", prefix, i);
        if (!key && !value) {
            return true;
        }
        if (i > TAGS_MAX) {
            return fail(r, 400, "TagLimitExceeded", "The maximum number of tags is 50");
        }
        if (!check_tag(r, key ? key : "", value ? value : "")) {
            return false;
        }
        if (!map_put(&seen, key, (void *)key)) {
            return fail(r, 400, "InvalidParameterValue", "Duplicate tag key '%s' specified.", key);
        }
    }
}

bool tags_check(struct request *r, const char *const *types)
{
    for (size_t i = 1;; i++) {
        const char *type = query_get(&r->query, "TagSpecification.%zu.ResourceType", i);
        if (!type) {
            if (query_has(&r->query, "TagSpecification.%zu", i)) {
                return fail(r, 400, "InvalidParameterValue",
                            "Tag specification resource type must have a value");
            }
            return true;
        }
        bool known = false;
        for (const char *const *allowed = types; *allowed; allowed++) {
            known = known || strcmp(*allowed, type) == 0;
        }
        if (!known) {
            return fail(r, 400, "InvalidParameterValue",
                        "'%s' is not a valid taggable resource type "
                        "for this operation.",
                        type);
        }
        if (!check_tags(r, arena_printf(r->arena, "TagSpecification.%zu.", i))) {
            return false;
        }
    }
}

bool tag_put(struct request *r, const char *id, const char *key, const char *value)
{
    return state_run(r->state, "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", "sss", id, key,
                     value);
}

static void put_tags(struct request *r, const char *prefix, const char *id)
{
    for (size_t i = 1;; i++) {
        const char *key = query_get(&r->query, "%sTag.%zu.Key", prefix, i);
        const char *value = query_get(&r->query, "%sTag.%zu.Value", prefix, i);
        if (!key) {
            return;
        }
        tag_put(r, id, key, value ? value : "");
    }
}

void tags_put(struct request *r, const char *type, const char *id)
{
    for (size_t i = 1;; i++) {
        const char *given = query_get(&r->query, "TagSpecification.%zu.ResourceType", i);
        if (!given) {
            return;
        }
        if (strcmp(given, type) == 0) {
            put_tags(r, arena_printf(r->arena, "TagSpecification.%zu.", i), id);
        }
    }
}

static bool check_resources(struct request *r, struct texts_list *ids)
{
    *ids = query_list(&r->query, "ResourceId");
    if (!ids->count) {
        return fail(r, 400, "MissingParameter",
                    "The request must contain the parameter resourceIdSet");
    }
    if (ids->count > TAG_RESOURCES_MAX) {
        return fail(r, 400, "InvalidParameterValue", "The request names more than 1000 resources");
    }
    for (size_t i = 0; i < ids->count; i++) {
        int kind = kind_of(ids->items[i]);
        if (kind < 0 || !state_value(r->state, 0, kinds[kind].table, "s", ids->items[i])) {
            return fail(r, 400, "InvalidID", "The ID '%s' is not valid", ids->items[i]);
        }
    }
    return true;
}

bool ec2_create_tags(struct request *r)
{
    struct texts_list ids;
    if (!check_resources(r, &ids)) {
        return false;
    }
    if (!query_get(&r->query, "Tag.1.Key")) {
        return fail(r, 400, "MissingParameter", "The request must contain the parameter tagSet");
    }
    if (!check_tags(r, "")) {
        return false;
    }
    for (size_t i = 0; i < ids.count; i++) {
        put_tags(r, "", ids.items[i]);
        if (state_value(r->state, 0, "SELECT count(*) FROM tags WHERE resource = ?", "s",
                        ids.items[i]) > TAGS_MAX) {
            return fail(r, 400, "TagLimitExceeded", "The maximum number of tags is 50");
        }
    }
    xml_bool(&r->xml, "return", true);
    return true;
}

static void delete_tags_of(struct request *r, const char *id)
{
    for (size_t i = 1;; i++) {
        const char *key = query_get(&r->query, "Tag.%zu.Key", i);
        const char *value = query_get(&r->query, "Tag.%zu.Value", i);
        if (!key) {
            return;
        }
        state_run(r->state,
                  "DELETE FROM tags WHERE resource = ? AND key = ? AND (?3 IS NULL OR value = ?3)",
                  "sss", id, key, value);
    }
}

bool ec2_delete_tags(struct request *r)
{
    struct texts_list ids;
    if (!check_resources(r, &ids)) {
        return false;
    }
    for (size_t i = 0; i < ids.count; i++) {
        if (query_get(&r->query, "Tag.1.Key")) {
            delete_tags_of(r, ids.items[i]);
        } else {
            state_run(r->state, "DELETE FROM tags WHERE resource = ?", "s", ids.items[i]);
        }
    }
    xml_bool(&r->xml, "return", true);
    return true;
}

/* A tag as an object of its own, for DescribeTags. */
struct tag_object {
    struct resource resource; /* id "RESOURCE/KEY" */
    const char *on, *type, *key, *value;
};

static void *load_tag(struct request *r, const char *id)
{
    const char *slash = strchr(id, '/');
    struct tag_object *tag = ARENA_NEW(r->arena, struct tag_object);
    tag->resource.id = id;
    tag->on = slash ? arena_strndup(r->arena, id, (size_t)(slash - id)) : "";
    tag->type = tag_type_of(tag->on);
    tag->key = slash ? slash + 1 : "";
    tag->value = state_value_text(r->state, r->arena,
                                  "SELECT value FROM tags WHERE resource = ? AND key = ?", "ss",
                                  tag->on, tag->key);
    return tag->value ? tag : NULL;
}

static void write_tag(struct request *r, const void *object)
{
    const struct tag_object *tag = object;
    xml_put(&r->xml, "resourceId", tag->on);
    xml_put(&r->xml, "resourceType", tag->type);
    xml_put(&r->xml, "key", tag->key);
    xml_put(&r->xml, "value", tag->value);
}

bool ec2_describe_tags(struct request *r)
{
    static const struct filter_field fields[] = {
        {"key", FILTER_TEXT, offsetof(struct tag_object, key), NULL},
        {"resource-id", FILTER_TEXT, offsetof(struct tag_object, on), NULL},
        {"resource-type", FILTER_TEXT, offsetof(struct tag_object, type), NULL},
        {"value", FILTER_TEXT, offsetof(struct tag_object, value), NULL},
        {0},
    };
    static const struct resource_kind kind = {
        .ids = "NoId",
        .set = "tagSet",
        .list = "SELECT resource || '/' || key FROM tags ORDER BY resource, key",
        .malformed = "InvalidParameterValue",
        .not_found = "InvalidParameterValue",
        .noun = "tag '%s'",
        .fields = fields,
        .page_min = 5,
        .page_max = 1000,
        .load = load_tag,
        .write = write_tag,
    };
    return describe(r, &kind);
}
