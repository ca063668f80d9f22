/* The ends of commands. Many at once are found in lists, newest first: those of one instance, or of the
 * account where they run on several. What a list does not tell of, and those whose output is wanted, are
 * asked about alone. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"
#include "runtime/aws/ssm_command.h"
#include "runtime/world/last_lines.h"
#include "runtime/world/redactor.h"
#include "runtime/world/world.h"

enum {
    LIST_PAGE = 50,
    LIST_PAGES_BESIDE = 1, /* more than the commands awaited fill: others have newer ones */
    OUTPUT_KEPT = 24000,   /* characters of each stream that SSM keeps (GetCommandInvocation) */
};

struct invocations {
    size_t at; /* asked about alone */
    int pages, pages_max;
    const char *instance; /* that all of them run on; NULL: several */
};

static bool is_script(const struct call *call)
{
    return call->node->action == ACTION_WAIT_SCRIPT;
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

/* "Execution Timed Out" or "ExecutionTimedOut": documents and answers write it in both ways. */
static bool is_detail(const char *details, const char *wanted)
{
    while (*details && *wanted) {
        details += *details == ' ';
        if (*details != *wanted) {
            return false;
        }
        details++;
        wanted++;
    }
    return *details == *wanted;
}

/* --- how it failed --- */

static const char *help_for(const struct call *call, const char *details)
{
    bool script = is_script(call);
    if (is_detail(details, "Undeliverable") || is_detail(details, "DeliveryTimedOut")) {
        return script ? "the instance's SSM agent did not take the command: it must run, with its agent "
                        "connected (aws ssm describe-instance-information)"
                      : "the conversion instance does not answer: it must run, with its SSM agent "
                        "connected";
    }
    if (is_detail(details, "ExecutionTimedOut") || is_detail(details, "TimedOut")) {
        return script ? "give it more time: the step's timeout" : "give it more time with timeouts.inject";
    }
    if (is_detail(details, "Cancelled")) {
        return "somebody has cancelled the command in Systems Manager";
    }
    return script ? NULL
                  : "run the command by hand on the conversion instance to see all of it, then resume";
}

static const char *what_of(struct operation *op, size_t i)
{
    const char *what = is_script(op->calls[i]) ? "the script" : "drc inject";
    return arena_printf(op->arena, "%s on %s", what, ssm_instance(op->calls[i]));
}

static const char *how_of(struct operation *op, const char *shown, const cJSON *json)
{
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(json, "ResponseCode");
    if (cJSON_IsNumber(code) && code->valueint >= 0) {
        return arena_printf(op->arena, "%s, exit status %d", shown, code->valueint);
    }
    return shown;
}

static void tell_failure(struct operation *op, size_t i, const cJSON *json, const char *status)
{
    const char *details = json_text(json, "StatusDetails");
    const char *errors = json_text(json, "StandardErrorContent");
    const char *said = errors && *errors ? errors : json_text(json, "StandardOutputContent");
    const char *shown =
        one_line(op->arena, details ? details : status, strlen(details ? details : status), 60);
    struct buffer last = {0};
    last_lines(&last, world_redactor(aws_client_world(op->client)), said ? said : "",
               said ? strlen(said) : 0, false);
    const char *text = last.length ? arena_strdup(op->arena, buffer_text(&last)) : "(it said nothing)";
    buffer_free(&last);
    const char *help = help_for(op->calls[i], shown);
    const char *what = what_of(op, i), *how = how_of(op, shown, json);
    if (is_script(op->calls[i])) {
        operation_tell_gone(op, i, help, "%s ended as %s: %s", what, how, text);
    } else {
        operation_tell(op, i, OUTCOME_FATAL, help, "%s ended as %s: %s", what, how, text);
    }
}

/* --- what it wrote --- */

static void hand_over(struct call *call, const char *text)
{
    static const char CUT[] = "\n[drc: SSM keeps the first 24000 characters; the rest is lost]\n";
    size_t length = strlen(text);
    call->output(call, text, length);
    if (length >= OUTPUT_KEPT) {
        call->output(call, CUT, sizeof CUT - 1);
    }
}

static void keep_output(struct call *call, const cJSON *json)
{
    static const char BETWEEN[] = "[drc: standard error]\n";
    const char *out = json_text(json, "StandardOutputContent");
    const char *errors = json_text(json, "StandardErrorContent");
    if (!call->output || !is_script(call)) {
        return;
    }
    if (out && *out) {
        hand_over(call, out);
    }
    if (errors && *errors) {
        call->output(call, BETWEEN, sizeof BETWEEN - 1);
        hand_over(call, errors);
    }
    call->output(call, NULL, 0);
}

/* --- one by one --- */

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
    bool ended = answer->outcome == OUTCOME_OK && status && !is_going_on(status);
    if (ended) {
        keep_output(op->calls[i], answer->json);
    }
    if (answer->outcome == OUTCOME_ABSENT) { /* right after sending */
        operation_tell(op, i, OUTCOME_PENDING, NULL, "the command is not to be seen yet");
    } else if (answer->outcome != OUTCOME_OK) {
        operation_refused_one(op, i, answer);
    } else if (!ended) {
        tell_going_on(op, i, status);
    } else if (strcmp(status, "Success") == 0) {
        operation_result(op, i, &ok);
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
    json_key_string(&json, "InstanceId", ssm_instance(call));
    json_end_object(&json);
    operation_send_json(op, AWS_SERVICE_SSM, "GetCommandInvocation", buffer_text(&body), false,
                        BUCKET_SSM_READ, on_invocation);
    buffer_free(&body);
}

/* --- lists --- */

static void see_invocation(struct operation *op, const cJSON *invocation)
{
    const char *id = json_text(invocation, "CommandId");
    const char *status = json_text(invocation, "Status");
    struct call_result ok = {.outcome = OUTCOME_OK};
    for (size_t i = 0; id && status && i < op->n; i++) {
        const char *wanted = call_text(op->calls[i], "command_id");
        if (op->answered[i] || !wanted || strcmp(wanted, id) != 0) {
            continue;
        }
        if (is_going_on(status)) {
            tell_going_on(op, i, status);
        } else if (strcmp(status, "Success") == 0 && !is_script(op->calls[i])) {
            operation_result(op, i, &ok);
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
    if (op->open > 0 && next && ++invocations->pages < invocations->pages_max) {
        ask_for_list(op, next);
    } else if (op->open > 0) {
        ask_next_alone(op);
    }
}

static void ask_for_list(struct operation *op, const char *next_token)
{
    const struct invocations *invocations = op->state;
    ssm_ask_for_page(op, "ListCommandInvocations", invocations->instance, next_token, on_list);
}

void ssm_poll(struct operation *op)
{
    struct invocations *invocations = ARENA_NEW(op->arena, struct invocations);
    op->state = invocations;
    invocations->instance = ssm_instance(op->calls[0]);
    invocations->pages_max = (int)((op->n + LIST_PAGE - 1) / LIST_PAGE) + LIST_PAGES_BESIDE;
    for (size_t i = 1; i < op->n && invocations->instance; i++) {
        if (strcmp(ssm_instance(op->calls[i]), invocations->instance) != 0) {
            invocations->instance = NULL;
        }
    }
    if (op->n > 1) {
        ask_for_list(op, NULL);
    } else {
        ask_next_alone(op);
    }
}

bool ssm_same_question(const struct call *a, const struct call *b)
{
    const char *of_a = call_text(a, "conversion_instance");
    const char *of_b = call_text(b, "conversion_instance");
    return of_a && of_b ? strcmp(of_a, of_b) == 0 : of_a == of_b;
}
