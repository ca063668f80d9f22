/* A forecast as a person reads it. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/simulation/forecast.h"

enum { VMS_MAX = 12, BINDINGS_MAX = 10, CAUSES_MAX = 10, COLUMN = 10, BAR_MAX = 40, NAME_MAX = 44 };

struct page {
    const struct forecast *forecast;
    struct buffer *out;
    int width;
    bool colour;
};

static const char *const red = "\033[1;31m", *const green = "\033[1;32m", *const strong = "\033[1m",
                         *const plain = "\033[0m";

static void put_coloured(const struct page *page, const char *colour, const char *text)
{
    buffer_puts(page->out, page->colour ? colour : "");
    buffer_puts(page->out, text);
    buffer_puts(page->out, page->colour ? plain : "");
}

/* Whole seconds: the third digit of a chance is noise. */
static const char *duration(char out[32], int64_t ms)
{
    return format_duration(out, ms >= 1000 ? (ms + 500) / 1000 * 1000 : ms);
}

static void put_duration_column(const struct page *page, int64_t ms, const char *without)
{
    char text[32];
    text_pad_left(page->out, ms < 0 ? without : duration(text, ms), COLUMN);
}

/* --- head --- */

/* Text that begins in that column, further lines at `indent`; frees it. */
static void put_wrapped(const struct page *page, struct buffer *text, int column, int indent)
{
    buffer_printf(page->out, "%*s", column, "");
    text_wrap(page->out, buffer_text(text), column, indent, page->width);
    buffer_putc(page->out, '\n');
    buffer_free(text);
}

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void write_scenario(const struct page *page)
{
    const struct forecast *forecast = page->forecast;
    const struct forecast_input *input = &forecast->input;
    const struct graph *graph = input->graph;
    struct buffer head = {0};
    char text[32];
    text_put(&head, graph->plan_name);
    buffer_printf(&head,
                  " · %s · %zu VM%s · %zu action%s · %zu run%s from seed %" PRIu64 " · faults: %s",
                  workflow_name(graph->workflow), graph->vm_count, plural(graph->vm_count),
                  graph->node_count, plural(graph->node_count), forecast->runs,
                  plural(forecast->runs), input->first_seed, input->scenario->profile->name);
    for (size_t i = 0; i < input->capacity_missing_count; i++) {
        buffer_puts(&head, i ? ", " : " · no capacity for ");
        text_put(&head, input->capacity_missing[i]);
    }
    if (input->scenario->outage_ms >= 0) {
        buffer_printf(&head, " · runner killed, back after %s",
                      duration(text, input->scenario->outage_ms));
    }
    put_wrapped(page, &head, 0, 2);
    if (forecast->runs < input->asked) {
        buffer_printf(page->out, "interrupted: %zu of %zu runs were made\n", forecast->runs,
                      input->asked);
    }
}

static void write_verdict(const struct page *page)
{
    const struct forecast *forecast = page->forecast;
    char text[32];
    if (forecast->objective_ms > 0) {
        buffer_printf(page->out, "RTO objective %s: ", duration(text, forecast->objective_ms));
        struct buffer verdict = {0};
        buffer_printf(&verdict, "held in %zu of %zu run%s", forecast->within, forecast->runs,
                      plural(forecast->runs));
        put_coloured(page, forecast->within == forecast->runs ? green : red, buffer_text(&verdict));
        buffer_free(&verdict);
        if (forecast->rto.p95_ms > forecast->objective_ms) {
            int64_t over_ms = forecast->rto.p95_ms - forecast->objective_ms;
            buffer_printf(page->out, " (p95 is %s too long)", duration(text, over_ms));
        }
    } else {
        buffer_puts(page->out, "The plan has no RTO objective (objectives.rto)");
    }
    if (forecast->failed) {
        buffer_puts(page->out, " · ");
        struct buffer failed = {0};
        buffer_printf(&failed, "%zu run%s failed", forecast->failed,
                      forecast->failed == 1 ? "" : "s");
        put_coloured(page, red, buffer_text(&failed));
        buffer_free(&failed);
    }
    buffer_puts(page->out, "\n\n");
}

/* --- percentiles --- */

static void write_spread(const struct page *page, const char *name, int name_width,
                         const struct spread *spread)
{
    text_pad(page->out, name, name_width);
    put_duration_column(page, spread->p50_ms, "never");
    put_duration_column(page, spread->p95_ms, "never");
    put_duration_column(page, spread->p99_ms, "never");
    put_duration_column(page, spread->worst_ms, "never");
    put_duration_column(page, spread->estimate_ms, "-");
    buffer_putc(page->out, '\n');
}

/* Whether one VM is back later than another, at p95; ties by the plan's order. */
static bool is_later(const struct forecast_vm *a, const struct forecast_vm *b)
{
    if ((a->spread.p95_ms < 0) != (b->spread.p95_ms < 0)) {
        return a->spread.p95_ms < 0;
    }
    return a->spread.p95_ms != b->spread.p95_ms ? a->spread.p95_ms > b->spread.p95_ms : a < b;
}

/* Few enough, or among the latest. */
static bool is_told(const struct forecast *forecast, size_t vm)
{
    size_t later = 0, count = forecast->input.graph->vm_count;
    for (size_t i = 0; i < count; i++) {
        later += i != vm && is_later(&forecast->vms[i], &forecast->vms[vm]);
    }
    return later < VMS_MAX;
}

static void write_spreads(const struct page *page)
{
    const struct forecast *forecast = page->forecast;
    size_t count = forecast->input.graph->vm_count, told = 0;
    int name_width = 6;
    for (size_t i = 0; i < count; i++) {
        int columns = text_columns(forecast->vms[i].name) + 3;
        name_width = is_told(forecast, i) && columns > name_width ? columns : name_width;
    }
    text_pad(page->out, "", name_width);
    static const char *const heads[] = {"p50", "p95", "p99", "worst", "estimate"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        text_pad_left(page->out, heads[i], COLUMN);
    }
    buffer_putc(page->out, '\n');
    write_spread(page, forecast->input.schedule->rto_ms > 0 ? "RTO" : "end", name_width,
                 &forecast->rto);
    for (size_t i = 0; i < count; i++) {
        if (is_told(forecast, i)) {
            struct buffer name = {0};
            buffer_printf(&name, "  %s", forecast->vms[i].name);
            write_spread(page, buffer_text(&name), name_width, &forecast->vms[i].spread);
            buffer_free(&name);
            told++;
        }
    }
    if (told < count) {
        buffer_printf(page->out, "  … and %zu VM%s back earlier (--json has them)\n", count - told,
                      count - told == 1 ? " that is" : "s that are");
    }
    if (forecast->recovered < forecast->runs) {
        buffer_puts(page->out, "  never: not in so many runs\n");
    }
    buffer_putc(page->out, '\n');
}

/* --- histogram --- */

static void put_bar(const struct page *page, size_t count, size_t most, int cells)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t length = count * (size_t)cells * 8 / most;
    length = count > 0 && length == 0 ? 1 : length;
    for (size_t i = 0; i < length / 8; i++) {
        buffer_puts(page->out, "█");
    }
    buffer_puts(page->out, eighths[length % 8]);
}

static void write_histogram(const struct page *page)
{
    const struct forecast *forecast = page->forecast;
    const struct histogram *histogram = &forecast->histogram;
    size_t most = 1;
    for (size_t i = 0; i < histogram->bins; i++) {
        most = histogram->counts[i] > most ? histogram->counts[i] : most;
    }
    int cells = page->width - 30 < BAR_MAX ? page->width - 30 : BAR_MAX;
    for (size_t i = 0; i < histogram->bins; i++) {
        char clock[32];
        int64_t from_ms = histogram->from_ms + (int64_t)i * histogram->step_ms;
        bool over = forecast->objective_ms > 0 && from_ms >= forecast->objective_ms;
        text_pad_left(page->out, format_clock(clock, from_ms), 9);
        buffer_puts(page->out, " ");
        buffer_puts(page->out, over && page->colour ? red : "");
        put_bar(page, histogram->counts[i], most, cells < 8 ? 8 : cells);
        buffer_puts(page->out, over && page->colour ? plain : "");
        if (histogram->counts[i]) {
            buffer_printf(page->out, " %zu%s", histogram->counts[i], over ? " too late" : "");
        }
        buffer_putc(page->out, '\n');
    }
    if (histogram->bins) {
        buffer_putc(page->out, '\n');
    }
}

/* --- what binds --- */

static void write_binding(const struct page *page, const struct forecast_binding *binding,
                          int name_width)
{
    struct buffer runs = {0};
    buffer_puts(page->out, "  ");
    text_pad(page->out, binding->what, name_width);
    buffer_printf(&runs, "%zu of %zu", binding->runs, page->forecast->recovered);
    text_pad_left(page->out, buffer_text(&runs), COLUMN + 4);
    buffer_free(&runs);
    put_duration_column(page, binding->median_ms, "-");
    put_duration_column(page, binding->p95_ms > 0 ? binding->p95_ms : -1, "-");
    buffer_putc(page->out, '\n');
}

static void write_bindings(const struct page *page)
{
    const struct forecast *forecast = page->forecast;
    size_t told = forecast->binding_count < BINDINGS_MAX ? forecast->binding_count : BINDINGS_MAX;
    if (told == 0) {
        return;
    }
    int name_width = 14;
    for (size_t i = 0; i < told; i++) {
        int columns = text_columns(forecast->bindings[i].what);
        name_width = columns > name_width ? columns : name_width;
    }
    name_width = name_width > NAME_MAX ? NAME_MAX : name_width;
    put_coloured(page, strong, "what binds it ");
    text_pad(page->out, "", name_width - 12);
    text_pad_left(page->out, "in runs", COLUMN + 4);
    text_pad_left(page->out, "median", COLUMN);
    text_pad_left(page->out, "p95 run", COLUMN);
    buffer_putc(page->out, '\n');
    int64_t rest_ms = 0;
    for (size_t i = 0; i < forecast->binding_count; i++) {
        if (i < told) {
            write_binding(page, &forecast->bindings[i], name_width);
        } else {
            rest_ms += forecast->bindings[i].p95_ms;
        }
    }
    char text[32];
    if (forecast->binding_count > told) {
        buffer_printf(page->out, "  … and %zu more", forecast->binding_count - told);
        buffer_printf(page->out, rest_ms > 0 ? ", %s of the p95 run\n" : "\n",
                      duration(text, rest_ms));
    }
    struct buffer note = {0};
    buffer_printf(
        &note, "(on the path that the end hung on; the p95 run again: --runs 1 --seed %" PRIu64 ")",
        forecast->slow->seed);
    put_wrapped(page, &note, 2, 3);
    buffer_putc(page->out, '\n');
}

/* --- why it fails, what would help --- */

static void write_cause(const struct page *page, const struct forecast_cause *cause)
{
    struct buffer text = {0};
    text_put(&text, cause->node->id);
    buffer_puts(&text, ": ");
    if (cause->code && !strstr(cause->text, cause->code)) {
        text_put(&text, cause->code);
        buffer_puts(&text, ": ");
    }
    text_put(&text, cause->text);
    buffer_puts(&text, cause->runs > 1 ? " (seeds " : " (seed ");
    size_t seeds = sizeof cause->seeds / sizeof *cause->seeds;
    for (size_t i = 0; i < cause->runs && i < seeds; i++) {
        buffer_printf(&text, "%s%" PRIu64, i ? ", " : "", cause->seeds[i]);
    }
    buffer_puts(&text, cause->runs > seeds ? ", …)" : ")");
    buffer_printf(page->out, "  %5zu  ", cause->runs);
    text_wrap(page->out, buffer_text(&text), 9, 9, page->width);
    buffer_putc(page->out, '\n');
    buffer_free(&text);
}

static void write_causes(const struct page *page)
{
    const struct forecast *forecast = page->forecast;
    if (forecast->cause_count == 0) {
        return;
    }
    put_coloured(page, strong, "why runs fail");
    buffer_puts(page->out, "\n");
    for (size_t i = 0; i < forecast->cause_count && i < CAUSES_MAX; i++) {
        write_cause(page, &forecast->causes[i]);
    }
    if (forecast->cause_count > CAUSES_MAX) {
        buffer_printf(page->out, "  … and %zu more causes (--json has them)\n",
                      forecast->cause_count - CAUSES_MAX);
    }
    buffer_putc(page->out, '\n');
}

static void write_suggestions(const struct page *page)
{
    const struct forecast *forecast = page->forecast;
    for (size_t i = 0; i < forecast->suggestion_count; i++) {
        buffer_puts(page->out, i ? "              " : "what helps:   ");
        text_wrap(page->out, forecast->suggestions[i], 14, 14, page->width);
        buffer_putc(page->out, '\n');
    }
}

static void write_calls(const struct page *page)
{
    const struct forecast *forecast = page->forecast;
    buffer_printf(page->out,
                  "a run's calls (median): %" PRId64 " · throttled %" PRId64 " · retried %" PRId64
                  "\n",
                  forecast->requests, forecast->throttled, forecast->retries);
}

void forecast_write_text(const struct forecast *forecast, int width, bool colour,
                         struct buffer *out)
{
    struct page page = {.forecast = forecast, .out = out, .width = width, .colour = colour};
    write_scenario(&page);
    if (forecast->runs == 0) {
        return;
    }
    write_verdict(&page);
    write_spreads(&page);
    write_histogram(&page);
    write_bindings(&page);
    write_causes(&page);
    write_suggestions(&page);
    write_calls(&page);
}
