/* The shapes for programs: rustc's JSON, and GitHub's workflow commands. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/front/diagnostic_write.h"
#include "compiler/front/visible.h"

static void key_text(struct json_writer *json, const char *key, const char *text, size_t length)
{
    struct buffer valid = {0};
    visible_utf8(&valid, text, length);
    json_key_string(json, key, buffer_text(&valid));
    buffer_free(&valid);
}

static void key_string(struct json_writer *json, const char *key, const char *text)
{
    key_text(json, key, text, strlen(text));
}

static void key_null(struct json_writer *json, const char *key)
{
    json_key(json, key);
    json_null(json);
}

static void key_empty_array(struct json_writer *json, const char *key)
{
    json_key(json, key);
    json_begin_array(json);
    json_end_array(json);
}

/* Where the place is in the file, in bytes; in a very long line, the line's beginning. */
static int64_t byte_offset(const struct source *source, uint32_t line, uint32_t column)
{
    size_t length;
    const char *text = source_line(source, line, &length);
    length = length > SHOWN_LINE_MAX ? 0 : length;
    return text - source->text + (int64_t)visible_offset(text, length, column - 1);
}

/* The line of the span, unless it is too long to be repeated. */
static void write_span_text(struct json_writer *json, const struct diagnostics *all,
                            const struct span *span)
{
    size_t length;
    const char *text = source_line(span->source, span->line, &length);
    json_key(json, "text");
    json_begin_array(json);
    if (length <= JSON_LINE_MAX) {
        struct buffer line = {0};
        diagnostic_line(all, span->source, span->line, 1, text, length, &line);
        json_begin_object(json);
        key_text(json, "text", buffer_text(&line), line.length);
        json_key_int(json, "highlight_start", span->column);
        json_key_int(json, "highlight_end", diagnostic_end_column(span));
        json_end_object(json);
        buffer_free(&line);
    }
    json_end_array(json);
}

static void write_span(struct json_writer *json, const struct diagnostics *all,
                       const struct diagnostic_label *label, bool primary)
{
    const struct span *span = &label->span;
    json_begin_object(json);
    key_string(json, "file_name", span->source->path);
    json_key_int(json, "byte_start", byte_offset(span->source, span->line, span->column));
    json_key_int(json, "byte_end", byte_offset(span->source, span->end_line, span->end_column));
    json_key_int(json, "line_start", span->line);
    json_key_int(json, "line_end", span->end_line);
    json_key_int(json, "column_start", span->column);
    json_key_int(json, "column_end", span->end_column);
    json_key_bool(json, "is_primary", primary);
    write_span_text(json, all, span);
    if (*label->text) {
        key_string(json, "label", label->text);
    } else {
        key_null(json, "label");
    }
    key_null(json, "suggested_replacement");
    key_null(json, "suggestion_applicability");
    key_null(json, "expansion");
    json_end_object(json);
}

static void write_spans(struct json_writer *json, const struct diagnostics *all,
                        const struct diagnostic *diagnostic)
{
    json_key(json, "spans");
    json_begin_array(json);
    if (diagnostic->primary.span.source) {
        write_span(json, all, &diagnostic->primary, true);
    }
    for (size_t i = 0; i < diagnostic->secondary_count; i++) {
        if (diagnostic->secondary[i].span.source) {
            write_span(json, all, &diagnostic->secondary[i], false);
        }
    }
    json_end_array(json);
}

static void write_children(struct json_writer *json, const char *level, const char *const *texts,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json);
        key_string(json, "message", texts[i]);
        key_null(json, "code");
        json_key_string(json, "level", level);
        key_empty_array(json, "spans");
        key_empty_array(json, "children");
        key_null(json, "rendered");
        json_end_object(json);
    }
}

void diagnostic_write_json(const struct diagnostics *all, const struct diagnostic *diagnostic,
                           struct buffer *out)
{
    const struct diagnostic_info *info = diagnostic_info(diagnostic->code);
    struct json_writer json = json_writer(out, 0);
    json_begin_object(&json);
    json_key_string(&json, "$message_type", "diagnostic");
    key_string(&json, "message", diagnostic->message);
    json_key(&json, "code");
    json_begin_object(&json);
    json_key_string(&json, "code", info->code);
    json_key_string(&json, "explanation", info->explanation);
    json_end_object(&json);
    json_key_string(&json, "level", diagnostic_severity_name(diagnostic->severity));
    write_spans(&json, all, diagnostic);
    json_key(&json, "children");
    json_begin_array(&json);
    write_children(&json, "help", diagnostic->helps, diagnostic->help_count);
    write_children(&json, "note", diagnostic->notes, diagnostic->note_count);
    json_end_array(&json);
    struct buffer rendered = {0};
    diagnostic_write_human(all, diagnostic, false, &rendered);
    json_key_string(&json, "rendered", buffer_text(&rendered));
    buffer_free(&rendered);
    json_end_object(&json);
    buffer_putc(out, '\n');
}

/* GitHub's escapes: percent, CR and LF everywhere, colon and comma in properties also. */
static void append_escaped(struct buffer *out, const char *text, bool property)
{
    struct buffer valid = {0};
    visible_utf8(&valid, text, strlen(text));
    for (const char *c = buffer_text(&valid); *c; c++) {
        bool escape =
            *c == '%' || *c == '\r' || *c == '\n' || (property && (*c == ':' || *c == ','));
        if (escape) {
            buffer_printf(out, "%%%02X", (unsigned char)*c);
        } else {
            buffer_putc(out, *c);
        }
    }
    buffer_free(&valid);
}

static void append_properties(const struct diagnostic *diagnostic, struct buffer *out)
{
    const struct span *span = &diagnostic->primary.span;
    if (span->source) {
        buffer_puts(out, "file=");
        append_escaped(out, span->source->path, true);
        buffer_printf(out, ",line=%u,endLine=%u,", span->line, span->end_line);
        if (span->line == span->end_line) { /* GitHub takes columns only then */
            buffer_printf(out, "col=%u,endColumn=%u,", span->column, diagnostic_end_column(span));
        }
    }
    const struct diagnostic_info *info = diagnostic_info(diagnostic->code);
    buffer_printf(out, "title=%s%%3A ", info->code);
    append_escaped(out, info->title, true);
}

void diagnostic_write_github(const struct diagnostic *diagnostic, struct buffer *out)
{
    buffer_printf(out, "::%s ", diagnostic_severity_name(diagnostic->severity));
    append_properties(diagnostic, out);
    buffer_puts(out, "::");
    append_escaped(out, diagnostic->message, false);
    if (*diagnostic->primary.text) {
        buffer_puts(out, " (");
        append_escaped(out, diagnostic->primary.text, false);
        buffer_putc(out, ')');
    }
    for (size_t i = 0; i < diagnostic->help_count; i++) {
        buffer_puts(out, "%0Ahelp: ");
        append_escaped(out, diagnostic->helps[i], false);
    }
    for (size_t i = 0; i < diagnostic->note_count; i++) {
        buffer_puts(out, "%0Anote: ");
        append_escaped(out, diagnostic->notes[i], false);
    }
    buffer_putc(out, '\n');
}
