/* A repository for one test, in memory or in a directory, and short ways to fill it. */
#ifndef DRC_TESTS_MOVER_PLACE_H
#define DRC_TESTS_MOVER_PLACE_H

#include "runtime/mover/block_map.h"
#include "runtime/mover/repository.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"

enum mover_kind { MOVER_MEMORY, MOVER_DIRECTORY, MOVER_DIRECTORY_REAL };

struct mover_place {
    enum mover_kind kind;
    struct world *world;
    struct store_memory *memory;
    void *directory;
    struct repository *repository; /* "test" */
};

struct mover_place *mover_place_create(enum mover_kind kind);
void mover_place_destroy(struct mover_place *place);
/* How many objects lie there below the prefix. */
size_t mover_count(struct mover_place *place, const char *prefix);
/* Time passes. */
void mover_sleep(struct mover_place *place, int64_t ms);
/* "2026-…Z", so long before now; in a buffer of 32. */
const char *mover_ago(struct mover_place *place, char out[32], int64_t ms);
/* Another store on the same place. */
struct store *mover_place_store(struct mover_place *place);
void mover_place_reopen(struct mover_place *place, bool create, struct error *error);
struct repository_writer *mover_place_write(struct mover_place *place);

/* BLOCK_BYTES, which the caller frees: 0 random, 1 text, 2 half random, 3 one byte set. */
char *mover_block(int kind, uint32_t seed);
/* What went wrong, which the caller frees; NULL: nothing. */
char *mover_put(struct mover_place *place, struct repository_writer *writer,
                const struct block_digest *digest, const void *bytes);
/* By repository_get_block, and again by repository_get_block_within. */
char *mover_get(struct mover_place *place, const struct block_digest *digest, void *into);
/* A map with made-up digests for these indexes. */
struct block_digest mover_map(struct mover_place *place, struct repository_writer *writer,
                              int64_t disk_bytes, const uint64_t *indexes, size_t count, int seed);
/* The next step that is not MAP_PENDING. */
enum map_step mover_step(struct mover_place *place, struct map_cursor *cursor,
                         struct block_entry *entry);
/* What a cursor yields: "0 5 -7", '-' for zero. */
void mover_expect_map(struct mover_place *place, const struct block_digest *root,
                      const struct block_digest *old, int64_t disk_bytes, const char *expected);
/* A recovery point of one disk of 2 MiB, whose blocks 0 and 2 are random by `seed`. */
struct block_digest mover_commit(struct mover_place *place, struct repository_writer *writer,
                                 const char *plan, const char *vm, const char *time, uint32_t seed);

#endif
