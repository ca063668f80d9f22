/* Base64 (RFC 4648, section 4) of digests, by OpenSSL. */
#ifndef DRC_SANDBOX_BASE64_H
#define DRC_SANDBOX_BASE64_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

const char *base64(struct arena *arena, const void *bytes, size_t length);
/* Exactly `length` bytes (at most 64) into `out`; false for any other text. */
bool base64_decode(const char *text, void *out, size_t length);

#endif
