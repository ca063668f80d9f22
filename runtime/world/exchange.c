#include "runtime/world/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

enum {
    TIMEOUT_MS = 60000,
    CONNECT_TIMEOUT_MS = 10000,
    MESSAGE_TIMEOUT_MS = 5000,
    RESPONSE_MAX = 64 << 20,
    CHUNK = 16384, /* streamed bodies come in pieces, as from curl */
};

static int64_t timeout_of(const struct http_request *request)
{
    return request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS;
}

static void keep_headers(struct exchange *exchange, const struct http_response *answer)
{
    struct http_header *headers = base_alloc(answer->header_count * sizeof *headers);
    for (size_t i = 0; i < answer->header_count; i++) {
        headers[i].name = base_strdup(answer->headers[i].name);
        headers[i].value = base_strdup(answer->headers[i].value);
    }
    exchange->response.headers = headers;
    exchange->response.header_count = answer->header_count;
}

static void keep_body(struct exchange *exchange, const char *body, size_t length)
{
    char *copy = base_alloc(length + 1);
    if (length > 0) {
        memcpy(copy, body, length);
    }
    exchange->response.body = copy;
    exchange->response.body_length = length;
}

/* Streamed bodies may be of any size: they are not collected. */
static bool too_large(const struct http_request *request, const struct http_response *answer)
{
    size_t max = request->response_max ? request->response_max : RESPONSE_MAX;
    return !request->on_body && answer->body_length > max;
}

static void keep_answer(struct exchange *exchange, const struct http_response *answer)
{
    exchange->response.failure = answer->failure;
    exchange->response.status = answer->status;
    bool large = answer->failure == HTTP_ANSWERED && too_large(exchange->request, answer);
    const char *text = large ? "the answer is larger than allowed" : answer->failure_text;
    exchange->response.failure_text = text ? base_strdup(text) : NULL;
    if (large) {
        exchange->response.failure = HTTP_TOO_LARGE;
        keep_body(exchange, "", 0);
    } else {
        keep_headers(exchange, answer);
        keep_body(exchange, answer->body, answer->body_length);
    }
}

void exchange_fail(struct exchange *exchange, const struct http_request *request,
                   enum http_failure failure, const char *text, int64_t delay_ms)
{
    int64_t limit_ms = timeout_of(request);
    exchange->request = request;
    exchange->response.failure = failure;
    exchange->response.failure_text = base_strdup(text);
    exchange->delay_ms = failure == HTTP_TIMED_OUT || delay_ms > limit_ms ? limit_ms : delay_ms;
    keep_body(exchange, "", 0);
}

static void time_out(struct exchange *exchange, const struct http_request *request)
{
    char text[64];
    snprintf(text, sizeof text, "no answer within %.3g s", (double)timeout_of(request) / 1000);
    exchange_fail(exchange, request, HTTP_TIMED_OUT, text, 0);
}

void exchange_ask(struct exchange *exchange, const struct world_responder *responder,
                  int64_t utc_ms, const struct http_request *request, int64_t extra_latency_ms)
{
    struct http_response answer = {0};
    int64_t latency_ms = 0;
    if (!responder->http) {
        exchange_fail(exchange, request, HTTP_UNREACHABLE, "no route to host", 0);
        return;
    }
    responder->http(responder->context, utc_ms, request, &answer, &latency_ms);
    latency_ms += extra_latency_ms;
    if (latency_ms >= timeout_of(request)) {
        time_out(exchange, request);
        return;
    }
    exchange->request = request;
    exchange->delay_ms = latency_ms < 0 ? 0 : latency_ms;
    keep_answer(exchange, &answer);
}

void exchange_answer(struct exchange *exchange, const struct http_request *request, int status,
                     const char *body, int64_t delay_ms)
{
    struct http_response answer = {.status = status, .body = body, .body_length = strlen(body)};
    exchange->request = request;
    exchange->delay_ms = delay_ms;
    keep_answer(exchange, &answer);
}

/* False when the receiver wanted no more. */
static bool stream(struct exchange *exchange)
{
    const struct http_response *response = &exchange->response;
    for (size_t at = 0; at < response->body_length && !exchange->cancelled; at += CHUNK) {
        size_t left = response->body_length - at;
        if (!exchange->request->on_body(exchange->request->body_context, response->body + at,
                                        left < CHUNK ? left : CHUNK)) {
            return false;
        }
    }
    return true;
}

void exchange_deliver(struct exchange *exchange, world_http_callback callback, void *context)
{
    struct http_response told = exchange->response;
    bool streams = exchange->request->on_body && told.failure == HTTP_ANSWERED &&
                   told.status >= 200 && told.status < 300;
    if (streams) {
        if (!stream(exchange)) {
            told.failure = HTTP_BROKEN;
            told.failure_text = "the receiver gave up";
        }
        told.body = "";
        told.body_length = 0;
    }
    if (!exchange->cancelled) {
        callback(context, &told);
    }
}

void exchange_clear(struct exchange *exchange)
{
    struct http_response *response = &exchange->response;
    for (size_t i = 0; i < response->header_count; i++) {
        free((char *)response->headers[i].name);
        free((char *)response->headers[i].value);
    }
    free((struct http_header *)response->headers);
    free((char *)response->body);
    free((char *)response->failure_text);
    *exchange = (struct exchange){0};
}

char *exchange_connect(const struct world_responder *responder, int64_t utc_ms, const char *host,
                       int port, int64_t timeout_ms, int64_t *delay_ms)
{
    const char *failure = "no route to host";
    int64_t latency_ms = 0;
    timeout_ms = timeout_ms > 0 ? timeout_ms : CONNECT_TIMEOUT_MS;
    if (responder->connect) {
        failure = NULL;
        responder->connect(responder->context, utc_ms, host, port, &failure, &latency_ms);
    }
    if (latency_ms >= timeout_ms) {
        *delay_ms = timeout_ms;
        return base_strdup("timed out");
    }
    *delay_ms = latency_ms < 0 ? 0 : latency_ms;
    return failure ? base_strdup(failure) : NULL;
}

void message_exchange_silence(struct message_exchange *exchange, const struct message_request *request)
{
    message_exchange_clear(exchange);
    exchange->failure = base_strdup("timed out");
    exchange->delay_ms = request->timeout_ms > 0 ? request->timeout_ms : MESSAGE_TIMEOUT_MS;
}

void message_exchange_ask(struct message_exchange *exchange, const struct world_responder *responder,
                          int64_t utc_ms, const struct message_request *request,
                          int64_t extra_latency_ms)
{
    const char *failure = responder->message ? NULL : "no route to host";
    const void *bytes = NULL;
    size_t length = 0;
    int64_t latency_ms = 0, limit_ms = request->timeout_ms > 0 ? request->timeout_ms : MESSAGE_TIMEOUT_MS;
    if (responder->message) {
        responder->message(responder->context, utc_ms, request, &failure, &bytes, &length, &latency_ms);
    }
    latency_ms += extra_latency_ms;
    if (latency_ms >= limit_ms || (!failure && length == 0)) {
        message_exchange_silence(exchange, request);
        return;
    }
    exchange->delay_ms = latency_ms < 0 ? 0 : latency_ms;
    exchange->failure = failure ? base_strdup(failure) : NULL;
    if (!failure) {
        exchange->bytes = base_alloc(length);
        memcpy(exchange->bytes, bytes, length);
        exchange->length = length;
    }
}

void message_exchange_clear(struct message_exchange *exchange)
{
    free(exchange->failure);
    free(exchange->bytes);
    *exchange = (struct message_exchange){0};
}
