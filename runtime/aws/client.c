#include "runtime/aws/client.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "runtime/aws/transfer.h"

/* What AWS tolerates is five minutes. */
enum { SKEW_MS = 4 * 60 * 1000 };

/* Keys of a role that is assumed for some requests: kept for all of them. */
struct role_keys {
    const char *arn;
    struct credentials *credentials;
    struct role_keys *next;
};

struct aws_client {
    struct arena *arena;
    struct world *world;
    struct gate *gate;
    const struct aws_settings *settings;
    struct credentials *credentials;
    struct role_keys *roles;
    const char *role_arn; /* of the credentials; NULL: none */
    struct sigv4_memory memory[AWS_SERVICE_COUNT];
    const char *region;
    int64_t skew_ms;
    int64_t ahead_ms; /* of this clock, by the last answer with a date */
    int64_t requests;
    struct aws_client_call *calls;
};

/* Its way: gate, key, transfer; with a corrected clock or new keys once more. */
struct aws_client_call {
    struct aws_client *client;
    struct credentials *credentials;
    struct arena *arena;
    struct aws_client_request request;
    aws_client_callback callback;
    void *context;
    bool at_gate, waiting;
    bool waited;   /* for a key already */
    bool renewed;  /* sent again with new keys */
    bool adjusted; /* sent again with another clock */
    int sent;
    const char *key_id;
    struct credentials_waiter waiter;
    struct transfer transfer;
    struct world_task *failing;
    struct aws_answer failure;
    struct aws_client_call *prev, *next;
};

static const char *usual_region(const struct aws_settings *settings)
{
    const char *region = settings_environment(settings, "AWS_REGION");
    region = region ? region : settings_environment(settings, "AWS_DEFAULT_REGION");
    region = region ? region : settings_get(settings, settings->profile, "region");
    return region ? region : "us-east-1";
}

struct aws_client *aws_client_create(const struct aws_client_options *options, struct error *error)
{
    struct arena *arena = arena_create();
    arena_wipe_at_end(arena); /* what the shared files say */
    const struct aws_settings *settings =
        aws_settings_read(arena, options->world, options->profile, error);
    const char *region = options->region || !settings ? options->region : usual_region(settings);
    struct aws_endpoint endpoint;
    if (!settings || !aws_endpoint(settings, AWS_SERVICE_EC2, region, &endpoint, error)) {
        arena_destroy(arena);
        return NULL;
    }
    struct aws_client *client = ARENA_NEW(arena, struct aws_client);
    client->arena = arena;
    client->world = options->world;
    client->gate = options->gate;
    client->settings = settings;
    client->region = arena_strdup(arena, region);
    const char *role = options->role_arn ? arena_strdup(arena, options->role_arn) : NULL;
    client->role_arn = role;
    client->credentials = credentials_create(settings, client->region, role, NULL);
    return client;
}

void aws_client_destroy(struct aws_client *client)
{
    if (!client) {
        return;
    }
    while (client->calls) {
        aws_client_cancel(client->calls);
    }
    credentials_destroy(client->credentials);
    for (struct role_keys *keys = client->roles; keys; keys = keys->next) {
        credentials_destroy(keys->credentials);
    }
    for (int service = 0; service < AWS_SERVICE_COUNT; service++) {
        sigv4_memory_clear(&client->memory[service]);
    }
    arena_destroy(client->arena);
}

void aws_client_cancel(struct aws_client_call *call)
{
    struct aws_client *client = call->client;
    if (call->at_gate && client->gate) {
        client->gate->leave(client->gate, call);
    }
    if (call->waiting) {
        credentials_forget(call->credentials, &call->waiter);
    }
    if (call->failing) {
        world_cancel(client->world, call->failing);
    }
    transfer_cancel(&call->transfer);
    DL_DELETE(client->calls, call);
    arena_destroy(call->arena);
}

static void finish(struct aws_client_call *call, struct aws_answer *answer)
{
    answer->requests = call->sent;
    if (answer->outcome == OUTCOME_THROTTLED && call->client->gate &&
        call->request.bucket != BUCKET_NONE) {
        call->client->gate->throttled(call->client->gate, call->request.bucket);
    }
    call->callback(call->context, answer);
    aws_answer_clear(answer);
    aws_client_cancel(call);
}

static void on_failing(void *context)
{
    struct aws_client_call *call = context;
    call->failing = NULL;
    finish(call, &call->failure);
}

/* Ends the call without a request; the callback comes from the loop. */
static void fail_later(struct aws_client_call *call, const struct error *error)
{
    call->failure = (struct aws_answer){.outcome = OUTCOME_FATAL};
    call->failure.error.service = aws_service_info(call->request.service)->name;
    call->failure.error.message = arena_strdup(call->arena, error->message);
    call->failure.error.help = error->help ? arena_strdup(call->arena, error->help) : NULL;
    call->failing = world_timer(call->client->world, 0, on_failing, call);
}

static void proceed(struct aws_client_call *call);

static bool skew_explains(struct aws_client_call *call, const struct aws_answer *answer)
{
    static const char *const codes[] = {
        "RequestTimeTooSkewed",      "RequestExpired",    "AuthFailure", "SignatureDoesNotMatch",
        "InvalidSignatureException", "RequestInTheFuture"};
    if (call->adjusted || !answer->error.code || answer->server_utc_ms == 0) {
        return false;
    }
    int64_t skew = answer->server_utc_ms - world_utc_ms(call->client->world);
    int64_t off = skew - call->transfer.request.skew_ms;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(answer->error.code, codes[i]) == 0 && (off > SKEW_MS || off < -SKEW_MS)) {
            call->client->skew_ms = skew;
            return call->adjusted = true;
        }
    }
    return false;
}

/* EC2's word for it is RequestExpired (aws-sdk-ruby issue 143, aws-sdk-go-v2 issue 1674), which it also
 * has for a wrong clock. */
static bool keys_expired(struct aws_client_call *call, const struct aws_answer *answer)
{
    const char *code = answer->error.code;
    if (call->renewed || !code ||
        (strncmp(code, "ExpiredToken", 12) != 0 && strcmp(code, "RequestExpired") != 0)) {
        return false;
    }
    call->waited = false;
    return call->renewed = credentials_expired(call->credentials, call->key_id);
}

/* Refusals because of the keys name the keys. */
static void name_keys(struct aws_client_call *call, struct aws_answer *answer)
{
    static const char *const codes[] = {"AuthFailure",           "InvalidClientTokenId",
                                        "AccessDenied",          "UnrecognizedClientException",
                                        "InvalidAccessKeyId",    "InvalidToken",
                                        "SignatureDoesNotMatch", "ExpiredToken",
                                        "UnauthorizedOperation", "InvalidSignatureException"};
    for (size_t i = 0; answer->error.code && i < sizeof codes / sizeof *codes; i++) {
        if (strncmp(answer->error.code, codes[i], strlen(codes[i])) == 0) {
            answer->error.message =
                arena_printf(call->arena, "%s (key %s from %s)", answer->error.message,
                             call->key_id, credentials_source(call->credentials));
            return;
        }
    }
}

static void on_answer(void *context, struct aws_answer *answer)
{
    struct aws_client_call *call = context;
    if (answer->server_utc_ms > 0) {
        call->client->ahead_ms = answer->server_utc_ms - world_utc_ms(call->client->world);
    }
    if (skew_explains(call, answer) || keys_expired(call, answer)) {
        aws_answer_clear(answer);
        proceed(call);
        return;
    }
    if (answer->outcome == OUTCOME_FATAL) {
        name_keys(call, answer);
    }
    finish(call, answer);
}

static void on_key(void *context, const struct error *error)
{
    struct aws_client_call *call = context;
    call->waiting = false;
    call->waited = true;
    if (error) {
        fail_later(call, error);
    } else {
        proceed(call);
    }
}

static void wait_for_key(struct aws_client_call *call)
{
    struct error error = {0};
    if (call->waited) {
        error_set(&error, "AWS credentials: %s yields keys that have expired already",
                  credentials_source(call->credentials));
        error_help(&error, "renew them, then resume");
        fail_later(call, &error);
        error_clear(&error);
        return;
    }
    call->waiting = true;
    call->waiter = (struct credentials_waiter){.ready = on_key, .context = call};
    credentials_wait(call->credentials, &call->waiter);
}

static void proceed(struct aws_client_call *call)
{
    struct aws_client *client = call->client;
    const struct sigv4_key *now = credentials_key(call->credentials);
    struct error error = {0};
    if (!now) {
        wait_for_key(call);
        return;
    }
    struct sigv4_key *key = ARENA_NEW(call->arena, struct sigv4_key);
    key->id = arena_strdup(call->arena, now->id);
    key->secret = now->secret; /* needed while signing only */
    key->token = now->token ? arena_strdup(call->arena, now->token) : NULL;
    call->key_id = key->id;
    struct transfer_request request = {.service = call->request.service,
                                       .operation = call->request.operation,
                                       .changes = call->request.changes,
                                       .rest = call->request.rest,
                                       .body = call->request.body,
                                       .body_length = call->request.body_length,
                                       .key = key,
                                       .memory = &client->memory[call->request.service],
                                       .region = call->request.region ? call->request.region
                                                                      : client->region,
                                       .skew_ms = client->skew_ms,
                                       .timeout_ms = call->request.timeout_ms};
    if (transfer_send(&call->transfer, call->arena, client->settings, &request, on_answer, call,
                      &error)) {
        client->requests++;
        call->sent++;
    } else {
        fail_later(call, &error);
        error_clear(&error);
    }
}

static void on_gate(void *context)
{
    struct aws_client_call *call = context;
    call->at_gate = false;
    proceed(call);
}

static const char *kept_text(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

static void keep_request(struct aws_client_call *call, const struct aws_client_request *request)
{
    struct arena *arena = call->arena;
    struct aws_rest *rest = &call->request.rest;
    call->request.region = kept_text(arena, request->region);
    rest->bucket = kept_text(arena, rest->bucket);
    rest->path = kept_text(arena, rest->path);
    rest->query = kept_text(arena, rest->query);
    rest->payload_hash = kept_text(arena, rest->payload_hash);
    struct http_header *headers = ARENA_ARRAY(arena, struct http_header, rest->header_count);
    for (size_t i = 0; i < rest->header_count; i++) {
        headers[i].name = arena_strdup(arena, rest->headers[i].name);
        headers[i].value = arena_strdup(arena, rest->headers[i].value);
    }
    rest->headers = headers;
    if (!request->borrowed) {
        call->request.body =
            arena_strndup(arena, request->body ? request->body : "", request->body_length);
    }
}

static struct credentials *credentials_of(struct aws_client *client, const char *role_arn)
{
    struct role_keys *keys = client->roles;
    if (!role_arn) {
        return client->credentials;
    }
    while (keys && strcmp(keys->arn, role_arn) != 0) {
        keys = keys->next;
    }
    if (!keys) {
        keys = ARENA_NEW(client->arena, struct role_keys);
        keys->arn = arena_strdup(client->arena, role_arn);
        keys->credentials =
            credentials_create(client->settings, client->region, client->role_arn, keys->arn);
        keys->next = client->roles;
        client->roles = keys;
    }
    return keys->credentials;
}

struct aws_client_call *aws_client_send(struct aws_client *client,
                                        const struct aws_client_request *request,
                                        aws_client_callback callback, void *context)
{
    struct arena *arena = arena_create();
    arena_wipe_at_end(arena); /* the session's token */
    struct aws_client_call *call = ARENA_NEW(arena, struct aws_client_call);
    call->client = client;
    call->credentials = credentials_of(client, request->role_arn);
    call->arena = arena;
    call->request = *request;
    keep_request(call, request);
    call->callback = callback;
    call->context = context;
    DL_APPEND(client->calls, call);
    if (client->gate && request->bucket != BUCKET_NONE) {
        call->at_gate = true;
        client->gate->enter(client->gate, request->bucket, 1, request->priority, on_gate, call);
    } else {
        proceed(call);
    }
    return call;
}

struct world *aws_client_world(const struct aws_client *client)
{
    return client->world;
}

const struct aws_settings *aws_client_settings(const struct aws_client *client)
{
    return client->settings;
}

int64_t aws_client_ahead_ms(const struct aws_client *client)
{
    return client->ahead_ms;
}

const char *aws_client_region(const struct aws_client *client)
{
    return client->region;
}

const char *aws_client_credentials_source(const struct aws_client *client)
{
    return credentials_source(client->credentials);
}

int64_t aws_client_requests(const struct aws_client *client)
{
    return client->requests;
}
