/* Report, for programs (drc-report/1) and for pages in Markdown. */
#include <inttypes.h>

#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "runtime/engine/decision.h"
#include "runtime/engine/history.h"
#include "runtime/engine/report.h"
#include "runtime/engine/report_parts.h"
#include "runtime/world/world.h"

const char *report_outcome_name(enum vm_outcome outcome)
{
    static const char *const names[] = {"unfinished", "recovered", "failed", "skipped"};
    return names[outcome];
}

static void known(struct json_writer *json, const char *key, int64_t value)
{
    if (value >= 0) {
        json_key_int(json, key, value);
    }
}

static void write_vm(struct json_writer *json, const struct report *report,
                     const struct report_vm *vm)
{
    json_begin_object(json);
    json_key_string(json, "name", vm->name);
    json_key_string(json, "outcome", report_outcome_name(vm->outcome));
    json_key_bool(json, "critical", vm->critical);
    known(json, "recovered_ms", vm->recovered_ms);
    known(json, "predicted_ms", vm->predicted_ms);
    json_key_string(json, "recovery_point", vm->recovery_point);
    known(json, "loss_ms", vm->loss_ms);
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
    json_key_int(json, "predicted_start_ms", report->schedule->entries[index].start_ms);
    json_key_int(json, "predicted_end_ms", report->schedule->entries[index].end_ms);
    json_key_string(json, "detail", status->detail);
    json_key_string(json, "service", status->service);
    json_key_string(json, "code", status->code);
    json_key_string(json, "request_id", status->request_id);
    json_key_string(json, "help", status->help);
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
    json_key_int(json, "elapsed_ms", report->elapsed_ms);
    json_key_int(json, "sessions", report->sessions);
    known(json, "rto_ms", report->rto_ms);
    json_key_int(json, "predicted_rto_ms", report->schedule->rto_ms);
    if (report->options.rto_ms) {
        json_key_int(json, "rto_objective_ms", report->options.rto_ms);
    }
    known(json, "loss_ms", report->loss_ms);
    if (report->options.rpo_ms) {
        json_key_int(json, "rpo_objective_ms", report->options.rpo_ms);
    }
    json_key_int(json, "recovered", (int64_t)report->recovered);
    json_key_int(json, "left_over", (int64_t)report->left_over);
}

static void write_counters(struct json_writer *json, const struct executor_counters *counters)
{
    json_key(json, "calls");
    json_begin_object(json);
    json_key_int(json, "requests", counters->requests);
    json_key_int(json, "throttled", counters->throttled);
    json_key_int(json, "retries", counters->retries);
    json_key_int(json, "lookups", counters->lookups);
    json_key_int(json, "commits", counters->commits);
    json_end_object(json);
}

void report_write_json(const struct report *report, struct buffer *out)
{
    struct json_writer writer = json_writer(out, 2), *json = &writer;
    writer.compact_from = 2;
    json_begin_object(json);
    write_summary(json, report);
    write_counters(json, &report->counters);
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

/* --- Markdown --- */

/* What would end a cell or begin markup is escaped. */
static void put_cell(struct buffer *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '|' || *c == '\\' || *c == '`' || *c == '<' || *c == '*' || *c == '_') {
            buffer_putc(out, '\\');
        }
        buffer_putc(out, *c == '\n' ? ' ' : *c);
    }
}

static void write_markdown_vm(const struct report *report, const struct report_vm *vm,
                              struct buffer *out)
{
    char text[32];
    buffer_printf(out, "| %s | %s | %s | ", vm->name, report_outcome_name(vm->outcome),
                  vm->recovered_ms < 0 ? "" : format_duration(text, vm->recovered_ms));
    buffer_puts(out, vm->predicted_ms < 0 ? "" : format_duration(text, vm->predicted_ms));
    buffer_printf(out, " | %s | %s | ", vm->loss_ms < 0 ? "" : format_duration(text, vm->loss_ms),
                  vm->instance_id ? vm->instance_id : "");
    report_put_phases(report, vm, out);
    buffer_puts(out, " |\n");
}

static void write_markdown_cause(const struct report *report, uint32_t index, struct buffer *out)
{
    const struct graph_node *node = &report->graph->nodes[index];
    const struct node_status *status = &report->nodes[index];
    buffer_printf(out, "- **%s**: ", node->id);
    put_cell(out, status->detail ? status->detail : "failed");
    struct buffer answer = {0};
    report_put_answer(status, &answer);
    if (answer.length) {
        buffer_puts(out, " — ");
        put_cell(out, answer.data);
    }
    buffer_free(&answer);
    if (node->because.file) {
        buffer_printf(out, " (%s:%" PRIu32 ")", node->because.file, node->because.line);
    }
    buffer_putc(out, '\n');
}

void report_write_markdown(const struct report *report, struct buffer *out)
{
    buffer_printf(out, "### drc: %s · %s — %s\n\n", report->graph->plan_name,
                  workflow_name(report->graph->workflow), run_status_name(report->status));
    report_put_rto(report, out);
    buffer_puts(out, " · ");
    report_put_loss(report, out);
    buffer_printf(out, " · %zu left over · run %s\n\n", report->left_over,
                  report->run_id ? report->run_id : "?");
    for (size_t i = 0; i < report->cause_count; i++) {
        write_markdown_cause(report, report->causes[i], out);
    }
    buffer_puts(out, report->cause_count ? "\n" : "");
    buffer_puts(out, "| VM | outcome | recovered after | predicted | loss | instance | phases |\n"
                     "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        write_markdown_vm(report, &report->vms[i], out);
    }
}
