/* Arrival: a request as it came, and all that can be found out about its body without the sandbox's
 * state, so that threads do it side by side: digests, the payload out of its aws-chunked framing,
 * the bytes of a block or an object put where blobs are. */
#ifndef DRC_SANDBOX_ARRIVAL_H
#define DRC_SANDBOX_ARRIVAL_H

#include "compiler/base/arena.h"
#include "compiler/base/sha256.h"
#include "runtime/world/world.h"

struct blobs;

/* What is known of a body already. One that is stored is not in the request, but for its beginning.
 */
struct arrival_body {
    uint8_t sha256[SHA256_SIZE];
    size_t length;
    bool stored;
    struct error error; /* why it is not; no message: it was not tried */
};

struct arrival {
    const struct http_request *http;
    struct arena *arena;
    uint8_t sha256[SHA256_SIZE]; /* of the body as it came */
    size_t length;
    /* Of a block or an object; of a block that is stored, its beginning: */
    const char *payload;
    size_t payload_length;
    uint8_t payload_sha256[SHA256_SIZE];
    const char *etag;    /* "\"MD5\""; S3 alone */
    const char *trailer; /* "x-amz-checksum-crc32:…"; NULL: none */
    int status;          /* of what is wrong with it; 0: nothing */
    const char *code, *message;
};

/* known: NULL for nothing. The request has to outlive it. */
void arrival_take(struct arrival *arrival, struct arena *arena, const struct http_request *request,
                  const struct arrival_body *known, struct blobs *blobs);

/* The service in whose name a request is signed, which decides what it is; NULL: not signed. */
const char *arrival_service(struct arena *arena, const struct http_request *request);

/* A header of a request; NULL: not there. */
const char *request_header(const struct http_request *request, const char *name);

#endif
