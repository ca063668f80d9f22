#include "runtime/aws/ebs_read.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/client.h"
#include "runtime/aws/internal.h"
#include "runtime/world/world.h"

enum { TIMEOUT_MS = 60000, CHECKSUM_TEXT = 44 /* of 32 bytes in base64 */ };

struct ebs_read {
    struct aws *aws;
    char *what; /* for errors */
    void *into;
    struct block_digest *digest, found;
    struct aws_client_call *call;
    struct world_task *task;
    ebs_read_done done;
    void *context;
};

static void get_free(struct ebs_read *get)
{
    free(get->what);
    free(get);
}

static void end(struct ebs_read *get, const struct call_result *result)
{
    ebs_read_done done = get->done;
    void *context = get->context;
    done(context, result);
    get_free(get);
}

static void refuse(struct ebs_read *get, enum outcome outcome, const char *why)
{
    struct buffer text = {0};
    buffer_printf(&text, "%s: %s", get->what, why);
    end(get, &(struct call_result){.outcome = outcome,
                                   .error = {.service = "ebs",
                                             .message = buffer_text(&text),
                                             .http_status = outcome == OUTCOME_RETRY ? 200 : 400}});
    buffer_free(&text);
}

static void hash(void *context)
{
    struct ebs_read *get = context;
    block_digest(get->into, BLOCK_BYTES, &get->found);
}

static void hashed(void *context)
{
    struct ebs_read *get = context;
    get->task = NULL;
    if (block_digest_equal(&get->found, get->digest)) {
        end(get, &(struct call_result){.outcome = OUTCOME_OK});
    } else {
        refuse(get, OUTCOME_RETRY, "its bytes are not those of its checksum: they were altered on the way");
    }
}

static bool read_checksum(const struct aws_answer *answer, struct block_digest *digest)
{
    const char *text = http_response_header(answer->response, "x-amz-checksum");
    unsigned char bytes[CHECKSUM_TEXT / 4 * 3];
    if (!text || strlen(text) != CHECKSUM_TEXT || text[CHECKSUM_TEXT - 1] != '=' ||
        EVP_DecodeBlock(bytes, (const unsigned char *)text, CHECKSUM_TEXT) != (int)sizeof bytes) {
        return false;
    }
    memcpy(digest->bytes, bytes, BLOCK_DIGEST_BYTES);
    return true;
}

static void on_answer(void *context, const struct aws_answer *answer)
{
    struct ebs_read *get = context;
    get->call = NULL;
    if (answer->outcome == OUTCOME_FATAL && answer->reason &&
        strcmp(answer->reason, "INVALID_BLOCK_TOKEN") == 0) {
        refuse(get, OUTCOME_CONFLICT, answer->error.message);
    } else if (answer->outcome != OUTCOME_OK) {
        end(get, &(struct call_result){.outcome = answer->outcome,
                                       .error = answer->error,
                                       .retry_after_ms = answer->retry_after_ms,
                                       .told_gate = true});
    } else if (answer->body_length != BLOCK_BYTES) {
        refuse(get, OUTCOME_RETRY, "the answer is not a block of 512 KiB");
    } else if (!read_checksum(answer, get->digest)) {
        refuse(get, OUTCOME_RETRY, "the answer has no checksum");
    } else {
        memcpy(get->into, answer->body, BLOCK_BYTES);
        get->task = world_work(aws_client_world(get->aws->client), hash, hashed, get);
    }
}

struct ebs_read *ebs_read_block(struct aws *aws, const char *snapshot_id,
                              const struct ebs_block *block, double priority, void *into,
                              struct block_digest *digest, ebs_read_done done, void *context)
{
    struct ebs_read *get = base_alloc(sizeof *get);
    struct buffer path = {0}, query = {0}, what = {0};
    buffer_printf(&what, "reading block %" PRIu64 " of %s", block->index, snapshot_id);
    *get = (struct ebs_read){.aws = aws,
                            .what = buffer_steal(&what),
                            .into = into,
                            .digest = digest,
                            .done = done,
                            .context = context};
    buffer_puts(&path, "/snapshots/");
    uri_encode(&path, snapshot_id, false);
    buffer_printf(&path, "/blocks/%" PRIu64, block->index);
    buffer_puts(&query, "blockToken=");
    uri_encode(&query, block->token, false);
    struct aws_client_request request = {.service = AWS_SERVICE_EBS,
                                         .operation = "GetSnapshotBlock",
                                         .rest = {.method = "GET",
                                                  .path = buffer_text(&path),
                                                  .query = buffer_text(&query),
                                                  .raw = true,
                                                  .response_max = BLOCK_BYTES + 1},
                                         .bucket = BUCKET_EBS_GET_BLOCK,
                                         .priority = priority,
                                         .timeout_ms = TIMEOUT_MS};
    get->call = aws_client_send(aws->client, &request, on_answer, get);
    buffer_free(&path);
    buffer_free(&query);
    return get;
}

void ebs_read_cancel(struct ebs_read *get)
{
    if (get->call) {
        aws_client_cancel(get->call);
    }
    if (get->task) {
        world_cancel(aws_client_world(get->aws->client), get->task);
    }
    get_free(get);
}
