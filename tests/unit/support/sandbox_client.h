/* A client of a sandbox in memory: signs requests, moves the clock, reads answers. */
#ifndef TEST_SANDBOX_CLIENT_H
#define TEST_SANDBOX_CLIENT_H

#include <cjson/cJSON.h>

#include "runtime/aws/sigv4.h"
#include "runtime/aws/xml.h"
#include "runtime/sandbox/sandbox.h"

struct arena;

struct sandbox_client {
    struct arena *arena;
    struct sandbox *sandbox;
    struct world_responder responder;
    int64_t now_ms;
    struct sigv4_key key;
    const char *region;
    const char *bucket;       /* in the host's name of requests to S3; NULL: in the path */
    const char *payload_hash; /* of requests to S3; NULL: the body's own */
    /* The last answer. */
    struct http_response response;
    int64_t latency_ms;
    const struct xml *xml;
    cJSON *json;
};

/* 2026-11-22T10:00:00Z, when every client's sandbox begins. */
#define SANDBOX_BEGIN_MS INT64_C(1795341600000)

/* A sandbox populated with a plan of two VMs ("db": attach, two types; "web": two cards), without
 * throttling and without faults. */
struct sandbox_client *client_create(void);
/* The same over a given one, which it takes over. */
struct sandbox_client *client_over(struct sandbox *sandbox);
void client_destroy(struct sandbox_client *client);
/* The plan's text. */
extern const char client_plan[];
const struct plan *client_plan_bound(struct arena *arena);

void client_pass(struct sandbox_client *client, int64_t seconds);
void client_fault(struct sandbox_client *client, const char *name, double value);

/* Sends; the arguments are a form ("Action=…&…"). Asserts success, or the error code. */
void ec2_ok(struct sandbox_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ec2_fails(struct sandbox_client *client, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void sts_ok(struct sandbox_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ssm_ok(struct sandbox_client *client, const char *operation, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void ssm_fails(struct sandbox_client *client, const char *code, const char *operation,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Raw: nothing asserted. service NULL: unsigned. */
void client_send(struct sandbox_client *client, const char *service, const char *url,
                 const char *target, const char *body, size_t length);

/* A request to EBS or S3; `path` with its query; headers end with one without a name (NULL: none).
 * Returns the status. */
int client_rest(struct sandbox_client *client, const char *service, const char *method,
                const char *path, const struct http_header *headers, const void *body,
                size_t length);

/* Percent-encoded, for a query. */
const char *uri(struct sandbox_client *client, const char *text);

/* Text of the last answer along a path, copied; asserts that it is there. */
const char *got(struct sandbox_client *client, const char *path);
/* Members of a set. */
size_t got_count(struct sandbox_client *client, const char *path);
const char *got_json(struct sandbox_client *client, const char *name);

/* Common steps. */
const char *make_volume(struct sandbox_client *client, const char *snapshot);
const char *run_instance(struct sandbox_client *client, const char *more);
const char *copy_of(struct sandbox_client *client, const char *vm, int disk);

#endif
