/* Dialling: does a TCP port accept a connection? Every address of the name is tried in turn until
 * one does or time is up. */
#include <stdio.h>
#include <stdlib.h>

#include "compiler/base/arena.h"
#include "runtime/world/real.h"

enum { CONNECT_TIMEOUT_MS = 10000 };

struct dial_task {
    struct real_task task;
    world_connect_callback callback;
    uv_timer_t timer;
    struct real_lookup lookup;
    const struct addrinfo *next; /* to try */
    struct attempt *attempt;
    char failure[160];
    bool failed, ended, released;
    int open; /* handles that libuv still has */
};

/* A socket on its way; outlives its dial until libuv has closed it. */
struct attempt {
    uv_tcp_t socket;
    uv_connect_t request;
    struct dial_task *dial;
};

static void try_next(struct dial_task *dial);

static void let_go(struct dial_task *dial)
{
    if (dial->open == 0 && dial->released && !dial->lookup.busy) {
        real_lookup_free(&dial->lookup);
        free(dial);
    }
}

static void attempt_closed(uv_handle_t *handle)
{
    struct attempt *attempt = handle->data;
    struct dial_task *dial = attempt->dial;
    free(attempt);
    dial->open--;
    let_go(dial);
}

static void timer_closed(uv_handle_t *handle)
{
    struct dial_task *dial = handle->data;
    dial->open--;
    let_go(dial);
}

static void drop_attempt(struct dial_task *dial)
{
    if (dial->attempt) {
        uv_close((uv_handle_t *)&dial->attempt->socket, attempt_closed);
        dial->attempt = NULL;
    }
}

/* The result is known: nothing goes on but libuv's own closing. */
static void end(struct dial_task *dial)
{
    if (!dial->ended) {
        dial->ended = true;
        drop_attempt(dial);
        real_lookup_give_up(&dial->lookup);
        uv_close((uv_handle_t *)&dial->timer, timer_closed);
    }
}

static void finish(struct dial_task *dial, const char *failure)
{
    dial->failed = failure != NULL;
    if (failure) {
        snprintf(dial->failure, sizeof dial->failure, "%s", failure);
    }
    end(dial);
    real_task_ready(&dial->task);
}

static void on_timeout(uv_timer_t *timer)
{
    finish(timer->data, "timed out");
}

static void on_connected(uv_connect_t *request, int status)
{
    struct attempt *attempt = request->data;
    struct dial_task *dial = attempt->dial;
    if (attempt != dial->attempt) {
        return; /* dropped meanwhile */
    }
    if (status == 0) {
        finish(dial, NULL);
        return;
    }
    snprintf(dial->failure, sizeof dial->failure, "%s", uv_strerror(status));
    drop_attempt(dial);
    try_next(dial);
}

static void try_next(struct dial_task *dial)
{
    struct real *real = real_of(&dial->task);
    while (dial->next) {
        const struct sockaddr *address = dial->next->ai_addr;
        dial->next = dial->next->ai_next;
        struct attempt *attempt = base_alloc(sizeof *attempt);
        attempt->dial = dial;
        attempt->socket.data = attempt->request.data = attempt;
        uv_tcp_init(&real->loop, &attempt->socket);
        dial->open++;
        dial->attempt = attempt;
        int failed = uv_tcp_connect(&attempt->request, &attempt->socket, address, on_connected);
        if (!failed) {
            return;
        }
        snprintf(dial->failure, sizeof dial->failure, "%s", uv_strerror(failed));
        drop_attempt(dial);
    }
    char failure[sizeof dial->failure];
    snprintf(failure, sizeof failure, "%s", dial->failure);
    finish(dial, failure);
}

static void on_resolved(struct real_lookup *lookup, const char *failure,
                        const struct addrinfo *addresses)
{
    struct dial_task *dial = lookup->owner;
    if (dial->ended) {
        let_go(dial);
    } else if (failure) {
        finish(dial, failure);
    } else {
        dial->next = addresses;
        try_next(dial);
    }
}

static void dial_deliver(struct real_task *task)
{
    struct dial_task *dial = (struct dial_task *)task;
    dial->callback(task->context, dial->failed ? dial->failure : NULL);
}

static void dial_release(struct real_task *task)
{
    struct dial_task *dial = (struct dial_task *)task;
    end(dial);
    real_task_end(task);
    dial->released = true;
    let_go(dial);
}

struct world_task *real_connect(struct world *world, const char *host, int port, int64_t timeout_ms,
                                world_connect_callback callback, void *context)
{
    static const struct real_kind KIND = {.deliver = dial_deliver, .release = dial_release};
    struct real *real = (struct real *)world;
    struct dial_task *dial = base_alloc(sizeof *dial);
    real_task_begin(real, &dial->task, &KIND, context);
    dial->callback = callback;
    dial->timer.data = dial;
    dial->open = 1;
    uv_timer_init(&real->loop, &dial->timer);
    uv_update_time(&real->loop);
    uv_timer_start(&dial->timer, on_timeout,
                   (uint64_t)(timeout_ms > 0 ? timeout_ms : CONNECT_TIMEOUT_MS), 0);
    if (port < 1 || port > 65535) {
        finish(dial, "there is no such port");
    } else {
        dial->lookup.done = on_resolved;
        dial->lookup.owner = dial;
        real_lookup_start(real, &dial->lookup, host, port);
    }
    return &dial->task.base;
}
