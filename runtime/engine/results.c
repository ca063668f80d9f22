/* Results: what an answer means for its node. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "runtime/engine/executor_state.h"
#include "runtime/engine/limits.h"
#include "runtime/state/journal.h"
#include "runtime/state/run.h"
#include "runtime/world/redactor.h"
#include "runtime/world/world.h"

int64_t node_deadline_ms(const struct executor *executor, uint32_t node)
{
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    const struct node_status *status = &executor->nodes[node].status;
    int64_t timeout = graph_node->timeout_ms > 0 ? graph_node->timeout_ms
                                                 : action_info(graph_node->action)->deadline_ms;
    int64_t started = status->started_ms >= 0 ? status->started_ms : executor_alive_ms(executor);
    return executor->session_start_ms + started - executor->base_ms + timeout;
}

/* --- what is shown of a node --- */

/* What a provider says, as it may be kept and shown: whatever provider it is, and whoever speaks
 * through it. */
static char *presentable(struct executor *executor, const char *text)
{
    const struct redactor *redactor = world_redactor(executor->world);
    if (!redactor_finds(redactor, text, strlen(text))) {
        return text_clean(text);
    }
    struct buffer clean = {0};
    redactor_write(redactor, text, strlen(text), &clean);
    char *copy = text_clean(buffer_text(&clean));
    buffer_free(&clean);
    return copy;
}

static bool replace(struct executor *executor, char **slot, const char *text)
{
    if (!text || (*slot && !strcmp(*slot, text))) {
        if (!text) {
            free(*slot);
            *slot = NULL;
        }
        return false;
    }
    free(*slot);
    *slot = presentable(executor, text);
    return true;
}

bool node_set_detail(struct executor *executor, uint32_t node, const struct call_error *error)
{
    struct node_run *run = &executor->nodes[node];
    bool changed = error->message && replace(executor, &run->detail, error->message);
    replace(executor, &run->help, error->help);
    replace(executor, &run->code, error->code);
    replace(executor, &run->service, error->service);
    replace(executor, &run->request_id, error->request_id);
    run->status.detail = run->detail;
    run->status.help = run->help;
    run->status.code = run->code;
    run->status.service = run->service;
    run->status.request_id = run->request_id;
    if (changed) {
        executor_queue_event(executor, EVENT_NODE_DETAIL, (int32_t)node, NULL);
    }
    return changed;
}

void node_set_progress(struct executor *executor, uint32_t node, const char *text)
{
    struct node_run *run = &executor->nodes[node];
    replace(executor, &run->detail, text ? text : run->detail);
    run->status.detail = run->detail;
    executor_queue_event(executor, EVENT_NODE_PROGRESS, (int32_t)node, NULL);
}

/* --- ends --- */

static void keep_outputs(struct executor *executor, struct node_run *run,
                         const struct call_result *result)
{
    run->outputs = ARENA_ARRAY(executor->arena, struct call_output, result->output_count);
    for (size_t i = 0; i < result->output_count; i++) {
        const char *value = result->outputs[i].value;
        if (!value) {
            continue; /* an optional one that there is not */
        }
        char *clean = presentable(executor, value);
        run->outputs[run->output_count++] = (struct call_output){
            .name = arena_strdup(executor->arena, result->outputs[i].name),
            .value = arena_strdup(executor->arena, clean),
        };
        free(clean);
    }
}

static void end_node(struct executor *executor, uint32_t node, enum node_state state)
{
    struct node_run *run = &executor->nodes[node];
    run->status.state = state;
    run->status.ended_ms = executor_alive_ms(executor);
    waits_leave(executor, node);
    policy_ended(executor, node);
}

static void count_recovered(struct executor *executor)
{
    executor->recovered++;
    run_set_progress(executor->options.journal, executor->graph->vm_count, executor->recovered);
}

void node_done(struct executor *executor, uint32_t node, const struct call_result *result)
{
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    struct node_run *run = &executor->nodes[node];
    run->in_doubt = false;
    run->output_count = 0;
    if (result && result->output_count) {
        keep_outputs(executor, run, result);
    }
    record_done(executor, node);
    executor->counters.done++;
    if (graph_node->release != NO_POOL && run->holder != NO_NODE) {
        pool_release(executor, (uint32_t)run->holder);
    }
    if (graph_is_goal(graph_node)) {
        count_recovered(executor);
    }
    end_node(executor, node, NODE_DONE);
    executor_queue_event(executor, EVENT_NODE_DONE, (int32_t)node, NULL);
}

void node_failed(struct executor *executor, uint32_t node, const struct call_error *error)
{
    struct node_run *run = &executor->nodes[node];
    node_set_detail(executor, node, error);
    run->forgiven = executor->graph->nodes[node].continue_on_failure;
    run->gone = error->gone;
    record_failed(executor, node);
    executor->counters.failed++;
    if (!run->attempted) {
        pool_release(executor, node);
    }
    end_node(executor, node, NODE_FAILED);
    executor_queue_event(executor, EVENT_NODE_FAILED, (int32_t)node, NULL);
}

void node_failed_late(struct executor *executor, uint32_t node, const struct call_error *last)
{
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    const struct action_info *info = action_info(graph_node->action);
    int64_t timeout = graph_node->timeout_ms > 0 ? graph_node->timeout_ms : info->deadline_ms;
    const char *seen = last->message ? last->message : executor->nodes[node].detail;
    struct buffer text = {0};
    char duration[32];
    buffer_printf(&text, "%s within %s", info->effect == EFFECT_WAIT ? "did not hold" : "did not succeed",
                  format_duration(duration, timeout));
    if (seen) {
        buffer_printf(&text, "; last seen: %s", seen);
    }
    struct call_error error = *last;
    error.message = buffer_text(&text);
    node_failed(executor, node, &error);
    buffer_free(&text);
}

/* --- attempts --- */

static bool absence_is_success(enum action action)
{
    return action_info(action)->effect == EFFECT_DELETE || action == ACTION_WAIT_TERMINATED;
}

bool node_absent(struct executor *executor, uint32_t node, const struct call_error *error)
{
    struct node_run *run = &executor->nodes[node];
    int64_t now = world_monotonic_ms(executor->world);
    if (run->absent_since_ms < 0) {
        run->absent_since_ms = now;
    }
    if (now - run->absent_since_ms < CONSISTENCY_MS) {
        return false;
    }
    run->in_doubt = false;
    if (absence_is_success(executor->graph->nodes[node].action)) {
        node_done(executor, node, NULL);
    } else {
        node_failed(executor, node, error);
    }
    return true;
}

/* Those whose request failed together pay for one retry, and go together again. */
static int64_t next_delay_ms(struct executor *executor, const struct node_run *run, bool timeout,
                             int64_t at_least_ms)
{
    if (executor->answering == 0 || executor->answering != executor->delayed_batch) {
        executor->delayed_batch = executor->answering;
        executor->delay_ms = retry_delay_ms(&executor->budget, executor->world,
                                            run->status.attempts, timeout, at_least_ms);
    }
    return executor->delay_ms;
}

void node_retry(struct executor *executor, uint32_t node, const struct call_result *result)
{
    struct node_run *run = &executor->nodes[node];
    int64_t now = world_monotonic_ms(executor->world);
    bool timeout = result->outcome == OUTCOME_UNKNOWN;
    node_set_detail(executor, node, &result->error);
    int64_t delay = next_delay_ms(executor, run, timeout, result->retry_after_ms);
    if (now + delay >= node_deadline_ms(executor, node)) {
        node_failed_late(executor, node, &result->error);
        return;
    }
    run->status.attempts++;
    run->status.state = NODE_RETRYING;
    run->due_ms = now + delay;
    executor->counters.retries++;
    record_retry(executor, node, result->outcome);
    heap_push(executor->arena, &executor->wakes, run->due_ms, node);
    executor_queue_event(executor, EVENT_NODE_RETRY, (int32_t)node, NULL);
}

static size_t alternatives(const struct node_run *run)
{
    for (uint32_t i = 0; i < run->input_count; i++) {
        if (!strcmp(run->inputs[i].name, "instance_types")) {
            return run->inputs[i].value.count;
        }
    }
    return 0;
}

/* No capacity for this choice: nothing was made, so the next one is another request with a token of
 * its own. */
static void next_alternative(struct executor *executor, uint32_t node,
                             const struct call_result *result)
{
    struct node_run *run = &executor->nodes[node];
    node_set_detail(executor, node, &result->error);
    if ((size_t)run->status.choice + 1 >= alternatives(run)) {
        run->exhausted = true;
        node_failed(executor, node, &result->error);
        return;
    }
    run->status.choice++;
    run->status.generation++;
    run->digest = 0;
    notes_forget(run);
    record_next(executor, node, "next");
    executor_queue_event(executor, EVENT_NODE_RETRY, (int32_t)node, NULL);
    ready_push(executor, node);
}

/* A refusal of the whole for the sake of one: again, in halves, at once. */
static bool halve(struct executor *executor, struct flight *flight, enum outcome outcome)
{
    if (!batch_halve(executor, flight)) {
        return false;
    }
    executor->nodes[flight->node].status.attempts++;
    executor->counters.retries++;
    record_retry(executor, flight->node, outcome);
    ready_push(executor, flight->node);
    return true;
}

/* A service that refuses for good does so again; a script that failed is run as often as its plan
 * says. */
static void refused(struct executor *executor, struct flight *flight,
                    const struct call_result *result)
{
    struct node_run *run = &executor->nodes[flight->node];
    const struct graph_node *node = &executor->graph->nodes[flight->node];
    if (again_run_anew(executor, flight->node, &result->error)) {
        return;
    }
    if (action_info(node->action)->provider == PROVIDER_HOST && !result->error.gone &&
        run->refusals < node->retries) {
        run->refusals++;
        node_retry(executor, flight->node, result);
    } else {
        node_failed(executor, flight->node, &result->error);
    }
}

static void count_throttled(struct executor *executor, const struct flight *flight, bool told_gate)
{
    if (flight->follows) {
        return;
    }
    executor->counters.throttled++;
    if (!told_gate) {
        limits_throttled(executor->options.limits,
                         action_info(flight->call.node->action)->bucket);
    }
}

/* That a service could not take the request now says nothing of an earlier one with its token. */
static void note_doubt(struct node_run *run, enum outcome outcome)
{
    bool says_nothing = outcome == OUTCOME_THROTTLED || outcome == OUTCOME_RETRY ||
                        outcome == OUTCOME_CONFLICT;
    run->resends = run->resends && says_nothing;
    run->in_doubt = outcome == OUTCOME_UNKNOWN || run->resends;
}

static void act_on_start(struct executor *executor, struct flight *flight,
                         const struct call_result *result)
{
    uint32_t node = flight->node;
    struct node_run *run = &executor->nodes[node];
    note_doubt(run, result->outcome);
    switch (result->outcome) {
    case OUTCOME_OK:
        if (!flight->follows) {
            retry_succeeded(&executor->budget, run->status.attempts);
        }
        node_done(executor, node, result);
        return;
    case OUTCOME_THROTTLED:
        count_throttled(executor, flight, result->told_gate);
        node_retry(executor, node, result);
        return;
    case OUTCOME_EXHAUSTED:
        if (!halve(executor, flight, result->outcome)) {
            next_alternative(executor, node, result);
        }
        return;
    case OUTCOME_ABSENT:
        if (!halve(executor, flight, result->outcome) &&
            !node_absent(executor, node, &result->error)) {
            node_retry(executor, node, result);
        }
        return;
    case OUTCOME_FATAL:
        if (!halve(executor, flight, result->outcome)) {
            refused(executor, flight, result);
        }
        return;
    case OUTCOME_CONFLICT:
        if (!halve(executor, flight, result->outcome)) {
            node_retry(executor, node, result);
        }
        return;
    case OUTCOME_PENDING:
    case OUTCOME_RETRY:
    case OUTCOME_UNKNOWN:
        node_retry(executor, node, result);
        return;
    }
}

/* Takes the call off; false when nobody waits for it any more. */
static bool land(struct executor *executor, struct flight *flight, const struct call_result *result)
{
    executor->requests_in_flight -= !flight->follows;
    executor->calls_in_flight--;
    executor->counters.requests += result->requests;
    notes_landed(executor, flight->node);
    executor_schedule_turn(executor);
    return executor->nodes[flight->node].status.state == NODE_RUNNING;
}

void results_started(void *context, struct call *call, const struct call_result *result)
{
    struct executor *executor = context;
    struct flight *flight = (struct flight *)call;
    if (land(executor, flight, result)) {
        executor->answering = flight->batch;
        act_on_start(executor, flight, result);
        executor->answering = 0;
    }
    flight_free(executor, flight);
}

/* --- lookups --- */

/* Why the request was lost says more than that nothing came of it yet. */
static struct call_error lost_error(const struct node_run *run, const struct call_error *otherwise)
{
    return !run->detail ? *otherwise
                        : (struct call_error){.message = run->detail,
                                              .help = run->help,
                                              .code = run->code,
                                              .service = run->service,
                                              .request_id = run->request_id};
}

/* How long its last request has been able to take effect. The UTC clock may have jumped: this
 * process's own is asked where it knows, and what is in the future was sent before this process. */
static int64_t since_sent_ms(const struct executor *executor, const struct node_run *run)
{
    int64_t known_ms = world_monotonic_ms(executor->world) - run->sent_ms;
    int64_t utc_ms = world_utc_ms(executor->world) - run->sent_utc_ms;
    return run->sent_before && utc_ms > known_ms ? utc_ms : known_ms;
}

/* Absent: a token or a unique name makes it safe to send again at once, though it stays in doubt until
 * that is answered; without one, or when nothing more is wanted, only absence that can be trusted
 * counts. */
static void not_found(struct executor *executor, uint32_t node, const struct call_result *result)
{
    struct node_run *run = &executor->nodes[node];
    const struct action_info *info = action_info(executor->graph->nodes[node].action);
    bool trusted = run->sent_utc_ms < 0 || since_sent_ms(executor, run) >= CONSISTENCY_MS;
    bool waits = info->resend == RESEND_LOOKUP || policy_vm_failed(executor, node);
    if (waits && !trusted) {
        struct call_result again = *result;
        again.outcome = OUTCOME_UNKNOWN;
        again.error = lost_error(run, &result->error);
        node_retry(executor, node, &again);
        return;
    }
    run->in_doubt = !trusted;
    run->resends = !trusted;
    ready_push(executor, node);
}

void results_looked_up(void *context, struct call *call, const struct call_result *result)
{
    struct executor *executor = context;
    struct flight *flight = (struct flight *)call;
    uint32_t node = flight->node;
    if (land(executor, flight, result)) {
        struct call_result doubt = *result;
        doubt.outcome = OUTCOME_UNKNOWN; /* it stays in doubt, whatever hinders the lookup */
        switch (result->outcome) {
        case OUTCOME_OK:
            node_done(executor, node, result);
            break;
        case OUTCOME_ABSENT:
            not_found(executor, node, result);
            break;
        case OUTCOME_FATAL:
            if (result->error.gone) { /* what became of it is known */
                executor->nodes[node].in_doubt = false;
                refused(executor, flight, result);
            } else {
                node_failed(executor, node, &result->error);
            }
            break;
        default:
            node_retry(executor, node, &doubt);
        }
    }
    flight_free(executor, flight);
}
