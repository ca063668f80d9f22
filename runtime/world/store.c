#include "runtime/world/store.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/world.h"

#define KEY_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

bool store_key_is_valid(const char *key)
{
    if (strlen(key) > STORE_KEY_MAX) {
        return false;
    }
    for (const char *part = key;; part++) {
        size_t length = strspn(part, KEY_CHARACTERS);
        bool dots = (length == 1 && part[0] == '.') ||
                    (length == 2 && part[0] == '.' && part[1] == '.');
        if (length == 0 || length > STORE_PART_MAX || dots) {
            return false;
        }
        part += length;
        if (*part != '/') {
            return *part == '\0';
        }
    }
}

void store_fetch(struct store *store, const char *key, store_callback done, void *context)
{
    (store->fetch ? store->fetch : store->get)(store, key, done, context);
}

static struct world *innermost(struct world *world)
{
    while (world->inner) {
        world = world->inner;
    }
    return world;
}

void world_set_stores(struct world *world, struct store_opener opener)
{
    world = innermost(world);
    free(world->stores);
    world->stores = base_alloc(sizeof *world->stores);
    *world->stores = opener;
}

struct store *store_open(struct world *world, const char *url, bool lazy, struct error *error)
{
    const struct store_opener *stores = innermost(world)->stores;
    if (!stores) {
        error_set(error, "%s cannot be opened here", url);
        return NULL;
    }
    return stores->open(stores->context, url, lazy, error);
}

void store_destroy(struct store *store)
{
    if (store) {
        store->destroy(store);
    }
}

/* An answer that somebody runs the loop for. */
struct awaited {
    bool there;
    enum store_outcome outcome;
    void **bytes;
    size_t *length;
    char *version;
    struct arena *arena;
    const char ***keys;
    size_t *key_count;
    struct error *error;
};

static void keep_bytes(struct awaited *awaited, const struct store_result *result)
{
    char *copy = base_alloc(result->length + 1);
    if (result->length) {
        memcpy(copy, result->bytes, result->length);
    }
    *awaited->bytes = copy;
    *awaited->length = result->length;
}

static void keep_keys(struct awaited *awaited, const struct store_result *result)
{
    *awaited->keys = ARENA_ARRAY(awaited->arena, const char *, result->key_count + 1);
    for (size_t i = 0; i < result->key_count; i++) {
        (*awaited->keys)[i] = arena_strdup(awaited->arena, result->keys[i]);
    }
    *awaited->key_count = result->key_count;
}

static void arrived(void *context, const struct store_result *result)
{
    struct awaited *awaited = context;
    awaited->there = true;
    awaited->outcome = result->outcome;
    if (result->outcome == STORE_FAILED) {
        error_copy(awaited->error, result->error);
    }
    if (result->outcome != STORE_OK) {
        return;
    }
    if (awaited->bytes) {
        keep_bytes(awaited, result);
    }
    if (awaited->keys) {
        keep_keys(awaited, result);
    }
    if (awaited->version) {
        size_t length = strnlen(result->version, STORE_VERSION_MAX - 1);
        memcpy(awaited->version, result->version, length);
        awaited->version[length] = '\0';
    }
}

static enum store_outcome await(struct awaited *awaited, struct store *store, struct world *world)
{
    world_run(world, &awaited->there);
    if (!awaited->there) {
        error_set(awaited->error, "the store (%s) gives no answer", store->name);
        return STORE_FAILED;
    }
    return awaited->outcome;
}

enum store_outcome store_get_now(struct store *store, struct world *world, const char *key,
                                 void **bytes, size_t *length, char version[STORE_VERSION_MAX],
                                 struct error *error)
{
    struct awaited awaited = {
        .bytes = bytes, .length = length, .version = version, .error = error};
    store->get(store, key, arrived, &awaited);
    return await(&awaited, store, world);
}

enum store_outcome store_put_now(struct store *store, struct world *world, const char *key,
                                 const void *bytes, size_t length, enum store_condition condition,
                                 const char *version, struct error *error)
{
    struct awaited awaited = {.error = error};
    store->put(store, key, bytes, length, condition, version, arrived, &awaited);
    return await(&awaited, store, world);
}

enum store_outcome store_list_now(struct store *store, struct world *world, const char *prefix,
                                  const char *after, struct arena *arena, const char ***keys,
                                  size_t *count, struct error *error)
{
    struct awaited awaited = {.arena = arena, .keys = keys, .key_count = count, .error = error};
    store->list(store, prefix, after, arrived, &awaited);
    return await(&awaited, store, world);
}

enum store_outcome store_remove_now(struct store *store, struct world *world, const char *key,
                                    struct error *error)
{
    struct awaited awaited = {.error = error};
    store->remove(store, key, arrived, &awaited);
    return await(&awaited, store, world);
}

enum store_outcome store_sync_now(struct store *store, struct world *world, struct error *error)
{
    struct awaited awaited = {.error = error};
    store->sync(store, arrived, &awaited);
    return await(&awaited, store, world);
}
