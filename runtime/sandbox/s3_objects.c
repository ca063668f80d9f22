/* Objects: put (also on conditions), read in whole or in part, deleted. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/sandbox/arrival.h"
#include "runtime/sandbox/blobs.h"
#include "runtime/sandbox/faults.h"
#include "runtime/sandbox/s3.h"

enum { KEY_MAX = 1024, OBJECT_MAX = 64 << 20, USER_METADATA_MAX = 2048 };

struct s3_object *s3_find(struct request *r, const char *key)
{
    struct sqlite3_stmt *row = state_query(r->state,
                                           "SELECT modified_ms, digest, size, etag, headers FROM "
                                           "s3_objects WHERE bucket = ? AND key = ?",
                                           "ss", r->of, key);
    if (!state_next(r->state, row)) {
        return NULL;
    }
    struct s3_object *object = ARENA_NEW(r->arena, struct s3_object);
    object->key = key;
    object->modified_ms = state_int(row, 0);
    state_digest(row, 1, object->digest);
    object->size = state_int(row, 2);
    object->etag = state_text(r->arena, row, 3);
    object->headers = state_text(r->arena, row, 4);
    state_done(row);
    return object;
}

/* An ETag in a condition, with or without its quotation marks; * is any. */
static bool is_etag(const char *condition, const char *etag)
{
    size_t length = strlen(etag);
    return strcmp(condition, "*") == 0 || strcmp(condition, etag) == 0 ||
           (strlen(condition) == length - 2 && strncmp(condition, etag + 1, length - 2) == 0);
}

static bool precondition_failed(struct request *r)
{
    return fail(r, 412, "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold");
}

/* "How to prevent object overwrites with conditional writes", S3 User Guide. */
static bool check_write(struct request *r)
{
    const char *none = header_of(r, "If-None-Match"), *match = header_of(r, "If-Match");
    if (!none && !match) {
        return true;
    }
    if (none && strcmp(none, "*") != 0) {
        return fail(r, 501, "NotImplemented",
                    "A header you provided implies functionality that is not implemented");
    }
    if (fault_strikes(r, "conflict")) {
        return fail(r, 409, "ConditionalRequestConflict",
                    "The conditional request cannot succeed due to a conflicting operation against "
                    "this resource.");
    }
    struct s3_object *there = s3_find(r, r->in);
    if (match && !there) {
        return fail(r, 404, "NoSuchKey", "The specified key does not exist.");
    }
    return (none && there) || (match && !is_etag(match, there->etag)) ? precondition_failed(r)
                                                                      : true;
}

static bool is_kept_header(const char *name)
{
    static const char *const kept[] = {"Content-Type",     "Cache-Control", "Content-Disposition",
                                       "Content-Language", "Expires",       "Content-Encoding"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (strcasecmp(name, kept[i]) == 0) {
            return true;
        }
    }
    return strncasecmp(name, "x-amz-meta-", 11) == 0 ||
           (strncasecmp(name, "x-amz-checksum-", 15) == 0 &&
            strcasecmp(name, "x-amz-checksum-mode") != 0);
}

/* The headers that come back with the object, as JSON. */
static const char *headers_to_keep(struct request *r)
{
    struct buffer text = {0};
    struct json_writer json = json_writer(&text, 0);
    const struct http_request *request = r->arrival->http;
    json_begin_object(&json);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        bool framing = strcasecmp(header->name, "Content-Encoding") == 0 &&
                       strcasecmp(header->value, "aws-chunked") == 0;
        if (is_kept_header(header->name) && !framing &&
            is_utf8(header->name, strlen(header->name)) &&
            is_utf8(header->value, strlen(header->value))) {
            json_key_string(&json, header->name, header->value);
        }
    }
    const char *trailer = r->arrival->trailer, *colon = trailer ? strchr(trailer, ':') : NULL;
    if (colon && is_utf8(trailer, strlen(trailer))) {
        json_key_string(&json, arena_strndup(r->arena, trailer, (size_t)(colon - trailer)),
                        colon + 1);
    }
    json_end_object(&json);
    const char *kept = arena_strdup(r->arena, buffer_text(&text));
    buffer_free(&text);
    return kept;
}

static bool check_put(struct request *r)
{
    if (strlen(r->in) > KEY_MAX) {
        return fail(r, 400, "KeyTooLongError", "Your key is too long");
    }
    if (r->arrival->payload_length > OBJECT_MAX) {
        return fail(r, 400, "EntityTooLarge",
                    "Your proposed upload exceeds the maximum allowed size");
    }
    if (header_of(r, "x-amz-copy-source")) {
        return fail(r, 501, "NotImplemented",
                    "A header you provided implies functionality that is not implemented");
    }
    size_t metadata = 0;
    for (size_t i = 0; i < r->arrival->http->header_count; i++) {
        const struct http_header *header = &r->arrival->http->headers[i];
        if (strncasecmp(header->name, "x-amz-meta-", 11) == 0) {
            metadata += strlen(header->name) - 11 + strlen(header->value);
        }
    }
    return metadata <= USER_METADATA_MAX ||
           fail(r, 400, "MetadataTooLarge",
                "Your metadata headers exceed the maximum allowed metadata size");
}

bool s3_put_object(struct request *r)
{
    if (!s3_bucket(r) || !check_put(r)) {
        return false;
    }
    const struct arrival *arrival = r->arrival;
    if (arrival->code) {
        return fail(r, arrival->status, arrival->code, "%s", arrival->message);
    }
    if (!check_write(r)) {
        return false;
    }
    s3_remove(r, r->in);
    state_run(r->state, "INSERT OR REPLACE INTO s3_objects VALUES (?, ?, ?, ?, ?, ?, ?)", "ssihiss",
              r->of, r->in, r->now_ms, arrival->payload_sha256, (int64_t)arrival->payload_length,
              arrival->etag, headers_to_keep(r));
    answer_header(r, "ETag", arrival->etag);
    for (size_t i = 0; i < arrival->http->header_count; i++) {
        const struct http_header *header = &arrival->http->headers[i];
        if (strncasecmp(header->name, "x-amz-checksum-", 15) == 0) {
            answer_header(r, header->name, header->value);
        }
    }
    return true;
}

static bool no_such_key(struct request *r)
{
    return fail(r, 404, "NoSuchKey", "The specified key does not exist.");
}

/* RFC 9110, 13.2.2: If-Match comes before If-None-Match. */
static bool check_read(struct request *r, const struct s3_object *object)
{
    const char *none = header_of(r, "If-None-Match"), *match = header_of(r, "If-Match");
    if (match && !is_etag(match, object->etag)) {
        return precondition_failed(r);
    }
    return !none || !is_etag(none, object->etag) || fail(r, 304, "NotModified", "Not Modified");
}

/* "bytes=0-99", "bytes=100-", "bytes=-100"; anything else is passed over (RFC 9110, 14.2). */
static bool read_range(struct request *r, int64_t size, int64_t *from, int64_t *to, bool *partial)
{
    const char *range = header_of(r, "Range");
    char *end = NULL;
    *from = 0;
    *to = size - 1;
    *partial = false;
    if (!range || strncmp(range, "bytes=", 6) != 0 || strchr(range, ',')) {
        return true;
    }
    int64_t first = strtoll(range + 6, &end, 10);
    if (range[6] == '-') {
        *from = size + first > 0 ? size + first : 0;
        *partial = first < 0;
    } else if (end != range + 6 && *end == '-') {
        int64_t last = end[1] ? strtoll(end + 1, NULL, 10) : size - 1;
        *from = first;
        *to = last < size - 1 ? last : size - 1;
        *partial = last >= first || !end[1];
    }
    if (!*partial) {
        *from = 0;
        *to = size - 1;
        return true;
    }
    return *from < size || fail(r, 416, "InvalidRange", "The requested range is not satisfiable");
}

static void tell_headers(struct request *r, const struct s3_object *object, bool checksums)
{
    cJSON *headers = cJSON_Parse(object->headers);
    const cJSON *header;
    cJSON_ArrayForEach(header, headers)
    {
        bool is_checksum = strncasecmp(header->string, "x-amz-checksum-", 15) == 0;
        if (!is_checksum || checksums) {
            answer_header(r, arena_strdup(r->arena, header->string),
                          arena_strdup(r->arena, header->valuestring));
        }
    }
    if (!cJSON_GetObjectItem(headers, "Content-Type")) {
        answer_header(r, "Content-Type", "binary/octet-stream");
    }
    cJSON_Delete(headers);
    answer_header(r, "ETag", object->etag);
    answer_header(r, "Last-Modified", http_time(r->arena, object->modified_ms));
    answer_header(r, "Accept-Ranges", "bytes");
}

static bool read_object(struct request *r, bool body)
{
    struct s3_object *object = s3_bucket(r) ? s3_find(r, r->in) : NULL;
    int64_t from, to;
    bool partial;
    if (!object) {
        return r->failure.code ? false : no_such_key(r);
    }
    if (!check_read(r, object) || !read_range(r, object->size, &from, &to, &partial)) {
        return false;
    }
    const char *mode = header_of(r, "x-amz-checksum-mode");
    tell_headers(r, object, !partial && mode && strcasecmp(mode, "ENABLED") == 0);
    if (partial) {
        r->answer.status = 206;
        answer_header(r, "Content-Range",
                      arena_printf(r->arena, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, from, to,
                                   object->size));
    }
    int64_t length = to - from + 1;
    if (body) {
        memcpy(r->answer.blob, object->digest, sizeof object->digest);
        r->answer.blob_offset = from;
        r->answer.blob_length = length;
    } else {
        r->answer.told_length = length;
        answer_header(r, "Content-Length", arena_printf(r->arena, "%" PRId64, length));
    }
    return true;
}

bool s3_get_object(struct request *r)
{
    return read_object(r, true);
}

bool s3_head_object(struct request *r)
{
    return read_object(r, false);
}

void s3_remove(struct request *r, const char *key)
{
    struct s3_object *object = s3_find(r, key);
    if (!object) {
        return;
    }
    state_run(r->state, "DELETE FROM s3_objects WHERE bucket = ? AND key = ?", "ss", r->of, key);
    bool used = state_value(r->state, 0, "SELECT 1 FROM s3_objects WHERE digest = ? LIMIT 1", "h",
                            object->digest);
    /* Blocks are found by their digests slowly, and have that one size. */
    used = used || (object->size == BLOCK_BYTES &&
                    state_value(r->state, 0, "SELECT 1 FROM blocks WHERE digest = ? LIMIT 1", "h",
                                object->digest));
    if (!used) {
        blobs_drop(r->blobs, object->digest);
    }
}

bool s3_delete_object(struct request *r)
{
    const char *match = header_of(r, "If-Match");
    if (!s3_bucket(r)) {
        return false;
    }
    struct s3_object *object = s3_find(r, r->in);
    if (match && !object) {
        return no_such_key(r);
    }
    if (match && !is_etag(match, object->etag)) {
        return precondition_failed(r);
    }
    s3_remove(r, r->in);
    r->answer.status = 204;
    return true;
}
