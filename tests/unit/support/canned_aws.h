/* Canned AWS: a simulated world in which each request gets the next answer of a script, and every
 * request is kept as text. A request that the script does not expect fails the test. */
#ifndef DRC_TESTS_CANNED_AWS_H
#define DRC_TESTS_CANNED_AWS_H

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/aws/aws.h"
#include "runtime/aws/client.h"
#include "runtime/world/world.h"

struct canned_answer {
    const char *expect; /* has to be in "METHOD URL\nHEADER: VALUE\n…\n\nBODY" */
    int status;         /* 0: 200 */
    const char *body;
    const char *date; /* of the Date header; NULL: none */
    const char *etag, *crc32, *bucket_region; /* S3's headers; NULL: none */
    enum http_failure failure;
    int64_t latency_ms;
    size_t body_length;  /* 0: up to its NUL */
    const char *checksum; /* x-amz-Checksum; NULL: none */
    bool any_order; /* stays for every request that has `expect` in it */
};

struct canned {
    struct world *world;
    struct arena *arena;
    const struct canned_answer *script;
    size_t count, next;
    struct buffer log; /* requests, each behind a line "== N" */
    size_t requests;
    struct http_header headers[5];
};

/* With environment keys AKIDEXAMPLE/secret, no metadata service, at 2026-11-22T10:00:00Z. */
struct canned *canned_create(const struct canned_answer *script, size_t count);
void canned_destroy(struct canned *canned);
/* Another script from here on; that before has to be used up. */
void canned_script(struct canned *canned, const struct canned_answer *script, size_t count);

struct aws_client *canned_client(struct canned *canned);
struct aws *canned_aws(struct canned *canned);

/* The outcome of one call of the provider. Texts are in the canned arena. */
struct canned_result {
    enum outcome outcome;
    const char *code, *message, *help;
    const char *outputs[8][2];
    size_t output_count;
    int requests;
    bool told_gate, gone;
};
enum canned_what { CANNED_START, CANNED_LOOKUP, CANNED_POLL };
/* n calls of one action, whose inputs are given in turn; run r1, tokens t0, t1 …, VM db. */
struct canned_call {
    const char *node;
    const struct input *inputs;
    size_t input_count;
    int choice;
    enum action action; /* ACTION_NONE: that of all */
};
void canned_run(struct canned *canned, struct aws *aws, enum canned_what what, enum action action,
                const struct canned_call *calls, size_t n, struct canned_result *results);
/* Their texts moved to another arena: to be looked at after canned_destroy. */
void canned_keep(struct arena *arena, struct canned_result *results, size_t n);
const char *canned_output(const struct canned_result *result, const char *name);

struct input canned_text(const char *name, const char *text);

#define CANNED_COUNT(script) (sizeof(script) / sizeof *(script))

#endif
