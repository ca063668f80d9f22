#include "runtime/mover/block_form.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "compiler/base/arena.h"
#include "runtime/mover/bytes.h"

enum {
    SAMPLES = 4,
    SAMPLE_BYTES = 4096,
    SAMPLE_ROOM = SAMPLE_BYTES + 256,
};

static const char MAGIC[4] = "DRCB";

struct block_packer {
    ZSTD_CCtx *packs;
    ZSTD_DCtx *unpacks;
    char room[SAMPLE_ROOM];
    char *beside; /* BLOCK_OBJECT_MAX: what is unpacked to where it lay; NULL until it is needed */
};

struct block_packer *block_packer_create(void)
{
    struct block_packer *packer = base_alloc(sizeof *packer);
    packer->packs = ZSTD_createCCtx();
    packer->unpacks = ZSTD_createDCtx();
    if (!packer->packs || !packer->unpacks) {
        base_out_of_memory();
    }
    return packer;
}

void block_packer_destroy(struct block_packer *packer)
{
    if (packer) {
        ZSTD_freeCCtx(packer->packs);
        ZSTD_freeDCtx(packer->unpacks);
        free(packer->beside);
        free(packer);
    }
}

/* Media and what is encrypted do not pack: some samples say so sooner than the whole does. */
static bool is_worth_it(struct block_packer *packer, const char *bytes)
{
    size_t packed = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        const char *sample = bytes + i * (BLOCK_BYTES / SAMPLES) + BLOCK_BYTES / SAMPLES / 3;
        size_t length = ZSTD_compressCCtx(packer->packs, packer->room, sizeof packer->room, sample,
                                          SAMPLE_BYTES, BLOCK_LEVEL);
        packed += ZSTD_isError(length) ? SAMPLE_BYTES : length;
    }
    return packed < (size_t)SAMPLES * SAMPLE_BYTES * 31 / 32;
}

size_t block_pack(struct block_packer *packer, const void *bytes, void *out)
{
    unsigned char *object = out;
    size_t length = 0;
    if (is_worth_it(packer, bytes)) {
        length = ZSTD_compressCCtx(packer->packs, object + BLOCK_HEADER_BYTES, BLOCK_BYTES - 1,
                                   bytes, BLOCK_BYTES, BLOCK_LEVEL);
    }
    bool packed = length > 0 && !ZSTD_isError(length);
    if (!packed) {
        memcpy(object + BLOCK_HEADER_BYTES, bytes, BLOCK_BYTES);
        length = BLOCK_BYTES;
    }
    memcpy(object, MAGIC, sizeof MAGIC);
    object[4] = BLOCK_FORM_VERSION;
    object[5] = packed ? BLOCK_ZSTD : BLOCK_RAW;
    object[6] = object[7] = 0;
    bytes_put_u32(object + 8, BLOCK_BYTES);
    return BLOCK_HEADER_BYTES + length;
}

static bool check_header(const unsigned char *object, size_t length, struct error *error)
{
    if (length < BLOCK_HEADER_BYTES) {
        return error_set(error, "it is cut off (%zu bytes)", length);
    }
    if (memcmp(object, MAGIC, sizeof MAGIC) != 0) {
        return error_set(error, "it is no block of a repository");
    }
    if (object[4] != BLOCK_FORM_VERSION || object[5] > BLOCK_ZSTD || object[6] || object[7]) {
        error_set(error, "it is of a form that this drc does not know (version %d, codec %d)",
                  object[4], object[5]);
        return error_help(error, "a later drc wrote it: use that one");
    }
    if (bytes_u32(object + 8) != BLOCK_BYTES) {
        return error_set(error, "it says that it holds %u bytes, not %d", bytes_u32(object + 8),
                         BLOCK_BYTES);
    }
    return true;
}

/* `into` may be where the packed bytes are, unless they have to be unpacked. */
static bool unpack(struct block_packer *packer, const unsigned char *object, size_t length, void *into,
                   struct error *error)
{
    const unsigned char *packed = object + BLOCK_HEADER_BYTES;
    length -= BLOCK_HEADER_BYTES;
    if (object[5] == BLOCK_ZSTD) {
        size_t got = ZSTD_decompressDCtx(packer->unpacks, into, BLOCK_BYTES, packed, length);
        if (ZSTD_isError(got)) {
            return error_set(error, "it does not unpack: %s", ZSTD_getErrorName(got));
        }
        length = got;
    } else if (length == BLOCK_BYTES && into != packed) {
        memcpy(into, packed, BLOCK_BYTES);
    }
    return length == BLOCK_BYTES ||
           error_set(error, "it holds %zu bytes, not %d", length, BLOCK_BYTES);
}

bool block_is_named(const struct block_digest *found, const struct block_digest *name,
                    struct error *error)
{
    return block_digest_equal(found, name) ||
           error_set(error, "its bytes are not those that its name says (SHA-256)");
}

bool block_unpack(struct block_packer *packer, const void *object, size_t length,
                  const struct block_digest *digest, void *into, struct error *error)
{
    struct block_digest found;
    if (!check_header(object, length, error) || !unpack(packer, object, length, into, error)) {
        return false;
    }
    block_digest(into, BLOCK_BYTES, &found);
    return block_is_named(&found, digest, error);
}

bool block_unpack_within(struct block_packer *packer, void *object, size_t length, struct error *error)
{
    const unsigned char *header = object;
    void *into = (char *)object + BLOCK_HEADER_BYTES;
    if (!check_header(header, length, error)) {
        return false;
    }
    if (header[5] == BLOCK_ZSTD && length <= BLOCK_OBJECT_MAX) {
        packer->beside = packer->beside ? packer->beside : base_realloc(NULL, BLOCK_OBJECT_MAX);
        memcpy(packer->beside, object, length);
        object = packer->beside;
    }
    return unpack(packer, object, length, into, error);
}
