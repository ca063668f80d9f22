/* Hostile requests: any bytes as a form, as JSON, as a header of authorization, as a URL, as path,
 * headers and body of a REST request. The first byte chooses; half of the requests are signed, so
 * that they get to the operations. The state is one in memory for the whole run, so that requests
 * meet what earlier ones left. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compiler/base/arena.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/source.h"
#include "runtime/aws/sigv4.h"
#include "runtime/sandbox/request.h"
#include "runtime/sandbox/sandbox.h"
#include "tests/fuzz/fuzz_plan_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char plan_text[] = FUZZ_PLAN("");

enum { BEGIN_MS = 1000000, RESET_EVERY = 2000 };

static void populate(struct sandbox *made)
{
    struct arena *arena = arena_create();
    struct diagnostics *diagnostics = diagnostics_create(arena);
    struct source *source = source_from_text(arena, "plan.yaml", plan_text, sizeof plan_text - 1);
    struct plan *plan = compile_plan(arena, source, NULL, 0, diagnostics);
    struct error error = {0};
    if (!plan || !sandbox_populate(made, plan, &error)) {
        abort();
    }
    arena_destroy(arena);
}

static struct sandbox *fresh(void)
{
    struct sandbox_options options = {.seed = 1, .speed = 1, .utc_base_ms = BEGIN_MS};
    struct error error = {0};
    struct sandbox *made = sandbox_init(":memory:", &options, &error);
    if (!made) {
        abort();
    }
    populate(made);
    return made;
}

/* Long-lived on purpose: libFuzzer calls a function without a context. */
static struct sandbox *sandbox;
static unsigned calls;

static void check(const struct http_response *response)
{
    bool told = response->failure == HTTP_ANSWERED;
    if (told && (response->status < 200 || response->status > 599 || !response->body)) {
        abort();
    }
}

static void send(struct arena *arena, const struct http_request *request)
{
    struct world_responder responder = sandbox_responder(sandbox);
    struct http_response response;
    int64_t latency_ms;
    responder.http(responder.context, BEGIN_MS + (int64_t)calls * 700, request, &response,
                   &latency_ms);
    check(&response);
    (void)arena;
}

static void send_signed(struct arena *arena, const char *service, const char *target,
                        const char *body, size_t length)
{
    struct sigv4_key key = {.id = "sandbox", .secret = "sandbox"};
    struct http_header headers[8] = {{"X-Amz-Target", target}};
    size_t count = target ? 1 : 0;
    struct sigv4_request to_sign = {.method = "POST",
                                    .host = "aws.example",
                                    .path = "/",
                                    .headers = headers,
                                    .header_count = count,
                                    .body = body,
                                    .body_length = length,
                                    .service = service,
                                    .region = "eu-west-1"};
    struct sigv4_headers added;
    sigv4_sign(arena, &to_sign, &key, BEGIN_MS, &added);
    for (size_t i = 0; i < added.count; i++) {
        headers[count++] = added.items[i];
    }
    struct http_request request = {.method = "POST",
                                   .url = "https://aws.example/",
                                   .headers = headers,
                                   .header_count = count,
                                   .body = body,
                                   .body_length = length};
    send(arena, &request);
}

/* Lines of the text, the first: METHOD PATH, then headers up to an empty line, then the body. */
static char *cut_line(char **rest)
{
    char *line = *rest, *end = strchr(line, '\n');
    *rest = end ? end + 1 : line + strlen(line);
    if (end) {
        *end = '\0';
    }
    return line;
}

static size_t read_headers(char **rest, struct http_header *headers, size_t room)
{
    size_t count = 0;
    while (**rest && count < room) {
        char *line = cut_line(rest), *colon = strchr(line, ':');
        if (!*line) {
            break;
        }
        if (colon) {
            *colon = '\0';
            headers[count++] = (struct http_header){line, colon + 1};
        }
    }
    return count;
}

/* A request to EBS or S3, signed as it is, so that it is the service that has to refuse it. */
static void send_rest(struct arena *arena, const char *service, char *text, size_t length)
{
    static const char *const methods[] = {"GET", "PUT", "POST", "HEAD", "DELETE"};
    enum { GIVEN_MAX = 20 };
    struct http_header headers[GIVEN_MAX + 1 + SIGV4_HEADERS_MAX];
    char *rest = text, *path = cut_line(&rest);
    size_t method = (unsigned char)*path % (sizeof methods / sizeof *methods);
    path += *path != '\0';
    size_t count = read_headers(&rest, headers, GIVEN_MAX);
    const char *query = strchr(path, '?'), *hash = NULL;
    for (size_t i = 0; i < count; i++) {
        hash = strcasecmp(headers[i].name, "x-amz-content-sha256") == 0 ? headers[i].value : hash;
    }
    struct sigv4_key key = {.id = "sandbox", .secret = "sandbox"};
    struct sigv4_request to_sign = {
        .method = methods[method],
        .host = "aws.example",
        .path =
            arena_printf(arena, "/%.*s", (int)(query ? query - path : (long)strlen(path)), path),
        .query = query ? query + 1 : "",
        .headers = headers,
        .header_count = count,
        .body = rest,
        .body_length = length - (size_t)(rest - text),
        .payload_hash = hash,
        .service = service,
        .region = "eu-west-1",
        .s3 = strcmp(service, "s3") == 0};
    struct sigv4_headers added;
    sigv4_sign(arena, &to_sign, &key, BEGIN_MS, &added);
    for (size_t i = 0; i < added.count; i++) {
        headers[count++] = added.items[i];
    }
    struct http_request request = {.method = methods[method],
                                   .url = arena_printf(arena, "https://aws.example/%s", path),
                                   .headers = headers,
                                   .header_count = count,
                                   .body = rest,
                                   .body_length = to_sign.body_length};
    send(arena, &request);
}

/* The second byte chooses the operation, so that the bytes can go to its parameters. */
static void send_operation(struct arena *arena, uint8_t which, const char *text, size_t length)
{
    static const struct {
        const char *service, *name;
    } operations[] = {
#define OPERATION(service, name, handler, bucket, resource, latency_ms) {service, name},
#include "runtime/sandbox/operation.def"
#undef OPERATION
    };
    size_t chosen = which % (sizeof operations / sizeof *operations);
    const char *service = operations[chosen].service, *name = operations[chosen].name;
    enum protocol protocol = protocol_of(service);
    if (protocol == PROTOCOL_REST_JSON || protocol == PROTOCOL_REST_XML) {
        send_rest(arena, service, arena_strndup(arena, text, length), length);
        return;
    }
    if (protocol == PROTOCOL_JSON) {
        send_signed(arena, service, arena_printf(arena, "AmazonSSM.%s", name), text, length);
        return;
    }
    struct buffer body = {0};
    buffer_printf(&body, "Action=%s&", name);
    buffer_append(&body, text, length);
    send_signed(arena, service, NULL, body.data, body.length);
    buffer_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    if (calls++ % RESET_EVERY == 0) {
        sandbox_close(sandbox);
        sandbox = fresh();
    }
    struct arena *arena = arena_create();
    const char *text = arena_strndup(arena, (const char *)data + 2, size - 2);
    struct http_header authorization[2] = {{"Authorization", text}, {"X-Amz-Target", text}};
    struct http_request raw = {
        .method = "POST", .url = "http://127.0.0.1/", .body = data + 2, .body_length = size - 2};
    switch (data[0] % 6) {
    case 0:
        raw.headers = authorization;
        raw.header_count = 1 + data[1] % 2;
        send(arena, &raw);
        break;
    case 1:
        raw.url = text;
        send(arena, &raw);
        break;
    case 4:
        send_rest(arena, "ebs", (char *)text, strlen(text));
        break;
    case 5:
        send_rest(arena, "s3", (char *)text, strlen(text));
        break;
    default:
        send_operation(arena, data[1], (const char *)data + 2, size - 2);
        break;
    }
    arena_destroy(arena);
    return 0;
}
