/* Waits: one poller for each kind of object asks about all of its waits at once, whatever each of
 * them waits for. When it asks: early once, because some things are there at once; then, from
 * shortly before such waits use to end (expected, or learned in this run, action by action), every
 * 1/16 of the time they take, 1 to 5 s. Who is asked about takes those along that would have to
 * be asked about soon. While many requests are on their way the poller takes its time, because what
 * it would wake could not be sent. Waits that one question cannot serve (checks from the runner)
 * keep times of their own. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"
#include "runtime/world/world.h"

enum {
    POLL_EARLY_MS = 250,
    LESSONS_MAX = 64, /* older ones count less and less */
    EARLY_LOOKS = 3,  /* in vain: then nothing of that kind is there at once */
    FIRST_LOOK_MAX_MS = 60000,
    POLL_MIN_MS = 1000,
    POLL_MAX_MS = 5000,
    POLL_SLACK_MAX_MS = 5000,
    POLL_APART_MS = 250,       /* between polls of one poller */
    POLL_APART_BUSY_MS = 3000, /* limits hold requests back, or BUSY_REQUESTS are on their way */
    POLL_APART_FULL_MS = 5000, /* FULL_REQUESTS are */
    FULL_REQUESTS = 32,
};

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static bool is_shared(enum poll_kind poll)
{
    return poll > POLL_EACH;
}

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static enum action action_of(const struct executor *executor, uint32_t node)
{
    return executor->graph->nodes[node].action;
}

static struct poller *poller_of(struct executor *executor, uint32_t node)
{
    return &executor->pollers[action_info(action_of(executor, node))->poll];
}

static int64_t interval_of(const struct flight *flight)
{
    return call_int(&flight->call, "interval_ms", 0);
}

static int64_t started_monotonic_ms(const struct executor *executor, uint32_t node)
{
    return executor->session_start_ms + executor->nodes[node].status.started_ms - executor->base_ms;
}

/* How long such a wait takes. */
static int64_t usual_ms(const struct executor *executor, uint32_t node)
{
    const struct lesson *lesson = &executor->lessons[action_of(executor, node)];
    return lesson->count > 0 ? lesson->took_ms : executor->graph->nodes[node].expected_ms;
}

/* The age from which on a wait may well be over: where the ends of such waits lie close together,
 * close to them. */
static int64_t ripe_ms(const struct executor *executor, uint32_t node)
{
    const struct lesson *lesson = &executor->lessons[action_of(executor, node)];
    int64_t usual = usual_ms(executor, node);
    int64_t early = lesson->count > 0 ? usual - 2 * lesson->spread_ms : 0;
    return clamp(early, usual / 2, FIRST_LOOK_MAX_MS);
}

static int64_t first_poll_ms(struct executor *executor, uint32_t node, int64_t now)
{
    const struct lesson *lesson = &executor->lessons[action_of(executor, node)];
    if (!is_shared(action_info(action_of(executor, node))->poll) &&
        interval_of(executor->nodes[node].flight) > 0) {
        return now;
    }
    if (lesson->count == 0 && lesson->in_vain < EARLY_LOOKS) {
        return now + POLL_EARLY_MS;
    }
    return now + clamp(ripe_ms(executor, node), POLL_EARLY_MS, FIRST_LOOK_MAX_MS);
}

/* A sixteenth of what it takes and of what it may be late: a chain of waits, each noticed so late,
 * costs the run a sixteenth of its time, or nothing at all. */
static int64_t adapted_ms(const struct executor *executor, uint32_t node, int64_t age)
{
    const struct schedule *schedule = executor->options.schedule;
    int64_t usual = usual_ms(executor, node), ripe = ripe_ms(executor, node);
    int64_t slack = schedule ? schedule->entries[node].slack_ms : 0;
    if (age < ripe) {
        bool learned = executor->lessons[action_of(executor, node)].count > 0;
        return learned ? clamp(ripe - age, POLL_MIN_MS, FIRST_LOOK_MAX_MS)
                       : clamp(min_ms(ripe - age, 2 * age), POLL_EARLY_MS, FIRST_LOOK_MAX_MS);
    }
    int64_t interval = clamp((age > 2 * usual ? age : usual) / 16, POLL_MIN_MS, POLL_MAX_MS);
    return interval + clamp(slack / 16, 0, POLL_SLACK_MAX_MS);
}

static int64_t next_poll_ms(const struct executor *executor, uint32_t node, int64_t now)
{
    const struct node_run *run = &executor->nodes[node];
    int64_t interval = interval_of(run->flight);
    if (run->poll_failures > 0) {
        int shift = run->poll_failures < 6 ? run->poll_failures - 1 : 5;
        return now + min_ms((int64_t)1000 << shift, RETRY_MAX_MS);
    }
    if (interval > 0 && !is_shared(action_info(action_of(executor, node))->poll)) {
        return now + interval;
    }
    int64_t adapted = adapted_ms(executor, node, now - started_monotonic_ms(executor, node));
    return now + (interval > adapted ? interval : adapted);
}

/* Never later than the deadline, so that it is told in time. */
static void set_due(struct executor *executor, uint32_t node, int64_t due)
{
    struct node_run *run = &executor->nodes[node];
    struct poller *poller = poller_of(executor, node);
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

void waits_over(struct executor *executor, uint32_t node)
{
    if (action_of(executor, node) == ACTION_APPROVE) {
        approve_due(executor, node);
    } else {
        node_done(executor, node, NULL); /* a delay */
    }
}

void waits_start(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    if (!run->attempted) {
        run->attempted = true;
        record_wait(executor, node);
    }
    if (action_info(action_of(executor, node))->poll == POLL_NONE) {
        (action_of(executor, node) == ACTION_APPROVE ? approve_start : start_delay)(executor, node);
        return;
    }
    struct poller *poller = poller_of(executor, node);
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
    struct poller *poller = poller_of(executor, node);
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

/* Such waits end much sooner than was thought: nobody sleeps until then. */
static void hurry(struct executor *executor, struct poller *poller)
{
    int64_t now = world_monotonic_ms(executor->world);
    for (size_t i = 0; i < poller->count; i++) {
        uint32_t node = poller->nodes[i];
        if (!executor->nodes[node].polling && interval_of(executor->nodes[node].flight) == 0) {
            int64_t ripe = started_monotonic_ms(executor, node) + ripe_ms(executor, node);
            set_due(executor, node, min_ms(executor->nodes[node].due_ms, ripe > now ? ripe : now));
        }
    }
}

/* What is usual, and how far from it ends lie: averages. Waits that began together end in the order
 * of their lengths, so that the last ones alone would mislead. */
static void learn(struct executor *executor, uint32_t node)
{
    struct lesson *lesson = &executor->lessons[action_of(executor, node)];
    int64_t took = world_monotonic_ms(executor->world) - started_monotonic_ms(executor, node);
    int64_t usual = usual_ms(executor, node);
    int64_t off = took > usual ? took - usual : usual - took;
    if (lesson->count++ == 0) {
        lesson->took_ms = took;
        lesson->spread_ms = took / 4;
    } else {
        int64_t weight = lesson->count < LESSONS_MAX ? lesson->count : LESSONS_MAX;
        lesson->took_ms += (took - lesson->took_ms) / weight;
        lesson->spread_ms += (off - lesson->spread_ms) / weight;
    }
    if (2 * took < usual) {
        hurry(executor, poller_of(executor, node));
    }
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
    if (answered && executor->lessons[action_of(executor, node)].in_vain < EARLY_LOOKS) {
        executor->lessons[action_of(executor, node)].in_vain++;
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
    struct call_error gone;
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
        if (!again_try_anew(executor, node, &result->error)) {
            node_failed(executor, node, &result->error);
        }
        return;
    case OUTCOME_ABSENT:
        gone = result->error;
        gone.gone = true;
        if (!node_absent(executor, node, &gone)) {
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
    struct poller *poller = poller_of(executor, flight->node);
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

static int64_t poller_due_ms(const struct executor *executor, enum poll_kind poll)
{
    const struct poller *poller = &executor->pollers[poll];
    if (poller->count == 0 || poller->next_ms == INT64_MAX) {
        return INT64_MAX;
    }
    if (!is_shared(poll)) {
        return poller->next_ms;
    }
    if (poller->in_flight > 0) {
        return INT64_MAX;
    }
    int64_t earliest = poller->last_ms < 0 ? poller->next_ms : poller->last_ms + apart_ms(executor);
    return poller->next_ms > earliest ? poller->next_ms : earliest;
}

static void scratch_for(struct executor *executor, size_t count)
{
    if (count > executor->call_scratch_capacity) {
        executor->call_scratch_capacity = count * 2;
        executor->call_scratch = arena_alloc(executor->arena, executor->call_scratch_capacity *
                                                                  sizeof *executor->call_scratch);
    }
}

/* Those due by then that fit; how many are in the scratch. */
static size_t gather(struct executor *executor, struct poller *poller, size_t n, size_t most,
                     int64_t by_ms)
{
    for (size_t i = 0; i < poller->count && n < most; i++) {
        struct node_run *run = &executor->nodes[poller->nodes[i]];
        if (!run->polling && run->due_ms <= by_ms) {
            run->polling = true;
            run->flight->call.attempt = run->status.attempts++;
            executor->call_scratch[n++] = &run->flight->call;
        }
    }
    return n;
}

/* The first calls of the scratch, to whom each belongs: of one kind are those that several providers ask
 * about alone (EACH). */
static void hand_out(struct executor *executor, size_t n)
{
    struct call **calls = executor->call_scratch;
    for (size_t from = 0, to; from < n; from = to) {
        enum action_provider which = action_info(calls[from]->node->action)->provider;
        to = from + 1;
        for (size_t i = to; i < n; i++) {
            if (action_info(calls[i]->node->action)->provider == which) {
                struct call *call = calls[i];
                memmove(calls + to + 1, calls + to, (i - to) * sizeof *calls);
                calls[to++] = call;
            }
        }
        struct provider *provider = executor->options.providers[which];
        provider->poll(provider, calls + from, to - from, polled, executor);
    }
}

static void poll_waits(struct executor *executor, enum poll_kind poll, int64_t now)
{
    struct poller *poller = &executor->pollers[poll];
    scratch_for(executor, poller->count);
    size_t n = gather(executor, poller, 0, poller->count, now);
    if (n > 0 && is_shared(poll)) {
        /* The last request has room: what is due soon comes along. */
        size_t chunk = (size_t)action_info(executor->call_scratch[0]->node->action)->batch_max;
        n = gather(executor, poller, n, (n + chunk - 1) / chunk * chunk, now + POLL_MAX_MS);
    }
    recompute_next(executor, poller);
    if (n == 0) {
        return;
    }
    poller->last_ms = now;
    poller->in_flight += n;
    executor->polls_in_flight += n;
    hand_out(executor, n);
}

void waits_poll_due(struct executor *executor)
{
    int64_t now = world_monotonic_ms(executor->world);
    for (int poll = POLL_EACH; poll < POLL_COUNT; poll++) {
        if (poller_due_ms(executor, (enum poll_kind)poll) <= now) {
            poll_waits(executor, (enum poll_kind)poll, now);
        }
    }
}

int64_t waits_next_ms(const struct executor *executor)
{
    int64_t next = INT64_MAX;
    for (int poll = POLL_EACH; poll < POLL_COUNT; poll++) {
        next = min_ms(next, poller_due_ms(executor, (enum poll_kind)poll));
    }
    return next;
}
