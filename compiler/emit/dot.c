/* DOT by libcgraph, which is not thread-safe: one drawing at a time in a process. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/error.h"
#include "compiler/base/xml_text.h"
#include "compiler/emit/dot_ids.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/reduce.h"
#include "compiler/emit/text.h"
#include "compiler/emit/vm_view.h"
#include "compiler/emit/words.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

/* Told apart in greyscale and by the colour-blind: the critical path is also thick, milestones also
 * have a shape of their own, and kinds of effect differ in lightness. */
static const char CRITICAL[] = "#c1121f";
static const char LINE[] = "#6e7781";
static const char FONT[] = "Helvetica,Arial,sans-serif";

enum { DOWNWARDS_VMS_MAX = 5 };

struct drawing {
    struct arena *arena;
    const struct graph *graph;
    const struct schedule *schedule;
    Agraph_t *dot;
};

static int append_text(void *out, const char *text)
{
    buffer_puts(out, text);
    return 0;
}

static int flush_nothing(void *out)
{
    (void)out;
    return 0;
}

/* What goes wrong is seen by return values; libcgraph would print it. */
static int stay_silent(char *text)
{
    (void)text;
    return 0;
}

static void set(void *object, const char *name, const char *value)
{
    agsafeset(object, (char *)name, (char *)value, (char *)"");
}

/* A line of a label is of one font throughout: renderers whose fonts are wider than those that dot
 * reckons with would write the second stretch over the first. */
static void set_html(const struct drawing *draw, void *object, const char *name, const char *value)
{
    char *html = agstrdup_html(draw->dot, (char *)value);
    agsafeset(object, (char *)name, html, (char *)"");
    agstrfree(draw->dot, html);
}

/* Appends text for an HTML-like label. */
static void put_html(struct buffer *out, const char *text)
{
    struct buffer safe = {0};
    text_put(&safe, text);
    xml_escape(out, buffer_text(&safe));
    buffer_free(&safe);
}

static void default_attribute(const struct drawing *draw, int kind, const char *name,
                              const char *value)
{
    agattr(draw->dot, kind, (char *)name, (char *)value);
}

static void set_defaults(const struct drawing *draw, enum graph_detail detail)
{
    static const char *const settings[][2] = {
        {"linelength", "0"},      {"labelloc", "t"},    {"labeljust", "l"}, {"fontsize", "14"},
        {"fontcolor", "#24292f"}, {"bgcolor", "white"}, {"style", ""},      {"color", "#afb8c1"},
        {"fillcolor", "#f6f8fa"}, {"margin", ""},       {"penwidth", "1"},  {"pad", "0.3"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        default_attribute(draw, AGRAPH, settings[i][0], settings[i][1]);
    }
    default_attribute(draw, AGRAPH, "fontname", FONT);
    /* A few VMs side by side, read downwards, fit a page; many are better one below the other. */
    bool downwards = detail == DETAIL_ACTION && draw->graph->vm_count <= DOWNWARDS_VMS_MAX;
    default_attribute(draw, AGRAPH, "rankdir", downwards ? "TB" : "LR");
    default_attribute(draw, AGRAPH, "nodesep", detail == DETAIL_VM ? "0.35" : "0.14");
    default_attribute(draw, AGRAPH, "ranksep", detail == DETAIL_VM ? "0.7" : "0.22");
    default_attribute(draw, AGNODE, "shape", "box");
    default_attribute(draw, AGNODE, "style", "rounded,filled");
    default_attribute(draw, AGNODE, "fontname", FONT);
    default_attribute(draw, AGNODE, "fontsize", "11");
    default_attribute(draw, AGNODE, "fontcolor", "#24292f");
    default_attribute(draw, AGNODE, "margin", detail == DETAIL_VM ? "0.2,0.12" : "0.1,0.05");
    default_attribute(draw, AGNODE, "height", "0.3");
    default_attribute(draw, AGNODE, "color", LINE);
    default_attribute(draw, AGNODE, "fillcolor", "white");
    default_attribute(draw, AGEDGE, "color", LINE);
    default_attribute(draw, AGEDGE, "arrowsize", "0.6");
    default_attribute(draw, AGEDGE, "fontname", FONT);
    default_attribute(draw, AGEDGE, "fontsize", "10");
    default_attribute(draw, AGEDGE, "fontcolor", CRITICAL);
}

static void set_title(const struct drawing *draw, enum graph_detail detail)
{
    struct buffer text = {0};
    char duration[32];
    bool rto = draw->schedule->rto_ms > 0;
    buffer_puts(&text, "<B>");
    put_html(&text, draw->graph->plan_name);
    buffer_printf(
        &text, " · %s · predicted %s %s</B><BR ALIGN=\"LEFT\"/>",
        workflow_name(draw->graph->workflow), rto ? "RTO" : "time",
        format_duration(duration, rto ? draw->schedule->rto_ms : draw->schedule->makespan_ms));
    buffer_printf(&text,
                  "<FONT POINT-SIZE=\"10\" COLOR=\"#57606a\">thick red: critical path%s"
                  "</FONT><BR ALIGN=\"LEFT\"/>",
                  detail == DETAIL_VM
                      ? (rto ? " · dashed outline: not critical for the RTO" : "")
                      : " · dark: milestone · blue: changes something · white: waits");
    set_html(draw, draw->dot, "label", buffer_text(&text));
    buffer_free(&text);
}

static void mark_critical(void *object)
{
    set(object, "color", CRITICAL);
    set(object, "penwidth", "2.5");
}

static Agedge_t *add_edge(const struct drawing *draw, Agnode_t *from, Agnode_t *to)
{
    return agedge(draw->dot, from, to, NULL, 1);
}

/* A wait for a limit, which is no edge of the graph. */
static void add_limit_edge(const struct drawing *draw, Agnode_t *from, Agnode_t *to,
                           const char *label)
{
    Agedge_t *edge = add_edge(draw, from, to);
    mark_critical(edge);
    set(edge, "style", "dashed");
    set(edge, "constraint", "false");
    set(edge, "label", label);
}

/* --- One node for each action. --- */

static const char *fill_of(const struct graph_node *node)
{
    if (words_is_milestone(node)) {
        return graph_is_goal(node) ? "#24292f" : "#57606a";
    }
    switch (action_info(node->action)->effect) {
    case EFFECT_CREATE:
    case EFFECT_CHANGE:
    case EFFECT_DELETE:
        return "#d6e9fb";
    default:
        return "white";
    }
}

/* "create-volume", and "until available" for wait-volume-available. */
static void put_action_name(const struct graph_node *node, struct buffer *out)
{
    const char *name = action_info(node->action)->name;
    if (strncmp(name, "wait-", 5) == 0) {
        name += strncmp(name + 5, "volume-", 7) == 0 ? 12 : 5;
        buffer_puts(out, "until ");
    }
    put_html(out, name);
}

/* The action's name, and under it what precedes that name in the id, and its times. */
static void label_action(const struct drawing *draw, Agnode_t *drawn, const struct graph_node *node)
{
    const struct schedule_entry *entry = &draw->schedule->entries[node->index];
    const char *rest = words_short_id(draw->graph, node);
    const char *slash = strrchr(rest, '/');
    struct buffer text = {0};
    char at[32], duration[32];
    put_action_name(node, &text);
    if (words_is_milestone(node)) {
        buffer_printf(&text, " %s", format_clock(at, entry->start_ms));
        set_html(draw, drawn, "label", buffer_text(&text));
        buffer_free(&text);
        return;
    }
    buffer_puts(&text, "<BR/><FONT POINT-SIZE=\"9\" COLOR=\"#57606a\">");
    if (slash) {
        put_html(&text, arena_strndup(draw->arena, rest, (size_t)(slash - rest)));
        buffer_puts(&text, " · ");
    }
    buffer_puts(&text, format_clock(at, entry->start_ms));
    if (entry->end_ms > entry->start_ms) {
        buffer_printf(&text, " +%s", format_duration(duration, entry->end_ms - entry->start_ms));
    }
    buffer_puts(&text, "</FONT>");
    set_html(draw, drawn, "label", buffer_text(&text));
    buffer_free(&text);
}

static Agnode_t *draw_action(const struct drawing *draw, Agraph_t *where,
                             const struct graph_node *node)
{
    Agnode_t *drawn = agnode(where, (char *)node->id, 1);
    label_action(draw, drawn, node);
    set(drawn, "fillcolor", fill_of(node));
    if (words_is_milestone(node)) {
        set(drawn, "shape", "ellipse");
        set(drawn, "style", "filled");
        set(drawn, "margin", "0.02,0.01");
        set(drawn, "fontcolor", "white");
    }
    if (draw->schedule->entries[node->index].critical) {
        mark_critical(drawn);
    }
    return drawn;
}

static Agraph_t *add_cluster(const struct drawing *draw, const struct graph_vm *vm)
{
    const char *name = arena_printf(draw->arena, "cluster_%s", vm->name);
    Agraph_t *cluster = agsubg(draw->dot, (char *)name, 1);
    struct buffer text = {0};
    buffer_puts(&text, "<B>");
    put_html(&text, vm->name);
    buffer_puts(&text, vm->critical ? "</B>" : " (not critical)</B>");
    set(cluster, "style", vm->critical ? "rounded,filled" : "rounded,filled,dashed");
    set(cluster, "margin", "12");
    set_html(draw, cluster, "label", buffer_text(&text));
    buffer_free(&text);
    return cluster;
}

static void draw_edges_to(const struct drawing *draw, Agnode_t *const *drawn, const bool *keep,
                          const struct graph_node *node)
{
    const struct schedule_entry *entry = &draw->schedule->entries[node->index];
    bool bound = entry->critical && entry->binding_node != NO_NODE;
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (!keep[e]) {
            continue;
        }
        Agedge_t *edge = add_edge(draw, drawn[node->after[e].node], drawn[node->index]);
        if (node->after[e].when != WHEN_OK) {
            set(edge, "style", "dotted");
        }
        if (bound && entry->bound_by == BOUND_BY_NODE &&
            entry->binding_node == (int32_t)node->after[e].node) {
            mark_critical(edge);
        }
    }
    if (bound && entry->bound_by == BOUND_BY_POOL) {
        add_limit_edge(draw, drawn[entry->binding_node], drawn[node->index], "place");
    } else if (bound && entry->bound_by == BOUND_BY_BUCKET) {
        add_limit_edge(draw, drawn[entry->binding_node], drawn[node->index], "rate limit");
    }
}

static void draw_actions(const struct drawing *draw)
{
    const struct graph *graph = draw->graph;
    Agraph_t **clusters = ARENA_ARRAY(draw->arena, Agraph_t *, graph->vm_count);
    Agnode_t **drawn = ARENA_ARRAY(draw->arena, Agnode_t *, graph->node_count);
    for (size_t i = 0; i < graph->vm_count; i++) {
        clusters[i] = add_cluster(draw, &graph->vms[i]);
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        drawn[i] = draw_action(draw, node->vm == NO_VM ? draw->dot : clusters[node->vm], node);
    }
    bool **keep = reduce_edges(draw->arena, graph);
    for (size_t i = 0; i < graph->node_count; i++) {
        draw_edges_to(draw, drawn, keep[i], &graph->nodes[i]);
    }
}

/* --- One node for each VM. --- */

static void label_vm(const struct drawing *draw, Agnode_t *drawn, const struct vm_view *vm)
{
    struct buffer text = {0};
    char from[32], to[32], duration[32];
    buffer_puts(&text, "<B><FONT POINT-SIZE=\"13\">");
    put_html(&text, vm->name);
    buffer_puts(&text, "</FONT></B>");
    if (vm->type || vm->place) {
        buffer_puts(&text, "<BR/><FONT POINT-SIZE=\"10\" COLOR=\"#57606a\">");
        put_html(&text, vm->type ? vm->type : "");
        buffer_puts(&text, vm->type && vm->place ? " · " : "");
        put_html(&text, vm->place ? vm->place : "");
        buffer_puts(&text, "</FONT>");
    }
    if (vm->recovered_ms >= 0) {
        buffer_printf(&text, "<BR/>start %s → %s %s (%s)", format_clock(from, vm->start_ms),
                      vm->goal, format_clock(to, vm->recovered_ms),
                      format_duration(duration, vm->recovered_ms - vm->start_ms));
    }
    set_html(draw, drawn, "label", buffer_text(&text));
    buffer_free(&text);
}

static void draw_vms(const struct drawing *draw)
{
    struct vm_views views = vm_view(draw->arena, draw->graph, draw->schedule);
    Agnode_t **drawn = ARENA_ARRAY(draw->arena, Agnode_t *, draw->graph->vm_count);
    for (size_t i = 0; i < draw->graph->vm_count; i++) {
        drawn[i] = agnode(draw->dot, (char *)views.vms[i].name, 1);
        label_vm(draw, drawn[i], &views.vms[i]);
        set(drawn[i], "fillcolor", "#f6f8fa");
        if (!views.vms[i].critical) {
            set(drawn[i], "style", "rounded,filled,dashed");
        }
        if (views.vms[i].on_path) {
            mark_critical(drawn[i]);
        }
    }
    for (size_t i = 0; i < views.link_count; i++) {
        const struct vm_link *link = &views.links[i];
        if (link->limit) {
            add_limit_edge(draw, drawn[link->from], drawn[link->to], "limit");
            continue;
        }
        Agedge_t *edge = add_edge(draw, drawn[link->from], drawn[link->to]);
        if (link->on_path) {
            mark_critical(edge);
        }
    }
}

bool emit_dot(const struct graph *graph, const struct schedule *schedule, enum graph_detail detail,
              struct buffer *out, struct error *error)
{
    Agiodisc_t io = {.putstr = append_text, .flush = flush_nothing};
    struct drawing draw = {.arena = arena_create(), .graph = graph, .schedule = schedule};
    struct dot_ids ids;
    dot_ids_init(&ids, draw.arena, &io);
    agseterrf(stay_silent);
    draw.dot = agopen((char *)"drc", Agstrictdirected, &ids.services);
    bool ok = draw.dot != NULL;
    if (ok) {
        set_defaults(&draw, detail);
        set_title(&draw, detail);
        if (detail == DETAIL_VM) {
            draw_vms(&draw);
        } else {
            draw_actions(&draw);
        }
        ok = agwrite(draw.dot, out) == 0;
        agclose(draw.dot);
    }
    arena_destroy(draw.arena);
    return ok ||
           error_set(error, "drawing %s: libcgraph could not write the graph", graph->plan_name);
}
