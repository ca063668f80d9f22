#include "compiler/emit/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/graph/estimate.h"
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

static void a_wait_joins_what_it_sees_through(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    size_t count;
    struct row *rows = rows_by_time(*state, graph, schedule, &count);
    size_t seen = 0, waits = 0;
    for (size_t i = 0; i < count; i++) {
        const struct graph_node *node = &graph->nodes[rows[i].node];
        assert_true(strncmp(action_info(node->action)->name, "wait-", 5) != 0);
        assert_true(i == 0 || rows[i - 1].start_ms <= rows[i].start_ms);
        seen += strcmp(node->id, "db/start-instance") == 0;
        if (rows[i].wait != NO_NODE) {
            waits++;
            assert_int_equal(graph->nodes[rows[i].wait].vm, node->vm);
            assert_int_equal(rows[i].end_ms, schedule->entries[rows[i].wait].end_ms);
        }
    }
    assert_int_equal(seen, 1);
    assert_int_equal(count + waits, graph->node_count);
}

static void a_wait_for_another_vms_action_stands_alone(void **state)
{
    struct graph *graph = maker_graph(*state, 3);
    maker_vm(graph, "a", true);
    maker_vm(graph, "b", true);
    maker_node(graph, "a/start-instance", ACTION_START_INSTANCE, 5);
    maker_node(graph, "b/wait-running", ACTION_WAIT_RUNNING, 5);
    maker_edge(graph, 0, 1);
    maker_node(graph, "b/wait-stopped", ACTION_WAIT_STOPPED, 5);
    struct row_pairs pairs = rows_pair(*state, graph);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pairs.subject_of[i], NO_NODE);
        assert_int_equal(pairs.wait_of[i], NO_NODE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_wait_joins_what_it_sees_through),
        TEST(a_wait_for_another_vms_action_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
