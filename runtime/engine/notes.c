/* Notes: what calls that take long tell while they work: how far they are, what they want to be given
 * again when they are tried again, and what their scripts write. Shown at once, journalled from
 * time to time. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"
#include "runtime/state/journal.h"
#include "runtime/world/world.h"

static int64_t apart_ms(const struct executor *executor)
{
    return journal_is_shared(executor->options.journal) ? NOTES_APART_SHARED_MS : NOTES_APART_MS;
}

static bool may_be_kept(const char *text)
{
    size_t length = strnlen(text, CALL_KEEP_MAX + 1);
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return length <= CALL_KEEP_MAX;
}

static void keep(struct node_run *run, const char *text)
{
    if (text && may_be_kept(text)) {
        free(run->kept);
        run->kept = base_strdup(text);
    }
}

void notes_take(struct call *call, const struct call_note *note)
{
    struct executor *executor = call->context;
    uint32_t node = ((struct flight *)call)->node;
    struct node_run *run = &executor->nodes[node];
    executor->counters.requests += note->requests;
    if (run->status.state != NODE_RUNNING || executor->finished) {
        return; /* nobody waits for it any more */
    }
    keep(run, note->keep);
    run->status.done_bytes = note->done > 0 ? note->done : 0;
    run->status.total_bytes = note->total > 0 ? note->total : 0;
    node_set_progress(executor, node, note->text);
    if (!run->noted) {
        run->noted = true;
        if (executor->noted_count++ == 0) {
            int64_t due = executor->notes_due_ms, now = world_monotonic_ms(executor->world);
            executor->notes_due_ms = due > now ? due : now;
        }
    }
    executor_schedule_turn(executor);
}

void notes_output(struct call *call, const void *bytes, size_t length)
{
    struct executor *executor = call->context;
    struct flight *flight = (struct flight *)call;
    if (executor->options.output && !executor->finished) {
        executor->options.output(executor->options.output_context, call->node, call->generation,
                                 !flight->said, bytes, length);
        flight->said = length > 0;
    }
}

static void journal_one(struct executor *executor, uint32_t node)
{
    executor->nodes[node].noted = false;
    executor->noted_count--;
    record_note(executor, node);
}

void notes_journal(struct executor *executor)
{
    int64_t now = world_monotonic_ms(executor->world);
    if (executor->noted_count == 0 || now < executor->notes_due_ms) {
        return;
    }
    for (uint32_t i = 0; executor->noted_count > 0 && i < executor->graph->node_count; i++) {
        if (executor->nodes[i].noted) {
            journal_one(executor, i);
        }
    }
    executor->notes_due_ms = now + apart_ms(executor);
}

void notes_landed(struct executor *executor, uint32_t node)
{
    if (executor->nodes[node].noted) {
        journal_one(executor, node);
    }
}

int64_t notes_next_ms(const struct executor *executor)
{
    return executor->noted_count > 0 ? executor->notes_due_ms : INT64_MAX;
}

void notes_forget(struct node_run *run)
{
    free(run->kept);
    run->kept = NULL;
    run->status.done_bytes = run->status.total_bytes = 0;
}
