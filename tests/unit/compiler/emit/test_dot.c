/* Covers: dot_ids.c vm_view.c */
#include "compiler/emit/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <graphviz/cgraph.h>

#include "compiler/base/arena.h"
#include "compiler/emit/reduce.h"
#include "compiler/graph/estimate.h"
#include "tests/unit/support/emitted.h"
#include "tests/unit/support/failover_maker.h"

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

static const char *attribute(void *object, const char *name)
{
    const char *value = agget(object, (char *)name);
    return value ? value : "";
}

static void what_is_written_reads_back_as_the_graph(void **state)
{
    struct graph *graph = maker_twelve(*state);
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    bool **keep = reduce_edges(*state, graph);
    Agraph_t *dot = agmemread(emitted_dot(*state, graph, DETAIL_ACTION));
    assert_non_null(dot);
    assert_int_equal(agnnodes(dot), graph->node_count);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        Agnode_t *drawn = agnode(dot, (char *)node->id, 0);
        assert_non_null(drawn);
        bool thick = strcmp(attribute(drawn, "penwidth"), "2.5") == 0;
        bool red = strcmp(attribute(drawn, "color"), "#c1121f") == 0;
        assert_int_equal(thick, schedule->entries[i].critical);
        assert_int_equal(red, schedule->entries[i].critical);
        Agraph_t *cluster =
            agsubg(dot, arena_printf(*state, "cluster_%s", graph->vms[node->vm].name), 0);
        assert_non_null(cluster);
        assert_non_null(agnode(cluster, (char *)node->id, 0));
        for (uint32_t e = 0; e < node->after_count; e++) {
            Agnode_t *from = agnode(dot, (char *)graph->nodes[node->after[e].node].id, 0);
            assert_int_equal(agedge(dot, from, drawn, NULL, 0) != NULL, keep[i][e]);
        }
    }
    agclose(dot);
}

static void milestones_have_a_shape_of_their_own(void **state)
{
    Agraph_t *dot = agmemread(emitted_dot(*state, maker_shop(*state), DETAIL_ACTION));
    Agnode_t *recovered = agnode(dot, (char *)"db/recovered", 0);
    Agnode_t *start = agnode(dot, (char *)"db/start-instance", 0);
    assert_string_equal(attribute(recovered, "shape"), "ellipse");
    assert_string_equal(attribute(start, "shape"), "box");
    agclose(dot);
}

static void a_wait_for_a_place_is_drawn_dashed(void **state)
{
    struct graph *graph = maker_twelve(*state);
    graph->pools[0].capacity = 1;
    const char *text = emitted_dot(*state, graph, DETAIL_ACTION);
    assert_contains(text, "label=place");
    assert_contains(text, "style=dashed");
    assert_contains(emitted_dot(*state, graph, DETAIL_VM), "label=limit");
}

static void one_node_for_each_vm(void **state)
{
    struct graph *graph = maker_twelve(*state);
    Agraph_t *dot = agmemread(emitted_dot(*state, graph, DETAIL_VM));
    assert_int_equal(agnnodes(dot), 12);
    static const char *const edges[][2] = {
        {"dns", "directory"}, {"directory", "queue"}, {"db-primary", "search"}, {"search", "web"}};
    for (size_t i = 0; i < 4; i++) {
        Agnode_t *from = agnode(dot, (char *)edges[i][0], 0);
        assert_non_null(agedge(dot, from, agnode(dot, (char *)edges[i][1], 0), NULL, 0));
    }
    Agnode_t *search = agnode(dot, (char *)"search", 0);
    assert_string_equal(attribute(search, "penwidth"), "2.5");
    assert_contains(attribute(search, "label"), "r6i.xlarge");
    assert_contains(attribute(search, "label"), "start 5:05 → recovered 7:26");
    assert_contains(attribute(agnode(dot, (char *)"reports", 0), "style"), "dashed");
    agclose(dot);
}

static void edges_between_vms_are_reduced(void **state)
{
    static const struct maker_machine machines[] = {
        {"a", "m6i.large", "s", "10.0.0.4", 1, 0, false, 1000},
        {"b", "m6i.large", "s", "10.0.0.5", 1, 1, false, 1000},
        {"c", "m6i.large", "s", "10.0.0.6", 1, 3, false, 1000},
    };
    struct graph *graph = maker_failover(*state, machines, 3, 5);
    Agraph_t *dot = agmemread(emitted_dot(*state, graph, DETAIL_VM));
    Agnode_t *a = agnode(dot, (char *)"a", 0), *b = agnode(dot, (char *)"b", 0);
    Agnode_t *c = agnode(dot, (char *)"c", 0);
    assert_non_null(agedge(dot, a, b, NULL, 0));
    assert_non_null(agedge(dot, b, c, NULL, 0));
    assert_null(agedge(dot, a, c, NULL, 0));
    agclose(dot);
}

static void the_same_graph_gives_the_same_bytes(void **state)
{
    for (enum graph_detail detail = DETAIL_VM; detail <= DETAIL_ACTION; detail++) {
        struct arena *other = arena_create();
        const char *once = emitted_dot(*state, maker_twelve(*state), detail);
        arena_alloc(other, 123456); /* other addresses than before */
        assert_string_equal(once, emitted_dot(other, maker_twelve(other), detail));
        arena_destroy(other);
    }
}

static void names_cannot_break_out(void **state)
{
    struct graph *graph = maker_graph(*state, 1);
    maker_vm(graph, "a<b>&\"\n", true);
    maker_node(graph, "a<b>&\"\n/delay", ACTION_DELAY, 5);
    graph->plan_name = "x</B><IMG SRC=\"/etc/passwd\"/>";
    const char *text = emitted_dot(*state, graph, DETAIL_ACTION);
    Agraph_t *dot = agmemread(text);
    assert_non_null(dot);
    assert_int_equal(agnnodes(dot), 1);
    agclose(dot);
    assert_lacks(text, "<IMG");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_reads_back_as_the_graph),
        TEST(milestones_have_a_shape_of_their_own),
        TEST(a_wait_for_a_place_is_drawn_dashed),
        TEST(one_node_for_each_vm),
        TEST(edges_between_vms_are_reduced),
        TEST(the_same_graph_gives_the_same_bytes),
        TEST(names_cannot_break_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
