#include "runtime/state/prefetch.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "compiler/base/map.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

struct prefetch;

struct object {
    struct prefetch *prefetch;
    void *bytes;
    size_t length;
    char version[STORE_VERSION_MAX];
    bool there;
};

/* An answer from memory: never from within the call. */
struct answer {
    struct prefetch *prefetch;
    const struct object *object;
    struct world_task *timer;
    store_callback done;
    void *context;
    struct answer *prev, *next;
};

struct prefetch {
    struct store store;
    struct store *inner;
    struct world *world;
    struct arena *arena;
    struct map objects; /* by key */
    struct object *all;
    size_t count, left, bytes;
    bool over;
    struct answer *answers;
};

static void arrived(void *context, const struct store_result *result)
{
    struct object *object = context;
    struct prefetch *prefetch = object->prefetch;
    if (result->outcome == STORE_OK && strlen(result->version) < STORE_VERSION_MAX &&
        result->length <= PREFETCH_BYTES_MAX - prefetch->bytes) {
        prefetch->bytes += result->length;
        object->bytes = base_alloc(result->length + 1);
        memcpy(object->bytes, result->length ? result->bytes : "", result->length);
        object->length = result->length;
        memcpy(object->version, result->version, strlen(result->version) + 1);
        object->there = true;
    }
    prefetch->over = --prefetch->left == 0;
}

static void deliver(void *context)
{
    struct answer *answer = context;
    struct store_result result = {.outcome = STORE_OK,
                                  .bytes = answer->object->bytes,
                                  .length = answer->object->length,
                                  .version = answer->object->version};
    DL_DELETE(answer->prefetch->answers, answer);
    if (answer->done) {
        answer->done(answer->context, &result);
    }
    free(answer);
}

static void prefetch_get(struct store *store, const char *key, store_callback done, void *context)
{
    struct prefetch *prefetch = (struct prefetch *)store;
    const struct object *object = map_get(&prefetch->objects, key);
    if (!object || !object->there) {
        prefetch->inner->get(prefetch->inner, key, done, context);
        return;
    }
    struct answer *answer = base_alloc(sizeof *answer);
    *answer = (struct answer){
        .prefetch = prefetch, .object = object, .done = done, .context = context};
    DL_APPEND(prefetch->answers, answer);
    answer->timer = world_timer(prefetch->world, 0, deliver, answer);
}

static struct store *inner_of(struct store *store)
{
    return ((struct prefetch *)store)->inner;
}

static void prefetch_put(struct store *store, const char *key, const void *bytes, size_t length,
                         enum store_condition condition, const char *version, store_callback done,
                         void *context)
{
    inner_of(store)->put(inner_of(store), key, bytes, length, condition, version, done, context);
}

static void prefetch_list(struct store *store, const char *prefix, const char *after,
                          store_callback done, void *context)
{
    inner_of(store)->list(inner_of(store), prefix, after, done, context);
}

static void prefetch_remove(struct store *store, const char *key, store_callback done,
                            void *context)
{
    inner_of(store)->remove(inner_of(store), key, done, context);
}

static void prefetch_sync(struct store *store, store_callback done, void *context)
{
    inner_of(store)->sync(inner_of(store), done, context);
}

static void prefetch_forget(struct store *store, void *context)
{
    struct answer *answer;
    DL_FOREACH(((struct prefetch *)store)->answers, answer)
    {
        answer->done = answer->context == context ? NULL : answer->done;
    }
    inner_of(store)->forget(inner_of(store), context);
}

static void prefetch_destroy(struct store *store)
{
    struct prefetch *prefetch = (struct prefetch *)store;
    while (prefetch->answers) {
        struct answer *answer = prefetch->answers;
        DL_DELETE(prefetch->answers, answer);
        world_cancel(prefetch->world, answer->timer);
        free(answer);
    }
    for (size_t i = 0; i < prefetch->count; i++) {
        prefetch->inner->forget(prefetch->inner, &prefetch->all[i]);
        free(prefetch->all[i].bytes);
    }
    arena_destroy(prefetch->arena);
    free(prefetch);
}

struct store *prefetch_open(struct store *inner, struct world *world, const char *const *keys,
                            size_t count)
{
    struct prefetch *prefetch = base_alloc(sizeof *prefetch);
    prefetch->store = (struct store){.name = inner->name,
                                     .get = prefetch_get,
                                     .put = prefetch_put,
                                     .list = prefetch_list,
                                     .remove = prefetch_remove,
                                     .sync = prefetch_sync,
                                     .forget = prefetch_forget,
                                     .destroy = prefetch_destroy};
    prefetch->inner = inner;
    prefetch->world = world;
    prefetch->arena = arena_create();
    prefetch->objects = (struct map){.arena = prefetch->arena};
    prefetch->count = count < PREFETCH_KEYS_MAX ? count : PREFETCH_KEYS_MAX;
    prefetch->left = prefetch->count;
    prefetch->all = ARENA_ARRAY(prefetch->arena, struct object, prefetch->count + 1);
    for (size_t i = 0; i < prefetch->count; i++) {
        struct object *object = &prefetch->all[i];
        object->prefetch = prefetch;
        map_put(&prefetch->objects, arena_strdup(prefetch->arena, keys[i]), object);
        inner->get(inner, keys[i], arrived, object);
    }
    if (prefetch->count > 0) {
        world_run(world, &prefetch->over);
    }
    return &prefetch->store;
}
