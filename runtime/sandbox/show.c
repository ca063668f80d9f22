/* What a sandbox holds, for people. */
#include <string.h>

#include "runtime/sandbox/route53.h"
#include "runtime/sandbox/ec2.h"
#include "runtime/sandbox/elb.h"
#include "runtime/sandbox/internal.h"
#include "runtime/sandbox/state.h"

static void show_instance(const void *object, struct sandbox_item *item)
{
    const struct instance *instance = object;
    item->state = instance->state;
    item->detail = instance->type;
}

static void show_volume(const void *object, struct sandbox_item *item)
{
    const struct volume *volume = object;
    item->state = volume->state;
    item->detail = volume->type;
    item->attached_to = volume->instance;
    item->snapshot = volume->snapshot;
    item->size_gib = volume->size_gib;
}

static void show_snapshot(const void *object, struct sandbox_item *item)
{
    const struct snapshot *snapshot = object;
    item->state = snapshot->state;
    item->size_gib = snapshot->size_gib;
}

static void show_image(const void *object, struct sandbox_item *item)
{
    const struct image *image = object;
    item->state = image->state;
    item->detail = image->name;
}

static const struct {
    const struct resource_kind *kind;
    void (*show)(const void *object, struct sandbox_item *item);
} kinds[] = {
    [SANDBOX_INSTANCE] = {&instance_kind, show_instance},
    [SANDBOX_VOLUME] = {&volume_kind, show_volume},
    [SANDBOX_SNAPSHOT] = {&snapshot_kind, show_snapshot},
    [SANDBOX_IMAGE] = {&image_kind, show_image},
};

static void show_tags(const struct resource *resource, struct sandbox_item *item)
{
    item->id = resource->id;
    item->plan = tag_value(&resource->tags, "drc:plan");
    item->vm = tag_value(&resource->tags, "drc:vm");
    item->run = tag_value(&resource->tags, "drc:run");
    item->node = tag_value(&resource->tags, "drc:node");
    item->role = tag_value(&resource->tags, "drc:role");
}

/* Snapshots of which no blocks are known have none to count. */
static void count_blocks(struct request *r, const struct objects *snapshots,
                         struct sandbox_item *items)
{
    for (size_t i = 0; i < snapshots->count; i++) {
        const struct snapshot *snapshot = snapshots->items[i];
        items[i].parts = state_value(r->state, 0, "SELECT count(*) FROM blocks WHERE map = ?", "i",
                                     snapshot->map);
    }
}

static size_t list_buckets(struct sandbox *sandbox, struct arena *arena,
                           struct sandbox_item **items)
{
    struct state *state = sandbox->state;
    pthread_mutex_lock(&sandbox->lock);
    size_t count = 0, most = 0;
    if (state_begin(state)) {
        most = (size_t)state_value(state, 0, "SELECT count(*) FROM s3_buckets", "");
        *items = ARENA_ARRAY(arena, struct sandbox_item, most);
        struct sqlite3_stmt *rows = state_query(
            state,
            "SELECT name, count(key), total(size) FROM s3_buckets LEFT JOIN s3_objects ON bucket = "
            "name GROUP BY name ORDER BY name",
            "");
        while (count < most && state_next(state, rows)) {
            (*items)[count++] = (struct sandbox_item){.id = state_text(arena, rows, 0),
                                                      .state = "available",
                                                      .parts = state_int(rows, 1),
                                                      .bytes = (int64_t)state_number(rows, 2)};
        }
        state_end(state, false);
    }
    pthread_mutex_unlock(&sandbox->lock);
    return count;
}

/* Those of zones that take dynamic updates, one for each datum. */
static size_t list_dns_records(struct request *r, struct arena *arena, struct sandbox_item *items,
                               size_t most)
{
    size_t count = 0;
    struct sqlite3_stmt *rows = state_query(
        r->state,
        "SELECT rtrim(name, '.'), type, data, ttl FROM dns_records ORDER BY zone, name, type, data", "");
    while (count < most && state_next(r->state, rows)) {
        items[count++] = (struct sandbox_item){.id = state_text(arena, rows, 0),
                                               .state = state_text(arena, rows, 1),
                                               .detail = state_text(arena, rows, 2),
                                               .ttl_s = state_int(rows, 3)};
    }
    return count;
}

static size_t list_records(struct request *r, struct arena *arena, struct sandbox_item **items)
{
    size_t most = (size_t)state_value(
        r->state, 0,
        "SELECT (SELECT count(*) FROM record_sets) + (SELECT count(*) FROM dns_records)", "");
    *items = ARENA_ARRAY(arena, struct sandbox_item, most);
    size_t count = list_dns_records(r, arena, *items, most);
    struct sqlite3_stmt *rows = state_query(
        r->state,
        "SELECT " RECORD_COLUMNS ", zone FROM record_sets WHERE type NOT IN ('NS', 'SOA') ORDER BY "
        "place, type, identifier",
        "");
    while (count < most && state_next(r->state, rows)) {
        struct record record = record_of_row(r, rows);
        (*items)[count++] = (struct sandbox_item){
            .id = record.name,
            .state = record.type,
            .detail = record_text(arena, &record),
            .attached_to = state_text(arena, rows, 9),
            .ttl_s = record.ttl_s};
    }
    return count;
}

static size_t list_targets(struct request *r, struct arena *arena, struct sandbox_item **items)
{
    size_t count = 0;
    struct target_health *targets = NULL;
    size_t found = targets_list(r, &targets);
    *items = ARENA_ARRAY(arena, struct sandbox_item, found);
    for (; count < found; count++) {
        (*items)[count] = (struct sandbox_item){.id = targets[count].id,
                                                .state = targets[count].state,
                                                .detail = targets[count].reason,
                                                .attached_to = targets[count].group};
    }
    return count;
}

/* What is no EC2 object. */
static size_t list_others(struct sandbox *sandbox, struct arena *arena, int64_t utc_ms,
                          enum sandbox_kind kind, struct sandbox_item **items)
{
    size_t count = 0;
    pthread_mutex_lock(&sandbox->lock);
    if (state_begin(sandbox->state)) {
        struct request r = sandbox_own_request(sandbox, arena, utc_ms);
        count = kind == SANDBOX_RECORD ? list_records(&r, arena, items)
                                       : list_targets(&r, arena, items);
        state_end(sandbox->state, false);
    }
    pthread_mutex_unlock(&sandbox->lock);
    return count;
}

size_t sandbox_list(struct sandbox *sandbox, struct arena *arena, int64_t utc_ms,
                    enum sandbox_kind kind, struct sandbox_item **items)
{
    *items = NULL;
    if (kind == SANDBOX_BUCKET) {
        return list_buckets(sandbox, arena, items);
    }
    if (kind == SANDBOX_RECORD || kind == SANDBOX_TARGET) {
        return list_others(sandbox, arena, utc_ms, kind, items);
    }
    pthread_mutex_lock(&sandbox->lock);
    struct objects objects = {0};
    if (state_begin(sandbox->state)) {
        struct request r = sandbox_own_request(sandbox, arena, utc_ms);
        select_objects(&r, kinds[kind].kind, &objects);
        *items = ARENA_ARRAY(arena, struct sandbox_item, objects.count);
        if (kind == SANDBOX_SNAPSHOT) {
            count_blocks(&r, &objects, *items);
        }
        state_end(sandbox->state, false);
    }
    pthread_mutex_unlock(&sandbox->lock);
    for (size_t i = 0; i < objects.count; i++) {
        show_tags(objects.items[i], &(*items)[i]);
        kinds[kind].show(objects.items[i], &(*items)[i]);
    }
    return objects.count;
}
