#include "runtime/mover/block.h"

#include <string.h>

#include "compiler/base/sha256.h"

uint64_t block_count_of(int64_t disk_bytes)
{
    return disk_bytes <= 0 ? 0 : ((uint64_t)disk_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

void block_digest(const void *bytes, size_t length, struct block_digest *digest)
{
    sha256(bytes, length, digest->bytes);
}

bool block_digest_equal(const struct block_digest *a, const struct block_digest *b)
{
    return memcmp(a->bytes, b->bytes, BLOCK_DIGEST_BYTES) == 0;
}

void block_digest_hex(const struct block_digest *digest, char out[65])
{
    sha256_to_hex(digest->bytes, out);
}

/* -1: no lower-case digit. */
static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool block_digest_parse(const char *hex, struct block_digest *digest)
{
    struct block_digest parsed;
    for (size_t i = 0; i < BLOCK_DIGEST_BYTES; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        parsed.bytes[i] = (unsigned char)(high << 4 | low);
    }
    if (hex[2 * BLOCK_DIGEST_BYTES] != '\0') {
        return false;
    }
    *digest = parsed;
    return true;
}

bool block_is_zero(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    return length == 0 || (at[0] == 0 && memcmp(at, at + 1, length - 1) == 0);
}
