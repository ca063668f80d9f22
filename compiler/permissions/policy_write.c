/* Policies as JSON for IAM, and as Markdown for people. */
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/permissions/policy.h"

static void write_texts(struct json_writer *json, const char *key, const char *const *texts,
                        size_t count)
{
    json_key(json, key);
    if (count == 1) {
        json_string(json, texts[0]);
        return;
    }
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        json_string(json, texts[i]);
    }
    json_end_array(json);
}

static void write_conditions(struct json_writer *json, const struct policy_statement *statement)
{
    const char *comparison = NULL;
    if (statement->condition_count == 0) {
        return;
    }
    json_key(json, "Condition");
    json_begin_object(json);
    for (size_t i = 0; i < statement->condition_count; i++) {
        const struct policy_condition *condition = &statement->conditions[i];
        bool other = !comparison || strcmp(comparison, condition->comparison) != 0;
        if (other && comparison) {
            json_end_object(json);
        }
        if (other) {
            json_key(json, condition->comparison);
            json_begin_object(json);
        }
        comparison = condition->comparison;
        write_texts(json, condition->key, condition->values, condition->value_count);
    }
    json_end_object(json);
    json_end_object(json);
}

void policy_write_json(const struct policy_document *document, int indent, struct buffer *out)
{
    struct json_writer json = json_writer(out, indent);
    json_begin_object(&json);
    json_key_string(&json, "Version", "2012-10-17");
    json_key(&json, "Statement");
    json_begin_array(&json);
    for (size_t i = 0; i < document->count; i++) {
        const struct policy_statement *statement = &document->statements[i];
        json_begin_object(&json);
        json_key_string(&json, "Sid", statement->sid);
        json_key_string(&json, "Effect", "Allow");
        write_texts(&json, "Action", statement->actions, statement->action_count);
        write_texts(&json, "Resource", statement->resources, statement->resource_count);
        write_conditions(&json, statement);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    if (indent == 0) {
        buffer_putc(out, '\n');
    }
}

/* ---- Markdown ---- */

static void write_codes(struct buffer *out, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "%s`%s`", i ? ", " : "", texts[i]);
    }
}

static void write_about(const struct policy_statement *statement, struct buffer *out)
{
    buffer_printf(out, "### %s\n%s\n\n- ", statement->sid, statement->about);
    write_codes(out, statement->actions, statement->action_count);
    buffer_puts(out, "\n- on ");
    write_codes(out, statement->resources, statement->resource_count);
    buffer_putc(out, '\n');
    for (size_t i = 0; i < statement->condition_count; i++) {
        const struct policy_condition *condition = &statement->conditions[i];
        buffer_printf(out, "- where `%s` (%s) is ", condition->key, condition->comparison);
        write_codes(out, condition->values, condition->value_count);
        buffer_putc(out, '\n');
    }
    buffer_putc(out, '\n');
}

void policy_write_markdown(const struct policy *policy, struct buffer *out)
{
    buffer_printf(out, "# What %s of plan %s may do in AWS\n\n", workflow_name(policy->workflow),
                  policy->plan_name);
    if (policy->count == 0) {
        buffer_puts(out, "Nothing: it needs no AWS.\n");
    }
    for (size_t i = 0; i < policy->count; i++) {
        const struct policy_document *document = &policy->documents[i];
        const char *whose = document->role ? document->role : "the runner";
        buffer_printf(out, "## Policy %zu of %zu: %s%s%s (%zu characters)\n\n", i + 1,
                      policy->count, document->role ? "`" : "", whose, document->role ? "`" : "",
                      document->characters);
        for (size_t k = 0; k < document->count; k++) {
            write_about(&document->statements[k], out);
        }
    }
    for (size_t i = 0; i < policy->note_count; i++) {
        buffer_printf(out, "%s- %s\n", i ? "" : "## To know\n\n", policy->notes[i]);
    }
}
