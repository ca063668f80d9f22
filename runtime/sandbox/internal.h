/* The sandbox as its own files see it. */
#ifndef DRC_SANDBOX_INTERNAL_H
#define DRC_SANDBOX_INTERNAL_H

#include <pthread.h>

#include "compiler/base/buffer.h"
#include "runtime/sandbox/request.h"
#include "runtime/sandbox/sandbox.h"

enum { ANSWER_HEADERS_MAX = 4 };

struct sandbox {
    pthread_mutex_t lock; /* around all below: the server has many threads */
    struct state *state;
    struct sandbox_options options;
    char *directory;     /* NULL: in memory */
    struct arena *arena; /* of the last request and its answer */
    struct http_header headers[ANSWER_HEADERS_MAX];
    struct buffer body;
};

/* server.c: answers one request; for AWS by the service of its signature's scope, for anything else
 * as the instance at that address. The answer lives until the next call. */
void sandbox_answer(struct sandbox *sandbox, int64_t utc_ms, const struct http_request *request,
                    struct http_response *response, int64_t *latency_ms);

/* guest.c: what answers at an instance's address. */
void guest_http(struct request *r, const char *host, struct http_response *response,
                int64_t *latency_ms);
void guest_connect(struct request *r, const char *host, const char **failure, int64_t *latency_ms);

/* auth.c */
struct target {       /* the parts of a URL; lie in the request's arena */
    const char *host; /* with its port */
    const char *name; /* without */
    const char *path, *query;
};
/* "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …" */
struct signature {
    const char *access_key, *day, *region, *service, *headers, *hex;
};
bool signature_parse(struct arena *arena, const char *authorization, struct signature *signature);
/* Whose request it is: fills r->caller, or refuses as the service does. */
bool authenticate(struct request *r, const struct http_request *request,
                  const struct target *target, const struct signature *signature);

/* A request for the sandbox's own use: populating, dialling. */
struct request sandbox_own_request(struct sandbox *sandbox, struct arena *arena, int64_t utc_ms);

#endif
