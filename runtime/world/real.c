#include "runtime/world/real.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <utlist.h>

#include "compiler/base/arena.h"

static void enqueue(struct real_list *list, struct real_task *task)
{
    task->queue = list;
    task->sequence = ((struct real *)task->base.owner)->sequence++;
    task->queue_prev = list->last;
    task->queue_next = NULL;
    if (list->last) {
        list->last->queue_next = task;
    } else {
        list->first = task;
    }
    list->last = task;
}

static void dequeue(struct real_task *task)
{
    struct real_list *list = task->queue;
    if (!list) {
        return;
    }
    if (task->queue_prev) {
        task->queue_prev->queue_next = task->queue_next;
    } else {
        list->first = task->queue_next;
    }
    if (task->queue_next) {
        task->queue_next->queue_prev = task->queue_prev;
    } else {
        list->last = task->queue_prev;
    }
    task->queue = NULL;
}

void real_task_begin(struct real *real, struct real_task *task, const struct real_kind *kind,
                     void *context)
{
    task->base.owner = &real->base;
    task->kind = kind;
    task->context = context;
    DL_APPEND(real->tasks, task);
    real->alive += !kind->persistent;
}

void real_task_ready(struct real_task *task)
{
    if (!task->queue) {
        enqueue(&real_of(task)->ready, task);
    }
}

void real_task_end(struct real_task *task)
{
    struct real *real = real_of(task);
    dequeue(task);
    DL_DELETE(real->tasks, task);
    real->alive -= !task->kind->persistent;
}

static void real_cancel(struct world *world, struct world_task *base)
{
    (void)world;
    struct real_task *task = (struct real_task *)base;
    if (task->running) { /* from within on_body, or a signal's own callback */
        task->cancelled = true;
    } else {
        task->kind->release(task);
    }
}

static void dispatch(struct real_task *task)
{
    dequeue(task);
    task->running = true;
    task->kind->deliver(task);
    task->running = false;
    if (task->cancelled || !(task->kind->persistent || task->kind->repeats)) {
        task->kind->release(task);
    }
}

/* What is queued meanwhile waits for the next turn, so that sockets get theirs. */
static void dispatch_queue(struct real *real, struct real_list *queue, const bool *until)
{
    uint64_t limit = real->sequence;
    while (queue->first && queue->first->sequence < limit && !(until && *until)) {
        dispatch(queue->first);
    }
}

static void real_run(struct world *world, const bool *until)
{
    struct real *real = (struct real *)world;
    assert(!real->in_curl);
    while (!(until && *until) && (real->alive > 0 || real->ready.first)) {
        bool busy = real->ready.first || real->deferred.first;
        int active = uv_run(&real->loop, busy ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        if (!active && !real->ready.first && !real->deferred.first) {
            break;
        }
        dispatch_queue(real, &real->ready, until);
        dispatch_queue(real, &real->deferred, until);
    }
}

/* Clocks, randomness, environment. */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t real_monotonic(struct world *world)
{
    (void)world;
    return clock_ms(CLOCK_MONOTONIC);
}

static int64_t real_utc(struct world *world)
{
    (void)world;
    return clock_ms(CLOCK_REALTIME);
}

static void real_random(struct world *world, void *bytes, size_t length)
{
    (void)world;
    for (char *at = bytes; length > 0;) {
        ssize_t got = getrandom(at, length, 0);
        if (got < 0 && errno != EINTR) {
            abort(); /* Tokens have to be unique: there is no going on without randomness. */
        }
        at += got > 0 ? got : 0;
        length -= got > 0 ? (size_t)got : 0;
    }
}

static const char *real_environment(struct world *world, const char *name)
{
    (void)world;
    return getenv(name);
}

/* Timers. */

struct timer_task {
    struct real_task task;
    uv_timer_t handle;
    world_callback callback;
};

static void timer_deliver(struct real_task *task)
{
    ((struct timer_task *)task)->callback(task->context);
}

static void free_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void timer_release(struct real_task *task)
{
    real_task_end(task);
    uv_close((uv_handle_t *)&((struct timer_task *)task)->handle, free_closed);
}

static void on_timer(uv_timer_t *handle)
{
    real_task_ready(handle->data);
    uv_stop(handle->loop); /* libuv would wait for the next event before it comes back */
}

static struct world_task *real_timer(struct world *world, int64_t delay_ms, world_callback callback,
                                     void *context)
{
    static const struct real_kind KIND = {.deliver = timer_deliver, .release = timer_release};
    struct real *real = (struct real *)world;
    struct timer_task *timer = base_alloc(sizeof *timer);
    real_task_begin(real, &timer->task, &KIND, context);
    timer->callback = callback;
    timer->handle.data = timer;
    uv_timer_init(&real->loop, &timer->handle);
    uv_update_time(&real->loop); /* the user's code may have taken long */
    uv_timer_start(&timer->handle, on_timer, (uint64_t)delay_ms, 0);
    return &timer->task.base;
}

/* Deferred. */

struct deferred_task {
    struct real_task task;
    world_callback callback;
};

static void deferred_deliver(struct real_task *task)
{
    ((struct deferred_task *)task)->callback(task->context);
}

static void deferred_release(struct real_task *task)
{
    real_task_end(task);
    free(task);
}

static struct world_task *real_defer(struct world *world, world_callback callback, void *context)
{
    static const struct real_kind KIND = {.deliver = deferred_deliver, .release = deferred_release};
    struct real *real = (struct real *)world;
    struct deferred_task *deferred = base_alloc(sizeof *deferred);
    real_task_begin(real, &deferred->task, &KIND, context);
    deferred->callback = callback;
    enqueue(&real->deferred, &deferred->task);
    return &deferred->task.base;
}

/* Signals. */

struct signal_task {
    struct real_task task;
    uv_signal_t handle;
    world_signal_callback callback;
    int signal, arrivals;
};

static void signal_deliver(struct real_task *task)
{
    struct signal_task *signal = (struct signal_task *)task;
    for (; signal->arrivals > 0 && !task->cancelled; signal->arrivals--) {
        signal->callback(task->context, signal->signal);
    }
}

static void signal_release(struct real_task *task)
{
    real_task_end(task);
    uv_close((uv_handle_t *)&((struct signal_task *)task)->handle, free_closed);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    struct signal_task *signal = handle->data;
    signal->arrivals++;
    real_task_ready(&signal->task);
}

static struct world_task *real_signal(struct world *world, int number,
                                      world_signal_callback callback, void *context)
{
    static const struct real_kind KIND = {
        .persistent = true, .deliver = signal_deliver, .release = signal_release};
    struct real *real = (struct real *)world;
    struct signal_task *signal = base_alloc(sizeof *signal);
    real_task_begin(real, &signal->task, &KIND, context);
    signal->callback = callback;
    signal->signal = number;
    signal->handle.data = signal;
    uv_signal_init(&real->loop, &signal->handle);
    uv_signal_start(&signal->handle, on_signal, number);
    uv_unref((uv_handle_t *)&signal->handle);
    return &signal->task.base;
}

/* The whole. */

static void real_destroy(struct world *world)
{
    struct real *real = (struct real *)world;
    while (real->tasks) {
        real->tasks->kind->release(real->tasks);
    }
    real_curl_close(real);
    uv_run(&real->loop, UV_RUN_DEFAULT); /* until every handle is closed */
    if (uv_loop_close(&real->loop) != 0) {
        abort(); /* A handle was forgotten. */
    }
    free(real);
}

/* libcurl is told to leave signals alone, and OpenSSL writes without MSG_NOSIGNAL. */
static void ignore_broken_pipes(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        signal(SIGPIPE, SIG_IGN);
    }
}

static const struct world_operations REAL = {
    .name = "real",
    .destroy = real_destroy,
    .monotonic_ms = real_monotonic,
    .utc_ms = real_utc,
    .random = real_random,
    .timer = real_timer,
    .defer = real_defer,
    .http = real_http,
    .connect = real_connect,
    .message = real_message,
    .work = real_work,
    .job = real_job,
    .signal = real_signal,
    .cancel = real_cancel,
    .run = real_run,
    .environment = real_environment,
};

struct world *world_real_create(struct error *error)
{
    struct real *real = base_alloc(sizeof *real);
    real->base.operations = &REAL;
    int failed = uv_loop_init(&real->loop);
    if (failed) {
        error_set(error, "cannot start the event loop: %s", uv_strerror(failed));
        free(real);
        return NULL;
    }
    ignore_broken_pipes();
    if (!real_curl_open(real, error)) {
        uv_loop_close(&real->loop);
        free(real);
        return NULL;
    }
    return &real->base;
}
