/* Block form: a block as an object of the repository: a header of 12 bytes ("DRCB", version, codec,
 * two zero bytes, the raw length as 4 bytes, little-endian), then the bytes, packed by the codec.
 */
#ifndef DRC_MOVER_BLOCK_FORM_H
#define DRC_MOVER_BLOCK_FORM_H

#include "compiler/base/error.h"
#include "runtime/mover/block.h"

enum {
    BLOCK_HEADER_BYTES = 12,
    BLOCK_OBJECT_MAX = BLOCK_HEADER_BYTES + BLOCK_BYTES, /* what does not get smaller is kept raw */
    BLOCK_FORM_VERSION = 1,
    BLOCK_LEVEL = 1, /* of zstd: a core packs faster than one hashes */
};
enum block_codec { BLOCK_RAW, BLOCK_ZSTD };

/* What packing and unpacking need, of one thread at a time. */
struct block_packer;
struct block_packer *block_packer_create(void);
void block_packer_destroy(struct block_packer *packer); /* NULL is allowed */

/* Packs BLOCK_BYTES into `out`, room for BLOCK_OBJECT_MAX. Returns the object's length. */
size_t block_pack(struct block_packer *packer, const void *bytes, void *out);
/* Unpacks into BLOCK_BYTES and holds them against the digest. What is wrong is told without a name.
 */
bool block_unpack(struct block_packer *packer, const void *object, size_t length,
                  const struct block_digest *digest, void *into, struct error *error);

/* Unpacks an object that lies in room for BLOCK_OBJECT_MAX: the block is behind the first
 * BLOCK_HEADER_BYTES then. Its digest is for the caller to look at. */
bool block_unpack_within(struct block_packer *packer, void *object, size_t length, struct error *error);
/* Whether a block is the one that its name says. */
bool block_is_named(const struct block_digest *found, const struct block_digest *name,
                    struct error *error);

#endif
