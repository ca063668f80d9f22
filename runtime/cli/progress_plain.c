#include "runtime/cli/progress_plain.h"

#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "compiler/emit/words.h"
#include "runtime/cli/progress_state.h"
#include "runtime/engine/decision.h"

enum {
    WORTH_TELLING_MS = 10000, /* actions that take at least that long are told at their start too */
    UNDER_WAY_MAX = 4,        /* VMs that a heartbeat names */
};

struct plain {
    const struct progress_state *state;
    const struct executor_event *event;
    struct buffer *out;
    int64_t alive_ms;
    bool colour;
};

static void put_time(struct buffer *out, int64_t ms)
{
    int64_t s = ms > 0 ? ms / 1000 : 0;
    buffer_printf(out, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600, s / 60 % 60, s % 60);
}

static void put_coloured(const struct plain *plain, const char *ink, const char *text)
{
    buffer_printf(plain->out, "%s%s%s", plain->colour ? ink : "", text,
                  plain->colour ? "\033[0m" : "");
}

static void put_failed(const struct plain *plain, const char *text)
{
    put_coloured(plain, "\033[31m", text);
}

/* " db disk-0/create-volume" */
static void put_node(const struct plain *plain)
{
    const struct graph *graph = plain->state->graph;
    const char *vm = words_vm(graph, plain->event->node);
    buffer_putc(plain->out, ' ');
    if (*vm) {
        text_put(plain->out, vm);
        buffer_putc(plain->out, ' ');
    }
    text_put(plain->out, words_short_id(graph, plain->event->node));
}

static int64_t predicted_end(const struct plain *plain)
{
    const struct schedule *schedule = plain->state->schedule;
    return schedule ? schedule->entries[plain->event->node->index].end_ms : -1;
}

static void put_run_began(const struct plain *plain)
{
    const struct progress_state *state = plain->state;
    const struct graph *graph = state->graph;
    char duration[32];
    buffer_printf(plain->out, " %s of ", state->doing);
    text_put(plain->out, graph->plan_name);
    if (plain->event->type == EVENT_RUN_RESUMED) {
        buffer_printf(plain->out, " goes on: %zu of %zu actions are done", state->done,
                      graph->node_count);
    } else {
        buffer_printf(plain->out, ": %zu actions for %zu VM%s", graph->node_count, graph->vm_count,
                      graph->vm_count == 1 ? "" : "s");
    }
    if (state->schedule && state->schedule->rto_ms > 0) {
        buffer_printf(plain->out, ", predicted RTO %s",
                      format_duration(duration, state->schedule->rto_ms));
    }
}

static void put_detail(const struct plain *plain)
{
    const char *detail = plain->event->status->detail;
    if (detail) {
        buffer_puts(plain->out, ": ");
        text_put(plain->out, detail);
    }
}

/* Short waits that belong to the request before them: told only when they last. */
static bool is_short_wait(const struct graph_node *node)
{
    enum action_effect effect = action_info(node->action)->effect;
    return effect == EFFECT_WAIT && node->expected_ms < WORTH_TELLING_MS;
}

static bool is_check(const struct graph_node *node)
{
    return node->action == ACTION_CHECK_TCP || node->action == ACTION_CHECK_HTTP ||
           node->action == ACTION_CHECK_INSTANCE_STATUS;
}

/* What a wait has seen: of checks always, of all else once it takes longer than was expected. */
static bool put_seen(const struct plain *plain)
{
    const struct node_status *status = plain->event->status;
    const struct graph_node *node = plain->event->node;
    int64_t expected_ms =
        node->expected_ms > WORTH_TELLING_MS ? node->expected_ms : WORTH_TELLING_MS;
    bool late = status->started_ms >= 0 && plain->alive_ms - status->started_ms > expected_ms;
    if (!status->detail || status->state == NODE_FAILED || (!late && !is_check(node))) {
        return false;
    }
    put_node(plain);
    put_detail(plain);
    return true;
}

/* "db disk-0/put-blocks 47%: 412 MiB of …" */
static bool put_progress(const struct plain *plain)
{
    const struct node_status *status = plain->event->status;
    if (status->state != NODE_RUNNING) {
        return false;
    }
    put_node(plain);
    if (status->total_bytes > 0) {
        int64_t done = status->done_bytes < status->total_bytes ? status->done_bytes
                                                                : status->total_bytes;
        buffer_printf(plain->out, " %d%%", (int)(100.0 * (double)done / (double)status->total_bytes));
    }
    put_detail(plain);
    return true;
}

static bool put_started(const struct plain *plain)
{
    const struct graph_node *node = plain->event->node;
    char duration[32];
    if (node->expected_ms < WORTH_TELLING_MS) {
        return false;
    }
    put_node(plain);
    buffer_printf(plain->out, " started, about %s", format_duration(duration, node->expected_ms));
    return true;
}

/* "db recovered (3m 2s, predicted 3m 10s)": a milestone's time counts from the run's start. */
static void put_milestone(const struct plain *plain)
{
    char duration[32];
    bool recovered = graph_is_goal(plain->event->node);
    int64_t predicted_ms = predicted_end(plain);
    buffer_putc(plain->out, ' ');
    text_put(plain->out, words_vm(plain->state->graph, plain->event->node));
    buffer_putc(plain->out, ' ');
    put_coloured(plain, recovered ? "\033[32m" : "", action_info(plain->event->node->action)->name);
    if (recovered) {
        buffer_printf(plain->out, " (%s",
                      format_duration(duration, plain->event->status->ended_ms));
        if (predicted_ms >= 0) {
            buffer_printf(plain->out, ", predicted %s", format_duration(duration, predicted_ms));
        }
        buffer_putc(plain->out, ')');
    }
}

static bool put_done(const struct plain *plain)
{
    const struct node_status *status = plain->event->status;
    char duration[32];
    if (status->unneeded) {
        return false;
    }
    if (words_is_milestone(plain->event->node)) {
        bool of_vm = plain->event->node->vm != NO_VM; /* others are the plan's own business */
        if (of_vm) {
            put_milestone(plain);
        }
        return of_vm;
    }
    if (plain->event->node->action == ACTION_RELEASE_PLACE) {
        return false;
    }
    if (is_short_wait(plain->event->node) &&
        status->ended_ms - status->started_ms < WORTH_TELLING_MS) {
        return false;
    }
    put_node(plain);
    buffer_printf(plain->out, " done (%s)",
                  format_duration(duration, status->ended_ms - status->started_ms));
    return true;
}

static void put_retry(const struct plain *plain)
{
    put_node(plain);
    buffer_printf(plain->out, " is tried again (try %d)", plain->event->status->attempts + 1);
    put_detail(plain);
}

static void put_failure(const struct plain *plain)
{
    const struct node_status *status = plain->event->status;
    put_node(plain);
    buffer_putc(plain->out, ' ');
    put_failed(plain, "failed");
    put_detail(plain);
    if (status->service) {
        buffer_puts(plain->out, " (");
        text_put(plain->out, status->service);
        if (status->code) {
            buffer_putc(plain->out, ' ');
            text_put(plain->out, status->code);
        }
        if (status->request_id) {
            buffer_puts(plain->out, ", request ");
            text_put(plain->out, status->request_id);
        }
        buffer_putc(plain->out, ')');
    }
    if (status->help) {
        buffer_puts(plain->out, "; ");
        text_put(plain->out, status->help);
    }
}

static void put_vm_failed(const struct plain *plain)
{
    const struct graph *graph = plain->state->graph;
    const struct graph_node *node = plain->event->node;
    int32_t cause = plain->event->status ? plain->event->status->cause : NO_NODE;
    bool other = cause != NO_NODE && graph->nodes[cause].vm != node->vm;
    buffer_putc(plain->out, ' ');
    text_put(plain->out, node->vm == NO_VM ? "the plan" : words_vm(graph, node));
    buffer_putc(plain->out, ' ');
    put_failed(plain, other ? "skipped" : "failed");
    if (other) {
        buffer_puts(plain->out, ": depends on ");
        text_put(plain->out, words_vm(graph, &graph->nodes[cause]));
    }
}

static void put_under_way(const struct plain *plain)
{
    const struct progress_state *state = plain->state;
    size_t active = 0;
    for (size_t i = 0; i < state->lane_count; i++) {
        const struct lane *lane = &state->lanes[i];
        if (lane->stage != LANE_ACTIVE || active++ >= UNDER_WAY_MAX) {
            continue;
        }
        buffer_puts(plain->out, active == 1 ? "; under way: " : ", ");
        text_put(plain->out, lane->name);
        buffer_printf(plain->out, " %s", progress_state_activity(state, lane).phase);
    }
    if (active > UNDER_WAY_MAX) {
        buffer_printf(plain->out, " and %zu more", active - UNDER_WAY_MAX);
    }
}

static void put_counts(const struct plain *plain)
{
    const struct progress_state *state = plain->state;
    buffer_printf(plain->out, " %zu of %zu actions done", state->done, state->graph->node_count);
    if (state->failed > 0 || state->skipped > 0) {
        buffer_printf(plain->out, ", %zu failed, %zu skipped", state->failed, state->skipped);
    }
}

/* False when there is nothing to be told. */
static bool put_event(const struct plain *plain)
{
    switch (plain->event->type) {
    case EVENT_RUN_STARTED:
    case EVENT_RUN_RESUMED:
        put_run_began(plain);
        return true;
    case EVENT_NODE_STARTED:
        return put_started(plain);
    case EVENT_NODE_DONE:
        return put_done(plain);
    case EVENT_NODE_RETRY:
        put_retry(plain);
        return true;
    case EVENT_NODE_DETAIL:
        return put_seen(plain);
    case EVENT_NODE_PROGRESS:
        return put_progress(plain);
    case EVENT_NODE_FAILED:
        put_failure(plain);
        return true;
    case EVENT_NODE_SKIPPED: /* told once for its VM */
        return false;
    case EVENT_VM_FAILED:
        put_vm_failed(plain);
        return true;
    case EVENT_HEARTBEAT:
        if (plain->state->done + plain->state->failed + plain->state->skipped ==
            plain->state->graph->node_count) {
            return false; /* the end has told it */
        }
        put_counts(plain);
        put_under_way(plain);
        return true;
    case EVENT_INTERRUPTED:
        buffer_puts(plain->out, " interrupted:");
        put_counts(plain);
        return true;
    case EVENT_RUN_ENDED:
        buffer_puts(plain->out, " ended:");
        put_counts(plain);
        return true;
    case EVENT_STATE_WAITS:
        buffer_printf(plain->out, " state: waits, and asks again: %s", plain->event->text);
        return true;
    case EVENT_STATE_LOST:
        buffer_printf(plain->out, " state: %s", plain->event->text);
        return true;
    case EVENT_APPROVAL_NEEDED:
        put_node(plain);
        put_detail(plain);
        buffer_puts(plain->out, "; drc run approve lets it go on");
        return true;
    case EVENT_NODE_AGAIN: /* told with the decision that it follows from */
        return false;
    case EVENT_DECISION:
        buffer_putc(plain->out, ' ');
        decision_put(plain->event->decision, plain->out);
        return true;
    }
    return false;
}

void progress_plain_event(const struct progress_state *state, const struct executor_event *event,
                          int64_t alive_ms, bool colour, struct buffer *out)
{
    struct buffer text = {0};
    struct plain plain = {
        .state = state, .event = event, .out = &text, .alive_ms = alive_ms, .colour = colour};
    if (put_event(&plain)) {
        put_time(out, alive_ms);
        buffer_append(out, text.data, text.length);
        buffer_putc(out, '\n');
    }
    buffer_free(&text);
}
