/* The executor's turn: what has come in is taken into account, what can start is admitted, one group
 * is committed, and only then requests and polls go out and events are told. */
#include "runtime/engine/executor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"
#include "runtime/engine/limits.h"
#include "runtime/state/journal.h"
#include "runtime/state/lease.h"

const char *node_state_name(enum node_state state)
{
    static const char *const names[] = {
        [NODE_BLOCKED] = "blocked",   [NODE_READY] = "ready", [NODE_RUNNING] = "running",
        [NODE_RETRYING] = "retrying", [NODE_DONE] = "done",   [NODE_FAILED] = "failed",
        [NODE_SKIPPED] = "skipped",
    };
    return names[state];
}

int64_t executor_alive_ms(const struct executor *executor)
{
    int64_t now = executor->stalled_ms >= 0 ? executor->stalled_ms
                                            : world_monotonic_ms(executor->world);
    return executor->base_ms + now - executor->session_start_ms;
}

enum run_status run_status_after(enum executor_result result)
{
    switch (result) {
    case EXECUTOR_SUCCEEDED:
        return RUN_SUCCEEDED;
    case EXECUTOR_FAILED:
        return RUN_FAILED;
    case EXECUTOR_CANCELLED:
        return RUN_CANCELLED;
    case EXECUTOR_WAITING:
        return RUN_WAITING;
    case EXECUTOR_INTERRUPTED:
    case EXECUTOR_BROKEN:
    case EXECUTOR_LOST:
    case EXECUTOR_DAMAGED:
        break;
    }
    return RUN_INTERRUPTED;
}

/* --- events --- */

void executor_queue_event(struct executor *executor, enum executor_event_type type, int32_t node,
                          const char *text)
{
    if (!executor->options.observer) {
        return;
    }
    executor->events = arena_grow(executor->arena, executor->events, executor->event_count,
                                  &executor->event_capacity, sizeof *executor->events);
    executor->events[executor->event_count++] =
        (struct queued_event){.type = type, .node = node, .text = text};
}

void executor_tell_events(struct executor *executor)
{
    for (size_t i = 0; i < executor->event_committed; i++) {
        const struct queued_event *queued = &executor->events[i];
        struct executor_event event = {
            .type = queued->type,
            .utc_ms = world_utc_ms(executor->world),
            .node = queued->node < 0 ? NULL : &executor->graph->nodes[queued->node],
            .status = queued->node < 0 ? NULL : &executor->nodes[queued->node].status,
            .text = queued->text,
            .decision = queued->decision,
        };
        executor->options.observer(executor->options.observer_context, &event);
    }
    executor->event_count -= executor->event_committed;
    if (executor->event_count > 0) { /* of the next group */
        memmove(executor->events, executor->events + executor->event_committed,
                executor->event_count * sizeof *executor->events);
    }
    executor->event_committed = 0;
}

/* --- the turn --- */

static void finish(struct executor *executor, enum executor_event_type type, const char *result)
{
    if (!executor->concluded) {
        executor->concluded = true;
        record_end(executor, result);
        executor_queue_event(executor, type, NO_NODE, result);
    }
}

static void wake_due(struct executor *executor)
{
    int64_t now = world_monotonic_ms(executor->world);
    while (executor->wakes.count > 0 && executor->wakes.items[0].key <= now) {
        struct heap_item item = heap_pop(&executor->wakes);
        struct node_run *run = &executor->nodes[item.node];
        if (run->due_ms != item.key) {
            continue;
        }
        if (run->status.state == NODE_RETRYING) {
            ready_push(executor, item.node);
        } else if (run->status.state == NODE_RUNNING) {
            waits_over(executor, item.node);
        }
    }
}

/* Some of them are of nodes that have ended otherwise. */
static bool is_current(const struct executor *executor, const struct heap_item *wake)
{
    const struct node_run *run = &executor->nodes[wake->node];
    return run->due_ms == wake->key &&
           (run->status.state == NODE_RUNNING || run->status.state == NODE_RETRYING);
}

static bool something_wakes(const struct executor *executor)
{
    for (size_t i = 0; i < executor->wakes.count; i++) {
        if (is_current(executor, &executor->wakes.items[i])) {
            return true;
        }
    }
    return false;
}

static bool nothing_moves(const struct executor *executor)
{
    return executor->unfinished > 0 && executor->calls_in_flight == 0 &&
           executor->polls_in_flight == 0 && executor->limits_wake_ms < 0 &&
           waits_next_ms(executor) == INT64_MAX && !something_wakes(executor);
}

static void advance(struct executor *executor)
{
    wake_due(executor);
    if (executor->interrupts > 0) {
        policy_propagate(executor);
        return;
    }
    do {
        ready_start(executor);
    } while (nothing_moves(executor) && pool_fail_stuck(executor));
    if (nothing_moves(executor)) {
        error_set(&executor->error, "the run came to a halt with %zu actions left: this is a bug of drc",
                  executor->unfinished);
        executor->broken = executor->concluded = true;
    }
    approve_note_status(executor);
}

static bool all_landed(const struct executor *executor)
{
    return executor->calls_in_flight == 0 && executor->polls_in_flight == 0 &&
           executor->outgoing_count == 0;
}

static void check_end(struct executor *executor)
{
    int64_t now = world_monotonic_ms(executor->world);
    bool patience_over = executor->patience_ms >= 0 && now >= executor->patience_ms;
    if (executor->unfinished == 0 && all_landed(executor)) {
        bool failed = policy_run_failed(executor);
        finish(executor, EVENT_RUN_ENDED, failed ? "failed" : "succeeded");
    } else if (executor->interrupts > 1 ||
               (executor->interrupts > 0 && (all_landed(executor) || patience_over))) {
        finish(executor, EVENT_INTERRUPTED, executor->cancelled ? "cancelled" : "interrupted");
    } else if (executor->options.no_wait && executor->awaits_people) {
        finish(executor, EVENT_INTERRUPTED, "waiting");
    }
}

static void heartbeat(struct executor *executor)
{
    int64_t now = world_monotonic_ms(executor->world);
    if (executor->options.observer && !executor->concluded && now >= executor->heartbeat_ms) {
        executor->heartbeat_ms = now + HEARTBEAT_MS;
        executor_queue_event(executor, EVENT_HEARTBEAT, NO_NODE, NULL);
    }
}

static void turn(void *context);

static int64_t sooner(int64_t a, int64_t b)
{
    return b >= 0 && b < a ? b : a;
}

static int64_t next_wake_ms(const struct executor *executor)
{
    int64_t next = executor->options.observer ? executor->heartbeat_ms : INT64_MAX;
    next = sooner(next, executor->patience_ms);
    if (executor->interrupts > 0 || executor->committing) {
        return next;
    }
    if (executor->wakes.count > 0) {
        next = sooner(next, executor->wakes.items[0].key);
    }
    next = sooner(next, executor->limits_wake_ms);
    next = sooner(next, notes_next_ms(executor));
    return sooner(next, waits_next_ms(executor));
}

static void timer_rang(void *context)
{
    struct executor *executor = context;
    executor->timer = NULL;
    executor_schedule_turn(executor);
}

static void arm_timer(struct executor *executor)
{
    int64_t due = executor->finished ? INT64_MAX : next_wake_ms(executor);
    if (executor->timer && executor->timer_due_ms == due) {
        return;
    }
    if (executor->timer) {
        world_cancel(executor->world, executor->timer);
        executor->timer = NULL;
    }
    if (due < INT64_MAX) {
        int64_t delay = due - world_monotonic_ms(executor->world);
        executor->timer_due_ms = due;
        executor->timer =
            world_timer(executor->world, delay > 0 ? delay : 0, timer_rang, executor);
    }
}

static void turn(void *context)
{
    struct executor *executor = context;
    executor->turn_task = NULL;
    if (executor->finished) {
        return;
    }
    if (executor->committing) {
        commit_wait(executor);
    } else {
        advance(executor);
        check_end(executor);
        heartbeat(executor);
        notes_journal(executor);
        commit_turn(executor);
    }
    arm_timer(executor);
}

void executor_schedule_turn(struct executor *executor)
{
    if (executor->running && !executor->turn_task && !executor->finished) {
        executor->turn_task = world_defer(executor->world, turn, executor);
    }
}

/* --- making and running --- */

static bool check_providers(const struct executor_options *options, struct error *error)
{
    for (uint32_t i = 0; i < options->graph->node_count; i++) {
        const struct action_info *info = action_info(options->graph->nodes[i].action);
        if (info->provider == PROVIDER_ENGINE) {
            continue;
        }
        if (!options->providers[info->provider]) {
            return error_set(error, "starting the run: nothing carries out %s (node %s)", info->name,
                             options->graph->nodes[i].id);
        }
    }
    for (int i = PROVIDER_ENGINE + 1; i < PROVIDER_COUNT; i++) {
        if (options->providers[i] && !provider_check(options->providers[i], error)) {
            return false;
        }
    }
    return true;
}

static void make_nodes(struct executor *executor)
{
    size_t count = executor->graph->node_count;
    executor->nodes = ARENA_ARRAY(executor->arena, struct node_run, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct node_run *run = &executor->nodes[i];
        run->status.started_ms = run->status.ended_ms = -1;
        run->status.cause = NO_NODE;
        run->slot = -1;
        run->sent_utc_ms = run->absent_since_ms = -1;
    }
    for (int i = 0; i < POLL_COUNT; i++) {
        executor->pollers[i].next_ms = INT64_MAX;
        executor->pollers[i].last_ms = -1;
    }
    for (int i = 0; i < ACTION_COUNT; i++) {
        executor->batch_sent_ms[i] = -1;
    }
    executor->pools = ARENA_ARRAY(executor->arena, struct pool_run, executor->graph->pool_count + 1);
    for (size_t i = 0; i < executor->graph->pool_count; i++) {
        int capacity = executor->graph->pools[i].capacity;
        executor->pools[i].free = capacity;
        executor->pools[i].taken = ARENA_ARRAY(executor->arena, bool, (size_t)capacity + 1);
    }
}

struct executor *executor_create(const struct executor_options *options, struct error *error)
{
    if (!check_providers(options, error)) {
        return NULL;
    }
    struct executor *executor = base_alloc(sizeof *executor);
    executor->options = *options;
    executor->graph = options->graph;
    executor->world = options->world;
    executor->arena = arena_create();
    executor->budget = retry_budget_full();
    executor->limits_wake_ms = executor->patience_ms = executor->stalled_ms = -1;
    executor->unfinished = executor->counters.total = options->graph->node_count;
    executor->session_start_ms = world_monotonic_ms(options->world);
    make_nodes(executor);
    edges_build(executor);
    if (!resume_replay(executor, error)) {
        executor_destroy(executor);
        return NULL;
    }
    again_count_blockers(executor);
    return executor;
}

static enum executor_result result_of(const struct executor *executor)
{
    if (executor->unfinished > 0) {
        return executor->cancelled         ? EXECUTOR_CANCELLED
               : executor->interrupts == 0 ? EXECUTOR_WAITING
                                           : EXECUTOR_INTERRUPTED;
    }
    return policy_run_failed(executor) ? EXECUTOR_FAILED : EXECUTOR_SUCCEEDED;
}

enum executor_result executor_run(struct executor *executor, struct error *error)
{
    executor->session_start_ms = world_monotonic_ms(executor->world);
    executor->heartbeat_ms = executor->session_start_ms + HEARTBEAT_MS;
    executor->running = true;
    record_session(executor);
    executor_queue_event(executor, executor->resumed ? EVENT_RUN_RESUMED : EVENT_RUN_STARTED,
                         NO_NODE, executor->options.again_count ? "named" : NULL);
    executor_schedule_turn(executor);
    if (executor->options.lease) {
        lease_watch(executor->options.lease, commit_lease_lost, executor);
    }
    world_run(executor->world, &executor->finished);
    if (executor->options.lease) {
        lease_watch(executor->options.lease, NULL, NULL);
    }
    journal_abandon(executor->options.journal);
    executor->running = false;
    if (executor->broken) {
        error_move(error, &executor->error);
        return executor->lost ? EXECUTOR_LOST : EXECUTOR_BROKEN;
    }
    if (!executor->finished) {
        error_set(error, "the run was left with %zu actions to do: nothing answers any more",
                  executor->unfinished);
        return EXECUTOR_BROKEN;
    }
    return result_of(executor);
}

static void interrupt_providers(struct executor *executor)
{
    for (int i = PROVIDER_ENGINE + 1; i < PROVIDER_COUNT; i++) {
        struct provider *provider = executor->options.providers[i];
        if (provider && provider->interrupt) {
            provider->interrupt(provider);
        }
    }
}

void executor_interrupt(struct executor *executor)
{
    if (executor->interrupts++ == 0) {
        executor->patience_ms = world_monotonic_ms(executor->world) + INTERRUPT_PATIENCE_MS;
        interrupt_providers(executor);
    }
    executor_schedule_turn(executor);
}

const char *executor_node_id(const struct executor *executor, uint32_t node)
{
    return executor->graph->nodes[node].id;
}

const struct node_status *executor_status(const struct executor *executor, uint32_t node)
{
    return &executor->nodes[node].status;
}

struct executor_counters executor_counters(const struct executor *executor)
{
    return executor->counters;
}

void executor_destroy(struct executor *executor)
{
    if (!executor) {
        return;
    }
    if (executor->turn_task) {
        world_cancel(executor->world, executor->turn_task);
    }
    if (executor->timer) {
        world_cancel(executor->world, executor->timer);
    }
    for (size_t i = 0; i < executor->graph->node_count; i++) {
        struct node_run *run = &executor->nodes[i];
        free(run->detail);
        free(run->help);
        free(run->code);
        free(run->service);
        free(run->request_id);
        free(run->kept);
    }
    error_clear(&executor->error);
    arena_destroy(executor->arena);
    free(executor);
}
