/* Source: "EBS direct APIs" reference, PutSnapshotBlock. A snapshot "does not exist" for up to two
 * minutes after StartSnapshot (coldsnap issue 43), and whoever waits without a limit for an answer may
 * wait for ever (coldsnap issue 437). */
#include "runtime/aws/ebs_target.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "runtime/aws/client.h"
#include "runtime/aws/internal.h"
#include "runtime/world/world.h"

enum {
    TIMEOUT_MS = 60000,
    NEW_MS = 150000,    /* so long a snapshot may not be seen yet */
    ABSENT_MS = 20000,  /* so long one that was seen may be out of sight */
};

struct known { /* a snapshot */
    char *id;
    int64_t first_ms;  /* its first block was sent */
    int64_t absent_ms; /* since when it is not there; -1: it is */
    bool seen;
    struct known *next;
};

struct sending {
    struct ebs_target *target;
    struct known *known;
    struct aws_client_call *call;
    block_put_done done;
    void *context;
    struct sending *prev, *next;
};

struct ebs_target {
    struct block_target base; /* first */
    struct aws *aws;
    bool checked, encrypted; /* the endpoint is https */
    struct known *known;
    struct sending *list;
    struct sending *spare;
};

static struct known *know(struct ebs_target *target, const char *id)
{
    struct known *known;
    LL_FOREACH(target->known, known) {
        if (strcmp(known->id, id) == 0) {
            return known;
        }
    }
    known = base_alloc(sizeof *known);
    *known = (struct known){.id = base_strdup(id),
                            .first_ms = world_monotonic_ms(aws_client_world(target->aws->client)),
                            .absent_ms = -1};
    LL_PREPEND(target->known, known);
    return known;
}

/* Not there: not yet, or gone? */
static enum outcome judge_absence(struct known *known, int64_t now)
{
    if (known->absent_ms < 0) {
        known->absent_ms = now;
    }
    bool patient = known->seen ? now - known->absent_ms < ABSENT_MS : now - known->first_ms < NEW_MS;
    return patient ? OUTCOME_RETRY : OUTCOME_ABSENT;
}

static void on_answer(void *context, const struct aws_answer *answer)
{
    struct sending *sending = context;
    struct ebs_target *target = sending->target;
    struct known *known = sending->known;
    struct call_result result = {.outcome = answer->outcome,
                                 .error = answer->error,
                                 .retry_after_ms = answer->retry_after_ms,
                                 .told_gate = true};
    if (answer->outcome == OUTCOME_OK) {
        known->seen = true;
        known->absent_ms = -1;
    } else if (answer->outcome == OUTCOME_ABSENT) {
        result.outcome =
            judge_absence(known, world_monotonic_ms(aws_client_world(target->aws->client)));
    }
    block_put_done done = sending->done;
    void *told = sending->context;
    DL_DELETE(target->list, sending);
    LL_PREPEND(target->spare, sending);
    done(told, &result);
}

/* Over https the body is not signed, as the SDKs do: its checksum is, in a header. */
static bool is_encrypted(struct ebs_target *target)
{
    struct aws_endpoint endpoint;
    if (!target->checked) {
        const struct aws_client *client = target->aws->client;
        target->checked = true;
        target->encrypted = aws_endpoint(aws_client_settings(client), AWS_SERVICE_EBS,
                                         aws_client_region(client), &endpoint, NULL) &&
                            strncmp(endpoint.url, "https:", 6) == 0;
    }
    return target->encrypted;
}

static struct sending *take(struct ebs_target *target)
{
    struct sending *sending = target->spare;
    if (sending) {
        LL_DELETE(target->spare, sending);
    } else {
        sending = base_alloc(sizeof *sending);
    }
    return sending;
}

static void put(struct block_target *base, const struct block_put *what, block_put_done done,
                void *context)
{
    struct ebs_target *target = (struct ebs_target *)base;
    unsigned char checksum[2 * BLOCK_DIGEST_BYTES];
    char hex[65], length[16], progress[16];
    struct buffer path = {0};
    struct sending *sending = take(target);
    EVP_EncodeBlock(checksum, what->digest->bytes, BLOCK_DIGEST_BYTES);
    block_digest_hex(what->digest, hex);
    buffer_puts(&path, "/snapshots/");
    uri_encode(&path, what->snapshot_id, false);
    buffer_printf(&path, "/blocks/%" PRIu64, what->index);
    snprintf(length, sizeof length, "%d", BLOCK_BYTES);
    snprintf(progress, sizeof progress, "%d", what->percent);
    const struct http_header headers[] = {
        {"Content-Type", "application/octet-stream"},
        {"x-amz-Data-Length", length},
        {"x-amz-Progress", progress},
        {"x-amz-Checksum", (const char *)checksum},
        {"x-amz-Checksum-Algorithm", "SHA256"},
    };
    struct aws_client_request request = {
        .service = AWS_SERVICE_EBS,
        .operation = "PutSnapshotBlock",
        .changes = true,
        .rest = {.method = "PUT",
                 .path = buffer_text(&path),
                 .headers = headers,
                 .header_count = 5,
                 .payload_hash = is_encrypted(target) ? SIGV4_UNSIGNED_PAYLOAD : hex},
        .body = what->bytes,
        .body_length = BLOCK_BYTES,
        .borrowed = true,
        .bucket = BUCKET_EBS_PUT_BLOCK,
        .priority = what->priority,
        .timeout_ms = TIMEOUT_MS};
    *sending = (struct sending){.target = target,
                                .known = know(target, what->snapshot_id),
                                .done = done,
                                .context = context};
    DL_APPEND(target->list, sending);
    sending->call = aws_client_send(target->aws->client, &request, on_answer, sending);
    buffer_free(&path);
}

static void forget(struct block_target *base, void *context)
{
    struct ebs_target *target = (struct ebs_target *)base;
    struct sending *sending, *next;
    DL_FOREACH_SAFE(target->list, sending, next) {
        if (sending->context == context) {
            aws_client_cancel(sending->call);
            DL_DELETE(target->list, sending);
            LL_PREPEND(target->spare, sending);
        }
    }
}

struct block_target *ebs_target_create(struct aws *aws)
{
    struct ebs_target *target = base_alloc(sizeof *target);
    target->base = (struct block_target){.put = put, .forget = forget};
    target->aws = aws;
    return &target->base;
}

void ebs_target_destroy(struct block_target *base)
{
    struct ebs_target *target = (struct ebs_target *)base;
    if (!target) {
        return;
    }
    while (target->list) {
        forget(base, target->list->context);
    }
    struct sending *sending, *next_sending;
    LL_FOREACH_SAFE(target->spare, sending, next_sending) {
        free(sending);
    }
    struct known *known, *next_known;
    LL_FOREACH_SAFE(target->known, known, next_known) {
        free(known->id);
        free(known);
    }
    free(target);
}
