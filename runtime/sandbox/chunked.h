/* Chunked: the framing aws-chunked, in which newer SDKs send a body with its checksum behind it:
 * HEX-LENGTH CRLF BYTES CRLF … 0 CRLF TRAILER CRLF CRLF
 * ("Signature calculations for trailing headers", S3 API Reference). */
#ifndef DRC_SANDBOX_CHUNKED_H
#define DRC_SANDBOX_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

struct chunked {
    const char *bytes;
    size_t length;
    const char *trailer; /* the first one, "name:value"; NULL: none */
};

/* False when malformed. Extensions of a chunk (signatures) are passed over. */
bool chunked_read(struct arena *arena, const char *body, size_t length, struct chunked *chunked);

#endif
