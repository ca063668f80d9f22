/* The state of the RPO as a person reads it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/report/rpo.h"
#include "runtime/world/world.h"

enum { COLUMN_COUNT = 6, CELL_MAX = 48, GAP = 2, INDENT = 2 };

struct page {
    const struct rpo_report *report;
    struct buffer *out;
    int width;
    bool colour;
};

struct row {
    char cells[COLUMN_COUNT][CELL_MAX];
    enum rpo_state state;
};

static const char *const words[RPO_STATE_COUNT] = {
    [RPO_MET] = "met",     [RPO_UNKNOWN] = "unknown",      [RPO_MISSED] = "MISSED",
    [RPO_NEVER] = "NEVER", [RPO_AT_RECOVERY] = "recovery",
};

static const char *const colours[RPO_STATE_COUNT] = {
    [RPO_MET] = "\033[1;32m",   [RPO_UNKNOWN] = "\033[1;33m", [RPO_MISSED] = "\033[1;31m",
    [RPO_NEVER] = "\033[1;31m", [RPO_AT_RECOVERY] = "",
};

/* Whole seconds: what happened a moment ago is no matter of milliseconds. */
static const char *span(char out[32], int64_t ms)
{
    return format_duration(out, ms < 0 ? 0 : ms / 1000 * 1000);
}

/* "2026-11-22 10:00 UTC" */
static const char *moment(char out[32], int64_t utc_ms)
{
    char time[32];
    format_time(time, utc_ms);
    snprintf(out, 32, "%.10s %.5s UTC", time, time + 11);
    return out;
}

/* The same, without the day where it is today's. */
static const char *moment_near(const struct page *page, char out[32], int64_t utc_ms)
{
    enum { DAY_MS = 86400000 };
    char text[32];
    bool today = utc_ms / DAY_MS == page->report->now_utc_ms / DAY_MS;
    moment(text, utc_ms);
    snprintf(out, 32, "%s", today ? text + 11 : text);
    return out;
}

static void put_age(const struct page *page, char cell[CELL_MAX], int64_t utc_ms, const char *word,
                    const char *none)
{
    char text[32];
    int64_t now = page->report->now_utc_ms;
    if (utc_ms < 0) {
        snprintf(cell, CELL_MAX, "%s", none);
    } else if (utc_ms > now + RPO_SKEW_MS) {
        snprintf(cell, CELL_MAX, "in %s", span(text, utc_ms - now));
    } else {
        snprintf(cell, CELL_MAX, "%s %s", span(text, now - utc_ms), word);
    }
}

static void fill_row(const struct page *page, const struct rpo_plan *plan, const struct rpo_vm *vm,
                     struct row *row)
{
    char text[32];
    bool none = vm->copy_point_utc_ms < 0;
    row->state = vm->state;
    snprintf(row->cells[0], CELL_MAX, "%s", vm->name);
    snprintf(row->cells[1], CELL_MAX, "%s", words[vm->state]);
    snprintf(row->cells[2], CELL_MAX, "%s",
             vm->loss_ms >= 0           ? span(text, vm->loss_ms)
             : vm->state == RPO_NEVER   ? "all"
             : vm->state == RPO_UNKNOWN ? "unknown"
                                        : "");
    snprintf(row->cells[3], CELL_MAX, "%s", none ? "none" : moment(text, vm->copy_point_utc_ms));
    put_age(page, row->cells[4], vm->copied_utc_ms, "ago", "");
    put_age(page, row->cells[5], vm->point_utc_ms, "old",
            !plan->repository || plan->repository_problem ? "unknown"
            : vm->point_damaged                           ? "damaged"
                                                          : "none");
}

static void widen(int widths[COLUMN_COUNT], const struct row *row)
{
    for (int c = 0; c < COLUMN_COUNT; c++) {
        int columns = text_columns(row->cells[c]);
        widths[c] = columns > widths[c] ? columns : widths[c];
    }
}

static void put_row(const struct page *page, const struct row *row, const int widths[COLUMN_COUNT],
                    bool head)
{
    struct buffer *out = page->out;
    buffer_printf(out, "%*s%s", INDENT, "", head && page->colour ? "\033[1m" : "");
    for (int c = 0; c < COLUMN_COUNT; c++) {
        const char *colour = !head && c == 1 && page->colour ? colours[row->state] : "";
        buffer_puts(out, colour);
        if (c + 1 < COLUMN_COUNT) {
            text_pad(out, row->cells[c], widths[c]);
        } else {
            text_put(out, row->cells[c]);
        }
        buffer_puts(out, *colour ? "\033[0m" : "");
        buffer_printf(out, "%*s", c + 1 < COLUMN_COUNT ? GAP : 0, "");
    }
    while (out->length && out->data[out->length - 1] == ' ') {
        out->data[--out->length] = '\0';
    }
    buffer_puts(out, head && page->colour ? "\033[0m\n" : "\n");
}

static const struct row titles = {
    .cells = {"VM", "RPO", "loss now", "DR copy of", "made", "repository"}};

static void put_table(const struct page *page, const struct rpo_plan *plan)
{
    int widths[COLUMN_COUNT] = {0};
    struct row row;
    widen(widths, &titles);
    for (size_t i = 0; i < plan->vm_count; i++) {
        fill_row(page, plan, &plan->vms[i], &row);
        widen(widths, &row);
    }
    put_row(page, &titles, widths, true);
    for (size_t i = 0; i < plan->vm_count; i++) {
        fill_row(page, plan, &plan->vms[i], &row);
        put_row(page, &row, widths, false);
    }
}

/* A line of its own, wrapped; the text is emptied. */
static void put_line(const struct page *page, int indent, struct buffer *text)
{
    struct buffer safe = {0};
    text_put(&safe, buffer_text(text));
    buffer_printf(page->out, "%*s", indent, "");
    text_wrap(page->out, buffer_text(&safe), indent, indent + 2, page->width);
    buffer_putc(page->out, '\n');
    buffer_free(&safe);
    buffer_clear(text);
}

/* --- what has to be said of a VM beside its row --- */

static void say_state(const struct page *page, const struct rpo_vm *vm, struct buffer *text)
{
    char time[32], took[32];
    int64_t now = page->report->now_utc_ms;
    switch (vm->state) {
    case RPO_MISSED:
        buffer_printf(text, "%s: missed since %s (%s)", vm->name,
                      moment_near(page, time, vm->missed_since_utc_ms),
                      span(took, now - vm->missed_since_utc_ms));
        break;
    case RPO_NEVER:
        buffer_printf(text, "%s: no DR copy can be used: %s%s", vm->name,
                      vm->flawed_point_utc_ms >= 0 ? "the newest " : "",
                      vm->flaw ? vm->flaw : "there is none");
        break;
    case RPO_UNKNOWN:
        buffer_printf(text,
                      "%s: its recovery point %s is %s ahead of this clock: the clock here or that "
                      "of its backup is wrong, and what would be lost is not known",
                      vm->name, moment(time, vm->copy_point_utc_ms),
                      span(took, vm->copy_point_utc_ms - now));
        break;
    case RPO_AT_RECOVERY:
        buffer_printf(
            text, "%s: runs at the recovery site%s%s: not replicated until it is home again",
            vm->name, vm->place_run ? " since run " : "", vm->place_run ? vm->place_run : "");
        break;
    default:
        return;
    }
    put_line(page, INDENT, text);
}

static void say_vm(const struct page *page, const struct rpo_vm *vm, struct buffer *text)
{
    char time[32];
    say_state(page, vm, text);
    if (vm->flaw && vm->copy_point_utc_ms >= 0 && vm->flawed_point_utc_ms >= 0) {
        buffer_printf(text, "%s: the newer copy of %s cannot be used (yet): it %s", vm->name,
                      moment_near(page, time, vm->flawed_point_utc_ms), vm->flaw);
        put_line(page, INDENT, text);
    }
    if (vm->place == PRODUCTION_FAILING_OVER) {
        buffer_printf(text, "%s: is being failed over%s%s", vm->name,
                      vm->place_run ? " by run " : "", vm->place_run ? vm->place_run : "");
        put_line(page, INDENT, text);
    }
    if (vm->point_damaged) {
        buffer_printf(text, "%s: in the repository: %s", vm->name, vm->point_damaged);
        put_line(page, INDENT, text);
    }
}

/* --- of the plan --- */

static void put_next(const struct page *page, const struct rpo_round *round, struct buffer *text)
{
    char time[32], late[32];
    int64_t now = page->report->now_utc_ms;
    if (round->next_utc_ms < 0) {
        return;
    }
    if (round->next_utc_ms >= now) {
        buffer_printf(text, "; the next by %s", moment_near(page, time, round->next_utc_ms));
    } else {
        buffer_printf(text, "; the next was due at %s, %s ago",
                      moment_near(page, time, round->next_utc_ms),
                      span(late, now - round->next_utc_ms));
    }
}

static void put_every(const struct rpo_round *round, const char *what, struct buffer *text)
{
    char every[32];
    buffer_puts(text, what);
    if (round->every_ms > 0) {
        buffer_printf(text, " every %s", span(every, round->every_ms));
    }
}

static void say_replicate(const struct page *page, const struct rpo_plan *plan, struct buffer *text)
{
    char ago[32];
    int64_t now = page->report->now_utc_ms;
    put_every(&plan->replicate, "replicate", text);
    if (plan->run) {
        bool ended = plan->run_ended_utc_ms > 0 && !plan->run_alive;
        buffer_printf(text, ": run %s %s, %s %s ago", plan->run,
                      plan->run_alive ? "is under way" : plan->run_status,
                      ended ? "ended" : "begun",
                      span(ago, now - (ended ? plan->run_ended_utc_ms : plan->run_started_utc_ms)));
    } else {
        buffer_puts(text, plan->state_problem ? "" : ": the state knows of no run");
    }
    put_next(page, &plan->replicate, text);
    put_line(page, INDENT, text);
}

static void say_backup(const struct page *page, const struct rpo_plan *plan, struct buffer *text)
{
    char ago[32];
    int64_t now = page->report->now_utc_ms;
    put_every(&plan->backup, "backup", text);
    if (!plan->repository) {
        buffer_puts(text, ": the plan names no repository: backup.repository does");
    } else if (plan->repository_problem) {
        buffer_printf(text, ": what %s holds is not known: %s", plan->repository,
                      plan->repository_problem);
    } else if (plan->counts[RPO_AT_RECOVERY] == plan->vm_count) {
        buffer_puts(text, ": none is due while every VM runs at the recovery site");
    } else if (plan->backup.last_utc_ms < 0) {
        buffer_printf(text, ": %s does not hold every VM yet", plan->repository);
    } else {
        buffer_printf(text, ": every VM has a recovery point no older than %s",
                      span(ago, now - plan->backup.last_utc_ms));
        put_next(page, &plan->backup, text);
    }
    put_line(page, INDENT, text);
    if (plan->repository_help) {
        buffer_printf(text, "help: %s", plan->repository_help);
        put_line(page, INDENT, text);
    }
}

static void say_test(const struct page *page, const struct rpo_plan *plan, struct buffer *text)
{
    char every[32];
    if (plan->state_problem || (plan->test_every_ms == 0 && plan->test.at_utc_ms < 0)) {
        return;
    }
    buffer_puts(text, "test");
    if (plan->test_every_ms > 0) {
        buffer_printf(text, " every %s", span(every, plan->test_every_ms));
    }
    buffer_puts(text, ": ");
    test_due_put(plan->test_due, &plan->test, 0, page->report->now_utc_ms, text);
    if (plan->test_due != TEST_IN_TIME) {
        buffer_printf(text, ": drc plan apply %s test", plan->file);
    }
    put_line(page, INDENT, text);
}

static void say_strangers(const struct page *page, const struct rpo_plan *plan, struct buffer *text)
{
    if (plan->stranger_count == 0) {
        return;
    }
    buffer_puts(text, "DR copies of VMs that the plan does not name: ");
    for (size_t i = 0; i < plan->stranger_count; i++) {
        buffer_printf(text, "%s%s", i ? ", " : "", plan->strangers[i]);
    }
    put_line(page, INDENT, text);
}

/* Of those that are late: whether there is something newer to copy. */
static bool waits_for_backup(const struct rpo_vm *vm)
{
    return (vm->state == RPO_MISSED || vm->state == RPO_NEVER) &&
           vm->point_utc_ms <= vm->copy_point_utc_ms;
}

static bool waits_for_copy(const struct rpo_vm *vm)
{
    return (vm->state == RPO_MISSED || vm->state == RPO_NEVER) &&
           vm->point_utc_ms > vm->copy_point_utc_ms;
}

static bool put_names(const struct rpo_plan *plan, bool (*is_meant)(const struct rpo_vm *vm),
                      struct buffer *text)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->vm_count; i++) {
        if (is_meant(&plan->vms[i])) {
            buffer_printf(text, "%s%s", count++ ? ", " : "", plan->vms[i].name);
        }
    }
    return count > 0;
}

/* Which of the two stages is late, and what to do. */
static void say_help(const struct page *page, const struct rpo_plan *plan, struct buffer *text)
{
    struct buffer names = {0};
    if (put_names(plan, waits_for_copy, &names)) {
        buffer_printf(text,
                      "newer recovery points wait to be copied (%s): drc plan apply %s replicate",
                      buffer_text(&names), plan->file);
        put_line(page, INDENT, text);
    }
    buffer_clear(&names);
    bool known = plan->repository && !plan->repository_problem;
    if (put_names(plan, waits_for_backup, &names) && known) {
        buffer_printf(text, "%s has nothing newer (%s): the backup is late, not the copies",
                      plan->repository, buffer_text(&names));
        put_line(page, INDENT, text);
    }
    buffer_free(&names);
}

static void put_head(const struct page *page, const struct rpo_plan *plan)
{
    char rpo[32];
    struct buffer text = {0};
    size_t bad = 0, judged = 0;
    for (int i = 0; i < RPO_STATE_COUNT; i++) {
        bad += rpo_is_bad((enum rpo_state)i) ? plan->counts[i] : 0;
        judged += i == RPO_AT_RECOVERY ? 0 : plan->counts[i];
    }
    const char *plural = judged == 1 ? "" : "s";
    buffer_printf(&text, "%s · %s · ", plan->name, plan->region);
    if (judged == 0) {
        buffer_puts(&text, "every VM runs at the recovery site");
    } else if (bad) {
        buffer_printf(&text, "RPO of %s not met by %zu of %zu VM%s", span(rpo, plan->objective_ms),
                      bad, judged, plural);
    } else {
        buffer_printf(&text, "RPO of %s met by %s%zu VM%s", span(rpo, plan->objective_ms),
                      judged == 1 ? "" : "all ", judged, plural);
    }
    put_line(page, 0, &text);
    buffer_free(&text);
}

static void put_plan(const struct page *page, const struct rpo_plan *plan)
{
    struct buffer text = {0};
    if (plan->problem) {
        buffer_printf(&text, "%s · %s · not known: %s", plan->name, plan->region, plan->problem);
        put_line(page, 0, &text);
        buffer_free(&text);
        return;
    }
    put_head(page, plan);
    buffer_putc(page->out, '\n');
    put_table(page, plan);
    buffer_putc(page->out, '\n');
    for (size_t i = 0; i < plan->vm_count; i++) {
        say_vm(page, &plan->vms[i], &text);
    }
    if (plan->state_problem) {
        buffer_printf(&text, "the state cannot be read, so where VMs run is told by tags alone: %s",
                      plan->state_problem);
        put_line(page, INDENT, &text);
    }
    say_replicate(page, plan, &text);
    say_backup(page, plan, &text);
    say_test(page, plan, &text);
    say_strangers(page, plan, &text);
    say_help(page, plan, &text);
    buffer_free(&text);
}

static void put_overall(const struct page *page)
{
    const struct rpo_report *report = page->report;
    struct buffer text = {0};
    size_t bad = 0;
    for (size_t i = 0; i < report->plan_count; i++) {
        if (rpo_is_bad(report->plans[i].state)) {
            buffer_printf(&text, "%s%s", bad++ ? ", " : "", report->plans[i].name);
        }
    }
    if (bad) {
        struct buffer line = {0};
        buffer_printf(&line, "%zu plans: the RPO is not met by %s", report->plan_count,
                      buffer_text(&text));
        put_line(page, 0, &line);
        buffer_free(&line);
    } else {
        buffer_printf(page->out, "%zu plans: no RPO is missed\n", report->plan_count);
    }
    buffer_free(&text);
}

static void put_clock(const struct page *page)
{
    char apart[32];
    int64_t ms = page->report->clock_ms;
    struct buffer text = {0};
    if (ms == 0) {
        return;
    }
    buffer_printf(&text, "this host's clock is %s %s: ages are counted by AWS's clock",
                  span(apart, ms < 0 ? -ms : ms), ms < 0 ? "slow" : "fast");
    put_line(page, 0, &text);
    buffer_free(&text);
}

void rpo_write_text(const struct rpo_report *report, int width, bool colour, struct buffer *out)
{
    struct page page = {report, out, width, colour};
    for (size_t i = 0; i < report->plan_count; i++) {
        buffer_puts(out, i ? "\n" : "");
        put_plan(&page, &report->plans[i]);
    }
    if (report->plan_count > 1) {
        buffer_putc(out, '\n');
        put_overall(&page);
    }
    put_clock(&page);
}
