/* Request: one call of one operation on its way through the sandbox, with everything that its
 * handler may use. Lives in its own arena. A handler returns false after fail(). */
#ifndef DRC_SANDBOX_REQUEST_H
#define DRC_SANDBOX_REQUEST_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"
#include "compiler/graph/action.h"
#include "runtime/sandbox/query.h"
#include "runtime/sandbox/state.h"
#include "runtime/sandbox/xml_writer.h"

struct caller {
    const char *access_key, *account, *arn, *user_id;
};

struct request {
    struct arena *arena;
    struct state *state;
    int64_t now_ms; /* UTC, by the sandbox's clock */
    uint64_t seed;
    int64_t number; /* of all requests that this sandbox has had */
    uint32_t draws; /* random numbers drawn for it so far */
    const char *service, *operation, *region, *id;
    struct caller caller;
    struct query query;        /* EC2, STS */
    const cJSON *json;         /* SSM; never NULL there */
    struct xml_writer xml;     /* what EC2 and STS answer, between the operation's elements */
    struct buffer body;        /* what SSM answers */
    struct json_writer writer; /* onto body */
    struct {
        int status;
        const char *code, *message; /* code NULL: nothing failed */
    } failure;
};

/* Refuses the request with the service's code. Returns false. */
bool fail(struct request *r, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Random numbers that follow from seed, request and draw alone. */
uint64_t draw(struct request *r);
int64_t draw_between(struct request *r, int64_t low, int64_t high); /* both inclusive */
uint64_t mix(uint64_t a, uint64_t b);
uint64_t mix_text(uint64_t a, const char *text);

/* "vol-0123456789abcdef0"; "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" for requests and commands. */
const char *new_id(struct request *r, const char *prefix);
const char *new_uuid(struct request *r);

/* A parameter of an EC2 or STS request, refused with MissingParameter when absent. */
bool need(struct request *r, const char *name, const char **value);
/* Optional ones; false when what is there is malformed (already refused). *value keeps its default
 * when absent. */
bool optional_int(struct request *r, const char *name, int64_t *value);
bool optional_bool(struct request *r, const char *name, bool *value);

/* Whether what was made at created_ms can be seen already: EC2 is eventually consistent. */
bool is_visible(struct request *r, const char *id, int64_t created_ms);
/* A fault of the faults table; 0 when not set. */
double fault(struct request *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* True with the probability of that fault. */
bool fault_strikes(struct request *r, const char *name);

/* The operations, and what they count against (operation.def). */
struct operation {
    const char *service, *name;
    enum bucket bucket, resource;
    int64_t latency_ms; /* typical */
    bool (*handle)(struct request *r);
};
const struct operation *operation_find(const char *service, const char *name);

#define OPERATION(service, name, handler, bucket, resource, latency_ms)                            \
    bool handler(struct request *r);
#include "runtime/sandbox/operation.def"
#undef OPERATION

#endif
