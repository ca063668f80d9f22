/* Store in memory: for tests and simulation. Operations take effect within the call: one whose
 * callback never comes (its runner died) has happened. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/hash.h"
#include "runtime/world/store_call.h"

struct object {
    char *key, *bytes;
    size_t length;
    UT_hash_handle hh;
};

struct store_memory {
    struct object *objects;
};

struct memory_store {
    struct local_store local;
    struct store_memory *memory;
};

static struct object *find(struct store_memory *memory, const char *key)
{
    struct object *object;
    HASH_FIND_STR(memory->objects, key, object);
    return object;
}

static void free_object(struct object *object)
{
    free(object->key);
    free(object->bytes);
    free(object);
}

static void answer_get(struct store_memory *memory, struct store_call *call)
{
    const struct object *object = find(memory, call->key);
    call->outcome = object ? STORE_OK : STORE_ABSENT;
    if (object && !call->room) {
        buffer_append(&call->answer, object->bytes, object->length);
    } else if (object && object->length <= call->room->size) {
        memcpy(call->room->bytes, object->bytes, object->length);
        call->room_length = object->length;
    } else if (object) {
        call->outcome = STORE_FAILED;
        error_set(&call->error, "reading %s: it is larger than it may be", call->key);
    }
    if (object && !call->unversioned) {
        store_version_of(object->bytes, object->length, call->version);
    }
}

static bool condition_holds(const struct store_call *call, const struct object *old)
{
    if (call->condition == STORE_IF_ABSENT || call->condition == STORE_LAZILY) {
        return !old;
    }
    char version[STORE_VERSION_MAX] = "";
    if (old) {
        store_version_of(old->bytes, old->length, version);
    }
    return call->condition == STORE_ALWAYS || (old && strcmp(version, call->expected) == 0);
}

static void answer_put(struct store_memory *memory, struct store_call *call)
{
    struct object *object = find(memory, call->key);
    if (!condition_holds(call, object)) {
        call->outcome = STORE_CONFLICT;
        return;
    }
    if (!object) {
        object = base_alloc(sizeof *object);
        object->key = base_strdup(call->key);
        HASH_ADD_KEYPTR(hh, memory->objects, object->key, strlen(object->key), object);
    }
    free(object->bytes);
    object->bytes = call->bytes;
    object->length = call->length;
    call->bytes = NULL;
    if (call->condition != STORE_LAZILY) {
        store_version_of(object->bytes, object->length, call->version);
    }
    call->outcome = STORE_OK;
}

static void answer_list(const struct store_memory *memory, struct store_call *call)
{
    for (const struct object *object = memory->objects; object; object = object->hh.next) {
        store_call_add_key(call, object->key);
    }
    call->outcome = STORE_OK;
}

static void answer_remove(struct store_memory *memory, struct store_call *call)
{
    struct object *object = find(memory, call->key);
    call->outcome = object ? STORE_OK : STORE_ABSENT;
    if (object) {
        HASH_DEL(memory->objects, object);
        free_object(object);
    }
}

static void memory_perform(struct local_store *local, struct store_call *call)
{
    struct store_memory *memory = ((struct memory_store *)local)->memory;
    switch (call->verb) {
    case STORE_GET:
        answer_get(memory, call);
        break;
    case STORE_PUT:
        answer_put(memory, call);
        break;
    case STORE_LIST:
        answer_list(memory, call);
        break;
    case STORE_REMOVE:
        answer_remove(memory, call);
        break;
    case STORE_SYNC:
        call->outcome = STORE_OK;
        break;
    }
}

static void memory_release(struct local_store *local)
{
    free(local);
}

struct store_memory *store_memory_create(void)
{
    return base_alloc(sizeof(struct store_memory));
}

void store_memory_destroy(struct store_memory *memory)
{
    if (memory) {
        struct object *object = memory->objects;
        HASH_CLEAR(hh, memory->objects); /* the objects are still linked */
        for (struct object *next; object; object = next) {
            next = object->hh.next;
            free_object(object);
        }
        free(memory);
    }
}

struct store *store_memory_open(struct world *world, struct store_memory *memory)
{
    struct memory_store *store = base_alloc(sizeof *store);
    local_store_init(&store->local, world);
    store->local.store.name = "memory";
    store->local.perform = memory_perform;
    store->local.release = memory_release;
    store->memory = memory;
    return &store->local.store;
}
