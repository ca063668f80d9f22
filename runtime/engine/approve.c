/* Approve: nodes that wait for a person. Nothing is asked and nothing is sent: an approval comes as a
 * decision (executor_approve), in the journal of a run that nobody carries out just then (resume.c), or
 * by itself where the graph says after how long. */
#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/base/error.h"
#include "compiler/emit/emit.h"
#include "runtime/engine/decision.h"
#include "runtime/engine/executor_state.h"
#include "runtime/state/run.h"
#include "runtime/world/world.h"

static int64_t by_itself_ms(const struct node_run *run)
{
    struct call call = {.inputs = run->inputs, .input_count = run->input_count};
    return call_int(&call, "approved_after_ms", -1);
}

static int64_t started_monotonic_ms(const struct executor *executor, uint32_t node)
{
    return executor->session_start_ms + executor->nodes[node].status.started_ms - executor->base_ms;
}

void approve_start(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    struct call call = {.inputs = run->inputs, .input_count = run->input_count};
    int64_t after = by_itself_ms(run), deadline = node_deadline_ms(executor, node);
    int64_t due = after < 0 ? deadline : started_monotonic_ms(executor, node) + after;
    struct buffer text = {0};
    buffer_puts(&text, "waits for approval: ");
    buffer_puts(&text, call_text(&call, "question"));
    node_set_detail(executor, node, &(struct call_error){.message = buffer_text(&text)});
    buffer_free(&text);
    record_seen(executor, node);
    run->due_ms = due < deadline ? due : deadline;
    heap_push(executor->arena, &executor->wakes, run->due_ms, node);
    executor_queue_event(executor, EVENT_APPROVAL_NEEDED, (int32_t)node, NULL);
}

void approve_due(struct executor *executor, uint32_t node)
{
    const struct node_run *run = &executor->nodes[node];
    int64_t after = by_itself_ms(run), now = world_monotonic_ms(executor->world);
    if (after >= 0 && now >= started_monotonic_ms(executor, node) + after) {
        node_done(executor, node, NULL);
        return;
    }
    const struct graph_node *graph_node = &executor->graph->nodes[node];
    int64_t timeout = graph_node->timeout_ms > 0 ? graph_node->timeout_ms
                                                 : action_info(graph_node->action)->deadline_ms;
    char duration[32];
    struct buffer text = {0};
    buffer_printf(&text, "nobody has approved it within %s", format_duration(duration, timeout));
    node_failed(executor, node,
                &(struct call_error){.message = buffer_text(&text),
                                     .help = "drc run resume asks again"});
    buffer_free(&text);
}

bool approve_waits(const struct executor *executor, uint32_t node)
{
    return executor->graph->nodes[node].action == ACTION_APPROVE &&
           executor->nodes[node].status.state == NODE_RUNNING;
}

/* How many wait; *only is the last of them. */
static size_t count_waiting(const struct executor *executor, uint32_t *only)
{
    size_t count = 0;
    for (uint32_t i = 0; i < executor->graph->node_count; i++) {
        if (approve_waits(executor, i)) {
            *only = i;
            count++;
        }
    }
    return count;
}

/* The wakes of approvals do not count: they are for later, if nobody comes. */
static bool something_wakes(const struct executor *executor)
{
    for (size_t i = 0; i < executor->wakes.count; i++) {
        const struct heap_item *item = &executor->wakes.items[i];
        const struct node_run *run = &executor->nodes[item->node];
        bool current = run->due_ms == item->key && !node_is_final(run->status.state);
        bool approval = approve_waits(executor, item->node);
        if (current && !(approval && by_itself_ms(run) < 0)) {
            return true;
        }
    }
    return false;
}

bool approve_is_all(const struct executor *executor)
{
    uint32_t node;
    return executor->unfinished > 0 && executor->calls_in_flight == 0 &&
           executor->polls_in_flight == 0 && executor->outgoing_count == 0 &&
           executor->limits_wake_ms < 0 && waits_next_ms(executor) == INT64_MAX &&
           !something_wakes(executor) && count_waiting(executor, &node) > 0;
}

void approve_note_status(struct executor *executor)
{
    bool waits = approve_is_all(executor);
    if (waits != executor->awaits_people) {
        executor->awaits_people = waits;
        run_note_status(executor->options.journal, executor->world,
                        waits ? RUN_WAITING : RUN_RUNNING);
    }
}

int32_t approve_find(const struct executor *executor, const char *target, struct error *error)
{
    uint32_t node = 0;
    size_t count = count_waiting(executor, &node);
    if (count == 0) {
        error_set(error, "nothing waits for approval");
        return NO_NODE;
    }
    if (!target && count > 1) {
        error_set(error, "%zu steps wait for approval: name one of them (%s)", count,
                  executor->graph->nodes[node].id);
        return NO_NODE;
    }
    if (target) {
        const struct graph_node *named = decision_find_node(executor->graph, target, error);
        if (!named) {
            return NO_NODE;
        }
        node = named->index;
    }
    if (!approve_waits(executor, node)) {
        error_set(error, "%s does not wait for approval: it is %s", executor->graph->nodes[node].id,
                  node_state_name(executor->nodes[node].status.state));
        return NO_NODE;
    }
    return (int32_t)node;
}
