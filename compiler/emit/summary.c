#include "compiler/emit/summary.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/emit.h"
#include "compiler/emit/rows.h"
#include "compiler/emit/text.h"
#include "compiler/emit/words.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

enum { PATH_ITEMS_MAX = 24 }; /* the middle of a longer path is counted, not told */

const char *ink(const struct table_options *options, enum ink ink)
{
    static const char *const codes[] = {"\033[0m", "\033[1m", "\033[2m", "\033[1;31m", "\033[32m"};
    return options->colour ? codes[ink] : "";
}

static void put_prediction(const struct schedule *schedule, const struct table_options *options,
                           struct buffer *out)
{
    char text[32];
    if (schedule->rto_ms == 0) {
        buffer_printf(out, "predicted to take %s", format_duration(text, schedule->makespan_ms));
        return;
    }
    int64_t objective_ms = options->rto_objective_ms;
    bool missed = objective_ms > 0 && schedule->rto_ms > objective_ms;
    buffer_puts(out, ink(options, missed ? INK_CRITICAL : INK_STRONG));
    buffer_printf(out, "predicted RTO %s", format_duration(text, schedule->rto_ms));
    buffer_puts(out, ink(options, INK_PLAIN));
    if (objective_ms > 0) {
        buffer_printf(out, " of %s", format_duration(text, objective_ms));
    }
    if (missed) {
        buffer_printf(out, ": %s too long", format_duration(text, schedule->rto_ms - objective_ms));
    }
}

static void put_assumptions(const struct graph *graph, const struct table_options *options,
                            struct buffer *out)
{
    if (graph->assumption_count == 0) {
        return;
    }
    bool none = !graph->inventory_digest || !*graph->inventory_digest;
    buffer_puts(out, none ? "facts: none given. Assumed:\n" : "facts: given. Still assumed:\n");
    for (size_t i = 0; i < graph->assumption_count; i++) {
        buffer_puts(out, "  - ");
        text_wrap(out, graph->assumptions[i], 4, 4, options->width);
        buffer_putc(out, '\n');
    }
}

void summary_head(const struct graph *graph, const struct schedule *schedule,
                  const struct table_options *options, struct buffer *out)
{
    size_t actions = graph->node_count;
    buffer_puts(out, ink(options, INK_STRONG));
    text_put(out, graph->plan_name);
    buffer_puts(out, ink(options, INK_PLAIN));
    buffer_printf(out, " · %s · %zu VM%s · ", workflow_name(graph->workflow), graph->vm_count,
                  graph->vm_count == 1 ? "" : "s");
    if (actions == 0) {
        buffer_puts(out, "nothing to do");
        buffer_puts(out, graph->workflow == WORKFLOW_REPLICATE
                             ? ": no recovery point is newer than its DR copy"
                             : "");
    } else {
        buffer_printf(out, "%zu action%s · ", actions, actions == 1 ? "" : "s");
        put_prediction(schedule, options, out);
    }
    buffer_putc(out, '\n');
    put_assumptions(graph, options, out);
}

/* --- The critical path in words. --- */

/* A stretch of the path that is told as one: an action with its wait, or a chain of requests that
 * stood in line for the same limit. */
struct stretch {
    uint32_t first, last; /* indexes into the path */
    uint32_t count;       /* of actions */
    bool queued;
};

static bool joins(const struct graph *graph, const struct schedule *schedule,
                  const int32_t *subject_of, const struct stretch *stretch, uint32_t next,
                  bool *queued)
{
    const uint32_t *path = schedule->critical_path;
    const struct graph_node *last = &graph->nodes[path[stretch->last]];
    const struct graph_node *node = &graph->nodes[path[next]];
    *queued =
        schedule->entries[node->index].bound_by == BOUND_BY_BUCKET && node->action == last->action;
    return *queued || (!stretch->queued && subject_of[node->index] == (int32_t)last->index);
}

static struct stretch *find_stretches(struct arena *arena, const struct graph *graph,
                                      const struct schedule *schedule, size_t *count)
{
    const int32_t *subject_of = rows_pair(arena, graph).subject_of;
    size_t path_count = schedule->critical_path_count;
    struct stretch *stretches = ARENA_ARRAY(arena, struct stretch, path_count);
    *count = 0;
    for (uint32_t i = 0; i < path_count; i++) {
        bool queued;
        if (*count > 0 && joins(graph, schedule, subject_of, &stretches[*count - 1], i, &queued)) {
            stretches[*count - 1].last = i;
            stretches[*count - 1].count += queued;
            stretches[*count - 1].queued |= queued;
        } else {
            stretches[(*count)++] = (struct stretch){.first = i, .last = i, .count = 1};
        }
    }
    return stretches;
}

static int64_t stretch_ms(const struct schedule *schedule, const struct stretch *stretch)
{
    const uint32_t *path = schedule->critical_path;
    int64_t from_ms = schedule->entries[path[stretch->first]].start_ms;
    return schedule->entries[path[stretch->last]].end_ms - from_ms;
}

static void put_stretch(const struct graph *graph, const struct schedule *schedule,
                        const struct stretch *stretch, int32_t *vm, struct buffer *out)
{
    const struct graph_node *node = &graph->nodes[schedule->critical_path[stretch->first]];
    char text[32];
    if (stretch->queued) {
        buffer_printf(out, "%u × %s at the rate limit", stretch->count,
                      action_info(node->action)->name);
        *vm = NO_VM;
    } else {
        if (node->vm != *vm && node->vm != NO_VM) {
            buffer_printf(out, "%s ", graph->vms[node->vm].name);
        }
        buffer_puts(out, action_info(node->action)->name);
        *vm = node->vm;
    }
    buffer_printf(out, " %s", format_duration(text, stretch_ms(schedule, stretch)));
}

static void put_path(struct arena *arena, const struct graph *graph,
                     const struct schedule *schedule, struct buffer *out)
{
    size_t count, told = 0, timed = 0;
    struct stretch *stretches = find_stretches(arena, graph, schedule, &count);
    for (size_t i = 0; i < count; i++) {
        if (stretch_ms(schedule, &stretches[i]) > 0) {
            stretches[timed++] = stretches[i]; /* Milestones take no time and no room. */
        }
    }
    int32_t vm = NO_VM;
    for (size_t i = 0; i < timed; i++) {
        bool left_out =
            timed > PATH_ITEMS_MAX && i >= PATH_ITEMS_MAX / 2 && i < timed - PATH_ITEMS_MAX / 2;
        if (left_out) {
            continue;
        }
        if (i > told) {
            buffer_printf(out, " → … %zu more …", i - told);
            vm = NO_VM;
        }
        buffer_puts(out, i > 0 ? " → " : "");
        put_stretch(graph, schedule, &stretches[i], &vm, out);
        told = i + 1;
    }
}

/* --- What would make it shorter. --- */

static bool is_conversion_pool(const struct graph *graph, int32_t pool)
{
    return pool != NO_POOL && strncmp(graph->pools[pool].id, "conversion/", 11) == 0;
}

static void mark_before(const struct graph *graph, const struct graph_node *node, uint32_t before,
                        bool *marked)
{
    marked[before] |= graph->nodes[before].vm == node->vm;
}

/* All that happens to a boot disk from taking a place at the conversion instance up to giving it
 * back: backwards from there. False when there is nothing. */
static bool mark_injections(const struct graph *graph, bool *marked)
{
    bool any = false;
    for (size_t i = graph->node_count; i-- > 0;) {
        const struct graph_node *node = &graph->nodes[i];
        marked[i] |= is_conversion_pool(graph, node->release);
        any |= marked[i];
        if (!marked[i] || is_conversion_pool(graph, node->acquire)) {
            continue;
        }
        for (uint32_t e = 0; e < node->after_count; e++) {
            mark_before(graph, node, node->after[e].node, marked);
        }
        if (node->guards != NO_NODE) {
            mark_before(graph, node, (uint32_t)node->guards, marked);
        }
    }
    return any;
}

int64_t summary_gain_of_prepare_ms(const struct graph *graph, const struct schedule *schedule)
{
    struct arena *arena = arena_create();
    bool *marked = ARENA_ARRAY(arena, bool, graph->node_count);
    int64_t gain_ms = 0;
    if (mark_injections(graph, marked)) {
        struct schedule *shorter = estimate_without(arena, graph, schedule, marked);
        gain_ms = schedule->rto_ms - shorter->rto_ms;
    }
    arena_destroy(arena);
    return gain_ms > 0 ? gain_ms : 0;
}

void summary_foot(const struct graph *graph, const struct schedule *schedule,
                  const struct table_options *options, struct buffer *out)
{
    if (schedule->critical_path_count == 0) {
        return;
    }
    struct arena *arena = arena_create();
    struct buffer text = {0};
    buffer_puts(&text, "critical path (!): ");
    put_path(arena, graph, schedule, &text);
    text_wrap(out, buffer_text(&text), 0, 4, options->width);
    buffer_putc(out, '\n');
    int64_t gain_ms = summary_gain_of_prepare_ms(graph, schedule);
    if (gain_ms > 0) {
        char duration[32];
        buffer_printf(out,
                      "shorter by %s: replication.prepare: replication (drivers injected ahead)\n",
                      format_duration(duration, gain_ms));
    }
    buffer_free(&text);
    arena_destroy(arena);
}
