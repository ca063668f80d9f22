/* Verify: blocks and maps of a repository are read and hashed again, each once however many
 * recovery points have it; what is missing or broken is named for each of them. On all cores;
 * memory is bounded as prune's is (prune.h). */
#ifndef DRC_MOVER_VERIFY_H
#define DRC_MOVER_VERIFY_H

#include "runtime/mover/repository.h"

enum { VERIFY_PROBLEMS_MAX = 1000 }; /* that are told one by one */

struct verify_options {
    const char *plan, *vm; /* only these; NULL: all */
    const char *time;      /* only this recovery point (RFC 3339); NULL: all */
    double sample;         /* of blocks, from 0 to 1; which ones, `seed` says. Maps are all read */
    uint64_t seed;
    size_t memory_bytes; /* 0: VERIFY_MEMORY_MIB */
    /* How far it is; may be NULL. */
    void (*progress)(void *context, uint64_t blocks);
    void *context;
};
enum { VERIFY_MEMORY_MIB = 256 };

struct verify_problem {
    const char *plan, *vm, *time; /* NULL: of a recovery point that cannot be read itself */
    size_t disk;
    int64_t offset; /* in the disk; -1: all of it */
    const char *text;
};

struct verify_result {
    size_t points, disks;
    uint64_t blocks;                 /* that were hashed */
    uint64_t segments;               /* maps that were read */
    struct verify_problem *problems; /* in the arena */
    size_t problem_count;
    uint64_t problems_in_all;
};

/* False: it could not be done. Problems are a result. Runs the loop. */
bool repository_verify(struct repository *repository, struct arena *arena,
                       const struct verify_options *options, struct verify_result *result,
                       struct error *error);

/* Whether a block is of a sample (0 to 1), by its digest. */
bool verify_is_sampled(double sample, uint64_t seed, const struct block_digest *digest);

#endif
