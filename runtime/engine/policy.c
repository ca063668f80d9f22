/* Policy: what the end of a node means for others. A failed node fails its VM; VMs that depend on it
 * are skipped because of it; independent ones are finished; guards run if what they guard was
 * attempted. */
#include <stdlib.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"

bool node_is_final(enum node_state state)
{
    return state == NODE_DONE || state == NODE_FAILED || state == NODE_SKIPPED;
}

bool node_has_token(const struct executor *executor, uint32_t node)
{
    enum action_resend resend = action_info(executor->graph->nodes[node].action)->resend;
    return resend == RESEND_TOKEN || resend == RESEND_NAME;
}

void policy_ended(struct executor *executor, uint32_t node)
{
    executor->unfinished--;
    executor->ended = arena_grow(executor->arena, executor->ended, executor->ended_count,
                                 &executor->ended_capacity, sizeof *executor->ended);
    executor->ended[executor->ended_count++] = node;
}

static bool counts_as_done(const struct node_run *run)
{
    return run->status.state == NODE_DONE || (run->status.state == NODE_FAILED && run->forgiven);
}

bool policy_not_needed(const struct executor *executor, uint32_t node)
{
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    int32_t guarded = executor->nodes[node].guarded;
    bool not_needed = false;
    if (guarded != NO_NODE && graph_is_for_failure(graph_node) &&
        executor->nodes[guarded].status.state == NODE_FAILED && !executor->nodes[guarded].in_doubt) {
        return true; /* it was refused: there is nothing to take back */
    }
    for (uint32_t e = 0; e < graph_node->after_count; e++) {
        if (graph_node->after[e].when == WHEN_FAILED) {
            if (!counts_as_done(&executor->nodes[graph_node->after[e].node])) {
                return false;
            }
            not_needed = true;
        }
    }
    return not_needed;
}

int32_t policy_ended_with(const struct executor *executor, uint32_t node)
{
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    for (uint32_t e = 0; graph_node->continue_on_failure && e < graph_node->after_count; e++) {
        uint32_t before = graph_node->after[e].node;
        const struct node_run *run = &executor->nodes[before];
        if (graph_node->after[e].when == WHEN_OK &&
            (run->status.state == NODE_FAILED || run->status.state == NODE_SKIPPED)) {
            return (int32_t)before;
        }
    }
    return NO_NODE;
}

static void skip(struct executor *executor, uint32_t node, int32_t cause)
{
    struct node_run *run = &executor->nodes[node];
    run->status.cause = cause;
    run->status.state = NODE_SKIPPED;
    run->status.ended_ms = executor_alive_ms(executor);
    if (!run->attempted) {
        pool_release(executor, node);
    }
    record_skipped(executor, node);
    executor->counters.skipped++;
    waits_leave(executor, node);
    policy_ended(executor, node);
    executor_queue_event(executor, EVENT_NODE_SKIPPED, (int32_t)node, NULL);
}

/* A guard is for later to decide, and what may have happened has to be found out first. */
static bool can_be_skipped(const struct node_run *run)
{
    switch (run->status.state) {
    case NODE_BLOCKED:
    case NODE_READY:
    case NODE_RETRYING:
        return run->guarded == NO_NODE && !run->in_doubt;
    default:
        return false;
    }
}

/* Nobody is left who would go on after this wait. */
static bool is_idle_wait(const struct executor *executor, uint32_t node)
{
    const struct node_run *run = &executor->nodes[node];
    if (run->status.state != NODE_RUNNING || run->guarded != NO_NODE ||
        action_info(executor->graph->nodes[node].action)->effect != EFFECT_WAIT) {
        return false;
    }
    for (uint32_t s = executor->successor_start[node]; s < executor->successor_start[node + 1]; s++) {
        if (!node_is_final(executor->nodes[executor->successors[s].node].status.state)) {
            return false;
        }
    }
    return true;
}

void policy_fail_vm(struct executor *executor, uint32_t node, int32_t cause)
{
    int32_t vm = executor->graph->nodes[node].vm;
    if (vm == NO_VM || executor->vm_failed[vm] != NO_NODE) {
        return;
    }
    executor->vm_failed[vm] = cause;
    executor_queue_event(executor, EVENT_VM_FAILED, (int32_t)node, NULL);
    uint32_t end = executor->vm_start[vm + 1];
    for (uint32_t i = executor->vm_start[vm]; i < end; i++) {
        if (can_be_skipped(&executor->nodes[executor->vm_nodes[i]])) {
            skip(executor, executor->vm_nodes[i], cause);
        }
    }
    for (uint32_t i = executor->vm_start[vm]; i < end; i++) {
        if (is_idle_wait(executor, executor->vm_nodes[i])) {
            skip(executor, executor->vm_nodes[i], cause);
        }
    }
}

bool policy_vm_failed(const struct executor *executor, uint32_t node)
{
    int32_t vm = executor->graph->nodes[node].vm;
    return vm != NO_VM && executor->vm_failed[vm] != NO_NODE;
}

bool policy_give_up(struct executor *executor, uint32_t node)
{
    int32_t vm = executor->graph->nodes[node].vm;
    if (vm == NO_VM || executor->vm_failed[vm] == NO_NODE ||
        !can_be_skipped(&executor->nodes[node])) {
        return false;
    }
    skip(executor, node, executor->vm_failed[vm]);
    return true;
}

/* A guard of what was never made has nothing to take back. */
static bool lacks_its_object(const struct executor *executor, uint32_t node)
{
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    int32_t guarded = executor->nodes[node].guarded;
    if (executor->nodes[guarded].status.state == NODE_DONE) {
        return false;
    }
    for (uint32_t i = 0; i < graph_node->input_count; i++) {
        const struct value *value = &graph_node->inputs[i].value;
        if (value->kind == VALUE_OUTPUT && value->node == guarded) {
            return true;
        }
    }
    return false;
}

/* All before it has ended. A node of a failed VM goes on only as a guard. */
static void unblocked(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    int32_t vm = executor->graph->nodes[node].vm;
    int32_t cause = run->status.cause;
    if (run->guarded != NO_NODE &&
        (!executor->nodes[run->guarded].attempted || lacks_its_object(executor, node))) {
        const struct node_status *guarded = &executor->nodes[run->guarded].status;
        cause = guarded->state == NODE_SKIPPED ? guarded->cause : run->guarded;
    } else if (run->guarded == NO_NODE && vm != NO_VM && executor->vm_failed[vm] != NO_NODE) {
        cause = executor->vm_failed[vm];
    }
    if (cause != NO_NODE) {
        skip(executor, node, cause);
    } else {
        ready_push(executor, node);
    }
}

/* A step that may fail takes a value of another VM, which has failed: the step fails, and not its VM. */
static bool may_fail_without(const struct executor *executor, uint32_t before, uint32_t node)
{
    const struct graph *graph = executor->graph;
    int32_t other = graph->nodes[before].vm, own = graph->nodes[node].vm;
    return graph->nodes[node].continue_on_failure && other != NO_VM && own != NO_VM &&
           other != own && executor->vm_failed[own] == NO_NODE;
}

static void tell(struct executor *executor, uint32_t before, const struct successor *successor,
                 bool done, int32_t cause)
{
    struct node_run *run = &executor->nodes[successor->node];
    run->blockers--;
    if (run->status.state != NODE_BLOCKED) {
        return;
    }
    if (!done && successor->when == WHEN_OK && run->status.cause == NO_NODE &&
        !may_fail_without(executor, before, successor->node)) {
        run->status.cause = cause;
    }
    if (run->status.cause != NO_NODE && run->guarded == NO_NODE) {
        skip(executor, successor->node, run->status.cause);
        policy_fail_vm(executor, successor->node, run->status.cause);
    } else if (run->blockers == 0) {
        unblocked(executor, successor->node);
    }
}

void policy_propagate(struct executor *executor)
{
    for (size_t i = 0; i < executor->ended_count; i++) {
        uint32_t node = executor->ended[i];
        const struct node_run *run = &executor->nodes[node];
        bool done = counts_as_done(run);
        int32_t cause = run->status.state == NODE_SKIPPED ? run->status.cause : (int32_t)node;
        if (!done && run->status.state == NODE_FAILED) {
            policy_fail_vm(executor, node, (int32_t)node);
        }
        for (uint32_t s = executor->successor_start[node]; s < executor->successor_start[node + 1];
             s++) {
            tell(executor, node, &executor->successors[s], done, cause);
        }
    }
    executor->ended_count = 0;
}

bool policy_run_failed(const struct executor *executor)
{
    const struct graph *graph = executor->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct node_run *run = &executor->nodes[i];
        int32_t vm = graph->nodes[i].vm;
        bool critical = vm == NO_VM || graph->vms[vm].critical;
        if (run->status.state == NODE_FAILED && !run->forgiven && critical) {
            return true;
        }
        if (run->status.state == NODE_SKIPPED && vm != NO_VM && critical) {
            return true;
        }
    }
    return false;
}
