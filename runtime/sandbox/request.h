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
#include "runtime/world/world.h"

struct arrival;
struct blobs;
struct sigv4_memory;

struct caller {
    const char *access_key, *account, *arn, *user_id;
};

/* How a service is spoken to, and how it tells what went wrong. */
enum protocol {
    PROTOCOL_QUERY,     /* EC2, STS, load balancers: a form, answered in XML */
    PROTOCOL_JSON,      /* SSM, Service Quotas, KMS: the operation in X-Amz-Target */
    PROTOCOL_REST_JSON, /* EBS: the operation in method and path */
    PROTOCOL_REST_XML,  /* S3 */
    PROTOCOL_ROUTE53,   /* the operation in method and path, XML both ways */
};
enum protocol protocol_of(const char *service);

enum { ANSWER_HEADERS_MAX = 80 };

/* What a REST operation answers besides its body. */
struct answer {
    int status; /* 0: 200 */
    struct http_header headers[ANSWER_HEADERS_MAX];
    size_t header_count;
    /* The body is this part of a blob, unless blob_length is 0; to HEAD, only as long as it. */
    uint8_t blob[32];
    int64_t blob_offset, blob_length;
    int64_t told_length; /* HEAD: what Content-Length says; -1: nothing */
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
    enum protocol protocol;
    const struct arrival *arrival;
    struct blobs *blobs;
    struct sigv4_memory *signing; /* the key that was derived last; NULL: none */
    /* EBS: the snapshot and the block of the path; S3: bucket and key; Route 53: zone or change.
     * NULL: not there. */
    const char *of, *in;
    struct query query;        /* EC2, STS; what stands behind the path of EBS and S3 */
    const cJSON *json;         /* SSM; never NULL there, nor in an EBS operation that has a body */
    struct xml_writer xml;     /* what EC2, STS and S3 answer, between the operation's elements */
    struct buffer body;        /* what SSM and EBS answer */
    struct json_writer writer; /* onto body */
    struct {
        int status;
        const char *code, *message; /* code NULL: nothing failed */
        const char *reason;         /* EBS; NULL: none */
        const char *region;         /* S3: that it has to be asked in; NULL: it was */
    } failure;
    struct answer answer;
};

/* Refuses the request with the service's code. Returns false. */
bool fail(struct request *r, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A header of the answer; the name is borrowed. */
void answer_header(struct request *r, const char *name, const char *value);
/* A header of the request; NULL: not there. */
const char *header_of(const struct request *r, const char *name);
/* Whether the bytes are UTF-8. */
bool is_utf8(const char *text, size_t length);

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

/* rest.c: which operation of EBS or S3 a method and a path mean; fills r->of and r->in. NULL:
 * refused. */
const char *rest_operation(struct request *r, const char *method, const char *host,
                           const char *path);

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
