#include "runtime/cli/progress.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/cli/progress_plain.h"
#include "runtime/cli/progress_screen.h"
#include "runtime/cli/progress_state.h"
#include "runtime/report/history.h"

enum { PROGRESS_APART_MS = 10000 }; /* a log has a line for each transfer as often */
enum { REFRESH_MS = 100, WIDTH_MIN = 20, WIDTH_MAX = 1000, WIDTH = 80, ROWS = 24 };

struct progress {
    struct progress_options options;
    struct progress_state *state;
    const struct executor *executor; /* NULL until attached */
    const struct history *history;   /* the same of a run elsewhere */
    bool terminal, colour;
    struct world_task *timer, *resize;
    struct buffer frame; /* what is on the screen; empty: nothing */
    int lines;           /* of it */
    bool held;           /* nothing is drawn */
};

static const char *environment(const struct progress *progress, const char *name)
{
    const char *value = world_environment(progress->options.world, name);
    return value && *value ? value : NULL;
}

static bool is_terminal(const struct progress *progress)
{
    const char *kind = environment(progress, "TERM");
    return isatty(fileno(progress->options.out)) && kind && strcmp(kind, "dumb") != 0;
}

static void choose_style(struct progress *progress)
{
    const char *force = environment(progress, "CLICOLOR_FORCE");
    progress->terminal = progress->options.style == PROGRESS_AUTO
                             ? is_terminal(progress)
                             : progress->options.style == PROGRESS_TERMINAL;
    progress->colour = !environment(progress, "NO_COLOR") &&
                       (progress->terminal || (force && strcmp(force, "0") != 0));
}

static int number_or(const char *text, int fallback)
{
    long number = text ? strtol(text, NULL, 10) : 0;
    return number > 0 && number <= WIDTH_MAX ? (int)number : fallback;
}

static void measure(const struct progress *progress, struct screen *screen)
{
    struct winsize size;
    if (ioctl(fileno(progress->options.out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        size.ws_col = (unsigned short)number_or(environment(progress, "COLUMNS"), WIDTH);
        size.ws_row = (unsigned short)number_or(environment(progress, "LINES"), ROWS);
    }
    screen->width = size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col;
    screen->width = screen->width > WIDTH_MAX ? WIDTH_MAX : screen->width;
    screen->rows = size.ws_row;
}

static int64_t now_ms(const struct progress *progress)
{
    return world_monotonic_ms(progress->options.world);
}

static void write_out(const struct progress *progress, const struct buffer *text)
{
    fwrite(text->data, 1, text->length, progress->options.out);
    fflush(progress->options.out);
}

/* To the beginning of what is on the screen. */
static void go_back(const struct progress *progress, struct buffer *out)
{
    buffer_putc(out, '\r');
    if (progress->lines > 0) {
        buffer_printf(out, "\033[%dA", progress->lines);
    }
}

/* Each line is written over the old one and its end cleared: nothing flickers. */
static void show(struct progress *progress, struct buffer *frame, int lines)
{
    struct buffer text = {0};
    go_back(progress, &text);
    for (const char *line = frame->data; *line;) {
        const char *end = strchr(line, '\n');
        buffer_append(&text, line, (size_t)(end - line));
        buffer_puts(&text, "\033[K\n");
        line = end + 1;
    }
    buffer_puts(&text, "\033[J");
    write_out(progress, &text);
    buffer_free(&text);
    buffer_free(&progress->frame);
    progress->frame = *frame;
    progress->lines = lines;
}

static void draw(struct progress *progress)
{
    struct executor_counters counters;
    struct screen screen = {.colour = progress->colour};
    struct buffer frame = {0};
    if (!progress->terminal || progress->held || progress->state->at_ms < 0) {
        return; /* held, or nothing has begun */
    }
    measure(progress, &screen);
    screen.alive_ms = progress_state_alive(progress->state, now_ms(progress));
    if (progress->executor) {
        counters = executor_counters(progress->executor);
        screen.counters = &counters;
    } else if (progress->history) {
        screen.counters = &progress->history->counters;
    }
    int lines = progress_screen_draw(progress->state, &screen, &frame);
    if (progress->frame.length > 0 && strcmp(frame.data, progress->frame.data) == 0) {
        buffer_free(&frame);
    } else {
        show(progress, &frame, lines);
    }
}

static void set_timer(struct progress *progress);

static void on_timer(void *context)
{
    struct progress *progress = context;
    progress->timer = NULL;
    draw(progress);
    set_timer(progress);
}

static void set_timer(struct progress *progress)
{
    double speed = progress->options.speed > 0 ? progress->options.speed : 1;
    progress->timer =
        world_timer(progress->options.world, (int64_t)(REFRESH_MS * speed), on_timer, progress);
}

static void stop_timer(struct progress *progress)
{
    world_cancel(progress->options.world, progress->timer);
    progress->timer = NULL;
}

/* Columns of a line of the frame, whose escape sequences all end in "m". */
static int visible_columns(const char *line, const char *end)
{
    int columns = 0;
    while (line < end) {
        if (*line == '\033') {
            const char *m = memchr(line, 'm', (size_t)(end - line));
            line = m ? m + 1 : end;
        } else {
            columns += ((unsigned char)*line & 0xc0) != 0x80;
            line++;
        }
    }
    return columns;
}

/* A narrower terminal has broken our lines into more: all of them have to go. */
static void on_resize(void *context, int number)
{
    struct progress *progress = context;
    struct screen screen = {0};
    (void)number;
    if (progress->lines == 0) {
        return;
    }
    measure(progress, &screen);
    progress->lines = 0;
    for (const char *line = progress->frame.data; *line;) {
        const char *end = strchr(line, '\n');
        int columns = visible_columns(line, end);
        progress->lines += columns > screen.width ? (columns + screen.width - 1) / screen.width : 1;
        line = end + 1;
    }
    buffer_clear(&progress->frame); /* so that it is drawn anew */
    draw(progress);
}

struct progress *progress_create(const struct progress_options *options)
{
    struct progress *progress = base_alloc(sizeof *progress);
    progress->options = *options;
    progress->state = progress_state_create(options->graph, options->schedule);
    progress->state->doing = options->doing ? options->doing : progress->state->doing;
    choose_style(progress);
    if (progress->terminal) {
        progress->resize = world_signal(options->world, SIGWINCH, on_resize, progress);
    }
    return progress;
}

void progress_attach(struct progress *progress, const struct executor *executor)
{
    progress->executor = executor;
    if (executor) {
        progress_state_sync(progress->state, executor);
    }
}

void progress_attach_history(struct progress *progress, const struct history *history)
{
    progress->history = history;
}

/* When it happened: what is followed from afar is seen later than that. */
static int64_t moment_of(const struct progress *progress, const struct executor_event *event)
{
    int64_t now = progress_state_alive(progress->state, now_ms(progress));
    if (!progress->history || !event->node || !event->status) {
        return now;
    }
    int64_t then = event->type == EVENT_NODE_STARTED  ? event->status->started_ms
                   : event->type == EVENT_NODE_DETAIL || event->type == EVENT_NODE_PROGRESS
                       ? progress->history->nodes[event->node->index].seen_ms
                                                      : event->status->ended_ms;
    return then >= 0 && then < now ? then : now;
}

/* Transfers tell more often than a log needs. */
static bool was_just_told(struct progress *progress, const struct executor_event *event,
                          int64_t alive_ms)
{
    if (event->type != EVENT_NODE_PROGRESS) {
        return false;
    }
    struct node_progress *known = &progress->state->nodes[event->node->index];
    int64_t last_ms = known->told_ms > known->started_ms ? known->told_ms : known->started_ms;
    if (alive_ms - last_ms < PROGRESS_APART_MS) {
        return true;
    }
    known->told_ms = alive_ms;
    return false;
}

static void log_event(struct progress *progress, const struct executor_event *event)
{
    struct buffer text = {0};
    int64_t alive_ms = moment_of(progress, event);
    if (was_just_told(progress, event, alive_ms)) {
        return;
    }
    progress_plain_event(progress->state, event, alive_ms, progress->colour, &text);
    if (text.length > 0) {
        write_out(progress, &text);
    }
    buffer_free(&text);
}

void progress_observe(void *context, const struct executor_event *event)
{
    struct progress *progress = context;
    progress_state_take(progress->state, event, now_ms(progress));
    if (!progress->terminal) {
        log_event(progress, event);
    } else if (progress->state->ended) {
        stop_timer(progress);
        draw(progress);
    } else if (!progress->timer) {
        set_timer(progress); /* what comes until then is drawn with it */
        draw(progress);
    }
}

static bool matters(const struct executor_event *event)
{
    switch (event->type) {
    case EVENT_RUN_STARTED:
    case EVENT_RUN_RESUMED:
    case EVENT_NODE_FAILED:
    case EVENT_VM_FAILED:
    case EVENT_INTERRUPTED:
    case EVENT_RUN_ENDED:
        return true;
    case EVENT_NODE_DONE:
        return graph_is_goal(event->node);
    default:
        return false;
    }
}

void progress_catch_up(void *context, const struct executor_event *event)
{
    struct progress *progress = context;
    struct progress_state *state = progress->state;
    progress_state_take(state, event, now_ms(progress));
    if (!progress->terminal && matters(event)) {
        struct buffer text = {0};
        int64_t at_ms = event->status && event->status->ended_ms >= 0 ? event->status->ended_ms
                                                                      : state->alive_ms;
        progress_plain_event(state, event, at_ms, progress->colour, &text);
        write_out(progress, &text);
        buffer_free(&text);
    }
}

void progress_caught_up(struct progress *progress, int64_t alive_ms)
{
    struct executor_event event = {.type = EVENT_HEARTBEAT};
    progress_state_set_alive(progress->state, alive_ms, now_ms(progress));
    if (!progress->state->ended) {
        progress_observe(progress, &event);
    }
}

void progress_clear(struct progress *progress)
{
    struct buffer text = {0};
    if (progress->lines > 0) {
        go_back(progress, &text);
        buffer_puts(&text, "\033[J");
        write_out(progress, &text);
        buffer_free(&text);
        buffer_clear(&progress->frame);
        progress->lines = 0;
    }
}

void progress_hold(struct progress *progress, bool held)
{
    progress->held = held;
}

void progress_finish(struct progress *progress)
{
    if (!progress) {
        return;
    }
    stop_timer(progress);
    draw(progress);
    world_cancel(progress->options.world, progress->resize);
    progress_state_destroy(progress->state);
    buffer_free(&progress->frame);
    free(progress);
}
