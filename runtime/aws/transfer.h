/* Transfer: one signed request to a service and its answer, without retries. */
#ifndef DRC_AWS_TRANSFER_H
#define DRC_AWS_TRANSFER_H

#include "runtime/aws/answer.h"
#include "runtime/aws/endpoints.h"
#include "runtime/aws/sigv4.h"

/* What a request to a REST service (ebs, s3, sso) says beyond its body. */
struct aws_rest {
    const char *method; /* "GET", "PUT", … (static); NULL: GET of a REST service, POST of another */
    const char *bucket; /* S3's: its host or the path's beginning (aws_bucket_endpoint); NULL: none */
    bool path_style;    /* the bucket always as the path's beginning: the sandbox */
    const char *path;   /* percent-encoded, from its '/'; NULL: "/" */
    const char *query;  /* percent-encoded, without '?'; NULL: none */
    const struct http_header *headers; /* signed with the rest */
    size_t header_count;
    /* What stands for the body in the signature: NULL: its SHA-256; or SIGV4_UNSIGNED_PAYLOAD (S3, EBS
     * direct: large bodies, whose checksum is in a signed header); or that hash, known, in hex. */
    const char *payload_hash;
    bool raw; /* the body of a 2xx answer is bytes: answer->body, neither parsed nor redacted */
    size_t response_max; /* bytes; 0: 32 MiB of XML, 4 MiB of JSON, 64 MiB raw */
};

struct transfer_request {
    enum aws_service service;
    const char *operation;
    bool changes;      /* see aws_answer_read */
    struct aws_rest rest;
    const void *body; /* the form, the JSON, the bytes */
    size_t body_length;
    const struct sigv4_key *key; /* NULL: unsigned */
    struct sigv4_memory *memory; /* of the sender; NULL: none */
    const char *region;
    int64_t skew_ms;     /* the service's clock minus ours */
    int64_t timeout_ms;  /* 0: 60 s */
};

typedef void (*transfer_callback)(void *context, struct aws_answer *answer);

/* What one transfer needs until its callback: owned by the caller, zero-initialised. */
struct transfer {
    struct world *world;
    struct world_task *task;
    struct arena *arena;
    struct transfer_request request;
    struct http_request http;
    transfer_callback callback;
    void *context;
};

/* Sends. The arena, the transfer and everything in the request have to live until the callback,
 * which never comes from within. False when there is no such endpoint. */
bool transfer_send(struct transfer *transfer, struct arena *arena,
                   const struct aws_settings *settings, const struct transfer_request *request,
                   transfer_callback callback, void *context, struct error *error);
/* The callback will not come. */
void transfer_cancel(struct transfer *transfer);

#endif
