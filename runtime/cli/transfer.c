#include "runtime/cli/transfer.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "compiler/base/buffer.h"
#include "runtime/cli/output.h"

enum { DRAW_MS = 200, TELL_MS = 10000, PLAIN_WIDTH = 200 };

static void clear_line(struct transfer *transfer)
{
    if (transfer->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        transfer->drawn = false;
    }
}

static void cancel(struct transfer *transfer, struct world_task **task)
{
    if (*task) {
        world_cancel(transfer->world, *task);
        *task = NULL;
    }
}

/* From then on signals do what they usually do: who is in a hurry sends a second one. */
static void stop(void *context, int signal)
{
    struct transfer *transfer = context;
    (void)signal;
    transfer->stopped = true;
    for (int i = 0; i < 3; i++) {
        cancel(transfer, &transfer->signals[i]);
    }
    clear_line(transfer);
    if (transfer->on_stop) {
        transfer->on_stop(transfer->stop_context);
    }
}

void transfer_begin(struct transfer *transfer, struct world *world)
{
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction now;
    *transfer = (struct transfer){.world = world};
    transfer->terminal = isatty(STDERR_FILENO);
    for (int i = 0; i < 3; i++) { /* nohup stays what it is */
        if (sigaction(SIGNALS[i], NULL, &now) != 0 || now.sa_handler != SIG_IGN) {
            transfer->signals[i] = world_signal(world, SIGNALS[i], stop, transfer);
        }
    }
}

void transfer_end(struct transfer *transfer)
{
    if (transfer->world) {
        transfer_show(transfer, NULL, NULL);
        for (int i = 0; i < 3; i++) {
            cancel(transfer, &transfer->signals[i]);
        }
    }
}

/* ---- progress ---- */

static void draw(struct transfer *transfer, int64_t now_ms)
{
    struct transfer_state state = {.elapsed_ms = now_ms - transfer->began_ms};
    struct buffer text = {0};
    transfer->look(transfer->look_context, &state);
    if (transfer->terminal) {
        transfer_line(&state, output_width(stderr) - 1, true, wants_colour(stderr), &text);
        fprintf(stderr, "\r%s\033[K", buffer_text(&text));
        fflush(stderr);
        transfer->drawn = true;
    } else if (now_ms - transfer->told_ms >= TELL_MS) {
        transfer->told_ms = now_ms;
        transfer_line(&state, PLAIN_WIDTH, false, false, &text);
        fprintf(stderr, "%s\n", buffer_text(&text));
    }
    buffer_free(&text);
}

static void tick(void *context)
{
    struct transfer *transfer = context;
    transfer->timer = world_timer(transfer->world, DRAW_MS, tick, transfer);
    draw(transfer, world_monotonic_ms(transfer->world));
}

void transfer_show(struct transfer *transfer,
                   void (*look)(void *context, struct transfer_state *state), void *context)
{
    cancel(transfer, &transfer->timer);
    clear_line(transfer);
    transfer->look = look;
    transfer->look_context = context;
    if (look && !transfer->stopped) {
        transfer->began_ms = transfer->told_ms = world_monotonic_ms(transfer->world);
        transfer->timer = world_timer(transfer->world, DRAW_MS, tick, transfer);
    }
}

/* ---- work ---- */

struct work {
    void (*run)(void *context);
    void *context;
    bool over;
};

static void work_run(void *context)
{
    struct work *work = context;
    work->run(work->context);
}

static void work_done(void *context)
{
    ((struct work *)context)->over = true;
}

void transfer_work(struct transfer *transfer, void (*run)(void *context),
                   void (*stop_it)(void *context), void *context)
{
    struct work work = {.run = run, .context = context};
    transfer->on_stop = stop_it;
    transfer->stop_context = context;
    world_work(transfer->world, work_run, work_done, &work);
    world_run(transfer->world, &work.over);
    transfer->on_stop = NULL;
}
