/* What a sandbox holds, for people. */
#include "runtime/sandbox/ec2.h"
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

size_t sandbox_list(struct sandbox *sandbox, struct arena *arena, int64_t utc_ms,
                    enum sandbox_kind kind, struct sandbox_item **items)
{
    pthread_mutex_lock(&sandbox->lock);
    struct objects objects = {0};
    if (state_begin(sandbox->state)) {
        struct request r = sandbox_own_request(sandbox, arena, utc_ms);
        select_objects(&r, kinds[kind].kind, &objects);
        state_end(sandbox->state, false);
    }
    pthread_mutex_unlock(&sandbox->lock);
    *items = ARENA_ARRAY(arena, struct sandbox_item, objects.count);
    for (size_t i = 0; i < objects.count; i++) {
        show_tags(objects.items[i], &(*items)[i]);
        kinds[kind].show(objects.items[i], &(*items)[i]);
    }
    return objects.count;
}
