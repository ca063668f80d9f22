/* Drives the AWS and DNS providers for tests/interop/test_moto_provider.py and test_bind.py: on each line of stdin a JSON
 * object {"do": "start" | "lookup" | "poll" | "identify" | "resources", "calls": [{"action",
 * "node", "vm", "run", "token", "choice", "inputs"}]}; on each line of stdout the list of results.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/aws/aws.h"
#include "runtime/dns/dns.h"

struct driver {
    struct world *world;
    struct aws *aws;
    struct provider *dns;
    struct json_writer json;
    struct buffer out;
    size_t open;
    bool idle;
};

static const char *text(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return value ? value : "";
}

static struct value to_value(struct arena *arena, const cJSON *from)
{
    struct value value = {.kind = VALUE_TEXT};
    if (cJSON_IsString(from)) {
        value.text = from->valuestring;
    } else if (cJSON_IsNumber(from)) {
        value.kind = VALUE_INT;
        value.integer = (int64_t)from->valuedouble;
    } else if (cJSON_IsBool(from)) {
        value.kind = VALUE_BOOL;
        value.boolean = cJSON_IsTrue(from);
    } else {
        size_t count = (size_t)cJSON_GetArraySize(from);
        value.kind = cJSON_IsArray(from) ? VALUE_LIST : VALUE_MAP;
        value.items = ARENA_ARRAY(arena, struct value, count);
        value.keys = ARENA_ARRAY(arena, const char *, count);
        const cJSON *item = NULL;
        cJSON_ArrayForEach(item, from)
        {
            value.keys[value.count] = item->string;
            value.items[value.count++] = to_value(arena, item);
        }
    }
    return value;
}

static struct call *make_call(struct arena *arena, const cJSON *from)
{
    struct call *call = ARENA_NEW(arena, struct call);
    struct graph *graph = ARENA_NEW(arena, struct graph);
    struct graph_node *node = ARENA_NEW(arena, struct graph_node);
    struct value inputs = to_value(arena, cJSON_GetObjectItemCaseSensitive(from, "inputs"));
    graph->plan_name = "shop";
    graph->workflow = WORKFLOW_FAILOVER;
    graph->vms = ARENA_NEW(arena, struct graph_vm);
    graph->vms->name = text(from, "vm");
    graph->vm_count = 1;
    node->id = text(from, "node");
    node->action = action_by_name(text(from, "action"));
    node->vm = 0;
    call->graph = graph;
    call->node = node;
    struct input *list = ARENA_ARRAY(arena, struct input, inputs.count);
    for (uint32_t i = 0; i < inputs.count; i++) {
        list[i] = (struct input){inputs.keys[i], inputs.items[i]};
    }
    call->inputs = list;
    call->input_count = inputs.count;
    call->run_id = text(from, "run");
    call->token = text(from, "token");
    const cJSON *choice = cJSON_GetObjectItemCaseSensitive(from, "choice");
    call->choice = cJSON_IsNumber(choice) ? choice->valueint : 0;
    return call;
}

static void on_done(void *context, struct call *call, const struct call_result *result)
{
    struct driver *driver = context;
    struct json_writer *json = &driver->json;
    json_begin_object(json);
    json_key_string(json, "node", call->node->id);
    json_key_string(json, "outcome", outcome_name(result->outcome));
    json_key_string(json, "service", result->error.service);
    json_key_string(json, "code", result->error.code);
    json_key_string(json, "message", result->error.message);
    json_key_string(json, "help", result->error.help);
    json_key_string(json, "request_id", result->error.request_id);
    json_key_int(json, "status", result->error.http_status);
    json_key_int(json, "requests", result->requests);
    for (size_t i = 0; i < result->output_count; i++) {
        json_key_string(json, result->outputs[i].name, result->outputs[i].value);
    }
    json_end_object(json);
    driver->idle = --driver->open == 0;
}

static void run_calls(struct driver *driver, struct arena *arena, const char *what,
                      const cJSON *list)
{
    size_t n = (size_t)cJSON_GetArraySize(list), count = 0;
    struct call **calls = ARENA_ARRAY(arena, struct call *, n);
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list)
    {
        calls[count++] = make_call(arena, item);
    }
    bool dns = n > 0 && action_info(calls[0]->node->action)->provider == PROVIDER_DNS;
    struct provider *provider = dns ? driver->dns : aws_provider(driver->aws);
    driver->open = n;
    driver->idle = n == 0;
    if (strcmp(what, "lookup") == 0) {
        provider->lookup(provider, calls[0], on_done, driver);
    } else if (strcmp(what, "poll") == 0) {
        provider->poll(provider, calls, n, on_done, driver);
    } else {
        provider->start(provider, calls, n, on_done, driver);
    }
    world_run(driver->world, &driver->idle);
}

static void tell_error(struct driver *driver, struct error *error)
{
    json_begin_object(&driver->json);
    json_key_string(&driver->json, "error", error->message);
    json_key_string(&driver->json, "help", error->help);
    json_end_object(&driver->json);
    error_clear(error);
}

static void identify(struct driver *driver, struct arena *arena)
{
    struct aws_identity identity;
    struct error error = {0};
    if (!aws_identify(driver->aws, arena, &identity, &error)) {
        tell_error(driver, &error);
        return;
    }
    json_begin_object(&driver->json);
    json_key_string(&driver->json, "account", identity.account);
    json_key_string(&driver->json, "arn", identity.arn);
    json_end_object(&driver->json);
}

static void list_resources(struct driver *driver, struct arena *arena, const cJSON *from)
{
    struct aws_resource *resources;
    size_t count = 0;
    struct error error = {0};
    if (!aws_list_resources(driver->aws, arena, "shop",
                            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(from, "run")),
                            &resources, &count, &error)) {
        tell_error(driver, &error);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        static const char *const kinds[] = {"instance", "volume", "snapshot", "image"};
        json_begin_object(&driver->json);
        json_key_string(&driver->json, "kind", kinds[resources[i].kind]);
        json_key_string(&driver->json, "id", resources[i].id);
        json_key_string(&driver->json, "state", resources[i].state);
        json_key_string(&driver->json, "vm", resources[i].vm);
        json_key_string(&driver->json, "run", resources[i].run);
        json_key_string(&driver->json, "attached_to", resources[i].attached_to);
        json_end_object(&driver->json);
    }
}

static void carry_out(struct driver *driver, const cJSON *from)
{
    struct arena *arena = arena_create();
    const char *what = text(from, "do");
    buffer_clear(&driver->out);
    driver->json = json_writer(&driver->out, 0);
    json_begin_array(&driver->json);
    if (strcmp(what, "identify") == 0) {
        identify(driver, arena);
    } else if (strcmp(what, "resources") == 0) {
        list_resources(driver, arena, from);
    } else {
        run_calls(driver, arena, what, cJSON_GetObjectItemCaseSensitive(from, "calls"));
    }
    json_end_array(&driver->json);
    puts(buffer_text(&driver->out));
    fflush(stdout);
    arena_destroy(arena);
}

static bool open_aws(struct driver *driver)
{
    struct error error = {0};
    driver->world = world_real_create(&error);
    struct aws_options options = {.world = driver->world,
                                  .region = "eu-west-1",
                                  .account = getenv("DRIVER_ACCOUNT"),
                                  .profile = getenv("DRIVER_PROFILE"),
                                  .role_arn = getenv("DRIVER_ROLE")};
    driver->aws = driver->world ? aws_create(&options, &error) : NULL;
    if (!driver->aws) {
        fprintf(stderr, "aws_driver: %s\n", error.message);
        error_clear(&error);
        return false;
    }
    driver->dns = dns_provider_create(&(struct dns_options){.world = driver->world});
    return true;
}

int main(void)
{
    struct driver driver = {0};
    char *line = NULL;
    size_t size = 0;
    bool ok = open_aws(&driver);
    while (ok && getline(&line, &size, stdin) > 0) {
        cJSON *from = cJSON_Parse(line);
        ok = from != NULL;
        if (ok) {
            carry_out(&driver, from);
        }
        cJSON_Delete(from);
    }
    free(line);
    buffer_free(&driver.out);
    if (driver.dns) {
        driver.dns->destroy(driver.dns);
    }
    aws_destroy(driver.aws);
    world_destroy(driver.world);
    return ok ? 0 : 1;
}
