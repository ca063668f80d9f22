#include "tests/sim/cloud.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "compiler/base/arena.h"

bool is(const char *one, const char *other)
{
    return one && other && strcmp(one, other) == 0;
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static const char *decode(struct arena *arena, const char *text, size_t length)
{
    char *out = arena_alloc(arena, length + 1);
    size_t at = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%' && i + 2 < length) {
            out[at++] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
            i += 2;
        } else {
            out[at++] = text[i] == '+' ? ' ' : text[i];
        }
    }
    out[at] = '\0';
    return out;
}

static void read_form(struct arena *arena, struct exchange_seen *seen, const char *body,
                      size_t length)
{
    size_t capacity = 0;
    for (const char *at = body, *end = body + length; at < end;) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        stop = stop ? stop : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        if (equals) {
            seen->parameters = arena_grow(arena, seen->parameters, seen->parameter_count, &capacity,
                                          sizeof *seen->parameters);
            seen->parameters[seen->parameter_count++] =
                (struct parameter){decode(arena, at, (size_t)(equals - at)),
                                   decode(arena, equals + 1, (size_t)(stop - equals - 1))};
        }
        at = stop + 1;
    }
}

static void read_host(struct arena *arena, struct exchange_seen *seen, const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t length = strcspn(host, ":/");
    seen->host = arena_strndup(arena, host, length);
    seen->port =
        host[length] == ':' ? atoi(host + length + 1) : (strncmp(url, "https", 5) == 0 ? 443 : 80);
    bool guest = isdigit((unsigned char)*host);
    seen->service = guest ? "guest" : arena_strndup(arena, host, strcspn(host, ".:/"));
}

static const char *target_of(const struct http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, "X-Amz-Target") == 0) {
            const char *dot = strchr(request->headers[i].value, '.');
            return dot ? dot + 1 : NULL;
        }
    }
    return NULL;
}

static void read_answer(struct arena *arena, struct exchange_seen *seen,
                        const struct http_response *response)
{
    seen->status = response->failure == HTTP_ANSWERED ? response->status : 0;
    if (!seen->status || strcmp(seen->service, "guest") == 0) {
        return;
    }
    if (seen->json) {
        seen->answer_json = cJSON_ParseWithLength(response->body, response->body_length);
        seen->code = cloud_json_text(seen->answer_json, "__type");
        return;
    }
    seen->xml = xml_parse(arena, response->body, response->body_length, NULL);
    seen->code = xml_text(seen->xml, "Errors/Error/Code");
    if (!seen->code) {
        seen->code = xml_text(seen->xml, "Error/Code");
    }
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_change(const struct exchange_seen *seen)
{
    if (strcmp(seen->service, "ec2") != 0 && strcmp(seen->service, "ssm") != 0) {
        return false;
    }
    const char *dry = cloud_parameter(seen, "DryRun");
    return !begins(seen->operation, "Describe") && !begins(seen->operation, "Get") &&
           !begins(seen->operation, "List") && !(dry && strcmp(dry, "true") == 0);
}

struct exchange_seen cloud_read(struct arena *arena, int64_t utc_ms,
                                const struct http_request *request,
                                const struct http_response *response)
{
    struct exchange_seen seen = {.utc_ms = utc_ms};
    read_host(arena, &seen, request->url);
    const char *target = target_of(request);
    const char *body = request->body ? request->body : "";
    if (strcmp(seen.service, "guest") == 0) {
        seen.operation = request->method;
    } else if (target) {
        seen.operation = arena_strdup(arena, target);
        seen.json = cJSON_ParseWithLength(body, request->body_length);
    } else {
        read_form(arena, &seen, body, request->body_length);
        const char *action = cloud_parameter(&seen, "Action");
        seen.operation = action ? action : "?";
    }
    read_answer(arena, &seen, response);
    seen.changes = is_change(&seen);
    return seen;
}

void cloud_forget(struct exchange_seen *seen)
{
    cJSON_Delete(seen->json);
    cJSON_Delete(seen->answer_json);
}

const char *cloud_parameter(const struct exchange_seen *seen, const char *name)
{
    for (size_t i = 0; i < seen->parameter_count; i++) {
        if (strcmp(seen->parameters[i].name, name) == 0) {
            return seen->parameters[i].value;
        }
    }
    return NULL;
}

const char *cloud_nth(const struct exchange_seen *seen, const char *name, int n)
{
    char numbered[80];
    snprintf(numbered, sizeof numbered, "%s.%d", name, n + 1);
    return cloud_parameter(seen, numbered);
}

const char *cloud_tag(const struct exchange_seen *seen, const char *key)
{
    for (size_t i = 0; i + 1 < seen->parameter_count; i++) {
        const struct parameter *parameter = &seen->parameters[i];
        size_t length = strlen(parameter->name);
        if (length < 4 || strcmp(parameter->name + length - 4, ".Key") != 0 ||
            strcmp(parameter->value, key) != 0) {
            continue;
        }
        char name[160];
        snprintf(name, sizeof name, "%.*s.Value", (int)length - 4, parameter->name);
        return cloud_parameter(seen, name);
    }
    return NULL;
}

const char *cloud_json_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}
