#include "tests/unit/support/canned_aws.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/world/simulated.h"
#include "tests/unit/support/cmocka_all.h"

static const char *keep_request(struct canned *canned, const struct http_request *request)
{
    size_t from = canned->log.length;
    buffer_printf(&canned->log, "== %zu\n%s %s\n", ++canned->requests, request->method,
                  request->url);
    for (size_t i = 0; i < request->header_count; i++) {
        buffer_printf(&canned->log, "%s: %s\n", request->headers[i].name,
                      request->headers[i].value);
    }
    buffer_putc(&canned->log, '\n');
    buffer_append(&canned->log, request->body ? request->body : "", request->body_length);
    buffer_putc(&canned->log, '\n');
    return canned->log.data + from;
}

static const struct canned_answer *choose(struct canned *canned, const char *request)
{
    for (size_t i = 0; i < canned->count; i++) {
        if (canned->script[i].any_order && strstr(request, canned->script[i].expect)) {
            return &canned->script[i];
        }
    }
    while (canned->next < canned->count && canned->script[canned->next].any_order) {
        canned->next++;
    }
    if (canned->next == canned->count) {
        fail_msg("a request that nobody expects: %s", request);
    }
    const struct canned_answer *answer = &canned->script[canned->next++];
    if (!strstr(request, answer->expect)) {
        fail_msg("expected \"%s\" in: %s", answer->expect, request);
    }
    return answer;
}

static void respond(void *context, int64_t utc_ms, const struct http_request *request,
                    struct http_response *response, int64_t *latency_ms)
{
    (void)utc_ms;
    struct canned *canned = context;
    const struct canned_answer *answer = choose(canned, keep_request(canned, request));
    const char *body = answer->body ? answer->body : "";
    *latency_ms = answer->latency_ms ? answer->latency_ms : 10;
    *response = (struct http_response){.failure = answer->failure,
                                       .failure_text = "as scripted",
                                       .status = answer->status ? answer->status : 200,
                                       .headers = canned->headers,
                                       .body = body,
                                       .body_length = answer->body_length ? answer->body_length
                                                                          : strlen(body)};
    const struct http_header told[] = {{"Date", answer->date},
                                       {"ETag", answer->etag},
                                       {"x-amz-checksum-crc32", answer->crc32},
                                       {"x-amz-bucket-region", answer->bucket_region},
                                       {"x-amz-Checksum", answer->checksum}};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        if (told[i].value) {
            canned->headers[response->header_count++] = told[i];
        }
    }
}

static void refuse_dial(void *context, int64_t utc_ms, const char *host, int port,
                        const char **failure, int64_t *latency_ms)
{
    (void)context, (void)utc_ms, (void)host, (void)port;
    *failure = "nobody is there";
    *latency_ms = 1;
}

struct canned *canned_create(const struct canned_answer *script, size_t count)
{
    struct canned *canned = base_alloc(sizeof *canned);
    canned->arena = arena_create();
    canned->script = script;
    canned->count = count;
    canned->world = world_simulated_create(
        1, parse_time("2026-11-22T10:00:00Z"),
        (struct world_responder){.context = canned, .http = respond, .connect = refuse_dial});
    world_simulated_set_environment(canned->world, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    world_simulated_set_environment(canned->world, "AWS_SECRET_ACCESS_KEY", "secret");
    world_simulated_set_environment(canned->world, "AWS_EC2_METADATA_DISABLED", "true");
    return canned;
}

static void check_used_up(const struct canned *canned)
{
    for (size_t i = canned->next; i < canned->count; i++) {
        if (!canned->script[i].any_order) {
            fail_msg("nobody asked for \"%s\"", canned->script[i].expect);
        }
    }
}

void canned_script(struct canned *canned, const struct canned_answer *script, size_t count)
{
    check_used_up(canned);
    canned->script = script;
    canned->count = count;
    canned->next = 0;
}

void canned_destroy(struct canned *canned)
{
    check_used_up(canned);
    assert_int_equal(world_simulated_pending(canned->world), 0);
    world_destroy(canned->world);
    buffer_free(&canned->log);
    arena_destroy(canned->arena);
    free(canned);
}

struct aws_client *canned_client(struct canned *canned)
{
    struct aws_client_options options = {.world = canned->world, .region = "eu-west-1"};
    struct error error = {0};
    struct aws_client *client = aws_client_create(&options, &error);
    if (!client) {
        fail_msg("no client: %s", error.message);
    }
    return client;
}

struct aws *canned_aws(struct canned *canned)
{
    struct aws_options options = {.world = canned->world, .region = "eu-west-1"};
    struct error error = {0};
    struct aws *aws = aws_create(&options, &error);
    if (!aws) {
        fail_msg("no aws: %s", error.message);
    }
    return aws;
}

struct pending {
    struct canned *canned;
    struct call *calls;
    struct canned_result *results;
    size_t open;
    bool idle;
};

static const char *kept(struct canned *canned, const char *text)
{
    return text ? arena_strdup(canned->arena, text) : NULL;
}

static void on_done(void *context, struct call *call, const struct call_result *result)
{
    struct pending *pending = context;
    struct canned *canned = pending->canned;
    struct canned_result *out = &pending->results[call - pending->calls];
    *out = (struct canned_result){.outcome = result->outcome,
                                  .code = kept(canned, result->error.code),
                                  .message = kept(canned, result->error.message),
                                  .help = kept(canned, result->error.help),
                                  .gone = result->error.gone,
                                  .output_count = result->output_count,
                                  .requests = result->requests,
                                  .told_gate = result->told_gate};
    for (size_t i = 0; i < result->output_count; i++) {
        out->outputs[i][0] = kept(canned, result->outputs[i].name);
        out->outputs[i][1] = kept(canned, result->outputs[i].value);
    }
    pending->idle = --pending->open == 0;
}

void canned_run(struct canned *canned, struct aws *aws, enum canned_what what, enum action action,
                const struct canned_call *calls, size_t n, struct canned_result *results)
{
    static struct graph_vm vm = {.name = "db", .critical = true};
    struct graph graph = {
        .plan_name = "shop", .workflow = WORKFLOW_FAILOVER, .vms = &vm, .vm_count = 1};
    struct call *made = ARENA_ARRAY(canned->arena, struct call, n);
    struct call **list = ARENA_ARRAY(canned->arena, struct call *, n);
    for (size_t i = 0; i < n; i++) {
        struct graph_node *node = ARENA_NEW(canned->arena, struct graph_node);
        enum action own = calls[i].action;
        *node = (struct graph_node){.id = calls[i].node, .action = own ? own : action, .vm = 0};
        made[i] = (struct call){.graph = &graph,
                                .node = node,
                                .inputs = calls[i].inputs,
                                .input_count = calls[i].input_count,
                                .run_id = "r1",
                                .token = arena_printf(canned->arena, "t%zu", i),
                                .choice = calls[i].choice};
        list[i] = &made[i];
    }
    struct pending pending = {canned, made, results, n, false};
    struct provider *provider = aws_provider(aws);
    if (what == CANNED_LOOKUP) {
        provider->lookup(provider, list[0], on_done, &pending);
    } else if (what == CANNED_POLL) {
        provider->poll(provider, list, n, on_done, &pending);
    } else {
        provider->start(provider, list, n, on_done, &pending);
    }
    world_run(canned->world, &pending.idle);
    assert_true(pending.idle);
}

static const char *moved(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

void canned_keep(struct arena *arena, struct canned_result *results, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        results[i].code = moved(arena, results[i].code);
        results[i].message = moved(arena, results[i].message);
        results[i].help = moved(arena, results[i].help);
        for (size_t o = 0; o < results[i].output_count; o++) {
            results[i].outputs[o][0] = moved(arena, results[i].outputs[o][0]);
            results[i].outputs[o][1] = moved(arena, results[i].outputs[o][1]);
        }
    }
}

const char *canned_output(const struct canned_result *result, const char *name)
{
    for (size_t i = 0; i < result->output_count; i++) {
        if (strcmp(result->outputs[i][0], name) == 0) {
            return result->outputs[i][1];
        }
    }
    return NULL;
}

struct input canned_text(const char *name, const char *text)
{
    return (struct input){name, {.kind = VALUE_TEXT, .text = text}};
}
