#include "runtime/cli/progress_screen.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/text.h"
#include "compiler/emit/words.h"
#include "runtime/cli/progress_line.h"
#include "runtime/cli/progress_state.h"

enum {
    NAME_COLUMN = 4,
    NAME_MAX = 30,
    PHASE_WIDTH = 11,
    TIME_WIDTH = 8,
    BAR_MIN = 10,
    BAR_MAX = 48,
    BAR_TRANSFER = 12,
    BAR_TRANSFER_MIN = 4,
    AROUND = 2,     /* lines that are not VMs: the bar and the status */
    PATH_STEPS = 3, /* of the critical path still ahead */
};

/* Columns of the bar that time, or without a prediction the number of actions, has filled. */
static int bar_filled(const struct progress_state *state, const struct screen *screen,
                      int64_t predicted_ms, int bar)
{
    double part = predicted_ms > 0 ? (double)screen->alive_ms / (double)predicted_ms
                  : state->graph->node_count > 0
                      ? (double)state->done / (double)state->graph->node_count
                      : 0;
    part = state->done == state->graph->node_count ? 1 : part > 1 ? 1 : part;
    return (int)(part * bar);
}

static void draw_bar(struct line *line, int filled, int bar, enum ink ink)
{
    for (int i = 0; i < bar; i++) {
        bool past = i < filled;
        line_put(line, past || i == filled ? ink : INK_DIM,
                 past                        ? "━"
                 : i == filled && filled > 0 ? "╸"
                 : line->colour              ? "━"
                                             : "─");
    }
}

static int64_t predicted(const struct progress_state *state)
{
    const struct schedule *schedule = state->schedule;
    return !schedule ? 0 : schedule->rto_ms > 0 ? schedule->rto_ms : schedule->makespan_ms;
}

static void draw_head(const struct progress_state *state, const struct screen *screen,
                      struct line *line)
{
    char clock[32];
    int64_t predicted_ms = predicted(state);
    bool late = predicted_ms > 0 && screen->alive_ms > predicted_ms && !state->ended;
    line_put(line, INK_BOLD, state->graph->plan_name);
    line_printf(line, INK_PLAIN, " · %s · %s", state->doing, line_clock(clock, screen->alive_ms));
    if (predicted_ms > 0) {
        line_printf(line, late ? INK_YELLOW : INK_PLAIN, " of about %s",
                    line_clock(clock, predicted_ms));
    }
    int bar = screen->width - line->column - 1;
    if (bar >= BAR_MIN) {
        bar = bar > BAR_MAX ? BAR_MAX : bar;
        line_put(line, INK_PLAIN, " ");
        draw_bar(line, bar_filled(state, screen, predicted_ms, bar), bar,
                 late ? INK_YELLOW : INK_CYAN);
    }
    line_end(line);
}

static void draw_mark(struct line *line, enum lane_stage stage)
{
    static const struct {
        enum ink ink;
        const char *mark;
    } marks[] = {
        [LANE_WAITING] = {INK_DIM, "·"},     [LANE_ACTIVE] = {INK_CYAN, "▸"},
        [LANE_RECOVERED] = {INK_GREEN, "✓"}, [LANE_FAILED] = {INK_RED, "✗"},
        [LANE_SKIPPED] = {INK_YELLOW, "–"},
    };
    line_put(line, INK_PLAIN, "  ");
    line_put(line, marks[stage].ink, marks[stage].mark);
    line_put(line, INK_PLAIN, " ");
}

static void draw_time(struct line *line, int64_t ms)
{
    char clock[32];
    struct buffer padded = {0};
    format_clock(clock, ms / 1000 * 1000); /* full seconds, as the clock in the head */
    text_pad_left(&padded, clock, TIME_WIDTH - 2);
    line_put(line, INK_PLAIN, padded.data);
    buffer_free(&padded);
}

/* "━━━━━━╸━━━━━ 47% of 2 disks", or one's own words behind it, for which the bar makes room. */
static void draw_transfer(const struct activity *activity, struct line *line)
{
    struct buffer words = {0};
    double part = (double)activity->done_bytes / (double)activity->total_bytes;
    part = part > 1 ? 1 : part;
    buffer_printf(&words, "%d%%", (int)(part * 100));
    if (activity->transfers > 1) {
        buffer_printf(&words, " of %d disks", activity->transfers);
    } else if (activity->detail) {
        buffer_printf(&words, " %s", activity->detail);
    }
    int column = line->next > line->column ? line->next : line->column;
    int bar = line->width - column - 1 - text_columns(buffer_text(&words));
    bar = bar > BAR_TRANSFER ? BAR_TRANSFER : bar;
    if (bar >= BAR_TRANSFER_MIN) {
        draw_bar(line, (int)(part * bar), bar, INK_CYAN);
        line_put(line, INK_PLAIN, " ");
    }
    line_put(line, INK_PLAIN, buffer_text(&words));
    buffer_free(&words);
}

static void draw_reason(const struct screen *screen, const struct lane *lane,
                        const struct activity *activity, struct line *line)
{
    char clock[32];
    if (lane->stage == LANE_SKIPPED) {
        line_printf(line, INK_DIM, "depends on %s", activity->waits_for_vm);
    } else if (lane->stage == LANE_WAITING && activity->waits_for_vm) {
        line_printf(line, INK_DIM, "waits for %s", activity->waits_for_vm);
    } else if (lane->stage == LANE_WAITING && activity->waits_for_pool) {
        line_printf(line, INK_DIM, "waits for a place in %s", activity->waits_for_pool);
    } else if (activity->total_bytes > 0) {
        draw_transfer(activity, line);
    } else if (activity->detail) {
        line_put(line, lane->stage == LANE_FAILED ? INK_RED : INK_PLAIN, activity->detail);
    }
    if (activity->deadline_ms > screen->alive_ms) {
        line_printf(line, INK_DIM, " (%s left)",
                    format_clock(clock, activity->deadline_ms - screen->alive_ms));
    }
}

static void draw_lane(const struct progress_state *state, const struct screen *screen,
                      const struct lane *lane, int name_width, struct line *line)
{
    struct activity activity = progress_state_activity(state, lane);
    draw_mark(line, lane->stage);
    line_put(line, INK_PLAIN, lane->name);
    line_to_column(line, line->column + 2); /* for a long one */
    line_to_column(line, NAME_COLUMN + name_width + 2);
    line_put(line, INK_PLAIN, activity.phase);
    line_to_column(line, line->column + 1);
    line_to_column(line, NAME_COLUMN + name_width + 2 + PHASE_WIDTH);
    if (lane->stage == LANE_RECOVERED) {
        draw_time(line, lane->ended_ms);
    } else if (activity.since_ms >= 0) {
        draw_time(line, screen->alive_ms - activity.since_ms);
    }
    line_to_column(line, NAME_COLUMN + name_width + 2 + PHASE_WIDTH + TIME_WIDTH + 1);
    draw_reason(screen, lane, &activity, line);
    line_end(line);
}

/* Which lanes are shown when there are more than rows: the most telling first. */

static int importance(const struct lane *lane)
{
    switch (lane->stage) {
    case LANE_FAILED:
        return 4;
    case LANE_ACTIVE:
        return 3;
    case LANE_WAITING:
        return 2;
    case LANE_SKIPPED:
        return 1;
    case LANE_RECOVERED:
        return 0;
    }
    abort();
}

/* The plan's own lane is there only while it has something to say. */
static bool counts(const struct progress_state *state, size_t lane)
{
    return lane < state->graph->vm_count || state->lanes[lane].stage == LANE_ACTIVE ||
           state->lanes[lane].stage == LANE_FAILED;
}

static void choose(const struct progress_state *state, size_t places, bool *shown)
{
    for (int level = 4; level >= 0 && places > 0; level--) {
        for (size_t i = 0; i < state->lane_count && places > 0; i++) {
            if (counts(state, i) && importance(&state->lanes[i]) == level) {
                shown[i] = true;
                places--;
            }
        }
    }
}

static void draw_rest(const struct progress_state *state, const bool *shown, struct line *line)
{
    static const char *const words[] = {
        [LANE_WAITING] = "waiting", [LANE_ACTIVE] = "active",   [LANE_RECOVERED] = "recovered",
        [LANE_FAILED] = "failed",   [LANE_SKIPPED] = "skipped",
    };
    size_t hidden[LANE_SKIPPED + 1] = {0}, all = 0;
    for (size_t i = 0; i < state->lane_count; i++) {
        if (counts(state, i) && !shown[i]) {
            hidden[state->lanes[i].stage]++;
            all++;
        }
    }
    line_printf(line, INK_DIM, "    and %zu more: ", all);
    const char *comma = "";
    for (int stage = LANE_WAITING; stage <= LANE_SKIPPED; stage++) {
        if (hidden[stage] > 0) {
            bool copied = stage == LANE_RECOVERED && state->graph->workflow == WORKFLOW_REPLICATE;
            line_printf(line, INK_DIM, "%s%zu %s", comma, hidden[stage],
                        copied ? "copied" : words[stage]);
            comma = ", ";
        }
    }
    line_end(line);
}

static int widest_name(const struct progress_state *state, const bool *shown)
{
    int widest = 0;
    for (size_t i = 0; i < state->lane_count; i++) {
        int columns = shown[i] ? text_columns(state->lanes[i].name) : 0;
        widest = columns > widest ? columns : widest;
    }
    return widest < NAME_MAX ? widest : NAME_MAX;
}

static int draw_lanes(const struct progress_state *state, const struct screen *screen,
                      struct line *line)
{
    size_t wanted = 0;
    for (size_t i = 0; i < state->lane_count; i++) {
        wanted += counts(state, i);
    }
    /* One row stays free for the cursor. */
    size_t rows = screen->rows > AROUND + 2 ? (size_t)screen->rows - AROUND - 1 : 1;
    bool all = wanted <= rows;
    bool *shown = base_alloc(state->lane_count * sizeof *shown);
    choose(state, all ? wanted : rows - 1, shown);
    int name_width = widest_name(state, shown), lines = 0;
    for (size_t i = 0; i < state->lane_count; i++) {
        if (shown[i]) {
            draw_lane(state, screen, &state->lanes[i], name_width, line);
            lines++;
        }
    }
    if (!all) {
        draw_rest(state, shown, line);
        lines++;
    }
    free(shown);
    return lines;
}

/* A whole step, or "…" where there is no room for it and what may follow. */
static bool draw_step(struct line *line, int steps, const char *vm, const char *phase)
{
    enum { MORE = 4 }; /* columns of " → …" */
    struct buffer text = {0};
    buffer_printf(&text, "%s%s%s%s", steps ? " → " : " · critical path: ", vm, *vm ? " " : "", phase);
    int columns = text_columns(buffer_text(&text));
    bool fits = steps < PATH_STEPS && line->column + columns + MORE <= line->width;
    if (fits) {
        line_put(line, INK_DIM, buffer_text(&text));
    } else if (steps > 0) {
        line_put(line, INK_DIM, " → …");
    }
    buffer_free(&text);
    return fits;
}

/* What is still ahead on the critical path, a step for each phase of a VM. */
static void draw_path(const struct progress_state *state, struct line *line)
{
    const struct schedule *schedule = state->schedule;
    const char *phase = NULL;
    int32_t vm = NO_VM;
    int steps = 0;
    for (size_t i = 0; schedule && !state->ended && i < schedule->critical_path_count; i++) {
        const struct graph_node *node = &state->graph->nodes[schedule->critical_path[i]];
        const char *name = progress_phase(state->graph, node);
        enum node_state is = state->nodes[node->index].state;
        bool over = is == NODE_DONE || is == NODE_FAILED || is == NODE_SKIPPED;
        bool milestone = words_is_milestone(node);
        if (over || milestone || (phase && vm == node->vm && strcmp(phase, name) == 0)) {
            continue;
        }
        phase = name;
        vm = node->vm;
        if (!draw_step(line, steps++, vm == NO_VM ? "" : state->graph->vms[vm].name, phase)) {
            break;
        }
    }
}

static void draw_status(const struct progress_state *state, const struct screen *screen,
                        struct line *line)
{
    line_printf(line, INK_DIM, "  %zu of %zu actions", state->done, state->graph->node_count);
    if (state->failed > 0) {
        line_printf(line, INK_RED, " · %zu failed", state->failed);
    }
    if (screen->counters) {
        line_printf(line, INK_DIM, " · %lld calls", (long long)screen->counters->requests);
        if (screen->counters->throttled > 0) {
            line_printf(line, INK_DIM, " · throttled %lld time%s",
                        (long long)screen->counters->throttled,
                        screen->counters->throttled == 1 ? "" : "s");
        }
    }
    draw_path(state, line);
    line_end(line);
}

int progress_screen_draw(const struct progress_state *state, const struct screen *screen,
                         struct buffer *out)
{
    /* The last column stays free: some terminals wrap as soon as it is written. */
    struct line line = {.out = out, .width = screen->width - 1, .colour = screen->colour};
    draw_head(state, screen, &line);
    int lanes = draw_lanes(state, screen, &line);
    draw_status(state, screen, &line);
    return lanes + AROUND;
}
