#include "runtime/engine/events.h"

#include <stdlib.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"

struct events {
    FILE *out;
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
    };
    return names[type];
}

static void write_line(struct events *events)
{
    buffer_putc(&events->line, '\n');
    size_t written = fwrite(events->line.data, 1, events->line.length, events->out);
    if (written < events->line.length || fflush(events->out) != 0) {
        events->failed = true;
    }
    buffer_clear(&events->line);
}

struct events *events_create(FILE *out, const struct graph *graph, const char *run_id)
{
    struct events *events = base_alloc(sizeof *events);
    events->out = out;
    events->graph = graph;
    events->run_id = run_id;
    struct json_writer json = json_writer(&events->line, 0);
    json_begin_object(&json);
    json_key_int(&json, "v", 1);
    json_key_int(&json, "seq", 0);
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
    write_cause(events, json, status->cause);
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
    if (event->node) {
        write_status(events, &json, event);
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
