/* Map walk: the segments of many block maps, each once, read ahead: what prune and verify go over.
 */
#ifndef DRC_MOVER_MAP_WALK_H
#define DRC_MOVER_MAP_WALK_H

#include "compiler/base/error.h"
#include "runtime/mover/block.h"

struct digest_set;
struct repository;

struct map_walk_root {
    struct block_digest digest;
    int64_t disk_bytes; /* 0: any */
};

struct map_walk_segment {
    size_t root;                /* index of the first root that has it */
    uint32_t number;            /* within the disk */
    struct block_digest digest; /* of the segment; of the root where that cannot be read */
    const void *object;         /* map_form.h; checked; until the next call. NULL: see problem */
    uint32_t blocks;
    const struct error *problem; /* root or segment is missing or broken */
};

struct map_walk;
/* `seen`: roots and segments that are in it are left out, the others are added; NULL: all of them,
 * again and again. Roots and set outlive the walk. */
struct map_walk *map_walk_create(struct repository *repository, const struct map_walk_root *roots,
                                 size_t count, struct digest_set *seen);
void map_walk_destroy(struct map_walk *walk); /* NULL is allowed */
/* False: that was all. Runs the loop. */
bool map_walk_next(struct map_walk *walk, struct map_walk_segment *segment);

#endif
