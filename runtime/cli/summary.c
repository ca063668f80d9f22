#include "runtime/cli/summary.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/text.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/cli/summary_parts.h"
#include "runtime/world/world.h"

enum { COLUMN_COUNT = SUMMARY_COLUMNS, GAP = 2, BINDING_NAME_MAX = 96 };

const char *summary_binding(const struct facts *facts, const char *vm, const char *name)
{
    char key[BINDING_NAME_MAX];
    if (!facts || snprintf(key, sizeof key, "%s/%s", vm, name) >= (int)sizeof key) {
        return NULL;
    }
    return map_get(&facts->bindings, key);
}

int64_t summary_loss_ms(const struct facts *facts, const char *vm, int64_t now_utc_ms)
{
    const char *time = summary_binding(facts, vm, "recovery-point");
    int64_t at = time ? parse_time(time) : -1;
    return at < 0 ? -1 : now_utc_ms > at ? now_utc_ms - at : 0;
}

/* "2026-11-22 10:00 UTC" from RFC 3339. */
const char *summary_time(struct arena *arena, const char *time)
{
    if (!time || strlen(time) < 16) {
        return "unknown";
    }
    return arena_printf(arena, "%.10s %.5s UTC", time, time + 11);
}

static const char *instance_type(const struct graph *graph, uint32_t vm)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (node->vm != (int32_t)vm || node->action != ACTION_RUN_INSTANCE) {
            continue;
        }
        const struct value *types = graph_input(node, "instance_types");
        if (types && types->count && types->items[0].kind == VALUE_TEXT) {
            return types->items[0].text;
        }
    }
    return "?";
}

static const char *names_of(struct arena *arena, const struct plan_vm *vm)
{
    const char *text = "";
    for (size_t i = 0; i < vm->dependency_count; i++) {
        text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", vm->dependencies[i].vm->name);
    }
    return text;
}

static void fill_row(struct arena *arena, const struct summary *summary, uint32_t index,
                     const char *row[COLUMN_COUNT])
{
    const char *name = summary->graph->vms[index].name;
    const struct plan_vm *vm = plan_vm_by_name(summary->plan, name);
    int64_t loss = summary_loss_ms(summary->facts, name, summary->now_utc_ms);
    char text[32];
    row[0] = name;
    row[1] = summary_time(arena, summary_binding(summary->facts, name, "recovery-point"));
    row[2] = loss < 0 ? "unknown" : arena_strdup(arena, format_duration(text, loss / 1000 * 1000));
    row[3] = instance_type(summary->graph, index);
    row[4] = vm && vm->card_count && vm->cards[0].subnet_name.value ? vm->cards[0].subnet_name.value
                                                                    : "";
    row[5] = vm ? names_of(arena, vm) : "";
}

void summary_rows(const char *(*rows)[COLUMN_COUNT], size_t count, int width, bool colour,
                       struct buffer *out)
{
    int last_at = 2;
    int widths[COLUMN_COUNT] = {0};
    for (size_t i = 0; i < count; i++) {
        for (int c = 0; c < COLUMN_COUNT; c++) {
            int columns = (int)strlen(rows[i][c]);
            widths[c] = columns > widths[c] ? columns : widths[c];
        }
    }
    for (int c = 0; c + 1 < COLUMN_COUNT; c++) {
        last_at += widths[c] + GAP;
    }
    for (size_t i = 0; i < count; i++) {
        buffer_puts(out, i == 0 && colour ? "\033[1m  " : "  ");
        for (int c = 0; c + 1 < COLUMN_COUNT; c++) {
            buffer_printf(out, "%-*s", widths[c] + GAP, rows[i][c]);
        }
        text_wrap(out, rows[i][COLUMN_COUNT - 1], last_at, last_at, width);
        while (out->length && out->data[out->length - 1] == ' ') {
            out->data[--out->length] = '\0';
        }
        buffer_puts(out, i == 0 && colour ? "\033[0m\n" : "\n");
    }
}

static void write_vms(const struct summary *summary, struct buffer *out)
{
    struct arena *arena = arena_create();
    size_t count = summary->graph->vm_count + 1;
    const char *(*rows)[COLUMN_COUNT] = arena_zalloc(arena, count * sizeof *rows);
    static const char *const titles[COLUMN_COUNT] = {"VM",       "recovery point", "loss",
                                                     "instance", "subnet",         "depends on"};
    memcpy(rows[0], titles, sizeof titles);
    for (uint32_t i = 0; i + 1 < count; i++) {
        fill_row(arena, summary, i, rows[i + 1]);
    }
    summary_rows(rows, count, summary->width, summary->colour, out);
    arena_destroy(arena);
}

void summary_count(struct buffer *out, size_t count, const char *word, bool *first)
{
    if (count) {
        const char *plural = word[strlen(word) - 1] == 's' ? "es" : "s";
        buffer_printf(out, "%s%zu %s%s", *first ? "" : ", ", count, word, count == 1 ? "" : plural);
        *first = false;
    }
}

static void write_counts(const struct graph *graph, int width, struct buffer *lines)
{
    struct buffer text = {0}, *out = &text;
    size_t counts[ACTION_COUNT] = {0};
    for (uint32_t i = 0; i < graph->node_count; i++) {
        counts[graph->nodes[i].action]++;
    }
    bool first = true;
    buffer_puts(out, "creates ");
    summary_count(out, counts[ACTION_RUN_INSTANCE], "instance", &first);
    summary_count(out, counts[ACTION_CREATE_VOLUME], "volume", &first);
    summary_count(out, counts[ACTION_REGISTER_IMAGE], "image", &first);
    if (counts[ACTION_DELETE_VOLUME]) {
        first = true;
        buffer_puts(out, " · deletes ");
        summary_count(out, counts[ACTION_DELETE_VOLUME], "placeholder root", &first);
    }
    if (counts[ACTION_ASSOCIATE_ADDRESS]) {
        first = true;
        buffer_puts(out, " · moves ");
        summary_count(out, counts[ACTION_ASSOCIATE_ADDRESS], "elastic address", &first);
    }
    if (summary_count_records(graph)) {
        first = true;
        buffer_puts(out, " · changes ");
        summary_count(out, summary_count_records(graph), "DNS record", &first);
    }
    buffer_puts(lines, "  ");
    text_wrap(lines, buffer_text(&text), 2, 4, width);
    buffer_putc(lines, '\n');
    buffer_free(&text);
}

void findings_write(const struct findings *findings, int width, bool colour, struct buffer *out)
{
    static const char *const words[] = {"passed", "unknown", "warning", "error"};
    static const char *const colours[] = {"", "\033[2m", "\033[1;33m", "\033[1;31m"};
    buffer_printf(out, "  preflight: %zu check%s passed", findings->passed,
                  findings->passed == 1 ? "" : "s");
    if (findings->fatal) {
        buffer_printf(out, ", %zu error%s", findings->fatal, findings->fatal == 1 ? "" : "s");
    }
    if (findings->warnings) {
        buffer_printf(out, ", %zu warning%s", findings->warnings,
                      findings->warnings == 1 ? "" : "s");
    }
    if (findings->unknown) {
        buffer_printf(out, ", %zu unknown", findings->unknown);
    }
    buffer_putc(out, '\n');
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        if (finding->severity == FINDING_PASSED) {
            continue;
        }
        buffer_printf(out, "    %s%s%s: ", colour ? colours[finding->severity] : "",
                      words[finding->severity], colour ? "\033[0m" : "");
        struct buffer text = {0};
        buffer_printf(&text, "%s: %s", finding->subject, finding->text);
        text_wrap(out, buffer_text(&text), 6 + (int)strlen(words[finding->severity]), 6, width);
        buffer_putc(out, '\n');
        if (finding->help) {
            buffer_puts(out, "      help: ");
            text_wrap(out, finding->help, 12, 12, width);
            buffer_putc(out, '\n');
        }
        buffer_free(&text);
    }
}

/* The worst of the VMs against the objective. */
static void put_loss(const struct summary *summary, struct buffer *out)
{
    char text[32];
    int64_t worst = -1, rpo = summary->plan->objectives.rpo.ms;
    for (uint32_t i = 0; i < summary->graph->vm_count; i++) {
        const char *vm = summary->graph->vms[i].name;
        int64_t loss = summary_loss_ms(summary->facts, vm, summary->now_utc_ms);
        worst = loss > worst ? loss : worst;
    }
    if (worst < 0 || summary->graph->workflow != WORKFLOW_FAILOVER) {
        return;
    }
    buffer_printf(out, " · loses %s", format_duration(text, worst / 1000 * 1000));
    if (rpo > 0) {
        buffer_printf(out, " of %s%s", format_duration(text, rpo),
                      worst > rpo ? " (RPO missed)" : "");
    }
}

/* Where it is, and when it ends. */
static void write_test(const struct summary *summary, struct buffer *out)
{
    const struct graph *graph = summary->graph;
    const struct graph_node *last = &graph->nodes[graph->node_count - 1];
    const struct value *after = graph_input(last, "approved_after_ms");
    char duration[32];
    struct buffer text = {0};
    buffer_printf(&text, "a test, in the network %s: production is not touched; everything that it makes and "
                         "changes is taken back ",
                  summary->plan->networks[NETWORK_TEST].vpc.value);
    if (after && after->kind == VALUE_INT) {
        buffer_printf(&text, "%s after it is up", format_duration(duration, after->integer));
    } else {
        buffer_puts(&text, "once somebody approves that");
    }
    buffer_puts(out, "  ");
    text_wrap(out, buffer_text(&text), 2, 4, summary->width);
    buffer_putc(out, '\n');
    buffer_free(&text);
}

void summary_write(const struct summary *summary, struct buffer *out)
{
    const struct plan *plan = summary->plan;
    char predicted[32];
    char objective[32];
    struct buffer head = {0};
    if (summary->graph->workflow == WORKFLOW_REPLICATE) {
        summary_write_replicate(summary, out);
        return;
    }
    bool test = summary->graph->workflow == WORKFLOW_TEST;
    buffer_printf(&head, "%s · %s %s %s (account %s) · plan %.7s · predicted RTO %s", plan->name,
                  workflow_name(summary->graph->workflow), test ? "in" : "into",
                  plan->aws.region.value, summary->account, plan->digest,
                  format_duration(predicted, summary->schedule->rto_ms));
    if (plan->objectives.rto.ms) {
        buffer_printf(&head, " of %s", format_duration(objective, plan->objectives.rto.ms));
    }
    put_loss(summary, &head);
    text_wrap(out, buffer_text(&head), 0, 4, summary->width);
    buffer_free(&head);
    buffer_puts(out, "\n\n");
    write_vms(summary, out);
    buffer_putc(out, '\n');
    write_counts(summary->graph, summary->width, out);
    summary_write_steps(summary, out);
    if (test) {
        write_test(summary, out);
    }
    findings_write(summary->findings, summary->width, summary->colour, out);
}
