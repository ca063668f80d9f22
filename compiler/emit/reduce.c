#include "compiler/emit/reduce.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/graph/graph.h"

/* Ancestors are sets of bits. To bound memory they are computed for so many ancestors at a time:
 * 230,000 nodes need 29 MB, and each pass sees only the nodes behind its ancestors. */
enum { CHUNK_WORDS = 16, CHUNK = CHUNK_WORDS * 64 };

struct ancestors {
    uint64_t words[CHUNK_WORDS];
};

static bool is_in_chunk(uint32_t node, uint32_t base)
{
    return node >= base && node - base < CHUNK;
}

/* Whether an earlier edge of the node names the same predecessor. */
static bool is_repeated(const struct graph_node *node, uint32_t edge)
{
    for (uint32_t e = 0; e < edge; e++) {
        if (node->after[e].node == node->after[edge].node) {
            return true;
        }
    }
    return false;
}

static void reduce_node(const struct graph_node *node, uint32_t base, struct ancestors *sets,
                        bool *keep)
{
    struct ancestors *own = &sets[node->index - base];
    for (uint32_t e = 0; e < node->after_count; e++) {
        if (node->after[e].node < base) {
            continue; /* What comes before the chunk has no ancestors in it. */
        }
        const struct ancestors *before = &sets[node->after[e].node - base];
        for (int w = 0; w < CHUNK_WORDS; w++) {
            own->words[w] |= before->words[w];
        }
    }
    for (uint32_t e = 0; e < node->after_count; e++) {
        uint32_t bit = node->after[e].node - base;
        if (is_in_chunk(node->after[e].node, base)) {
            keep[e] = !(own->words[bit / 64] >> bit % 64 & 1) && !is_repeated(node, e);
        }
    }
    for (uint32_t e = 0; e < node->after_count; e++) {
        uint32_t bit = node->after[e].node - base;
        if (is_in_chunk(node->after[e].node, base)) {
            own->words[bit / 64] |= UINT64_C(1) << bit % 64;
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
