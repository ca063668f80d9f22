/* Prune: recovery points that are not to be kept go, and with them the blocks and maps that nothing
 * else needs; so does what crashes left behind. Nobody writes meanwhile (writer.c). Recovery points
 * go first, then maps, then blocks: broken off at any moment, only garbage is left.
 *
 * It goes over the block maps of what is kept and holds a digest of 16 bytes for each block. Where
 * these need more memory than it may take, it does so in several rounds, each for a part of the
 * digests. */
#ifndef DRC_MOVER_PRUNE_H
#define DRC_MOVER_PRUNE_H

#include "runtime/mover/repository.h"

enum { PRUNE_MEMORY_MIB = 256 }; /* of digests: 12 million blocks (6 TiB of them) a round */

/* A point stays that any of the rules keeps. The newest of each VM always stays. */
struct prune_options {
    const char *plan, *vm; /* only points of that plan, that VM go; NULL: of any */
    int64_t keep_ms;       /* younger ones stay; 0: no such rule */
    int64_t keep_last; /* so many of each VM stay; 0: no such rule. Neither rule: all points stay */
    bool dry_run;
    /* What copies/… says of snapshots that are not among these goes; NULL: all of it stays. */
    const char *const *live_snapshots;
    size_t live_snapshot_count;
    int64_t wait_ms; /* so long it waits for writers under way; then it gives up and names them */
    size_t memory_bytes;                             /* 0: PRUNE_MEMORY_MIB */
    void (*waiting)(void *context, const char *why); /* once; may be NULL */
    /* What it is at, and how far; may be NULL. */
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t of);
    const bool *stop; /* NULL, or: set it, and it ends as soon as it can, with an error */
    void *context;
};

struct prune_result {
    const struct repository_point *points; /* that went, or would go; in the arena */
    size_t point_count, kept_count, copies;
    uint64_t maps, blocks;   /* that went, or would */
    uint64_t kept_blocks;    /* that are needed */
    uint64_t missing_blocks; /* that are needed and not there */
    /* What is wrong with what copies/… says of some DR copies, in the arena. They need no blocks here,
     * but a map; nobody knows which: then no map goes. */
    const char **damaged_copies;
    size_t damaged_copy_count;
};

/* Runs the loop. */
bool repository_prune(struct repository *repository, struct arena *arena,
                      const struct prune_options *options, struct prune_result *result,
                      struct error *error);
/* Only which points would go: for asking first. */
bool repository_prune_points(struct repository *repository, struct arena *arena,
                             const struct prune_options *options, struct prune_result *result,
                             struct error *error);

#endif
