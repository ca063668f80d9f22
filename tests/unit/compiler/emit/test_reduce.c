#include "compiler/emit/reduce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/graph_maker.h"

static int set_up(void **state)
{
    *state = arena_create();
    return 0;
}

static int tear_down(void **state)
{
    arena_destroy(*state);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static void an_edge_goes_when_a_longer_way_says_the_same(void **state)
{
    struct graph *graph = maker_graph(*state, 4);
    for (int i = 0; i < 4; i++) {
        maker_node(graph, "n", ACTION_DELAY, 1);
    }
    maker_edge(graph, 0, 1);
    maker_edge(graph, 1, 2);
    maker_edge(graph, 0, 2); /* says nothing new */
    maker_edge(graph, 2, 3);
    maker_edge(graph, 2, 3); /* said already */
    bool **keep = reduce_edges(*state, graph);
    assert_true(keep[1][0]);
    assert_true(keep[2][0]);
    assert_false(keep[2][1]);
    assert_true(keep[3][0]);
    assert_false(keep[3][1]);
}

static void success_is_not_implied_by_an_end(void **state)
{
    struct graph *graph = maker_graph(*state, 4);
    for (int i = 0; i < 4; i++) {
        maker_node(graph, "n", ACTION_DELAY, 1);
    }
    maker_edge(graph, 0, 1); /* create, attach, … */
    maker_edge(graph, 1, 2);
    graph->nodes[2].after[0].when = WHEN_ENDED; /* … detach, whatever became of it */
    maker_edge(graph, 0, 2);
    maker_edge(graph, 2, 3);
    bool **keep = reduce_edges(*state, graph);
    assert_true(keep[2][0]);
    assert_true(keep[2][1]);
    /* As a guard of the attachment it runs only if that was attempted, thus if 0 went well. */
    graph->nodes[2].guards = 1;
    keep = reduce_edges(*state, graph);
    assert_true(keep[2][0]);
    assert_false(keep[2][1]);
}

static uint32_t next_random(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)*seed * below) >> 32);
}

/* reach[i * n + k]: k has to have ended (or ended well) before i; by the edges in `keep` only,
 * where that is given. */
static bool *ancestors(struct arena *arena, const struct graph *graph, bool **keep, bool ok)
{
    size_t n = graph->node_count;
    bool *reach = ARENA_ARRAY(arena, bool, n *n);
    for (size_t i = 0; i < n; i++) {
        for (uint32_t e = 0; e < graph->nodes[i].after_count; e++) {
            size_t before = graph->nodes[i].after[e].node;
            if ((keep && !keep[i][e]) || (ok && graph->nodes[i].after[e].when != WHEN_OK)) {
                continue;
            }
            reach[i * n + before] = true;
            for (size_t k = 0; k < before; k++) {
                reach[i * n + k] |= reach[before * n + k];
            }
        }
    }
    return reach;
}

/* Taking one edge away from those kept takes something away from what they say. */
static void check_none_is_spare(const struct graph *graph, bool **keep, const bool *ended,
                                const bool *ok)
{
    size_t bytes = graph->node_count * graph->node_count;
    for (size_t i = 0; i < graph->node_count; i++) {
        for (uint32_t e = 0; e < graph->nodes[i].after_count; e++) {
            if (!keep[i][e]) {
                continue;
            }
            keep[i][e] = false;
            struct arena *scratch = arena_create();
            assert_true(memcmp(ancestors(scratch, graph, keep, false), ended, bytes) != 0 ||
                        memcmp(ancestors(scratch, graph, keep, true), ok, bytes) != 0);
            arena_destroy(scratch);
            keep[i][e] = true;
        }
    }
}

/* Also past the size of a chunk: what the edges say stays. */
static void reductions_are_complete_and_least(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 12, 30, 40, 1500, 2300};
    for (uint32_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        struct arena *arena = arena_create();
        uint32_t seed = at + 1, n = sizes[at];
        struct graph *graph = maker_graph(arena, n);
        for (uint32_t i = 0; i < n; i++) {
            maker_node(graph, "n", ACTION_DELAY, 1);
            for (uint32_t edges = i > 0 ? next_random(&seed, 4) : 0; edges > 0; edges--) {
                maker_edge(graph, next_random(&seed, i), i);
                bool ended = next_random(&seed, 4) == 0;
                graph->nodes[i].after[graph->nodes[i].after_count - 1].when =
                    ended ? WHEN_ENDED : WHEN_OK;
            }
        }
        bool **keep = reduce_edges(arena, graph);
        bool *ended = ancestors(arena, graph, NULL, false);
        bool *ok = ancestors(arena, graph, NULL, true);
        assert_memory_equal(ended, ancestors(arena, graph, keep, false), (size_t)n * n);
        assert_memory_equal(ok, ancestors(arena, graph, keep, true), (size_t)n * n);
        if (n <= 40) {
            check_none_is_spare(graph, keep, ended, ok);
        }
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_edge_goes_when_a_longer_way_says_the_same),
        TEST(success_is_not_implied_by_an_end),
        TEST(reductions_are_complete_and_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
