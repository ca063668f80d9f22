#include "runtime/mover/map_form.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/mover/bytes.h"

static const char SEGMENT_MAGIC[4] = "DRCS", ROOT_MAGIC[4] = "DRCM";

enum { COUNT_AT = 8, DISK_AT = 12 };

static void begin(struct buffer *out, const char magic[4], size_t header)
{
    buffer_clear(out);
    unsigned char *at = (unsigned char *)buffer_extend(out, header);
    memset(at, 0, header);
    memcpy(at, magic, 4);
    at[4] = MAP_FORM_VERSION;
}

static uint32_t finish(struct buffer *out, size_t header, size_t entry)
{
    uint32_t count = (uint32_t)((out->length - header) / entry);
    bytes_put_u32((unsigned char *)out->data + COUNT_AT, count);
    return count;
}

void segment_begin(struct buffer *out)
{
    begin(out, SEGMENT_MAGIC, SEGMENT_HEADER_BYTES);
}

void segment_add(struct buffer *out, uint32_t block, const struct block_digest *digest)
{
    unsigned char *at = (unsigned char *)buffer_extend(out, SEGMENT_ENTRY_BYTES);
    bytes_put_u16(at, (uint16_t)block);
    memcpy(at + 2, digest->bytes, BLOCK_DIGEST_BYTES);
}

uint32_t segment_finish(struct buffer *out)
{
    return finish(out, SEGMENT_HEADER_BYTES, SEGMENT_ENTRY_BYTES);
}

void root_begin(struct buffer *out, int64_t disk_bytes)
{
    begin(out, ROOT_MAGIC, ROOT_HEADER_BYTES);
    bytes_put_u64((unsigned char *)out->data + DISK_AT, (uint64_t)disk_bytes);
}

void root_add(struct buffer *out, const struct root_entry *entry)
{
    unsigned char *at = (unsigned char *)buffer_extend(out, ROOT_ENTRY_BYTES);
    bytes_put_u32(at, entry->segment);
    bytes_put_u32(at + 4, entry->blocks);
    memcpy(at + 8, entry->digest.bytes, BLOCK_DIGEST_BYTES);
}

void root_finish(struct buffer *out)
{
    finish(out, ROOT_HEADER_BYTES, ROOT_ENTRY_BYTES);
}

/* Magic, version, and as many entries as it says. */
static bool check(const unsigned char *object, size_t length, const char magic[4], size_t header,
                  size_t entry, struct error *error)
{
    if (length < header) {
        return error_set(error, "it is cut off (%zu bytes)", length);
    }
    if (memcmp(object, magic, 4) != 0) {
        return error_set(error, "it is no %s",
                         magic == ROOT_MAGIC ? "block map" : "segment of a block map");
    }
    if (object[4] != MAP_FORM_VERSION || object[5] || object[6] || object[7]) {
        error_set(error, "it is of a form that this drc does not know (version %d)", object[4]);
        return error_help(error, "a later drc wrote it: use that one");
    }
    uint32_t count = bytes_u32(object + COUNT_AT);
    if ((length - header) / entry != count || (length - header) % entry != 0) {
        return error_set(error, "it says %u entries and has %zu bytes", count, length);
    }
    return true;
}

bool segment_check(const void *object, size_t length, uint32_t blocks, struct error *error)
{
    if (!check(object, length, SEGMENT_MAGIC, SEGMENT_HEADER_BYTES, SEGMENT_ENTRY_BYTES, error)) {
        return false;
    }
    uint32_t count = bytes_u32((const unsigned char *)object + COUNT_AT);
    if (count != blocks) {
        return error_set(error, "it has %u blocks, and its map says %u", count, blocks);
    }
    int64_t last = -1;
    for (uint32_t i = 0; i < count; i++) {
        struct segment_entry entry;
        segment_entry(object, i, &entry);
        if (entry.block >= SEGMENT_BLOCKS || entry.block <= last) {
            return error_set(error, "its entry %u (block %u) is out of order", i, entry.block);
        }
        last = entry.block;
    }
    return true;
}

void segment_entry(const void *object, uint32_t index, struct segment_entry *entry)
{
    const unsigned char *at =
        (const unsigned char *)object + SEGMENT_HEADER_BYTES + (size_t)index * SEGMENT_ENTRY_BYTES;
    entry->block = bytes_u16(at);
    memcpy(entry->digest.bytes, at + 2, BLOCK_DIGEST_BYTES);
}

static bool check_root_entry(const void *object, uint32_t index, int64_t disk_bytes, int64_t last,
                             struct error *error)
{
    struct root_entry entry;
    root_entry(object, index, &entry);
    uint64_t first = (uint64_t)entry.segment * SEGMENT_BLOCKS, blocks = block_count_of(disk_bytes);
    if (entry.segment <= last || first >= blocks) {
        return error_set(error, "its entry %u (segment %u) is out of order", index, entry.segment);
    }
    uint64_t most = blocks - first < SEGMENT_BLOCKS ? blocks - first : SEGMENT_BLOCKS;
    if (entry.blocks == 0 || entry.blocks > most) {
        return error_set(error, "its segment %u cannot have %u blocks", entry.segment,
                         entry.blocks);
    }
    return true;
}

bool root_check(const void *object, size_t length, int64_t *disk_bytes, uint32_t *count,
                struct error *error)
{
    if (!check(object, length, ROOT_MAGIC, ROOT_HEADER_BYTES, ROOT_ENTRY_BYTES, error)) {
        return false;
    }
    uint64_t bytes = bytes_u64((const unsigned char *)object + DISK_AT);
    if (bytes > (uint64_t)DISK_BYTES_MAX) {
        return error_set(error, "it says %" PRIu64 " bytes, and a disk has at most 64 TiB", bytes);
    }
    *disk_bytes = (int64_t)bytes;
    *count = bytes_u32((const unsigned char *)object + COUNT_AT);
    int64_t last = -1;
    for (uint32_t i = 0; i < *count; i++) {
        if (!check_root_entry(object, i, *disk_bytes, last, error)) {
            return false;
        }
        struct root_entry entry;
        root_entry(object, i, &entry);
        last = entry.segment;
    }
    return true;
}

void root_entry(const void *object, uint32_t index, struct root_entry *entry)
{
    const unsigned char *at =
        (const unsigned char *)object + ROOT_HEADER_BYTES + (size_t)index * ROOT_ENTRY_BYTES;
    entry->segment = bytes_u32(at);
    entry->blocks = bytes_u32(at + 4);
    memcpy(entry->digest.bytes, at + 8, BLOCK_DIGEST_BYTES);
}

uint64_t root_blocks(const void *object)
{
    uint32_t count = bytes_u32((const unsigned char *)object + COUNT_AT);
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct root_entry entry;
        root_entry(object, i, &entry);
        blocks += entry.blocks;
    }
    return blocks;
}
