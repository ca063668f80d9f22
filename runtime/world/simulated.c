/* The simulated world. A turn runs what is due at the present moment, then what was deferred; time
 * jumps to the next event when neither is left. */
#include "runtime/world/simulated.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "runtime/world/event_heap.h"
#include "runtime/world/exchange.h"
#include "runtime/world/prng.h"
#include "runtime/world/request_copy.h"
#include "runtime/world/simulated_jobs.h"
#include "runtime/world/task.h"
#include "runtime/world/weather.h"

enum { CONNECT_TIMEOUT_MS = 10000 };

/* A ghost is a request without anybody who waits for its answer. */
enum kind {
    KIND_TIMER,
    KIND_DEFER,
    KIND_HTTP,
    KIND_CONNECT,
    KIND_MESSAGE,
    KIND_WORK,
    KIND_JOB,
    KIND_SIGNAL,
    KIND_GHOST
};

struct task {
    struct world_task base;
    struct event event;
    enum kind kind;
    bool queued;    /* in the heap */
    bool running;   /* its callback is on the stack */
    bool cancelled; /* meanwhile */
    bool dead;      /* its process was killed: it waits to be cancelled */
    void *context;
    world_callback callback; /* timer, defer; work: done */
    world_callback work;
    world_http_callback on_http;
    const struct http_request *request;
    bool arrived; /* the request is at the responder: what comes next is the answer */
    struct exchange exchange;
    world_message_callback on_message;
    const struct message_request *message; /* also a ghost's */
    struct message_exchange message_exchange;
    world_connect_callback on_connect;
    char *host;
    int port;
    int64_t timeout_ms;
    char *failure;
    world_job_callback on_job;
    void (*on_output)(void *context, const void *bytes, size_t length);
    const struct simulated_job *job; /* NULL: there is none */
    world_signal_callback on_signal;
    int signal;
    int arrivals;
    struct task **list; /* tasks, or deferred while it waits there */
    struct task *prev, *next;
};

struct variable {
    char *name, *value;
    struct variable *next;
};

struct simulated {
    struct world base;
    struct world_responder responder;
    struct prng random, fate; /* apart, so that faults do not depend on what is drawn by drc */
    int64_t now_ms, utc_base_ms;
    uint64_t sequence;
    struct event_heap heap;
    struct task *tasks;    /* all but those that wait in */
    struct task *deferred; /* this, in order, and those of killed processes in */
    struct task *dead;
    struct variable *environment;
    struct simulated_faults faults;
    struct simulated_counts counts;
    struct weather weather;
    struct simulated_jobs jobs;
    size_t pending;
    int64_t events_left;
};

static struct simulated *simulated_of(struct world *world)
{
    return (struct simulated *)world;
}

static struct task *task_of_event(struct event *event)
{
    return (struct task *)((char *)event - offsetof(struct task, event));
}

static void schedule(struct simulated *sim, struct task *task, int64_t delay_ms)
{
    task->event.due_ms = sim->now_ms + delay_ms;
    task->event.sequence = sim->sequence++;
    task->queued = true;
    event_heap_push(&sim->heap, &task->event);
}

static bool is_pending(const struct task *task)
{
    return task->kind != KIND_SIGNAL && task->kind != KIND_GHOST && !task->dead;
}

static struct task *task_create(struct simulated *sim, enum kind kind, void *context)
{
    struct task *task = base_alloc(sizeof *task);
    task->base.owner = &sim->base;
    task->kind = kind;
    task->context = context;
    task->list = kind == KIND_DEFER ? &sim->deferred : &sim->tasks;
    DL_APPEND(*task->list, task);
    sim->pending += is_pending(task);
    return task;
}

static void task_free(struct simulated *sim, struct task *task)
{
    if (task->queued) {
        event_heap_remove(&sim->heap, &task->event);
    }
    DL_DELETE(*task->list, task);
    sim->pending -= is_pending(task);
    if (task->kind == KIND_GHOST) {
        request_free((struct http_request *)task->request);
        message_request_free((struct message_request *)task->message);
    }
    exchange_clear(&task->exchange);
    message_exchange_clear(&task->message_exchange);
    free(task->host);
    free(task->failure);
    free(task);
}

static void simulated_cancel(struct world *world, struct world_task *base)
{
    struct task *task = (struct task *)base;
    if (task->running) { /* from within on_body, or a signal's own callback */
        task->cancelled = true;
        task->exchange.cancelled = true;
    } else {
        task_free(simulated_of(world), task);
    }
}

static int64_t simulated_monotonic(struct world *world)
{
    return simulated_of(world)->now_ms;
}

static int64_t servers_utc(const struct simulated *sim)
{
    return sim->utc_base_ms + sim->now_ms;
}

static int64_t simulated_utc(struct world *world)
{
    const struct simulated *sim = simulated_of(world);
    return servers_utc(sim) + weather_skew_ms(&sim->weather, sim->now_ms);
}

static void simulated_random(struct world *world, void *bytes, size_t length)
{
    prng_fill(&simulated_of(world)->random, bytes, length);
}

static struct world_task *simulated_timer(struct world *world, int64_t delay_ms,
                                          world_callback callback, void *context)
{
    struct task *task = task_create(simulated_of(world), KIND_TIMER, context);
    task->callback = callback;
    schedule(simulated_of(world), task, delay_ms);
    return &task->base;
}

static struct world_task *simulated_defer(struct world *world, world_callback callback,
                                          void *context)
{
    struct task *task = task_create(simulated_of(world), KIND_DEFER, context);
    task->callback = callback;
    task->event.sequence = simulated_of(world)->sequence++;
    return &task->base;
}

static struct world_task *simulated_work(struct world *world, world_callback run,
                                         world_callback done, void *context)
{
    struct task *task = task_create(simulated_of(world), KIND_WORK, context);
    task->work = run;
    task->callback = done;
    schedule(simulated_of(world), task, 0);
    return &task->base;
}

static struct world_task *simulated_job(struct world *world, const struct job_request *request,
                                        world_job_callback callback, void *context)
{
    struct simulated *sim = simulated_of(world);
    struct task *task = task_create(sim, KIND_JOB, context);
    task->on_job = callback;
    task->on_output = request->on_output;
    task->job = simulated_jobs_take(&sim->jobs, &sim->fate, request, sim->faults.failed_job,
                                    sim->now_ms);
    int64_t delay_ms = task->job ? task->job->ends_ms - sim->now_ms : 0;
    schedule(sim, task, delay_ms > 0 ? delay_ms : 0);
    return &task->base;
}

static void job_ends(struct task *task)
{
    struct job_status status = {.state = JOB_NONE};
    status = task->job ? task->job->status : status;
    if (task->on_output && status.output_bytes > 0) {
        task->on_output(task->context, SIMULATED_JOB_SAID, sizeof SIMULATED_JOB_SAID - 1);
    }
    if (!task->cancelled) {
        task->on_job(task->context, &status);
    }
}

static struct world_task *simulated_signal(struct world *world, int signal,
                                           world_signal_callback callback, void *context)
{
    struct task *task = task_create(simulated_of(world), KIND_SIGNAL, context);
    task->on_signal = callback;
    task->signal = signal;
    return &task->base;
}

/* Box and Muller's normal deviate, as the exponent. */
static int64_t tail(struct simulated *sim)
{
    const struct simulated_faults *faults = &sim->faults;
    if (faults->latency_median_ms <= 0) {
        return 0;
    }
    const double turn = 6.283185307179586;
    double radius = sqrt(-2 * log(1 - prng_fraction(&sim->fate)));
    double normal = radius * cos(turn * prng_fraction(&sim->fate));
    return (int64_t)(faults->latency_median_ms * exp(faults->latency_sigma * normal));
}

static int64_t latency(struct simulated *sim)
{
    const struct simulated_faults *faults = &sim->faults;
    int64_t even_ms = faults->latency_max_ms > 0
                          ? prng_range(&sim->fate, faults->latency_min_ms, faults->latency_max_ms)
                          : 0;
    return even_ms + tail(sim);
}

static bool strikes(struct simulated *sim, double probability, int64_t *count)
{
    bool strikes = prng_chance(&sim->fate, probability);
    *count += strikes;
    return strikes;
}

static struct world_task *simulated_http(struct world *world, const struct http_request *request,
                                         world_http_callback callback, void *context)
{
    struct simulated *sim = simulated_of(world);
    struct task *task = task_create(sim, KIND_HTTP, context);
    task->on_http = callback;
    task->request = request;
    schedule(sim, task, latency(sim));
    return &task->base;
}

static struct world_task *simulated_connect(struct world *world, const char *host, int port,
                                            int64_t timeout_ms, world_connect_callback callback,
                                            void *context)
{
    struct simulated *sim = simulated_of(world);
    struct task *task = task_create(sim, KIND_CONNECT, context);
    task->on_connect = callback;
    task->host = base_strdup(host);
    task->port = port;
    task->timeout_ms = timeout_ms;
    schedule(sim, task, latency(sim));
    return &task->base;
}

static struct world_task *simulated_message(struct world *world,
                                            const struct message_request *request,
                                            world_message_callback callback, void *context)
{
    struct simulated *sim = simulated_of(world);
    struct task *task = task_create(sim, KIND_MESSAGE, context);
    task->on_message = callback;
    task->message = request;
    schedule(sim, task, latency(sim));
    return &task->base;
}

static void lose(struct simulated *sim, struct task *task)
{
    exchange_clear(&task->exchange);
    if (prng_chance(&sim->fate, 0.5)) {
        exchange_fail(&task->exchange, task->request, HTTP_TIMED_OUT, "no answer in time", 0);
    } else {
        exchange_fail(&task->exchange, task->request, HTTP_BROKEN, "connection reset by peer",
                      latency(sim));
    }
}

static void break_down(struct simulated *sim, struct task *task)
{
    exchange_clear(&task->exchange);
    exchange_answer(&task->exchange, task->request, 500,
                    "<html><body><h1>500 Internal Server Error</h1></body></html>", latency(sim));
}

static void send_ghost(struct simulated *sim, const struct task *of, int64_t delay_ms)
{
    struct task *ghost = task_create(sim, KIND_GHOST, NULL);
    ghost->request = of->request ? request_copy(of->request) : NULL;
    ghost->message = of->message ? message_request_copy(of->message) : NULL;
    schedule(sim, ghost, delay_ms);
}

static void ghost_arrives(struct simulated *sim, struct task *ghost)
{
    if (ghost->request) {
        exchange_ask(&ghost->exchange, &sim->responder, servers_utc(sim), ghost->request, 0);
    } else {
        message_exchange_ask(&ghost->message_exchange, &sim->responder, servers_utc(sim), ghost->message, 0);
    }
    task_free(sim, ghost);
}

static void carry_out(struct simulated *sim, struct task *task)
{
    const struct simulated_faults *faults = &sim->faults;
    if (strikes(sim, faults->duplicated, &sim->counts.duplicated)) {
        send_ghost(sim, task, prng_range(&sim->fate, 0, faults->duplicated_within_ms));
    }
    exchange_ask(&task->exchange, &sim->responder, servers_utc(sim), task->request, latency(sim));
    if (strikes(sim, faults->lost_answer, &sim->counts.lost_answers)) {
        lose(sim, task);
    } else if (strikes(sim, faults->error_after, &sim->counts.errors_after)) {
        break_down(sim, task);
    }
}

/* The request is where it was sent to; what becomes of it there is drawn. */
static void request_arrives(struct simulated *sim, struct task *task)
{
    const struct simulated_faults *faults = &sim->faults;
    struct simulated_counts *counts = &sim->counts;
    counts->requests++;
    if (weather_is_silent(&sim->weather, task->request->url, sim->now_ms)) {
        counts->silenced++;
        exchange_fail(&task->exchange, task->request, HTTP_TIMED_OUT, "no answer in time", 0);
    } else if (strikes(sim, faults->unreachable, &counts->unreachable)) {
        exchange_fail(&task->exchange, task->request, HTTP_UNREACHABLE, "connection refused", 0);
    } else if (strikes(sim, faults->lost_request, &counts->lost_requests)) {
        lose(sim, task);
    } else if (strikes(sim, faults->error_before, &counts->errors_before)) {
        break_down(sim, task);
    } else {
        carry_out(sim, task);
    }
    task->arrived = true;
    schedule(sim, task, task->exchange.delay_ms);
}

/* As with HTTP, but that there is no page for an error. */
static void message_arrives(struct simulated *sim, struct task *task)
{
    const struct simulated_faults *faults = &sim->faults;
    struct simulated_counts *counts = &sim->counts;
    counts->requests++;
    if (weather_is_silent(&sim->weather, task->message->host, sim->now_ms)) {
        counts->silenced++;
        message_exchange_silence(&task->message_exchange, task->message);
    } else if (strikes(sim, faults->lost_request, &counts->lost_requests)) {
        message_exchange_silence(&task->message_exchange, task->message);
    } else {
        if (strikes(sim, faults->duplicated, &counts->duplicated)) {
            send_ghost(sim, task, prng_range(&sim->fate, 0, faults->duplicated_within_ms));
        }
        message_exchange_ask(&task->message_exchange, &sim->responder, servers_utc(sim), task->message,
                             latency(sim));
        if (strikes(sim, faults->lost_answer, &counts->lost_answers)) {
            message_exchange_silence(&task->message_exchange, task->message);
        }
    }
    task->arrived = true;
    schedule(sim, task, task->message_exchange.delay_ms);
}

static void dial_arrives(struct simulated *sim, struct task *task)
{
    int64_t delay_ms = 0;
    if (weather_is_silent(&sim->weather, task->host, sim->now_ms)) {
        sim->counts.silenced++;
        task->failure = base_strdup("timed out");
        delay_ms = task->timeout_ms > 0 ? task->timeout_ms : CONNECT_TIMEOUT_MS;
    } else if (strikes(sim, sim->faults.refused_dial, &sim->counts.refused_dials)) {
        task->failure = base_strdup("connection refused");
    } else {
        task->failure = exchange_connect(&sim->responder, servers_utc(sim), task->host, task->port,
                                         task->timeout_ms, &delay_ms);
    }
    task->arrived = true;
    schedule(sim, task, delay_ms);
}

/* Calls back each time the signal has come; the task goes on unless cancelled. */
static void fire_signal(struct simulated *sim, struct task *task)
{
    task->running = true;
    for (; task->arrivals > 0 && !task->cancelled; task->arrivals--) {
        task->on_signal(task->context, task->signal);
    }
    task->running = false;
    if (task->cancelled) {
        task_free(sim, task);
    }
}

static void fire(struct simulated *sim, struct task *task)
{
    if (task->queued) {
        event_heap_remove(&sim->heap, &task->event);
        task->queued = false;
    }
    if (task->kind == KIND_SIGNAL) {
        fire_signal(sim, task);
        return;
    }
    if (task->kind == KIND_HTTP && !task->arrived) {
        request_arrives(sim, task);
        return;
    }
    if (task->kind == KIND_CONNECT && !task->arrived) {
        dial_arrives(sim, task);
        return;
    }
    if (task->kind == KIND_MESSAGE && !task->arrived) {
        message_arrives(sim, task);
        return;
    }
    if (task->kind == KIND_GHOST) {
        ghost_arrives(sim, task);
        return;
    }
    task->running = true;
    switch (task->kind) {
    case KIND_HTTP:
        exchange_deliver(&task->exchange, task->on_http, task->context);
        break;
    case KIND_CONNECT:
        task->on_connect(task->context, task->failure);
        break;
    case KIND_MESSAGE:
        task->on_message(task->context, task->message_exchange.failure, task->message_exchange.bytes,
                         task->message_exchange.length);
        break;
    case KIND_WORK:
        task->work(task->context);
        task->callback(task->context);
        break;
    case KIND_JOB:
        job_ends(task);
        break;
    default:
        task->callback(task->context);
        break;
    }
    task_free(sim, task);
}

static bool stopped(struct simulated *sim, const bool *until)
{
    return (until && *until) || sim->events_left == 0;
}

static void count_event(struct simulated *sim)
{
    sim->events_left -= sim->events_left > 0;
}

/* What became due or deferred during a phase waits for the next one: as in an event loop. */
static void run_due(struct simulated *sim, const bool *until)
{
    uint64_t limit = sim->sequence;
    struct event *event;
    while (!stopped(sim, until) && (event = event_heap_first(&sim->heap)) &&
           event->due_ms <= sim->now_ms && event->sequence < limit) {
        count_event(sim);
        fire(sim, task_of_event(event));
    }
}

static void run_deferred(struct simulated *sim, const bool *until)
{
    uint64_t limit = sim->sequence;
    struct task *task;
    while (!stopped(sim, until) && (task = sim->deferred) && task->event.sequence < limit) {
        count_event(sim);
        DL_DELETE(sim->deferred, task); /* a nested run must not meet it again */
        task->list = &sim->tasks;
        DL_APPEND(sim->tasks, task);
        fire(sim, task);
    }
}

static void simulated_run(struct world *world, const bool *until)
{
    struct simulated *sim = simulated_of(world);
    while (!stopped(sim, until)) {
        struct event *event = event_heap_first(&sim->heap);
        if (!sim->deferred) {
            if (!event) {
                break;
            }
            sim->now_ms = event->due_ms > sim->now_ms ? event->due_ms : sim->now_ms;
        }
        run_due(sim, until);
        run_deferred(sim, until);
    }
}

static const char *simulated_environment(struct world *world, const char *name)
{
    for (struct variable *v = simulated_of(world)->environment; v; v = v->next) {
        if (strcmp(v->name, name) == 0) {
            return v->value;
        }
    }
    return NULL;
}

void world_simulated_set_environment(struct world *world, const char *name, const char *value)
{
    struct simulated *sim = simulated_of(world);
    for (struct variable *v = sim->environment; v; v = v->next) {
        if (strcmp(v->name, name) == 0) {
            LL_DELETE(sim->environment, v);
            free(v->name); /* may be `name` itself */
            free(v->value);
            free(v);
            break;
        }
    }
    if (value) { /* `name` is the caller's then, and still there */
        struct variable *added = base_alloc(sizeof *added);
        added->name = base_strdup(name);
        added->value = base_strdup(value);
        LL_PREPEND(sim->environment, added);
    }
}

void world_simulated_set_faults(struct world *world, const struct simulated_faults *faults)
{
    assert(faults->latency_min_ms >= 0 && faults->latency_min_ms <= faults->latency_max_ms);
    simulated_of(world)->faults = *faults;
}

void world_simulated_power_cut(struct world *world)
{
    simulated_jobs_die(&simulated_of(world)->jobs, simulated_of(world)->now_ms);
}

struct simulated_counts world_simulated_counts(const struct world *world)
{
    const struct simulated *sim = (const struct simulated *)world;
    struct simulated_counts counts = sim->counts;
    counts.jobs = sim->jobs.begun;
    counts.failed_jobs = sim->jobs.failed;
    return counts;
}

void world_simulated_silence(struct world *world, const char *host, int64_t from_ms,
                             int64_t until_ms)
{
    weather_add_silence(&simulated_of(world)->weather, host, from_ms, until_ms);
}

void world_simulated_jump(struct world *world, int64_t at_ms, int64_t by_ms)
{
    weather_add_jump(&simulated_of(world)->weather, at_ms, by_ms);
}

void world_simulated_raise(struct world *world, int signal)
{
    struct simulated *sim = simulated_of(world);
    for (struct task *task = sim->tasks; task; task = task->next) {
        if (task->kind == KIND_SIGNAL && task->signal == signal && task->arrivals++ == 0) {
            schedule(sim, task, 0);
        }
    }
}

size_t world_simulated_pending(struct world *world)
{
    return simulated_of(world)->pending;
}

void world_simulated_stop_after(struct world *world, int64_t events)
{
    simulated_of(world)->events_left = events;
}

bool world_simulated_stopped(struct world *world)
{
    return simulated_of(world)->events_left == 0;
}

/* Cancelling is still allowed, calling back is not. */
static void bury(struct simulated *sim, struct task *task)
{
    if (task->queued) {
        event_heap_remove(&sim->heap, &task->event);
        task->queued = false;
    }
    sim->pending -= is_pending(task);
    task->dead = true;
    DL_DELETE(*task->list, task);
    task->list = &sim->dead;
    DL_APPEND(sim->dead, task);
}

void world_simulated_kill(struct world *world, double arrives)
{
    struct simulated *sim = simulated_of(world);
    struct task *last = sim->tasks ? sim->tasks->prev : NULL; /* before ghosts come behind it */
    for (struct task *task = sim->tasks, *next; task; task = task == last ? NULL : next) {
        next = task->next;
        if (task->kind == KIND_GHOST) {
            continue;
        }
        bool sent = task->kind == KIND_HTTP || task->kind == KIND_MESSAGE;
        if (sent && !task->arrived && prng_chance(&sim->fate, arrives)) {
            sim->counts.ghosts++;
            send_ghost(sim, task, task->event.due_ms - sim->now_ms);
        }
        bury(sim, task);
    }
    for (struct task *task = sim->deferred, *next; task; task = next) {
        next = task->next;
        bury(sim, task);
    }
    sim->events_left = -1;
}

static void free_all(struct simulated *sim, struct task *task)
{
    for (struct task *next; task; task = next) {
        next = task->next;
        task_free(sim, task);
    }
}

static void simulated_destroy(struct world *world)
{
    struct simulated *sim = simulated_of(world);
    free_all(sim, sim->deferred);
    free_all(sim, sim->tasks);
    free_all(sim, sim->dead);
    while (sim->environment) {
        world_simulated_set_environment(world, sim->environment->name, NULL);
    }
    event_heap_free(&sim->heap);
    weather_free(&sim->weather);
    simulated_jobs_free(&sim->jobs);
    free(sim);
}

static const struct world_operations SIMULATED = {
    .name = "simulated",
    .destroy = simulated_destroy,
    .monotonic_ms = simulated_monotonic,
    .utc_ms = simulated_utc,
    .random = simulated_random,
    .timer = simulated_timer,
    .defer = simulated_defer,
    .http = simulated_http,
    .connect = simulated_connect,
    .message = simulated_message,
    .work = simulated_work,
    .job = simulated_job,
    .signal = simulated_signal,
    .cancel = simulated_cancel,
    .run = simulated_run,
    .environment = simulated_environment,
};

struct world *world_simulated_create(uint64_t seed, int64_t utc_ms,
                                     struct world_responder responder)
{
    struct simulated *sim = base_alloc(sizeof *sim);
    sim->base.operations = &SIMULATED;
    sim->responder = responder;
    sim->random = prng_seeded(seed);
    sim->fate = prng_seeded(~seed);
    sim->utc_base_ms = utc_ms;
    sim->events_left = -1;
    return &sim->base;
}
