/* drc run list, show, report: what can be told from the journals alone. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/cli/explain_run.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/run_outputs.h"
#include "runtime/engine/decision.h"
#include "runtime/report/metrics.h"
#include "runtime/report/report.h"
#include "runtime/state/journal.h"
#include "runtime/state/run.h"
#include "runtime/state/shared.h"
#include "runtime/world/world.h"

enum { LIST_COLUMNS = 7 };

static bool is_replicate(const struct run_info *run)
{
    return run->workflow && !strcmp(run->workflow, workflow_name(WORKFLOW_REPLICATE));
}

static void list_row(struct arena *arena, const struct run_info *run, const char *row[LIST_COLUMNS])
{
    char started[32];
    char took[32] = "";
    bool unreadable = run->problem && !run->started_utc_ms;
    format_time(started, run->started_utc_ms);
    if (run->ended_utc_ms) {
        format_duration(took, run->ended_utc_ms - run->started_utc_ms);
    }
    row[0] = run->id;
    row[1] = run->plan;
    row[2] = run->workflow ? run->workflow : "";
    row[3] = unreadable ? "unreadable" : lookup_status_word(run);
    row[4] = unreadable ? "" : arena_strdup(arena, started);
    row[5] = arena_strdup(arena, took);
    row[6] = run->problem ? run->problem
                          : arena_printf(arena, "%s%s%zu of %zu %s", run->verdict ? run->verdict : "",
                                         run->verdict ? ", " : "", run->vms_recovered, run->vm_count,
                                         is_replicate(run) ? "copied" : "recovered");
}

static void list_text(struct arena *arena, const struct run_info *runs, size_t count,
                      struct buffer *out)
{
    static const char *const titles[LIST_COLUMNS] = {"RUN",     "PLAN", "WORKFLOW", "STATUS",
                                                     "STARTED", "TOOK", "VMS"};
    const char *(*rows)[LIST_COLUMNS] = arena_zalloc(arena, (count + 1) * sizeof *rows);
    int widths[LIST_COLUMNS] = {0};
    memcpy(rows[0], titles, sizeof titles);
    for (size_t i = 0; i < count; i++) {
        list_row(arena, &runs[i], rows[i + 1]);
    }
    for (size_t i = 0; i <= count; i++) {
        for (int c = 0; c < LIST_COLUMNS; c++) {
            int columns = text_columns(rows[i][c]);
            widths[c] = columns > widths[c] ? columns : widths[c];
        }
    }
    for (size_t i = 0; i <= count; i++) {
        for (int c = 0; c + 1 < LIST_COLUMNS; c++) {
            text_pad(out, rows[i][c], widths[c] + 2);
        }
        text_put(out, rows[i][LIST_COLUMNS - 1]);
        buffer_putc(out, '\n');
    }
}

static void list_json(const struct run_info *runs, size_t count, struct buffer *out)
{
    struct json_writer json = json_writer(out, 2);
    json_begin_array(&json);
    for (size_t i = 0; i < count; i++) {
        char time[32];
        const struct run_info *run = &runs[i];
        json_begin_object(&json);
        json_key_string(&json, "run", run->id);
        json_key_string(&json, "plan", run->plan);
        json_key_string(&json, "workflow", run->workflow);
        json_key_string(&json, "status", lookup_status_word(run));
        json_key_bool(&json, "alive", run->alive);
        json_key_string(&json, "started", format_time(time, run->started_utc_ms));
        if (run->ended_utc_ms) {
            json_key_string(&json, "ended", format_time(time, run->ended_utc_ms));
        }
        json_key_int(&json, "vms", (int64_t)run->vm_count);
        int64_t ready = (int64_t)run->vms_recovered;
        json_key_int(&json, "recovered", is_replicate(run) ? 0 : ready);
        json_key_int(&json, "copied", is_replicate(run) ? ready : 0);
        json_key_string(&json, "verdict", run->verdict);
        json_key_string(&json, "problem", run->problem);
        json_end_object(&json);
    }
    json_end_array(&json);
}

enum exit_status command_run_list(const struct invocation *invocation)
{
    struct error error = {0};
    struct run_info *runs = NULL;
    size_t count = 0;
    const char *state = lookup_state(invocation, &error);
    if (!state ||
        !run_list(invocation->arena, state, invocation->values[FLAG_PLAN], &runs, &count, &error)) {
        return tell_error(&error);
    }
    struct buffer out = {0};
    if (invocation->given[FLAG_JSON]) {
        list_json(runs, count, &out);
    } else if (count) {
        list_text(invocation->arena, runs, count, &out);
    } else {
        fprintf(stderr, "no runs in %s\n", shared_name(invocation->arena, state));
    }
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
    return EXIT_DONE;
}

/* The report of RUN. NULL when there is none yet, which is told. */
static struct report *load_report(const struct invocation *invocation, struct run_info *run,
                                  struct error *error)
{
    const char *state = lookup_state(invocation, error);
    const char *prefix = invocation->argument_count ? invocation->arguments[0] : NULL;
    if (!state || !run_find(invocation->arena, state, prefix, run, error)) {
        return NULL;
    }
    struct journal *journal = run_open(run, NULL, true, error);
    if (!journal) {
        return NULL;
    }
    struct report *report = report_load(invocation->arena, journal, NULL, error);
    journal_close(journal);
    if (report) {
        report->folder = run->directory;
    }
    if (run->problem && report) {
        tell_warning(arena_printf(invocation->arena, "this is not all that run %s did: %s", run->id,
                                  run->problem));
    } else if (run->problem) {
        error_clear(error);
        error_set(error, "run %s: %s", run->id, run->problem);
        error_help(error, "put back a good copy of it, or use the drc that made it; drc run cleanup "
                          "--plan PLAN finds what the run made by its tags");
    }
    return report;
}

/* False: there is no such format. */
static bool write_report(const struct invocation *invocation, const struct report *report,
                         struct buffer *out, struct error *error)
{
    const char *format = invocation->values[FLAG_FORMAT];
    format = format ? format : "text";
    if (!strcmp(format, "json")) {
        report_write_json(report, out);
    } else if (!strcmp(format, "markdown")) {
        report_write_markdown(report, out);
    } else if (!strcmp(format, "svg")) {
        report_write_svg(report, out);
    } else if (!strcmp(format, "prometheus")) {
        metrics_write(report, out);
    } else if (!strcmp(format, "text")) {
        bool file = invocation->given[FLAG_OUTPUT];
        report_write_text(report, output_width(stdout), !file && wants_colour(stdout), out);
    } else {
        error_set(error, "there is no format \"%s\" of a report", format);
        return error_help(error, "--format is text, json, markdown, svg or prometheus");
    }
    return true;
}

enum exit_status command_run_report(const struct invocation *invocation)
{
    struct error error = {0};
    struct run_info run;
    struct report *report = load_report(invocation, &run, &error);
    if (!report) {
        return tell_error(&error);
    }
    struct buffer out = {0};
    const char *trace = invocation->values[FLAG_OTLP], *metrics = invocation->values[FLAG_METRICS];
    bool ok = write_report(invocation, report, &out, &error) &&
              write_result(invocation, &out, &error);
    buffer_free(&out);
    if (ok) {
        ok = (!metrics || run_outputs_metrics(metrics, report, &error)) &&
             (!trace || run_outputs_trace(trace, report, &error));
    }
    return ok ? EXIT_DONE : tell_error(&error);
}

static const char *time_of(char out[32], const struct node_status *status)
{
    if (status->started_ms < 0) {
        return "";
    }
    format_duration(out, status->started_ms);
    return out;
}

/* What a node that has not come to its end waits for: the first predecessor that is not done. */
static const char *waits_for(const struct report *report, uint32_t index)
{
    const struct graph_node *node = &report->graph->nodes[index];
    for (uint32_t i = 0; i < node->after_count; i++) {
        uint32_t before = node->after[i].node;
        if (report->nodes[before].state != NODE_DONE) {
            return report->graph->nodes[before].id;
        }
    }
    return NULL;
}

static void show_node(const struct report *report, uint32_t index, struct buffer *out)
{
    char started[32];
    const struct graph_node *node = &report->graph->nodes[index];
    const struct node_status *status = &report->nodes[index];
    const char *before = waits_for(report, index);
    buffer_printf(out, "  %-9s %8s  %-40s", status->waived ? "skipped" : node_state_name(status->state),
                  time_of(started, status), node->id);
    if (status->state == NODE_BLOCKED && before) {
        buffer_printf(out, " waits for %s", before);
    } else if (status->state == NODE_SKIPPED && status->cause != NO_NODE) {
        buffer_printf(out, " because %s failed", report->graph->nodes[status->cause].id);
    } else if (status->waived) {
        buffer_puts(out, " by a person's decision: ");
        decision_put(status->waived, out);
    } else if (status->detail) {
        buffer_putc(out, ' ');
        text_put(out, status->detail);
    }
    while (out->length && out->data[out->length - 1] == ' ') {
        out->data[--out->length] = '\0';
    }
    buffer_putc(out, '\n');
}

/* Of the actions that a failure took with it how many: they would bury it in their lines. */
static void show_skipped(const struct report *report, struct buffer *out)
{
    for (size_t i = 0; i < report->cause_count; i++) {
        uint32_t cause = report->causes[i];
        size_t count = 0;
        for (uint32_t n = 0; n < report->graph->node_count; n++) {
            count += report->nodes[n].state == NODE_SKIPPED && report->nodes[n].cause == (int32_t)cause;
        }
        if (count) {
            buffer_printf(out, "  skipped             %zu action%s because %s failed (--all lists %s)\n",
                          count, count == 1 ? "" : "s", report->graph->nodes[cause].id,
                          count == 1 ? "it" : "them");
        }
    }
}

static bool is_cause(const struct report *report, int32_t node)
{
    for (size_t i = 0; i < report->cause_count; i++) {
        if (report->causes[i] == (uint32_t)node) {
            return true;
        }
    }
    return false;
}

/* Done or not begun, or counted by show_skipped. */
static bool is_quiet(const struct report *report, uint32_t node)
{
    const struct node_status *status = &report->nodes[node];
    return (status->state == NODE_DONE && !status->waived) || status->state == NODE_BLOCKED ||
           (status->state == NODE_SKIPPED && is_cause(report, status->cause));
}

static const char *show_outcome(enum vm_outcome outcome)
{
    return outcome == VM_UNFINISHED ? "under way" : report_outcome_name(outcome);
}

static void show_text(const struct invocation *invocation, const struct run_info *run,
                      const struct report *report, struct buffer *out)
{
    enum { OUTCOME_WIDTH = 9 };
    char time[32];
    char elapsed[32];
    int width = 0;
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        int columns = text_columns(report->vms[i].name);
        width = columns > width ? columns : width;
    }
    buffer_printf(out, "run %s · %s · %s · %s\nstarted %s, %s%s, %zu of %zu actions done\n\n",
                  run->id, run->plan, run->workflow, lookup_status_word(run),
                  format_time(time, run->started_utc_ms), run->alive ? "since then " : "took ",
                  format_duration(elapsed, report->elapsed_ms), report->counters.done,
                  report->counters.total);
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        const struct report_vm *vm = &report->vms[i];
        bool undone = vm->outcome == VM_RECOVERED && run_is_undone(run->status);
        bool there = vm->instance_id && !undone;
        bool sent = vm->send_from_ms >= 0;
        buffer_puts(out, "  ");
        text_pad(out, vm->name, width + 2);
        text_pad(out, undone ? run_status_name(run->status) : show_outcome(vm->outcome),
                 there || sent ? OUTCOME_WIDTH : 0);
        if (sent) {
            buffer_puts(out, "  ");
            report_put_phases(report, vm, out);
        }
        if (there) {
            buffer_puts(out, "  ");
            text_put(out, vm->instance_id);
            buffer_puts(out, "  ");
            text_put(out, vm->instance_type ? vm->instance_type : "");
        }
        buffer_putc(out, '\n');
    }
    bool titled = false;
    for (uint32_t i = 0; i < report->graph->node_count; i++) {
        if (invocation->given[FLAG_ALL] || !is_quiet(report, i)) {
            buffer_puts(out, titled ? "" : "\n  state      started  action\n");
            titled = true;
            show_node(report, i, out);
        }
    }
    if (!invocation->given[FLAG_ALL]) {
        show_skipped(report, out);
    }
    if (!run->alive && !run_status_is_final(run->status)) {
        buffer_printf(out, "\ndrc run resume %s goes on; drc run cleanup %s deletes what it made\n",
                      run->id, run->id);
        if (report->cause_count) {
            buffer_printf(out, "drc run report %s says what else can be done\n", run->id);
        }
    }
}

enum exit_status command_run_show(const struct invocation *invocation)
{
    struct error error = {0};
    struct run_info run;
    if (invocation->given[FLAG_EXPLAIN]) {
        return explain_run(invocation);
    }
    struct report *report = load_report(invocation, &run, &error);
    if (!report) {
        return tell_error(&error);
    }
    struct buffer out = {0};
    if (invocation->given[FLAG_JSON]) {
        report_write_json(report, &out);
    } else {
        show_text(invocation, &run, report, &out);
    }
    fputs(buffer_text(&out), stdout);
    buffer_free(&out);
    return EXIT_DONE;
}
