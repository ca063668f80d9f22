#include "compiler/emit/reduce.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/graph/graph.h"

/* Ancestors are sets of bits. To bound memory they are computed for so many ancestors at a time:
 * 230,000 nodes need 59 MB, and each pass sees only the nodes behind its ancestors. */
enum { CHUNK_WORDS = 16, CHUNK = CHUNK_WORDS * 64 };

struct set {
    uint64_t words[CHUNK_WORDS];
};

/* Who has to have ended before, and of those who has to have ended well. */
struct ancestors {
    struct set ended, ok;
};

static void unite(struct set *to, const struct set *from)
{
    for (int w = 0; w < CHUNK_WORDS; w++) {
        to->words[w] |= from->words[w];
    }
}

static void put(struct set *set, uint32_t bit)
{
    set->words[bit / 64] |= UINT64_C(1) << bit % 64;
}

static bool has(const struct set *set, uint32_t bit)
{
    return set->words[bit / 64] >> bit % 64 & 1;
}

/* Whether another edge of the node says this one. */
static bool is_repeated(const struct graph_node *node, uint32_t edge)
{
    const struct edge *own = &node->after[edge];
    for (uint32_t e = 0; e < node->after_count; e++) {
        bool says = node->after[e].when == own->when
                        ? e < edge
                        : own->when == WHEN_ENDED && node->after[e].when == WHEN_OK;
        if (e != edge && node->after[e].node == own->node && says) {
            return true;
        }
    }
    return false;
}

/* What the node's predecessors have behind them. Those before the chunk have nothing in it. */
static void inherit(const struct graph_node *node, uint32_t base, struct ancestors *sets)
{
    struct ancestors *own = &sets[node->index - base];
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (node->after[e].node < base) {
            continue;
        }
        const struct ancestors *before = &sets[node->after[e].node - base];
        unite(&own->ended, &before->ended);
        if (node->after[e].when == WHEN_OK) {
            unite(&own->ok, &before->ok);
        }
    }
    /* A guard runs only if the other was attempted: what that one needed has ended well. */
    if (node->guards != NO_NODE && (uint32_t)node->guards >= base) {
        unite(&own->ended, &sets[(uint32_t)node->guards - base].ended);
        unite(&own->ok, &sets[(uint32_t)node->guards - base].ok);
    }
}

static bool is_in_chunk(uint32_t node, uint32_t base)
{
    return node >= base && node - base < CHUNK;
}

static void reduce_node(const struct graph_node *node, uint32_t base, struct ancestors *sets,
                        bool *keep)
{
    struct ancestors *own = &sets[node->index - base];
    inherit(node, base, sets);
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (is_in_chunk(node->after[e].node, base)) {
            const struct set *behind = node->after[e].when == WHEN_OK ? &own->ok : &own->ended;
            bool says_more = node->after[e].when == WHEN_FAILED;
            keep[e] = says_more ||
                      (!has(behind, node->after[e].node - base) && !is_repeated(node, e));
        }
    }
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (is_in_chunk(node->after[e].node, base)) {
            put(&own->ended, node->after[e].node - base);
            if (node->after[e].when == WHEN_OK) {
                put(&own->ok, node->after[e].node - base);
            }
        }
    }
}

bool **reduce_edges(struct arena *arena, const struct graph *graph)
{
    bool **keep = ARENA_ARRAY(arena, bool *, graph->node_count);
    for (size_t i = 0; i < graph->node_count; i++) {
        keep[i] = ARENA_ARRAY(arena, bool, graph->nodes[i].after_count);
    }
    struct arena *scratch = arena_create();
    struct ancestors *sets = ARENA_ARRAY(scratch, struct ancestors, graph->node_count);
    for (size_t base = 0; base < graph->node_count; base += CHUNK) {
        memset(sets, 0, (graph->node_count - base) * sizeof *sets);
        for (size_t i = base; i < graph->node_count; i++) {
            reduce_node(&graph->nodes[i], (uint32_t)base, sets, keep[i]);
        }
    }
    arena_destroy(scratch);
    return keep;
}
