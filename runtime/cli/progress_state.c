#include "runtime/cli/progress_state.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

static struct lane *lane_of(const struct progress_state *state, const struct graph_node *node)
{
    return &state->lanes[node->vm == NO_VM ? (int32_t)state->graph->vm_count : node->vm];
}

/* Gives each lane its part of one array, in topological order. */
static void deal_out_nodes(struct progress_state *state)
{
    const struct graph *graph = state->graph;
    for (size_t i = 0; i < graph->node_count; i++) {
        lane_of(state, &graph->nodes[i])->total++;
    }
    uint32_t *next = state->lane_nodes;
    for (size_t i = 0; i < state->lane_count; i++) {
        state->lanes[i].nodes = next;
        next += state->lanes[i].total;
        state->lanes[i].total = 0;
    }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        struct lane *lane = lane_of(state, &graph->nodes[i]);
        lane->nodes[lane->total++] = i;
    }
}

struct progress_state *progress_state_create(const struct graph *graph,
                                             const struct schedule *schedule)
{
    struct progress_state *state = base_alloc(sizeof *state);
    state->graph = graph;
    state->schedule = schedule;
    state->doing = workflow_name(graph->workflow);
    state->nodes = base_alloc(graph->node_count * sizeof *state->nodes);
    state->lane_nodes = base_alloc(graph->node_count * sizeof *state->lane_nodes);
    state->lane_count = graph->vm_count + 1;
    state->lanes = base_alloc(state->lane_count * sizeof *state->lanes);
    for (size_t i = 0; i < state->lane_count; i++) {
        state->lanes[i].name = i < graph->vm_count ? graph->vms[i].name : "(plan)";
        state->lanes[i].cause = NO_NODE;
    }
    state->at_ms = -1;
    deal_out_nodes(state);
    return state;
}

void progress_state_destroy(struct progress_state *state)
{
    if (!state) {
        return;
    }
    for (size_t i = 0; i < state->graph->node_count; i++) {
        free(state->nodes[i].detail);
    }
    free(state->nodes);
    free(state->lane_nodes);
    free(state->lanes);
    free(state);
}

static bool is_active(enum node_state state)
{
    return state == NODE_RUNNING || state == NODE_RETRYING;
}

static bool is_over(enum node_state state)
{
    return state == NODE_DONE || state == NODE_FAILED || state == NODE_SKIPPED;
}

static void set_stage(struct lane *lane)
{
    if (lane->stage == LANE_WAITING || lane->stage == LANE_ACTIVE) {
        lane->stage = lane->active > 0            ? LANE_ACTIVE
                      : lane->done == lane->total ? LANE_RECOVERED
                                                  : LANE_WAITING;
    }
}

/* The node's new state, counted in its lane and in the whole. */
static void set_state(struct progress_state *state, const struct graph_node *node,
                      enum node_state new_state)
{
    struct node_progress *known = &state->nodes[node->index];
    struct lane *lane = lane_of(state, node);
    enum node_state old = known->state;
    lane->active += (size_t)is_active(new_state) - (size_t)is_active(old);
    lane->done += (size_t)(new_state == NODE_DONE) - (size_t)(old == NODE_DONE);
    state->done += (size_t)(new_state == NODE_DONE) - (size_t)(old == NODE_DONE);
    state->failed += (size_t)(new_state == NODE_FAILED) - (size_t)(old == NODE_FAILED);
    state->skipped += (size_t)(new_state == NODE_SKIPPED) - (size_t)(old == NODE_SKIPPED);
    known->state = new_state;
    set_stage(lane);
}

static void take_status(struct progress_state *state, const struct graph_node *node,
                        const struct node_status *status)
{
    struct node_progress *known = &state->nodes[node->index];
    set_state(state, node, status->state);
    known->started_ms = status->started_ms;
    known->ended_ms = status->ended_ms;
    known->done_bytes = status->done_bytes;
    known->total_bytes = status->total_bytes;
    const char *detail =
        is_over(status->state) && status->state != NODE_FAILED ? NULL : status->detail;
    if (!detail || !known->detail || strcmp(detail, known->detail) != 0) {
        free(known->detail);
        known->detail = detail ? base_strdup(detail) : NULL;
    }
    struct lane *lane = lane_of(state, node);
    if (graph_is_goal(node) && status->state == NODE_DONE) {
        lane->stage = LANE_RECOVERED;
        lane->ended_ms = status->ended_ms;
        lane->recovers = true;
    } else if (lane->stage == LANE_RECOVERED && !lane->recovers) {
        lane->ended_ms = status->ended_ms > lane->ended_ms ? status->ended_ms : lane->ended_ms;
    }
}

/* A VM fails for a node of its own, or is skipped for one of another VM. */
static void fail_lane(struct progress_state *state, const struct graph_node *node, int32_t cause)
{
    struct lane *lane = lane_of(state, node);
    bool own = cause == NO_NODE || lane_of(state, &state->graph->nodes[cause]) == lane;
    lane->stage = own ? LANE_FAILED : LANE_SKIPPED;
    lane->cause = cause == NO_NODE ? (int32_t)node->index : cause;
}

/* Alive time does not tell itself: the statuses of the events do. */
static void learn_time(struct progress_state *state, const struct node_status *status,
                       int64_t now_ms)
{
    int64_t seen_ms = status->ended_ms > status->started_ms ? status->ended_ms : status->started_ms;
    if (state->at_ms < 0 || seen_ms > progress_state_alive(state, now_ms)) {
        state->alive_ms = seen_ms > state->alive_ms ? seen_ms : state->alive_ms;
        state->at_ms = now_ms;
    }
}

/* What had failed or was skipped is taken up again, but for what may fail. */
static void take_resume(struct progress_state *state)
{
    state->ended = false;
    for (size_t i = 0; i < state->lane_count; i++) {
        struct lane *lane = &state->lanes[i];
        if (lane->stage == LANE_FAILED || lane->stage == LANE_SKIPPED) {
            lane->stage = LANE_WAITING;
            lane->cause = NO_NODE;
        }
    }
    for (uint32_t i = 0; i < state->graph->node_count; i++) {
        const struct graph_node *node = &state->graph->nodes[i];
        enum node_state was = state->nodes[i].state;
        if (was == NODE_SKIPPED || (was == NODE_FAILED && !node->continue_on_failure)) {
            set_state(state, node, NODE_BLOCKED);
        }
        set_stage(lane_of(state, node));
    }
}

/* Its nodes follow one by one. */
static void take_again(struct progress_state *state, struct lane *lane)
{
    state->ended = false;
    if (lane->stage == LANE_FAILED || lane->stage == LANE_SKIPPED) {
        lane->stage = LANE_WAITING;
        lane->cause = NO_NODE;
    }
}

void progress_state_take(struct progress_state *state, const struct executor_event *event,
                         int64_t now_ms)
{
    switch (event->type) {
    case EVENT_RUN_RESUMED:
        if (!event->text) { /* else what is taken up again is named */
            take_resume(state);
        }
        state->ended = false;
        state->at_ms = now_ms;
        break;
    case EVENT_NODE_AGAIN:
        take_again(state, lane_of(state, event->node));
        break;
    case EVENT_RUN_STARTED:
        state->at_ms = now_ms;
        break;
    case EVENT_INTERRUPTED:
    case EVENT_RUN_ENDED:
        state->alive_ms = progress_state_alive(state, now_ms);
        state->ended = true;
        break;
    case EVENT_VM_FAILED:
        if (event->node) {
            fail_lane(state, event->node, event->status ? event->status->cause : NO_NODE);
        }
        break;
    default:
        break;
    }
    if (event->node && event->status) {
        learn_time(state, event->status, now_ms);
        take_status(state, event->node, event->status);
    }
}

void progress_state_sync(struct progress_state *state, const struct executor *executor)
{
    for (uint32_t i = 0; i < state->graph->node_count; i++) {
        const struct node_status *status = executor_status(executor, i);
        take_status(state, &state->graph->nodes[i], status);
        if (status->ended_ms > state->alive_ms) {
            state->alive_ms = status->ended_ms;
        }
    }
}

void progress_state_set_alive(struct progress_state *state, int64_t alive_ms, int64_t now_ms)
{
    state->alive_ms = alive_ms;
    state->at_ms = now_ms;
}

int64_t progress_state_alive(const struct progress_state *state, int64_t now_ms)
{
    bool runs = state->at_ms >= 0 && !state->ended;
    return state->alive_ms + (runs && now_ms > state->at_ms ? now_ms - state->at_ms : 0);
}

/* Phases. */

static bool comes_after(const struct graph *graph, const struct graph_node *node,
                        enum action action)
{
    for (uint32_t i = 0; i < node->after_count; i++) {
        if (graph->nodes[node->after[i].node].action == action) {
            return true;
        }
    }
    return false;
}

const char *progress_phase(const struct graph *graph, const struct graph_node *node)
{
    switch (node->action) {
    case ACTION_CREATE_VOLUME:
        return "volumes";
    case ACTION_WAIT_VOLUME_AVAILABLE:
        return comes_after(graph, node, ACTION_DETACH_VOLUME) ? "disks" : "volumes";
    case ACTION_RUN_INSTANCE:
    case ACTION_STOP_INSTANCE:
    case ACTION_WAIT_STOPPED:
        return "instance";
    case ACTION_WAIT_RUNNING:
        return comes_after(graph, node, ACTION_START_INSTANCE) ? "starting" : "instance";
    case ACTION_ATTACH_VOLUME:
    case ACTION_WAIT_VOLUME_ATTACHED:
    case ACTION_DETACH_VOLUME:
    case ACTION_DELETE_VOLUME:
    case ACTION_SET_DELETE_ON_TERMINATION:
        return "disks";
    case ACTION_START_INSTANCE:
        return "starting";
    case ACTION_ASSOCIATE_ADDRESS:
        return "address";
    case ACTION_CHECK_INSTANCE_STATUS:
    case ACTION_CHECK_TCP:
    case ACTION_CHECK_HTTP:
        return "ready?";
    case ACTION_REGISTER_IMAGE:
    case ACTION_WAIT_IMAGE_AVAILABLE:
    case ACTION_DEREGISTER_IMAGE:
        return "image";
    case ACTION_INJECT:
    case ACTION_WAIT_INJECTED:
        return "drivers";
    case ACTION_TERMINATE_INSTANCE:
    case ACTION_WAIT_TERMINATED:
        return "cleanup";
    case ACTION_START_SNAPSHOT:
    case ACTION_PUT_BLOCKS:
        return "copying";
    case ACTION_COMPLETE_SNAPSHOT:
    case ACTION_CREATE_SNAPSHOT:
    case ACTION_WAIT_SNAPSHOT_COMPLETED:
    case ACTION_RECORD_COPY:
    case ACTION_TAG_COPY:
        return "completing";
    case ACTION_HOLD_COPY:
    case ACTION_RELEASE_COPY:
        return "copies";
    case ACTION_DELETE_SNAPSHOT:
        return "pruning";
    default:
        return action_info(node->action)->name;
    }
}

/* What matters most of several that go on: the one that can least wait. */
static int32_t foremost(const struct progress_state *state, const struct lane *lane)
{
    int32_t best = NO_NODE;
    for (size_t i = 0; i < lane->total; i++) {
        uint32_t node = lane->nodes[i];
        if (!is_active(state->nodes[node].state)) {
            continue;
        }
        if (best == NO_NODE || (state->schedule && state->schedule->entries[node].slack_ms <
                                                       state->schedule->entries[best].slack_ms)) {
            best = (int32_t)node;
        }
    }
    return best;
}

static bool is_check(enum action action)
{
    return action == ACTION_CHECK_INSTANCE_STATUS || action == ACTION_CHECK_TCP ||
           action == ACTION_CHECK_HTTP;
}

static void describe_active(const struct progress_state *state, const struct lane *lane,
                            struct activity *activity)
{
    activity->node = foremost(state, lane);
    const struct graph_node *node = &state->graph->nodes[activity->node];
    const struct node_progress *known = &state->nodes[activity->node];
    activity->phase = progress_phase(state->graph, node);
    activity->detail = known->detail;
    activity->since_ms = known->started_ms;
    for (size_t i = 0; i < lane->total; i++) {
        const struct node_progress *other = &state->nodes[lane->nodes[i]];
        const struct graph_node *other_node = &state->graph->nodes[lane->nodes[i]];
        if (is_active(other->state) && other->total_bytes > 0) {
            activity->transfers++;
            activity->done_bytes += other->done_bytes;
            activity->total_bytes += other->total_bytes;
        }
        if (is_active(other->state) && other->started_ms < activity->since_ms &&
            strcmp(progress_phase(state->graph, other_node), activity->phase) == 0) {
            activity->since_ms = other->started_ms;
        }
    }
    if (is_check(node->action) && known->detail && node->timeout_ms > 0) {
        activity->deadline_ms = known->started_ms + node->timeout_ms;
    }
}

/* The first node that has not begun: what is missing before it? */
static void describe_waiting(const struct progress_state *state, const struct lane *lane,
                             struct activity *activity)
{
    const struct graph *graph = state->graph;
    activity->phase = lane->done > 0 ? "prepared" : "";
    for (size_t i = 0; i < lane->total; i++) {
        const struct graph_node *node = &graph->nodes[lane->nodes[i]];
        if (is_over(state->nodes[node->index].state)) {
            continue;
        }
        activity->node = (int32_t)node->index;
        for (uint32_t j = 0; j < node->after_count; j++) {
            const struct graph_node *before = &graph->nodes[node->after[j].node];
            if (!is_over(state->nodes[before->index].state) && before->vm != node->vm) {
                activity->waits_for_vm = lane_of(state, before)->name;
                return;
            }
        }
        if (node->acquire != NO_POOL) {
            activity->waits_for_pool = graph->pools[node->acquire].id;
        }
        return;
    }
}

struct activity progress_state_activity(const struct progress_state *state, const struct lane *lane)
{
    struct activity activity = {.phase = "", .since_ms = -1, .node = NO_NODE, .deadline_ms = -1};
    switch (lane->stage) {
    case LANE_ACTIVE:
        describe_active(state, lane, &activity);
        break;
    case LANE_WAITING:
        describe_waiting(state, lane, &activity);
        break;
    case LANE_RECOVERED:
        activity.phase = lane->recovers ? "recovered" : "done";
        break;
    case LANE_FAILED:
        activity.phase = "failed";
        activity.node = lane->cause;
        activity.detail = state->nodes[lane->cause].detail;
        break;
    case LANE_SKIPPED:
        activity.phase = "skipped";
        activity.node = lane->cause;
        activity.waits_for_vm = lane_of(state, &state->graph->nodes[lane->cause])->name;
        break;
    }
    return activity;
}
