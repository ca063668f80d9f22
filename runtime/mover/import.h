/* Import: a disk into a repository: read, hashed, and put where the repository does not have it; in the
 * order of the disk, over all cores, with bounded memory whatever the size of the disk. */
#ifndef DRC_MOVER_IMPORT_H
#define DRC_MOVER_IMPORT_H

#include "runtime/mover/repository.h"

struct image;
struct import;

/* Of one disk; sums of blocks. Those that are neither new nor known are zero. */
struct import_counts {
    uint64_t blocks;    /* of the disk */
    uint64_t passed;    /* gone by so far, in order */
    uint64_t read;      /* the others are holes or known to be zero */
    uint64_t fresh;     /* put */
    uint64_t known;     /* in the previous recovery point, or earlier in this disk */
    uint64_t zero;      /* holes, and what was read and is zero */
    int64_t bytes_read;
    int64_t bytes_put;  /* before packing */
};

struct import_options {
    struct repository *repository;
    struct repository_writer *writer;
    struct image *image;                 /* open; borrowed */
    const struct block_digest *previous; /* the map of this disk in the newest point; NULL: none. Copied */
    int cores;                           /* 0: those that there are */
};

struct import *import_create(const struct import_options *options);
void import_destroy(struct import *import);

/* Runs the loop. True: all blocks are put (not yet durable), and so is the map, of which `root` is the
 * root and `blocks` the number of its blocks. */
bool import_run(struct import *import, struct block_digest *root, uint64_t *blocks,
                struct error *error);
/* Ends import_run soon, with an error, from a callback of the loop. */
void import_stop(struct import *import);
/* From the loop, at any time. */
const struct import_counts *import_counts(const struct import *import);
/* Why the previous map could not be read and every block was put; NULL: it could. After import_run. */
const char *import_previous_failure(const struct import *import);

#endif
