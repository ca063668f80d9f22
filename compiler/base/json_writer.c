#include "compiler/base/json_writer.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/buffer.h"

struct json_writer json_writer(struct buffer *out, int indent)
{
    return (struct json_writer){.out = out, .indent = indent};
}

static bool on_one_line(const struct json_writer *json, int depth)
{
    return json->indent == 0 || (json->compact_from > 0 && depth > json->compact_from);
}

enum { INDENT_MAX = 128 };

/* A line break and the indentation; returns their length. */
static size_t line_break(const struct json_writer *json, int depth, char text[INDENT_MAX + 1])
{
    int spaces = depth * json->indent < INDENT_MAX ? depth * json->indent : INDENT_MAX;
    text[0] = '\n';
    memset(text + 1, ' ', (size_t)spaces);
    return (size_t)spaces + 1;
}

/* What stands before a value or a key: a comma, a line break. */
static void before_item(struct json_writer *json)
{
    char text[INDENT_MAX + 2];
    size_t length = 0;
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->depth == 0) {
        return;
    }
    bool first = !json->has_items[json->depth - 1];
    json->has_items[json->depth - 1] = true;
    if (!first) {
        text[length++] = ',';
    }
    if (!on_one_line(json, json->depth)) {
        length += line_break(json, json->depth, text + length);
    } else if (!first && json->indent > 0) {
        text[length++] = ' ';
    }
    buffer_append(json->out, text, length);
}

static void begin(struct json_writer *json, char bracket)
{
    before_item(json);
    assert(json->depth < JSON_DEPTH_MAX);
    json->has_items[json->depth++] = false;
    buffer_putc(json->out, bracket);
}

static void end(struct json_writer *json, char bracket)
{
    assert(json->depth > 0 && !json->after_key);
    bool empty = !json->has_items[--json->depth];
    char text[INDENT_MAX + 2];
    size_t length = 0;
    if (!empty && !on_one_line(json, json->depth + 1)) {
        length = line_break(json, json->depth, text);
    }
    text[length++] = bracket;
    buffer_append(json->out, text, length);
    if (json->depth == 0 && json->indent > 0) {
        buffer_putc(json->out, '\n');
    }
}

void json_begin_object(struct json_writer *json)
{
    begin(json, '{');
}

void json_end_object(struct json_writer *json)
{
    end(json, '}');
}

void json_begin_array(struct json_writer *json)
{
    begin(json, '[');
}

void json_end_array(struct json_writer *json)
{
    end(json, ']');
}

static void write_escaped(struct buffer *out, unsigned char c)
{
    switch (c) {
    case '"':
        buffer_puts(out, "\\\"");
        break;
    case '\\':
        buffer_puts(out, "\\\\");
        break;
    case '\n':
        buffer_puts(out, "\\n");
        break;
    case '\t':
        buffer_puts(out, "\\t");
        break;
    case '\r':
        buffer_puts(out, "\\r");
        break;
    default:
        buffer_printf(out, "\\u%04x", c);
    }
}

static bool needs_escape(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f;
}

static void write_with_escapes(struct buffer *out, const char *text)
{
    buffer_putc(out, '"');
    for (const char *run = text;;) {
        const char *c = run;
        while (*c && !needs_escape((unsigned char)*c)) {
            c++;
        }
        buffer_append(out, run, (size_t)(c - run));
        if (*c == '\0') {
            break;
        }
        write_escaped(out, (unsigned char)*c);
        run = c + 1;
    }
    buffer_putc(out, '"');
}

/* Nearly all texts need no escapes: they are copied at once, with `behind` after the quotes. */
static void write_string(struct buffer *out, const char *text, const char *behind)
{
    size_t length = 0, behind_length = strlen(behind);
    while (text[length] && !needs_escape((unsigned char)text[length])) {
        length++;
    }
    if (text[length]) {
        write_with_escapes(out, text);
        buffer_append(out, behind, behind_length);
        return;
    }
    char *room = buffer_extend(out, length + 2 + behind_length);
    room[0] = '"';
    memcpy(room + 1, text, length + 1);
    room[length + 1] = '"';
    memcpy(room + length + 2, behind, behind_length + 1); /* the NUL has room as well */
}

void json_key(struct json_writer *json, const char *key)
{
    assert(!json->after_key);
    before_item(json);
    write_string(json->out, key, json->indent > 0 ? ": " : ":");
    json->after_key = true;
}

void json_string(struct json_writer *json, const char *text)
{
    before_item(json);
    write_string(json->out, text, "");
}

void json_int(struct json_writer *json, int64_t value)
{
    before_item(json);
    char digits[24], *end = digits + sizeof digits, *at = end;
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        *--at = '-';
    }
    buffer_append(json->out, at, (size_t)(end - at));
}

void json_number(struct json_writer *json, double value)
{
    assert(isfinite(value));
    before_item(json);
    char text[32];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    buffer_puts(json->out, text);
}

void json_bool(struct json_writer *json, bool value)
{
    before_item(json);
    buffer_puts(json->out, value ? "true" : "false");
}

void json_null(struct json_writer *json)
{
    before_item(json);
    buffer_puts(json->out, "null");
}

void json_raw(struct json_writer *json, const char *text)
{
    before_item(json);
    buffer_puts(json->out, text);
}

void json_key_string(struct json_writer *json, const char *key, const char *text)
{
    if (text) {
        json_key(json, key);
        json_string(json, text);
    }
}

void json_key_int(struct json_writer *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_int(json, value);
}

void json_key_bool(struct json_writer *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}
