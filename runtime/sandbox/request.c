#include "runtime/sandbox/request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

#include "runtime/sandbox/arrival.h"

bool fail(struct request *r, int status, const char *code, const char *format, ...)
{
    struct buffer message = {0};
    va_list args;
    va_start(args, format);
    buffer_vprintf(&message, format, args);
    va_end(args);
    r->failure.status = status;
    r->failure.code = code;
    r->failure.message = arena_strdup(r->arena, buffer_text(&message));
    buffer_free(&message);
    return false;
}

enum protocol protocol_of(const char *service)
{
    static const struct {
        const char *service;
        enum protocol protocol;
    } known[] = {
        {"ec2", PROTOCOL_QUERY},
        {"sts", PROTOCOL_QUERY},
        {"elasticloadbalancing", PROTOCOL_QUERY},
        {"route53", PROTOCOL_ROUTE53},
        {"ebs", PROTOCOL_REST_JSON},
        {"s3", PROTOCOL_REST_XML},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].service, service) == 0) {
            return known[i].protocol;
        }
    }
    return PROTOCOL_JSON;
}

void answer_header(struct request *r, const char *name, const char *value)
{
    if (value && r->answer.header_count < ANSWER_HEADERS_MAX) {
        r->answer.headers[r->answer.header_count++] =
            (struct http_header){name, arena_strdup(r->arena, value)};
    }
}

const char *header_of(const struct request *r, const char *name)
{
    return request_header(r->arrival->http, name);
}

bool is_utf8(const char *text, size_t length)
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

/* SplitMix64's finaliser (Steele, Lea, Flood 2014). */
uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a * 0x9E3779B97F4A7C15u + b + 0x632BE59BD9B4E019u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t mix_text(uint64_t a, const char *text)
{
    for (; *text; text++) {
        a = mix(a, (unsigned char)*text);
    }
    return a;
}

uint64_t draw(struct request *r)
{
    return mix(mix(r->seed, (uint64_t)r->number), r->draws++);
}

int64_t draw_between(struct request *r, int64_t low, int64_t high)
{
    return low + (int64_t)(draw(r) % (uint64_t)(high - low + 1));
}

const char *new_id(struct request *r, const char *prefix)
{
    return arena_printf(r->arena, "%s-0%016" PRIx64, prefix, draw(r));
}

const char *new_uuid(struct request *r)
{
    uint64_t a = draw(r), b = draw(r);
    return arena_printf(r->arena, "%08x-%04x-4%03x-8%03x-%012" PRIx64, (unsigned)(a >> 32),
                        (unsigned)(a >> 16) & 0xFFFF, (unsigned)a & 0xFFF,
                        (unsigned)(b >> 48) & 0xFFF, b & 0xFFFFFFFFFFFF);
}

bool need(struct request *r, const char *name, const char **value)
{
    *value = query_get(&r->query, "%s", name);
    if (*value && **value) {
        return true;
    }
    return fail(r, 400, "MissingParameter", "The request must contain the parameter %s", name);
}

bool optional_int(struct request *r, const char *name, int64_t *value)
{
    const char *text = query_get(&r->query, "%s", name);
    if (!text || parse_int(text, value)) {
        return true;
    }
    return fail(r, 400, "InvalidParameterValue",
                "Value (%s) for parameter %s is invalid. An integer is expected.", text, name);
}

bool optional_bool(struct request *r, const char *name, bool *value)
{
    const char *text = query_get(&r->query, "%s", name);
    if (!text) {
        return true;
    }
    *value = strcasecmp(text, "true") == 0;
    if (*value || strcasecmp(text, "false") == 0) {
        return true;
    }
    return fail(r, 400, "InvalidParameterValue",
                "Value (%s) for parameter %s is invalid. Expected: 'true' or 'false'.", text, name);
}

static const struct operation operations[] = {
#define OPERATION(service, name, handler, bucket, resource, latency_ms)                            \
    {service, name, BUCKET_##bucket, BUCKET_##resource, latency_ms, handler},
#include "runtime/sandbox/operation.def"
#undef OPERATION
};

const struct operation *operation_find(const char *service, const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(operations[i].service, service) == 0 && strcmp(operations[i].name, name) == 0) {
            return &operations[i];
        }
    }
    return NULL;
}
