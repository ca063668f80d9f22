#include "compiler/base/json_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compiler/base/buffer.h"

struct json_writer json_writer(struct buffer *out, int indent)
{
    return (struct json_writer){.out = out, .indent = indent};
}

static bool on_one_line(const struct json_writer *json, int depth)
{
    return json->indent == 0 || (json->compact_from > 0 && depth > json->compact_from);
}

static void new_line(struct json_writer *json, int depth)
{
    static const char spaces[] = "                                ";
    buffer_putc(json->out, '\n');
    for (int left = depth * json->indent; left > 0; left -= (int)sizeof spaces - 1) {
        int part = left < (int)sizeof spaces - 1 ? left : (int)sizeof spaces - 1;
        buffer_append(json->out, spaces, (size_t)part);
    }
}

/* What stands before a value or a key: a comma, a line break. */
static void before_item(struct json_writer *json)
{
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
        buffer_putc(json->out, ',');
    }
    if (!on_one_line(json, json->depth)) {
        new_line(json, json->depth);
    } else if (!first && json->indent > 0) {
        buffer_putc(json->out, ' ');
    }
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
    if (!empty && !on_one_line(json, json->depth + 1)) {
        new_line(json, json->depth);
    }
    buffer_putc(json->out, bracket);
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

static void write_string(struct buffer *out, const char *text)
{
    buffer_putc(out, '"');
    const char *run = text;
    for (const char *c = text;; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f) {
            continue;
        }
        buffer_append(out, run, (size_t)(c - run));
        if (byte == '\0') {
            break;
        }
        write_escaped(out, byte);
        run = c + 1;
    }
    buffer_putc(out, '"');
}

void json_key(struct json_writer *json, const char *key)
{
    assert(!json->after_key);
    before_item(json);
    write_string(json->out, key);
    buffer_puts(json->out, json->indent > 0 ? ": " : ":");
    json->after_key = true;
}

void json_string(struct json_writer *json, const char *text)
{
    before_item(json);
    write_string(json->out, text);
}

void json_int(struct json_writer *json, int64_t value)
{
    before_item(json);
    buffer_printf(json->out, "%" PRId64, value);
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
