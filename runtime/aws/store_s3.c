#include "runtime/aws/store_s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include <zlib.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/aws/client.h"
#include "runtime/aws/store_s3_call.h"

#define S3_URL "s3://"

enum {
    PREFIX_MAX = 384, /* S3's keys have 1024 bytes */
    LARGE = 64 << 10, /* bytes: from here on an object waits for a place */
    PLACES = 48,      /* of the 64 connections that the world has to one host */
    ATTEMPTS_MAX = 10,
    BACKOFF_MS = 100, /* doubled each time, and a random part of it */
    BACKOFF_MAX_MS = 10000,
    /* The retry quota of the SDKs ("standard" mode). */
    BUDGET = 500,
    COST = 5,
    COST_OF_TIMEOUT = 10,
    TIMEOUT_MS = 20000,
    READ_TIMEOUT_MS = 60000,
    BYTES_PER_MS = 256, /* what a put may take longer for its size */
};

struct store_s3 {
    struct store store;
    struct world *world;
    struct aws_client *client;
    char *bucket, *prefix, *region, *url;
    bool path_style, encrypted;
    struct s3_call *calls;
    size_t large; /* that have a place */
    int budget;
    bool delivering, dead;
};

/* --- URLs --- */

static size_t bucket_length(const char *url)
{
    return strcspn(url + strlen(S3_URL), "/");
}

bool store_s3_is_url(const char *url, struct error *error)
{
    if (strncmp(url, S3_URL, strlen(S3_URL)) != 0) {
        return false;
    }
    size_t bucket = bucket_length(url);
    const char *prefix = url + strlen(S3_URL) + bucket;
    prefix += *prefix == '/';
    size_t length = strlen(prefix);
    length -= length > 0 && prefix[length - 1] == '/';
    char *key = base_strdup(prefix);
    key[length] = '\0';
    bool sound = bucket >= 3 && bucket <= 63 && length <= PREFIX_MAX &&
                 (*prefix == '\0' || store_key_is_valid(key));
    free(key);
    if (!sound) {
        error_set(error, "\"%.120s\" names no place in S3", url);
        return error_help(error, "it is written s3://BUCKET/PREFIX; PREFIX is of letters, digits, '.', "
                                 "'_', '-' and '/'");
    }
    return true;
}

static char *copy_n(const char *text, size_t length)
{
    char *copy = base_alloc(length + 1);
    memcpy(copy, text, length);
    return copy;
}

/* --- the end of a call --- */

static void next_large(struct store_s3 *store);

/* Off the list, its place free. */
static void retire(struct s3_call *call)
{
    struct store_s3 *store = call->store;
    DL_DELETE(store->calls, call);
    if (call->has_place) {
        call->has_place = false;
        store->large--;
    }
}

static void finish(struct s3_call *call, const struct store_result *result)
{
    struct store_s3 *store = call->store;
    retire(call);
    if (call->done) {
        bool nested = store->delivering;
        store->delivering = true;
        call->done(call->context, result);
        store->delivering = nested;
    }
    s3_call_free(call);
    if (!store->dead) {
        next_large(store);
    }
}

static void finish_as(struct s3_call *call, enum store_outcome outcome, const char *version)
{
    struct store_result result = {.outcome = outcome, .bytes = "", .version = version};
    finish(call, &result);
}

static const char *doing(const struct s3_call *call)
{
    static const char *const words[] = {"reading", "writing", "listing", "deleting", "syncing"};
    return words[call->verb];
}

static void fail(struct s3_call *call, struct error *error)
{
    struct store_result result = {
        .outcome = STORE_FAILED, .bytes = "", .version = "", .error = error};
    error_prefix(error, "%s %s%s%s", doing(call), call->store->url, *call->key ? "/" : "", call->key);
    finish(call, &result);
    error_clear(error);
}

static bool is_about_rights(const char *code)
{
    return code && (strcmp(code, "Forbidden") == 0 || strncmp(code, "AccessDenied", 12) == 0);
}

static void fail_as_told(struct s3_call *call, const struct aws_answer *answer)
{
    struct store_s3 *store = call->store;
    struct error error = {0};
    aws_answer_error(answer, &error);
    error.passing = answer->outcome == OUTCOME_RETRY || answer->outcome == OUTCOME_THROTTLED ||
                    answer->outcome == OUTCOME_UNKNOWN;
    if (is_about_rights(answer->error.code)) {
        error_help(&error, "allow that key s3:ListBucket on arn:aws:s3:::%s, and s3:GetObject, "
                           "s3:PutObject and s3:DeleteObject on arn:aws:s3:::%s/%s%s*; without "
                           "ListBucket S3 refuses to say that an object is absent",
                   store->bucket, store->bucket, store->prefix, *store->prefix ? "/" : "");
    } else if (answer->error.code && strcmp(answer->error.code, "NoSuchBucket") == 0) {
        error_help(&error, "make the bucket once (\"aws s3 mb %s%s\"), or correct the name; drc makes none",
                   S3_URL, store->bucket);
    }
    if (call->attempts > 1) {
        error_prefix(&error, "after %d attempts", call->attempts);
    }
    fail(call, &error);
}

static void fail_with(struct s3_call *call, const char *message, const char *help)
{
    struct error error = {0};
    error_set(&error, "%s", message);
    error_help(&error, "%s", help);
    fail(call, &error);
}

/* --- requests --- */

static void on_answer(void *context, const struct aws_answer *answer);

static int64_t timeout_of(const struct s3_call *call)
{
    return call->verb == S3_GET || call->looking
               ? READ_TIMEOUT_MS
               : TIMEOUT_MS + (int64_t)(call->length / BYTES_PER_MS);
}

static void fill_put(struct s3_call *call, struct aws_client_request *request)
{
    struct http_header *headers = call->headers;
    size_t count = 0;
    headers[count++] = (struct http_header){"Content-Type", "application/octet-stream"};
    headers[count++] = (struct http_header){"x-amz-checksum-crc32", call->checksum};
    if (call->condition == STORE_IF_ABSENT) {
        headers[count++] = (struct http_header){"If-None-Match", "*"};
    } else if (call->condition == STORE_IF_VERSION) {
        headers[count++] = (struct http_header){"If-Match", call->version};
    }
    request->operation = "PutObject";
    request->rest.method = "PUT";
    request->rest.header_count = count;
    request->body = call->bytes;
    request->body_length = call->length;
    request->borrowed = true;
    request->changes = true;
    if (call->store->encrypted || call->length >= LARGE) {
        request->rest.payload_hash = SIGV4_UNSIGNED_PAYLOAD;
    }
}

static void fill_get(struct s3_call *call, struct aws_client_request *request)
{
    call->headers[0] = (struct http_header){"x-amz-checksum-mode", "ENABLED"};
    request->operation = "GetObject";
    request->rest.header_count = 1;
    request->rest.raw = true;
    request->rest.response_max = STORE_OBJECT_MAX;
}

static void fill_list(struct s3_call *call, struct aws_client_request *request,
                      struct buffer *query)
{
    struct store_s3 *store = call->store;
    struct buffer prefix = {0};
    buffer_printf(&prefix, "%s%s", store->prefix, *store->prefix ? "/" : "");
    buffer_puts(query, "list-type=2&encoding-type=url&max-keys=1000&prefix=");
    uri_encode(query, buffer_text(&prefix), false);
    uri_encode(query, call->key, false);
    if (call->token) {
        buffer_puts(query, "&continuation-token=");
        uri_encode(query, call->token, false);
    } else if (*call->after) {
        buffer_puts(query, "&start-after=");
        uri_encode(query, buffer_text(&prefix), false);
        uri_encode(query, call->after, false);
    }
    buffer_free(&prefix);
    request->operation = "ListObjectsV2";
    request->rest.query = buffer_text(query);
}

/* Keys are of characters that stand for themselves in a path. */
static void transmit(struct s3_call *call)
{
    struct store_s3 *store = call->store;
    struct buffer path = {0}, query = {0};
    buffer_printf(&path, "/%s%s%s", store->prefix, *store->prefix ? "/" : "", call->key);
    struct aws_client_request request = {.service = AWS_SERVICE_S3,
                                         .region = store->region,
                                         .timeout_ms = timeout_of(call),
                                         .bucket = BUCKET_NONE,
                                         .rest = {.bucket = store->bucket,
                                                  .path_style = store->path_style,
                                                  .headers = call->headers,
                                                  .path = call->verb == S3_LIST ? "/" : path.data}};
    if (call->verb == S3_LIST) {
        fill_list(call, &request, &query);
    } else if (call->verb == S3_GET || call->looking) {
        fill_get(call, &request);
    } else if (call->verb == S3_PUT) {
        fill_put(call, &request);
    } else {
        request.operation = "DeleteObject";
        request.rest.method = "DELETE";
        request.changes = true;
    }
    call->attempts++;
    call->sent = aws_client_send(store->client, &request, on_answer, call);
    buffer_free(&path);
    buffer_free(&query);
}

static void again(void *context)
{
    struct s3_call *call = context;
    call->timer = NULL;
    transmit(call);
}

static bool is_large(const struct s3_call *call)
{
    return call->verb == S3_GET || call->length >= LARGE;
}

static void next_large(struct store_s3 *store)
{
    struct s3_call *call;
    DL_FOREACH(store->calls, call)
    {
        if (store->large >= PLACES) {
            return;
        }
        if (call->waiting) {
            call->waiting = false;
            call->has_place = true;
            store->large++;
            transmit(call);
        }
    }
}

/* --- retries --- */

static void wait_and_send(struct s3_call *call, int64_t after_ms)
{
    uint32_t chance;
    int shift = call->attempts < 8 ? call->attempts - 1 : 7;
    int64_t most = (int64_t)BACKOFF_MS << (shift > 0 ? shift : 0);
    most = most < BACKOFF_MAX_MS ? most : BACKOFF_MAX_MS;
    world_random(call->store->world, &chance, sizeof chance);
    int64_t delay = (int64_t)((double)chance / UINT32_MAX * (double)most);
    call->timer = world_timer(call->store->world, after_ms > delay ? after_ms : delay, again, call);
}

/* False: it has been tried often enough, or too much fails in this store. */
static bool retry(struct s3_call *call, const struct aws_answer *answer)
{
    struct store_s3 *store = call->store;
    int cost = answer->failure == HTTP_TIMED_OUT ? COST_OF_TIMEOUT : COST;
    if (call->attempts >= ATTEMPTS_MAX || store->budget < cost) {
        return false;
    }
    store->budget -= cost;
    call->paid += cost;
    call->lost = call->lost || answer->outcome == OUTCOME_UNKNOWN;
    wait_and_send(call, answer->retry_after_ms);
    return true;
}

/* What was spent on it comes back once it succeeds. */
static void earn(struct s3_call *call)
{
    struct store_s3 *store = call->store;
    store->budget += call->paid > 0 ? call->paid : 1;
    store->budget = store->budget < BUDGET ? store->budget : BUDGET;
}

/* --- answers --- */

static void checksum_of(const void *bytes, size_t length, char out[S3_CHECKSUM_SIZE])
{
    uint32_t sum = (uint32_t)crc32_z(0, bytes, length);
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t bits = (uint64_t)sum << 4; /* 36 bits: six digits */
    for (int i = 0; i < 6; i++) {
        out[i] = digits[bits >> (30 - 6 * i) & 63];
    }
    memcpy(out + 6, "==", 3);
}

/* Also of objects that others have put, whose checksum may be of another kind: then none is told. */
static bool is_intact(const struct aws_answer *answer)
{
    const char *told = http_response_header(answer->response, "x-amz-checksum-crc32");
    char sum[S3_CHECKSUM_SIZE];
    if (!told || strlen(told) != S3_CHECKSUM_SIZE - 1) { /* of parts: "…-3" */
        return true;
    }
    checksum_of(answer->body, answer->body_length, sum);
    return strcmp(told, sum) == 0;
}

static const char *version_of(const struct aws_answer *answer)
{
    const char *tag = http_response_header(answer->response, "etag");
    return tag && *tag && strlen(tag) < STORE_VERSION_MAX ? tag : NULL;
}

static void have_got(struct s3_call *call, const struct aws_answer *answer)
{
    const char *version = version_of(answer);
    struct aws_answer broken = {.outcome = OUTCOME_RETRY};
    if (!is_intact(answer)) {
        if (!retry(call, &broken)) {
            fail_with(call, "what S3 sent is not what its checksum says",
                      "the object is damaged, or something on the way changes it");
        }
    } else if (!version) {
        fail_with(call, "the answer has no ETag", "what answers is not S3: check AWS_ENDPOINT_URL_S3");
    } else if (call->looking) {
        bool ours = answer->body_length == call->length &&
                    memcmp(answer->body, call->bytes, call->length) == 0;
        finish_as(call, ours ? STORE_OK : STORE_CONFLICT, ours ? version : "");
    } else {
        struct store_result result = {.outcome = STORE_OK,
                                      .bytes = answer->body,
                                      .length = answer->body_length,
                                      .version = version};
        finish(call, &result);
    }
}

static void have_put(struct s3_call *call, const struct aws_answer *answer)
{
    const char *version = version_of(answer);
    if (version) {
        finish_as(call, STORE_OK, version);
    } else {
        fail_with(call, "the answer has no ETag", "what answers is not S3: check AWS_ENDPOINT_URL_S3");
    }
}

static void have_page(struct s3_call *call, const struct aws_answer *answer)
{
    struct store_s3 *store = call->store;
    switch (s3_call_take_page(call, answer->xml, store->prefix)) {
    case S3_PAGE_MORE:
        call->attempts = 0;
        transmit(call);
        break;
    case S3_PAGE_LAST: {
        s3_call_sort(call);
        struct store_result result = {.outcome = STORE_OK,
                                      .bytes = "",
                                      .version = "",
                                      .keys = (const char **)call->keys,
                                      .key_count = call->key_count};
        finish(call, &result);
        break;
    }
    case S3_PAGE_ODD:
        fail_with(call, "the answer is no list of objects, or does not end",
                  "what answers is not S3: check AWS_ENDPOINT_URL_S3");
    }
}

static void succeed(struct s3_call *call, const struct aws_answer *answer)
{
    earn(call);
    if (call->verb == S3_GET || call->looking) {
        have_got(call, answer);
    } else if (call->verb == S3_PUT) {
        have_put(call, answer);
    } else if (call->verb == S3_LIST) {
        have_page(call, answer);
    } else {
        finish_as(call, STORE_OK, "");
    }
}

/* Somebody was there before; or we ourselves, and the answer was lost. */
static void look(struct s3_call *call)
{
    call->looking = true;
    call->attempts = 0;
    transmit(call);
}

static bool follow(struct s3_call *call, const struct aws_answer *answer)
{
    struct store_s3 *store = call->store;
    if (!answer->bucket_region || call->followed) {
        return false;
    }
    free(store->region);
    store->region = base_strdup(answer->bucket_region);
    call->followed = true;
    transmit(call);
    return true;
}

static void on_answer(void *context, const struct aws_answer *answer)
{
    struct s3_call *call = context;
    bool conditional =
        call->condition == STORE_IF_ABSENT || call->condition == STORE_IF_VERSION; /* a put */
    call->sent = NULL;
    if (follow(call, answer)) {
        return;
    }
    switch (answer->outcome) {
    case OUTCOME_OK:
        succeed(call, answer);
        return;
    case OUTCOME_ABSENT:
        if (call->verb != S3_PUT && call->verb != S3_LIST) {
            finish_as(call, STORE_ABSENT, "");
            return;
        }
        if (call->looking || (conditional && call->condition == STORE_IF_VERSION)) {
            finish_as(call, STORE_CONFLICT, "");
            return;
        }
        break;
    case OUTCOME_CONFLICT:
        if (conditional && call->lost && !call->looking) {
            look(call);
            return;
        }
        if (conditional) {
            finish_as(call, STORE_CONFLICT, "");
            return;
        }
        break;
    case OUTCOME_RETRY:
    case OUTCOME_THROTTLED:
    case OUTCOME_UNKNOWN:
        if (retry(call, answer)) {
            return;
        }
        break;
    default:
        break;
    }
    fail_as_told(call, answer);
}

/* --- the store --- */

static void end_at_once(void *context)
{
    struct s3_call *call = context;
    struct error error = {0};
    call->timer = NULL;
    if (call->verb == S3_SYNC || call->verb == S3_LIST) {
        finish_as(call, STORE_OK, "");
        return;
    }
    if (call->length > STORE_OBJECT_MAX) {
        error_set(&error, "%zu bytes, and an object has at most %d", call->length, STORE_OBJECT_MAX);
    } else {
        error_set(&error, "\"%.64s\" is not a key that a store can have", call->key);
    }
    fail(call, &error);
}

/* Servers refuse odd ones ("../"); no key begins with them. */
static bool can_begin_a_key(const char *prefix)
{
    struct buffer longer = {0};
    buffer_printf(&longer, "%sx", prefix);
    bool can = store_key_is_valid(buffer_text(&longer)) || store_key_is_valid(prefix);
    buffer_free(&longer);
    return can;
}

static void begin(struct store *base, struct s3_call *call, store_callback done, void *context)
{
    struct store_s3 *store = (struct store_s3 *)base;
    bool sound = call->verb == S3_SYNC   ? false /* nothing to do */
                 : call->verb == S3_LIST ? can_begin_a_key(call->key)
                                         : store_key_is_valid(call->key);
    call->store = store;
    call->done = done;
    call->context = context;
    DL_APPEND(store->calls, call);
    if (!sound || call->length > STORE_OBJECT_MAX) {
        call->timer = world_timer(store->world, 0, end_at_once, call);
    } else if (is_large(call)) {
        call->waiting = true;
        next_large(store);
    } else {
        transmit(call);
    }
}

static void s3_get(struct store *store, const char *key, store_callback done, void *context)
{
    begin(store, s3_call_create(S3_GET, key), done, context);
}

static void s3_put(struct store *store, const char *key, const void *bytes, size_t length,
                   enum store_condition condition, const char *version, store_callback done,
                   void *context)
{
    struct s3_call *call = s3_call_create(S3_PUT, key);
    call->length = length;
    if (length <= STORE_OBJECT_MAX) {
        call->bytes = base_realloc(NULL, length + 1); /* not zeroed: it may be a block */
        memcpy(call->bytes, length ? bytes : "", length);
        checksum_of(call->bytes, length, call->checksum);
    }
    call->condition = condition;
    call->version = base_strdup(version ? version : "");
    begin(store, call, done, context);
}

static void s3_list(struct store *store, const char *prefix, const char *after,
                    store_callback done, void *context)
{
    struct s3_call *call = s3_call_create(S3_LIST, prefix);
    call->after = base_strdup(after);
    begin(store, call, done, context);
}

static void s3_remove(struct store *store, const char *key, store_callback done, void *context)
{
    begin(store, s3_call_create(S3_REMOVE, key), done, context);
}

/* An answered put is durable. */
static void s3_sync(struct store *store, store_callback done, void *context)
{
    begin(store, s3_call_create(S3_SYNC, ""), done, context);
}

static void s3_forget(struct store *base, void *context)
{
    struct store_s3 *store = (struct store_s3 *)base;
    struct s3_call *call;
    DL_FOREACH(store->calls, call)
    {
        if (call->context == context) {
            call->done = NULL;
        }
    }
}

static void end(void *context)
{
    struct store_s3 *store = context;
    aws_client_destroy(store->client);
    free(store->bucket);
    free(store->prefix);
    free(store->region);
    free(store->url);
    free(store);
}

static void s3_destroy(struct store *base)
{
    struct store_s3 *store = (struct store_s3 *)base;
    store->dead = true;
    while (store->calls) {
        struct s3_call *call = store->calls;
        world_cancel(store->world, call->timer);
        if (call->sent) {
            aws_client_cancel(call->sent);
        }
        retire(call);
        s3_call_free(call);
    }
    if (store->delivering) { /* from a callback: the client is on the stack */
        world_timer(store->world, 0, end, store);
    } else {
        end(store);
    }
}

static bool is_encrypted(struct store_s3 *store, struct error *error, bool *encrypted)
{
    struct aws_endpoint endpoint;
    if (!aws_bucket_endpoint(aws_client_settings(store->client), store->region, store->bucket,
                             store->path_style, &endpoint, error)) {
        return false;
    }
    *encrypted = strncmp(endpoint.url, "https://", 8) == 0;
    return true;
}

struct store *store_s3_open(const struct store_s3_options *options, struct error *error)
{
    if (!store_s3_is_url(options->url, error)) {
        return NULL;
    }
    struct aws_client_options client = {
        .world = options->world, .region = options->region, .profile = options->profile};
    size_t bucket = bucket_length(options->url);
    const char *prefix = options->url + strlen(S3_URL) + bucket;
    prefix += *prefix == '/';
    size_t length = strlen(prefix);
    length -= length > 0 && prefix[length - 1] == '/';
    struct store_s3 *store = base_alloc(sizeof *store);
    store->store = (struct store){.name = "s3",
                                  .get = s3_get,
                                  .put = s3_put,
                                  .list = s3_list,
                                  .remove = s3_remove,
                                  .sync = s3_sync,
                                  .forget = s3_forget,
                                  .destroy = s3_destroy};
    store->world = options->world;
    store->client = aws_client_create(&client, error);
    store->bucket = copy_n(options->url + strlen(S3_URL), bucket);
    store->prefix = copy_n(prefix, length);
    store->url = copy_n(options->url, (size_t)(prefix - options->url) + length);
    store->path_style = options->path_style;
    store->budget = BUDGET;
    store->region = store->client ? base_strdup(aws_client_region(store->client)) : NULL;
    if (!store->client || !is_encrypted(store, error, &store->encrypted)) {
        end(store);
        return NULL;
    }
    return &store->store;
}
