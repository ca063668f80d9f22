#include <stdlib.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/bound.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/summary.h"
#include "compiler/emit/text.h"
#include "compiler/emit/words.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

enum { INPUT_INDENT = 10 };

struct moment {
    int64_t start_ms;
    uint32_t node;
};

static int by_time(const void *left, const void *right)
{
    const struct moment *a = left, *b = right;
    if (a->start_ms != b->start_ms) {
        return a->start_ms < b->start_ms ? -1 : 1;
    }
    return a->node < b->node ? -1 : 1;
}

static void put_inputs(const struct graph *graph, const struct graph_node *node, int width,
                       struct buffer *out)
{
    struct buffer text = {0};
    for (uint32_t i = 0; i < node->input_count; i++) {
        buffer_clear(&text);
        buffer_printf(&text, "%s = ", node->inputs[i].name);
        words_value(graph, &node->inputs[i].value, &text);
        buffer_printf(out, "%*s", INPUT_INDENT, "");
        text_wrap(out, buffer_text(&text), INPUT_INDENT, INPUT_INDENT + 4, width);
        buffer_putc(out, '\n');
    }
    buffer_free(&text);
}

static void put_action(const struct graph *graph, const struct schedule *schedule,
                       const struct graph_node *node, const struct table_options *options,
                       struct buffer *out)
{
    const struct schedule_entry *entry = &schedule->entries[node->index];
    const struct action_info *info = action_info(node->action);
    char text[32];
    buffer_printf(out, " %s%s%s ", entry->critical ? ink(options, INK_CRITICAL) : "",
                  entry->critical ? "!" : " ", entry->critical ? ink(options, INK_PLAIN) : "");
    int columns = text_columns(format_clock(text, schedule->makespan_ms));
    text_pad_left(out, format_clock(text, entry->start_ms), columns);
    buffer_puts(out, " → ");
    text_pad_left(out, format_clock(text, entry->end_ms), columns);
    buffer_puts(out, "  ");
    buffer_puts(out, ink(options, INK_STRONG));
    text_put(out, node->id);
    buffer_puts(out, ink(options, INK_PLAIN));
    if (*info->permission) {
        buffer_printf(out, "  %s%s%s", ink(options, INK_FAINT), info->permission,
                      ink(options, INK_PLAIN));
    }
    struct buffer waits = {0};
    words_waits_for(graph, schedule, node, &waits);
    if (waits.length > 0) {
        buffer_printf(out, "\n%*s", INPUT_INDENT, "");
        text_wrap(out, buffer_text(&waits), INPUT_INDENT, INPUT_INDENT + 4, options->width);
    }
    buffer_free(&waits);
    buffer_putc(out, '\n');
    put_inputs(graph, node, options->width, out);
}

void emit_dry_run(const struct graph *graph, const struct schedule *schedule,
                  const struct table_options *options, struct buffer *out)
{
    struct arena *arena = arena_create();
    graph = graph_bound(arena, graph, options->facts);
    struct moment *moments = ARENA_ARRAY(arena, struct moment, graph->node_count);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        moments[i] = (struct moment){schedule->entries[i].start_ms, i};
    }
    if (graph->node_count > 0) {
        qsort(moments, graph->node_count, sizeof *moments, by_time);
    }
    buffer_puts(out, "dry run: nothing is sent, nothing is changed\n");
    summary_head(graph, schedule, options, out);
    buffer_putc(out, '\n');
    for (size_t i = 0; i < graph->node_count; i++) {
        put_action(graph, schedule, &graph->nodes[moments[i].node], options, out);
    }
    buffer_putc(out, '\n');
    summary_foot(graph, schedule, options, out);
    arena_destroy(arena);
}
