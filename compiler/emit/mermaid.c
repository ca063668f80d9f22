#include <ctype.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/map.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/reduce.h"
#include "compiler/emit/text.h"
#include "compiler/emit/vm_view.h"
#include "compiler/emit/words.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

struct chart {
    struct arena *arena;
    struct buffer *out;
    struct map taken; /* identifiers in use */
    size_t edge_count;
    struct buffer critical; /* numbers of the edges on the critical path */
};

/* Letters, digits and _, never a word of Mermaid's own ("end"), the same for the same name. */
static const char *identifier(struct chart *chart, char prefix, const char *name)
{
    char *id = arena_printf(chart->arena, "%c_%s", prefix, name);
    for (char *c = id; *c; c++) {
        *c = isalnum((unsigned char)*c) ? *c : '_';
    }
    const char *unique = id;
    for (int i = 2; map_get(&chart->taken, unique); i++) {
        unique = arena_printf(chart->arena, "%s_%d", id, i);
    }
    map_put(&chart->taken, unique, chart);
    return unique;
}

/* Text within a quoted label, where Mermaid reads entities and HTML. */
static void put_label(struct chart *chart, const char *text)
{
    struct buffer safe = {0};
    text_put(&safe, text);
    for (const char *c = buffer_text(&safe); *c; c++) {
        switch (*c) {
        case '"':
            buffer_puts(chart->out, "#quot;");
            break;
        case '#':
            buffer_puts(chart->out, "#35;");
            break;
        case '&':
            buffer_puts(chart->out, "#amp;");
            break;
        case '<':
            buffer_puts(chart->out, "#lt;");
            break;
        case '>':
            buffer_puts(chart->out, "#gt;");
            break;
        case '`':
            buffer_puts(chart->out, "#96;");
            break;
        default:
            buffer_putc(chart->out, *c);
            break;
        }
    }
    buffer_free(&safe);
}

static void put_edge(struct chart *chart, const char *from, const char *arrow, const char *to,
                     bool critical)
{
    buffer_printf(chart->out, "  %s %s %s\n", from, arrow, to);
    if (critical) {
        buffer_printf(&chart->critical, "%s%zu", chart->critical.length > 0 ? "," : "",
                      chart->edge_count);
    }
    chart->edge_count++;
}

/* --- One node for each action. --- */

static void put_action(struct chart *chart, const struct graph *graph,
                       const struct schedule *schedule, const struct graph_node *node,
                       const char *id)
{
    const struct schedule_entry *entry = &schedule->entries[node->index];
    char at[32], duration[32];
    bool milestone = words_is_milestone(node);
    buffer_printf(chart->out, "    %s%s\"", id, milestone ? "([" : "[");
    put_label(chart, words_short_id(graph, node));
    buffer_printf(chart->out, "<br/>%s", format_clock(at, entry->start_ms));
    if (entry->end_ms > entry->start_ms) {
        buffer_printf(chart->out, " +%s",
                      format_duration(duration, entry->end_ms - entry->start_ms));
    }
    buffer_printf(chart->out, "\"%s%s%s\n", milestone ? "])" : "]",
                  entry->critical ? ":::critical" : "",
                  milestone && !entry->critical ? ":::milestone" : "");
}

static void put_cluster(struct chart *chart, const struct graph *graph,
                        const struct schedule *schedule, int32_t vm, const char *const *ids)
{
    if (vm != NO_VM) {
        buffer_printf(chart->out, "  subgraph %s[\"", identifier(chart, 'v', graph->vms[vm].name));
        put_label(chart, graph->vms[vm].name);
        buffer_puts(chart->out, graph->vms[vm].critical ? "\"]\n" : " (not critical)\"]\n");
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].vm == vm) {
            put_action(chart, graph, schedule, &graph->nodes[i], ids[i]);
        }
    }
    if (vm != NO_VM) {
        buffer_puts(chart->out, "  end\n");
    }
}

static void put_edges_to(struct chart *chart, const struct graph_node *node,
                         const struct schedule_entry *entry, const bool *keep,
                         const char *const *ids)
{
    bool bound = entry->critical && entry->binding_node != NO_NODE;
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (keep[e]) {
            put_edge(chart, ids[node->after[e].node],
                     node->after[e].when != WHEN_OK ? "-.->" : "-->", ids[node->index],
                     bound && entry->bound_by == BOUND_BY_NODE &&
                         entry->binding_node == (int32_t)node->after[e].node);
        }
    }
    if (bound && (entry->bound_by == BOUND_BY_POOL || entry->bound_by == BOUND_BY_BUCKET)) {
        const char *arrow = entry->bound_by == BOUND_BY_POOL ? "-. place .->" : "-. rate limit .->";
        put_edge(chart, ids[entry->binding_node], arrow, ids[node->index], true);
    }
}

static void put_actions(struct chart *chart, const struct graph *graph,
                        const struct schedule *schedule)
{
    const char **ids = ARENA_ARRAY(chart->arena, const char *, graph->node_count);
    for (size_t i = 0; i < graph->node_count; i++) {
        ids[i] = identifier(chart, 'n', graph->nodes[i].id);
    }
    for (int32_t vm = NO_VM; vm < (int32_t)graph->vm_count; vm++) {
        put_cluster(chart, graph, schedule, vm, ids);
    }
    bool **keep = reduce_edges(chart->arena, graph);
    for (size_t i = 0; i < graph->node_count; i++) {
        put_edges_to(chart, &graph->nodes[i], &schedule->entries[i], keep[i], ids);
    }
}

/* --- One node for each VM. --- */

static void put_vm(struct chart *chart, const struct vm_view *vm, const char *id)
{
    char from[32], to[32];
    buffer_printf(chart->out, "  %s[\"<b>", id);
    put_label(chart, vm->name);
    buffer_puts(chart->out, "</b>");
    if (vm->type) {
        buffer_putc(chart->out, ' ');
        put_label(chart, vm->type);
    }
    if (vm->place) {
        buffer_puts(chart->out, "<br/>");
        put_label(chart, vm->place);
    }
    if (vm->recovered_ms >= 0) {
        buffer_printf(chart->out, "<br/>start %s → %s %s", format_clock(from, vm->start_ms),
                      vm->goal, format_clock(to, vm->recovered_ms));
    }
    buffer_printf(chart->out, "\"]%s\n", vm->on_path ? ":::critical" : "");
}

static void put_vms(struct chart *chart, const struct graph *graph, const struct schedule *schedule)
{
    struct vm_views views = vm_view(chart->arena, graph, schedule);
    const char **ids = ARENA_ARRAY(chart->arena, const char *, graph->vm_count);
    for (size_t i = 0; i < graph->vm_count; i++) {
        ids[i] = identifier(chart, 'v', views.vms[i].name);
        put_vm(chart, &views.vms[i], ids[i]);
    }
    for (size_t i = 0; i < views.link_count; i++) {
        const struct vm_link *link = &views.links[i];
        put_edge(chart, ids[link->from], link->limit ? "-. limit .->" : "-->", ids[link->to],
                 link->on_path);
    }
}

void emit_mermaid(const struct graph *graph, const struct schedule *schedule,
                  enum graph_detail detail, struct buffer *out)
{
    struct chart chart = {.arena = arena_create(), .out = out};
    chart.taken.arena = chart.arena;
    buffer_puts(out, "flowchart LR\n"
                     "  classDef critical stroke:#c1121f,stroke-width:3px\n"
                     "  classDef milestone stroke-width:2px,font-weight:bold\n");
    if (detail == DETAIL_VM) {
        put_vms(&chart, graph, schedule);
    } else {
        put_actions(&chart, graph, schedule);
    }
    if (chart.critical.length > 0) {
        buffer_printf(out, "  linkStyle %s stroke:#c1121f,stroke-width:3px\n",
                      buffer_text(&chart.critical));
    }
    buffer_free(&chart.critical);
    arena_destroy(chart.arena);
}
