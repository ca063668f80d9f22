#include "runtime/world/store_call.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/sha256.h"

void store_version_of(const void *bytes, size_t length, char version[STORE_VERSION_MAX])
{
    sha256_hex(bytes, length, version);
}

void store_call_add_key(struct store_call *call, const char *key)
{
    if (strncmp(key, call->key, strlen(call->key)) != 0 || strcmp(key, call->after) <= 0) {
        return;
    }
    if (call->key_count == call->key_capacity) {
        call->key_capacity = call->key_capacity ? call->key_capacity * 2 : 16;
        call->keys = base_realloc(call->keys, call->key_capacity * sizeof *call->keys);
    }
    call->keys[call->key_count++] = base_strdup(key);
}

static void unlink_call(struct store_call *call)
{
    if (call->previous) {
        call->previous->next = call->next;
    } else {
        call->owner->calls = call->next;
    }
    if (call->next) {
        call->next->previous = call->previous;
    }
}

static void free_call(struct store_call *call)
{
    for (size_t i = 0; i < call->key_count; i++) {
        free(call->keys[i]);
    }
    free(call->keys);
    free(call->key);
    free(call->bytes);
    free(call->after);
    buffer_free(&call->answer);
    error_clear(&call->error);
    free(call);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void deliver(void *context)
{
    struct store_call *call = context;
    if (call->key_count) {
        qsort(call->keys, call->key_count, sizeof *call->keys, compare_keys);
    }
    struct store_result result = {
        .outcome = call->outcome,
        .bytes = call->room ? call->room->bytes : buffer_text(&call->answer),
        .length = call->room ? call->room_length : call->answer.length,
        .version = call->outcome == STORE_OK ? call->version : "",
        .keys = (const char **)call->keys,
        .key_count = call->key_count,
        .error = call->outcome == STORE_FAILED ? &call->error : NULL,
    };
    unlink_call(call);
    if (call->done) {
        call->done(call->context, &result);
    }
    free_call(call);
}

static void perform(void *context)
{
    struct store_call *call = context;
    call->owner->perform(call->owner, call);
    if (call->room && call->outcome == STORE_OK) {
        call->room->look(call->room->context, call->room_length);
    }
}

static bool is_sound(struct store_call *call)
{
    if (call->verb == STORE_LIST || call->verb == STORE_SYNC) {
        return true;
    }
    if (!store_key_is_valid(call->key)) {
        return error_set(&call->error, "\"%.64s\" is not a key that a store can have", call->key);
    }
    if (call->verb == STORE_PUT && call->length > STORE_OBJECT_MAX) {
        return error_set(&call->error, "writing %s: %zu bytes, and an object has at most %d",
                         call->key, call->length, STORE_OBJECT_MAX);
    }
    return true;
}

static void nothing(void *context)
{
    (void)context;
}

static void begin(struct store_call *call, store_callback done, void *context)
{
    struct local_store *store = call->owner;
    call->done = done;
    call->context = context;
    call->next = store->calls;
    if (store->calls) {
        store->calls->previous = call;
    }
    store->calls = call;
    bool sound = is_sound(call);
    if (!sound) {
        call->outcome = STORE_FAILED;
    } else if (!store->on_thread) {
        perform(call);
    }
    call->task = world_work(store->world, sound && store->on_thread ? perform : nothing, deliver,
                            call);
}

static struct store_call *make(struct store *store, enum store_verb verb, const char *key)
{
    struct store_call *call = base_alloc(sizeof *call);
    call->owner = (struct local_store *)store;
    call->verb = verb;
    call->key = base_strdup(key);
    return call;
}

static void local_get(struct store *store, const char *key, store_callback done, void *context)
{
    begin(make(store, STORE_GET, key), done, context);
}

static void local_fetch(struct store *store, const char *key, store_callback done, void *context)
{
    struct store_call *call = make(store, STORE_GET, key);
    call->unversioned = true;
    begin(call, done, context);
}

static void local_fetch_into(struct store *store, const char *key, const struct store_room *room,
                             store_callback done, void *context)
{
    struct store_call *call = make(store, STORE_GET, key);
    call->unversioned = true;
    call->room = room;
    begin(call, done, context);
}

static void local_put(struct store *store, const char *key, const void *bytes, size_t length,
                      enum store_condition condition, const char *version, store_callback done,
                      void *context)
{
    struct store_call *call = make(store, STORE_PUT, key);
    call->length = length;
    if (length <= STORE_OBJECT_MAX) {
        call->bytes = base_realloc(NULL, length + 1); /* not zeroed: blocks are large */
        memcpy(call->bytes, length ? bytes : "", length);
    }
    call->condition = condition;
    if (condition == STORE_IF_VERSION && strlen(version) < STORE_VERSION_MAX) {
        memcpy(call->expected, version, strlen(version) + 1);
    } /* a longer one is no version of ours: conflict */
    begin(call, done, context);
}

static void local_list(struct store *store, const char *prefix, const char *after,
                       store_callback done, void *context)
{
    struct store_call *call = make(store, STORE_LIST, prefix);
    call->after = base_strdup(after);
    begin(call, done, context);
}

static void local_remove(struct store *store, const char *key, store_callback done, void *context)
{
    begin(make(store, STORE_REMOVE, key), done, context);
}

static void local_sync(struct store *store, store_callback done, void *context)
{
    begin(make(store, STORE_SYNC, ""), done, context);
}

static void local_forget(struct store *store, void *context)
{
    for (struct store_call *call = ((struct local_store *)store)->calls, *next; call; call = next) {
        next = call->next;
        if (call->context != context) {
            continue;
        }
        call->done = NULL;
        if (call->room) { /* the caller's: nobody may write there any more */
            world_cancel(call->owner->world, call->task);
            unlink_call(call);
            free_call(call);
        }
    }
}

static void local_destroy(struct store *store)
{
    struct local_store *local = (struct local_store *)store;
    for (struct store_call *call = local->calls, *next; call; call = next) {
        next = call->next;
        world_cancel(local->world, call->task); /* waits for its thread */
        free_call(call);
    }
    local->release(local);
}

void local_store_init(struct local_store *store, struct world *world)
{
    store->world = world;
    store->store.get = local_get;
    store->store.fetch = local_fetch;
    store->store.fetch_into = local_fetch_into;
    store->store.put = local_put;
    store->store.list = local_list;
    store->store.remove = local_remove;
    store->store.sync = local_sync;
    store->store.forget = local_forget;
    store->store.destroy = local_destroy;
}
