/* Blocks and maps of a repository on their way in and out: packing, unpacking and hashing on
 * threads, the store on the loop. What is put may be there already. Then it is read and checked,
 * because it may be left from before a power failure, or have been damaged since; and put anew if
 * it is not sound. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/sha256.h"
#include "runtime/mover/repository_state.h"

struct object_call {
    struct repository *repository;
    struct repository_writer *writer; /* NULL: reading */
    struct object_call *previous, *next;
    char key[OBJECT_KEY_MAX];
    struct block_digest digest;
    bool is_block;
    const void *bytes; /* put-block: the caller's */
    void *into;        /* get-block: the caller's */
    struct store_room room; /* get-block-within: the caller's, with its object in it */
    struct paired paired;   /* get-block-within */
    bool fetched;           /* get-block-within: only its hash is missing */
    char *object;      /* as it is, or shall be, in the store */
    size_t length;
    char *found; /* put: what was there already */
    size_t found_length;
    struct world_task *task;
    struct error error;
    repository_done done;
    repository_map_read read;
    void *context;
};

static struct object_call *begin(struct repository *repository, const struct block_digest *digest,
                                 bool is_block, void *context)
{
    struct object_call *call = base_alloc(sizeof *call);
    call->repository = repository;
    call->digest = *digest;
    call->is_block = is_block;
    call->context = context;
    object_key(call->key, is_block ? "blocks" : "maps", digest);
    call->next = repository->calls;
    if (call->next) {
        call->next->previous = call;
    }
    repository->calls = call;
    return call;
}

static void unlink_call(struct object_call *call)
{
    if (call->previous) {
        call->previous->next = call->next;
    } else {
        call->repository->calls = call->next;
    }
    if (call->next) {
        call->next->previous = call->previous;
    }
}

static void free_call(struct object_call *call)
{
    free(call->object);
    free(call->found);
    error_clear(&call->error);
    free(call);
}

static void finish(struct object_call *call)
{
    const struct error *error = call->error.message ? &call->error : NULL;
    unlink_call(call);
    if (call->read) {
        char *object = error ? NULL : call->object;
        call->object = error ? call->object : NULL;
        call->read(call->context, object, call->length, error);
    } else {
        call->done(call->context, error);
    }
    free_call(call);
}

static void let_others_go_on(struct repository *repository);

static void drop(struct object_call *call)
{
    struct repository *repository = call->repository;
    repository->store->forget(repository->store, call);
    world_cancel(repository->world, call->task); /* waits for its thread */
    pairing_leave(&repository->pairing, &call->paired);
    unlink_call(call);
    free_call(call);
    let_others_go_on(repository);
}

void repository_forget(struct repository *repository, void *context)
{
    for (struct object_call *call = repository->calls, *next; call; call = next) {
        next = call->next;
        if (call->context == context) {
            drop(call);
        }
    }
}

void repository_end_calls(struct repository *repository)
{
    for (struct object_call *call = repository->calls, *next; call; call = next) {
        next = call->next;
        drop(call);
    }
}

static void work(struct object_call *call, world_callback run, world_callback done)
{
    call->task = world_work(call->repository->world, run, done, call);
}

static char *copy_of(const struct store_result *result)
{
    char *copy = base_realloc(NULL, result->length + 1);
    memcpy(copy, result->bytes, result->length);
    return copy;
}

/* On a thread: whether the object is what the digest says. A block is unpacked into `into`. */
static bool is_sound(struct object_call *call, const char *object, size_t length, void *into,
                     struct error *error)
{
    if (!call->is_block) {
        struct block_digest found;
        block_digest(object, length, &found);
        return block_digest_equal(&found, &call->digest) ||
               error_set(error, "its bytes are not those that its name says (SHA-256)");
    }
    struct block_packer *packer = repository_take_packer(call->repository);
    bool sound = block_unpack(packer, object, length, &call->digest, into, error);
    repository_give_packer(call->repository, packer);
    return sound;
}

/* --- reading --- */

static void look(void *context, size_t length)
{
    struct object_call *call = context;
    struct block_packer *packer = repository_take_packer(call->repository);
    bool unpacked = block_unpack_within(packer, call->room.bytes, length, &call->error);
    repository_give_packer(call->repository, packer);
    pairing_come(&call->repository->pairing, &call->paired, unpacked ? call->into : NULL);
}

static void look_at_fetched(void *context)
{
    struct object_call *call = context;
    look(call, call->length);
}

static void check_read(void *context)
{
    struct object_call *call = context;
    is_sound(call, call->object, call->length, call->into, &call->error);
}

static void name_problem(struct object_call *call, const char *doing)
{
    struct error problem = call->error;
    call->error = (struct error){0};
    repository_object_error(call->repository, doing, call->key, &problem, &call->error);
    error_clear(&problem);
}

static void checked(void *context)
{
    struct object_call *call = context;
    call->task = NULL;
    if (call->error.message) {
        name_problem(call, "reading");
    }
    finish(call);
}

/* The object is not there, or could not be had. */
static void not_fetched(struct object_call *call, const struct store_result *result)
{
    if (result->outcome == STORE_ABSENT) {
        error_set(&call->error, "it is missing");
        name_problem(call, "reading");
    } else {
        repository_store_error(call->repository, result->error, &call->error);
    }
    finish(call);
}

static void fetched(void *context, const struct store_result *result)
{
    struct object_call *call = context;
    if (result->outcome != STORE_OK) {
        not_fetched(call, result);
        return;
    }
    call->object = copy_of(result);
    call->length = result->length;
    work(call, check_read, checked);
}

/* --- reading within: hashed two by two --- */

/* Its hash is there. */
static void hashed(struct object_call *call)
{
    call->fetched = false;
    if (!call->error.message) {
        block_is_named(&call->paired.found, &call->digest, &call->error);
    }
    checked(call);
}

static bool has_hash(struct object_call *call)
{
    enum paired_state state = pairing_state(&call->repository->pairing, &call->paired);
    return state == PAIRED_HASHED || state == PAIRED_AWAY; /* away: it did not unpack */
}

static void come_again(void *context)
{
    struct object_call *call = context;
    pairing_come(&call->repository->pairing, &call->paired, call->into);
}

static void nothing(void *context)
{
    (void)context;
}

static void hashed_later(void *context)
{
    struct object_call *call = context;
    call->task = NULL;
    hashed(call);
}

/* NOLINT, here and below: to clang's analyser call->repository may be another than the one that lists
 * the call, and what has ended would still be in the list. */
static struct object_call *first_hashed(const struct repository *repository)
{
    for (struct object_call *call = repository->calls; call; call = call->next) {
        if (call->fetched && !call->task && has_hash(call)) { /* NOLINT(clang-analyzer-unix.Malloc) */
            return call;
        }
    }
    return NULL;
}

/* Without calling back: those whose partner was expected and is gone, or has hashed them and is gone. */
static void let_others_go_on(struct repository *repository)
{
    for (struct object_call *call = repository->calls; call; call = call->next) {
        if (!call->fetched || call->task) { /* NOLINT(clang-analyzer-unix.Malloc) */
            continue;
        }
        if (has_hash(call)) {
            work(call, nothing, hashed_later);
        } else if (pairing_is_left(&repository->pairing, &call->paired)) {
            work(call, come_again, hashed_later);
        }
    }
}

static void looked(void *context)
{
    struct object_call *call = context, *ready;
    struct repository *repository = call->repository;
    call->task = NULL;
    call->fetched = true;
    while ((ready = first_hashed(repository)) != NULL) { /* callbacks may take off any */
        hashed(ready);
    }
    let_others_go_on(repository);
}

static void fetched_within(void *context, const struct store_result *result)
{
    struct object_call *call = context;
    struct repository *repository = call->repository;
    if (result->outcome != STORE_OK) {
        pairing_leave(&repository->pairing, &call->paired);
        not_fetched(call, result);
        let_others_go_on(repository);
        return;
    }
    looked(call);
}

/* From a store that does not read into a room. */
static void fetched_beside(void *context, const struct store_result *result)
{
    struct object_call *call = context;
    if (result->outcome != STORE_OK) {
        not_fetched(call, result);
    } else if (result->length > call->room.size) {
        error_set(&call->error, "it is larger than a block can be (%zu bytes)", result->length);
        name_problem(call, "reading");
        finish(call);
    } else {
        memcpy(call->room.bytes, result->bytes, result->length);
        call->length = result->length;
        pairing_expect(&call->repository->pairing, &call->paired);
        work(call, look_at_fetched, looked);
    }
}

void repository_get_block(struct repository *repository, const struct block_digest *digest,
                          void *into, repository_done done, void *context)
{
    struct object_call *call = begin(repository, digest, true, context);
    call->into = into;
    call->done = done;
    store_fetch(repository->store, call->key, fetched, call);
}

void repository_get_block_within(struct repository *repository, const struct block_digest *digest,
                                 void *room, repository_done done, void *context)
{
    struct object_call *call = begin(repository, digest, true, context);
    struct store *store = repository->store;
    call->room =
        (struct store_room){.bytes = room, .size = REPOSITORY_ROOM, .look = look, .context = call};
    call->into = (char *)room + REPOSITORY_ROOM_AHEAD;
    call->done = done;
    if (store->fetch_into) {
        pairing_expect(&repository->pairing, &call->paired);
        store->fetch_into(store, call->key, &call->room, fetched_within, call);
    } else {
        store_fetch(store, call->key, fetched_beside, call);
    }
}

void repository_get_map(struct repository *repository, const struct block_digest *digest,
                        repository_map_read done, void *context)
{
    struct object_call *call = begin(repository, digest, false, context);
    call->read = done;
    store_fetch(repository->store, call->key, fetched, call);
}

/* --- writing --- */

static void put_over(void *context, const struct store_result *result)
{
    struct object_call *call = context;
    if (result->outcome != STORE_OK) {
        repository_store_error(call->repository, result->error, &call->error);
    }
    finish(call);
}

static void check_found(void *context)
{
    struct object_call *call = context;
    void *room = call->is_block ? base_realloc(NULL, BLOCK_BYTES) : NULL;
    is_sound(call, call->found, call->found_length, room, &call->error);
    free(room);
}

static void replace(struct object_call *call)
{
    struct store *store = call->repository->store;
    error_clear(&call->error);
    store->put(store, call->key, call->object, call->length, STORE_ALWAYS, NULL, put_over, call);
}

static void found_checked(void *context)
{
    struct object_call *call = context;
    call->task = NULL;
    if (call->error.message) {
        replace(call);
    } else {
        finish(call);
    }
}

static void found_read(void *context, const struct store_result *result)
{
    struct object_call *call = context;
    if (result->outcome == STORE_OK) {
        call->found = copy_of(result);
        call->found_length = result->length;
        work(call, check_found, found_checked);
    } else {
        replace(call); /* gone, or not to be read */
    }
}

static void put_once(void *context, const struct store_result *result)
{
    struct object_call *call = context;
    if (result->outcome == STORE_CONFLICT) {
        store_fetch(call->repository->store, call->key, found_read, call);
    } else {
        put_over(call, result);
    }
}

static void put_it(void *context)
{
    struct object_call *call = context;
    struct store *store = call->repository->store;
    call->task = NULL;
    if (call->writer->lost) {
        error_copy(&call->error, &call->writer->loss);
        finish(call);
        return;
    }
    store->put(store, call->key, call->object, call->length, STORE_LAZILY, NULL, put_once, call);
}

static void pack(void *context)
{
    struct object_call *call = context;
    call->object = base_realloc(NULL, BLOCK_OBJECT_MAX);
    struct block_packer *packer = repository_take_packer(call->repository);
    call->length = block_pack(packer, call->bytes, call->object);
    repository_give_packer(call->repository, packer);
}

void repository_put_block(struct repository_writer *writer, const struct block_digest *digest,
                          const void *bytes, repository_done done, void *context)
{
    struct object_call *call = begin(writer->repository, digest, true, context);
    call->writer = writer;
    call->bytes = bytes;
    call->done = done;
    work(call, pack, put_it);
}

void repository_put_map(struct repository_writer *writer, const struct block_digest *digest,
                        const void *bytes, size_t length, repository_done done, void *context)
{
    struct object_call *call = begin(writer->repository, digest, false, context);
    call->writer = writer;
    call->object = base_realloc(NULL, length + 1);
    memcpy(call->object, bytes, length);
    call->length = length;
    call->done = done;
    work(call, nothing, put_it);
}

static void put_small(void *context)
{
    struct object_call *call = context;
    struct store *store = call->repository->store;
    call->task = NULL;
    if (call->error.message) {
        finish(call);
    } else {
        store->put(store, call->key, call->object, call->length, STORE_ALWAYS, NULL, put_over,
                   call);
    }
}

void repository_put_small(struct repository *repository, const char *key, const struct buffer *text,
                          const struct error *problem, repository_done done, void *context)
{
    struct object_call *call = begin(repository, &(struct block_digest){{0}}, false, context);
    snprintf(call->key, sizeof call->key, "%s", key);
    call->done = done;
    if (problem) {
        error_copy(&call->error, problem);
    }
    call->object = base_alloc(text->length + 1);
    memcpy(call->object, buffer_text(text), text->length);
    call->length = text->length;
    work(call, nothing, put_small);
}
