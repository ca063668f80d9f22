#include "runtime/aws/ssm_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"
#include "compiler/base/sha256.h"
#include "runtime/world/world.h"

enum { COMMENT_MAX = 100, PAGES_MAX = 200 };

const char *ssm_instance(const struct call *call)
{
    const char *instance = call_text(call, "instance_id");
    instance = instance ? instance : call_text(call, "conversion_instance");
    return instance ? instance : "";
}

void ssm_put_quoted(struct buffer *line, const char *word)
{
    buffer_puts(line, " '");
    for (; *word; word++) {
        if (*word == '\'') {
            buffer_puts(line, "'\\''");
        } else {
            buffer_putc(line, *word);
            buffer_puts(line, *word == '{' && word[1] == '{' ? "''" : "");
        }
    }
    buffer_putc(line, '\'');
}

/* How the command is found again: "drc RUN NODE", behind it the generation when it is not the first:
 * an earlier command was for an earlier visit of the disk. A long one is cut, and told apart by its
 * hash. */
static const char *comment_of(struct operation *op)
{
    const struct call *call = op->calls[0];
    const char *comment = arena_printf(op->arena, "drc %s %s", call->run_id, call->node->id);
    if (call->generation > 0) {
        comment = arena_printf(op->arena, "%s %d", comment, call->generation + 1);
    }
    if (strlen(comment) <= COMMENT_MAX) {
        return comment;
    }
    char hash[SHA256_HEX_SIZE];
    sha256_hex(comment, strlen(comment), hash);
    return arena_printf(op->arena, "%.80s #%.16s", comment, hash);
}

static void tell_command(struct operation *op, const char *id)
{
    struct call_result result = {
        .outcome = OUTCOME_OK, .outputs = {{"command_id", id}}, .output_count = 1};
    operation_result(op, 0, &result);
}

/* A command id as SSM makes them; NULL otherwise. */
static const char *command_id(const cJSON *command)
{
    const char *id = json_text(command, "CommandId");
    return id && strlen(id) <= 64 && id[strspn(id, "0123456789abcdefABCDEF-")] == '\0' ? id : NULL;
}

static void on_sent(struct operation *op, const struct aws_answer *answer)
{
    const char *id = command_id(cJSON_GetObjectItemCaseSensitive(answer->json, "Command"));
    if (answer->outcome == OUTCOME_OK && id) {
        tell_command(op, id);
    } else if (answer->outcome == OUTCOME_OK) {
        operation_tell(op, 0, OUTCOME_UNKNOWN, NULL,
                       "ssm SendCommand: the answer has no CommandId");
    } else {
        operation_refused(op, answer);
    }
}

static void add_parameter(struct json_writer *json, const char *name, const char *value)
{
    json_key(json, name);
    json_begin_array(json);
    json_string(json, value);
    json_end_array(json);
}

static void add_parameters(struct json_writer *json, const char *const *lines, size_t count,
                           int64_t execution_s)
{
    char seconds[24];
    execution_s = execution_s < 1 ? 1 : execution_s;
    execution_s = execution_s < SSM_EXECUTION_MAX_S ? execution_s : SSM_EXECUTION_MAX_S;
    snprintf(seconds, sizeof seconds, "%" PRId64, execution_s);
    json_key(json, "Parameters");
    json_begin_object(json);
    json_key(json, "commands");
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        json_string(json, lines[i]);
    }
    json_end_array(json);
    add_parameter(json, "executionTimeout", seconds);
    json_end_object(json);
}

void ssm_send(struct operation *op, const char *document, const char *const *lines, size_t count,
              int64_t delivery_s, int64_t execution_s)
{
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    json_begin_object(&json);
    json_key_string(&json, "DocumentName", document);
    add_parameter(&json, "InstanceIds", ssm_instance(op->calls[0]));
    json_key_string(&json, "Comment", comment_of(op));
    json_key_int(&json, "TimeoutSeconds", delivery_s);
    add_parameters(&json, lines, count, execution_s);
    json_end_object(&json);
    operation_send_json(op, AWS_SERVICE_SSM, "SendCommand", buffer_text(&body), true, BUCKET_NONE,
                        on_sent);
    buffer_free(&body);
}

/* Not from within start: an operation that sends nothing tells what is wrong a moment later. */
static void on_refused(void *context)
{
    struct operation *op = context;
    struct error *error = op->state;
    op->task = NULL;
    operation_tell(op, 0, OUTCOME_FATAL, error->help, "%s", error->message);
    operation_destroy(op);
}

void ssm_refuse_later(struct operation *op, struct error *error)
{
    struct error *kept = ARENA_NEW(op->arena, struct error);
    kept->message = arena_strdup(op->arena, error->message);
    kept->help = error->help ? arena_strdup(op->arena, error->help) : NULL;
    error_clear(error);
    op->state = kept;
    op->task = world_timer(aws_client_world(op->client), 0, on_refused, op);
}

struct listing {
    const char *comment;
    const char *next; /* the page that was asked for last; NULL: the first */
    int pages;
};

static void ask_for_commands(struct operation *op, const char *next_token);

static void on_commands(struct operation *op, const struct aws_answer *answer)
{
    struct listing *listing = op->state;
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    const cJSON *command = NULL;
    cJSON_ArrayForEach(command, cJSON_GetObjectItemCaseSensitive(answer->json, "Commands"))
    {
        const char *comment = json_text(command, "Comment");
        if (comment && strcmp(comment, listing->comment) == 0 && command_id(command)) {
            tell_command(op, command_id(command));
            return;
        }
    }
    const char *next = json_text(answer->json, "NextToken");
    bool again = next && listing->next && strcmp(next, listing->next) == 0;
    if (next && !again && listing->pages++ < PAGES_MAX) {
        listing->next = arena_strdup(op->arena, next);
        ask_for_commands(op, next);
        return;
    }
    if (next) { /* what is on no page yet is not proved absent */
        operation_tell(op, 0, OUTCOME_UNKNOWN, NULL,
                       "ssm ListCommands: the pages of the answer do not end");
        return;
    }
    operation_tell(op, 0, OUTCOME_ABSENT, NULL, "there is no command \"%s\"", listing->comment);
}

void ssm_ask_for_page(struct operation *op, const char *api, const char *instance,
                      const char *next_token, operation_step next)
{
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    json_begin_object(&json);
    json_key_string(&json, "InstanceId", instance);
    json_key_int(&json, "MaxResults", 50);
    json_key_string(&json, "NextToken", next_token);
    json_end_object(&json);
    operation_send_json(op, AWS_SERVICE_SSM, api, buffer_text(&body), false, BUCKET_SSM_READ, next);
    buffer_free(&body);
}

static void ask_for_commands(struct operation *op, const char *next_token)
{
    ssm_ask_for_page(op, "ListCommands", ssm_instance(op->calls[0]), next_token, on_commands);
}

void ssm_find(struct operation *op)
{
    struct listing *listing = ARENA_NEW(op->arena, struct listing);
    listing->comment = comment_of(op);
    op->state = listing;
    ask_for_commands(op, NULL);
}
