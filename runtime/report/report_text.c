/* Report, as a person reads it: what came of it, why, when, what is there now and what to do. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/engine/decision.h"
#include "runtime/report/history.h"
#include "runtime/report/report.h"
#include "runtime/report/report_parts.h"
#include "runtime/world/world.h"

enum {
    BAR_MIN = 16,
    BAR_MAX = 40,
    TEXT_INDENT = 7,
    BETWEEN = 5,
    BESIDE = 72 /* a bar: when it was back, and where the time went, in one line mostly */,
    LEGEND = 55,
    LEGEND_OUTAGE = 18 /* columns */
};

struct page {
    const struct report *report;
    struct buffer *out;
    int width;
    bool colour;
};

static const char *const red = "\033[1;31m", *const green = "\033[1;32m", *const plain = "\033[0m";

static void put_coloured(const struct page *page, const char *colour, const char *text)
{
    buffer_puts(page->out, page->colour ? colour : "");
    buffer_puts(page->out, text);
    buffer_puts(page->out, page->colour ? plain : "");
}

static void put_duration(struct buffer *out, int64_t ms)
{
    char text[32];
    buffer_puts(out, format_duration(text, ms));
}

static void put_clock(struct buffer *out, int64_t ms)
{
    char text[32];
    buffer_puts(out, format_clock(text, ms));
}

/* --- head --- */

static const char *how_it_ended(const struct report *report)
{
    if (report->verdict != VERDICT_NONE) {
        return verdict_name(report->verdict);
    }
    switch (report->status) {
    case RUN_SUCCEEDED:
        return "succeeded";
    case RUN_CLEANED:
        return "is cleaned up";
    case RUN_CANCELLED:
        return "was cancelled";
    case RUN_ROLLED_BACK:
        return "was rolled back";
    case RUN_COMMITTED:
        return "is committed";
    case RUN_FAILED:
        return "failed";
    case RUN_INTERRUPTED:
        return "was interrupted";
    default:
        return "is not finished";
    }
}

bool report_is_replicate(const struct report *report)
{
    return report->graph->workflow == WORKFLOW_REPLICATE;
}

/* A test's end is its verdict: what comes after it says nothing of the plan. */
int64_t report_work_ms(const struct report *report)
{
    return report->verdict_ms >= 0 ? report->verdict_ms : report->elapsed_ms;
}

static void write_head(const struct page *page)
{
    const struct report *report = page->report;
    bool bad = report->verdict == VERDICT_NONE ? report->status == RUN_FAILED
                                               : report->verdict == VERDICT_FAILED;
    buffer_printf(page->out, "%s of %s ", workflow_name(report->graph->workflow),
                  report->graph->plan_name);
    put_coloured(page, bad ? red : green, how_it_ended(report));
    buffer_puts(page->out, " after ");
    put_duration(page->out, report_work_ms(report));
    buffer_printf(page->out, ": %zu of %zu VMs %s", report->recovered,
                  report->graph->vm_count, report_is_replicate(report) ? "copied" : "recovered");
    size_t unchanged = 0;
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        unchanged += report->vms[i].outcome == VM_UNCHANGED;
    }
    if (unchanged) {
        buffer_printf(page->out, ", %zu unchanged", unchanged);
    }
    if (report->sessions > 1) {
        buffer_printf(page->out, ", resumed %d time%s", report->sessions - 1,
                      report->sessions > 2 ? "s" : "");
        if (report->history->dead_ms >= 1000) {
            buffer_puts(page->out, " after ");
            put_duration(page->out, report->history->dead_ms);
            buffer_puts(page->out, " without drc");
        }
    }
    buffer_printf(page->out, " (run %s)\n", report->run_id ? report->run_id : "?");
}

/* "sent 103 blocks (51.5 MiB), 25 MiB/s" */
static void put_sent(const struct report *report, struct buffer *out)
{
    char size[32];
    buffer_printf(out, "sent %" PRId64 " block%s (%s)", report->blocks_sent,
                  report->blocks_sent == 1 ? "" : "s", format_size(size, report->bytes_sent));
    if (report->bytes_per_s > 0) {
        buffer_printf(out, ", %s/s", format_size(size, report->bytes_per_s));
    }
    if (report->deleted > 0) {
        buffer_printf(out, ", deleted %zu snapshot%s over keep", report->deleted,
                      report->deleted == 1 ? "" : "s");
    }
}

void report_put_rto(const struct report *report, struct buffer *out)
{
    if (report_is_replicate(report)) {
        put_sent(report, out);
        return;
    }
    if (report->rto_ms < 0) {
        buffer_puts(out, "RTO not reached");
    } else {
        buffer_puts(out, "RTO ");
        put_duration(out, report->rto_ms);
    }
    if (report->options.rto_ms > 0) {
        buffer_puts(out, report->rto_ms < 0 ? ", objective " : " of ");
        put_duration(out, report->options.rto_ms);
        buffer_puts(out, report->rto_ms > report->options.rto_ms ? " (missed)" : "");
    }
    int64_t predicted = report->schedule->rto_ms;
    buffer_puts(out, " (predicted ");
    put_duration(out, predicted);
    if (report->rto_ms >= 0 && predicted > 0) {
        int64_t percent = (report->rto_ms - predicted) * 100 / predicted;
        buffer_printf(out, ", %+" PRId64 " %%", percent);
    }
    buffer_putc(out, ')');
    if (report->approval_ms > 0) {
        buffer_puts(out, ", beside ");
        put_duration(out, report->approval_ms);
        buffer_puts(out, " for approvals");
    }
}

void report_put_loss(const struct report *report, struct buffer *out)
{
    bool copies = report_is_replicate(report); /* nothing is lost by it */
    if (report->loss_ms < 0) {
        buffer_puts(out, copies ? "a failover's loss is unknown" : "loss unknown");
        return;
    }
    buffer_puts(out, copies ? "a failover loses " : "loss ");
    put_duration(out, report->loss_ms);
    if (report->options.rpo_ms > 0) {
        buffer_puts(out, " of ");
        put_duration(out, report->options.rpo_ms);
        buffer_puts(out, report->loss_ms > report->options.rpo_ms ? " (missed)" : "");
    }
}

/* The VMs that lost more than the objective allows. */
static void write_losses(const struct page *page)
{
    const struct report *report = page->report;
    struct buffer text = {0};
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        const struct report_vm *vm = &report->vms[i];
        if (report->options.rpo_ms > 0 && vm->loss_ms > report->options.rpo_ms) {
            buffer_printf(&text, "%s%s ", text.length ? ", " : "RPO missed: ", vm->name);
            put_duration(&text, vm->loss_ms / 1000 * 1000);
            buffer_printf(&text, " (recovery point %s)", vm->recovery_point);
        }
    }
    if (text.length) {
        text_wrap(page->out, buffer_text(&text), 0, 2, page->width);
        buffer_putc(page->out, '\n');
    }
    buffer_free(&text);
}

static void write_objectives(const struct page *page)
{
    struct buffer parts[3] = {{0}};
    int columns = 0;
    report_put_rto(page->report, &parts[0]);
    report_put_loss(page->report, &parts[1]);
    buffer_printf(&parts[2], "%zu left over", page->report->left_over);
    for (size_t i = 0; i < 3; i++) {
        int width = text_columns(buffer_text(&parts[i]));
        bool fits = columns + BETWEEN + width <= page->width || page->width == 0;
        if (i > 0) {
            buffer_printf(page->out, "%*s%s", fits ? BETWEEN : 0, "", fits ? "" : "\n");
        }
        columns = i > 0 && fits ? columns + BETWEEN + width : width;
        buffer_puts(page->out, buffer_text(&parts[i]));
        buffer_free(&parts[i]);
    }
    buffer_putc(page->out, '\n');
    write_losses(page);
}

/* --- causes --- */

static void put_place(const struct graph_node *node, struct buffer *out)
{
    if (node->because.file) {
        buffer_puts(out, ", ");
        text_put(out, node->because.file);
        if (node->because.line) {
            buffer_printf(out, ":%" PRIu32, node->because.line);
        }
    }
}

void report_put_answer(const struct node_status *status, struct buffer *out)
{
    text_put(out, status->service ? status->service : "");
    if (status->code) {
        buffer_puts(out, status->service ? " " : "");
        text_put(out, status->code);
    }
    if (status->request_id) {
        buffer_puts(out, " (request ");
        text_put(out, status->request_id);
        buffer_putc(out, ')');
    }
}

static void line_start(const struct page *page, int indent)
{
    buffer_printf(page->out, "%*s", indent, "");
}

static void write_cause(const struct page *page, uint32_t index)
{
    const struct graph_node *node = &page->report->graph->nodes[index];
    const struct node_status *status = &page->report->nodes[index];
    const char *vm = node->vm == NO_VM ? "plan" : page->report->graph->vms[node->vm].name;
    int indent = (int)strlen(vm) + 4;
    indent = indent < TEXT_INDENT ? TEXT_INDENT : indent;
    buffer_puts(page->out, "  ");
    put_coloured(page, red, vm);
    line_start(page, indent - 2 - (int)strlen(vm));
    struct buffer text = {0};
    buffer_printf(&text, "%s: ", action_info(node->action)->name);
    text_put(&text, status->detail ? status->detail : "failed");
    text_wrap(page->out, buffer_text(&text), indent, indent, page->width);
    buffer_free(&text);
    buffer_putc(page->out, '\n');
    if (status->code || status->request_id) {
        line_start(page, indent);
        report_put_answer(status, page->out);
        buffer_putc(page->out, '\n');
    }
    const char *output = report_output(page->report, index);
    if (output) {
        line_start(page, indent);
        buffer_printf(page->out, "all that it wrote: %s\n", output);
    }
    line_start(page, indent);
    buffer_printf(page->out, "node %s", node->id);
    put_place(node, page->out);
    buffer_putc(page->out, '\n');
    if (status->help) {
        line_start(page, indent);
        buffer_puts(page->out, "help: ");
        struct buffer help = {0};
        text_put(&help, status->help);
        text_wrap(page->out, buffer_text(&help), indent + 6, indent + 6, page->width);
        buffer_free(&help);
        buffer_putc(page->out, '\n');
    }
}

static void write_skipped(const struct page *page)
{
    const struct report *report = page->report;
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        const struct report_vm *vm = &report->vms[i];
        if (vm->outcome != VM_SKIPPED) {
            continue;
        }
        int pad = TEXT_INDENT - 2 - (int)strlen(vm->name);
        buffer_printf(page->out, "  %s%*sskipped: ", vm->name, pad < 2 ? 2 : pad, "");
        if (vm->cause_vm != NO_VM && (size_t)vm->cause_vm != i) {
            buffer_printf(page->out, "depends on %s\n", report->graph->vms[vm->cause_vm].name);
        } else if (vm->cause != NO_NODE) {
            buffer_printf(page->out, "%s failed\n", report->graph->nodes[vm->cause].id);
        } else {
            buffer_puts(page->out, "an action before it failed\n");
        }
    }
}

static void write_causes(const struct page *page)
{
    if (page->report->cause_count == 0) {
        return;
    }
    buffer_putc(page->out, '\n');
    for (size_t i = 0; i < page->report->cause_count; i++) {
        write_cause(page, page->report->causes[i]);
    }
    write_skipped(page);
}

/* --- what people decided --- */

static void write_decisions(const struct page *page)
{
    const struct history *history = page->report->history;
    buffer_puts(page->out, history->decision_count ? "\nDecided:\n" : "");
    for (size_t i = 0; i < history->decision_count; i++) {
        char time[32];
        const struct decision *decision = &history->decisions[i].decision;
        struct buffer text = {0};
        buffer_printf(&text, "%s  ", format_time(time, decision->at_utc_ms));
        decision_put(decision, &text);
        buffer_puts(page->out, "  ");
        text_wrap(page->out, buffer_text(&text), 2, 24, page->width);
        buffer_putc(page->out, '\n');
        buffer_free(&text);
    }
}

/* --- timeline --- */

/* No process worked on the run: the cloud may have gone on, but nothing was begun. */
static bool is_outage(const struct report *report, int64_t at_ms)
{
    for (size_t i = 0; i < report->history->outage_count; i++) {
        const struct actual_outage *outage = &report->history->outages[i];
        if (at_ms >= outage->from_ms && at_ms < outage->until_ms) {
            return true;
        }
    }
    return false;
}

static const char *bar_cell(const struct report *report, const struct report_vm *vm, int64_t from,
                            int64_t to)
{
    int64_t middle = from + (to - from) / 2;
    int64_t waited_to = vm->waited_from_ms + vm->waited_ms;
    if (vm->began_ms < 0 || middle < vm->began_ms || middle > vm->last_ms) {
        return " ";
    }
    if (is_outage(report, middle)) {
        return "·";
    }
    if (vm->waited_for != NO_VM && middle >= vm->waited_from_ms && middle < waited_to) {
        return "░";
    }
    if (vm->send_from_ms >= 0 && middle >= vm->send_from_ms && middle < vm->send_to_ms) {
        return "▒";
    }
    if (vm->inject_from_ms >= 0 && middle >= vm->inject_from_ms && middle < vm->inject_to_ms) {
        return "▒";
    }
    return "█";
}

static void write_bar(const struct page *page, const struct report_vm *vm, int cells)
{
    int64_t work = report_work_ms(page->report), whole = work > 0 ? work : 1;
    buffer_puts(page->out, "▕");
    for (int i = 0; i < cells; i++) {
        buffer_puts(page->out,
                    bar_cell(page->report, vm, whole * i / cells, whole * (i + 1) / cells));
    }
    buffer_puts(page->out, "▏");
}

static void put_phase(struct buffer *out, bool *first, const char *name, int64_t from, int64_t to)
{
    if (from >= 0 && to >= from) {
        buffer_printf(out, "%s%s ", *first ? "" : ", ", name);
        put_clock(out, to - from);
        *first = false;
    }
}

void report_put_phases(const struct report *report, const struct report_vm *vm, struct buffer *out)
{
    bool first = true;
    put_phase(out, &first, "inject", vm->inject_from_ms, vm->inject_to_ms);
    if (vm->waited_for != NO_VM && vm->waited_ms >= 1000) {
        buffer_puts(out, first ? "waited " : ", waited ");
        put_clock(out, vm->waited_ms);
        buffer_printf(out, " for %s", report->graph->vms[vm->waited_for].name);
        first = false;
    }
    put_phase(out, &first, "sent", vm->send_from_ms, vm->send_to_ms);
    if (vm->send_from_ms >= 0) {
        char size[32];
        buffer_printf(out, ", %" PRId64 " block%s (%s)", vm->blocks_sent,
                      vm->blocks_sent == 1 ? "" : "s", format_size(size, vm->bytes_sent));
    }
    put_phase(out, &first, "boot", vm->boot_from_ms, vm->running_ms);
    put_phase(out, &first, "ready", vm->running_ms, vm->ready_ms);
}

/* A VM's line: name, bar, when it was back (or what became of it), where the time went. */
static void write_lane(const struct page *page, const struct report_vm *vm, int name_width,
                       int cells, int outcome_width)
{
    char clock[32];
    bool back = vm->recovered_ms >= 0;
    text_pad(page->out, vm->name, name_width + 1);
    write_bar(page, vm, cells);
    text_pad_left(page->out,
                  back ? format_clock(clock, vm->recovered_ms) : report_outcome_name(vm->outcome),
                  outcome_width);
    struct buffer phases = {0};
    report_put_phases(page->report, vm, &phases);
    if (phases.length) {
        int at = name_width + 1 + cells + 2 + outcome_width + 3;
        buffer_puts(page->out, "   ");
        text_wrap(page->out, buffer_text(&phases), at, at, page->width);
    }
    buffer_putc(page->out, '\n');
    buffer_free(&phases);
}

static void write_timeline(const struct page *page)
{
    const struct report *report = page->report;
    int name_width = 0, outcome_width = 8;
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        int columns = text_columns(report->graph->vms[i].name);
        name_width = columns > name_width ? columns : name_width;
        outcome_width = report->vms[i].recovered_ms < 0 ? 11 : outcome_width; /* " unfinished" */
    }
    int cells = page->width - name_width - BESIDE;
    cells = cells < BAR_MIN ? BAR_MIN : cells > BAR_MAX ? BAR_MAX : cells;
    buffer_putc(page->out, '\n');
    for (size_t i = 0; i < report->graph->vm_count; i++) {
        write_lane(page, &report->vms[i], name_width, cells, outcome_width);
    }
    text_pad(page->out, "", name_width + 2);
    buffer_puts(page->out, report_is_replicate(report)
                               ? "█ at work  ▒ blocks sent"
                               : "█ at work  ▒ drivers injected  ░ waiting for another VM");
    if (report->history->outage_count) {
        bool fits = name_width + 2 + LEGEND + LEGEND_OUTAGE <= page->width;
        buffer_printf(page->out, "%s%*s· no drc at work", fits ? "" : "\n",
                      fits ? 2 : name_width + 2, "");
    }
    buffer_puts(page->out, "\n\n");
}

/* --- what is there, and what to do --- */

int64_t report_calls_floor(const struct report *report)
{
    int64_t nodes[ACTION_COUNT] = {0}, floor = 0;
    for (uint32_t i = 0; i < report->graph->node_count; i++) {
        nodes[report->graph->nodes[i].action] += report->nodes[i].state == NODE_DONE;
    }
    for (int i = 0; i < ACTION_COUNT; i++) {
        const struct action_info *info = nodes[i] ? action_info((enum action)i) : NULL;
        if (info && info->provider == PROVIDER_AWS) {
            int64_t batch = info->batch_max > 1 ? info->batch_max : 1;
            floor += (nodes[i] + batch - 1) / batch;
        }
    }
    return floor + report->blocks_sent;
}

static void write_calls(const struct page *page)
{
    const struct executor_counters *counters = &page->report->counters;
    buffer_printf(page->out,
                  "calls %" PRId64 " (floor %" PRId64 ") · throttled %" PRId64 " · retried %" PRId64
                  " · %zu of %zu actions done\n",
                  counters->requests, report_calls_floor(page->report), counters->throttled,
                  counters->retries, counters->done, counters->total);
}

/* The things of one VM that are in no use, from `first` on, in a line. Returns the next VM's. */
static size_t write_things_of(const struct page *page, size_t first, int name_width)
{
    const struct report *report = page->report;
    const char *vm = report->things[first].vm;
    struct buffer text = {0};
    size_t i = first;
    for (; i < report->thing_count && report->things[i].vm == vm; i++) {
        if (!report->things[i].in_use) {
            buffer_puts(&text, text.length ? ", " : "");
            text_put(&text, report->things[i].id);
        }
    }
    if (text.length) {
        buffer_puts(page->out, "  ");
        text_pad(page->out, vm ? vm : "(plan)", name_width + 2);
        text_wrap(page->out, buffer_text(&text), name_width + 4, name_width + 4, page->width);
        buffer_putc(page->out, '\n');
    }
    buffer_free(&text);
    return i;
}

static void write_things(const struct page *page)
{
    const struct report *report = page->report;
    if (report->left_over == 0) {
        return;
    }
    int width = 0;
    for (size_t i = 0; i < report->thing_count; i++) {
        int columns = report->things[i].vm ? text_columns(report->things[i].vm) : 6;
        width = columns > width ? columns : width;
    }
    buffer_puts(page->out, "\nMade, and in no use now:\n");
    for (size_t i = 0; i < report->thing_count;) {
        i = write_things_of(page, i, width);
    }
}

static const struct node_status *status_of(const void *report, uint32_t node)
{
    return &((const struct report *)report)->nodes[node];
}

/* What can be done now, in two columns. */
struct offer {
    const char *verb, *target, *what;
};

static void put_offer(const struct page *page, const struct offer *offer, struct buffer *out)
{
    buffer_printf(out, "drc run %s %s%s%s", offer->verb,
                  page->report->run_id ? page->report->run_id : "RUN", offer->target ? " " : "",
                  offer->target ? offer->target : "");
}

static void write_offers(const struct page *page, const struct offer *offers, size_t count)
{
    struct buffer text = {0};
    int width = 0;
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&text);
        put_offer(page, &offers[i], &text);
        int columns = text_columns(buffer_text(&text));
        width = columns > width ? columns : width;
    }
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&text);
        put_offer(page, &offers[i], &text);
        buffer_puts(page->out, "  ");
        text_pad(page->out, buffer_text(&text), width + 2);
        buffer_printf(page->out, "%s\n", offers[i].what);
    }
    buffer_free(&text);
}

static bool may_skip(const struct report *report, uint32_t node)
{
    struct error ignored = {0};
    bool may = decision_may_skip(report->graph, status_of, report, node, &ignored);
    error_clear(&ignored);
    return may;
}

static void write_taken_back(const struct page *page)
{
    if (page->report->verdict != VERDICT_NONE && page->report->status == RUN_CLEANED) {
        buffer_puts(page->out, "\nThe test is cleaned up: nothing of it is left.\n");
    }
}

/* What is offered has to be possible. */
static void write_commands(const struct page *page)
{
    enum { OFFERS_MAX = 7 };
    const struct report *report = page->report;
    struct offer offers[OFFERS_MAX];
    size_t count = 0;
    if (run_status_is_final(report->status)) {
        write_taken_back(page);
        return;
    }
    if (report->status == RUN_CLEANING) {
        buffer_puts(page->out, "\nIts cleanup is not finished. What now:\n");
        offers[count++] = (struct offer){"resume", NULL, "go on with the cleanup"};
        write_offers(page, offers, count);
        return;
    }
    buffer_puts(page->out, report->thing_count ? "\nNothing that was made is deleted. What now:\n"
                                               : "\nNothing is left in the cloud. What now:\n");
    if (report->verdict != VERDICT_NONE) {
        offers[count++] = (struct offer){"approve", NULL, "approve the cleanup; resume carries it out"};
    }
    offers[count++] = (struct offer){"resume", NULL, "go on from here"};
    if (report->cause_count) {
        const char *cause = report->graph->nodes[report->causes[0]].id;
        offers[count++] = (struct offer){"retry", cause, "only that, and what it held up"};
        if (may_skip(report, report->causes[0])) {
            offers[count++] = (struct offer){"skip", cause, "count it as done"};
        }
    }
    offers[count++] = (struct offer){"show", NULL, "what each action came to"};
    if (report->thing_count) {
        offers[count++] = (struct offer){"rollback", NULL, "undo it, the last action first"};
        offers[count++] = (struct offer){"cleanup", NULL, "delete what it has made"};
    }
    write_offers(page, offers, count);
}

void report_write_text(const struct report *report, int width, bool colour, struct buffer *out)
{
    struct page page = {.report = report, .out = out, .width = width, .colour = colour};
    write_head(&page);
    write_objectives(&page);
    write_causes(&page);
    write_decisions(&page);
    write_timeline(&page);
    write_calls(&page);
    write_things(&page);
    write_commands(&page);
}
