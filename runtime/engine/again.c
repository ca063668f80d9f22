/* Again: which of the nodes that have ended are taken up again, and how: all that failed or was
 * skipped when a run is resumed, those that are named (retry), those that a decision frees. Their
 * dependants go with them; what a guard has undone meanwhile is done anew. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/error.h"
#include "runtime/engine/decision.h"
#include "runtime/engine/executor_state.h"

struct choice {
    struct executor *executor;
    bool *chosen; /* by node: taken up again */
    bool *bad;    /* by VM: it stays failed or skipped */
};

static bool stays(const struct node_run *run)
{
    return run->status.state == NODE_DONE || (run->status.state == NODE_FAILED && run->forgiven);
}

static struct choice choice_make(struct executor *executor)
{
    return (struct choice){
        .executor = executor,
        .chosen = base_alloc(executor->graph->node_count + 1),
        .bad = base_alloc(executor->graph->vm_count + 1),
    };
}

static void choice_free(struct choice *choice)
{
    free(choice->chosen);
    free(choice->bad);
}

/* --- which --- */

static void choose_unfinished(struct choice *choice, bool ended_too)
{
    const struct executor *executor = choice->executor;
    for (uint32_t i = 0; i < executor->graph->node_count; i++) {
        const struct node_run *run = &executor->nodes[i];
        choice->chosen[i] =
            ended_too ? !stays(run) : !node_is_final(run->status.state);
    }
}

static void find_bad_vms(struct choice *choice)
{
    const struct executor *executor = choice->executor;
    memset(choice->bad, 0, executor->graph->vm_count);
    for (uint32_t i = 0; i < executor->graph->node_count; i++) {
        const struct node_run *run = &executor->nodes[i];
        int32_t vm = executor->graph->nodes[i].vm;
        if (vm != NO_VM && run->status.state == NODE_FAILED && !stays(run) && !choice->chosen[i]) {
            choice->bad[vm] = true;
        }
    }
}

/* Something that it needs stays failed or skipped. */
static bool stays_blocked(const struct choice *choice, const struct graph_node *node)
{
    const struct executor *executor = choice->executor;
    for (uint32_t e = 0; e < node->after_count; e++) {
        uint32_t before = node->after[e].node;
        const struct node_run *run = &executor->nodes[before];
        if (node->after[e].when == WHEN_OK && node_is_final(run->status.state) && !stays(run) &&
            !choice->chosen[before]) {
            return true;
        }
    }
    return false;
}

static bool is_freed(const struct choice *choice, uint32_t index)
{
    const struct graph_node *node = &choice->executor->graph->nodes[index];
    int32_t guarded = choice->executor->nodes[index].guarded;
    if (guarded != NO_NODE) {
        return choice->chosen[guarded];
    }
    return !(node->vm != NO_VM && choice->bad[node->vm]) && !stays_blocked(choice, node);
}

/* Skipped nodes whose reason is gone. A VM of which one node stays skipped stays so as a whole: so
 * again, until nothing changes. */
static void choose_freed(struct choice *choice)
{
    const struct executor *executor = choice->executor;
    bool changed = true;
    find_bad_vms(choice);
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < executor->graph->node_count; i++) {
            int32_t vm = executor->graph->nodes[i].vm;
            if (executor->nodes[i].status.state != NODE_SKIPPED) {
                continue;
            }
            choice->chosen[i] = is_freed(choice, i);
            bool own = executor->nodes[i].guarded == NO_NODE;
            if (!choice->chosen[i] && own && vm != NO_VM && !choice->bad[vm]) {
                choice->bad[vm] = changed = true;
            }
        }
    }
}

/* --- named --- */

static const struct node_status *status_of(const void *context, uint32_t node)
{
    return executor_status(context, node);
}

/* A VM is taken up with all that failed in it. */
static void choose_vm(struct choice *choice, int32_t vm)
{
    const struct executor *executor = choice->executor;
    for (uint32_t i = executor->vm_start[vm]; i < executor->vm_start[vm + 1]; i++) {
        const struct node_run *run = &executor->nodes[executor->vm_nodes[i]];
        choice->chosen[executor->vm_nodes[i]] |= run->status.state == NODE_FAILED && !stays(run);
    }
}

static bool choose_named(struct choice *choice, const char *name, struct error *error)
{
    const struct executor *executor = choice->executor;
    struct decision_target target;
    if (!decision_may_retry(executor->graph, status_of, executor, name, &target, error)) {
        return false;
    }
    if (target.vm != NO_VM) {
        choose_vm(choice, target.vm);
    } else {
        choice->chosen[target.node] = true;
    }
    return true;
}

/* --- taking up --- */

static bool is_wait(const struct executor *executor, uint32_t node)
{
    return action_info(executor->graph->nodes[node].action)->effect == EFFECT_WAIT;
}

/* What runs on the runner: only there is an end in failure the call's own; of put-blocks and
 * complete-snapshot it is what an earlier node made that is gone, and is made anew. */
static bool is_script(const struct executor *executor, uint32_t node)
{
    const struct action_info *info = action_info(executor->graph->nodes[node].action);
    return info->provider == PROVIDER_HOST && info->effect != EFFECT_WAIT;
}

/* What was under way keeps its start, because its deadline counts alive time over all sessions;
 * what had ended gets its whole time again. Without a token that stands for its request, that may be
 * another one then: with another slot. */
static void take_up(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    bool ended = run->status.state == NODE_FAILED || run->status.state == NODE_SKIPPED;
    if (ended) {
        run->status.started_ms = run->status.ended_ms = -1;
        run->status.attempts = 0;
        run->attempted = run->attempted && !is_wait(executor, node);
        run->digest = node_has_token(executor, node) ? run->digest : 0;
    }
    bool ran = run->gone && is_script(executor, node); /* another one, not that again */
    if (run->exhausted || ran) {
        run->exhausted = false;
        run->gone = run->gone && !ran;
        run->status.choice = 0;
        run->status.generation++;
        run->digest = 0;
        notes_forget(run);
        record_next(executor, node, "next");
    }
    run->status.state = NODE_BLOCKED;
    run->status.cause = NO_NODE;
    run->resends = false; /* looked up first */
    run->inputs = NULL; /* what they came from may be done anew */
    run->absent_since_ms = -1;
    run->refusals = ended ? 0 : run->refusals;
    run->poll_failures = 0;
}

static void redo(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    run->status.generation++;
    run->status.choice = 0;
    run->status.state = NODE_BLOCKED;
    run->status.started_ms = run->status.ended_ms = -1;
    run->status.attempts = 0;
    run->digest = 0;
    run->output_count = 0;
    run->attempted = run->in_doubt = run->resends = false;
    run->slot = -1;
    run->inputs = NULL;
    run->status.cause = NO_NODE;
    run->status.waived = NULL;
    run->status.unneeded = false;
    notes_forget(run);
    record_next(executor, node, "redo");
}

/* A guard has done its work because something between it and what it guards failed: a volume was
 * detached, a slot given back. What it guards has to be done anew, with all that rests on it. */
static bool is_undone(const struct choice *choice, uint32_t index)
{
    const struct graph_node *node = &choice->executor->graph->nodes[index];
    const struct node_run *run = &choice->executor->nodes[index];
    bool takes_nothing_back = action_info(node->action)->effect == EFFECT_LOCAL; /* but a place */
    if (run->guarded == NO_NODE || run->status.state != NODE_DONE || takes_nothing_back) {
        return false;
    }
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (choice->chosen[node->after[e].node]) {
            return true;
        }
    }
    return false;
}

/* A thing, or a command that runs on an instance. */
static bool makes(enum action action)
{
    return action_info(action)->effect == EFFECT_CREATE || action == ACTION_SEND_SCRIPT ||
           action == ACTION_SEND_CHECK;
}

/* What made the thing that a wait waits for; NO_NODE. */
static int32_t maker_of(const struct graph *graph, uint32_t wait)
{
    const struct graph_node *node = &graph->nodes[wait];
    bool of_command = node->action == ACTION_WAIT_SCRIPT;
    for (uint32_t i = 0; i < node->input_count; i++) {
        const struct value *value = &node->inputs[i].value;
        if (value->kind == VALUE_OUTPUT && makes(graph->nodes[value->node].action) &&
            (!of_command || strcmp(value->text, "command_id") == 0)) {
            return value->node;
        }
    }
    return NO_NODE;
}

/* What is done to a snapshot under way goes into that one alone, and is done again with it. */
static bool stays_within(const struct executor *executor, uint32_t maker)
{
    return executor->graph->nodes[maker].action == ACTION_START_SNAPSHOT;
}

/* Anything but a wait has been done with it: then other things may have gone with it, or be attached
 * to it, and only a rollback takes it all back. */
static bool is_built_upon(const struct executor *executor, uint32_t maker)
{
    uint32_t end = executor->successor_start[maker + 1];
    if (stays_within(executor, maker)) {
        return false;
    }
    for (uint32_t s = executor->successor_start[maker]; s < end; s++) {
        uint32_t after = executor->successors[s].node;
        if (action_info(executor->graph->nodes[after].action)->effect != EFFECT_WAIT &&
            executor->nodes[after].attempted) {
            return true;
        }
    }
    return false;
}

/* Its maker, where all of it can be done anew: nothing else rests on what it made. */
static int32_t maker_to_redo(const struct executor *executor, uint32_t wait)
{
    int32_t maker = maker_of(executor->graph, wait);
    if (maker == NO_NODE || executor->nodes[maker].status.state != NODE_DONE ||
        executor->nodes[maker].status.waived || is_built_upon(executor, (uint32_t)maker)) {
        return NO_NODE;
    }
    return maker;
}

/* A wait that is taken up again, and whose object has come to its end meanwhile. */
static bool is_lost(const struct choice *choice, uint32_t index, uint32_t *maker)
{
    const struct executor *executor = choice->executor;
    int32_t made_by = NO_NODE;
    if (choice->chosen[index] && executor->nodes[index].gone) {
        made_by = maker_to_redo(executor, index);
    }
    *maker = made_by == NO_NODE ? 0 : (uint32_t)made_by;
    return made_by != NO_NODE;
}

static bool mark_undone(const struct choice *choice, bool *undone)
{
    const struct executor *executor = choice->executor;
    bool any = false;
    for (uint32_t i = 0; i < executor->graph->node_count; i++) {
        uint32_t maker = 0;
        if (is_undone(choice, i)) {
            uint32_t guarded = (uint32_t)executor->nodes[i].guarded;
            undone[i] = any = true;
            undone[guarded] =
                undone[guarded] || executor->nodes[guarded].status.state == NODE_DONE;
        } else if (is_lost(choice, i, &maker)) {
            undone[maker] = any = true;
        }
        executor->nodes[i].gone = executor->nodes[i].gone && !choice->chosen[i];
    }
    return any;
}

static bool rests_on_undone(const struct executor *executor, uint32_t node, const bool *undone)
{
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    for (uint32_t e = 0; e < graph_node->after_count; e++) {
        uint32_t before = graph_node->after[e].node;
        if (undone[before] && executor->graph->nodes[before].vm == graph_node->vm) {
            return true;
        }
    }
    return false;
}

/* Done, or begun: its request was about what is not there any more. */
static bool may_be_redone(const struct executor *executor, uint32_t node)
{
    const struct node_run *run = &executor->nodes[node];
    bool begun = run->status.state == NODE_BLOCKED && run->attempted && !node_has_token(executor, node) &&
                 action_info(executor->graph->nodes[node].action)->effect == EFFECT_CHANGE;
    return run->status.state == NODE_DONE || begun;
}

static void redo_undone(const struct choice *choice)
{
    struct executor *executor = choice->executor;
    bool *undone = base_alloc(executor->graph->node_count + 1);
    if (mark_undone(choice, undone)) {
        for (uint32_t i = 0; i < executor->graph->node_count; i++) {
            if (may_be_redone(executor, i) && (undone[i] || rests_on_undone(executor, i, undone))) {
                undone[i] = true;
                redo(executor, i);
            }
        }
    }
    free(undone);
}

bool again_try_anew(struct executor *executor, uint32_t wait, const struct call_error *error)
{
    struct node_run *run = &executor->nodes[wait];
    int32_t maker = maker_to_redo(executor, wait);
    if (!error->gone || maker == NO_NODE || policy_vm_failed(executor, wait) ||
        run->refusals >= executor->graph->nodes[wait].retries) {
        return false;
    }
    node_set_detail(executor, wait, error);
    record_retry(executor, wait, OUTCOME_FATAL);
    executor_queue_event(executor, EVENT_NODE_RETRY, (int32_t)wait, NULL);
    waits_leave(executor, wait);
    run->refusals++;
    redo(executor, (uint32_t)maker);
    redo(executor, wait);
    executor->counters.retries++;
    executor->counters.done--;
    executor->unfinished++; /* the maker had ended */
    run->blockers = 1;
    ready_push(executor, (uint32_t)maker);
    return true;
}

bool again_run_anew(struct executor *executor, uint32_t node, const struct call_error *error)
{
    struct node_run *run = &executor->nodes[node];
    if (!error->gone || !is_script(executor, node) || policy_vm_failed(executor, node) ||
        run->refusals >= executor->graph->nodes[node].retries) {
        return false;
    }
    node_set_detail(executor, node, error);
    record_retry(executor, node, OUTCOME_FATAL);
    executor_queue_event(executor, EVENT_NODE_RETRY, (int32_t)node, NULL);
    run->refusals++;
    redo(executor, node);
    executor->counters.retries++;
    ready_push(executor, node);
    return true;
}

/* What is left to do, from the states. */
static void count(struct executor *executor)
{
    struct executor_counters *counters = &executor->counters;
    counters->done = counters->failed = counters->skipped = 0;
    executor->unfinished = executor->recovered = 0;
    for (uint32_t i = 0; i < executor->graph->node_count; i++) {
        enum node_state state = executor->nodes[i].status.state;
        executor->unfinished += !node_is_final(state);
        counters->done += state == NODE_DONE;
        counters->failed += state == NODE_FAILED;
        counters->skipped += state == NODE_SKIPPED;
        executor->recovered +=
            state == NODE_DONE && graph_is_goal(&executor->graph->nodes[i]);
    }
}

static void take_up_chosen(const struct choice *choice)
{
    struct executor *executor = choice->executor;
    bool all = !executor->running && executor->options.again_count == 0;
    for (uint32_t i = 0; i < executor->graph->node_count; i++) {
        if (choice->chosen[i]) {
            if (!all && node_is_final(executor->nodes[i].status.state)) {
                record_again(executor, i);
            }
            take_up(executor, i);
            if (executor->running) {
                executor_queue_event(executor, EVENT_NODE_AGAIN, (int32_t)i, NULL);
            }
        }
    }
    redo_undone(choice);
    count(executor);
}

bool again_begin(struct executor *executor, struct error *error)
{
    const struct executor_options *options = &executor->options;
    struct choice choice = choice_make(executor);
    choose_unfinished(&choice, options->again_count == 0);
    bool ok = true;
    for (size_t i = 0; ok && i < options->again_count; i++) {
        ok = choose_named(&choice, options->again[i], error);
    }
    if (ok) {
        if (options->again_count) {
            choose_freed(&choice);
        }
        take_up_chosen(&choice);
    }
    choice_free(&choice);
    return ok;
}

/* --- blockers --- */

static void count_blockers(struct executor *executor, bool (*counts)(const struct node_run *run))
{
    const struct graph *graph = executor->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        executor->nodes[i].blockers = 0;
    }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (!counts(&executor->nodes[i])) {
            continue;
        }
        uint32_t end = executor->successor_start[i + 1];
        for (uint32_t s = executor->successor_start[i]; s < end; s++) {
            executor->nodes[executor->successors[s].node].blockers++;
        }
    }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct node_run *run = &executor->nodes[i];
        if (run->blockers == 0 && run->status.state == NODE_BLOCKED) {
            ready_push(executor, i);
        }
    }
}

static bool does_not_stay(const struct node_run *run)
{
    return !stays(run);
}

static bool is_unfinished(const struct node_run *run)
{
    return !node_is_final(run->status.state);
}

/* The ends of those that stay failed or skipped are told once more: the process may have died before
 * all that follows from them was journalled. */
void again_count_blockers(struct executor *executor)
{
    for (uint32_t i = 0; i < executor->graph->node_count; i++) {
        const struct node_run *run = &executor->nodes[i];
        if (!stays(run) && node_is_final(run->status.state)) {
            executor->unfinished++; /* policy_ended takes it off again */
            policy_ended(executor, i);
        }
    }
    count_blockers(executor, does_not_stay);
}

void again_freed(struct executor *executor)
{
    struct choice choice = choice_make(executor);
    choose_freed(&choice);
    take_up_chosen(&choice);
    for (size_t vm = 0; vm < executor->graph->vm_count; vm++) {
        if (!choice.bad[vm]) {
            executor->vm_failed[vm] = NO_NODE;
        }
    }
    count_blockers(executor, is_unfinished);
    choice_free(&choice);
}
