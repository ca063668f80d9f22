/* Store: where state is kept as records, small named objects, so that more than one runner can see
 * it: a directory, memory (tests, simulation), later S3. Every operation is asynchronous on the
 * world's loop, as a world's own: it returns at once, the callback comes later exactly once, never
 * from within the call. What the caller passes in is copied.
 *
 * Keys are relative paths of [A-Za-z0-9._-] and '/' ("shop/runs/7k2f…/log/00000012"), at most
 * STORE_KEY_MAX bytes, each part at most STORE_PART_MAX, without empty parts, "." and "..". No key
 * may be another's folder ("a" beside "a/b"). A put is atomic: a reader sees the old object or the
 * new one. put-if is what S3 offers as If-None-Match: * and If-Match (S3 API Reference, PutObject,
 * "conditional writes"). Operations that are under way at once have no order: wait for a put before
 * what has to come after it. */
#ifndef DRC_WORLD_STORE_H
#define DRC_WORLD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct arena;
struct world;

enum {
    STORE_KEY_MAX = 512,
    STORE_PART_MAX = 255,
    STORE_OBJECT_MAX = 64 << 20, /* bytes of one object: more is refused on put and on get */
    STORE_VERSION_MAX = 128, /* with its NUL */
};

enum store_outcome {
    STORE_OK,
    STORE_ABSENT,   /* get, delete: there is no such object (delete: as good as OK) */
    STORE_CONFLICT, /* put: the condition does not hold: somebody else was there (S3: 412) */
    STORE_FAILED,   /* nothing is known of a put: it may have happened; `error` says why */
};

enum store_condition {
    STORE_ALWAYS,
    STORE_IF_ABSENT,  /* If-None-Match: * */
    STORE_IF_VERSION, /* If-Match: the object is still the one of `version` */
    /* Of a key that only ever names these bytes (content-addressed): CONFLICT may say that there is one
     * already, or it is put again. The one put that a lazy store makes durable only at `sync`; its answer
     * has no version. */
    STORE_LAZILY,
};

/* Valid during the callback only. */
struct store_result {
    enum store_outcome outcome;
    const void *bytes;   /* get: NUL behind its length */
    size_t length;
    const char *version; /* get, put: of the object as it is now (an ETag); "" otherwise */
    const char **keys;   /* list: in the order of their bytes */
    size_t key_count;
    const struct error *error; /* FAILED; `passing` where another try may go through */
};
typedef void (*store_callback)(void *context, const struct store_result *result);

/* Where an object's bytes are to go, and who looks at them there: on the thread that has just read
 * them. All of it lives until the callback, or until forget has returned. */
struct store_room {
    void *bytes;
    size_t size;
    void (*look)(void *context, size_t length);
    void *context;
};

struct store {
    const char *name; /* "directory", "memory", "s3" */
    void (*get)(struct store *store, const char *key, store_callback done, void *context);
    /* The same without the version, where that costs something (it is a hash); NULL: nothing. */
    void (*fetch)(struct store *store, const char *key, store_callback done, void *context);
    /* The same into `room`, where it has been looked at when it is OK. One that does not fit is FAILED.
     * NULL: fetch, and do it yourself. */
    void (*fetch_into)(struct store *store, const char *key, const struct store_room *room,
                       store_callback done, void *context);
    void (*put)(struct store *store, const char *key, const void *bytes, size_t length,
                enum store_condition condition, const char *version, store_callback done,
                void *context);
    /* All keys that begin with `prefix` ("": all; need not end at a '/') and come after `after` ("":
     * from the first). */
    void (*list)(struct store *store, const char *prefix, const char *after, store_callback done,
                 void *context);
    void (*remove)(struct store *store, const char *key, store_callback done, void *context);
    /* All puts and removals that were answered before are durable when `done` comes. Of a store that
     * is not lazy they are anyway. */
    void (*sync)(struct store *store, store_callback done, void *context);
    /* The callbacks of what is under way with that context never come; it goes on all the same, but
     * for what is read into a room. */
    void (*forget)(struct store *store, void *context);
    /* Nor do any from then on. */
    void (*destroy)(struct store *store);
};

/* Objects are files (0600) below `path`, which is made (0700) where it is missing. Atomic by rename
 * and link, durable by fsync: safe between processes of one host and on shared file systems that
 * keep POSIX semantics (NFS 4, EFS). */
struct store *store_directory_create(struct world *world, const char *path, struct error *error);

/* The same, lazy: an answered put of STORE_LAZILY, or a removal, is seen by all, but durable only after
 * `sync`, and costs no fsync of its own. For many objects that count for nothing until one more is
 * there: blocks of a recovery point. One that is there already may be from before a power failure, and
 * broken: look. */
struct store *store_directory_create_lazy(struct world *world, const char *path,
                                          struct error *error);

/* Who opens stores by URL ("dir:PATH", "file:///DIR", "s3://BUCKET/PREFIX"), for layers that do not know
 * the services. `lazy` as above. The caller destroys what it gets. */
struct store_opener {
    void *context;
    struct store *(*open)(void *context, const char *url, bool lazy, struct error *error);
};

/* The world's own opener, for all that has the world at hand (state/): set once by whoever makes the
 * world; what the opener refers to has to live as long. Shared with the worlds around it. */
void world_set_stores(struct world *world, struct store_opener opener);
/* NULL with an error where the world has none (simulation, tests). */
struct store *store_open(struct world *world, const char *url, bool lazy, struct error *error);

/* A memory outlives the stores on it, as a bucket outlives the runners: several can be on one. */
struct store_memory;
struct store_memory *store_memory_create(void);
void store_memory_destroy(struct store_memory *memory);
struct store *store_memory_open(struct world *world, struct store_memory *memory);

/* store->fetch, or store->get. */
void store_fetch(struct store *store, const char *key, store_callback done, void *context);

/* NULL is allowed. */
void store_destroy(struct store *store);

/* The same, running the world's loop until there is an answer: for commands. FAILED fills `error`. */
enum store_outcome store_get_now(struct store *store, struct world *world, const char *key,
                                 void **bytes, size_t *length, /* the caller frees; may be NULL */
                                 char version[STORE_VERSION_MAX], /* may be NULL */
                                 struct error *error);
enum store_outcome store_put_now(struct store *store, struct world *world, const char *key,
                                 const void *bytes, size_t length, enum store_condition condition,
                                 const char *version, struct error *error);
/* The keys lie in the arena. */
enum store_outcome store_list_now(struct store *store, struct world *world, const char *prefix,
                                  const char *after, struct arena *arena, const char ***keys,
                                  size_t *count, struct error *error);
enum store_outcome store_sync_now(struct store *store, struct world *world, struct error *error);
enum store_outcome store_remove_now(struct store *store, struct world *world, const char *key,
                                    struct error *error);

bool store_key_is_valid(const char *key);

#endif
