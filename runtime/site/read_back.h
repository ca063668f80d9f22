/* Read back: what DR copies hold, by EBS direct, against the block maps that the repository has of them
 * (copies/SNAPSHOT): every block that a map names has to be there with that SHA-256, and every other one
 * that is there has to be zeros. Blocks of the repository are not needed. Memory is constant. */
#ifndef DRC_SITE_READ_BACK_H
#define DRC_SITE_READ_BACK_H

#include "runtime/mover/repository.h"

struct aws;

enum { READ_BACK_PROBLEMS_MAX = 1000 }; /* that are told one by one */

struct read_back_options {
    const char *plan, *vm; /* only their copies; NULL: of all */
    const char *time;      /* only of this recovery point (RFC 3339); NULL: of all */
    double sample;         /* of the blocks, from 0 to 1; which ones, `seed` says. That all are there is
                              looked at anyway */
    uint64_t seed;
    void (*progress)(void *context, uint64_t blocks); /* how far it is; may be NULL */
    void *context;
};

/* NULL and -1 are not told. */
struct read_back_problem {
    const char *snapshot_id, *plan, *vm, *recovery_point;
    int64_t disk, block;
    const char *text;
};

struct read_back_result {
    size_t copies; /* that were read back */
    const char **gone; /* snapshots that are not there, in this account and region */
    size_t gone_count;
    uint64_t blocks; /* that were read */
    struct read_back_problem *problems;
    size_t problem_count;
    uint64_t problems_in_all;
};

/* False: it could not be done. Problems are a result, in the arena. Runs the loop. */
bool read_back_copies(struct repository *repository, struct aws *aws, struct arena *arena,
                      const struct read_back_options *options, struct read_back_result *result,
                      struct error *error);

#endif
