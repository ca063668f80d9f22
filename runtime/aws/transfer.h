/* Transfer: one signed request to a service and its answer, without retries. */
#ifndef DRC_AWS_TRANSFER_H
#define DRC_AWS_TRANSFER_H

#include "runtime/aws/answer.h"
#include "runtime/aws/endpoints.h"
#include "runtime/aws/sigv4.h"

struct transfer_request {
    enum aws_service service;
    const char *operation;
    bool changes;      /* see aws_answer_read */
    const char *query; /* REST: of a GET */
    const char *path;  /* REST */
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* the form or the JSON */
    size_t body_length;
    const struct sigv4_key *key; /* NULL: unsigned */
    struct sigv4_memory *memory; /* of the sender; NULL: none */
    const char *region;
    int64_t skew_ms;     /* the service's clock minus ours */
    int64_t timeout_ms;  /* 0: 60 s */
    size_t response_max; /* 0: 32 MiB of XML, 4 MiB of JSON */
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
