/* SHA-256 (FIPS 180-4), by OpenSSL. */
#ifndef DRC_BASE_SHA256_H
#define DRC_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_HEX_SIZE = 65 };

struct sha256; /* a digest under way */

struct sha256 *sha256_create(void);
void sha256_update(struct sha256 *digest, const void *bytes, size_t length);
/* Writes the digest and destroys the object. */
void sha256_finish(struct sha256 *digest, uint8_t out[SHA256_SIZE]);

void sha256(const void *bytes, size_t length, uint8_t out[SHA256_SIZE]);
/* 64 lower-case hex digits and a NUL. */
void sha256_hex(const void *bytes, size_t length, char out[SHA256_HEX_SIZE]);
void sha256_to_hex(const uint8_t digest[SHA256_SIZE], char out[SHA256_HEX_SIZE]);

#endif
