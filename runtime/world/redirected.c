/* The redirected world: HTTP, dialling and DNS go to a responder, clocks run faster; the rest is the
 * inner world's, whose tasks are handed out as they are. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "runtime/world/exchange.h"
#include "runtime/world/task.h"

struct redirected;

/* An HTTP request, a dial or a DNS message: answered by the responder at once, told when its latency is
 * over. */
struct answer {
    struct world_task base;
    struct redirected *redirected;
    struct world_task *timer; /* the inner world's; NULL while `deliver` runs */
    void *context;
    world_http_callback on_http; /* one of these three */
    world_message_callback on_message;
    world_connect_callback on_connect;
    struct exchange exchange;
    struct message_exchange message;
    char *failure; /* of a dial */
    struct answer *prev, *next;
};

struct redirected {
    struct world base;
    struct world *inner;
    struct world_responder responder;
    double speed;
    int64_t inner_base_ms, utc_base_ms;
    struct answer *answers;
};

static struct redirected *redirected_of(struct world *world)
{
    return (struct redirected *)world;
}

static struct world *inner_of(struct world *world)
{
    return redirected_of(world)->inner;
}

static int64_t faster(const struct redirected *redirected, int64_t inner_ms)
{
    return (int64_t)floor((double)inner_ms * redirected->speed);
}

static int64_t redirected_monotonic(struct world *world)
{
    return faster(redirected_of(world), world_monotonic_ms(inner_of(world)));
}

static int64_t redirected_utc(struct world *world)
{
    struct redirected *redirected = redirected_of(world);
    int64_t since_ms = world_utc_ms(redirected->inner) - redirected->inner_base_ms;
    return redirected->utc_base_ms + faster(redirected, since_ms);
}

static void redirected_random(struct world *world, void *bytes, size_t length)
{
    world_random(inner_of(world), bytes, length);
}

/* Rounded up, so that the faster clock has passed the delay when the timer comes. */
static int64_t slower(const struct redirected *redirected, int64_t delay_ms)
{
    return (int64_t)ceil((double)delay_ms / redirected->speed);
}

static struct world_task *redirected_timer(struct world *world, int64_t delay_ms,
                                           world_callback callback, void *context)
{
    return world_timer(inner_of(world), slower(redirected_of(world), delay_ms), callback, context);
}

static struct world_task *redirected_defer(struct world *world, world_callback callback,
                                           void *context)
{
    return world_defer(inner_of(world), callback, context);
}

static struct world_task *redirected_work(struct world *world, world_callback run,
                                          world_callback done, void *context)
{
    return world_work(inner_of(world), run, done, context);
}

/* A program runs on the runner, as fast as that is: its timeout is in the runner's own time. */
static struct world_task *redirected_job(struct world *world, const struct job_request *request,
                                         world_job_callback callback, void *context)
{
    return world_job(inner_of(world), request, callback, context);
}

static struct world_task *redirected_signal(struct world *world, int signal,
                                            world_signal_callback callback, void *context)
{
    return world_signal(inner_of(world), signal, callback, context);
}

static void redirected_run(struct world *world, const bool *until)
{
    world_run(inner_of(world), until);
}

static const char *redirected_environment(struct world *world, const char *name)
{
    return world_environment(inner_of(world), name);
}

static void answer_free(struct answer *answer)
{
    DL_DELETE(answer->redirected->answers, answer);
    world_cancel(answer->redirected->inner, answer->timer);
    exchange_clear(&answer->exchange);
    message_exchange_clear(&answer->message);
    free(answer->failure);
    free(answer);
}

static void deliver(void *context)
{
    struct answer *answer = context;
    answer->timer = NULL;
    if (answer->on_http) {
        exchange_deliver(&answer->exchange, answer->on_http, answer->context);
    } else if (answer->on_message) {
        answer->on_message(answer->context, answer->message.failure, answer->message.bytes,
                           answer->message.length);
    } else {
        answer->on_connect(answer->context, answer->failure);
    }
    answer_free(answer);
}

static struct answer *answer_create(struct world *world, void *context)
{
    struct answer *answer = base_alloc(sizeof *answer);
    answer->base.owner = world;
    answer->redirected = redirected_of(world);
    answer->context = context;
    DL_APPEND(answer->redirected->answers, answer);
    return answer;
}

static struct world_task *redirected_http(struct world *world, const struct http_request *request,
                                          world_http_callback callback, void *context)
{
    struct redirected *redirected = redirected_of(world);
    struct answer *answer = answer_create(world, context);
    answer->on_http = callback;
    exchange_ask(&answer->exchange, &redirected->responder, redirected_utc(world), request, 0);
    answer->timer = redirected_timer(world, answer->exchange.delay_ms, deliver, answer);
    return &answer->base;
}

static struct world_task *redirected_connect(struct world *world, const char *host, int port,
                                             int64_t timeout_ms, world_connect_callback callback,
                                             void *context)
{
    struct redirected *redirected = redirected_of(world);
    struct answer *answer = answer_create(world, context);
    int64_t delay_ms;
    answer->on_connect = callback;
    answer->failure = exchange_connect(&redirected->responder, redirected_utc(world), host, port,
                                       timeout_ms, &delay_ms);
    answer->timer = redirected_timer(world, delay_ms, deliver, answer);
    return &answer->base;
}

static struct world_task *redirected_message(struct world *world,
                                             const struct message_request *request,
                                             world_message_callback callback, void *context)
{
    struct redirected *redirected = redirected_of(world);
    struct answer *answer = answer_create(world, context);
    answer->on_message = callback;
    message_exchange_ask(&answer->message, &redirected->responder, redirected_utc(world), request, 0);
    answer->timer = redirected_timer(world, answer->message.delay_ms, deliver, answer);
    return &answer->base;
}

static void redirected_cancel(struct world *world, struct world_task *task)
{
    if (task->owner != world) {
        world_cancel(inner_of(world), task);
        return;
    }
    struct answer *answer = (struct answer *)task;
    if (answer->timer) {
        answer_free(answer);
    } else { /* from within on_body: `deliver` frees it */
        answer->exchange.cancelled = true;
    }
}

static void redirected_destroy(struct world *world)
{
    struct redirected *redirected = redirected_of(world);
    for (struct answer *answer = redirected->answers, *next; answer; answer = next) {
        next = answer->next;
        answer_free(answer);
    }
    world_destroy(redirected->inner);
    free(redirected);
}

static const struct world_operations REDIRECTED = {
    .name = "redirected",
    .destroy = redirected_destroy,
    .monotonic_ms = redirected_monotonic,
    .utc_ms = redirected_utc,
    .random = redirected_random,
    .timer = redirected_timer,
    .defer = redirected_defer,
    .http = redirected_http,
    .connect = redirected_connect,
    .message = redirected_message,
    .work = redirected_work,
    .job = redirected_job,
    .signal = redirected_signal,
    .cancel = redirected_cancel,
    .run = redirected_run,
    .environment = redirected_environment,
};

struct world *world_redirected_create(struct world *inner, struct world_responder responder,
                                      double speed, int64_t inner_base_ms, int64_t utc_base_ms)
{
    assert(speed > 0);
    struct redirected *redirected = base_alloc(sizeof *redirected);
    redirected->base.operations = &REDIRECTED;
    redirected->base.inner = inner;
    redirected->inner = inner;
    redirected->responder = responder;
    redirected->speed = speed;
    redirected->inner_base_ms = inner_base_ms;
    redirected->utc_base_ms = utc_base_ms;
    return &redirected->base;
}
