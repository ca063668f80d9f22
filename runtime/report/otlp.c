#include "runtime/report/otlp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/base/sha256.h"
#include "compiler/emit/words.h"

enum { TRACE_HEX = 32, SPAN_HEX = 16, LINKS_MAX = 64 };
enum { SPAN_INTERNAL = 1, SPAN_CLIENT = 3, STATUS_OK = 1, STATUS_ERROR = 2 };

struct otlp {
    const struct otlp_trace *trace;
    const struct graph *graph;
    const struct history *history;
    struct json_writer *json;
    char trace_id[TRACE_HEX + 1];
    size_t spans;
};

/* --- ids --- */

static void make_id(const char *run_id, const char *kind, const char *name, int session,
                    size_t digits, char *out)
{
    char hex[SHA256_HEX_SIZE];
    uint8_t bytes[SHA256_SIZE];
    struct sha256 *digest = sha256_create();
    sha256_update(digest, run_id, strlen(run_id) + 1);
    sha256_update(digest, kind, strlen(kind) + 1);
    sha256_update(digest, name, strlen(name) + 1);
    sha256_update(digest, &session, sizeof session);
    sha256_finish(digest, bytes);
    sha256_to_hex(bytes, hex);
    memcpy(out, hex, digits);
    out[digits] = '\0';
}

static void key_span(const struct otlp *otlp, const char *key, const char *kind, const char *name,
                     int session)
{
    char id[SPAN_HEX + 1];
    make_id(otlp->trace->run_id, kind, name, session, SPAN_HEX, id);
    json_key_string(otlp->json, key, id);
}

/* The process in whose time a node ended. */
static int session_at(const struct history *history, int64_t utc_ms)
{
    int session = history->sessions - 1;
    while (session > 0 && history->session_list[session].from_utc_ms > utc_ms) {
        session--;
    }
    return session > 0 ? session : 0;
}

static bool has_ended(const struct history *history, uint32_t node)
{
    return history->nodes[node].ended_utc_ms >= 0;
}

static int session_of(const struct history *history, uint32_t node)
{
    return session_at(history, history->nodes[node].ended_utc_ms);
}

/* --- values --- */

static void key_nanos(struct json_writer *json, const char *key, int64_t utc_ms)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64 "000000", utc_ms > 0 ? utc_ms : 0);
    json_key_string(json, key, text);
}

static void begin_value(struct json_writer *json, const char *key)
{
    json_begin_object(json);
    json_key_string(json, "key", key);
    json_key(json, "value");
    json_begin_object(json);
}

static void end_value(struct json_writer *json)
{
    json_end_object(json);
    json_end_object(json);
}

static void put_text(struct json_writer *json, const char *key, const char *text)
{
    if (text) {
        begin_value(json, key);
        json_key_string(json, "stringValue", text);
        end_value(json);
    }
}

static void put_int(struct json_writer *json, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    begin_value(json, key);
    json_key_string(json, "intValue", text);
    end_value(json);
}

static void put_bool(struct json_writer *json, const char *key, bool value)
{
    begin_value(json, key);
    json_key_bool(json, "boolValue", value);
    end_value(json);
}

/* --- spans --- */

static void begin_span(struct otlp *otlp, const char *kind, const char *id_name, int session)
{
    json_begin_object(otlp->json);
    json_key_string(otlp->json, "traceId", otlp->trace_id);
    key_span(otlp, "spanId", kind, id_name, session);
    otlp->spans++;
}

static void put_span(struct otlp *otlp, const char *name, int kind, int64_t from_utc_ms,
                     int64_t until_utc_ms)
{
    json_key_string(otlp->json, "name", name);
    json_key_int(otlp->json, "kind", kind);
    key_nanos(otlp->json, "startTimeUnixNano", from_utc_ms);
    key_nanos(otlp->json, "endTimeUnixNano", until_utc_ms > from_utc_ms ? until_utc_ms : from_utc_ms);
}

static void put_status(struct json_writer *json, int code, const char *message)
{
    json_key(json, "status");
    json_begin_object(json);
    json_key_int(json, "code", code);
    json_key_string(json, "message", message);
    json_end_object(json);
}

static const char *first_failure(const struct otlp *otlp, int32_t vm)
{
    for (uint32_t i = 0; i < otlp->graph->node_count; i++) {
        bool its = vm == NO_VM || otlp->graph->nodes[i].vm == vm;
        if (its && otlp->history->nodes[i].status.state == NODE_FAILED &&
            !otlp->history->nodes[i].forgiven) {
            return otlp->graph->nodes[i].id;
        }
    }
    return NULL;
}

static void write_session(struct otlp *otlp, int session)
{
    const struct history *history = otlp->history;
    const struct history_session *times = &history->session_list[session];
    struct json_writer *json = otlp->json;
    bool last = session == history->sessions - 1;
    char name[64];
    snprintf(name, sizeof name, "%s%s", session ? "resume of " : "",
             workflow_name(otlp->graph->workflow));
    begin_span(otlp, "run", "", session);
    if (session > 0) {
        key_span(otlp, "parentSpanId", "run", "", 0);
    }
    put_span(otlp, name, SPAN_INTERNAL, times->from_utc_ms, times->until_utc_ms);
    json_key(json, "attributes");
    json_begin_array(json);
    put_text(json, "drc.run.id", otlp->trace->run_id);
    put_text(json, "drc.plan.name", otlp->graph->plan_name);
    put_text(json, "drc.plan.digest", otlp->graph->plan_digest);
    put_text(json, "drc.workflow", workflow_name(otlp->graph->workflow));
    put_int(json, "drc.session", session + 1);
    if (last) {
        put_text(json, "drc.run.result", history->result);
        put_int(json, "drc.requests", history->counters.requests);
        put_int(json, "drc.throttled", history->counters.throttled);
        put_int(json, "drc.retries", history->counters.retries);
    }
    json_end_array(json);
    if (last && history->result && !strcmp(history->result, "succeeded")) {
        put_status(json, STATUS_OK, NULL);
    } else if (last && history->result && !strcmp(history->result, "failed")) {
        put_status(json, STATUS_ERROR, first_failure(otlp, NO_VM));
    }
    json_end_object(json);
}

struct vm_times {
    int64_t from_utc_ms, until_utc_ms; /* -1: nothing of it ended in that session */
    int32_t milestones[3];             /* running, ready, recovered; NO_NODE */
    const char *instance_id, *instance_type;
};

static void note_milestone(struct vm_times *times, const struct graph_node *node)
{
    int place = node->action == ACTION_RUNNING     ? 0
                : node->action == ACTION_READY     ? 1
                : node->action == ACTION_RECOVERED ? 2
                                                   : -1;
    if (place >= 0) {
        times->milestones[place] = (int32_t)node->index;
    }
}

static struct vm_times vm_times(const struct otlp *otlp, int32_t vm, int session)
{
    struct vm_times times = {-1, -1, {NO_NODE, NO_NODE, NO_NODE}, NULL, NULL};
    for (uint32_t i = 0; i < otlp->graph->node_count; i++) {
        const struct history_node *node = &otlp->history->nodes[i];
        if (otlp->graph->nodes[i].vm != vm || !has_ended(otlp->history, i)) {
            continue;
        }
        if (otlp->graph->nodes[i].action == ACTION_RUN_INSTANCE) {
            times.instance_id = ledger_output(otlp->history->ledger, i, "instance_id");
            times.instance_type = ledger_output(otlp->history->ledger, i, "instance_type");
        }
        if (session_of(otlp->history, i) != session) {
            continue;
        }
        if (times.from_utc_ms < 0 || node->started_utc_ms < times.from_utc_ms) {
            times.from_utc_ms = node->started_utc_ms;
        }
        if (node->ended_utc_ms > times.until_utc_ms) {
            times.until_utc_ms = node->ended_utc_ms;
        }
        if (node->status.state == NODE_DONE) {
            note_milestone(&times, &otlp->graph->nodes[i]);
        }
    }
    return times;
}

static void put_milestones(struct otlp *otlp, const struct vm_times *times)
{
    struct json_writer *json = otlp->json;
    json_key(json, "events");
    json_begin_array(json);
    for (size_t i = 0; i < 3; i++) {
        if (times->milestones[i] != NO_NODE) {
            uint32_t node = (uint32_t)times->milestones[i];
            json_begin_object(json);
            key_nanos(json, "timeUnixNano", otlp->history->nodes[node].ended_utc_ms);
            json_key_string(json, "name", action_info(otlp->graph->nodes[node].action)->name);
            json_end_object(json);
        }
    }
    json_end_array(json);
}

/* vm: NO_VM for the plan's own actions. */
static void write_vm(struct otlp *otlp, int32_t vm, int session)
{
    struct json_writer *json = otlp->json;
    struct vm_times times = vm_times(otlp, vm, session);
    const char *name = vm == NO_VM ? "(plan)" : otlp->graph->vms[vm].name;
    if (times.until_utc_ms < 0) {
        return;
    }
    const char *failed = vm == NO_VM ? NULL : first_failure(otlp, vm);
    begin_span(otlp, "vm", name, session);
    key_span(otlp, "parentSpanId", "run", "", session);
    put_span(otlp, name, SPAN_INTERNAL, times.from_utc_ms, times.until_utc_ms);
    json_key(json, "attributes");
    json_begin_array(json);
    put_text(json, "drc.vm.name", name);
    if (vm != NO_VM) {
        put_bool(json, "drc.vm.critical", otlp->graph->vms[vm].critical);
    }
    put_text(json, "host.id", times.instance_id);
    put_text(json, "host.type", times.instance_type);
    json_end_array(json);
    put_milestones(otlp, &times);
    if (failed) {
        put_status(json, STATUS_ERROR, failed);
    }
    json_end_object(json);
}

/* --- nodes --- */

static bool is_aws_request(const struct graph_node *node)
{
    const struct action_info *info = action_info(node->action);
    return info->provider == PROVIDER_AWS && info->effect != EFFECT_WAIT;
}

static void put_node_attributes(struct otlp *otlp, uint32_t index)
{
    const struct graph_node *node = &otlp->graph->nodes[index];
    const struct history_node *known = &otlp->history->nodes[index];
    const struct node_status *status = &known->status;
    struct json_writer *json = otlp->json;
    json_key(json, "attributes");
    json_begin_array(json);
    put_text(json, "drc.node.id", node->id);
    put_text(json, "drc.action", action_info(node->action)->name);
    put_text(json, "drc.node.state", node_state_name(status->state));
    put_text(json, "rpc.system", is_aws_request(node) ? "aws-api" : NULL);
    put_text(json, "rpc.service", status->service);
    put_text(json, "aws.request_id", status->request_id);
    put_text(json, "error.type", status->state == NODE_FAILED && status->code ? status->code : NULL);
    if (known->retries > 0) {
        put_int(json, "drc.retries", known->retries);
        put_int(json, "drc.throttled", known->throttled);
    }
    if (status->cause != NO_NODE) {
        put_text(json, "drc.cause", otlp->graph->nodes[status->cause].id);
    }
    put_text(json, "code.file.path", node->because.file);
    if (node->because.file && node->because.line) {
        put_int(json, "code.line.number", node->because.line);
    }
    json_end_array(json);
}

static void put_note(struct json_writer *json, const struct history_note *note)
{
    static const char *const names[] = {"request", "retry", "seen", "next alternative"};
    bool throttled = note->outcome && !strcmp(note->outcome, outcome_name(OUTCOME_THROTTLED));
    json_begin_object(json);
    key_nanos(json, "timeUnixNano", note->utc_ms);
    json_key_string(json, "name", throttled ? "throttled" : names[note->kind]);
    json_key(json, "attributes");
    json_begin_array(json);
    if (note->kind == HISTORY_SENT) {
        put_int(json, "drc.attempt", note->attempt + 1);
    } else {
        put_text(json, "drc.outcome", note->outcome);
        put_text(json, "drc.detail", note->text);
        put_text(json, "error.type", note->code);
        put_text(json, "aws.request_id", note->request_id);
    }
    if (note->wait_ms >= 0) {
        put_int(json, "drc.wait_ms", note->wait_ms);
    }
    json_end_array(json);
    json_end_object(json);
}

static void put_notes(struct otlp *otlp, uint32_t index)
{
    const struct history_node *known = &otlp->history->nodes[index];
    if (known->note_count == 0) {
        return;
    }
    json_key(otlp->json, "events");
    json_begin_array(otlp->json);
    for (size_t i = 0; i < known->note_count; i++) {
        put_note(otlp->json, &known->notes[i]);
    }
    json_end_array(otlp->json);
    if (known->notes_dropped) {
        json_key_int(otlp->json, "droppedEventsCount", (int64_t)known->notes_dropped);
    }
}

static void put_links(struct otlp *otlp, uint32_t index)
{
    const struct graph_node *node = &otlp->graph->nodes[index];
    uint32_t count = node->after_count < LINKS_MAX ? node->after_count : LINKS_MAX;
    if (count == 0) {
        return;
    }
    json_key(otlp->json, "links");
    json_begin_array(otlp->json);
    for (uint32_t e = 0; e < count; e++) {
        uint32_t before = node->after[e].node;
        if (has_ended(otlp->history, before)) {
            json_begin_object(otlp->json);
            json_key_string(otlp->json, "traceId", otlp->trace_id);
            key_span(otlp, "spanId", "node", otlp->graph->nodes[before].id,
                     session_of(otlp->history, before));
            json_end_object(otlp->json);
        }
    }
    json_end_array(otlp->json);
    if (node->after_count > count) {
        json_key_int(otlp->json, "droppedLinksCount", node->after_count - count);
    }
}

static void write_node(struct otlp *otlp, uint32_t index)
{
    const struct graph_node *node = &otlp->graph->nodes[index];
    const struct history_node *known = &otlp->history->nodes[index];
    int session = session_of(otlp->history, index);
    begin_span(otlp, "node", node->id, session);
    key_span(otlp, "parentSpanId", "vm",
             node->vm == NO_VM ? "(plan)" : otlp->graph->vms[node->vm].name, session);
    put_span(otlp, words_short_id(otlp->graph, node),
             is_aws_request(node) ? SPAN_CLIENT : SPAN_INTERNAL, known->started_utc_ms,
             known->ended_utc_ms);
    put_node_attributes(otlp, index);
    put_notes(otlp, index);
    put_links(otlp, index);
    if (known->status.state == NODE_FAILED) {
        put_status(otlp->json, STATUS_ERROR, known->status.detail);
    }
    json_end_object(otlp->json);
}

/* --- the whole --- */

static void put_resource(struct otlp *otlp)
{
    struct json_writer *json = otlp->json;
    json_key(json, "resource");
    json_begin_object(json);
    json_key(json, "attributes");
    json_begin_array(json);
    put_text(json, "service.name", "drc");
    put_text(json, "service.version", DRC_VERSION);
    put_text(json, "cloud.provider", "aws");
    put_text(json, "cloud.region", otlp->graph->region);
    put_text(json, "cloud.account.id", otlp->graph->account);
    json_end_array(json);
    json_end_object(json);
}

static void put_spans(struct otlp *otlp, const struct otlp_part *part)
{
    for (int s = part->first_session; s >= 0 && s < otlp->history->sessions; s++) {
        write_session(otlp, s);
        for (int32_t vm = 0; vm < (int32_t)otlp->graph->vm_count; vm++) {
            write_vm(otlp, vm, s);
        }
        write_vm(otlp, NO_VM, s);
    }
    for (size_t i = 0; i < part->count; i++) {
        if (has_ended(otlp->history, part->nodes[i])) {
            write_node(otlp, part->nodes[i]);
        }
    }
}

size_t otlp_write(const struct otlp_trace *trace, const struct otlp_part *part, struct buffer *out)
{
    struct json_writer json = json_writer(out, 0);
    struct otlp otlp = {.trace = trace,
                        .graph = trace->history->graph,
                        .history = trace->history,
                        .json = &json};
    make_id(trace->run_id, "trace", "", 0, TRACE_HEX, otlp.trace_id);
    json_begin_object(&json);
    json_key(&json, "resourceSpans");
    json_begin_array(&json);
    json_begin_object(&json);
    put_resource(&otlp);
    json_key(&json, "scopeSpans");
    json_begin_array(&json);
    json_begin_object(&json);
    json_key(&json, "scope");
    json_begin_object(&json);
    json_key_string(&json, "name", "drc");
    json_key_string(&json, "version", DRC_VERSION);
    json_end_object(&json);
    json_key(&json, "spans");
    json_begin_array(&json);
    put_spans(&otlp, part);
    json_end_array(&json);
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
    buffer_putc(out, '\n');
    return otlp.spans;
}

size_t otlp_write_run(const struct otlp_trace *trace, struct buffer *out)
{
    size_t count = trace->history->graph->node_count;
    uint32_t *nodes = base_alloc((count + 1) * sizeof *nodes);
    for (uint32_t i = 0; i < count; i++) {
        nodes[i] = i;
    }
    struct otlp_part part = {nodes, count, 0};
    size_t spans = otlp_write(trace, &part, out);
    free(nodes);
    return spans;
}
