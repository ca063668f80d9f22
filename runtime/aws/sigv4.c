#include "runtime/aws/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

void uri_encode_n(struct buffer *out, const char *bytes, size_t length, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (is_unreserved((char)c) || (keep_slash && c == '/')) {
            buffer_putc(out, (char)c);
        } else {
            char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            buffer_append(out, escape, sizeof escape);
        }
    }
}

void uri_encode(struct buffer *out, const char *text, bool keep_slash)
{
    uri_encode_n(out, text, strlen(text), keep_slash);
}

/* Without ".", ".." and empty segments (RFC 3986 5.2.4, and AWS drops double slashes), then
 * encoded once more. */
static void append_normalised_path(struct buffer *out, const char *path)
{
    size_t depth = 0, capacity = strlen(path) + 1;
    const char **starts = base_alloc(capacity * sizeof *starts);
    size_t *lengths = base_alloc(capacity * sizeof *lengths);
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, "/");
        if (length == 2 && at[0] == '.' && at[1] == '.') {
            depth -= depth > 0;
        } else if (length > 0 && !(length == 1 && at[0] == '.')) {
            starts[depth] = at;
            lengths[depth++] = length;
        }
        at += length;
        at += *at == '/';
    }
    if (path[0] == '/' || path[0] == '\0') {
        buffer_putc(out, '/');
    }
    for (size_t i = 0; i < depth; i++) {
        if (i > 0) {
            buffer_putc(out, '/');
        }
        uri_encode_n(out, starts[i], lengths[i], false);
    }
    if (depth > 0 && path[strlen(path) - 1] == '/') {
        buffer_putc(out, '/');
    }
    free(starts);
    free(lengths);
}

struct query_pair {
    const char *key, *value;
};

static int compare_pairs(const void *left, const void *right)
{
    const struct query_pair *a = left, *b = right;
    int order = strcmp(a->key, b->key);
    return order ? order : strcmp(a->value, b->value);
}

/* "b=2&a" becomes "a=&b=2": sorted by key, then by value, each with its '='. */
static void append_canonical_query(struct arena *arena, struct buffer *out, const char *query)
{
    if (!query || !*query) {
        return;
    }
    char *text = arena_strdup(arena, query);
    size_t count = 1;
    for (const char *at = text; *at; at++) {
        count += *at == '&';
    }
    struct query_pair *pairs = ARENA_ARRAY(arena, struct query_pair, count);
    for (size_t i = 0; i < count; i++) {
        char *end = text + strcspn(text, "&");
        *end = '\0';
        char *equals = strchr(text, '=');
        pairs[i] = (struct query_pair){text, equals ? equals + 1 : ""};
        if (equals) {
            *equals = '\0';
        }
        text = end + 1;
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "%s%s=%s", i ? "&" : "", pairs[i].key, pairs[i].value);
    }
}

struct signed_header {
    const char *name; /* lower case */
    const char *value;
    size_t order; /* as given: headers of one name keep their order */
};

static int compare_headers(const void *left, const void *right)
{
    const struct signed_header *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Spaces around are dropped, runs of them inside become one. */
static const char *folded(struct arena *arena, const char *value)
{
    char *out = arena_alloc(arena, strlen(value) + 1);
    size_t length = 0;
    for (const char *at = value; *at; at++) {
        if (!is_space(*at)) {
            if (length > 0 && is_space(at[-1])) {
                out[length++] = ' ';
            }
            out[length++] = *at;
        }
    }
    out[length] = '\0';
    return out;
}

static const char *lowered(struct arena *arena, const char *name)
{
    char *out = arena_strdup(arena, name);
    for (char *at = out; *at; at++) {
        *at += *at >= 'A' && *at <= 'Z' ? 'a' - 'A' : 0;
    }
    return out;
}

/* What proxies and clients change or add on the way is not signed. */
static bool is_signable(const char *name)
{
    return strcasecmp(name, "user-agent") != 0 && strcasecmp(name, "expect") != 0 &&
           strcasecmp(name, "transfer-encoding") != 0 && strcasecmp(name, "connection") != 0 &&
           strcasecmp(name, "x-amzn-trace-id") != 0;
}

static size_t add_headers(struct arena *arena, struct signed_header *out, size_t used,
                          const struct http_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_signable(headers[i].name)) {
            out[used] = (struct signed_header){lowered(arena, headers[i].name),
                                               folded(arena, headers[i].value), used};
            used++;
        }
    }
    return used;
}

static struct signed_header *sorted_headers(struct arena *arena,
                                            const struct sigv4_request *request,
                                            const struct http_header *extra, size_t extra_count,
                                            size_t *count)
{
    struct signed_header *all =
        ARENA_ARRAY(arena, struct signed_header, request->header_count + extra_count + 1);
    struct http_header host = {"host", request->host};
    size_t used = add_headers(arena, all, 0, &host, 1);
    used = add_headers(arena, all, used, request->headers, request->header_count);
    used = add_headers(arena, all, used, extra, extra_count);
    qsort(all, used, sizeof *all, compare_headers);
    *count = used;
    return all;
}

/* "name:value,value\n" for each name. */
static void append_header_lines(struct buffer *out, const struct signed_header *headers,
                                size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && strcmp(headers[i].name, headers[i - 1].name) == 0;
        bool more = i + 1 < count && strcmp(headers[i].name, headers[i + 1].name) == 0;
        if (again) {
            buffer_printf(out, ",%s%s", headers[i].value, more ? "" : "\n");
        } else {
            buffer_printf(out, "%s:%s%s", headers[i].name, headers[i].value, more ? "" : "\n");
        }
    }
}

static void append_header_names(struct buffer *out, const struct signed_header *headers,
                                size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(headers[i].name, headers[i - 1].name) != 0) {
            buffer_printf(out, "%s%s", i ? ";" : "", headers[i].name);
        }
    }
}

static const char *steal_into(struct arena *arena, struct buffer *buffer)
{
    const char *text = arena_strndup(arena, buffer_text(buffer), buffer->length);
    buffer_free(buffer);
    return text;
}

const char *sigv4_canonical_request(struct arena *arena, const struct sigv4_request *request,
                                    const struct http_header *extra, size_t extra_count,
                                    const char *payload_hash)
{
    struct buffer out = {0};
    size_t count = 0;
    struct signed_header *headers = sorted_headers(arena, request, extra, extra_count, &count);
    buffer_printf(&out, "%s\n", request->method);
    if (request->s3) {
        buffer_puts(&out, *request->path ? request->path : "/");
    } else {
        append_normalised_path(&out, request->path);
    }
    buffer_putc(&out, '\n');
    append_canonical_query(arena, &out, request->query);
    buffer_putc(&out, '\n');
    append_header_lines(&out, headers, count);
    buffer_putc(&out, '\n');
    append_header_names(&out, headers, count);
    buffer_printf(&out, "\n%s", payload_hash);
    return steal_into(arena, &out);
}

static void hmac(const void *key, size_t key_length, const char *text, uint8_t out[SHA256_SIZE])
{
    unsigned int length = SHA256_SIZE;
    if (!HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)text, strlen(text), out,
              &length)) {
        base_out_of_memory();
    }
}

static void signing_key(struct arena *arena, const char *secret, const char *day,
                        const char *region, const char *service, uint8_t key[SHA256_SIZE])
{
    const char *first = arena_printf(arena, "AWS4%s", secret);
    uint8_t next[SHA256_SIZE];
    hmac(first, strlen(first), day, key);
    hmac(key, SHA256_SIZE, region, next);
    hmac(next, SHA256_SIZE, service, key);
    hmac(key, SHA256_SIZE, "aws4_request", next);
    memcpy(key, next, SHA256_SIZE);
}

void sigv4_memory_clear(struct sigv4_memory *memory)
{
    if (memory->secret) {
        OPENSSL_cleanse(memory->secret, strlen(memory->secret));
    }
    OPENSSL_cleanse(memory->derived, sizeof memory->derived);
    free(memory->secret);
    free(memory->scope);
    *memory = (struct sigv4_memory){0};
}

/* The same for as long as secret, day, region and service are. */
static void remembered_key(struct arena *arena, struct sigv4_memory *memory, const char *secret,
                           const char *day, const struct sigv4_request *request,
                           uint8_t key[SHA256_SIZE])
{
    const char *scope = arena_printf(arena, "%s/%s/%s", day, request->region, request->service);
    if (!memory->secret || strcmp(memory->secret, secret) != 0 ||
        strcmp(memory->scope, scope) != 0) {
        sigv4_memory_clear(memory);
        signing_key(arena, secret, day, request->region, request->service, memory->derived);
        memory->secret = base_strdup(secret);
        memory->scope = base_strdup(scope);
    }
    memcpy(key, memory->derived, SHA256_SIZE);
}

static const char *payload_hash_of(struct arena *arena, const struct sigv4_request *request)
{
    if (request->payload_hash) {
        return request->payload_hash;
    }
    char *hex = arena_alloc(arena, SHA256_HEX_SIZE);
    sha256_hex(request->body ? request->body : "", request->body_length, hex);
    return hex;
}

static void add_header(struct sigv4_headers *out, const char *name, const char *value)
{
    out->items[out->count++] = (struct http_header){name, value};
}

void sigv4_sign(struct arena *kept, const struct sigv4_request *request,
                const struct sigv4_key *key, int64_t utc_ms, struct sigv4_headers *out)
{
    struct arena *arena = arena_create(); /* several times the size of what it makes */
    arena_wipe_at_end(arena);
    time_t seconds = (time_t)(utc_ms / 1000);
    struct tm tm;
    char *date = arena_alloc(kept, 32), day[16];
    gmtime_r(&seconds, &tm);
    strftime(date, 32, "%Y%m%dT%H%M%SZ", &tm);
    strftime(day, sizeof day, "%Y%m%d", &tm);

    const char *payload_hash = payload_hash_of(kept, request);
    out->count = 0;
    add_header(out, "X-Amz-Date", date);
    if (key->token) {
        add_header(out, "X-Amz-Security-Token", key->token);
    }
    if (request->s3 || (request->payload_hash && !request->hash_unsent)) {
        add_header(out, "X-Amz-Content-SHA256", payload_hash);
    }
    const char *canonical =
        sigv4_canonical_request(arena, request, out->items, out->count, payload_hash);
    char hash[SHA256_HEX_SIZE], signature[SHA256_HEX_SIZE];
    sha256_hex(canonical, strlen(canonical), hash);
    const char *scope =
        arena_printf(arena, "%s/%s/%s/aws4_request", day, request->region, request->service);
    const char *to_sign = arena_printf(arena, "AWS4-HMAC-SHA256\n%s\n%s\n%s", date, scope, hash);
    uint8_t signer[SHA256_SIZE], digest[SHA256_SIZE];
    if (request->memory) {
        remembered_key(arena, request->memory, key->secret, day, request, signer);
    } else {
        signing_key(arena, key->secret, day, request->region, request->service, signer);
    }
    hmac(signer, sizeof signer, to_sign, digest);
    sha256_to_hex(digest, signature);

    struct buffer names = {0};
    size_t count = 0;
    struct signed_header *headers = sorted_headers(arena, request, out->items, out->count, &count);
    append_header_names(&names, headers, count);
    add_header(out, "Authorization",
               arena_printf(kept,
                            "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                            key->id, scope, buffer_text(&names), signature));
    buffer_free(&names);
    arena_destroy(arena);
}
