/* From an HTTP request to its answer: which service it is for, who asks, whether it may go through
 * now, what the operation says, and in which form that is told. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utf8proc.h>

#include "runtime/sandbox/ec2.h"
#include "runtime/sandbox/faults.h"
#include "runtime/sandbox/internal.h"

enum { URL_MAX = 64 << 10, JSON_BODY_MAX = 1 << 20 };

static const char *header_of(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) {
            return request->headers[i].value;
        }
    }
    return NULL;
}

static bool parse_url(struct arena *arena, const char *url, struct target *target)
{
    const char *host = url ? strstr(url, "://") : NULL;
    if (!host || strlen(url) > URL_MAX) {
        return false;
    }
    bool tls = strncmp(url, "https", 5) == 0;
    host += 3;
    size_t length = strcspn(host, "/?#");
    const char *path = host + length;
    const char *query = strchr(path, '?');
    size_t path_length = query ? (size_t)(query - path) : strcspn(path, "#");
    target->host = arena_strndup(arena, host, length);
    target->name = arena_strndup(arena, host, strcspn(target->host, ":"));
    target->path = path_length ? arena_strndup(arena, path, path_length) : "/";
    target->query = query ? arena_strndup(arena, query + 1, strcspn(query + 1, "#")) : "";
    /* The scheme's own port is not part of the Host header. */
    const char *port = tls ? ":443" : ":80";
    size_t name_length = strlen(target->name);
    if (strcmp(target->host + name_length, port) == 0) {
        target->host = target->name;
    }
    return *target->name != '\0';
}

struct request sandbox_own_request(struct sandbox *sandbox, struct arena *arena, int64_t utc_ms)
{
    struct state *state = sandbox->state;
    const char *account = state_setting(state, arena, "account");
    const char *region = state_setting(state, arena, "region");
    struct request r = {
        .arena = arena,
        .state = state,
        .now_ms = utc_ms,
        .seed = sandbox->options.seed,
        .number = state_setting_int(state, "requests", 0) + 1,
        .service = "",
        .operation = "",
        .region = region ? region : "eu-west-1",
        .caller = {.account = account ? account : "111122223333"},
        .query = {.arena = arena},
    };
    r.query.pairs.arena = arena;
    state_set_int(state, "requests", r.number);
    r.id = new_uuid(&r);
    return r;
}

/* "ec2.eu-west-1.amazonaws.com" is for ec2: how an unsigned request is told apart. */
static const char *service_of_host(struct request *r, const char *host)
{
    return arena_strndup(r->arena, host, strcspn(host, "."));
}

static bool is_json(const char *service)
{
    return strcmp(service, "ec2") != 0 && strcmp(service, "sts") != 0;
}

static void choose_service(struct request *r, const struct http_request *request,
                           const struct target *target, struct signature *signature)
{
    if (signature_parse(r->arena, header_of(request, "Authorization"), signature)) {
        r->service = signature->service;
    } else if (header_of(request, "X-Amz-Target")) {
        r->service = "ssm";
    } else {
        r->service = service_of_host(r, target->name);
        if (strcmp(r->service, "sts") != 0 && strcmp(r->service, "ssm") != 0) {
            r->service = "ec2";
        }
    }
}

static bool read_query(struct request *r, const struct http_request *request,
                       const struct target *target)
{
    const char *problem = "";
    if (!query_parse(&r->query, target->query, strlen(target->query), &problem) ||
        !query_parse(&r->query, request->body ? request->body : "", request->body_length,
                     &problem)) {
        return fail(r, 400, "MalformedQueryString", "%s", problem);
    }
    r->operation = query_get(&r->query, "Action");
    if (!r->operation) {
        r->operation = "";
        return fail(r, 400, "MissingAction",
                    "No action was supplied with this request. Please specify one with Action");
    }
    return true;
}

static bool is_utf8(const char *text, size_t length)
{
    while (length) {
        utf8proc_int32_t point;
        utf8proc_ssize_t size =
            utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &point);
        if (size <= 0) {
            return false;
        }
        text += size;
        length -= (size_t)size;
    }
    return true;
}

static bool read_json(struct request *r, const struct http_request *request, cJSON **json)
{
    const char *target = header_of(request, "X-Amz-Target");
    const char *dot = target ? strchr(target, '.') : NULL;
    r->operation = dot ? dot + 1 : "";
    if (request->body_length > JSON_BODY_MAX) {
        return fail(r, 413, "RequestEntityTooLargeException", "The request is larger than 1 MiB");
    }
    const char *body = request->body ? request->body : "";
    *json = is_utf8(body, request->body_length) ? cJSON_ParseWithLength(body, request->body_length)
                                                : NULL;
    r->json = *json;
    if (!cJSON_IsObject(*json)) {
        return fail(r, 400, "SerializationException", "The request is not a JSON object");
    }
    r->writer = json_writer(&r->body, 0);
    return true;
}

static bool check_scope(struct request *r, const struct signature *signature)
{
    const char *region = state_setting(r->state, r->arena, "region");
    if (strcmp(r->service, "sts") == 0) {
        return true;
    }
    if (region && strcmp(region, signature->region) != 0) {
        return is_json(r->service)
                   ? fail(r, 400, "UnrecognizedClientException",
                          "This sandbox holds the region %s, not %s", region, signature->region)
                   : fail(r, 401, "OptInRequired",
                          "You are not subscribed to this service: this sandbox holds the region "
                          "%s, "
                          "not %s",
                          region, signature->region);
    }
    const char *account = state_setting(r->state, r->arena, "account");
    if (account && strcmp(account, r->caller.account) != 0) {
        return is_json(r->service) ? fail(r, 400, "AccessDeniedException",
                                          "User: %s is not authorized to perform: %s:%s",
                                          r->caller.arn, r->service, r->operation)
                                   : fail(r, 403, "UnauthorizedOperation",
                                          "You are not authorized to perform this operation.");
    }
    return true;
}

static const struct operation *find_operation(struct request *r)
{
    const struct operation *operation = operation_find(r->service, r->operation);
    if (operation) {
        return operation;
    }
    if (is_json(r->service)) {
        fail(r, 400, "UnknownOperationException", "%s has no operation %s in the sandbox",
             r->service, r->operation);
    } else {
        fail(r, 400, "InvalidAction", "The action %s is not valid for this web service.",
             r->operation);
    }
    return NULL;
}

/* What a call of a resource bucket costs: instances, not requests. */
static double resources_of(struct request *r, const struct operation *operation)
{
    int64_t count = 1;
    if (operation->resource == BUCKET_NONE) {
        return 0;
    }
    if (strcmp(operation->name, "RunInstances") == 0) {
        parse_int(query_get(&r->query, "MaxCount"), &count);
        return count > 0 && count < 1000 ? (double)count : 1;
    }
    return (double)query_list(&r->query, "InstanceId").count;
}

/* Runs the operation in a transaction of its own: taken back when it fails, or in a dry run. */
static bool run(struct request *r, const struct operation *operation)
{
    bool dry = false;
    if (strcmp(r->service, "ec2") == 0 && !optional_bool(r, "DryRun", &dry)) {
        return false;
    }
    if (!state_begin_operation(r->state)) {
        return false;
    }
    bool ok = operation->handle(r) && !r->failure.code;
    assert(!ok || r->xml.depth == 0);
    state_end_operation(r->state, ok && !dry);
    if (ok && dry) {
        return fail(r, 412, "DryRunOperation",
                    "Request would have succeeded, but DryRun flag is set.");
    }
    return ok;
}

static bool carry_out(struct request *r, const struct http_request *request,
                      const struct target *target, cJSON **json, int64_t *latency_ms)
{
    struct signature signature = {0};
    choose_service(r, request, target, &signature);
    bool read = is_json(r->service) ? read_json(r, request, json) : read_query(r, request, target);
    if (!read || !authenticate(r, request, target, &signature) || !check_scope(r, &signature)) {
        return false;
    }
    r->region = strcmp(r->service, "sts") == 0 ? r->region : signature.region;
    const struct operation *operation = find_operation(r);
    if (!operation) {
        return false;
    }
    *latency_ms = fault_latency_ms(r, operation);
    if (!throttle(r, operation, resources_of(r, operation))) {
        return false;
    }
    if (fault_strikes(r, "error")) {
        return is_json(r->service)
                   ? fail(r, 500, "InternalServerError", "An error occurred on the server side.")
                   : fail(r, 500, "InternalError", "An internal error has occurred");
    }
    return run(r, operation);
}

static const char ec2_namespace[] = "http://ec2.amazonaws.com/doc/2016-11-15/";
static const char sts_namespace[] = "https://sts.amazonaws.com/doc/2011-06-15/";

static void write_xml_failure(struct request *r, struct buffer *out)
{
    struct xml_writer xml = {0};
    bool ec2 = strcmp(r->service, "ec2") == 0;
    buffer_puts(&xml.out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    if (ec2) {
        buffer_puts(&xml.out, "<Response><Errors><Error>");
    } else {
        buffer_printf(&xml.out, "<ErrorResponse xmlns=\"%s\"><Error><Type>Sender</Type>",
                      sts_namespace);
    }
    xml_put(&xml, "Code", r->failure.code);
    xml_put(&xml, "Message", r->failure.message);
    buffer_puts(&xml.out, ec2 ? "</Error></Errors>" : "</Error>");
    xml_put(&xml, ec2 ? "RequestID" : "RequestId", r->id);
    buffer_puts(&xml.out, ec2 ? "</Response>" : "</ErrorResponse>");
    buffer_append(out, xml.out.data, xml.out.length);
    buffer_free(&xml.out);
}

static void write_xml_answer(struct request *r, struct buffer *out)
{
    bool ec2 = strcmp(r->service, "ec2") == 0;
    buffer_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%sResponse xmlns=\"%s\">",
                  r->operation, ec2 ? ec2_namespace : sts_namespace);
    if (ec2) {
        buffer_printf(out, "<requestId>%s</requestId>", r->id);
    } else {
        buffer_printf(out, "<%sResult>", r->operation);
    }
    buffer_append(out, buffer_text(&r->xml.out), r->xml.out.length);
    if (!ec2) {
        buffer_printf(out,
                      "</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>",
                      r->operation, r->id);
    }
    buffer_printf(out, "</%sResponse>", r->operation);
}

static void write_json_failure(struct request *r, struct buffer *out)
{
    struct json_writer json = json_writer(out, 0);
    bool valid = is_utf8(r->failure.message, strlen(r->failure.message));
    json_begin_object(&json);
    json_key_string(&json, "__type", r->failure.code);
    json_key_string(&json, "message", valid ? r->failure.message : "The request is malformed");
    json_end_object(&json);
}

static void write_answer(struct sandbox *sandbox, struct request *r, struct http_response *response)
{
    bool json = is_json(r->service), failed = r->failure.code != NULL;
    buffer_clear(&sandbox->body);
    if (json && failed) {
        write_json_failure(r, &sandbox->body);
    } else if (json) {
        buffer_append(&sandbox->body, buffer_text(&r->body), r->body.length);
    } else if (failed) {
        write_xml_failure(r, &sandbox->body);
    } else {
        write_xml_answer(r, &sandbox->body);
    }
    sandbox->headers[0] = (struct http_header){"Content-Type", json ? "application/x-amz-json-1.1"
                                                                    : "text/xml;charset=UTF-8"};
    sandbox->headers[1] = (struct http_header){"x-amzn-RequestId", r->id};
    response->failure = HTTP_ANSWERED;
    response->status = failed ? r->failure.status : 200;
    response->headers = sandbox->headers;
    response->header_count = 2;
    response->body = buffer_text(&sandbox->body);
    response->body_length = sandbox->body.length;
}

/* What was asked how often, and what came of it: for tests and `drc sandbox show`. */
static void count_request(struct request *r)
{
    const char *known = operation_find(r->service, r->operation) ? r->operation : "?";
    state_run(
        r->state,
        "INSERT INTO requests VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
        "sss", is_json(r->service) ? "ssm" : r->service, known,
        r->failure.code ? r->failure.code : "");
}

static void answer_aws(struct sandbox *sandbox, struct request *r,
                       const struct http_request *request, const struct target *target,
                       struct http_response *response, int64_t *latency_ms)
{
    cJSON *json = NULL;
    if (!carry_out(r, request, target, &json, latency_ms) && !r->failure.code) {
        fail(r, 500, "InternalError", "The sandbox's state failed: %s", state_failure(r->state));
    }
    if (state_failed(r->state)) {
        fail(r, 500, "InternalError", "The sandbox's state failed: %s", state_failure(r->state));
    }
    count_request(r);
    bool lost = r->failure.code == NULL && fault_strikes(r, "lost");
    write_answer(sandbox, r, response);
    if (lost) {
        *response = (struct http_response){.failure = HTTP_BROKEN,
                                           .failure_text = "the answer was lost (fault injected)"};
    }
    cJSON_Delete(json);
    buffer_free(&r->xml.out);
    buffer_free(&r->body);
}

static void answer(struct sandbox *sandbox, int64_t utc_ms, const struct http_request *request,
                   struct http_response *response, int64_t *latency_ms)
{
    struct target target = {0};
    uint32_t address;
    struct request r = sandbox_own_request(sandbox, sandbox->arena, utc_ms);
    if (!parse_url(r.arena, request->url, &target)) {
        *response =
            (struct http_response){.failure = HTTP_UNREACHABLE, .failure_text = "not a URL"};
    } else if (fault(&r, "unavailable") > 0) {
        *latency_ms = 60000;
        *response = (struct http_response){.failure = HTTP_TIMED_OUT,
                                           .failure_text = "no answer (fault injected)"};
    } else if (parse_address(target.name, &address) && address >> 24 != 127) {
        guest_http(&r, target.name, response, latency_ms);
    } else {
        answer_aws(sandbox, &r, request, &target, response, latency_ms);
    }
}

void sandbox_answer(struct sandbox *sandbox, int64_t utc_ms, const struct http_request *request,
                    struct http_response *response, int64_t *latency_ms)
{
    arena_destroy(sandbox->arena);
    sandbox->arena = arena_create();
    *response = (struct http_response){0};
    *latency_ms = 1;
    bool begun = state_begin(sandbox->state);
    if (begun) {
        answer(sandbox, utc_ms, request, response, latency_ms);
    }
    if (!begun || !state_end(sandbox->state, true)) {
        const char *why = arena_printf(sandbox->arena, "the sandbox's database: %s",
                                       state_failure(sandbox->state));
        *response = (struct http_response){.failure = HTTP_BROKEN, .failure_text = why};
    }
}
