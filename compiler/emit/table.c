#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/bound.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/rows.h"
#include "compiler/emit/summary.h"
#include "compiler/emit/text.h"
#include "compiler/emit/words.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

enum { ID_COLUMNS_MIN = 12, ID_COLUMNS_MAX = 44, WHAT_COLUMNS_MIN = 34 };

struct columns {
    int at, duration, id, what; /* widths; what: where it begins */
};

static bool is_shown(const struct row *row, const struct table_options *options)
{
    return options->all || !row->bookkeeping;
}

static const char *duration_text(char out[32], const struct row *row)
{
    return row->end_ms > row->start_ms ? format_duration(out, row->end_ms - row->start_ms) : "";
}

static void widen(int *columns, const char *text)
{
    int own = text_columns(text);
    *columns = own > *columns ? own : *columns;
}

/* As wide as what is shown needs; an id that is longer than the column pushes the rest on. */
static struct columns measure(const struct graph *graph, const struct row *rows, size_t count,
                              const struct table_options *options)
{
    struct columns columns = {.at = 4, .duration = 3, .id = ID_COLUMNS_MIN};
    int most = options->width > 0 ? options->width - WHAT_COLUMNS_MIN - 18 : ID_COLUMNS_MAX;
    most = most > ID_COLUMNS_MAX ? ID_COLUMNS_MAX : most;
    for (size_t i = 0; i < count; i++) {
        char text[32];
        if (!is_shown(&rows[i], options)) {
            continue;
        }
        widen(&columns.at, format_clock(text, rows[i].start_ms));
        widen(&columns.duration, duration_text(text, &rows[i]));
        if (text_columns(graph->nodes[rows[i].node].id) <= most) {
            widen(&columns.id, graph->nodes[rows[i].node].id);
        }
    }
    columns.what = 3 + columns.at + 2 + columns.duration + 2 + columns.id + 2;
    return columns;
}

static void put_what(const struct graph *graph, const struct schedule *schedule,
                     const struct row *row, const struct columns *columns, int at, int width,
                     struct buffer *out)
{
    const struct graph_node *node = &graph->nodes[row->node];
    struct buffer text = {0};
    words_what(graph, node, &text);
    size_t before = text.length;
    buffer_puts(&text, before > 0 ? "; " : "");
    size_t separated = text.length;
    words_waits_for(graph, schedule, node, &text);
    if (text.length == separated && before > 0) {
        text.data[text.length = before] = '\0';
    }
    text_wrap(out, buffer_text(&text), at, columns->what, width);
    buffer_free(&text);
}

static void put_row(const struct graph *graph, const struct schedule *schedule,
                    const struct row *row, const struct columns *columns,
                    const struct table_options *options, struct buffer *out)
{
    const struct graph_node *node = &graph->nodes[row->node];
    char text[32];
    bool good = graph_is_goal(node);
    buffer_printf(out, " %s%s%s ", row->critical ? ink(options, INK_CRITICAL) : "",
                  row->critical ? "!" : " ", row->critical ? ink(options, INK_PLAIN) : "");
    text_pad_left(out, format_clock(text, row->start_ms), columns->at);
    buffer_puts(out, "  ");
    text_pad_left(out, duration_text(text, row), columns->duration);
    buffer_puts(out, "  ");
    buffer_puts(out, good ? ink(options, INK_GOOD) : "");
    text_pad(out, node->id, columns->id);
    buffer_puts(out, good ? ink(options, INK_PLAIN) : "");
    int over = text_columns(node->id) - columns->id;
    buffer_puts(out, "  ");
    put_what(graph, schedule, row, columns, columns->what + (over > 0 ? over : 0), options->width,
             out);
    while (out->length > 0 && out->data[out->length - 1] == ' ') {
        out->data[--out->length] = '\0'; /* no blanks at a line's end */
    }
    buffer_putc(out, '\n');
}

static void put_heading(const struct columns *columns, const struct table_options *options,
                        struct buffer *out)
{
    buffer_puts(out, "\n   ");
    buffer_puts(out, ink(options, INK_FAINT));
    text_pad_left(out, "at", columns->at);
    buffer_puts(out, "  ");
    text_pad_left(out, "for", columns->duration);
    buffer_puts(out, "  ");
    text_pad(out, "action", columns->id);
    buffer_puts(out, "  what");
    buffer_puts(out, ink(options, INK_PLAIN));
    buffer_putc(out, '\n');
}

void emit_table(const struct graph *graph, const struct schedule *schedule,
                const struct table_options *options, struct buffer *out)
{
    struct arena *arena = arena_create();
    graph = graph_bound(arena, graph, options->facts);
    size_t count, hidden = 0;
    struct row *rows = rows_by_time(arena, graph, schedule, &count);
    struct columns columns = measure(graph, rows, count, options);
    summary_head(graph, schedule, options, out);
    if (count > 0) {
        put_heading(&columns, options, out);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_shown(&rows[i], options)) {
            put_row(graph, schedule, &rows[i], &columns, options, out);
        } else {
            hidden++;
        }
    }
    if (count > 0) {
        buffer_putc(out, '\n');
    }
    summary_foot(graph, schedule, options, out);
    if (hidden > 0) {
        buffer_printf(out, "%zu step%s of bookkeeping not shown: --all\n", hidden,
                      hidden == 1 ? "" : "s");
    }
    arena_destroy(arena);
}
