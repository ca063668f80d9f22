/* Report, for programs: drc-report/1 (schemas/report.schema.json). */
#include <inttypes.h>

#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "runtime/engine/decision.h"
#include "runtime/report/history.h"
#include "runtime/report/report.h"
#include "runtime/report/report_parts.h"
#include "runtime/world/world.h"

const char *report_outcome_name(enum vm_outcome outcome)
{
    static const char *const names[] = {"unfinished", "recovered", "failed",
                                        "skipped",    "copied",    "unchanged"};
    _Static_assert(sizeof names / sizeof *names == VM_OUTCOMES, "a word for each");
    return names[outcome];
}

static void known(struct json_writer *json, const char *key, int64_t value)
{
    if (value >= 0) {
        json_key_int(json, key, value);
    }
}

/* A failover without a known loss has neither met nor missed it. */
static void put_rpo_met(struct json_writer *json, const struct report *report, int64_t loss_ms)
{
    if (report->options.rpo_ms > 0 && loss_ms >= 0) {
        json_key_bool(json, "rpo_met", loss_ms <= report->options.rpo_ms);
    }
}

static void write_vm(struct json_writer *json, const struct report *report,
                     const struct report_vm *vm)
{
    json_begin_object(json);
    json_key_string(json, "name", vm->name);
    json_key_string(json, "outcome", report_outcome_name(vm->outcome));
    json_key_bool(json, "critical", vm->critical);
    known(json, report_is_replicate(report) ? "copied_ms" : "recovered_ms", vm->recovered_ms);
    known(json, "predicted_ms", vm->predicted_ms);
    json_key_string(json, "recovery_point", vm->recovery_point);
    known(json, "loss_ms", vm->loss_ms);
    put_rpo_met(json, report, vm->loss_ms);
    if (vm->send_from_ms >= 0) {
        json_key_int(json, "blocks_sent", vm->blocks_sent);
        json_key_int(json, "bytes_sent", vm->bytes_sent);
    }
    json_key_string(json, "instance_id", vm->instance_id);
    json_key_string(json, "instance_type", vm->instance_type);
    if (vm->cause != NO_NODE) {
        json_key_string(json, "cause", report->graph->nodes[vm->cause].id);
    }
    if (vm->waited_for != NO_VM) {
        json_key_string(json, "waited_for", report->graph->vms[vm->waited_for].name);
        json_key_int(json, "waited_ms", vm->waited_ms);
    }
    json_end_object(json);
}

void report_put_decision(struct json_writer *json, const struct decision *decision,
                         const char *verb)
{
    char time[32];
    json_begin_object(json);
    json_key_string(json, "verb", verb);
    json_key_string(json, "target", verb ? decision->target : NULL);
    json_key_string(json, "who", decision->who);
    json_key_string(json, "comment", decision->comment);
    json_key_string(json, "refused", decision->refused);
    json_key_string(json, "at", format_time(time, decision->at_utc_ms));
    json_end_object(json);
}

static void write_node(struct json_writer *json, const struct report *report, uint32_t index)
{
    const struct graph_node *node = &report->graph->nodes[index];
    const struct node_status *status = &report->nodes[index];
    json_begin_object(json);
    json_key_string(json, "id", node->id);
    json_key_string(json, "action", action_info(node->action)->name);
    if (node->vm != NO_VM) {
        json_key_string(json, "vm", report->graph->vms[node->vm].name);
    }
    json_key_string(json, "state", node_state_name(status->state));
    known(json, "started_ms", status->started_ms);
    known(json, "ended_ms", status->ended_ms);
    if (report->history->nodes[index].retries > 0) {
        json_key_int(json, "retries", report->history->nodes[index].retries);
        json_key_int(json, "throttled", report->history->nodes[index].throttled);
    }
    json_key_int(json, "predicted_start_ms", report->schedule->entries[index].start_ms);
    json_key_int(json, "predicted_end_ms", report->schedule->entries[index].end_ms);
    json_key_string(json, "detail", status->detail);
    json_key_string(json, "service", status->service);
    json_key_string(json, "code", status->code);
    json_key_string(json, "request_id", status->request_id);
    json_key_string(json, "help", status->help);
    json_key_string(json, "output", report_output(report, index));
    if (status->cause != NO_NODE) {
        json_key_string(json, "cause", report->graph->nodes[status->cause].id);
    }
    if (status->waived) {
        json_key(json, "skipped_by");
        report_put_decision(json, status->waived, NULL);
    }
    json_key_string(json, "file", node->because.file);
    if (node->because.line) {
        json_key_int(json, "line", node->because.line);
    }
    json_end_object(json);
}

static void write_thing(struct json_writer *json, const struct report_thing *thing)
{
    json_begin_object(json);
    json_key_string(json, "kind", thing->kind);
    json_key_string(json, "id", thing->id);
    json_key_string(json, "vm", thing->vm);
    json_key_string(json, "node", thing->node);
    json_key_bool(json, "in_use", thing->in_use);
    json_end_object(json);
}

static void write_summary(struct json_writer *json, const struct report *report)
{
    char time[32];
    json_key_string(json, "format", "drc-report/1");
    json_key_string(json, "run", report->run_id);
    json_key_string(json, "plan", report->graph->plan_name);
    json_key_string(json, "plan_digest", report->graph->plan_digest);
    json_key_string(json, "workflow", workflow_name(report->graph->workflow));
    json_key_string(json, "owner", report->options.owner);
    json_key_string(json, "status", run_status_name(report->status));
    json_key_string(json, "started", format_time(time, report->started_utc_ms));
    json_key_string(json, "verdict", verdict_name(report->verdict));
    known(json, "verdict_ms", report->verdict_ms);
    json_key_int(json, "elapsed_ms", report->elapsed_ms);
    json_key_int(json, "sessions", report->sessions);
    known(json, "rto_ms", report->rto_ms);
    if (report->approval_ms) {
        json_key_int(json, "approval_ms", report->approval_ms);
    }
    json_key_int(json, "predicted_rto_ms", report->schedule->rto_ms);
    if (report->options.rto_ms) {
        json_key_int(json, "rto_objective_ms", report->options.rto_ms);
    }
    known(json, "loss_ms", report->loss_ms);
    put_rpo_met(json, report, report->loss_ms);
    if (report->options.rpo_ms) {
        json_key_int(json, "rpo_objective_ms", report->options.rpo_ms);
    }
    int64_t ready = (int64_t)report->recovered;
    json_key_int(json, "recovered", report_is_replicate(report) ? 0 : ready);
    json_key_int(json, "copied", report_is_replicate(report) ? ready : 0);
    json_key_int(json, "left_over", (int64_t)report->left_over);
    if (report_is_replicate(report)) {
        json_key_int(json, "blocks_sent", report->blocks_sent);
        json_key_int(json, "bytes_sent", report->bytes_sent);
        json_key_int(json, "bytes_per_s", report->bytes_per_s);
        json_key_int(json, "snapshots_deleted", (int64_t)report->deleted);
    }
}

static void write_counters(struct json_writer *json, const struct report *report)
{
    const struct executor_counters *counters = &report->counters;
    json_key(json, "calls");
    json_begin_object(json);
    json_key_int(json, "requests", counters->requests);
    json_key_int(json, "throttled", counters->throttled);
    json_key_int(json, "retries", counters->retries);
    json_key_int(json, "lookups", counters->lookups);
    json_key_int(json, "commits", counters->commits);
    json_key_int(json, "floor", report_calls_floor(report));
    json_end_object(json);
}

static void write_link(struct json_writer *json, const struct report *report,
                       const struct actual_link *link)
{
    static const char *const waits[] = {
        [WAITED_FOR_NOTHING] = NULL,
        [WAITED_FOR_POOL] = "pool",
        [WAITED_FOR_LIMIT] = "limit",
        [WAITED_FOR_TURN] = "turn",
    };
    json_begin_object(json);
    json_key_string(json, "node", report->graph->nodes[link->node].id);
    json_key_string(json, "waited_for", waits[link->waited_for]);
    json_key_int(json, "wait_ms", link->wait_ms);
    json_key_int(json, "work_ms", link->work_ms);
    if (link->away_ms > 0) {
        json_key_int(json, "away_ms", link->away_ms);
    }
    json_end_object(json);
}

/* What the RTO hangs on, predicted, and what it really hung on. */
static void write_paths(struct json_writer *json, const struct report *report)
{
    json_key(json, "predicted_path");
    json_begin_array(json);
    for (size_t i = 0; i < report->schedule->critical_path_count; i++) {
        json_string(json, report->graph->nodes[report->schedule->critical_path[i]].id);
    }
    json_end_array(json);
    json_key(json, "actual_path");
    json_begin_array(json);
    for (size_t i = 0; report->path && i < report->path->count; i++) {
        write_link(json, report, &report->path->links[i]);
    }
    json_end_array(json);
}

void report_write_json(const struct report *report, struct buffer *out)
{
    struct json_writer writer = json_writer(out, 2), *json = &writer;
    writer.compact_from = 2;
    json_begin_object(json);
    write_summary(json, report);
    write_counters(json, report);
    write_paths(json, report);
    json_key(json, "causes");
    json_begin_array(json);
    for (size_t i = 0; i < report->cause_count; i++) {
        json_string(json, report->graph->nodes[report->causes[i]].id);
    }
    json_end_array(json);
    json_key(json, "decisions");
    json_begin_array(json);
    for (size_t i = 0; i < report->history->decision_count; i++) {
        const struct decision *decision = &report->history->decisions[i].decision;
        report_put_decision(json, decision, decision->verb);
    }
    json_end_array(json);
    json_key(json, "vms");
    json_begin_array(json);
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        write_vm(json, report, &report->vms[i]);
    }
    json_end_array(json);
    json_key(json, "nodes");
    json_begin_array(json);
    for (uint32_t i = 0; i < report->graph->node_count; i++) {
        write_node(json, report, i);
    }
    json_end_array(json);
    json_key(json, "things");
    json_begin_array(json);
    for (size_t i = 0; i < report->thing_count; i++) {
        write_thing(json, &report->things[i]);
    }
    json_end_array(json);
    json_end_object(json);
}
