/* Arrival: a request as it came, and all that can be found out about its body without the sandbox's
 * state, so that threads do it side by side: digests, the payload out of its aws-chunked framing,
 * the bytes of a block or an object put where blobs are. */
#ifndef DRC_SANDBOX_ARRIVAL_H
#define DRC_SANDBOX_ARRIVAL_H

#include "compiler/base/arena.h"
#include "compiler/base/sha256.h"
#include "runtime/world/world.h"

struct blobs;

struct arrival {
    const struct http_request *http;
    struct arena *arena;
    uint8_t sha256[SHA256_SIZE]; /* of the body as it came */
    /* Of a block or an object: */
    const char *payload;
    size_t payload_length;
    uint8_t payload_sha256[SHA256_SIZE];
    const char *etag;    /* "\"MD5\""; S3 alone */
    const char *trailer; /* "x-amz-checksum-crc32:…"; NULL: none */
    int status;          /* of what is wrong with it; 0: nothing */
    const char *code, *message;
};

/* sha256: of the body where it is known already, else NULL. The request has to outlive it. */
void arrival_take(struct arrival *arrival, struct arena *arena, const struct http_request *request,
                  const uint8_t *sha256, struct blobs *blobs);

/* A header of a request; NULL: not there. */
const char *request_header(const struct http_request *request, const char *name);

#endif
