#include "compiler/emit/vm_view.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/emit/reduce.h"
#include "compiler/emit/words.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"

static const struct value *member(const struct value *map, const char *key)
{
    for (uint32_t i = 0; map->kind == VALUE_MAP && i < map->count; i++) {
        if (strcmp(map->keys[i], key) == 0) {
            return &map->items[i];
        }
    }
    return NULL;
}

static const char *value_as_text(struct arena *arena, const struct graph *graph,
                                 const struct value *value)
{
    struct buffer text = {0};
    words_value(graph, value, &text);
    const char *copy = arena_strdup(arena, buffer_text(&text));
    buffer_free(&text);
    return copy;
}

static void see_launch(struct arena *arena, const struct graph *graph,
                       const struct graph_node *node, struct vm_view *vm)
{
    const struct value *types = graph_input(node, "instance_types");
    if (types && types->kind == VALUE_LIST && types->count > 0) {
        vm->type = value_as_text(arena, graph, &types->items[0]);
    }
    const struct value *cards = graph_input(node, "cards");
    if (!cards || cards->kind != VALUE_LIST || cards->count == 0) {
        return;
    }
    const struct value *subnet = member(&cards->items[0], "subnet");
    subnet = subnet ? subnet : member(&cards->items[0], "subnet_id");
    const struct value *address = member(&cards->items[0], "private_ip");
    vm->place = subnet ? value_as_text(arena, graph, subnet) : NULL;
    if (address) {
        vm->place = arena_printf(arena, "%s%s%s", subnet ? vm->place : "", subnet ? " · " : "",
                                 value_as_text(arena, graph, address));
    }
}

static struct vm_view *see_vms(struct arena *arena, const struct graph *graph,
                               const struct schedule *schedule)
{
    struct vm_view *vms = ARENA_ARRAY(arena, struct vm_view, graph->vm_count);
    for (size_t i = 0; i < graph->vm_count; i++) {
        vms[i].name = graph->vms[i].name;
        vms[i].critical = graph->vms[i].critical;
        vms[i].recovered_ms = -1;
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        if (node->vm == NO_VM) {
            continue;
        }
        struct vm_view *vm = &vms[node->vm];
        vm->has_nodes = true;
        vm->on_path |= schedule->entries[i].critical;
        if (node->action == ACTION_RUN_INSTANCE) {
            see_launch(arena, graph, node, vm);
        }
        /* The last of both in topological order is what boots the recovered disks. */
        if (node->action == ACTION_RUN_INSTANCE || node->action == ACTION_START_INSTANCE) {
            vm->start_ms = schedule->entries[i].start_ms;
        } else if (node->action == ACTION_START_SNAPSHOT && node->acquire != NO_POOL) {
            int64_t start_ms = schedule->entries[i].start_ms; /* of its first disk */
            vm->start_ms = vm->goal && start_ms > vm->start_ms ? vm->start_ms : start_ms;
            vm->goal = "copied";
        } else if (graph_is_goal(node)) {
            vm->recovered_ms = schedule->entries[i].end_ms;
            vm->goal = action_info(node->action)->name;
        }
    }
    return vms;
}

/* VMs in an order in which most dependencies go forward: by their last node. VMs can need each
 * other in turns though their nodes do not; such an edge backwards is kept as it is. */
struct ranking {
    uint32_t *vm_at, *rank_of;
};

static struct ranking rank_vms(struct arena *arena, const struct graph *graph)
{
    struct ranking ranking = {ARENA_ARRAY(arena, uint32_t, graph->vm_count),
                              ARENA_ARRAY(arena, uint32_t, graph->vm_count)};
    bool *seen = ARENA_ARRAY(arena, bool, graph->vm_count);
    uint32_t rank = (uint32_t)graph->vm_count;
    for (size_t i = graph->node_count; i-- > 0;) {
        int32_t vm = graph->nodes[i].vm;
        if (vm != NO_VM && !seen[vm]) {
            seen[vm] = true;
            ranking.vm_at[--rank] = (uint32_t)vm;
        }
    }
    for (size_t vm = 0; vm < graph->vm_count; vm++) {
        if (!seen[vm]) {
            ranking.vm_at[--rank] = (uint32_t)vm;
        }
    }
    for (uint32_t i = 0; i < graph->vm_count; i++) {
        ranking.rank_of[ranking.vm_at[i]] = i;
    }
    return ranking;
}

static int by_ends(const void *left, const void *right)
{
    const struct vm_link *a = left, *b = right;
    if (a->to != b->to) {
        return a->to < b->to ? -1 : 1;
    }
    if (a->from != b->from) {
        return a->from < b->from ? -1 : 1;
    }
    /* Of equal ones the dependency on the critical path is the one to keep. */
    if (a->limit != b->limit) {
        return a->limit ? 1 : -1;
    }
    return (int)b->on_path - (int)a->on_path;
}

static struct vm_link *all_links(struct arena *arena, const struct graph *graph,
                                 const struct schedule *schedule, size_t *count)
{
    struct vm_link *links = NULL;
    size_t capacity = 0;
    *count = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        const struct schedule_entry *entry = &schedule->entries[i];
        for (uint32_t e = 0; node->vm != NO_VM && e < node->after_count; e++) {
            const struct graph_node *before = &graph->nodes[node->after[e].node];
            if (before->vm == NO_VM || before->vm == node->vm) {
                continue;
            }
            links = arena_grow(arena, links, *count, &capacity, sizeof *links);
            links[(*count)++] = (struct vm_link){
                .from = (uint32_t)before->vm,
                .to = (uint32_t)node->vm,
                .on_path = entry->critical && entry->bound_by == BOUND_BY_NODE &&
                           entry->binding_node == (int32_t)before->index,
            };
        }
        bool limit = entry->critical &&
                     (entry->bound_by == BOUND_BY_POOL || entry->bound_by == BOUND_BY_BUCKET);
        int32_t holder = limit ? graph->nodes[entry->binding_node].vm : NO_VM;
        if (holder != NO_VM && node->vm != NO_VM && holder != node->vm) {
            links = arena_grow(arena, links, *count, &capacity, sizeof *links);
            links[(*count)++] = (struct vm_link){
                .from = (uint32_t)holder, .to = (uint32_t)node->vm, .on_path = true, .limit = true};
        }
    }
    if (*count > 0) {
        qsort(links, *count, sizeof *links, by_ends);
    }
    return links;
}

static size_t drop_repeated(struct vm_link *links, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool again =
            kept > 0 && links[kept - 1].to == links[i].to && links[kept - 1].from == links[i].from;
        if (!again) {
            links[kept++] = links[i];
        } else if (!links[i].limit) {
            links[kept - 1].on_path |= links[i].on_path;
        }
    }
    return kept;
}

/* The dependencies among VMs as a graph of their ranks, for the reduction. */
static struct graph *graph_of_ranks(struct arena *arena, const struct ranking *ranking,
                                    size_t vm_count, const struct vm_link *links, size_t count)
{
    struct graph *graph = ARENA_NEW(arena, struct graph);
    graph->nodes = ARENA_ARRAY(arena, struct graph_node, vm_count);
    graph->node_count = vm_count;
    struct edge *edges = ARENA_ARRAY(arena, struct edge, count);
    for (size_t i = 0; i < vm_count; i++) {
        graph->nodes[i].index = (uint32_t)i;
    }
    for (size_t i = 0; i < count; i++) { /* `links` are sorted by `to` */
        struct graph_node *node = &graph->nodes[ranking->rank_of[links[i].to]];
        uint32_t from = ranking->rank_of[links[i].from];
        if (links[i].limit || from >= node->index) {
            continue;
        }
        node->after = node->after ? node->after : &edges[i];
        node->after[node->after_count++] = (struct edge){.node = from};
    }
    return graph;
}

static bool is_redundant(const struct graph *ranks, bool *const *keep, uint32_t from, uint32_t to)
{
    const struct graph_node *node = &ranks->nodes[to];
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (node->after[e].node == from) {
            return !keep[to][e];
        }
    }
    return false;
}

struct vm_views vm_view(struct arena *arena, const struct graph *graph,
                        const struct schedule *schedule)
{
    struct vm_views views = {.vms = see_vms(arena, graph, schedule)};
    size_t count;
    struct vm_link *links = all_links(arena, graph, schedule, &count);
    count = drop_repeated(links, count);
    struct ranking ranking = rank_vms(arena, graph);
    struct graph *ranks = graph_of_ranks(arena, &ranking, graph->vm_count, links, count);
    bool **keep = reduce_edges(arena, ranks);
    views.links = links;
    for (size_t i = 0; i < count; i++) {
        uint32_t from = ranking.rank_of[links[i].from], to = ranking.rank_of[links[i].to];
        if (links[i].limit || !is_redundant(ranks, keep, from, to)) {
            links[views.link_count++] = links[i];
        }
    }
    return views;
}
