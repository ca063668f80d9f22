/* The sandbox as its own files see it. */
#ifndef DRC_SANDBOX_INTERNAL_H
#define DRC_SANDBOX_INTERNAL_H

#include <pthread.h>

#include "compiler/base/buffer.h"
#include "runtime/aws/sigv4.h"
#include "runtime/sandbox/arrival.h"
#include "runtime/sandbox/blobs.h"
#include "runtime/sandbox/request.h"
#include "runtime/sandbox/sandbox.h"

struct sandbox {
    pthread_mutex_t lock; /* around all below: the server has many threads */
    struct state *state;
    struct sandbox_options options;
    char *directory;     /* NULL: in memory */
    struct blobs *blobs; /* has its own lock */
    struct arena *arena; /* of the last request and its answer */
    struct sigv4_memory signing;
    struct answer answer;
    struct buffer body;
    struct buffer message; /* the last DNS answer */
};

/* server.c: answers one request; for AWS by the service of its signature's scope, for anything else
 * as the instance at that address. The answer lives until the next call. Its body may be a blob
 * still, which sandbox->answer tells, so that it can be read without the lock. */
void sandbox_answer(struct sandbox *sandbox, int64_t utc_ms, const struct arrival *arrival,
                    struct http_response *response, int64_t *latency_ms);

/* telling.c: what a request came to, in its service's form, into sandbox->body and ->answer. */
void write_answer(struct sandbox *sandbox, struct request *r, struct http_response *response);

/* guest.c: what answers at an instance's address. */
void guest_http(struct request *r, const char *host, struct http_response *response,
                int64_t *latency_ms);
void guest_connect(struct request *r, const char *host, const char **failure, int64_t *latency_ms);

/* sandbox.c: answers a DNS message; no bytes: silence. The caller holds the lock; the answer lives until
 * the next call. */
void sandbox_answer_message(struct sandbox *sandbox, int64_t utc_ms, const void *bytes, size_t length,
                            bool stream, int64_t *latency_ms);

/* dns_serve.c: the DNS on threads of its own. */
struct dns_listener;
struct dns_listener *dns_listener_start(struct sandbox *sandbox, int port, int *bound,
                                        struct error *error);
void dns_listener_stop(struct dns_listener *listener); /* NULL is allowed */

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
bool authenticate(struct request *r, const struct target *target,
                  const struct signature *signature);

/* A request for the sandbox's own use: populating, dialling. */
struct request sandbox_own_request(struct sandbox *sandbox, struct arena *arena, int64_t utc_ms);

#endif
