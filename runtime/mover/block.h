/* Block: the unit in which disks are kept, compared and copied. 512 KiB, because that is the block of
 * the EBS direct APIs (EBS User Guide, "EBS direct APIs concepts"), named by the SHA-256 of its bytes,
 * the checksum that those want. The last block of a disk is filled up with zeros. */
#ifndef DRC_MOVER_BLOCK_H
#define DRC_MOVER_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BLOCK_BYTES = 512 << 10,
    BLOCK_DIGEST_BYTES = 32,
    SEGMENT_BLOCKS = 16384, /* of a block map: 8 GiB of disk */
};

#define DISK_BYTES_MAX (INT64_C(64) << 40) /* EBS: 65,536 GiB */

struct block_digest {
    unsigned char bytes[BLOCK_DIGEST_BYTES];
};

/* How many blocks a disk has. */
uint64_t block_count_of(int64_t disk_bytes);
/* SHA-256; any thread. */
void block_digest(const void *bytes, size_t length, struct block_digest *digest);
bool block_digest_equal(const struct block_digest *a, const struct block_digest *b);
/* Hex, and back: false unless it is 64 lower-case digits. */
void block_digest_hex(const struct block_digest *digest, char out[65]);
bool block_digest_parse(const char *hex, struct block_digest *digest);
/* Whether all of it is zero; any thread. */
bool block_is_zero(const void *bytes, size_t length);

#endif
