/* Driver injection by SSM: "drc inject" sent to the conversion instance, found again, awaited. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"
#include "compiler/base/sha256.h"
#include "runtime/aws/operation.h"

enum {
    COMMENT_MAX = 100,
    DELIVERY_S = 120,
    PAGES_MAX = 200,
    LIST_PAGES_MAX = 2,
    OUTPUT_SHOWN_MAX = 300
};

/* One word of the shell, whatever is in it. */
static void append_quoted(struct buffer *line, const char *word)
{
    buffer_puts(line, " '");
    for (; *word; word++) {
        if (*word == '\'') {
            buffer_puts(line, "'\\''");
        } else {
            buffer_putc(line, *word);
        }
    }
    buffer_putc(line, '\'');
}

static void append_option(struct buffer *line, const char *option, const char *value)
{
    if (value) {
        buffer_printf(line, " %s", option);
        append_quoted(line, value);
    }
}

static const char *command_line(struct operation *op)
{
    const struct call *call = op->calls[0];
    const char *volume = call_text(call, "volume_id");
    struct buffer line = {0};
    buffer_puts(&line, "drc inject");
    append_quoted(&line, arena_printf(op->arena, "ebs:%s", volume ? volume : ""));
    append_option(&line, "--device", call_text(call, "device"));
    append_option(&line, "--os", call_text(call, "os"));
    append_option(&line, "--firmware", call_text(call, "firmware"));
    append_option(&line, "--arch", call_text(call, "arch"));
    append_option(&line, "--ssm-agent", call_text(call, "ssm_agent"));
    const char *text = arena_strdup(op->arena, buffer_text(&line));
    buffer_free(&line);
    return text;
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

static void inject(struct operation *op)
{
    const struct call *call = op->calls[0];
    int64_t timeout_s = call_int(call, "timeout_ms", 900000) / 1000;
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    json_begin_object(&json);
    json_key_string(&json, "DocumentName", "AWS-RunShellScript");
    add_parameter(&json, "InstanceIds", call_text(call, "conversion_instance"));
    json_key_string(&json, "Comment", comment_of(op));
    json_key_int(&json, "TimeoutSeconds", DELIVERY_S);
    json_key(&json, "Parameters");
    json_begin_object(&json);
    add_parameter(&json, "commands", command_line(op));
    add_parameter(&json, "executionTimeout",
                  arena_printf(op->arena, "%" PRId64, timeout_s > 0 ? timeout_s : 1));
    json_end_object(&json);
    json_end_object(&json);
    operation_send_json(op, AWS_SERVICE_SSM, "SendCommand", buffer_text(&body), true, BUCKET_NONE,
                        on_sent);
    buffer_free(&body);
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

/* Up to 50 a page; next_token NULL: the first. */
static void ask_for_page(struct operation *op, const char *api, const char *next_token,
                         operation_step next)
{
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    json_begin_object(&json);
    json_key_string(&json, "InstanceId", call_text(op->calls[0], "conversion_instance"));
    json_key_int(&json, "MaxResults", 50);
    json_key_string(&json, "NextToken", next_token);
    json_end_object(&json);
    operation_send_json(op, AWS_SERVICE_SSM, api, buffer_text(&body), false, BUCKET_SSM_READ, next);
    buffer_free(&body);
}

static void ask_for_commands(struct operation *op, const char *next_token)
{
    ask_for_page(op, "ListCommands", next_token, on_commands);
}

static void find_command(struct operation *op)
{
    struct listing *listing = ARENA_NEW(op->arena, struct listing);
    listing->comment = comment_of(op);
    op->state = listing;
    ask_for_commands(op, NULL);
}

const struct aws_action inject_action = {.start = inject, .lookup = find_command};

/* The end of what it said: the error is mostly in its last lines. */
static const char *tail(struct operation *op, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    while (length > 0 && strchr(" \r\n\t", text[length - 1])) {
        length--;
    }
    size_t from = length > OUTPUT_SHOWN_MAX ? length - OUTPUT_SHOWN_MAX : 0;
    return one_line(op->arena, text ? text + from : "", length - from, OUTPUT_SHOWN_MAX);
}

static const char *help_for(const char *details)
{
    if (strcmp(details, "Undeliverable") == 0 || strcmp(details, "DeliveryTimedOut") == 0) {
        return "the conversion instance does not answer: it must run, with its SSM agent connected";
    }
    if (strcmp(details, "ExecutionTimedOut") == 0) {
        return "give it more time with timeouts.inject";
    }
    return "run the command by hand on the conversion instance to see all of it, then resume";
}

static void tell_failure(struct operation *op, size_t i, const cJSON *json, const char *status)
{
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(json, "ResponseCode");
    const char *details = json_text(json, "StatusDetails");
    const char *stderr_text = json_text(json, "StandardErrorContent");
    const char *said =
        tail(op, stderr_text ? stderr_text : json_text(json, "StandardOutputContent"));
    const char *shown =
        one_line(op->arena, details ? details : status, strlen(details ? details : status), 60);
    operation_tell(op, i, OUTCOME_FATAL, help_for(shown),
                   "drc inject on %s ended as %s, exit status %d: %s",
                   call_text(op->calls[i], "conversion_instance"), shown,
                   cJSON_IsNumber(code) ? code->valueint : -1, *said ? said : "(it said nothing)");
}

static bool is_going_on(const char *status)
{
    static const char *const states[] = {"Pending", "InProgress", "Delayed", "Cancelling"};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (strcmp(status, states[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Many commands on one instance: one list tells which are still going on and which are done. Those
 * that it does not tell of, and those that failed, whose output is wanted, are asked about alone.
 */
struct invocations {
    size_t at; /* asked about alone */
    int pages;
};

static void tell_going_on(struct operation *op, size_t i, const char *status)
{
    operation_tell(op, i, OUTCOME_PENDING, NULL, "the command is %s",
                   status ? status : "in no state that was told");
}

static void ask_next_alone(struct operation *op);

static void on_invocation(struct operation *op, const struct aws_answer *answer)
{
    size_t i = ((struct invocations *)op->state)->at;
    const char *status = json_text(answer->json, "Status");
    struct call_result ok = {.outcome = OUTCOME_OK};
    if (answer->outcome == OUTCOME_ABSENT) { /* right after sending */
        operation_tell(op, i, OUTCOME_PENDING, NULL, "the command is not to be seen yet");
    } else if (answer->outcome != OUTCOME_OK) {
        operation_refused_one(op, i, answer);
    } else if (status && strcmp(status, "Success") == 0) {
        operation_result(op, i, &ok);
    } else if (!status || is_going_on(status)) {
        tell_going_on(op, i, status);
    } else {
        tell_failure(op, i, answer->json, status);
    }
    ask_next_alone(op);
}

static void ask_next_alone(struct operation *op)
{
    struct invocations *invocations = op->state;
    while (invocations->at < op->n && op->answered[invocations->at]) {
        invocations->at++;
    }
    if (invocations->at == op->n) {
        return;
    }
    const struct call *call = op->calls[invocations->at];
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    json_begin_object(&json);
    json_key_string(&json, "CommandId", call_text(call, "command_id"));
    json_key_string(&json, "InstanceId", call_text(call, "conversion_instance"));
    json_end_object(&json);
    operation_send_json(op, AWS_SERVICE_SSM, "GetCommandInvocation", buffer_text(&body), false,
                        BUCKET_SSM_READ, on_invocation);
    buffer_free(&body);
}

static void see_invocation(struct operation *op, const cJSON *invocation)
{
    const char *id = json_text(invocation, "CommandId");
    const char *status = json_text(invocation, "Status");
    struct call_result ok = {.outcome = OUTCOME_OK};
    for (size_t i = 0; id && status && i < op->n; i++) {
        const char *wanted = call_text(op->calls[i], "command_id");
        if (!wanted || strcmp(wanted, id) != 0) {
            continue;
        }
        if (strcmp(status, "Success") == 0) {
            operation_result(op, i, &ok);
        } else if (is_going_on(status)) {
            tell_going_on(op, i, status);
        }
    }
}

static void ask_for_list(struct operation *op, const char *next_token);

static void on_list(struct operation *op, const struct aws_answer *answer)
{
    struct invocations *invocations = op->state;
    if (answer->outcome == OUTCOME_THROTTLED) {
        operation_refused(op, answer);
        return;
    }
    if (answer->outcome != OUTCOME_OK) { /* not allowed to list: one by one */
        ask_next_alone(op);
        return;
    }
    const cJSON *invocation = NULL;
    cJSON_ArrayForEach(invocation,
                       cJSON_GetObjectItemCaseSensitive(answer->json, "CommandInvocations"))
    {
        see_invocation(op, invocation);
    }
    const char *next = json_text(answer->json, "NextToken");
    if (op->open > 0 && next && ++invocations->pages < LIST_PAGES_MAX) {
        ask_for_list(op, next);
    } else if (op->open > 0) {
        ask_next_alone(op);
    }
}

static void ask_for_list(struct operation *op, const char *next_token)
{
    ask_for_page(op, "ListCommandInvocations", next_token, on_list);
}

static void poll_injected(struct operation *op)
{
    op->state = ARENA_NEW(op->arena, struct invocations);
    if (op->n > 1) {
        ask_for_list(op, NULL);
    } else {
        ask_next_alone(op);
    }
}

const struct aws_action wait_injected_action = {.poll = poll_injected};
