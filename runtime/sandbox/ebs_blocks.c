/* The blocks of snapshots: put, completed, read. */
#include "runtime/sandbox/ebs.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/arrival.h"
#include "runtime/sandbox/base64.h"
#include "runtime/sandbox/blobs.h"

enum { EXPIRY_STEP_MS = 5000, BOOT_SIGNATURE_AT = 510, FIRST_PARTITION_AT = 450 };

bool ebs_invalid(struct request *r, const char *reason, const char *format, ...)
{
    va_list args;
    struct buffer message = {0};
    va_start(args, format);
    buffer_vprintf(&message, format, args);
    va_end(args);
    r->failure.reason = reason;
    fail(r, 400, "ValidationException", "%s", buffer_text(&message));
    buffer_free(&message);
    return false;
}

struct snapshot *ebs_find(struct request *r, const char *id)
{
    size_t length = strlen(id);
    if (strncmp(id, "snap-", 5) != 0 || length <= 5 || length > 64 ||
        strspn(id + 5, "0123456789abcdef") != length - 5) {
        ebs_invalid(r, "INVALID_SNAPSHOT_ID", "%s is no id of a snapshot", id);
        return NULL;
    }
    struct snapshot *snapshot = snapshot_load(r, id);
    if (!snapshot || !is_visible(r, id, snapshot->resource.created_ms)) {
        r->failure.reason = "SNAPSHOT_NOT_FOUND";
        fail(r, 404, "ResourceNotFoundException", "The snapshot '%s' does not exist.", id);
        return NULL;
    }
    return snapshot;
}

bool ebs_number(struct request *r, const char *name, const char *text, int64_t least, int64_t most,
                int64_t *value)
{
    int64_t number = 0;
    if (!text) {
        return true;
    }
    if (!parse_int(text, &number) || number < least || number > most) {
        return ebs_invalid(r, "INVALID_PARAMETER_VALUE",
                           "%s has to be a whole number from %" PRId64 " to %" PRId64, name, least,
                           most);
    }
    *value = number;
    return true;
}

bool ebs_position(struct request *r, const struct snapshot *snapshot, int64_t *position)
{
    int64_t count = snapshot->size_gib * BLOCKS_PER_GIB;
    if (!parse_int(r->in, position) || *position < 0 || *position >= count) {
        return ebs_invalid(r, "INVALID_BLOCK",
                           "Block %s is outside of the snapshot's %" PRId64 " blocks", r->in,
                           count);
    }
    return true;
}

static bool check_algorithm(struct request *r)
{
    const char *algorithm = header_of(r, "x-amz-Checksum-Algorithm");
    return (algorithm && strcmp(algorithm, "SHA256") == 0) ||
           ebs_invalid(r, "INVALID_PARAMETER_VALUE", "x-amz-Checksum-Algorithm has to be SHA256");
}

static bool check_block(struct request *r)
{
    int64_t length = -1;
    uint8_t told[SHA256_SIZE];
    const char *checksum = header_of(r, "x-amz-Checksum");
    if (!ebs_number(r, "x-amz-Data-Length", header_of(r, "x-amz-Data-Length"), BLOCK_BYTES,
                    BLOCK_BYTES, &length) ||
        !check_algorithm(r)) {
        return false;
    }
    if (length < 0 || !checksum) {
        return ebs_invalid(r, "INVALID_PARAMETER_VALUE", "%s is missing",
                           length < 0 ? "x-amz-Data-Length" : "x-amz-Checksum");
    }
    if (r->arrival->length != BLOCK_BYTES) {
        return ebs_invalid(r, "INVALID_BLOCK", "The block has %zu bytes, not %d",
                           r->arrival->length, BLOCK_BYTES);
    }
    return (base64_decode(checksum, told, sizeof told) &&
            memcmp(told, r->arrival->payload_sha256, sizeof told) == 0) ||
           ebs_invalid(r, "INVALID_BLOCK",
                       "The checksum of the block is not the one that the request names");
}

static bool check_pending(struct request *r, const struct snapshot *snapshot)
{
    if (!snapshot->expires_ms) {
        return ebs_invalid(r, "INVALID_SNAPSHOT_ID", "The snapshot %s is %s and takes no blocks",
                           snapshot->resource.id,
                           snapshot->completed_ms > r->now_ms ? "being completed" : "completed");
    }
    return strcmp(snapshot->state, "pending") == 0 ||
           ebs_invalid(r, "WRITE_REQUEST_TIMEOUT",
                       "The snapshot %s was not written to for too long: it is in error",
                       snapshot->resource.id);
}

/* A master boot record that is not a GPT's is a BIOS loader's. */
static const char *firmware_of(const char *block)
{
    const unsigned char *bytes = (const unsigned char *)block;
    bool signature =
        bytes[BOOT_SIGNATURE_AT] == 0x55 && bytes[BOOT_SIGNATURE_AT + 1] == 0xAA && bytes[0];
    return signature && bytes[FIRST_PARTITION_AT] != 0xEE ? "bios" : NULL;
}

/* Few writes for each block: the expiry is as exact as some seconds. */
static void note_progress(struct request *r, const struct snapshot *snapshot, int64_t progress)
{
    int64_t expires_ms = r->now_ms + snapshot->timeout_ms;
    bool same = progress < 0 || progress == strtol(snapshot->progress, NULL, 10);
    if (same && expires_ms < snapshot->expires_ms + EXPIRY_STEP_MS) {
        return;
    }
    state_run(r->state,
              "UPDATE snapshots SET expires_ms = ?, progress = coalesce(nullif(?, -1), progress) "
              "WHERE id = ?",
              "iis", expires_ms, progress, snapshot->resource.id);
}

bool ebs_put_block(struct request *r)
{
    struct snapshot *snapshot = ebs_find(r, r->of);
    int64_t position = 0, progress = -1;
    if (!snapshot || !check_pending(r, snapshot) || !ebs_position(r, snapshot, &position) ||
        !ebs_number(r, "x-amz-Progress", header_of(r, "x-amz-Progress"), 0, 100, &progress) ||
        !check_block(r)) {
        return false;
    }
    if (r->arrival->code) {
        return fail(r, 500, "InternalServerException", "%s", r->arrival->message);
    }
    state_run(r->state, "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, 1)", "iih", snapshot->map,
              position, r->arrival->payload_sha256);
    if (position == 0 && !snapshot->parent) {
        state_run(r->state, "UPDATE snapshots SET firmware = ? WHERE id = ?", "ss",
                  firmware_of(r->arrival->payload), r->of);
    }
    note_progress(r, snapshot, progress);
    r->answer.status = 201;
    answer_header(r, "x-amz-Checksum", base64(r->arena, r->arrival->payload_sha256, SHA256_SIZE));
    answer_header(r, "x-amz-Checksum-Algorithm", "SHA256");
    return true;
}

/* The digests of the written blocks, in the order of their positions, hashed. */
static const char *linear_checksum(struct request *r, int64_t map, int64_t *count)
{
    struct sqlite3_stmt *rows = state_query(
        r->state, "SELECT digest FROM blocks WHERE map = ? AND written ORDER BY position", "i",
        map);
    struct sha256 *sha = sha256_create();
    uint8_t digest[SHA256_SIZE];
    *count = 0;
    while (state_next(r->state, rows)) {
        if (state_digest(rows, 0, digest)) {
            sha256_update(sha, digest, sizeof digest);
        }
        (*count)++;
    }
    sha256_finish(sha, digest);
    return base64(r->arena, digest, sizeof digest);
}

static bool check_whole(struct request *r, const struct snapshot *snapshot)
{
    int64_t told = -1, written = 0;
    const char *method = header_of(r, "x-amz-Checksum-Aggregation-Method");
    const char *checksum = header_of(r, "x-amz-Checksum");
    const char *expected = linear_checksum(r, snapshot->map, &written);
    if (!ebs_number(r, "x-amz-ChangedBlocksCount", header_of(r, "x-amz-ChangedBlocksCount"), 0,
                    INT32_MAX, &told)) {
        return false;
    }
    if (told != written) {
        return told < 0 ? ebs_invalid(r, "INVALID_PARAMETER_VALUE",
                                      "x-amz-ChangedBlocksCount is missing")
                        : ebs_invalid(r, "INVALID_PARAMETER_VALUE",
                                      "ChangedBlocksCount is %" PRId64 ", but %" PRId64
                                      " blocks were written",
                                      told, written);
    }
    if (!checksum) {
        return true;
    }
    if (!check_algorithm(r)) {
        return false;
    }
    if (!method || strcmp(method, "LINEAR") != 0) {
        return ebs_invalid(r, "INVALID_PARAMETER_VALUE",
                           "x-amz-Checksum-Aggregation-Method has to be LINEAR");
    }
    return strcmp(checksum, expected) == 0 ||
           ebs_invalid(r, "INVALID_BLOCK",
                       "The aggregated checksum is not that of the blocks that were written");
}

static void write_status(struct request *r, const char *status)
{
    r->answer.status = 202;
    json_begin_object(&r->writer);
    json_key_string(&r->writer, "Status", status);
    json_end_object(&r->writer);
}

bool ebs_complete_snapshot(struct request *r)
{
    struct snapshot *snapshot = ebs_find(r, r->of);
    if (!snapshot) {
        return false;
    }
    /* Asked again with the same count, it says where it is. */
    if (!snapshot->expires_ms) {
        if (snapshot->timeout_ms && check_whole(r, snapshot)) {
            write_status(r, snapshot->state);
            return true;
        }
        return r->failure.code
                   ? false
                   : ebs_invalid(r, "INVALID_SNAPSHOT_ID",
                                 "The snapshot %s was not started by EBS direct", r->of);
    }
    if (!check_pending(r, snapshot) || !check_whole(r, snapshot)) {
        return false;
    }
    int64_t takes_ms =
        timing_draw(r, TIMING_SNAPSHOT_COMPLETE, tag_value(&snapshot->resource.tags, "drc:vm"));
    state_run(
        r->state,
        "UPDATE snapshots SET expires_ms = NULL, completed_ms = ?, progress = 99 WHERE id = ?",
        "is", r->now_ms + takes_ms, r->of);
    write_status(r, "pending");
    return true;
}

bool ebs_get_block(struct request *r)
{
    struct snapshot *snapshot = ebs_find(r, r->of);
    const char *token = query_get(&r->query, "blockToken");
    int64_t position = 0;
    if (!snapshot || !ebs_position(r, snapshot, &position)) {
        return false;
    }
    if (!token) {
        return ebs_invalid(r, "INVALID_PARAMETER_VALUE", "blockToken is missing");
    }
    if (!block_token_check(r, token, r->of, position)) {
        return false;
    }
    struct sqlite3_stmt *row =
        state_query(r->state, "SELECT digest FROM blocks WHERE map = ? AND position = ?", "ii",
                    snapshot->map, position);
    if (!state_next(r->state, row) || !state_digest(row, 0, r->answer.blob)) {
        return ebs_invalid(r, "INVALID_BLOCK", "The snapshot has no block %" PRId64, position);
    }
    state_done(row);
    r->answer.blob_length = BLOCK_BYTES;
    answer_header(r, "Content-Type", "application/octet-stream");
    answer_header(r, "x-amz-Data-Length", arena_printf(r->arena, "%d", BLOCK_BYTES));
    answer_header(r, "x-amz-Checksum", base64(r->arena, r->answer.blob, SHA256_SIZE));
    answer_header(r, "x-amz-Checksum-Algorithm", "SHA256");
    return true;
}

/* Bytes of blocks that no other map and no object has. */
static void drop_bytes(struct request *r, int64_t map)
{
    struct sqlite3_stmt *rows = state_query(
        r->state,
        "SELECT digest FROM blocks WHERE map = ?1 EXCEPT SELECT digest FROM blocks WHERE map <> ?1 "
        "EXCEPT SELECT digest FROM s3_objects",
        "i", map);
    uint8_t digest[SHA256_SIZE];
    while (state_next(r->state, rows)) {
        if (state_digest(rows, 0, digest)) {
            blobs_drop(r->blobs, digest);
        }
    }
}

void blocks_forget(struct request *r, int64_t map)
{
    if (!map || state_value(r->state, 0,
                            "SELECT 1 FROM snapshots WHERE map = ?1 AND deleted_ms IS NULL "
                            "UNION ALL SELECT 1 FROM volumes WHERE map = ?1 AND deleted_ms IS NULL "
                            "LIMIT 1",
                            "i", map)) {
        return;
    }
    drop_bytes(r, map);
    state_run(r->state, "DELETE FROM blocks WHERE map = ?", "i", map);
}
