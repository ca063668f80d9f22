/* SigV4: AWS Signature Version 4 in the Authorization header. Own code on OpenSSL, because
 * libcurl's signs some paths, queries and bodies wrongly before 8.21; held against botocore's
 * signer by tests/interop/test_sigv4.py.
 * Source: "AWS Signature Version 4 for API requests", AWS IAM User Guide. */
#ifndef DRC_AWS_SIGV4_H
#define DRC_AWS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/world/world.h"

struct arena;
struct buffer;

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

struct sigv4_key {
    const char *id, *secret;
    const char *token; /* of the session; NULL: none */
};

/* The key that was derived last: it holds for a day, and deriving it costs more than all else of a
 * signature. Zero-initialised by its owner, who clears it. */
struct sigv4_memory {
    char *secret, *scope;
    unsigned char derived[32];
};
void sigv4_memory_clear(struct sigv4_memory *memory);

/* What is signed, as it goes over the wire. */
struct sigv4_request {
    const char *method;
    const char *host;                  /* with its port, unless that is the scheme's own */
    const char *path;                  /* percent-encoded; "" counts as "/" */
    const char *query;                 /* percent-encoded, without '?'; NULL or "": none */
    const struct http_header *headers; /* without Host, X-Amz-Date, X-Amz-Security-Token */
    size_t header_count;
    const void *body;
    size_t body_length;
    const char *payload_hash; /* NULL: of the body; or SIGV4_UNSIGNED_PAYLOAD, or hex: then it is also
                                 sent, as X-Amz-Content-SHA256 */
    const char *service, *region;
    struct sigv4_memory *memory; /* NULL: none */
    bool hash_unsent;            /* of who verifies: payload_hash came without that header */
    bool s3;                     /* the path is taken as it is, and X-Amz-Content-SHA256 is sent */
};

enum { SIGV4_HEADERS_MAX = 4 };

/* The headers to add to the request, in the arena. */
struct sigv4_headers {
    struct http_header items[SIGV4_HEADERS_MAX];
    size_t count;
};

/* Signs for the moment `utc_ms`. Cannot fail. */
void sigv4_sign(struct arena *arena, const struct sigv4_request *request,
                const struct sigv4_key *key, int64_t utc_ms, struct sigv4_headers *out);

/* The canonical request that is hashed, for tests. `extra` are the headers that signing adds. */
const char *sigv4_canonical_request(struct arena *arena, const struct sigv4_request *request,
                                    const struct http_header *extra, size_t extra_count,
                                    const char *payload_hash);

/* Appends `text` percent-encoded as RFC 3986 wants it; slashes stay when keep_slash. */
void uri_encode(struct buffer *out, const char *text, bool keep_slash);
void uri_encode_n(struct buffer *out, const char *bytes, size_t length, bool keep_slash);

#endif
