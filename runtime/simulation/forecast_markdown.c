/* A forecast for a pull request: the first lines say it all, the rest is folded. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "runtime/simulation/forecast.h"

enum { BINDINGS_MAX = 10 };

static void put_ms(struct buffer *out, int64_t ms, const char *without)
{
    char text[32];
    buffer_puts(out, ms < 0 ? without
                            : format_duration(text, ms >= 1000 ? (ms + 500) / 1000 * 1000 : ms));
}

/* Text of a table's cell: what would end it, or begin something else, is told as itself. */
static void put_cell(struct buffer *out, const char *text)
{
    struct buffer clean = {0};
    text_put(&clean, text);
    for (const char *c = buffer_text(&clean); *c; c++) {
        if (strchr("|\\`*_<>[]", *c)) {
            buffer_putc(out, '\\');
        }
        buffer_putc(out, *c);
    }
    buffer_free(&clean);
}

static void write_head(const struct forecast *forecast, struct buffer *out)
{
    const struct forecast_input *input = &forecast->input;
    buffer_puts(out, "### drc: ");
    put_cell(out, input->graph->plan_name);
    buffer_printf(out, " · %s — simulated RTO p95 ", workflow_name(input->graph->workflow));
    put_ms(out, forecast->rto.p95_ms, "not reached");
    if (forecast->objective_ms > 0) {
        buffer_puts(out, " of ");
        put_ms(out, forecast->objective_ms, "");
    }
    buffer_puts(out, "\n\n");
    if (forecast->objective_ms > 0) {
        buffer_printf(out, "%s held in %zu of %zu runs",
                      forecast->within < forecast->runs ? "⚠ objective" : "Objective",
                      forecast->within, forecast->runs);
    } else {
        buffer_printf(out, "%zu runs", forecast->runs);
    }
    if (forecast->failed) {
        buffer_printf(out, ", **%zu failed**", forecast->failed);
    }
    buffer_printf(out, " (seed %" PRIu64 ", faults: %s", input->first_seed,
                  input->scenario->profile->name);
    for (size_t i = 0; i < input->capacity_missing_count; i++) {
        buffer_puts(out, i ? ", " : ", no capacity for ");
        put_cell(out, input->capacity_missing[i]);
    }
    if (input->scenario->outage_ms >= 0) {
        buffer_puts(out, ", runner killed and back after ");
        put_ms(out, input->scenario->outage_ms, "");
    }
    buffer_puts(out, ")\n\n");
}

static void write_spread(struct buffer *out, const char *name, const struct spread *spread)
{
    buffer_puts(out, "| ");
    put_cell(out, name);
    const int64_t cells[] = {spread->p50_ms, spread->p95_ms, spread->p99_ms, spread->worst_ms};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        buffer_puts(out, " | ");
        put_ms(out, cells[i], "not reached");
    }
    buffer_puts(out, " | ");
    put_ms(out, spread->estimate_ms, "");
    buffer_puts(out, " |\n");
}

static void write_spreads(const struct forecast *forecast, struct buffer *out)
{
    buffer_puts(out, "| | p50 | p95 | p99 | worst | estimate |\n|---|--:|--:|--:|--:|--:|\n");
    write_spread(out, "RTO", &forecast->rto);
    for (size_t i = 0; i < forecast->input.graph->vm_count; i++) {
        write_spread(out, forecast->vms[i].name, &forecast->vms[i].spread);
    }
    buffer_putc(out, '\n');
}

static void write_bindings(const struct forecast *forecast, struct buffer *out)
{
    buffer_puts(out, "<details><summary>What binds it</summary>\n\n"
                     "| | runs | median | p95 run |\n|---|--:|--:|--:|\n");
    for (size_t i = 0; i < forecast->binding_count && i < BINDINGS_MAX; i++) {
        const struct forecast_binding *binding = &forecast->bindings[i];
        buffer_puts(out, "| ");
        put_cell(out, binding->what);
        buffer_printf(out, " | %zu of %zu | ", binding->runs, forecast->recovered);
        put_ms(out, binding->median_ms, "");
        buffer_puts(out, " | ");
        put_ms(out, binding->p95_ms > 0 ? binding->p95_ms : -1, "");
        buffer_puts(out, " |\n");
    }
    buffer_puts(out, "\n</details>\n");
}

static void write_causes(const struct forecast *forecast, struct buffer *out)
{
    if (forecast->cause_count == 0) {
        return;
    }
    buffer_puts(out, "\n| why runs fail | runs |\n|---|--:|\n");
    for (size_t i = 0; i < forecast->cause_count; i++) {
        const struct forecast_cause *cause = &forecast->causes[i];
        buffer_puts(out, "| ");
        put_cell(out, cause->node->id);
        buffer_puts(out, ": ");
        if (cause->code && !strstr(cause->text, cause->code)) {
            put_cell(out, cause->code);
            buffer_puts(out, ": ");
        }
        put_cell(out, cause->text);
        buffer_printf(out, " | %zu |\n", cause->runs);
    }
}

void forecast_write_markdown(const struct forecast *forecast, struct buffer *out)
{
    write_head(forecast, out);
    if (forecast->runs == 0) {
        return;
    }
    write_spreads(forecast, out);
    if (forecast->binding_count > 0) {
        write_bindings(forecast, out);
    }
    write_causes(forecast, out);
    for (size_t i = 0; i < forecast->suggestion_count; i++) {
        buffer_puts(out, i ? "" : "\nWhat helps:\n");
        buffer_puts(out, "- ");
        put_cell(out, forecast->suggestions[i]);
        buffer_putc(out, '\n');
    }
}
