/* What the files of the repository share. */
#ifndef DRC_MOVER_REPOSITORY_STATE_H
#define DRC_MOVER_REPOSITORY_STATE_H

#include <pthread.h>

#include "compiler/base/buffer.h"
#include "runtime/mover/block_form.h"
#include "runtime/mover/pairing.h"
#include "runtime/mover/repository.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

enum {
    OBJECT_KEY_MAX = 96,
    SMALL_OBJECT_MAX = 1 << 20, /* bytes of a recovery point, a copy, `repository` */
};

struct lease;
struct object_call; /* an object on its way in or out */
struct spare_packer;

struct repository {
    struct store *store;
    struct world *world;
    char *name, *id;
    struct object_call *calls;
    pthread_mutex_t mutex; /* of what threads share: */
    struct spare_packer *spare;
    struct pairing pairing; /* of blocks that are read into a room */
};

struct repository_writer {
    struct repository *repository;
    struct lease *lease;
    char key[64];      /* of the lease */
    char *what;        /* for people */
    struct error loss; /* once another has it */
    bool lost;
};

/* "blocks/ab/HEX", "maps/ab/HEX" */
void object_key(char key[OBJECT_KEY_MAX], const char *folder, const struct block_digest *digest);

/* The store could not: with what to do about a repository, not a state. */
void repository_store_error(const struct repository *repository, const struct error *reason,
                            struct error *error);
/* "DOING KEY in NAME: PROBLEM" */
bool repository_object_error(const struct repository *repository, const char *doing,
                             const char *key, struct error *problem, struct error *error);

/* Of threads: a packer of one's own, until it is given back. */
struct block_packer *repository_take_packer(struct repository *repository);
void repository_give_packer(struct repository *repository, struct block_packer *packer);

/* Puts a map object. The bytes are copied. As repository_put_block. */
void repository_put_map(struct repository_writer *writer, const struct block_digest *digest,
                        const void *bytes, size_t length, repository_done done, void *context);
/* Reads a map object and holds it against its digest, on a thread. `bytes` become the callee's. */
typedef void (*repository_map_read)(void *context, char *bytes, size_t length,
                                    const struct error *error);
void repository_get_map(struct repository *repository, const struct block_digest *digest,
                        repository_map_read done, void *context);
/* Ends all that is under way. */
void repository_end_calls(struct repository *repository);

/* What was put and removed is from then on. Runs the loop. */
bool repository_make_durable(struct repository *repository, struct error *error);

/* Puts a small object, whatever was there. The text is copied; `problem` (NULL: none) is told
 * instead. */
void repository_put_small(struct repository *repository, const char *key, const struct buffer *text,
                          const struct error *problem, repository_done done, void *context);

/* All keys that begin with `prefix`, in the arena. Runs the loop. */
bool repository_list_keys(struct repository *repository, struct arena *arena, const char *prefix,
                          const char ***keys, size_t *count, struct error *error);
/* Reads many small objects, several at a time, in any order. Runs the loop. `read` gets each; one
 * that has gone meanwhile is left out; where it returns false, that is the error of all. */
typedef bool (*repository_small_read)(void *context, const char *key, const char *bytes,
                                      size_t length, struct error *error);
bool repository_read_each(struct repository *repository, const char *const *keys, size_t count,
                          repository_small_read read, void *context, struct error *error);

#endif
