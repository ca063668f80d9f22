#include "runtime/report/events.h"

#include <stdlib.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/engine/decision.h"
#include "runtime/report/history.h"
#include "runtime/world/world.h"

enum { UNDER_WAY_MAX = 8 }; /* nodes that a heartbeat names */

struct events {
    events_write write;
    void *context;
    const struct executor *executor; /* either, for what heartbeats count */
    const struct history *history;
    const struct graph *graph;
    const char *run_id;
    struct buffer line;
    int64_t sequence;
    bool failed;
};

const char *executor_event_name(enum executor_event_type type)
{
    static const char *const names[] = {
        [EVENT_RUN_STARTED] = "run_started",   [EVENT_RUN_RESUMED] = "run_resumed",
        [EVENT_NODE_STARTED] = "node_started", [EVENT_NODE_RETRY] = "node_retry",
        [EVENT_NODE_DETAIL] = "node_detail",   [EVENT_NODE_DONE] = "node_done",
        [EVENT_NODE_FAILED] = "node_failed",   [EVENT_NODE_SKIPPED] = "node_skipped",
        [EVENT_VM_FAILED] = "vm_failed",       [EVENT_INTERRUPTED] = "interrupted",
        [EVENT_HEARTBEAT] = "heartbeat",       [EVENT_RUN_ENDED] = "run_ended",
        [EVENT_NODE_AGAIN] = "node_again",     [EVENT_NODE_PROGRESS] = "node_progress",
        [EVENT_DECISION] = "decision",         [EVENT_STATE_WAITS] = "state_waits",
        [EVENT_STATE_LOST] = "state_lost",     [EVENT_APPROVAL_NEEDED] = "approval_needed",
    };
    return names[type];
}

static void write_line(struct events *events)
{
    buffer_putc(&events->line, '\n');
    if (!events->write(events->context, events->line.data, events->line.length)) {
        events->failed = true;
    }
    buffer_clear(&events->line);
}

struct events *events_create(events_write write, void *context, const struct graph *graph,
                             const char *run_id, int64_t first)
{
    struct events *events = base_alloc(sizeof *events);
    events->write = write;
    events->context = context;
    events->graph = graph;
    events->run_id = run_id;
    events->sequence = first;
    struct json_writer json = json_writer(&events->line, 0);
    json_begin_object(&json);
    json_key_int(&json, "v", 1);
    json_key_int(&json, "seq", first);
    json_key_string(&json, "run", run_id);
    json_key_string(&json, "type", "version");
    json_key(&json, "data");
    json_begin_object(&json);
    json_key_string(&json, "format", "drc-events/1");
    json_key_string(&json, "plan", graph->plan_name);
    json_key_string(&json, "workflow", workflow_name(graph->workflow));
    json_key_int(&json, "nodes", (int64_t)graph->node_count);
    json_end_object(&json);
    json_end_object(&json);
    write_line(events);
    return events;
}

void events_attach(struct events *events, const struct executor *executor)
{
    events->executor = executor;
}

void events_follow(struct events *events, const struct history *history)
{
    events->history = history;
}

/* --- heartbeats --- */

static const struct node_status *status_of(const struct events *events, uint32_t node)
{
    return events->executor ? executor_status(events->executor, node)
                            : &events->history->nodes[node].status;
}

static bool is_ready(const struct events *events, uint32_t node)
{
    enum node_state state = status_of(events, node)->state;
    return state == NODE_READY || (events->history && history_may_start(events->history, node));
}

static void write_counts(struct json_writer *json, const size_t *counts, size_t ready)
{
    json_key_int(json, "done", (int64_t)counts[NODE_DONE]);
    json_key_int(json, "running", (int64_t)counts[NODE_RUNNING]);
    json_key_int(json, "retrying", (int64_t)counts[NODE_RETRYING]);
    json_key_int(json, "ready", (int64_t)ready);
    json_key_int(json, "waiting", (int64_t)(counts[NODE_BLOCKED] + counts[NODE_READY] - ready));
    json_key_int(json, "failed", (int64_t)counts[NODE_FAILED]);
    json_key_int(json, "skipped", (int64_t)counts[NODE_SKIPPED]);
}

/* What is waited for: the nodes that have been under way for longest. */
static void write_under_way(struct events *events, struct json_writer *json)
{
    uint32_t oldest[UNDER_WAY_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < events->graph->node_count; i++) {
        const struct node_status *status = status_of(events, i);
        if (status->state != NODE_RUNNING && status->state != NODE_RETRYING) {
            continue;
        }
        size_t at = count < UNDER_WAY_MAX ? count++ : UNDER_WAY_MAX;
        while (at > 0 && status_of(events, oldest[at - 1])->started_ms > status->started_ms) {
            if (at < UNDER_WAY_MAX) {
                oldest[at] = oldest[at - 1];
            }
            at--;
        }
        if (at < UNDER_WAY_MAX) {
            oldest[at] = i;
        }
    }
    json_key(json, "waits_for");
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        const struct node_status *status = status_of(events, oldest[i]);
        json_begin_object(json);
        json_key_string(json, "node", events->graph->nodes[oldest[i]].id);
        json_key_string(json, "state", node_state_name(status->state));
        json_key_int(json, "started_ms", status->started_ms);
        json_key_string(json, "detail", status->detail);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_pulse(struct events *events, struct json_writer *json)
{
    size_t counts[NODE_SKIPPED + 1] = {0}, ready = 0;
    if (!events->executor && !events->history) {
        return;
    }
    for (uint32_t i = 0; i < events->graph->node_count; i++) {
        counts[status_of(events, i)->state]++;
        ready += is_ready(events, i);
    }
    struct executor_counters counters = events->executor ? executor_counters(events->executor)
                                                         : events->history->counters;
    write_counts(json, counts, ready);
    json_key_int(json, "requests", counters.requests);
    json_key_int(json, "throttled", counters.throttled);
    json_key_int(json, "retries", counters.retries);
    write_under_way(events, json);
}

/* --- events --- */

static void write_cause(struct events *events, struct json_writer *json, int32_t cause)
{
    if (cause != NO_NODE) {
        json_key_string(json, "cause", events->graph->nodes[cause].id);
    }
}

static void write_status(struct events *events, struct json_writer *json,
                         const struct executor_event *event)
{
    const struct node_status *status = event->status;
    json_key_string(json, "action", action_info(event->node->action)->name);
    json_key_string(json, "state", node_state_name(status->state));
    if (status->started_ms >= 0) {
        json_key_int(json, "started_ms", status->started_ms);
    }
    if (status->ended_ms >= 0) {
        json_key_int(json, "ended_ms", status->ended_ms);
    }
    json_key_int(json, "attempts", status->attempts);
    if (event->type != EVENT_NODE_STARTED && event->type != EVENT_NODE_DONE) {
        json_key_string(json, "detail", status->detail);
        json_key_string(json, "service", status->service);
        json_key_string(json, "code", status->code);
        json_key_string(json, "request_id", status->request_id);
        json_key_string(json, "help", status->help);
    }
    if (event->type == EVENT_NODE_PROGRESS) {
        json_key_int(json, "done_bytes", status->done_bytes);
        json_key_int(json, "total_bytes", status->total_bytes);
    }
    write_cause(events, json, status->cause);
}

static void write_decision(struct json_writer *json, const struct decision *decision)
{
    char time[32];
    json_key_string(json, "verb", decision->verb);
    json_key_string(json, "target", decision->target);
    json_key_string(json, "who", decision->who);
    json_key_string(json, "comment", decision->comment);
    json_key_string(json, "refused", decision->refused);
    json_key_string(json, "at", format_time(time, decision->at_utc_ms));
}

void events_observe(void *context, const struct executor_event *event)
{
    struct events *events = context;
    char time[32];
    struct json_writer json = json_writer(&events->line, 0);
    json_begin_object(&json);
    json_key_int(&json, "v", 1);
    json_key_int(&json, "seq", ++events->sequence);
    json_key_string(&json, "t", format_time(time, event->utc_ms));
    json_key_string(&json, "run", events->run_id);
    json_key_string(&json, "type", executor_event_name(event->type));
    if (event->node) {
        json_key_string(&json, "node", event->node->id);
        if (event->node->vm != NO_VM) {
            json_key_string(&json, "vm", events->graph->vms[event->node->vm].name);
        }
    }
    json_key(&json, "data");
    json_begin_object(&json);
    json_key_string(&json, "text", event->text);
    if (event->decision) {
        write_decision(&json, event->decision);
    }
    if (event->node) {
        write_status(events, &json, event);
    }
    if (event->type == EVENT_HEARTBEAT) {
        write_pulse(events, &json);
    }
    json_end_object(&json);
    json_end_object(&json);
    write_line(events);
}

bool events_failed(const struct events *events)
{
    return events->failed;
}

void events_destroy(struct events *events)
{
    if (events) {
        buffer_free(&events->line);
        free(events);
    }
}
