/* Signs what it reads, for tests/interop/test_sigv4.py: a JSON object on each line of stdin, the
 * signer's headers as a JSON object on each line of stdout. Paths and query parameters come
 * decoded; this is how drc's own requests encode them. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/aws/answer.h"
#include "runtime/aws/sigv4.h"

static const char *text(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value ? value : "";
}

static const char *optional(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void encode_query(struct buffer *out, const cJSON *pairs)
{
    const cJSON *pair = NULL;
    cJSON_ArrayForEach(pair, pairs)
    {
        buffer_puts(out, out->length ? "&" : "");
        uri_encode(out, cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0)), false);
        buffer_putc(out, '=');
        uri_encode(out, cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1)), false);
    }
}

static size_t read_headers(struct http_header *headers, const cJSON *pairs)
{
    size_t count = 0;
    const cJSON *pair = NULL;
    cJSON_ArrayForEach(pair, pairs)
    {
        headers[count++] = (struct http_header){cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0)),
                                                cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1))};
    }
    return count;
}

static void print(const struct sigv4_headers *signed_headers, const char *path, const char *query,
                  const char *canonical)
{
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 0);
    json_begin_object(&json);
    for (size_t i = 0; i < signed_headers->count; i++) {
        json_key_string(&json, signed_headers->items[i].name, signed_headers->items[i].value);
    }
    json_key_string(&json, "path", path);
    json_key_string(&json, "query", query);
    json_key_string(&json, "canonical", canonical);
    json_end_object(&json);
    puts(buffer_text(&out));
    buffer_free(&out);
}

static void sign(const cJSON *from)
{
    struct arena *arena = arena_create();
    struct buffer path = {0}, query = {0};
    const cJSON *pairs = cJSON_GetObjectItemCaseSensitive(from, "headers");
    struct http_header *headers =
        ARENA_ARRAY(arena, struct http_header, (size_t)cJSON_GetArraySize(pairs) + 1);
    uri_encode(&path, text(from, "path"), true);
    encode_query(&query, cJSON_GetObjectItemCaseSensitive(from, "query"));
    struct sigv4_request request = {.method = text(from, "method"),
                                    .host = text(from, "host"),
                                    .path = buffer_text(&path),
                                    .query = buffer_text(&query),
                                    .headers = headers,
                                    .header_count = read_headers(headers, pairs),
                                    .body = text(from, "body"),
                                    .body_length = strlen(text(from, "body")),
                                    .payload_hash = optional(from, "payload_hash"),
                                    .service = text(from, "service"),
                                    .region = text(from, "region"),
                                    .s3 =
                                        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(from, "s3"))};
    struct sigv4_key key = {text(from, "key"), text(from, "secret"), optional(from, "token")};
    int64_t at_ms = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(from, "utc_ms"));
    struct sigv4_headers out;
    sigv4_sign(arena, &request, &key, at_ms, &out);
    print(&out, request.path, request.query,
          sigv4_canonical_request(arena, &request, out.items, out.count - 1, "HASH"));
    buffer_free(&path);
    buffer_free(&query);
    arena_destroy(arena);
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        cJSON *from = cJSON_Parse(line);
        if (!from) {
            fprintf(stderr, "sigv4_driver: not JSON: %s", line);
            return 1;
        }
        sign(from);
        cJSON_Delete(from);
    }
    free(line);
    return 0;
}
