/* From an HTTP request to its answer: which service it is for, who asks, whether it may go through
 * now, and what the operation says. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/ec2.h"
#include "runtime/sandbox/faults.h"
#include "runtime/sandbox/internal.h"

enum { URL_MAX = 64 << 10, JSON_BODY_MAX = 1 << 20 };

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
        .blobs = sandbox->blobs,
        .signing = &sandbox->signing,
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

/* "ec2.eu-west-1.amazonaws.com" is for ec2, "bucket.s3.eu-west-1.amazonaws.com" for s3: how an
 * unsigned request is told apart. */
static const char *service_of_host(struct request *r, const char *host)
{
    static const char *const known[] = {"sts", "ssm",     "ebs",
                                        "s3",  "kms",     "route53",
                                        "elasticloadbalancing"};
    const char *name =
        strstr(host, ".s3.") ? "s3" : arena_strndup(r->arena, host, strcspn(host, "."));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i], name) == 0) {
            return known[i];
        }
    }
    return "ec2";
}

static void choose_service(struct request *r, const struct target *target,
                           struct signature *signature)
{
    if (signature_parse(r->arena, header_of(r, "Authorization"), signature)) {
        r->service = signature->service;
    } else if (header_of(r, "X-Amz-Target")) {
        r->service = "ssm";
    } else {
        r->service = service_of_host(r, target->name);
    }
    r->protocol = protocol_of(r->service);
}

static bool parse_query(struct request *r, const char *text, size_t length)
{
    const char *problem = "";
    return query_parse(&r->query, text, length, &problem) ||
           fail(r, 400,
                r->protocol == PROTOCOL_REST_XML    ? "InvalidArgument"
                : r->protocol == PROTOCOL_REST_JSON ? "ValidationException"
                                                    : "MalformedQueryString",
                "%s", problem);
}

static bool read_form(struct request *r, const struct target *target)
{
    const struct arrival *arrival = r->arrival;
    if (!parse_query(r, target->query, strlen(target->query)) ||
        !parse_query(r, arrival->payload, arrival->payload_length)) {
        return false;
    }
    r->operation = query_get(&r->query, "Action");
    if (!r->operation) {
        r->operation = "";
        return fail(r, 400, "MissingAction",
                    "No action was supplied with this request. Please specify one with Action");
    }
    return true;
}

static bool read_json(struct request *r, cJSON **json)
{
    const char *body = r->arrival->payload;
    size_t length = r->arrival->payload_length;
    if (length > JSON_BODY_MAX) {
        return fail(r, 413, "RequestEntityTooLargeException", "The request is larger than 1 MiB");
    }
    *json = is_utf8(body, length) ? cJSON_ParseWithLength(body, length) : NULL;
    r->json = *json;
    return cJSON_IsObject(*json) ||
           fail(r, 400, "SerializationException", "The request is not a JSON object");
}

static bool read_targeted(struct request *r, cJSON **json)
{
    const char *target = header_of(r, "X-Amz-Target");
    const char *dot = target ? strchr(target, '.') : NULL;
    r->operation = dot ? dot + 1 : "";
    r->writer = json_writer(&r->body, 0);
    return read_json(r, json);
}

static bool read_rest(struct request *r, const struct target *target, cJSON **json)
{
    r->writer = json_writer(&r->body, 0);
    r->answer.told_length = -1;
    const char *operation = rest_operation(r, r->arrival->http->method, target->name, target->path);
    r->operation = operation ? operation : "";
    return operation && parse_query(r, target->query, strlen(target->query)) &&
           (strcmp(operation, "StartSnapshot") != 0 || read_json(r, json));
}

/* What the request means, as far as its form says. */
static bool read_request(struct request *r, const struct target *target, cJSON **json)
{
    switch (r->protocol) {
    case PROTOCOL_QUERY:
        return read_form(r, target);
    case PROTOCOL_JSON:
        return read_targeted(r, json);
    case PROTOCOL_REST_JSON:
    case PROTOCOL_REST_XML:
    case PROTOCOL_ROUTE53:
        break;
    }
    return read_rest(r, target, json);
}

static bool refuse_region(struct request *r, const char *held, const char *asked)
{
    switch (r->protocol) {
    case PROTOCOL_QUERY:
        return fail(r, 401, "OptInRequired",
                    "You are not subscribed to this service: this sandbox holds the region %s, "
                    "not %s",
                    held, asked);
    case PROTOCOL_REST_XML:
        r->failure.region = held;
        return fail(r, 400, "AuthorizationHeaderMalformed",
                    "The authorization header is malformed; the region '%s' is wrong; expecting "
                    "'%s'",
                    asked, held);
    case PROTOCOL_JSON:
    case PROTOCOL_REST_JSON:
    case PROTOCOL_ROUTE53:
        break;
    }
    return fail(r, 400, "UnrecognizedClientException", "This sandbox holds the region %s, not %s",
                held, asked);
}

static bool refuse_account(struct request *r)
{
    switch (r->protocol) {
    case PROTOCOL_QUERY:
        return fail(r, 403, "UnauthorizedOperation",
                    "You are not authorized to perform this operation.");
    case PROTOCOL_REST_XML:
        return fail(r, 403, "AccessDenied", "Access Denied");
    case PROTOCOL_JSON:
    case PROTOCOL_REST_JSON:
    case PROTOCOL_ROUTE53:
        break;
    }
    r->failure.reason = "UNAUTHORIZED_ACCOUNT";
    return fail(r, r->protocol == PROTOCOL_JSON ? 400 : 403, "AccessDeniedException",
                "User: %s is not authorized to perform: %s:%s", r->caller.arn, r->service,
                r->operation);
}

static bool check_scope(struct request *r, const struct signature *signature)
{
    const char *region = state_setting(r->state, r->arena, "region");
    if (strcmp(r->service, "sts") == 0) {
        return true;
    }
    /* Zones of any account, for all regions; boto3 signs for its own one where its endpoint is named. */
    if (r->protocol == PROTOCOL_ROUTE53) {
        return true;
    }
    if (region && strcmp(region, signature->region) != 0) {
        return refuse_region(r, region, signature->region);
    }
    const char *account = state_setting(r->state, r->arena, "account");
    return !account || strcmp(account, r->caller.account) == 0 || refuse_account(r);
}

static const struct operation *find_operation(struct request *r)
{
    const struct operation *operation = operation_find(r->service, r->operation);
    if (operation) {
        return operation;
    }
    switch (r->protocol) {
    case PROTOCOL_QUERY:
        fail(r, 400, "InvalidAction", "The action %s is not valid for this web service.",
             r->operation);
        break;
    case PROTOCOL_JSON:
        fail(r, 400, "UnknownOperationException", "%s has no operation %s in the sandbox",
             r->service, r->operation);
        break;
    case PROTOCOL_REST_JSON:
        fail(r, 404, "UnknownOperationException", "The sandbox has no such operation of EBS");
        break;
    case PROTOCOL_ROUTE53:
        fail(r, 404, "UnknownOperationException", "The sandbox has no such operation of Route 53");
        break;
    case PROTOCOL_REST_XML:
        fail(r, 501, "NotImplemented",
             "A header or query you provided implies functionality that is not implemented: the "
             "sandbox has no such operation of S3");
        break;
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

/* A failure of the service's own making. */
static bool break_down(struct request *r)
{
    switch (r->protocol) {
    case PROTOCOL_QUERY:
        return fail(r, 500, "InternalError", "An internal error has occurred");
    case PROTOCOL_JSON:
        return fail(r, 500, "InternalServerError", "An error occurred on the server side.");
    case PROTOCOL_REST_JSON:
        return fail(r, 500, "InternalServerException", "An internal error has occurred.");
    case PROTOCOL_ROUTE53:
        return fail(r, 500, "InternalFailure", "An internal failure has occurred.");
    case PROTOCOL_REST_XML:
        break;
    }
    return draw(r) % 2 ? fail(r, 503, "SlowDown", "Please reduce your request rate.")
                       : fail(r, 500, "InternalError",
                              "We encountered an internal error. Please try again.");
}

static bool carry_out(struct request *r, const struct target *target, cJSON **json,
                      int64_t *latency_ms)
{
    struct signature signature = {0};
    choose_service(r, target, &signature);
    if (!read_request(r, target, json) || !authenticate(r, target, &signature) ||
        !check_scope(r, &signature)) {
        return false;
    }
    bool is_global = strcmp(r->service, "sts") == 0 || r->protocol == PROTOCOL_ROUTE53;
    r->region = is_global ? r->region : signature.region;
    const struct operation *operation = find_operation(r);
    if (!operation) {
        return false;
    }
    *latency_ms = fault_latency_ms(r, operation);
    if (!throttle(r, operation, resources_of(r, operation))) {
        return false;
    }
    return fault_strikes(r, "error") ? break_down(r) : run(r, operation);
}

/* What was asked how often, and what came of it: for tests and `drc sandbox show`. */
static void count_request(struct request *r)
{
    const char *known = operation_find(r->service, r->operation) ? r->operation : "?";
    state_run(
        r->state,
        "INSERT INTO requests VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
        "sss", strcmp(known, "?") == 0 && r->protocol == PROTOCOL_JSON ? "ssm" : r->service, known,
        r->failure.code ? r->failure.code : "");
}

static void answer_aws(struct sandbox *sandbox, struct request *r, const struct target *target,
                       struct http_response *response, int64_t *latency_ms)
{
    cJSON *json = NULL;
    if (!carry_out(r, target, &json, latency_ms) && !r->failure.code) {
        fail(r, 500, "InternalError", "The sandbox's state failed: %s", state_failure(r->state));
    }
    if (state_failed(r->state)) {
        fail(r, 500, "InternalError", "The sandbox's state failed: %s", state_failure(r->state));
    }
    count_request(r);
    bool lost = r->failure.code == NULL && fault_strikes(r, "lost");
    write_answer(sandbox, r, response);
    if (lost) {
        sandbox->answer = (struct answer){0};
        *response = (struct http_response){.failure = HTTP_BROKEN,
                                           .failure_text = "the answer was lost (fault injected)"};
    }
    cJSON_Delete(json);
    buffer_free(&r->xml.out);
    buffer_free(&r->body);
}

/* AWS is asked at 127.0.0.1, where it is served; with guests, there may be instances elsewhere in
 * 127.0.0.0/8. */
static bool is_guest(struct request *r, const struct target *target, uint32_t address)
{
    return address >> 24 != 127 ||
           (strcmp(target->name, "127.0.0.1") != 0 && instance_by_address(r, target->name) != NULL);
}

static void answer(struct sandbox *sandbox, int64_t utc_ms, const struct arrival *arrival,
                   struct http_response *response, int64_t *latency_ms)
{
    struct target target = {0};
    uint32_t address;
    struct request r = sandbox_own_request(sandbox, sandbox->arena, utc_ms);
    r.arrival = arrival;
    if (!parse_url(r.arena, arrival->http->url, &target)) {
        *response =
            (struct http_response){.failure = HTTP_UNREACHABLE, .failure_text = "not a URL"};
    } else if (fault(&r, "unavailable") > 0) {
        *latency_ms = 60000;
        *response = (struct http_response){.failure = HTTP_TIMED_OUT,
                                           .failure_text = "no answer (fault injected)"};
    } else if (parse_address(target.name, &address) && is_guest(&r, &target, address)) {
        guest_http(&r, target.name, response, latency_ms);
    } else {
        answer_aws(sandbox, &r, &target, response, latency_ms);
    }
}

void sandbox_answer(struct sandbox *sandbox, int64_t utc_ms, const struct arrival *arrival,
                    struct http_response *response, int64_t *latency_ms)
{
    arena_destroy(sandbox->arena);
    sandbox->arena = arena_create();
    sandbox->answer = (struct answer){0};
    *response = (struct http_response){0};
    *latency_ms = 1;
    bool begun = state_begin(sandbox->state);
    if (begun) {
        answer(sandbox, utc_ms, arrival, response, latency_ms);
    }
    if (!begun || !state_end(sandbox->state, true)) {
        const char *why = arena_printf(sandbox->arena, "the sandbox's database: %s",
                                       state_failure(sandbox->state));
        sandbox->answer = (struct answer){0};
        *response = (struct http_response){.failure = HTTP_BROKEN, .failure_text = why};
    }
}
