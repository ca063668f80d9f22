#include "compiler/emit/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
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

static void a_flowchart_with_a_subgraph_for_each_vm(void **state)
{
    const char *text = emitted_mermaid(*state, maker_shop(*state), DETAIL_ACTION);
    assert_memory_equal(text, "flowchart LR\n", 13);
    assert_int_equal(occurrences(text, "  subgraph v_"), 3);
    assert_int_equal(occurrences(text, "\n  end\n"), 3);
    assert_contains(text, "    n_db_start_instance[\"start-instance<br/>1:22 +1s\"]:::critical\n");
    assert_contains(text, "    n_app_recovered([\"recovered<br/>5:04\"]):::critical\n");
    assert_contains(text, "  n_db_recovered --> n_app_start_instance\n");
    assert_contains(text, "  linkStyle ");
}

/* linkStyle counts edges as they are written. */
static void the_critical_edges_are_those_that_are_styled(void **state)
{
    struct graph *graph = maker_graph(*state, 3);
    maker_node(graph, "a", ACTION_DELAY, 10);
    maker_node(graph, "b", ACTION_DELAY, 5);
    maker_node(graph, "c", ACTION_DELAY, 5);
    maker_edge(graph, 1, 2);
    maker_edge(graph, 0, 2);
    const char *text = emitted_mermaid(*state, graph, DETAIL_ACTION);
    assert_contains(text, "  n_b --> n_c\n  n_a --> n_c\n  linkStyle 1 stroke");
}

static void identifiers_are_plain_and_stay_apart(void **state)
{
    struct graph *graph = maker_graph(*state, 3);
    maker_node(graph, "a/b-c", ACTION_DELAY, 1);
    maker_node(graph, "a/b/c", ACTION_DELAY, 1);
    maker_node(graph, "end", ACTION_DELAY, 1);
    const char *text = emitted_mermaid(*state, graph, DETAIL_ACTION);
    assert_contains(text, "n_a_b_c[");
    assert_contains(text, "n_a_b_c_2[");
    assert_contains(text, "n_end[");
}

static void labels_cannot_break_out(void **state)
{
    struct graph *graph = maker_graph(*state, 1);
    maker_vm(graph, "x\"]<script>", true);
    maker_node(graph, "x\"]<script>/delay", ACTION_DELAY, 1);
    const char *text = emitted_mermaid(*state, graph, DETAIL_ACTION);
    assert_lacks(text, "<script>");
    assert_contains(text, "subgraph v_x___script_[\"x#quot;]#lt;script#gt;\"]");
}

static void one_node_for_each_vm(void **state)
{
    const char *text = emitted_mermaid(*state, maker_shop(*state), DETAIL_VM);
    assert_contains(text, "  v_db[\"<b>db</b> r6i.xlarge<br/>subnet-0a00000000000000b · 10.20.2.10"
                          "<br/>start 1:22 → recovered 2:43\"]:::critical\n");
    assert_contains(text, "  v_db --> v_app\n  v_app --> v_web\n  linkStyle 0,1 stroke");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_flowchart_with_a_subgraph_for_each_vm),
        TEST(the_critical_edges_are_those_that_are_styled),
        TEST(identifiers_are_plain_and_stay_apart),
        TEST(labels_cannot_break_out),
        TEST(one_node_for_each_vm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
