#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/text.h"
#include "compiler/emit/words.h"
#include "compiler/graph/graph.h"
#include "runtime/cli/summary_parts.h"

/* What steps do that people want to know before they say yes. */

enum { RECORDS_SHOWN_MAX = 20 };

static bool changes_record(const struct graph_node *node)
{
    return node->action == ACTION_CHANGE_RECORD_SET || node->action == ACTION_UPDATE_RECORD;
}

size_t summary_count_records(const struct graph *graph)
{
    size_t count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        count += changes_record(&graph->nodes[i]);
    }
    return count;
}

/* ---- records ---- */

static const char *text_of(const struct graph_node *node, const char *name)
{
    const struct value *value = graph_input(node, name);
    return value && value->kind == VALUE_TEXT ? value->text : "?";
}

static void put_values(const struct graph *graph, const struct value *list, struct buffer *out)
{
    for (uint32_t i = 0; list && list->kind == VALUE_LIST && i < list->count; i++) {
        buffer_puts(out, i > 0 ? ", " : "");
        words_yielded(graph, &list->items[i], out);
    }
}

/* What the plan expects to find, where it says so: it is in the node that reads the record. */
static void put_old(const struct graph *graph, const struct graph_node *change, struct buffer *out)
{
    const struct value *old = graph_input(change, "old");
    const struct value *expect =
        old && old->kind == VALUE_OUTPUT ? graph_input(&graph->nodes[old->node], "expect") : NULL;
    put_values(graph, expect, out);
    buffer_puts(out, expect ? " → " : "→ ");
}

static void write_record(const struct summary *summary, const struct graph_node *node, int width,
                         bool first, struct buffer *out)
{
    enum { BEFORE_NAME = 7, TYPE_WIDTH = 7 };
    const char *name = text_of(node, "record");
    int name_width = (int)strlen(name) > width ? (int)strlen(name) : width;
    int at = BEFORE_NAME + name_width + 2 + TYPE_WIDTH;
    struct buffer values = {0};
    put_old(summary->graph, node, &values);
    put_values(summary->graph, graph_input(node, "values"), &values);
    buffer_puts(out, first ? "  DNS  " : "       ");
    text_put(out, name);
    buffer_printf(out, "%*s%-*s", name_width + 2 - (int)strlen(name), "", TYPE_WIDTH,
                  text_of(node, "type"));
    text_wrap(out, buffer_text(&values), at, at, summary->width);
    buffer_putc(out, '\n');
    buffer_free(&values);
}

static int widest_name(const struct graph *graph)
{
    size_t widest = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (changes_record(&graph->nodes[i])) {
            size_t length = strlen(text_of(&graph->nodes[i], "record"));
            widest = length > widest ? length : widest;
        }
    }
    return (int)(widest < 48 ? widest : 48);
}

static void write_records(const struct summary *summary, struct buffer *out)
{
    const struct graph *graph = summary->graph;
    int width = widest_name(graph);
    size_t shown = 0, count = summary_count_records(graph);
    for (uint32_t i = 0; i < graph->node_count && shown < RECORDS_SHOWN_MAX; i++) {
        if (changes_record(&graph->nodes[i])) {
            write_record(summary, &graph->nodes[i], width, shown == 0, out);
            shown++;
        }
    }
    if (shown < count) {
        buffer_printf(out, "       and %zu more: drc plan show lists them\n", count - shown);
    }
}

/* ---- scripts and approvals ---- */

static void put_scripts(struct buffer *out, size_t on_runner, size_t on_instances)
{
    bool first = true;
    buffer_puts(out, "runs ");
    summary_count(out, on_runner + on_instances, "script", &first);
    if (on_runner == 0) {
        buffer_puts(out, on_instances == 1 ? " on its instance" : " on instances");
    } else if (on_instances > 0) {
        buffer_printf(out, ", %zu of them on instances", on_instances);
    }
}

void summary_write_steps(const struct summary *summary, struct buffer *out)
{
    size_t counts[ACTION_COUNT] = {0};
    for (uint32_t i = 0; i < summary->graph->node_count; i++) {
        counts[summary->graph->nodes[i].action]++;
    }
    write_records(summary, out);
    size_t on_runner = counts[ACTION_RUN_SCRIPT], on_instances = counts[ACTION_SEND_SCRIPT];
    size_t approvals = counts[ACTION_APPROVE];
    if (on_runner + on_instances + approvals == 0) {
        return;
    }
    buffer_puts(out, "  ");
    if (on_runner + on_instances > 0) {
        put_scripts(out, on_runner, on_instances);
        buffer_puts(out, approvals ? " · " : "");
    }
    if (approvals == 1) {
        buffer_puts(out, "asks for approval once");
    } else if (approvals > 1) {
        buffer_printf(out, "asks for approval %zu times", approvals);
    }
    buffer_putc(out, '\n');
}
