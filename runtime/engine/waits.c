/* Waits: one poller for each action asks about all of its waits at once. When it asks: early once,
 * because some things are there at once; then, from half of the time that such waits take (expected,
 * or learned in this run), every 1/16 of it, 0.5 to 5 s. While many requests are on their way the
 * poller takes its time, because what it would wake could not be sent. Waits that one request cannot
 * share (batch_max 1, checks from the runner) keep times of their own. */
#include <stdint.h>
#include <stdlib.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"
#include "runtime/world/world.h"

enum {
    POLL_EARLY_MS = 250,
    POLL_MIN_MS = 500,
    POLL_MAX_MS = 5000,
    POLL_APART_MS = 250,       /* between polls of one poller */
    POLL_APART_BUSY_MS = 3000, /* limits hold requests back, or BUSY_REQUESTS are on their way */
    POLL_APART_FULL_MS = 5000, /* FULL_REQUESTS are */
    FULL_REQUESTS = 32,
};

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static bool is_shared(enum action action)
{
    const struct action_info *info = action_info(action);
    return info->batch_max > 1 && info->provider != PROVIDER_HOST;
}

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t interval_of(const struct flight *flight)
{
    return call_int(&flight->call, "interval_ms", 0);
}

static int64_t started_monotonic_ms(const struct executor *executor, uint32_t node)
{
    return executor->session_start_ms + executor->nodes[node].status.started_ms -
           executor->base_ms;
}

static int64_t first_poll_ms(const struct executor *executor, uint32_t node, int64_t now)
{
    enum action action = executor->graph->nodes[node].action;
    const struct poller *poller = &executor->pollers[action];
    if (!is_shared(action) && interval_of(executor->nodes[node].flight) > 0) {
        return now;
    }
    return now + (poller->learned_ms < 0 ? POLL_EARLY_MS
                                         : clamp(poller->learned_ms / 2, POLL_EARLY_MS, 60000));
}

static int64_t next_poll_ms(const struct executor *executor, uint32_t node, int64_t now)
{
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    const struct node_run *run = &executor->nodes[node];
    const struct poller *poller = &executor->pollers[graph_node->action];
    int64_t interval = interval_of(run->flight);
    if (run->poll_failures > 0) {
        int shift = run->poll_failures < 6 ? run->poll_failures - 1 : 5;
        return now + min_ms((int64_t)1000 << shift, RETRY_MAX_MS);
    }
    if (interval > 0) {
        return now + interval;
    }
    int64_t age = now - started_monotonic_ms(executor, node);
    int64_t usual = poller->learned_ms >= 0 ? poller->learned_ms : graph_node->expected_ms;
    if (age < usual / 2) {
        return now + clamp(min_ms(usual / 2 - age, 2 * age), POLL_EARLY_MS, 60000);
    }
    return now + clamp((age > 2 * usual ? age : usual) / 16, POLL_MIN_MS, POLL_MAX_MS);
}

/* Never later than the deadline, so that it is told in time. */
static void set_due(struct executor *executor, uint32_t node, int64_t due)
{
    struct node_run *run = &executor->nodes[node];
    struct poller *poller = &executor->pollers[executor->graph->nodes[node].action];
    int64_t now = world_monotonic_ms(executor->world);
    int64_t deadline = node_deadline_ms(executor, node);
    run->due_ms = min_ms(due, deadline > now ? deadline : now);
    poller->next_ms = min_ms(poller->next_ms, run->due_ms);
}

static void start_delay(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    struct call call = {.inputs = run->inputs, .input_count = run->input_count};
    run->due_ms = started_monotonic_ms(executor, node) + call_int(&call, "delay_ms", 0);
    heap_push(executor->arena, &executor->wakes, run->due_ms, node);
}

void waits_start(struct executor *executor, uint32_t node)
{
    enum action action = executor->graph->nodes[node].action;
    struct node_run *run = &executor->nodes[node];
    if (!run->attempted) {
        run->attempted = true;
        record_wait(executor, node);
    }
    if (action_info(action)->provider == PROVIDER_ENGINE) {
        start_delay(executor, node);
        return;
    }
    struct poller *poller = &executor->pollers[action];
    poller->nodes = arena_grow(executor->arena, poller->nodes, poller->count, &poller->capacity,
                               sizeof *poller->nodes);
    run->poller_index = (uint32_t)poller->count;
    poller->nodes[poller->count++] = node;
    run->flight = flight_create(executor, node, FLIGHT_POLL);
    set_due(executor, node, first_poll_ms(executor, node, world_monotonic_ms(executor->world)));
}

void waits_leave(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    if (!run->flight) {
        return;
    }
    struct poller *poller = &executor->pollers[executor->graph->nodes[node].action];
    uint32_t moved = poller->nodes[--poller->count];
    poller->nodes[run->poller_index] = moved;
    executor->nodes[moved].poller_index = run->poller_index;
    if (!run->polling) {
        flight_free(executor, run->flight); /* else when its answer comes */
    }
    run->flight = NULL;
}

static void recompute_next(struct executor *executor, struct poller *poller)
{
    poller->next_ms = INT64_MAX;
    for (size_t i = 0; i < poller->count; i++) {
        const struct node_run *run = &executor->nodes[poller->nodes[i]];
        if (!run->polling) {
            poller->next_ms = min_ms(poller->next_ms, run->due_ms);
        }
    }
}

/* --- answers --- */

static void learn(struct executor *executor, uint32_t node)
{
    struct poller *poller = &executor->pollers[executor->graph->nodes[node].action];
    int64_t took = world_monotonic_ms(executor->world) - started_monotonic_ms(executor, node);
    poller->learned_ms = poller->learned_ms < 0 ? took : (3 * poller->learned_ms + took) / 4;
}

static void still_waiting(struct executor *executor, uint32_t node,
                          const struct call_result *result, bool answered)
{
    struct node_run *run = &executor->nodes[node];
    int64_t now = world_monotonic_ms(executor->world);
    run->poll_failures = answered ? 0 : run->poll_failures + 1;
    bool changed = node_set_detail(executor, node, &result->error);
    if (run->detail && (changed || now >= run->seen_ms + SEEN_MS)) {
        run->seen_ms = now;
        record_seen(executor, node);
    }
    if (now >= node_deadline_ms(executor, node)) {
        node_failed_late(executor, node, &result->error);
    } else {
        set_due(executor, node, next_poll_ms(executor, node, now));
    }
}

static void act_on_poll(struct executor *executor, uint32_t node, const struct call_result *result)
{
    struct node_run *run = &executor->nodes[node];
    if (result->outcome != OUTCOME_ABSENT) {
        run->absent_since_ms = -1;
    }
    switch (result->outcome) {
    case OUTCOME_OK:
        learn(executor, node);
        node_done(executor, node, result);
        return;
    case OUTCOME_FATAL:
    case OUTCOME_EXHAUSTED:
        node_failed(executor, node, &result->error);
        return;
    case OUTCOME_ABSENT:
        if (!node_absent(executor, node, &result->error)) {
            still_waiting(executor, node, result, true);
        }
        return;
    case OUTCOME_THROTTLED:
        executor->counters.throttled += result->requests;
        still_waiting(executor, node, result, false);
        return;
    case OUTCOME_RETRY:
    case OUTCOME_UNKNOWN:
        still_waiting(executor, node, result, false);
        return;
    case OUTCOME_PENDING:
    case OUTCOME_CONFLICT:
        still_waiting(executor, node, result, true);
        return;
    }
}

static void polled(void *context, struct call *call, const struct call_result *result)
{
    struct executor *executor = context;
    struct flight *flight = (struct flight *)call;
    struct node_run *run = &executor->nodes[flight->node];
    struct poller *poller = &executor->pollers[call->node->action];
    executor->counters.requests += result->requests;
    executor->polls_in_flight--;
    poller->in_flight--;
    run->polling = false;
    if (run->flight != flight) {
        flight_free(executor, flight); /* given up meanwhile */
    } else {
        act_on_poll(executor, flight->node, result);
    }
    if (poller->in_flight == 0) {
        recompute_next(executor, poller);
    }
    executor_schedule_turn(executor);
}

/* --- asking --- */

static int64_t apart_ms(const struct executor *executor)
{
    if (executor->requests_in_flight >= FULL_REQUESTS) {
        return POLL_APART_FULL_MS;
    }
    bool busy = executor->requests_in_flight >= BUSY_REQUESTS || executor->starved;
    return busy ? POLL_APART_BUSY_MS : POLL_APART_MS;
}

static int64_t poller_due_ms(const struct executor *executor, enum action action)
{
    const struct poller *poller = &executor->pollers[action];
    if (poller->count == 0 || poller->next_ms == INT64_MAX) {
        return INT64_MAX;
    }
    if (!is_shared(action)) {
        return poller->next_ms;
    }
    if (poller->in_flight > 0) {
        return INT64_MAX;
    }
    int64_t earliest =
        poller->last_ms < 0 ? poller->next_ms : poller->last_ms + apart_ms(executor);
    return poller->next_ms > earliest ? poller->next_ms : earliest;
}

static void poll_waits(struct executor *executor, enum action action, int64_t now)
{
    struct poller *poller = &executor->pollers[action];
    bool all = is_shared(action);
    size_t n = 0;
    if (poller->count > executor->call_scratch_capacity) {
        executor->call_scratch_capacity = poller->count * 2;
        executor->call_scratch = arena_alloc(
            executor->arena, executor->call_scratch_capacity * sizeof *executor->call_scratch);
    }
    for (size_t i = 0; i < poller->count; i++) {
        struct node_run *run = &executor->nodes[poller->nodes[i]];
        if (!run->polling && (all || run->due_ms <= now)) {
            run->polling = true;
            run->flight->call.attempt = run->status.attempts++;
            executor->call_scratch[n++] = &run->flight->call;
        }
    }
    recompute_next(executor, poller);
    if (n == 0) {
        return;
    }
    poller->last_ms = now;
    poller->in_flight += n;
    executor->polls_in_flight += n;
    struct provider *provider = executor->options.providers[action_info(action)->provider];
    provider->poll(provider, executor->call_scratch, n, polled, executor);
}

void waits_poll_due(struct executor *executor)
{
    int64_t now = world_monotonic_ms(executor->world);
    for (int action = 1; action < ACTION_COUNT; action++) {
        if (poller_due_ms(executor, (enum action)action) <= now) {
            poll_waits(executor, (enum action)action, now);
        }
    }
}

int64_t waits_next_ms(const struct executor *executor)
{
    int64_t next = INT64_MAX;
    for (int action = 1; action < ACTION_COUNT; action++) {
        next = min_ms(next, poller_due_ms(executor, (enum action)action));
    }
    return next;
}
