/* Decide: what people ask of a run while it goes on: journalled, acted on, and told once durable. */
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/error.h"
#include "runtime/engine/decision.h"
#include "runtime/engine/executor_state.h"

static const struct decision *note(struct executor *executor, const struct decision *decision,
                                   int32_t node)
{
    struct decision *kept = decision_copy(executor->arena, decision);
    decision_record(executor->options.journal, kept, node, executor_alive_ms(executor));
    executor_queue_event(executor, EVENT_DECISION, node, NULL);
    if (executor->event_count > 0) {
        struct queued_event *event = &executor->events[executor->event_count - 1];
        event->decision = event->type == EVENT_DECISION ? kept : NULL;
    }
    executor_schedule_turn(executor);
    return kept;
}

static void refuse(struct executor *executor, const struct decision *decision, const char *why)
{
    struct decision refused = *decision;
    refused.refused = why;
    note(executor, &refused, NO_NODE);
}

static const struct node_status *status_of(const void *context, uint32_t node)
{
    return executor_status(context, node);
}

static struct executor *open_for(struct executor *executor)
{
    return executor->running && !executor->concluded && !executor->broken ? executor : NULL;
}

/* What was still to come is told of its end; what was skipped because of it is taken up again. */
static void waive(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    bool ended = node_is_final(run->status.state);
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    run->status.state = NODE_DONE;
    run->status.ended_ms = executor_alive_ms(executor);
    if (run->status.started_ms < 0) {
        run->status.started_ms = run->status.ended_ms;
    }
    run->in_doubt = false;
    run->status.cause = NO_NODE;
    waits_leave(executor, node);
    if (graph_node->acquire != NO_POOL) {
        pool_release(executor, node);
    }
    if (graph_node->release != NO_POOL && run->holder != NO_NODE) {
        pool_release(executor, (uint32_t)run->holder);
    }
    executor_queue_event(executor, EVENT_NODE_DONE, (int32_t)node, NULL);
    if (ended) {
        policy_propagate(executor);
        again_freed(executor);
    } else {
        executor->counters.done++;
        policy_ended(executor, node);
    }
}

bool executor_skip(struct executor *executor, const struct decision *decision)
{
    if (!open_for(executor)) {
        return false;
    }
    struct error error = {0};
    const struct graph_node *node =
        decision->target ? decision_find_node(executor->graph, decision->target, &error) : NULL;
    if (node && decision_may_skip(executor->graph, status_of, executor, node->index, &error)) {
        executor->nodes[node->index].status.waived = note(executor, decision, (int32_t)node->index);
        waive(executor, node->index);
    } else {
        refuse(executor, decision, error.message ? error.message : "no action is named");
    }
    error_clear(&error);
    return true;
}

bool executor_cancel(struct executor *executor, const struct decision *decision)
{
    if (!open_for(executor)) {
        return false;
    }
    note(executor, decision, NO_NODE);
    executor->cancelled = true;
    if (executor->interrupts == 0) {
        executor_interrupt(executor);
    }
    return true;
}

bool executor_approve(struct executor *executor, const struct decision *decision)
{
    if (!open_for(executor)) {
        return false;
    }
    struct error error = {0};
    int32_t node = approve_find(executor, decision->target, &error);
    if (node == NO_NODE) {
        refuse(executor, decision, error.message);
    } else {
        struct decision approved = *decision;
        approved.target = executor->graph->nodes[node].id;
        note(executor, &approved, node);
        executor->nodes[node].due_ms = -1; /* no later end of it counts */
        node_done(executor, (uint32_t)node, NULL);
    }
    error_clear(&error);
    return true;
}

bool executor_refuse(struct executor *executor, const struct decision *decision)
{
    if (!open_for(executor)) {
        return false;
    }
    note(executor, decision, NO_NODE);
    return true;
}
