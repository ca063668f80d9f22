#include "runtime/sandbox/query.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/percent.h"

/* NULL when malformed, or when it holds a NUL byte, which no parameter may. */
static char *decode(struct arena *arena, const char *text, size_t length)
{
    char *out = arena_alloc(arena, length + 1);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int high = length - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = length - i > 2 ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (!c) {
            return NULL;
        }
        out[used++] = c;
    }
    out[used] = '\0';
    return out;
}

static bool add_pair(struct query *query, const char *text, size_t length)
{
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals ? (size_t)(equals - text) : length;
    const char *name = decode(query->arena, text, name_length);
    const char *value = equals ? decode(query->arena, equals + 1, length - name_length - 1) : "";
    if (!name || !value) {
        return false;
    }
    map_put(&query->pairs, name, (void *)value);
    return true;
}

bool query_parse(struct query *query, const char *text, size_t length, const char **problem)
{
    query->pairs.arena = query->arena;
    if (length > QUERY_BYTES_MAX) {
        *problem = "The request is larger than 1 MiB.";
        return false;
    }
    const char *end = text + length;
    for (size_t pairs = 0; text < end; pairs++) {
        const char *next = memchr(text, '&', (size_t)(end - text));
        size_t pair_length = (size_t)((next ? next : end) - text);
        if (pairs == QUERY_PAIRS_MAX) {
            *problem = "The request has too many parameters.";
            return false;
        }
        if (pair_length && !add_pair(query, text, pair_length)) {
            *problem = "The request's parameters are not properly encoded.";
            return false;
        }
        text += pair_length + 1;
    }
    return true;
}

static const char *format_name(const struct query *query, const char *format, va_list args)
{
    struct buffer text = {0};
    buffer_vprintf(&text, format, args);
    const char *name = arena_strdup(query->arena, buffer_text(&text));
    buffer_free(&text);
    return name;
}

const char *query_get(const struct query *query, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *name = format_name(query, format, args);
    va_end(args);
    return map_get(&query->pairs, name);
}

bool query_has(const struct query *query, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *prefix = format_name(query, format, args);
    va_end(args);
    size_t length = strlen(prefix);
    for (struct map_entry *entry = map_first(&query->pairs); entry; entry = map_next(entry)) {
        if (strncmp(entry->key, prefix, length) == 0 &&
            (entry->key[length] == '.' || !entry->key[length])) {
            return true;
        }
    }
    return false;
}

struct texts_list query_list(const struct query *query, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *prefix = format_name(query, format, args);
    va_end(args);
    struct texts_list list = {0};
    size_t capacity = 0;
    while (list.count < QUERY_LIST_MAX) {
        const char *value = query_get(query, "%s.%zu", prefix, list.count + 1);
        if (!value) {
            break;
        }
        list.items =
            arena_grow(query->arena, list.items, list.count, &capacity, sizeof *list.items);
        list.items[list.count++] = value;
    }
    return list;
}

bool parse_int(const char *text, int64_t *value)
{
    if (!text || !*text || strspn(text, "-0123456789") != strlen(text)) {
        return false;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || *end) {
        return false;
    }
    *value = number;
    return true;
}
