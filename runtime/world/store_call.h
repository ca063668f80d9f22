/* Store call: what the stores on a directory and in memory share: one operation under way, its
 * arguments copied, its answer, and how that comes to the caller. For stores only. */
#ifndef DRC_WORLD_STORE_CALL_H
#define DRC_WORLD_STORE_CALL_H

#include "compiler/base/buffer.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

enum store_verb { STORE_GET, STORE_PUT, STORE_LIST, STORE_REMOVE, STORE_SYNC };

struct local_store;

struct store_call {
    enum store_verb verb;
    bool unversioned; /* GET: nobody wants to know */
    const struct store_room *room; /* GET: where it goes to; NULL: into `answer` */
    size_t room_length;            /* of what is there */
    char *key;     /* LIST: the prefix */
    char *bytes;   /* PUT */
    size_t length; /* PUT */
    enum store_condition condition;
    char expected[STORE_VERSION_MAX]; /* PUT: STORE_IF_VERSION */
    char *after;                      /* LIST */

    enum store_outcome outcome;
    struct buffer answer;            /* GET */
    char version[STORE_VERSION_MAX]; /* GET, PUT */
    char **keys;                     /* LIST; in any order, store_call_add_key */
    size_t key_count, key_capacity;
    struct error error;

    struct local_store *owner;
    struct world_task *task;
    struct store_call *previous, *next;
    store_callback done;
    void *context;
};

/* First in the struct of a store. */
struct local_store {
    struct store store;
    struct world *world;
    struct store_call *calls; /* under way */
    /* Carries it out: fills outcome and answer. Where it may have to wait for a disk, on a thread
     * (`on_thread`); else within the call. Arguments are sound. */
    void (*perform)(struct local_store *store, struct store_call *call);
    void (*release)(struct local_store *store); /* frees it; nothing is under way */
    bool on_thread;
};

/* Sets the operations; perform, release, on_thread and name are the caller's. */
void local_store_init(struct local_store *store, struct world *world);

/* For `perform`. */
void store_call_add_key(struct store_call *call, const char *key); /* if prefix and after ask for it */
/* The version of an object: what its bytes are. */
void store_version_of(const void *bytes, size_t length, char version[STORE_VERSION_MAX]);

#endif
