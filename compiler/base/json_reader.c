#include "compiler/base/json_reader.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at)) {
        at++;
    }
    return at;
}

/* Behind the string that begins at `at`: a quote ends it unless an odd number of backslashes stands
 * before. */
static const char *skip_string(const char *at, const char *end)
{
    const char *start = at + 1;
    for (const char *from = start; from < end;) {
        const char *quote = memchr(from, '"', (size_t)(end - from));
        if (!quote) {
            break;
        }
        const char *c = quote;
        while (c > start && c[-1] == '\\') {
            c--;
        }
        if ((quote - c) % 2 == 0) {
            return quote + 1;
        }
        from = quote + 1;
    }
    return end;
}

static const char *skip_container(const char *at, const char *end)
{
    int depth = 0;
    while (at < end) {
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            break;
        case '{':
        case '[':
            depth++;
            at++;
            break;
        case '}':
        case ']':
            at++;
            if (--depth == 0) {
                return at;
            }
            break;
        default:
            at++;
        }
    }
    return end;
}

/* Behind the value that begins at `at`; the text is known to be valid. */
static const char *skip_value(const char *at, const char *end)
{
    if (at < end && *at == '"') {
        return skip_string(at, end);
    }
    if (at < end && (*at == '{' || *at == '[')) {
        return skip_container(at, end);
    }
    while (at < end && !is_space(*at) && *at != ',' && *at != ']' && *at != '}') {
        at++;
    }
    return at;
}

bool json_open(struct json_cursor *cursor, struct json_text value, char bracket)
{
    const char *end = value.at + value.length;
    const char *at = skip_space(value.at, end);
    if (at == end || *at != bracket) {
        return false;
    }
    *cursor = (struct json_cursor){.at = at + 1, .end = end, .object = bracket == '{'};
    return true;
}

static struct json_text take_value(struct json_cursor *cursor)
{
    const char *start = skip_space(cursor->at, cursor->end);
    cursor->at = skip_value(start, cursor->end);
    return (struct json_text){.at = start, .length = (size_t)(cursor->at - start)};
}

bool json_next(struct json_cursor *cursor, struct json_text *key, struct json_text *value)
{
    cursor->at = skip_space(cursor->at, cursor->end);
    if (cursor->at == cursor->end || *cursor->at == (cursor->object ? '}' : ']')) {
        return false;
    }
    if (cursor->started) {
        cursor->at++; /* the comma */
    }
    cursor->started = true;
    if (cursor->object) {
        *key = take_value(cursor);
        cursor->at = skip_space(cursor->at, cursor->end) + 1; /* the colon */
    }
    *value = take_value(cursor);
    return true;
}

const char *json_key_text(struct arena *arena, struct json_text key)
{
    if (!memchr(key.at, '\\', key.length)) {
        return arena_strndup(arena, key.at + 1, key.length - 2);
    }
    cJSON *tree = cJSON_ParseWithLength(key.at, key.length);
    const char *decoded = cJSON_GetStringValue(tree);
    if (!decoded) {
        base_out_of_memory(); /* the text was parsed before: nothing else can be wrong */
    }
    const char *text = arena_strdup(arena, decoded);
    cJSON_Delete(tree);
    return text;
}

static void write_pointer(struct buffer *out, const struct json_at *at)
{
    if (!at) {
        return;
    }
    write_pointer(out, at->parent);
    if (!at->key) {
        buffer_printf(out, "/%zu", at->index);
        return;
    }
    buffer_putc(out, '/');
    for (const char *c = at->key; *c; c++) {
        if (*c == '~') {
            buffer_puts(out, "~0");
        } else if (*c == '/') {
            buffer_puts(out, "~1");
        } else if ((unsigned char)*c < 0x20) {
            buffer_putc(out, '?');
        } else {
            buffer_putc(out, *c);
        }
    }
}

bool json_fail(const struct json_at *at, struct error *error, const char *format, ...)
{
    struct buffer text = {0};
    write_pointer(&text, at);
    buffer_puts(&text, text.length ? ": " : "");
    va_list args;
    va_start(args, format);
    buffer_vprintf(&text, format, args);
    va_end(args);
    error_set(error, "%s", buffer_text(&text));
    buffer_free(&text);
    return false;
}

cJSON *json_tree(struct json_text value, const struct json_at *at, struct error *error)
{
    if (value.length > JSON_TREE_BYTES_MAX) {
        json_fail(at, error, "the value has %zu bytes, more than the %d that one may have",
                  value.length, JSON_TREE_BYTES_MAX);
        return NULL;
    }
    cJSON *tree = cJSON_ParseWithLength(value.at, value.length);
    if (!tree) {
        base_out_of_memory(); /* The text was checked before. */
    }
    return tree;
}

static bool is_known(const char *key, const char *const *keys)
{
    for (; keys && *keys; keys++) {
        if (strcmp(key, *keys) == 0) {
            return true;
        }
    }
    return !keys;
}

/* For objects with few keys; large ones are walked by cursors and kept in maps. */
static bool is_first(const cJSON *object, const cJSON *member)
{
    const cJSON *first = object->child;
    while (strcmp(first->string, member->string) != 0) {
        first = first->next;
    }
    return first == member;
}

bool json_expect_object(const cJSON *value, const char *const *keys, const struct json_at *at,
                        struct error *error)
{
    enum { MEMBERS_MAX = 1000 };
    if (!cJSON_IsObject(value)) {
        return json_fail(at, error, "an object is expected");
    }
    size_t count = 0;
    for (const cJSON *member = value->child; member; member = member->next) {
        if (!is_known(member->string, keys)) {
            return json_fail(JSON_MEMBER(at, member->string), error, "there is no such key here");
        }
        if (++count > MEMBERS_MAX) {
            return json_fail(at, error, "there are more than %d keys", MEMBERS_MAX);
        }
        if (!is_first(value, member)) {
            return json_fail(JSON_MEMBER(at, member->string), error, "the key is given twice");
        }
    }
    return true;
}

bool json_expect_array(const cJSON *value, const struct json_at *at, struct error *error)
{
    return cJSON_IsArray(value) || json_fail(at, error, "an array is expected");
}

/* The member; NULL with *ok telling whether that is allowed. */
static const cJSON *find_member(const cJSON *object, const char *key, enum json_presence presence,
                                const struct json_at *at, struct error *error, bool *ok)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);
    *ok = member || presence == JSON_OPTIONAL;
    if (!*ok) {
        json_fail(at, error, "\"%s\" is missing", key);
    }
    return member;
}

bool json_get_text(const cJSON *object, const char *key, enum json_presence presence,
                   struct arena *arena, const char **out, const struct json_at *at,
                   struct error *error)
{
    bool ok;
    const cJSON *member = find_member(object, key, presence, at, error, &ok);
    if (!member) {
        return ok;
    }
    if (!cJSON_IsString(member)) {
        return json_fail(JSON_MEMBER(at, key), error, "a text is expected");
    }
    *out = arena_strdup(arena, member->valuestring);
    return true;
}

bool json_is_int(const cJSON *value, int64_t *out)
{
    if (!cJSON_IsNumber(value) || trunc(value->valuedouble) != value->valuedouble ||
        fabs(value->valuedouble) > (double)JSON_INT_MAX) {
        return false;
    }
    *out = (int64_t)value->valuedouble;
    return true;
}

int64_t json_int_or(const cJSON *value, int64_t fallback)
{
    int64_t number;
    return json_is_int(value, &number) ? number : fallback;
}

const char *json_text_of(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

int64_t json_int_of(const cJSON *object, const char *key, int64_t fallback)
{
    return json_int_or(cJSON_GetObjectItemCaseSensitive(object, key), fallback);
}

bool json_get_int(const cJSON *object, const char *key, enum json_presence presence, int64_t min,
                  int64_t max, int64_t *out, const struct json_at *at, struct error *error)
{
    bool ok;
    const cJSON *member = find_member(object, key, presence, at, error, &ok);
    if (!member) {
        return ok;
    }
    int64_t value;
    if (!json_is_int(member, &value)) {
        return json_fail(JSON_MEMBER(at, key), error, "a whole number is expected");
    }
    if (value < min || value > max) {
        return json_fail(JSON_MEMBER(at, key), error, "the number is not from %lld to %lld",
                         (long long)min, (long long)max);
    }
    *out = value;
    return true;
}

bool json_get_bool(const cJSON *object, const char *key, enum json_presence presence, bool *out,
                   const struct json_at *at, struct error *error)
{
    bool ok;
    const cJSON *member = find_member(object, key, presence, at, error, &ok);
    if (!member) {
        return ok;
    }
    if (!cJSON_IsBool(member)) {
        return json_fail(JSON_MEMBER(at, key), error, "true or false is expected");
    }
    *out = cJSON_IsTrue(member);
    return true;
}
