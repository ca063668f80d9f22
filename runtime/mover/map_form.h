/* Map form: block maps as objects of the repository, little-endian, named by their SHA-256.
 *   segment  "DRCS", version, three zero bytes, count (4); for each non-zero block: its number
 * within the segment (2), ascending, and its SHA-256 (32) root     "DRCM", version, three zero
 * bytes, count (4), disk's bytes (8); for each segment that has blocks: its number (4), ascending,
 * how many blocks (4), the segment's SHA-256 (32) */
#ifndef DRC_MOVER_MAP_FORM_H
#define DRC_MOVER_MAP_FORM_H

#include "compiler/base/buffer.h"
#include "compiler/base/error.h"
#include "runtime/mover/block.h"

enum {
    MAP_FORM_VERSION = 1,
    SEGMENT_HEADER_BYTES = 12,
    SEGMENT_ENTRY_BYTES = 34,
    ROOT_HEADER_BYTES = 20,
    ROOT_ENTRY_BYTES = 40,
};

struct root_entry {
    uint32_t segment, blocks;
    struct block_digest digest;
};
struct segment_entry {
    uint32_t block; /* within the segment */
    struct block_digest digest;
};

/* ---- writing: begin, add in order, finish ---- */
void segment_begin(struct buffer *out);
void segment_add(struct buffer *out, uint32_t block, const struct block_digest *digest);
uint32_t segment_finish(struct buffer *out); /* how many blocks it has */
void root_begin(struct buffer *out, int64_t disk_bytes);
void root_add(struct buffer *out, const struct root_entry *entry);
void root_finish(struct buffer *out);

/* ---- reading: what is foreign is checked as a whole, then read by index ---- */
bool segment_check(const void *object, size_t length, uint32_t blocks, struct error *error);
void segment_entry(const void *object, uint32_t index, struct segment_entry *entry);
/* disk_bytes and count are filled. */
bool root_check(const void *object, size_t length, int64_t *disk_bytes, uint32_t *count,
                struct error *error);
void root_entry(const void *object, uint32_t index, struct root_entry *entry);
/* All the blocks of it. */
uint64_t root_blocks(const void *object);

#endif
