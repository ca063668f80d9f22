#include "runtime/report/why.h"

#include <string.h>

#include "compiler/base/arena.h"

const char *why_name(enum why_kind kind)
{
    static const char *const names[] = {
        [WHY_DONE] = "done",
        [WHY_RUNNING] = "running",
        [WHY_RETRYING] = "retrying",
        [WHY_FAILED] = "failed",
        [WHY_SKIPPED] = "skipped",
        [WHY_WAITS_FOR_NODE] = "waits_for_node",
        [WHY_WAITS_FOR_POOL] = "waits_for_pool",
        [WHY_WAITS_FOR_LIMIT] = "waits_for_limit",
        [WHY_STOPPED] = "stopped",
    };
    return names[kind];
}

static bool has_ended(enum node_state state)
{
    return state == NODE_DONE || state == NODE_FAILED || state == NODE_SKIPPED;
}

static bool is_through(const struct history *history, const struct edge *edge)
{
    const struct history_node *before = &history->nodes[edge->node];
    enum node_state state = before->status.state;
    return state == NODE_DONE || (state == NODE_FAILED && before->forgiven) ||
           (has_ended(state) && edge->when != WHEN_OK);
}

/* Of those that are missing, the one that is expected to be there last. */
static int32_t last_missing(const struct history *history, const struct schedule *schedule,
                            const struct graph_node *node)
{
    int32_t last = NO_NODE;
    for (uint32_t e = 0; e < node->after_count; e++) {
        int32_t before = (int32_t)node->after[e].node;
        if (!is_through(history, &node->after[e]) &&
            (last == NO_NODE || (schedule && schedule->entries[before].end_ms >
                                                 schedule->entries[last].end_ms))) {
            last = before;
        }
    }
    return last;
}

size_t why_holders(struct arena *arena, const struct history *history, int32_t pool,
                   uint32_t **nodes)
{
    size_t count = 0, capacity = 0;
    *nodes = NULL;
    for (uint32_t i = 0; pool != NO_POOL && i < history->graph->node_count; i++) {
        if (history->graph->nodes[i].acquire == pool && history->nodes[i].slot >= 0) {
            *nodes = arena_grow(arena, *nodes, count, &capacity, sizeof **nodes);
            (*nodes)[count++] = i;
        }
    }
    return count;
}

static enum why_kind why_not_started(struct arena *arena, const struct history *history,
                                     const struct graph_node *node, bool alive)
{
    uint32_t *holders;
    bool full = node->acquire != NO_POOL && history->nodes[node->index].slot < 0 &&
                why_holders(arena, history, node->acquire, &holders) >=
                    (size_t)history->graph->pools[node->acquire].capacity;
    return full ? WHY_WAITS_FOR_POOL : alive ? WHY_WAITS_FOR_LIMIT : WHY_STOPPED;
}

static struct why_link link_of(struct arena *arena, const struct history *history,
                               const struct schedule *schedule, uint32_t index, bool alive)
{
    const struct graph_node *node = &history->graph->nodes[index];
    const struct node_status *status = &history->nodes[index].status;
    struct why_link link = {.node = index, .other = NO_NODE};
    switch (status->state) {
    case NODE_DONE:
        link.kind = WHY_DONE;
        break;
    case NODE_RUNNING:
        link.kind = WHY_RUNNING;
        break;
    case NODE_RETRYING:
        link.kind = WHY_RETRYING;
        break;
    case NODE_FAILED:
        link.kind = WHY_FAILED;
        break;
    case NODE_SKIPPED:
        link.kind = WHY_SKIPPED;
        link.other = status->cause;
        break;
    case NODE_BLOCKED:
    case NODE_READY:
        link.other = last_missing(history, schedule, node);
        link.kind = link.other != NO_NODE ? WHY_WAITS_FOR_NODE
                                          : why_not_started(arena, history, node, alive);
        break;
    }
    return link;
}

struct why why_find(struct arena *arena, const struct history *history,
                    const struct schedule *schedule, uint32_t node, bool alive)
{
    struct why why = {0};
    size_t capacity = 0;
    for (int32_t next = (int32_t)node; next != NO_NODE && why.count <= history->graph->node_count;) {
        struct why_link link = link_of(arena, history, schedule, (uint32_t)next, alive);
        why.links = arena_grow(arena, why.links, why.count, &capacity, sizeof *why.links);
        why.links[why.count++] = link;
        next = link.other == next ? NO_NODE : link.other;
    }
    return why;
}

static bool is_next(const struct history *history, uint32_t index)
{
    const struct graph_node *node = &history->graph->nodes[index];
    enum node_state state = history->nodes[index].status.state;
    if (state != NODE_BLOCKED) {
        return state != NODE_DONE && state != NODE_SKIPPED;
    }
    for (uint32_t e = 0; e < node->after_count; e++) {
        const struct graph_node *before = &history->graph->nodes[node->after[e].node];
        if (before->vm == node->vm && !is_through(history, &node->after[e])) {
            return false;
        }
    }
    return true;
}

size_t why_frontier(struct arena *arena, const struct history *history, int32_t vm,
                    uint32_t **nodes)
{
    size_t count = 0, capacity = 0;
    int32_t skipped = NO_NODE;
    *nodes = NULL;
    for (uint32_t i = 0; i < history->graph->node_count; i++) {
        if (history->graph->nodes[i].vm != vm) {
            continue;
        }
        if (is_next(history, i)) {
            *nodes = arena_grow(arena, *nodes, count, &capacity, sizeof **nodes);
            (*nodes)[count++] = i;
        } else if (skipped == NO_NODE && history->nodes[i].status.state == NODE_SKIPPED) {
            skipped = (int32_t)i;
        }
    }
    if (count == 0 && skipped != NO_NODE) {
        *nodes = ARENA_ARRAY(arena, uint32_t, 1);
        (*nodes)[count++] = (uint32_t)skipped;
    }
    return count;
}

/* --- values --- */

/* Who took the slot that a node's value names: itself, or one before it for the same disk. */
static int slot_of(const struct history *history, uint32_t index, int32_t pool)
{
    const struct graph_node *node = &history->graph->nodes[index];
    for (uint32_t i = index + 1; i-- > 0;) {
        const struct graph_node *other = &history->graph->nodes[i];
        if (other->acquire == pool && other->vm == node->vm && history->nodes[i].slot >= 0) {
            return history->nodes[i].slot;
        }
    }
    return -1;
}

static struct value text_or(const char *text, const struct value *otherwise)
{
    return text ? (struct value){.kind = VALUE_TEXT, .text = text} : *otherwise;
}

static struct value filled_items(struct arena *arena, const struct history *history,
                                 const struct facts *facts, uint32_t node,
                                 const struct value *value)
{
    struct value filled = *value;
    const char *joined = "";
    filled.items = ARENA_ARRAY(arena, struct value, value->count + 1);
    for (uint32_t i = 0; i < value->count; i++) {
        filled.items[i] = why_value(arena, history, facts, node, &value->items[i]);
        bool known = joined && filled.items[i].kind == VALUE_TEXT;
        joined = known ? arena_printf(arena, "%s%s", joined, filled.items[i].text) : NULL;
    }
    return value->kind == VALUE_TEMPLATE ? text_or(joined, &filled) : filled;
}

struct value why_value(struct arena *arena, const struct history *history,
                       const struct facts *facts, uint32_t node, const struct value *value)
{
    const struct graph_pool *pool;
    int slot;
    switch (value->kind) {
    case VALUE_OUTPUT:
        return text_or(ledger_output(history->ledger, (uint32_t)value->node, value->text), value);
    case VALUE_BIND:
        return text_or(facts ? map_get(&facts->bindings, value->text) : NULL, value);
    case VALUE_SLOT:
        pool = &history->graph->pools[value->node];
        slot = slot_of(history, node, value->node);
        return text_or(slot >= 0 && slot < pool->capacity && pool->slots ? pool->slots[slot] : NULL,
                       value);
    case VALUE_LIST:
    case VALUE_MAP:
    case VALUE_TEMPLATE:
        return filled_items(arena, history, facts, node, value);
    default:
        return *value;
    }
}
