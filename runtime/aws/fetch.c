#include "runtime/aws/fetch.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/world/redactor.h"

static void begin(void *context)
{
    struct fetch *fetch = context;
    const struct recipe *recipe = fetch->recipe;
    fetch->task = NULL;
    switch (recipe->kind) {
    case SOURCE_STATIC:
        fetch_found(fetch, recipe->key.id, recipe->key.secret, recipe->key.token, NULL);
        break;
    case SOURCE_WEB_IDENTITY:
        fetch_from_web_identity(fetch);
        break;
    case SOURCE_SSO:
        fetch_from_sso(fetch);
        break;
    case SOURCE_PROCESS:
        fetch_from_process(fetch);
        break;
    case SOURCE_CONTAINER:
        fetch_from_container(fetch);
        break;
    case SOURCE_IMDS:
        fetch_from_imds(fetch);
        break;
    }
}

struct fetch *fetch_start(const struct aws_settings *settings, const struct recipe *recipe,
                          const char *region, fetch_callback callback, void *context)
{
    struct fetch *fetch = base_alloc(sizeof *fetch);
    fetch->arena = arena_create();
    arena_wipe_at_end(fetch->arena);
    fetch->settings = settings;
    fetch->recipe = recipe;
    fetch->region = region;
    fetch->callback = callback;
    fetch->context = context;
    fetch->task = world_timer(settings->world, 0, begin, fetch);
    return fetch;
}

void fetch_destroy(struct fetch *fetch)
{
    if (!fetch) {
        return;
    }
    transfer_cancel(&fetch->transfer);
    if (fetch->task) {
        world_cancel(fetch->settings->world, fetch->task);
    }
    process_destroy(fetch->process);
    error_clear(&fetch->error);
    arena_destroy(fetch->arena);
    free(fetch);
}

/* The last step's end counts: STS ends a role's session by itself. */
static bool note_expiration(struct fetch *fetch, const char *expiration)
{
    int64_t expires = expiration ? parse_time(expiration) : 0;
    if (expires > 0) {
        fetch->expires_utc_ms = expires;
    }
    return expires >= 0;
}

void fetch_keep_secret(struct fetch *fetch, const char *secret)
{
    redactor_add(world_redactor(fetch->settings->world), secret);
}

static const char *without_secrets(struct fetch *fetch, const char *text)
{
    return redactor_text(world_redactor(fetch->settings->world), fetch->arena, text, NULL);
}

void fetch_found(struct fetch *fetch, const char *id, const char *secret, const char *token,
                 const char *expiration)
{
    if (!id || !secret || strpbrk(id, "\r\n, /")) {
        fetch_failed(fetch, NULL, "%s yields no access key", fetch->recipe->description);
        return;
    }
    fetch_keep_secret(fetch, secret);
    fetch_keep_secret(fetch, token);
    if (!note_expiration(fetch, expiration)) {
        fetch_failed(fetch, NULL, "%s: \"%.40s\" is not a time of expiry",
                     fetch->recipe->description, without_secrets(fetch, expiration));
        return;
    }
    fetch->key.id = arena_strdup(fetch->arena, id);
    fetch->key.secret = arena_strdup(fetch->arena, secret);
    fetch->key.token = token && *token ? arena_strdup(fetch->arena, token) : NULL;
    if (fetch->roles_assumed < fetch->recipe->role_count) {
        fetch->attempts = 0;
        fetch_assume_role(fetch, &fetch->recipe->roles[fetch->roles_assumed++]);
    } else {
        fetch->callback(fetch->context, fetch);
    }
}

void fetch_failed(struct fetch *fetch, const char *help, const char *format, ...)
{
    struct buffer message = {0};
    va_list args;
    va_start(args, format);
    buffer_vprintf(&message, format, args);
    va_end(args);
    error_set(&fetch->error, "AWS credentials: %s", without_secrets(fetch, buffer_text(&message)));
    if (help) {
        error_help(&fetch->error, "%s", help);
    }
    buffer_free(&message);
    fetch->callback(fetch->context, fetch);
}

void fetch_read_json(struct fetch *fetch, const char *what, const char *text, size_t length,
                     const char *token_member)
{
    cJSON *json = cJSON_ParseWithLength(text ? text : "", text ? length : 0);
    const char *id = json_text(json, "AccessKeyId"), *secret = json_text(json, "SecretAccessKey");
    if (!cJSON_IsObject(json) || !id || !secret) {
        const char *code = json_text(json, "Code"), *message = json_text(json, "Message");
        const char *said = message ? message : code ? code : "its answer has no access key";
        said = without_secrets(fetch, said);
        fetch_failed(fetch, NULL, "%s: %s", what, one_line(fetch->arena, said, strlen(said), 200));
    } else {
        /* fetch_found may destroy the fetch, not the texts. */
        fetch_found(fetch, id, secret, json_text(json, token_member),
                    json_text(json, "Expiration"));
    }
    json_wipe(json);
}
