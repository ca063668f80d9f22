/* Hostile services: any bytes as the answers of EC2, STS, SSM, Service Quotas and S3 to whatever drc asks
 * of them: the provider's operations, identity, facts, what is left over, a store's objects. In virtual time, so that retries
 * cost nothing. The first byte chooses what is asked, the second how statuses go; answers are separated
 * by a byte 0x1e and given in turn, the last for ever. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/source.h"
#include "runtime/aws/aws.h"
#include "runtime/aws/store_s3.h"
#include "runtime/world/redactor.h"
#include "tests/fuzz/fuzz_plan_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char plan_text[] = FUZZ_PLAN("");

enum { SEPARATOR = 0x1e, REQUESTS_MAX = 200, BATCH = 3, VIRTUAL_MS = 600000 };

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct hostile {
    struct arena *arena;
    struct world *world;
    struct aws *aws;
    const char *at, *end;
    uint8_t how;
    int requests, results;
    struct http_header headers[3];
};

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void respond(void *context, int64_t utc_ms, const struct http_request *request,
                    struct http_response *response, int64_t *latency_ms)
{
    static const int statuses[] = {200, 200, 200, 400, 403, 503, 500, 301};
    struct hostile *hostile = context;
    (void)utc_ms, (void)request;
    const char *stop = memchr(hostile->at, SEPARATOR, (size_t)(hostile->end - hostile->at));
    size_t length = (size_t)((stop ? stop : hostile->end) - hostile->at);
    *latency_ms = 10;
    *response = (struct http_response){
        .status = statuses[(hostile->how >> (hostile->requests % 3)) & 7],
        .body = arena_strndup(hostile->arena, hostile->at, length),
        .headers = hostile->headers,
        .header_count = hostile->how & 0x40 ? 2 : 3,
    };
    response->body_length = strlen(response->body);
    hostile->at = stop ? stop + 1 : hostile->at;
    if (++hostile->requests > REQUESTS_MAX) { /* the client has patience; the fuzzer has not */
        response->status = 400;
        response->body = "";
        response->body_length = 0;
    }
}

static void check_text(const char *text)
{
    expect(!text || !redactor_finds(NULL, text, strlen(text)));
    expect(!text || !strstr(text, SECRET));
}

static void on_done(void *context, struct call *call, const struct call_result *result)
{
    struct hostile *hostile = context;
    (void)call;
    hostile->results--;
    expect(result->output_count <= ACTION_PORTS_MAX);
    check_text(result->error.message);
    for (size_t i = 0; i < result->output_count; i++) {
        check_text(result->outputs[i].value);
    }
}

static void give_up(void *context)
{
    *(bool *)context = true;
}

/* Every input that any action of AWS's takes. */
static const struct input inputs[] = {
#define TEXT(key, value) {key, {.kind = VALUE_TEXT, .text = value}}
#define INT(key, value) {key, {.kind = VALUE_INT, .integer = value}}
    TEXT("volume_id", "vol-1"), TEXT("instance_id", "i-1"), TEXT("snapshot_id", "snap-1"),
    TEXT("image_id", "ami-1"), TEXT("zone", "eu-west-1a"), TEXT("device", "/dev/sdf"),
    TEXT("command_id", "0a-1"), TEXT("conversion_instance", "i-9"), TEXT("os", "linux"),
    TEXT("allocation_id", "eipalloc-1"), TEXT("subnet_id", "subnet-1"), TEXT("name", "x"),
    TEXT("record", "www.shop.example"), TEXT("type", "TXT"), TEXT("change_id", "C1"),
    TEXT("old", "{\"ttl\":300,\"values\":[\"home\"]}"), TEXT("target_group", "arn:tg"),
    TEXT("private_ip", "10.0.0.1"), TEXT("changed_blocks", "1"), TEXT("checksum", "eA=="),
    INT("size_gib", 8), INT("disk", 0),
};

static void ask_provider(struct hostile *hostile, uint8_t which)
{
    enum action action = (enum action)(which % ACTION_COUNT);
    struct provider *provider = aws_provider(hostile->aws);
    if (action_info(action)->provider != PROVIDER_AWS) {
        return;
    }
    struct graph_vm vm = {.name = "db"};
    struct graph graph = {.plan_name = "shop", .vms = &vm, .vm_count = 1};
    struct graph_node node = {.id = "db/disk-0/x", .action = action};
    struct call calls[BATCH], *list[BATCH];
    size_t n = action_info(action)->batch_max > 1 ? BATCH : 1;
    for (size_t i = 0; i < n; i++) {
        calls[i] = (struct call){.graph = &graph, .node = &node, .run_id = "r1", .token = "t",
                                 .inputs = inputs, .input_count = sizeof inputs / sizeof *inputs};
        list[i] = &calls[i];
    }
    bool over = false;
    hostile->results = (int)n;
    if (action_info(action)->effect == EFFECT_WAIT) {
        provider->poll(provider, list, n, on_done, hostile);
    } else if (hostile->how & 0x80) {
        hostile->results = 1;
        provider->lookup(provider, list[0], on_done, hostile);
    } else {
        provider->start(provider, list, n, on_done, hostile);
    }
    world_timer(hostile->world, VIRTUAL_MS, give_up, &over);
    world_run(hostile->world, &over);
    expect(hostile->results == 0); /* each call has had its answer, once */
}

static void ask_the_rest(struct hostile *hostile, uint8_t which)
{
    struct error error = {0};
    struct aws_identity identity;
    struct aws_resource *resources;
    size_t count;
    bool ok = true;
    if (which % 3 == 0) {
        ok = aws_identify(hostile->aws, hostile->arena, &identity, &error);
    } else if (which % 3 == 1) {
        ok = aws_list_resources(hostile->aws, hostile->arena, "shop", NULL, &resources, &count, &error);
    } else {
        struct diagnostics *diagnostics = diagnostics_create(hostile->arena);
        struct source *source =
            source_from_text(hostile->arena, "plan.yaml", plan_text, sizeof plan_text - 1);
        struct plan *plan = compile_plan(hostile->arena, source, NULL, 0, diagnostics);
        struct findings findings = {0};
        expect(plan != NULL);
        struct facts *facts = aws_gather_facts(hostile->aws, hostile->arena, plan,
                                               WORKFLOW_FAILOVER, "latest", &error);
        struct graph *graph = facts ? compile_graph(hostile->arena, plan, WORKFLOW_FAILOVER, facts,
                                                    diagnostics)
                                    : NULL;
        ok = facts && (!graph || aws_preflight(hostile->aws, hostile->arena, plan, graph, facts,
                                               NULL, &findings, &error));
    }
    expect(ok == (error.message == NULL));
    check_text(error.message);
    error_clear(&error);
}

static void ask_store(struct hostile *hostile, uint8_t which)
{
    struct store_s3_options options = {
        .world = hostile->world, .url = "s3://bucket/x", .region = "eu-west-1"};
    struct store *store = store_s3_open(&options, NULL);
    struct error error = {0};
    enum store_outcome outcome;
    void *bytes = NULL;
    size_t length = 0, count = 0;
    const char **keys = NULL;
    if (which % 4 == 0) {
        outcome = store_get_now(store, hostile->world, "a", &bytes, &length, NULL, &error);
    } else if (which % 4 == 1) {
        outcome = store_put_now(store, hostile->world, "a", "x", 1, STORE_IF_ABSENT, NULL, &error);
    } else if (which % 4 == 2) {
        outcome = store_list_now(store, hostile->world, "a/", "a/b", hostile->arena, &keys, &count,
                                 &error);
    } else {
        outcome = store_remove_now(store, hostile->world, "a", &error);
    }
    expect((outcome == STORE_FAILED) == (error.message != NULL));
    for (size_t i = 0; i < count; i++) {
        expect(store_key_is_valid(keys[i]) && strncmp(keys[i], "a/", 2) == 0);
    }
    check_text(error.message);
    error_clear(&error);
    free(bytes);
    store_destroy(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("HOME", "/nonexistent", 1);
    struct hostile hostile = {.arena = arena_create(),
                              .at = (const char *)data + 2,
                              .end = (const char *)data + size,
                              .how = data[1],
                              .headers = {{"Date", "Sun, 22 Nov 2026 10:00:00 GMT"},
                                          {"x-amzn-RequestId", SECRET},
                                          {"ETag", "\"e\""}}};
    struct world_responder responder = {.context = &hostile, .http = respond};
    hostile.world = world_simulated_create(data[0], 1795341600000, responder);
    struct aws_options options = {.world = hostile.world, .region = "eu-west-1"};
    hostile.aws = aws_create(&options, NULL);
    expect(hostile.aws != NULL);
    if (data[0] < 192) {
        ask_provider(&hostile, data[0]);
    } else if (data[0] >= 224) {
        ask_store(&hostile, data[0]);
    } else {
        ask_the_rest(&hostile, data[0]);
    }
    aws_destroy(hostile.aws);
    world_destroy(hostile.world);
    arena_destroy(hostile.arena);
    return 0;
}
