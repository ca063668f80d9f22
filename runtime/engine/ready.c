/* Ready: which of the nodes that could start do: by slack, as far as pools, limits and the number of
 * requests on their way allow. Intents are journalled here; requests go out after the commit. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/error.h"
#include "runtime/engine/executor_state.h"
#include "runtime/engine/limits.h"
#include "runtime/world/world.h"

enum { APART_MAX = 512 }; /* nodes that are looked at in vain for one batch */
enum admission { ADMITTED, SET_ASIDE, NOT_NOW };

void ready_push(struct executor *executor, uint32_t node)
{
    executor->nodes[node].status.state = NODE_READY;
    heap_push(executor->arena, &executor->ready[executor->graph->nodes[node].action],
              executor->rank[node], node);
}

/* --- pools --- */

static bool pool_take(struct executor *executor, uint32_t node)
{
    int32_t pool = executor->graph->nodes[node].acquire;
    struct node_run *run = &executor->nodes[node];
    if (pool == NO_POOL || run->slot >= 0) {
        return true;
    }
    struct pool_run *slots = &executor->pools[pool];
    if (slots->free == 0) {
        heap_push(executor->arena, &slots->waiting, executor->rank[node], node);
        return false;
    }
    int slot = 0;
    while (slots->taken[slot]) {
        slot++;
    }
    slots->taken[slot] = true;
    slots->free--;
    run->slot = slot;
    return true;
}

void pool_release(struct executor *executor, uint32_t acquirer)
{
    struct node_run *run = &executor->nodes[acquirer];
    if (run->slot < 0) {
        return;
    }
    struct pool_run *slots = &executor->pools[executor->graph->nodes[acquirer].acquire];
    slots->taken[run->slot] = false;
    slots->free++;
    run->slot = -1;
    while (slots->waiting.count > 0) {
        uint32_t next = heap_pop(&slots->waiting).node;
        if (executor->nodes[next].status.state == NODE_READY) {
            ready_push(executor, next);
            break;
        }
    }
}

static void fail_for_pool(struct executor *executor, uint32_t node)
{
    const struct graph_pool *pool = &executor->graph->pools[executor->graph->nodes[node].acquire];
    struct error text = {0};
    error_set(&text, "no slot of %s gets free: all %d are held by nodes that failed to give them back",
              pool->id, pool->capacity);
    node_failed(executor, node,
                &(struct call_error){.message = text.message,
                                     .help = "look at what failed before, then: drc run resume"});
    error_clear(&text);
}

bool pool_fail_stuck(struct executor *executor)
{
    bool any = false;
    for (size_t i = 0; i < executor->graph->pool_count; i++) {
        while (executor->pools[i].waiting.count > 0) {
            uint32_t node = heap_pop(&executor->pools[i].waiting).node;
            if (executor->nodes[node].status.state == NODE_READY) {
                fail_for_pool(executor, node);
                any = true;
            }
        }
    }
    return any;
}

/* --- limits --- */

static void wake_at(struct executor *executor, int64_t wait_ms)
{
    int64_t due = world_monotonic_ms(executor->world) + (wait_ms > 1 ? wait_ms : 1);
    if (executor->limits_wake_ms < 0 || due < executor->limits_wake_ms) {
        executor->limits_wake_ms = due;
    }
}

static void starve(struct executor *executor, int64_t wait_ms)
{
    wake_at(executor, wait_ms);
    executor->starved = true;
}

/* One request, and one instance of the resource bucket. */
static bool take_tokens(struct executor *executor, const struct action_info *info)
{
    struct limits *limits = executor->options.limits;
    int64_t wait_ms = 0;
    if (info->resource != BUCKET_NONE && limits_available(limits, info->resource) < 1) {
        if (!limits_take(limits, info->resource, 1, &wait_ms)) {
            starve(executor, wait_ms);
            return false;
        }
        /* It came just now: then the request alone decides. */
        if (limits_take(limits, info->bucket, 1, &wait_ms)) {
            return true;
        }
        starve(executor, wait_ms);
        return false;
    }
    if (info->bucket != BUCKET_NONE && !limits_take(limits, info->bucket, 1, &wait_ms)) {
        starve(executor, wait_ms);
        return false;
    }
    return info->resource == BUCKET_NONE || limits_take(limits, info->resource, 1, &wait_ms);
}

/* --- one node --- */

static bool resolve_inputs(struct executor *executor, uint32_t node)
{
    struct error error = {0};
    int32_t failed = policy_ended_with(executor, node);
    if (failed != NO_NODE) {
        error_set(&error, "not tried, because %s did not succeed", executor->graph->nodes[failed].id);
    } else if (executor->nodes[node].inputs || values_resolve(executor, node, &error)) {
        return true;
    }
    node_failed(executor, node, &(struct call_error){.message = error.message, .help = error.help});
    error_clear(&error);
    return false;
}

static void begin_node(struct executor *executor, uint32_t node)
{
    struct node_status *status = &executor->nodes[node].status;
    status->state = NODE_RUNNING;
    if (status->started_ms < 0) {
        status->started_ms = executor_alive_ms(executor);
        executor_queue_event(executor, EVENT_NODE_STARTED, (int32_t)node, NULL);
    }
}

static void add_outgoing(struct executor *executor, struct flight *flight)
{
    executor->outgoing = arena_grow(executor->arena, executor->outgoing, executor->outgoing_count,
                                    &executor->outgoing_capacity, sizeof *executor->outgoing);
    executor->outgoing[executor->outgoing_count++] =
        (struct outgoing){.flight = flight, .last_of_batch = true};
    executor->requests_in_flight++;
    executor->calls_in_flight++;
}

/* The request that a token was given for is not the one that would go out: never send it. */
static bool same_request(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    uint64_t digest = values_digest(run->inputs, run->input_count, run->status.choice);
    if (run->digest && run->digest != digest) {
        node_failed(executor, node,
                    &(struct call_error){
                        .message = "the request is no longer the one that was begun",
                        .help = "graph or bindings differ from those the run was started with"});
        return false;
    }
    run->digest = digest;
    return true;
}

static struct flight *admit_request(struct executor *executor, uint32_t node)
{
    struct node_run *run = &executor->nodes[node];
    begin_node(executor, node);
    run->sent_utc_ms = world_utc_ms(executor->world);
    run->sent_ms = world_monotonic_ms(executor->world);
    run->sent_before = run->elsewhere = false;
    struct flight *flight = flight_create(executor, node, FLIGHT_START);
    record_intent(executor, flight);
    run->attempted = true;
    run->in_doubt = true;
    add_outgoing(executor, flight);
    return flight;
}

/* For a VM that has failed nothing is sent again: what became of it has to be found out. */
static bool needs_lookup(const struct executor *executor, uint32_t node)
{
    const struct action_info *info = action_info(executor->graph->nodes[node].action);
    const struct node_run *run = &executor->nodes[node];
    return run->in_doubt && (!run->resends || policy_vm_failed(executor, node)) &&
           (info->resend == RESEND_TOKEN || info->resend == RESEND_NAME ||
            info->resend == RESEND_LOOKUP);
}

static void admit_lookup(struct executor *executor, uint32_t node)
{
    begin_node(executor, node);
    executor->counters.lookups++;
    add_outgoing(executor, flight_create(executor, node, FLIGHT_LOOKUP));
}

/* Whether the provider takes them in one request. */
static bool go_together(const struct executor *executor, const struct action_info *info,
                        uint32_t first, uint32_t node)
{
    const struct provider *provider = executor->options.providers[info->provider];
    const uint32_t both[] = {first, node};
    struct call calls[2];
    for (size_t i = 0; i < 2; i++) {
        const struct node_run *run = &executor->nodes[both[i]];
        calls[i] = (struct call){.graph = executor->graph,
                                 .node = &executor->graph->nodes[both[i]],
                                 .inputs = run->inputs,
                                 .input_count = run->input_count,
                                 .run_id = executor->options.run_id};
    }
    return !provider->together || provider->together(&calls[0], &calls[1]);
}

/* Those of another request wait in front of the queue again. */
static void put_back(struct executor *executor, struct heap *heap, const uint32_t *nodes,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        heap_push(executor->arena, heap, executor->rank[nodes[i]], nodes[i]);
    }
}

/* Nodes that can go with `first` in one request: ready, of the same action, not yet in doubt. */
static void gather_batch(struct executor *executor, const struct action_info *info,
                         struct heap *heap, uint32_t first)
{
    uint32_t limit = executor->nodes[first].batch_limit;
    size_t begun = executor->outgoing_count - 1, count = 1;
    size_t most = limit ? limit : (size_t)info->batch_max;
    uint32_t apart[APART_MAX];
    size_t apart_count = 0;
    int64_t wait_ms;
    while (count < most && heap->count > 0 && apart_count < APART_MAX) {
        uint32_t node = heap->items[0].node;
        struct node_run *run = &executor->nodes[node];
        if (run->status.state != NODE_READY) {
            heap_pop(heap);
            continue;
        }
        if (run->batch_limit != limit || run->status.choice > 0 || needs_lookup(executor, node) ||
            executor->graph->nodes[node].acquire != NO_POOL) {
            break;
        }
        heap_pop(heap);
        if (!resolve_inputs(executor, node)) {
            continue;
        }
        if (!go_together(executor, info, first, node)) {
            apart[apart_count++] = node;
            continue;
        }
        if (info->resource != BUCKET_NONE &&
            !limits_take(executor->options.limits, info->resource, 1, &wait_ms)) {
            put_back(executor, heap, &node, 1);
            break;
        }
        if (same_request(executor, node)) {
            admit_request(executor, node);
            count++;
        }
    }
    put_back(executor, heap, apart, apart_count);
    executor->batches += count > 1;
    for (size_t i = begun; i < executor->outgoing_count; i++) {
        executor->outgoing[i].flight->batch_size = (uint32_t)count;
        executor->outgoing[i].flight->batch = count > 1 ? executor->batches : 0;
        executor->outgoing[i].flight->follows = i > begun;
        executor->outgoing[i].last_of_batch = i + 1 == executor->outgoing_count;
    }
    executor->requests_in_flight -= count - 1; /* one request, however many it serves */
}

/* More of its kind may be about to follow, as they did a moment ago: a batch waits for company. */
static bool waits_for_company(struct executor *executor, const struct action_info *info,
                              const struct heap *heap, enum action action)
{
    int64_t sent = executor->batch_sent_ms[action];
    int64_t now = world_monotonic_ms(executor->world);
    bool busy = executor->requests_in_flight >= BUSY_REQUESTS;
    int64_t apart = busy ? BATCH_APART_BUSY_MS : BATCH_APART_MS;
    if (info->batch_max < 2 || heap->count >= (size_t)info->batch_max || sent < 0 ||
        now >= sent + apart) {
        return false;
    }
    wake_at(executor, sent + apart - now);
    return true;
}

static enum admission start_request(struct executor *executor, const struct action_info *info,
                                    struct heap *heap, uint32_t node)
{
    bool lookup = needs_lookup(executor, node);
    if (!pool_take(executor, node)) {
        heap_pop(heap);
        return SET_ASIDE;
    }
    enum action action = executor->graph->nodes[node].action;
    if (!lookup && (waits_for_company(executor, info, heap, action) ||
                    !take_tokens(executor, info))) {
        return NOT_NOW;
    }
    heap_pop(heap);
    if (!resolve_inputs(executor, node)) {
        return ADMITTED;
    }
    if (lookup) {
        admit_lookup(executor, node);
    } else if (same_request(executor, node)) {
        admit_request(executor, node);
        if (info->batch_max > 1 && executor->nodes[node].status.choice == 0) {
            gather_batch(executor, info, heap, node);
            executor->batch_sent_ms[action] = world_monotonic_ms(executor->world);
        }
    }
    return ADMITTED;
}

static enum admission start_node(struct executor *executor, enum action action)
{
    const struct action_info *info = action_info(action);
    struct heap *heap = &executor->ready[action];
    uint32_t node = heap->items[0].node;
    if (executor->nodes[node].status.state != NODE_READY || policy_give_up(executor, node)) {
        heap_pop(heap); /* skipped meanwhile */
        return SET_ASIDE;
    }
    if (policy_not_needed(executor, node)) {
        heap_pop(heap);
        executor->nodes[node].status.started_ms = executor_alive_ms(executor);
        executor->nodes[node].status.unneeded = true;
        node_done(executor, node, NULL);
        return ADMITTED;
    }
    if (info->effect == EFFECT_LOCAL) {
        heap_pop(heap);
        begin_node(executor, node);
        node_done(executor, node, NULL);
        return ADMITTED;
    }
    if (info->effect == EFFECT_WAIT) {
        heap_pop(heap);
        if (resolve_inputs(executor, node)) {
            begin_node(executor, node);
            waits_start(executor, node);
        }
        return ADMITTED;
    }
    return start_request(executor, info, heap, node);
}

static bool sends_requests(enum action action)
{
    const struct action_info *info = action_info(action);
    return info->effect != EFFECT_LOCAL && info->effect != EFFECT_WAIT;
}

/* The action whose foremost node has the least slack; ACTION_NONE when none can go. */
static enum action foremost(const struct executor *executor, const bool *blocked)
{
    enum action best = ACTION_NONE;
    bool full = executor->requests_in_flight >= REQUESTS_MAX;
    for (int action = 1; action < ACTION_COUNT; action++) {
        const struct heap *heap = &executor->ready[action];
        if (heap->count == 0 || blocked[action] || (full && sends_requests(action))) {
            continue;
        }
        if (best == ACTION_NONE || heap->items[0].key < executor->ready[best].items[0].key) {
            best = (enum action)action;
        }
    }
    return best;
}

void ready_start(struct executor *executor)
{
    bool blocked[ACTION_COUNT] = {false};
    executor->limits_wake_ms = -1;
    executor->starved = false;
    policy_propagate(executor);
    for (;;) {
        enum action action = foremost(executor, blocked);
        if (action == ACTION_NONE) {
            break;
        }
        if (start_node(executor, action) == NOT_NOW) {
            blocked[action] = true;
        }
        policy_propagate(executor);
    }
    executor->starved = executor->starved || executor->requests_in_flight >= REQUESTS_MAX;
}

/* --- sending --- */

static void send_batch(struct executor *executor, size_t first, size_t count)
{
    if (count > executor->call_scratch_capacity) {
        executor->call_scratch_capacity = count * 2;
        executor->call_scratch =
            arena_alloc(executor->arena, count * 2 * sizeof *executor->call_scratch);
    }
    for (size_t i = 0; i < count; i++) {
        executor->call_scratch[i] = &executor->outgoing[first + i].flight->call;
    }
    const struct flight *flight = executor->outgoing[first].flight;
    const struct action_info *info = action_info(flight->call.node->action);
    struct provider *provider = executor->options.providers[info->provider];
    if (flight->kind == FLIGHT_LOOKUP) {
        provider->lookup(provider, executor->call_scratch[0], results_looked_up, executor);
    } else {
        provider->start(provider, executor->call_scratch, count, results_started, executor);
    }
}

void ready_send(struct executor *executor)
{
    size_t first = 0;
    for (size_t i = 0; i < executor->outgoing_count; i++) {
        if (executor->outgoing[i].last_of_batch) {
            send_batch(executor, first, i + 1 - first);
            first = i + 1;
        }
    }
    executor->outgoing_count = 0;
}
