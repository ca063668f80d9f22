/* Block map: which blocks a disk holds, as a tree of two levels: a root that lists segments of
 * SEGMENT_BLOCKS blocks, and segments that list their non-zero blocks in order; all of them objects
 * named by the SHA-256 of their bytes, so that equal segments are one object, a difference of two maps
 * skips what is equal, and memory is that of a segment whatever the size of the disk. */
#ifndef DRC_MOVER_BLOCK_MAP_H
#define DRC_MOVER_BLOCK_MAP_H

#include "runtime/mover/repository.h"

/* ---- making one ---- */
struct map_writer;
struct map_writer *map_writer_create(struct repository_writer *writer, int64_t disk_bytes);
/* Indexes grow. Blocks that are left out are zero. Segments are put as they fill (asynchronously; a
 * failure comes with map_writer_finish). */
void map_writer_add(struct map_writer *map, uint64_t index, const struct block_digest *digest);
/* Puts what is left and the root. Runs the loop. */
bool map_writer_finish(struct map_writer *map, struct block_digest *root, uint64_t *blocks,
                       struct error *error);
void map_writer_destroy(struct map_writer *map);

/* ---- reading one, or the difference of two ---- */

struct block_entry {
    uint64_t index;
    bool zero; /* of a difference: it held data in the old map, and none now */
    struct block_digest digest;
};

/* What is in `root` and not the same in `old` (NULL: nothing is, all non-zero blocks), by index. Maps of
 * other disk sizes are compared as far as both go. `disk_bytes`: what the caller expects `root` to be
 * for (a map of another size is an error); 0: any. */
struct map_cursor;
struct map_cursor *map_cursor_create(struct repository *repository,
                                     const struct block_digest *root,
                                     const struct block_digest *old, int64_t disk_bytes);
enum map_step {
    MAP_ENTRY,   /* `entry` is filled */
    MAP_END,
    MAP_PENDING, /* a segment is being read: `ready` will be called, then ask again */
    MAP_FAILED,  /* map_cursor_error */
};
/* Never calls `ready` from within. */
enum map_step map_cursor_next(struct map_cursor *cursor, struct block_entry *entry,
                              void (*ready)(void *context), void *context);
const struct error *map_cursor_error(const struct map_cursor *cursor);
/* Once the root is read (after the first MAP_ENTRY or MAP_END). */
int64_t map_cursor_disk_bytes(const struct map_cursor *cursor);
void map_cursor_destroy(struct map_cursor *cursor);

#endif
