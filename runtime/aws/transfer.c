#include "runtime/aws/transfer.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/redactor.h"

/* A page of a thousand instances has some MiB; parsed, an answer takes many times its size. */
enum { OWN_HEADERS_MAX = 4, XML_MAX = 32 << 20, JSON_MAX = 4 << 20, RAW_MAX = 64 << 20 };

static size_t response_max(const struct transfer_request *request)
{
    enum aws_protocol protocol = aws_service_info(request->service)->protocol;
    bool xml = protocol == AWS_PROTOCOL_QUERY || protocol == AWS_PROTOCOL_REST_XML;
    return request->rest.response_max ? request->rest.response_max
           : request->rest.raw        ? RAW_MAX
           : xml                      ? XML_MAX
                                      : JSON_MAX;
}

/* What is no answer of AWS's is looked for where the request went. */
static void name_endpoint(const struct transfer *transfer, struct aws_answer *answer)
{
    if (answer->outcome != OUTCOME_OK && !answer->error.code) {
        answer->error.message =
            arena_printf(transfer->arena, "%s (%s)", answer->error.message, transfer->http.url);
    }
}

static const char *without_secrets(struct transfer *transfer, const char *text, size_t *length)
{
    return redactor_text(world_redactor(transfer->world), transfer->arena, text, length);
}

/* A service may echo what it was sent, a token among it. Here everything that it says passes, before
 * it is cut, decoded, or becomes anybody's detail. But bytes that were asked for as such are
 * nobody's words, and half a MiB of them is not looked through. */
static struct http_response redacted(struct transfer *transfer,
                                     const struct http_response *response)
{
    struct http_response clean = *response;
    struct http_header *headers =
        ARENA_ARRAY(transfer->arena, struct http_header, response->header_count);
    clean.failure_text = without_secrets(transfer, response->failure_text, NULL);
    if (!transfer->request.rest.raw || response->status / 100 != 2) {
        clean.body = without_secrets(transfer, response->body, &clean.body_length);
    }
    for (size_t i = 0; i < response->header_count; i++) {
        headers[i].name = response->headers[i].name;
        headers[i].value = without_secrets(transfer, response->headers[i].value, NULL);
    }
    clean.headers = headers;
    return clean;
}

static void on_response(void *context, const struct http_response *said)
{
    struct transfer *transfer = context;
    struct aws_answer answer = {0};
    transfer->task = NULL;
    struct http_response clean = redacted(transfer, said);
    const struct http_response *response = &clean;
    const struct transfer_request *request = &transfer->request;
    struct aws_question question = {request->service, request->operation, request->changes,
                                    request->rest.raw};
    aws_answer_read(transfer->arena, &question, response, &answer);
    name_endpoint(transfer, &answer);
    /* The transfer may be gone after this. */
    transfer->callback(transfer->context, &answer);
}

static size_t protocol_headers(struct transfer *transfer, struct http_header *headers)
{
    const struct aws_service_info *info = aws_service_info(transfer->request.service);
    size_t count = 0;
    if (info->protocol == AWS_PROTOCOL_QUERY) {
        headers[count++] = (struct http_header){"Content-Type",
                                                "application/x-www-form-urlencoded; charset=utf-8"};
    } else if (info->protocol == AWS_PROTOCOL_JSON) {
        headers[count++] = (struct http_header){"Content-Type", "application/x-amz-json-1.1"};
        headers[count++] = (struct http_header){
            "X-Amz-Target",
            arena_printf(transfer->arena, "%s.%s", info->version, transfer->request.operation)};
    }
    return count;
}

static void fill_headers(struct transfer *transfer, const struct aws_endpoint *endpoint,
                         const char *path)
{
    const struct transfer_request *request = &transfer->request;
    struct http_header *headers =
        ARENA_ARRAY(transfer->arena, struct http_header,
                    request->rest.header_count + OWN_HEADERS_MAX + SIGV4_HEADERS_MAX);
    size_t count = protocol_headers(transfer, headers);
    for (size_t i = 0; i < request->rest.header_count; i++) {
        headers[count++] = request->rest.headers[i];
    }
    if (request->key) {
        struct sigv4_request to_sign = {.method = transfer->http.method,
                                        .host = endpoint->host,
                                        .path = path,
                                        .query = request->rest.query,
                                        .headers = headers,
                                        .header_count = count,
                                        .body = request->body,
                                        .body_length = request->body_length,
                                        .payload_hash = request->rest.payload_hash,
                                        .service = aws_service_info(request->service)->name,
                                        .region =
                                            aws_signing_region(request->service, request->region),
                                        .memory = request->memory,
                                        .s3 = request->service == AWS_SERVICE_S3};
        struct sigv4_headers signature;
        sigv4_sign(transfer->arena, &to_sign, request->key,
                   world_utc_ms(transfer->world) + request->skew_ms, &signature);
        memcpy(headers + count, signature.items, signature.count * sizeof *headers);
        count += signature.count;
    }
    headers[count++] = (struct http_header){"User-Agent", "drc/" DRC_VERSION};
    transfer->http.headers = headers;
    transfer->http.header_count = count;
}

static const char *method_of(const struct transfer_request *request)
{
    enum aws_protocol protocol = aws_service_info(request->service)->protocol;
    bool rest = protocol == AWS_PROTOCOL_REST_JSON || protocol == AWS_PROTOCOL_REST_XML;
    return request->rest.method ? request->rest.method : rest ? "GET" : "POST";
}

bool transfer_send(struct transfer *transfer, struct arena *arena,
                   const struct aws_settings *settings, const struct transfer_request *request,
                   transfer_callback callback, void *context, struct error *error)
{
    const struct aws_rest *rest = &request->rest;
    struct aws_endpoint endpoint;
    if (rest->bucket
            ? !aws_bucket_endpoint(settings, request->region, rest->bucket, rest->path_style,
                                   &endpoint, error)
            : !aws_endpoint(settings, request->service, request->region, &endpoint, error)) {
        return false;
    }
    *transfer = (struct transfer){.world = settings->world,
                                  .arena = arena,
                                  .request = *request,
                                  .callback = callback,
                                  .context = context};
    const char *path = rest->path ? rest->path : "/";
    const char *query = rest->query ? rest->query : "";
    transfer->http = (struct http_request){
        .method = method_of(request),
        .url = arena_printf(arena, "%s%s%s%s", endpoint.url, path, *query ? "?" : "", query),
        .body = request->body,
        .body_length = request->body_length,
        .timeout_ms = request->timeout_ms,
        .response_max = response_max(request),
        .ca_file = endpoint.ca_file};
    fill_headers(transfer, &endpoint, arena_printf(arena, "%s%s", endpoint.path, path));
    transfer->task = world_http(transfer->world, &transfer->http, on_response, transfer);
    return true;
}

void transfer_cancel(struct transfer *transfer)
{
    if (transfer->task) {
        world_cancel(transfer->world, transfer->task);
        transfer->task = NULL;
    }
}
