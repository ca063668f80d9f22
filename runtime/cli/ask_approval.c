#include "runtime/cli/ask_approval.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/text.h"
#include "runtime/cli/progress.h"
#include "runtime/engine/decision.h"
#include "runtime/world/world.h"

enum { ANSWER_MAX = 256 };

struct ask_approval {
    struct world *world;
    struct progress *progress;
    struct executor *executor;
    const char *run_id;
    uint32_t *waiting; /* nodes that are to be asked about, the first one is being */
    size_t count, capacity;
    struct world_task *task; /* a line is being read on a thread; NULL: none */
    int stop[2];             /* a byte in it ends the reading */
    char answer[ANSWER_MAX]; /* the thread's until it is done */
    struct arena *arena;
};

static void ask_first(struct ask_approval *ask);

struct ask_approval *ask_approval_create(struct world *world, struct progress *progress,
                                         const char *run_id)
{
    int stop[2];
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || pipe(stop) != 0) {
        return NULL;
    }
    struct ask_approval *ask = base_alloc(sizeof *ask);
    ask->world = world;
    ask->progress = progress;
    ask->run_id = run_id;
    ask->arena = arena_create();
    memcpy(ask->stop, stop, sizeof stop);
    return ask;
}

void ask_approval_attach(struct ask_approval *ask, struct executor *executor)
{
    if (ask) {
        ask->executor = executor;
    }
}

/* On a thread. The answer is empty when it was stopped, or the terminal is gone. */
static void read_line(void *context)
{
    struct ask_approval *ask = context;
    struct pollfd ready[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = ask->stop[0], .events = POLLIN}};
    ask->answer[0] = '\0';
    if (poll(ready, 2, -1) > 0 && !(ready[1].revents & POLLIN) && (ready[0].revents & POLLIN)) {
        ssize_t length = read(STDIN_FILENO, ask->answer, sizeof ask->answer - 1);
        ask->answer[length > 0 ? length : 0] = '\0';
    }
}

static void forget_first(struct ask_approval *ask)
{
    ask->count--;
    memmove(ask->waiting, ask->waiting + 1, ask->count * sizeof *ask->waiting);
}

static void take_stop_back(struct ask_approval *ask)
{
    char byte;
    struct pollfd ready = {.fd = ask->stop[0], .events = POLLIN};
    while (poll(&ready, 1, 0) > 0 && read(ask->stop[0], &byte, 1) == 1) {
    }
}

static void approve(struct ask_approval *ask, const char *id)
{
    const char *who = world_environment(ask->world, "USER");
    struct decision decision = {.verb = "approve",
                                .target = id,
                                .who = who && *who ? who : NULL,
                                .at_utc_ms = world_utc_ms(ask->world)};
    executor_approve(ask->executor, &decision);
}

static void answered(void *context)
{
    struct ask_approval *ask = context;
    ask->task = NULL;
    take_stop_back(ask);
    const char *id = executor_node_id(ask->executor, ask->waiting[0]);
    bool waits = executor_status(ask->executor, ask->waiting[0])->state == NODE_RUNNING;
    bool yes = strcmp(ask->answer, "yes\n") == 0;
    forget_first(ask);
    progress_hold(ask->progress, false);
    if (waits && yes) {
        approve(ask, id);
    } else if (waits && ask->answer[0]) {
        progress_clear(ask->progress);
        fprintf(stderr,
                "not approved: %s goes on waiting\n"
                "  drc run approve %s %s   approves it from elsewhere\n"
                "  drc run cancel %s   ends the run as it is\n",
                id, ask->run_id, id, ask->run_id);
    }
    ask_first(ask);
}

static void ask_first(struct ask_approval *ask)
{
    if (ask->count == 0 || ask->task) {
        return;
    }
    const struct node_status *status = executor_status(ask->executor, ask->waiting[0]);
    if (status->state != NODE_RUNNING) { /* answered from elsewhere meanwhile */
        forget_first(ask);
        ask_first(ask);
        return;
    }
    struct buffer text = {0};
    progress_clear(ask->progress);
    progress_hold(ask->progress, true);
    text_put(&text, executor_node_id(ask->executor, ask->waiting[0]));
    buffer_puts(&text, " ");
    text_put(&text, status->detail ? status->detail : "waits for approval");
    buffer_puts(&text, "\nOnly \"yes\" goes on: ");
    fputs(buffer_text(&text), stderr);
    buffer_free(&text);
    ask->task = world_work(ask->world, read_line, answered, ask);
}

void ask_approval_observe(struct ask_approval *ask, const struct executor_event *event)
{
    if (!ask || !event->node || event->node->action != ACTION_APPROVE) {
        return;
    }
    if (event->type == EVENT_APPROVAL_NEEDED) {
        ask->waiting = arena_grow(ask->arena, ask->waiting, ask->count, &ask->capacity,
                                  sizeof *ask->waiting);
        ask->waiting[ask->count++] = event->node->index;
        ask_first(ask);
    } else if (ask->task && event->node->index == ask->waiting[0] &&
               event->status->state != NODE_RUNNING) {
        fputs("answered from elsewhere\n", stderr);
        (void)!write(ask->stop[1], "x", 1);
    }
}

void ask_approval_destroy(struct ask_approval *ask)
{
    if (!ask) {
        return;
    }
    if (ask->task) {
        (void)!write(ask->stop[1], "x", 1);
        world_cancel(ask->world, ask->task); /* waits for the reading to end */
        progress_hold(ask->progress, false);
        fputc('\n', stderr);
    }
    close(ask->stop[0]);
    close(ask->stop[1]);
    arena_destroy(ask->arena);
    free(ask);
}
