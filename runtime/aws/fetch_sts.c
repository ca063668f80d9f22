/* Keys from STS (assumed roles, web identity) and from SSO. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/fetch.h"
#include "runtime/aws/form.h"
#include "runtime/aws/ini.h"

enum { STS_ATTEMPTS = 3, STS_TIMEOUT_MS = 15000, TOKEN_BYTES_MAX = 1 << 16, SKEW_MS = 240000 };

static void on_sts_answer(void *context, struct aws_answer *answer);

static void send_sts(struct fetch *fetch, const struct transfer_request *request)
{
    struct error error = {0};
    fetch->attempts++;
    if (!transfer_send(&fetch->transfer, fetch->arena, fetch->settings, request, on_sts_answer,
                       fetch, &error)) {
        fetch_failed(fetch, error.help, "%s", error.message);
        error_clear(&error);
    }
}

static void resend(void *context)
{
    struct fetch *fetch = context;
    fetch->task = NULL;
    struct transfer_request request = fetch->transfer.request;
    request.skew_ms = fetch->skew_ms;
    send_sts(fetch, &request);
}

static void tell_refusal(struct fetch *fetch, const struct aws_answer *answer)
{
    struct error error = {0};
    aws_answer_error(answer, &error);
    fetch_failed(fetch, error.help, "%s: %s", fetch->recipe->description, error.message);
    error_clear(&error);
}

static bool should_resend(struct fetch *fetch, const struct aws_answer *answer)
{
    const char *code = answer->error.code;
    int64_t skew = answer->server_utc_ms - world_utc_ms(fetch->settings->world);
    if (code && answer->server_utc_ms && (skew > SKEW_MS || skew < -SKEW_MS) && !fetch->skew_ms &&
        (strstr(code, "Signature") || strstr(code, "Expired") || strstr(code, "Skewed"))) {
        fetch->skew_ms = skew;
        return true;
    }
    return answer->outcome == OUTCOME_RETRY || answer->outcome == OUTCOME_THROTTLED;
}

static void on_sts_answer(void *context, struct aws_answer *answer)
{
    struct fetch *fetch = context;
    const struct xml *keys =
        answer->xml && answer->xml->first ? xml_child(answer->xml->first, "Credentials") : NULL;
    const cJSON *sso = cJSON_GetObjectItemCaseSensitive(answer->json, "roleCredentials");
    if (answer->outcome == OUTCOME_OK && sso) {
        char expiration[32];
        const cJSON *at = cJSON_GetObjectItemCaseSensitive(sso, "expiration");
        bool timed = cJSON_IsNumber(at) && at->valuedouble > 0 && at->valuedouble < 4e12;
        fetch_found(fetch, json_text(sso, "accessKeyId"), json_text(sso, "secretAccessKey"),
                    json_text(sso, "sessionToken"),
                    timed ? format_time(expiration, (int64_t)at->valuedouble) : NULL);
    } else if (answer->outcome == OUTCOME_OK) {
        fetch_found(fetch, xml_text(keys, "AccessKeyId"), xml_text(keys, "SecretAccessKey"),
                    xml_text(keys, "SessionToken"), xml_text(keys, "Expiration"));
    } else if (fetch->attempts < STS_ATTEMPTS && should_resend(fetch, answer)) {
        fetch->task = world_timer(fetch->settings->world, 500 * fetch->attempts, resend, fetch);
    } else {
        tell_refusal(fetch, answer);
    }
    aws_answer_clear(answer);
}

static struct transfer_request sts_request(struct fetch *fetch, struct form *form,
                                           const char *operation)
{
    struct transfer_request request = {.service = AWS_SERVICE_STS,
                                       .operation = operation,
                                       .region = fetch->region,
                                       .body = arena_strdup(fetch->arena, buffer_text(&form->body)),
                                       .body_length = form->body.length,
                                       .skew_ms = fetch->skew_ms,
                                       .timeout_ms = STS_TIMEOUT_MS,
                                       .rest = {.response_max = TOKEN_BYTES_MAX}};
    buffer_free(&form->body);
    return request;
}

void fetch_assume_role(struct fetch *fetch, const struct role_step *role)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_STS, "AssumeRole");
    form_add(&form, role->arn, "RoleArn");
    form_add(&form, role->session_name, "RoleSessionName");
    form_add(&form, role->external_id, "ExternalId");
    form_add(&form, role->duration_s, "DurationSeconds");
    struct transfer_request request = sts_request(fetch, &form, "AssumeRole");
    struct sigv4_key *key = ARENA_NEW(fetch->arena, struct sigv4_key);
    *key = fetch->key;
    request.key = key;
    send_sts(fetch, &request);
}

static char *read_token(struct fetch *fetch, const char *path)
{
    struct error error = {0};
    char *token = read_small_file(fetch->arena, path, TOKEN_BYTES_MAX, NULL, NULL, &error);
    if (!token) {
        fetch_failed(fetch, NULL, "%s: %s", fetch->recipe->description, error.message);
        error_clear(&error);
        return NULL;
    }
    token[strcspn(token, " \r\n")] = '\0';
    fetch_keep_secret(fetch, token);
    return token;
}

void fetch_from_web_identity(struct fetch *fetch)
{
    const char *token = read_token(fetch, fetch->recipe->web.token_file);
    if (!token) {
        return;
    }
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_STS, "AssumeRoleWithWebIdentity");
    form_add(&form, fetch->recipe->web.role_arn, "RoleArn");
    form_add(&form, fetch->recipe->web.session_name, "RoleSessionName");
    form_add(&form, token, "WebIdentityToken");
    struct transfer_request request = sts_request(fetch, &form, "AssumeRoleWithWebIdentity");
    send_sts(fetch, &request);
}

/* NULL (and told): not logged in, or not any more. */
static const char *sso_access_token(struct fetch *fetch)
{
    const char *login = arena_printf(fetch->arena, "run \"aws sso login --profile %s\"",
                                     fetch->recipe->sso.profile);
    size_t length = 0;
    char *text = read_small_file(fetch->arena, fetch->recipe->sso.token_path, TOKEN_BYTES_MAX,
                                 &length, NULL, NULL);
    cJSON *json = text ? cJSON_ParseWithLength(text, length) : NULL;
    const char *token = json_text(json, "accessToken"), *expires = json_text(json, "expiresAt");
    const char *kept = token && !strpbrk(token, "\r\n") ? arena_strdup(fetch->arena, token) : NULL;
    fetch_keep_secret(fetch, kept);
    char now[32];
    format_time(now, world_utc_ms(fetch->settings->world));
    bool over = expires && strncmp(expires, now, strlen("2026-11-22T10:00:00")) <= 0;
    if (!kept || !expires || over) {
        fetch_failed(fetch, login, "%s: %s", fetch->recipe->description,
                     over ? "the login has expired" : "nobody is logged in");
        kept = NULL;
    }
    json_wipe(json);
    return kept;
}

void fetch_from_sso(struct fetch *fetch)
{
    const char *token = sso_access_token(fetch);
    if (!token) {
        return;
    }
    struct buffer query = {0};
    buffer_puts(&query, "account_id=");
    uri_encode(&query, fetch->recipe->sso.account, false);
    buffer_puts(&query, "&role_name=");
    uri_encode(&query, fetch->recipe->sso.role, false);
    struct http_header *header = ARENA_NEW(fetch->arena, struct http_header);
    *header = (struct http_header){"x-amz-sso_bearer_token", token};
    struct transfer_request request = {.service = AWS_SERVICE_SSO,
                                       .operation = "GetRoleCredentials",
                                       .region = fetch->recipe->sso.region,
                                       .rest = {.path = "/federation/credentials",
                                                .query = arena_strdup(fetch->arena,
                                                                      buffer_text(&query)),
                                                .headers = header,
                                                .header_count = 1,
                                                .response_max = TOKEN_BYTES_MAX},
                                       .timeout_ms = STS_TIMEOUT_MS};
    buffer_free(&query);
    send_sts(fetch, &request);
}
