/* Report, as Markdown for an issue or a pull request: the first lines say it all, a timeline that
 * GitHub draws, details folded. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/report/report.h"
#include "runtime/report/report_parts.h"

/* What would end a cell or begin markup is escaped. */
static void put_cell(struct buffer *out, const char *text)
{
    struct buffer plain = {0};
    text_put(&plain, text);
    for (const char *c = buffer_text(&plain); *c; c++) {
        if (strchr("|\\`<*_[]&~", *c)) {
            buffer_putc(out, '\\');
        }
        buffer_putc(out, *c);
    }
    buffer_free(&plain);
}

static void write_markdown_vm(const struct report *report, const struct report_vm *vm,
                              struct buffer *out)
{
    char text[32];
    buffer_printf(out, "| %s | %s | %s | ", vm->name, report_outcome_name(vm->outcome),
                  vm->recovered_ms < 0 ? "" : format_duration(text, vm->recovered_ms));
    buffer_puts(out, vm->predicted_ms < 0 ? "" : format_duration(text, vm->predicted_ms));
    buffer_printf(out, " | %s | ", vm->loss_ms < 0 ? "" : format_duration(text, vm->loss_ms));
    if (!report_is_replicate(report)) {
        put_cell(out, vm->instance_id ? vm->instance_id : "");
        buffer_puts(out, " | ");
    }
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

/* --- the timeline: GitHub draws Mermaid's gantt; SVG in a page, or as a data URL, it strips --- */

/* Letters, digits and a few more: what else Mermaid would take for syntax. */
static void put_plain(struct buffer *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        bool harmless = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || *c == '-' || *c == '.' || *c == '_' || *c == ' ';
        buffer_putc(out, harmless ? *c : '-');
    }
}

/* A bar: Mermaid takes milliseconds since 1970 (dateFormat x), and shows them from 00:00 on. */
static void put_task(struct buffer *out, const char *name, const char *kind, int64_t from, int64_t to)
{
    if (from >= 0 && to > from) {
        buffer_printf(out, "    %s :%s%" PRId64 ", %" PRId64 "\n", name, kind, from, to);
    }
}

static int64_t later(int64_t a, int64_t b)
{
    return b > a ? b : a;
}

static void put_lane(const struct report *report, const struct report_vm *vm, struct buffer *out)
{
    int64_t end = vm->recovered_ms >= 0 ? vm->recovered_ms : vm->last_ms;
    int64_t boot = vm->boot_from_ms >= 0 ? vm->boot_from_ms : end;
    int64_t inject = vm->inject_from_ms >= 0 ? vm->inject_from_ms : boot;
    int64_t prepared = vm->waited_for != NO_VM ? vm->waited_from_ms : boot;
    buffer_puts(out, "    section ");
    put_plain(out, vm->name);
    buffer_putc(out, '\n');
    if (vm->outcome == VM_FAILED) { /* a bar, however short */
        put_task(out, "failed", "crit, ", vm->began_ms, later(vm->last_ms, vm->began_ms + 1000));
        return;
    }
    put_task(out, "send", "", vm->send_from_ms, vm->send_to_ms);
    put_task(out, "complete", "", vm->send_to_ms, vm->send_from_ms < 0 ? -1 : end);
    if (vm->send_from_ms < 0) {
        put_task(out, "prepare", "", vm->began_ms, inject < prepared ? inject : prepared);
    }
    put_task(out, "drivers", "", vm->inject_from_ms, vm->inject_to_ms);
    put_task(out, "attach", "", vm->inject_to_ms, prepared);
    if (vm->waited_for != NO_VM && vm->waited_ms > 0) {
        struct buffer name = {0};
        buffer_puts(&name, "waits for ");
        put_plain(&name, report->graph->vms[vm->waited_for].name);
        put_task(out, buffer_text(&name), "done, ", vm->waited_from_ms,
                 vm->waited_from_ms + vm->waited_ms);
        buffer_free(&name);
    }
    put_task(out, "boot", "", vm->boot_from_ms, vm->running_ms);
    put_task(out, "ready", "active, ", vm->running_ms, vm->ready_ms);
}

static void write_gantt(const struct report *report, struct buffer *out)
{
    buffer_printf(out, "\n```mermaid\ngantt\n    dateFormat x\n    axisFormat %s\n",
                  report->elapsed_ms < 3600000 ? "%M:%S" : "%H:%M");
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        if (report->vms[i].began_ms >= 0) {
            put_lane(report, &report->vms[i], out);
        }
    }
    buffer_puts(out, "```\n");
}

/* --- folded: what the time went into, and the calls --- */

static void write_path(const struct report *report, struct buffer *out)
{
    char text[32];
    if (!report->path || report->path->count == 0) {
        return;
    }
    buffer_printf(out, "\n<details><summary>What the time hung on: %zu actions, %s</summary>\n\n",
                  report->path->count, format_duration(text, report->path->total_ms));
    buffer_puts(out, "| action | waited | took | predicted |\n|---|---|---|---|\n");
    for (size_t i = 0; i < report->path->count; i++) {
        const struct actual_link *link = &report->path->links[i];
        const struct schedule_entry *entry = &report->schedule->entries[link->node];
        static const char *const waits[] = {"", " for a pool", " for a rate limit", ""};
        buffer_printf(out, "| %s | ", report->graph->nodes[link->node].id);
        if (link->wait_ms >= 1000) {
            buffer_printf(out, "%s%s", format_duration(text, link->wait_ms), waits[link->waited_for]);
        }
        buffer_printf(out, " | %s |", format_duration(text, link->work_ms));
        buffer_printf(out, " %s%s |\n", format_duration(text, entry->end_ms - entry->start_ms),
                      entry->critical ? "" : ", not on the critical path");
    }
    buffer_puts(out, "\n</details>\n");
}

static void write_things(const struct report *report, struct buffer *out)
{
    if (report->left_over == 0) {
        return;
    }
    buffer_printf(out, "\n<details><summary>%zu things made, and in no use now</summary>\n\n",
                  report->left_over);
    for (size_t i = 0; i < report->thing_count; i++) {
        if (!report->things[i].in_use) {
            buffer_printf(out, "- %s ", report->things[i].kind);
            put_cell(out, report->things[i].id);
            buffer_printf(out, " of %s\n", report->things[i].vm ? report->things[i].vm : "the plan");
        }
    }
    buffer_puts(out, "\n</details>\n");
}

static void write_calls(const struct report *report, struct buffer *out)
{
    const struct executor_counters *counters = &report->counters;
    buffer_printf(out,
                  "\n%" PRId64 " API calls (floor %" PRId64 ") · throttled %" PRId64 " · retried %" PRId64
                  " · %zu of %zu actions done",
                  counters->requests, report_calls_floor(report), counters->throttled,
                  counters->retries, counters->done, counters->total);
    if (report->sessions > 1) {
        buffer_printf(out, " · resumed %d time%s", report->sessions - 1, report->sessions > 2 ? "s" : "");
    }
    buffer_putc(out, '\n');
}

void report_write_markdown(const struct report *report, struct buffer *out)
{
    buffer_printf(out, "### drc: %s · %s — %s\n\n", report->graph->plan_name,
                  workflow_name(report->graph->workflow),
                  report->verdict == VERDICT_NONE ? run_status_name(report->status)
                                                  : verdict_name(report->verdict));
    report_put_rto(report, out);
    buffer_puts(out, " · ");
    report_put_loss(report, out);
    buffer_printf(out, " · %zu left over · run %s\n\n", report->left_over,
                  report->run_id ? report->run_id : "?");
    for (size_t i = 0; i < report->cause_count; i++) {
        write_markdown_cause(report, report->causes[i], out);
    }
    buffer_puts(out, report->cause_count ? "\n" : "");
    bool copies = report_is_replicate(report);
    buffer_puts(out, copies ? "| VM | outcome | copied after | predicted | a failover loses | phases |\n"
                              "|---|---|---|---|---|---|\n"
                            : "| VM | outcome | recovered after | predicted | loss | instance | phases |\n"
                              "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        write_markdown_vm(report, &report->vms[i], out);
    }
    write_gantt(report, out);
    write_calls(report, out);
    write_path(report, out);
    write_things(report, out);
}
