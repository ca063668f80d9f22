/* SARIF 2.1.0 (OASIS), for code scanning: one document, a rule for each code that occurs. */
#include <ctype.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/front/diagnostic_write.h"
#include "compiler/front/visible.h"

static void key_string(struct json_writer *json, const char *key, const char *text)
{
    struct buffer valid = {0};
    visible_utf8(&valid, text, strlen(text));
    json_key_string(json, key, buffer_text(&valid));
    buffer_free(&valid);
}

/* {"text": …} under `key`: SARIF's messages. */
static void key_message(struct json_writer *json, const char *key, const char *text)
{
    json_key(json, key);
    json_begin_object(json);
    key_string(json, "text", text);
    json_end_object(json);
}

/* A relative path as a URI reference (RFC 3986): what is not unreserved is escaped. */
static void key_uri(struct json_writer *json, const char *path)
{
    struct buffer uri = {0};
    for (const char *c = path; *c; c++) {
        if (isalnum((unsigned char)*c) || strchr("-._~/", *c)) {
            buffer_putc(&uri, *c);
        } else {
            buffer_printf(&uri, "%%%02X", (unsigned char)*c);
        }
    }
    json_key_string(json, "uri", buffer_text(&uri));
    buffer_free(&uri);
}

static void write_rules(struct json_writer *json, const bool *used)
{
    json_key(json, "rules");
    json_begin_array(json);
    for (int code = 0; code < DIAGNOSTIC_CODE_COUNT; code++) {
        if (used[code]) {
            const struct diagnostic_info *info = diagnostic_info((enum diagnostic_code)code);
            json_begin_object(json);
            json_key_string(json, "id", info->code);
            key_message(json, "shortDescription", info->title);
            key_message(json, "fullDescription", info->explanation);
            json_key(json, "defaultConfiguration");
            json_begin_object(json);
            json_key_string(json, "level", diagnostic_severity_name(info->severity));
            json_end_object(json);
            json_end_object(json);
        }
    }
    json_end_array(json);
}

static void write_tool(struct json_writer *json, const bool *used)
{
    json_key(json, "tool");
    json_begin_object(json);
    json_key(json, "driver");
    json_begin_object(json);
    json_key_string(json, "name", "drc");
    json_key_string(json, "version", DRC_VERSION);
    write_rules(json, used);
    json_end_object(json);
    json_end_object(json);
}

static void write_location(struct json_writer *json, const struct span *span, const char *message)
{
    json_begin_object(json);
    json_key(json, "physicalLocation");
    json_begin_object(json);
    json_key(json, "artifactLocation");
    json_begin_object(json);
    key_uri(json, span->source->path);
    json_end_object(json);
    json_key(json, "region");
    json_begin_object(json);
    json_key_int(json, "startLine", span->line);
    json_key_int(json, "startColumn", span->column);
    json_key_int(json, "endLine", span->end_line);
    json_key_int(json, "endColumn", span->end_column);
    json_end_object(json);
    json_end_object(json);
    if (*message) {
        key_message(json, "message", message);
    }
    json_end_object(json);
}

static void write_related(struct json_writer *json, const struct diagnostic *diagnostic)
{
    json_key(json, "relatedLocations");
    json_begin_array(json);
    for (size_t i = 0; i < diagnostic->secondary_count; i++) {
        const struct diagnostic_label *label = &diagnostic->secondary[i];
        if (label->span.source) {
            write_location(json, &label->span, label->text);
        }
    }
    json_end_array(json);
}

/* Message, label, helps and notes as one text. */
static void write_message(struct json_writer *json, const struct diagnostic *diagnostic)
{
    struct buffer text = {0};
    buffer_puts(&text, diagnostic->message);
    if (*diagnostic->primary.text) {
        buffer_printf(&text, ": %s", diagnostic->primary.text);
    }
    for (size_t i = 0; i < diagnostic->help_count; i++) {
        buffer_printf(&text, "\nhelp: %s", diagnostic->helps[i]);
    }
    for (size_t i = 0; i < diagnostic->note_count; i++) {
        buffer_printf(&text, "\nnote: %s", diagnostic->notes[i]);
    }
    key_message(json, "message", buffer_text(&text));
    buffer_free(&text);
}

static void write_result(struct json_writer *json, const struct diagnostic *diagnostic,
                         int64_t rule_index)
{
    json_begin_object(json);
    json_key_string(json, "ruleId", diagnostic_info(diagnostic->code)->code);
    json_key_int(json, "ruleIndex", rule_index);
    json_key_string(json, "level", diagnostic_severity_name(diagnostic->severity));
    write_message(json, diagnostic);
    if (diagnostic->primary.span.source) {
        json_key(json, "locations");
        json_begin_array(json);
        write_location(json, &diagnostic->primary.span, diagnostic->primary.text);
        json_end_array(json);
    }
    if (diagnostic->secondary_count > 0) {
        write_related(json, diagnostic);
    }
    json_end_object(json);
}

void diagnostics_write_sarif(const struct diagnostics *all, struct diagnostic *const *items,
                             struct buffer *out)
{
    bool used[DIAGNOSTIC_CODE_COUNT] = {false};
    int64_t rule_index[DIAGNOSTIC_CODE_COUNT];
    for (size_t i = 0; i < all->count; i++) {
        used[items[i]->code] = true;
    }
    int64_t next = 0;
    for (int code = 0; code < DIAGNOSTIC_CODE_COUNT; code++) {
        rule_index[code] = used[code] ? next++ : -1;
    }
    struct json_writer json = json_writer(out, 2);
    json_begin_object(&json);
    json_key_string(&json, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    json_key_string(&json, "version", "2.1.0");
    json_key(&json, "runs");
    json_begin_array(&json);
    json_begin_object(&json);
    write_tool(&json, used);
    json_key_string(&json, "columnKind", "unicodeCodePoints");
    json_key(&json, "results");
    json_begin_array(&json);
    for (size_t i = 0; i < all->count; i++) {
        write_result(&json, items[i], rule_index[items[i]->code]);
    }
    json_end_array(&json);
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
}
