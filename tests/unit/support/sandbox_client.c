#include "tests/unit/support/sandbox_client.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/source.h"

const char client_plan[] =
    "version: 1\n"
    "name: shop\n"
    "objectives: {rpo: 30m, rto: 20m}\n"
    "replication: {every: 10m, keep: 3}\n"
    "state: s3://dr-shop/state\n"
    "sites:\n"
    "  recovery:\n"
    "    aws:\n"
    "      region: eu-west-1\n"
    "      account: \"111122223333\"\n"
    "      boot: attach\n"
    "      kms_key: alias/dr\n"
    "      placeholder_image: {bios: ami-0c000000000000001, uefi: ami-0c000000000000002}\n"
    "      conversion:\n"
    "        instances: {eu-west-1a: i-0f00ba40000000000}\n"
    "networks:\n"
    "  production:\n"
    "    vpc: vpc-0a000000000000001\n"
    "    subnets:\n"
    "      app: {id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}\n"
    "      db: {id: subnet-0a00000000000000b, cidr: 10.20.2.0/24, zone: eu-west-1a}\n"
    "    security_groups: {web: sg-0a000000000000001, db: sg-0a000000000000002}\n"
    "vms:\n"
    "  db:\n"
    "    source: /DC0/vm/shop/db01\n"
    "    instance_type: [r6i.xlarge, r5.xlarge]\n"
    "    subnet: db\n"
    "    security_groups: [db]\n"
    "    private_ip: 10.20.2.10\n"
    "    key_name: dr\n"
    "    iam_profile: dr-instance\n"
    "    elastic_ip: {production: eipalloc-0a0000000000001}\n"
    "    volumes:\n"
    "      1: {type: gp3}\n"
    "  web:\n"
    "    source: /DC0/vm/shop/web01\n"
    "    depends_on: [db]\n"
    "    target_groups: {production: [\"arn:aws:elasticloadbalancing:eu-west-1:111122223333:"
    "targetgroup/web/73e2d6bc24d8a067\"]}\n"
    "    nics:\n"
    "      - {subnet: app, security_groups: [web]}\n"
    "      - {subnet: db, security_groups: [db]}\n";

const struct plan *client_plan_bound(struct arena *arena)
{
    struct diagnostics *diagnostics = diagnostics_create(arena);
    struct source *source = source_from_text(arena, "plan.yaml", client_plan, strlen(client_plan));
    struct plan *plan = compile_plan(arena, source, NULL, 0, diagnostics);
    if (!plan) {
        struct buffer text = {0};
        diagnostics_write(diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &text);
        fail_msg("%s", buffer_text(&text));
    }
    return plan;
}

struct sandbox_client *client_over(struct sandbox *sandbox)
{
    struct sandbox_client *client = base_alloc(sizeof *client);
    client->arena = arena_create();
    client->sandbox = sandbox;
    client->responder = sandbox_responder(sandbox);
    client->now_ms = SANDBOX_BEGIN_MS;
    client->key = (struct sigv4_key){.id = "sandbox", .secret = "sandbox"};
    client->region = "eu-west-1";
    return client;
}

struct sandbox_client *client_create(void)
{
    struct sandbox_options options = {
        .seed = 7, .speed = 1, .utc_base_ms = SANDBOX_BEGIN_MS, .real_base_ms = SANDBOX_BEGIN_MS};
    struct error error = {0};
    struct sandbox *sandbox = sandbox_init(":memory:", &options, &error);
    if (!sandbox) {
        fail_msg("%s", error.message);
    }
    struct sandbox_client *client = client_over(sandbox);
    if (!sandbox_populate(sandbox, client_plan_bound(client->arena), &error)) {
        fail_msg("%s", error.message);
    }
    client_fault(client, "consistency", 0);
    return client;
}

void client_destroy(struct sandbox_client *client)
{
    cJSON_Delete(client->json);
    sandbox_close(client->sandbox);
    arena_destroy(client->arena);
    free(client);
}

void client_pass(struct sandbox_client *client, int64_t seconds)
{
    client->now_ms += seconds * 1000;
}

void client_fault(struct sandbox_client *client, const char *name, double value)
{
    struct error error = {0};
    if (!sandbox_set_fault(client->sandbox, name, value, &error)) {
        fail_msg("%s", error.message);
    }
}

static void read_answer(struct sandbox_client *client)
{
    const struct http_response *response = &client->response;
    cJSON_Delete(client->json);
    client->json = NULL;
    client->xml = NULL;
    if (response->failure != HTTP_ANSWERED) {
        return;
    }
    if (response->body_length && response->body[0] == '{') {
        client->json = cJSON_ParseWithLength(response->body, response->body_length);
        assert_non_null(client->json);
    } else {
        struct error error = {0};
        client->xml = xml_parse(client->arena, response->body, response->body_length, &error);
        if (!client->xml) {
            fail_msg("%s: %s", error.message, response->body);
        }
    }
}

/* Where a URL's path begins. */
static const char *path_in(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    return host + strcspn(host, "/?");
}

static size_t sign(struct sandbox_client *client, const char *service, const char *method,
                   const char *url, struct http_header *headers, size_t count, const char *body,
                   size_t length)
{
    struct sigv4_headers added;
    const char *host = strstr(url, "://") + 3, *path = path_in(url), *query = strchr(url, '?');
    bool s3 = strcmp(service, "s3") == 0;
    struct sigv4_request to_sign = {
        .method = method,
        .host = arena_strndup(client->arena, host, (size_t)(path - host)),
        .path = arena_strndup(client->arena, path, query ? (size_t)(query - path) : strlen(path)),
        .query = query ? query + 1 : "",
        .headers = headers,
        .header_count = count,
        .body = body,
        .body_length = length,
        .payload_hash = s3 ? client->payload_hash : NULL,
        .service = service,
        .region = client->region,
        .s3 = s3};
    sigv4_sign(client->arena, &to_sign, &client->key, client->now_ms, &added);
    for (size_t i = 0; i < added.count; i++) {
        headers[count++] = added.items[i];
    }
    return count;
}

static void send(struct sandbox_client *client, const char *service, const char *method,
                 const char *url, struct http_header *headers, size_t count, const char *body,
                 size_t length)
{
    if (service) {
        count = sign(client, service, method, url, headers, count, body, length);
    }
    struct http_request request = {.method = method,
                                   .url = url,
                                   .headers = headers,
                                   .header_count = count,
                                   .body = body,
                                   .body_length = length};
    client->responder.http(client->responder.context, client->now_ms, &request, &client->response,
                           &client->latency_ms);
}

void client_send(struct sandbox_client *client, const char *service, const char *url,
                 const char *target, const char *body, size_t length)
{
    struct http_header headers[SIGV4_HEADERS_MAX + 2] = {{"Content-Type", "text/plain"}};
    size_t count = 1;
    if (target) {
        headers[count++] = (struct http_header){"X-Amz-Target", target};
    }
    send(client, service, "POST", url, headers, count, body, length);
    read_answer(client);
}

int client_rest(struct sandbox_client *client, const char *service, const char *method,
                const char *path, const struct http_header *given, const void *body, size_t length)
{
    enum { GIVEN_MAX = 20 };
    struct http_header headers[GIVEN_MAX + SIGV4_HEADERS_MAX];
    size_t count = 0;
    for (; given && given->name && count < GIVEN_MAX; given++) {
        headers[count++] = *given;
    }
    send(client, service, method,
         arena_printf(client->arena, "https://%s%s%s.eu-west-1.amazonaws.com%s",
                      client->bucket ? client->bucket : "", client->bucket ? "." : "", service,
                      path),
         headers, count, body ? body : "", length);
    assert_int_equal(client->response.failure, HTTP_ANSWERED);
    cJSON_Delete(client->json);
    client->json = NULL;
    client->xml = NULL;
    if (client->response.body_length && client->response.body[0] == '{') {
        client->json = cJSON_ParseWithLength(client->response.body, client->response.body_length);
    } else if (client->response.body_length > 5 &&
               strncmp(client->response.body, "<?xml", 5) == 0) {
        struct error error = {0};
        client->xml =
            xml_parse(client->arena, client->response.body, client->response.body_length, &error);
    }
    return client->response.status;
}

const char *uri(struct sandbox_client *client, const char *text)
{
    struct buffer out = {0};
    uri_encode(&out, text, false);
    const char *encoded = arena_strdup(client->arena, buffer_text(&out));
    buffer_free(&out);
    return encoded;
}

static void send_query(struct sandbox_client *client, const char *service, const char *format,
                       va_list args)
{
    struct buffer body = {0};
    buffer_vprintf(&body, format, args);
    client_send(client, service,
                arena_printf(client->arena, "https://%s.eu-west-1.amazonaws.com/", service), NULL,
                buffer_text(&body), body.length);
    buffer_free(&body);
}

static void expect_ok(struct sandbox_client *client)
{
    assert_int_equal(client->response.failure, HTTP_ANSWERED);
    if (client->response.status != 200) {
        fail_msg("%d: %s", client->response.status, client->response.body);
    }
}

void ec2_ok(struct sandbox_client *client, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send_query(client, "ec2", format, args);
    va_end(args);
    expect_ok(client);
}

void sts_ok(struct sandbox_client *client, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send_query(client, "sts", format, args);
    va_end(args);
    expect_ok(client);
}

void ec2_fails(struct sandbox_client *client, int status, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send_query(client, "ec2", format, args);
    va_end(args);
    assert_int_equal(client->response.failure, HTTP_ANSWERED);
    const char *told = client->xml ? xml_text(client->xml, "Errors/Error/Code") : NULL;
    if (!told || strcmp(told, code) != 0) {
        fail_msg("expected %s, got %s", code, client->response.body);
    }
    assert_int_equal(client->response.status, status);
}

static void send_json(struct sandbox_client *client, const char *operation, const char *format,
                      va_list args)
{
    struct buffer body = {0};
    buffer_vprintf(&body, format, args);
    client_send(client, "ssm", "https://ssm.eu-west-1.amazonaws.com/",
                arena_printf(client->arena, "AmazonSSM.%s", operation), buffer_text(&body),
                body.length);
    buffer_free(&body);
}

void ssm_ok(struct sandbox_client *client, const char *operation, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send_json(client, operation, format, args);
    va_end(args);
    expect_ok(client);
}

void ssm_fails(struct sandbox_client *client, const char *code, const char *operation,
               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send_json(client, operation, format, args);
    va_end(args);
    assert_int_equal(client->response.status, 400);
    assert_string_equal(got_json(client, "__type"), code);
}

const char *got(struct sandbox_client *client, const char *path)
{
    const char *text = xml_text(client->xml, path);
    if (!text) {
        fail_msg("no %s in %s", path, client->response.body);
    }
    return arena_strdup(client->arena, text);
}

size_t got_count(struct sandbox_client *client, const char *path)
{
    size_t count = 0;
    for (const struct xml *item = xml_first(client->xml, path); item; item = item->next) {
        count++;
    }
    return count;
}

const char *got_json(struct sandbox_client *client, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(client->json, name);
    if (!cJSON_IsString(member)) {
        fail_msg("no %s in %s", name, client->response.body);
    }
    return arena_strdup(client->arena, member->valuestring);
}

const char *make_volume(struct sandbox_client *client, const char *snapshot)
{
    ec2_ok(client, "Action=CreateVolume&AvailabilityZone=eu-west-1a&VolumeType=gp3&%s%s",
           snapshot ? "SnapshotId=" : "Size=8", snapshot ? snapshot : "");
    const char *id = got(client, "volumeId");
    client_pass(client, 6);
    return id;
}

const char *run_instance(struct sandbox_client *client, const char *more)
{
    ec2_ok(client,
           "Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=m6i.large&"
           "ImageId=ami-0c000000000000001&SubnetId=subnet-0a00000000000000a&%s",
           more);
    return got(client, "instancesSet/item/instanceId");
}

const char *copy_of(struct sandbox_client *client, const char *vm, int disk)
{
    ec2_ok(
        client,
        "Action=DescribeSnapshots&Owner.1=self&Filter.1.Name=tag%%3Adrc%%3Avm&Filter.1.Value.1=%s&"
        "Filter.2.Name=tag%%3Adrc%%3Adisk&Filter.2.Value.1=%d",
        vm, disk);
    return got(client, "snapshotSet/item/snapshotId");
}
