#include "runtime/sandbox/resource.h"

#include <string.h>

void objects_add(struct arena *arena, struct objects *objects, void *object)
{
    objects->items =
        arena_grow(arena, objects->items, objects->count, &objects->capacity, sizeof(void *));
    objects->items[objects->count++] = object;
}

static bool is_well_formed(const struct resource_kind *kind, const char *id)
{
    if (!kind->prefix) {
        return true;
    }
    size_t length = strlen(kind->prefix);
    if (strncmp(id, kind->prefix, length) != 0 || id[length] != '-') {
        return false;
    }
    const char *digits = id + length + 1;
    size_t count = strspn(digits, "0123456789abcdef");
    return !digits[count] && (count == 8 || count == 17);
}

static void *load_visible(struct request *r, const struct resource_kind *kind, const char *id)
{
    struct resource *object = kind->load(r, id);
    return object && is_visible(r, object->id, object->created_ms) ? object : NULL;
}

static bool refuse(struct request *r, const struct resource_kind *kind, const char *ids, bool many)
{
    struct buffer noun = {0};
    const char *at = strstr(kind->noun, "%s");
    buffer_append(&noun, kind->noun, (size_t)(at - kind->noun));
    buffer_puts(&noun, ids);
    buffer_puts(&noun, at + 2);
    /* "The instance ID 'i-1' does not exist", "The instance IDs 'i-1, i-2' do not exist". */
    const char *text = arena_strdup(r->arena, buffer_text(&noun));
    buffer_free(&noun);
    if (many && strncmp(text, "instance ID ", 12) == 0) {
        return fail(r, 400, kind->not_found, "The instance IDs %s do not exist", text + 12);
    }
    return fail(r, 400, kind->not_found, "The %s does not exist", text);
}

void *find_object(struct request *r, const struct resource_kind *kind, const char *id)
{
    void *object = load_visible(r, kind, id);
    if (object) {
        return object;
    }
    if (!is_well_formed(kind, id)) {
        fail(r, 400, kind->malformed, "Invalid id: \"%s\" (expecting \"%s-...\")", id,
             kind->prefix);
    } else {
        refuse(r, kind, id, false);
    }
    return NULL;
}

/* All that are missing are named at once, as EC2 does. */
static bool load_named(struct request *r, const struct resource_kind *kind, struct texts_list ids,
                       struct objects *objects)
{
    struct buffer missing = {0};
    size_t missing_count = 0;
    for (size_t i = 0; i < ids.count; i++) {
        void *object = load_visible(r, kind, ids.items[i]);
        if (object) {
            objects_add(r->arena, objects, object);
        } else if (!is_well_formed(kind, ids.items[i])) {
            buffer_free(&missing);
            return fail(r, 400, kind->malformed, "Invalid id: \"%s\" (expecting \"%s-...\")",
                        ids.items[i], kind->prefix);
        } else {
            buffer_printf(&missing, "%s%s", missing_count++ ? ", " : "", ids.items[i]);
        }
    }
    bool complete = !missing_count || refuse(r, kind, buffer_text(&missing), missing_count > 1);
    buffer_free(&missing);
    return complete;
}

static void load_all(struct request *r, const struct resource_kind *kind, struct objects *objects)
{
    struct objects ids = {0};
    struct sqlite3_stmt *rows = state_query(r->state, kind->list, "");
    while (state_next(r->state, rows)) {
        objects_add(r->arena, &ids, (void *)state_text(r->arena, rows, 0));
    }
    for (size_t i = 0; i < ids.count; i++) {
        void *object = load_visible(r, kind, ids.items[i]);
        if (object && (!kind->listed || kind->listed(r, object))) {
            objects_add(r->arena, objects, object);
        }
    }
}

bool select_objects(struct request *r, const struct resource_kind *kind, struct objects *objects)
{
    struct filters *filters = NULL;
    struct texts_list ids = query_list(&r->query, "%s", kind->ids);
    struct objects found = {0};
    if (ids.count > 1000) {
        return fail(r, 400, "InvalidParameterValue", "The request names more than 1000 ids");
    }
    if (!filters_parse(r, kind->fields, &filters)) {
        return false;
    }
    if (ids.count && !load_named(r, kind, ids, &found)) {
        return false;
    }
    if (!ids.count) {
        load_all(r, kind, &found);
    }
    for (size_t i = 0; i < found.count; i++) {
        if (filters_match(filters, found.items[i])) {
            objects_add(r->arena, objects, found.items[i]);
        }
    }
    return true;
}

bool describe(struct request *r, const struct resource_kind *kind)
{
    struct objects objects = {0};
    const char *next = NULL;
    if (!select_objects(r, kind, &objects) || !page_objects(r, kind, &objects, &next)) {
        return false;
    }
    xml_open(&r->xml, kind->set);
    for (size_t i = 0; i < objects.count; i++) {
        xml_open(&r->xml, "item");
        kind->write(r, objects.items[i]);
        xml_close(&r->xml, "item");
    }
    xml_close(&r->xml, kind->set);
    xml_put(&r->xml, "nextToken", next);
    return true;
}
