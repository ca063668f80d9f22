#include "runtime/sandbox/checksum.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "runtime/sandbox/base64.h"

/* The polynomials, reflected: CRC-32 (ISO-HDLC), CRC-32C (iSCSI), CRC-64/NVME. */
static const struct {
    const char *name;
    uint64_t polynomial;
    int bytes;
} crcs[] = {
    {"crc32", 0xEDB88320, 4},
    {"crc32c", 0x82F63B78, 4},
    {"crc64nvme", 0x9A6C9329AC4BC9B5, 8},
};

static uint64_t crc(uint64_t polynomial, int size, const unsigned char *bytes, size_t length)
{
    uint64_t table[256];
    for (unsigned i = 0; i < 256; i++) {
        uint64_t value = i;
        for (int bit = 0; bit < 8; bit++) {
            value = value & 1 ? (value >> 1) ^ polynomial : value >> 1;
        }
        table[i] = value;
    }
    uint64_t ones = size == 8 ? UINT64_MAX : UINT32_MAX, value = ones;
    for (size_t i = 0; i < length; i++) {
        value = table[(value ^ bytes[i]) & 0xFF] ^ (value >> 8);
    }
    return value ^ ones;
}

static const char *crc_text(struct arena *arena, uint64_t value, int size)
{
    unsigned char big_endian[8];
    for (int i = 0; i < size; i++) {
        big_endian[i] = (unsigned char)(value >> (8 * (size - 1 - i)));
    }
    return base64(arena, big_endian, (size_t)size);
}

const char *checksum_of(struct arena *arena, const char *header, const void *bytes, size_t length)
{
    if (strncasecmp(header, "x-amz-checksum-", CHECKSUM_PREFIX_LENGTH) != 0) {
        return NULL;
    }
    const char *name = header + CHECKSUM_PREFIX_LENGTH;
    for (size_t i = 0; i < sizeof crcs / sizeof *crcs; i++) {
        if (strcasecmp(name, crcs[i].name) == 0) {
            return crc_text(arena, crc(crcs[i].polynomial, crcs[i].bytes, bytes, length),
                            crcs[i].bytes);
        }
    }
    const EVP_MD *algorithm = strcasecmp(name, "sha256") == 0 ? EVP_sha256()
                              : strcasecmp(name, "sha1") == 0 ? EVP_sha1()
                                                              : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!algorithm || !EVP_Digest(bytes, length, digest, &size, algorithm, NULL)) {
        return NULL;
    }
    return base64(arena, digest, size);
}
