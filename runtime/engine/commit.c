/* The end of a turn: its group is committed, and then, not before, requests and polls go out and
 * events are told. In a local state that is done at once. Where the state is shared it takes its time:
 * until then no turn is made, and what comes in is of the next group. */
#include <string.h>

#include "compiler/base/error.h"
#include "runtime/engine/executor_state.h"
#include "runtime/state/journal.h"
#include "runtime/state/lease.h"

enum { STALL_MS = 5000 }; /* longer than that no store takes when it is well */

/* While the state does not answer nothing can be sent, so nothing can be late: alive time stands still. */
static void stall_begin(struct executor *executor)
{
    if (executor->stalled_ms < 0) {
        executor->stalled_ms = world_monotonic_ms(executor->world);
    }
}

static void stall_end(struct executor *executor)
{
    if (executor->stalled_ms >= 0) {
        executor->session_start_ms += world_monotonic_ms(executor->world) - executor->stalled_ms;
        executor->stalled_ms = -1;
    }
}

/* Past the queue: what is told of the state cannot wait for it. */
static void tell_now(struct executor *executor, enum executor_event_type type, const char *text)
{
    struct executor_event event = {
        .type = type, .utc_ms = world_utc_ms(executor->world), .text = text};
    if (executor->options.observer) {
        executor->options.observer(executor->options.observer_context, &event);
    }
}

/* The run goes no further here. Takes the error. */
static void break_off(struct executor *executor, struct error *error)
{
    if (!executor->broken) {
        error_move(&executor->error, error);
        executor->broken = true;
    }
    executor->committing = false;
    executor->concluded = executor->finished = true;
}

static void break_off_because(struct executor *executor, const struct error *error)
{
    struct error copy = {0};
    error_set(&copy, "%s", error->message);
    if (error->help) {
        error_help(&copy, "%s", error->help);
    }
    tell_now(executor, EVENT_STATE_LOST, error->message);
    break_off(executor, &copy);
    error_clear(&copy);
}

static void send_on(void *context)
{
    struct executor *executor = context;
    if (executor->finished) {
        return; /* broken off meanwhile */
    }
    bool waited = executor->committing;
    stall_end(executor);
    executor->committing = false;
    executor->finished = executor->concluded;
    ready_send(executor);
    if (executor->interrupts == 0 && !executor->finished) {
        waits_poll_due(executor);
    }
    executor_tell_events(executor);
    if (waited) {
        executor_schedule_turn(executor); /* for what came in */
    }
}

/* Durable. A process that slept (stopped, suspended) may have been taken for dead meanwhile: before it
 * sends anything it makes sure that the run is still its own. */
static void go_on(struct executor *executor)
{
    struct lease *lease = executor->options.lease;
    if (lease && !lease_is_sure(lease)) {
        executor->committing = true;
        stall_begin(executor);
        lease_assure(lease, send_on, executor);
        return;
    }
    send_on(executor);
}

static void committed(void *context, const struct error *error)
{
    struct executor *executor = context;
    if (executor->finished) {
        return;
    }
    if (error) {
        executor->lost = journal_is_lost(executor->options.journal);
        break_off_because(executor, error);
        return;
    }
    executor->counters.commits++;
    go_on(executor);
}

static void waiting(void *context, const char *why)
{
    struct executor *executor = context;
    stall_begin(executor);
    tell_now(executor, EVENT_STATE_WAITS, why);
}

void commit_turn(struct executor *executor)
{
    struct journal *journal = executor->options.journal;
    struct error error = {0};
    executor->event_committed = executor->event_count;
    if (executor->broken) {
        executor->finished = true;
        journal_commit(journal, NULL); /* what has come in */
    } else if (!journal_is_dirty(journal)) {
        go_on(executor);
    } else {
        record_tick(executor);
        if (journal_is_shared(journal)) {
            executor->committing = true;
            executor->committing_ms = world_monotonic_ms(executor->world);
            if (!journal_commit_begin(journal, committed, waiting, executor, &error)) {
                break_off(executor, &error);
            }
        } else if (journal_commit(journal, &error)) {
            executor->counters.commits++;
            go_on(executor);
        } else {
            break_off(executor, &error);
        }
    }
}

/* A turn while a commit is on its way: only whoever wants to stop is heard. */
void commit_wait(struct executor *executor)
{
    int64_t now = world_monotonic_ms(executor->world);
    if (now >= executor->committing_ms + STALL_MS) {
        stall_begin(executor);
    }
    if (executor->options.observer && now >= executor->heartbeat_ms) {
        executor->heartbeat_ms = now + HEARTBEAT_MS;
        tell_now(executor, EVENT_HEARTBEAT, NULL);
    }
    if (executor->interrupts > 1 ||
        (executor->patience_ms >= 0 && now >= executor->patience_ms)) {
        struct error error = {0};
        error_set(&error, "interrupted while the state did not answer");
        break_off(executor, &error);
    }
}

void commit_lease_lost(void *context, const struct error *lost)
{
    struct executor *executor = context;
    if (!executor->finished) {
        executor->lost = true;
        break_off_because(executor, lost);
    }
}
