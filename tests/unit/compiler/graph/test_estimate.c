#include "compiler/graph/estimate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/graph/facts.h"
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

static void a_chain_takes_the_sum(void **state)
{
    struct graph *graph = maker_graph(*state, 3);
    maker_node(graph, "a/delay", ACTION_DELAY, 100);
    maker_node(graph, "b/delay", ACTION_DELAY, 20);
    maker_node(graph, "c/delay", ACTION_DELAY, 3);
    maker_edge(graph, 0, 1);
    maker_edge(graph, 1, 2);
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    assert_int_equal(schedule->makespan_ms, 123);
    assert_int_equal(schedule->rto_ms, 0); /* nothing is recovered here */
    assert_int_equal(schedule->entries[2].start_ms, 120);
    assert_int_equal(schedule->entries[2].bound_by, BOUND_BY_NODE);
    assert_int_equal(schedule->entries[2].binding_node, 1);
    assert_int_equal(schedule->entries[0].bound_by, BOUND_BY_NOTHING);
    assert_int_equal(schedule->critical_path_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(schedule->critical_path[i], i);
        assert_true(schedule->entries[i].critical);
        assert_int_equal(schedule->entries[i].slack_ms, 0);
    }
}

static void an_empty_graph_takes_no_time(void **state)
{
    struct schedule *schedule = estimate(*state, maker_graph(*state, 0), NULL, true);
    assert_int_equal(schedule->makespan_ms, 0);
    assert_int_equal(schedule->critical_path_count, 0);
}

static void the_shorter_branch_has_slack(void **state)
{
    struct graph *graph = maker_graph(*state, 4);
    maker_node(graph, "a/delay", ACTION_DELAY, 10);
    maker_node(graph, "long/delay", ACTION_DELAY, 50);
    maker_node(graph, "short/delay", ACTION_DELAY, 20);
    maker_node(graph, "end/delay", ACTION_DELAY, 5);
    maker_edge(graph, 0, 1);
    maker_edge(graph, 0, 2);
    maker_edge(graph, 1, 3);
    maker_edge(graph, 2, 3);
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    assert_int_equal(schedule->makespan_ms, 65);
    assert_int_equal(schedule->entries[2].slack_ms, 30);
    assert_false(schedule->entries[2].critical);
    assert_int_equal(schedule->entries[1].slack_ms, 0);
    assert_int_equal(schedule->critical_path_count, 3);
}

static void the_rto_counts_critical_vms_only(void **state)
{
    struct graph *graph = maker_graph(*state, 4);
    maker_vm(graph, "db", true);
    maker_vm(graph, "reports", false);
    maker_node(graph, "db/delay", ACTION_DELAY, 100);
    maker_node(graph, "reports/delay", ACTION_DELAY, 500);
    maker_node(graph, "db/recovered", ACTION_RECOVERED, 0);
    maker_node(graph, "reports/recovered", ACTION_RECOVERED, 0);
    maker_edge(graph, 0, 2);
    maker_edge(graph, 1, 3);
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    assert_int_equal(schedule->rto_ms, 100);
    assert_int_equal(schedule->makespan_ms, 500);
    assert_int_equal(schedule->critical_path_count, 2);
    assert_int_equal(schedule->critical_path[1], 2);
    assert_false(schedule->entries[3].critical);
    assert_int_equal(schedule->entries[0].slack_ms, 0);
}

/* attach (acquires) → inject → detach (releases), for three VMs on one slot. */
static void a_full_pool_binds_to_who_held_the_place(void **state)
{
    struct graph *graph = maker_graph(*state, 9);
    int32_t pool = maker_pool(graph, "conversion/i-1", 1);
    for (uint32_t vm = 0; vm < 3; vm++) {
        char id[32];
        snprintf(id, sizeof id, "vm%u/attach", vm);
        uint32_t attach = maker_node(graph, id, ACTION_DELAY, 10);
        snprintf(id, sizeof id, "vm%u/inject", vm);
        uint32_t inject = maker_node(graph, id, ACTION_DELAY, 100 + vm);
        snprintf(id, sizeof id, "vm%u/detach", vm);
        uint32_t detach = maker_node(graph, id, ACTION_DELAY, 1);
        maker_edge(graph, attach, inject);
        maker_edge(graph, inject, detach);
        graph->nodes[attach].acquire = pool;
        graph->nodes[detach].release = pool;
    }
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    assert_int_equal(schedule->makespan_ms, 111 + 112 + 113);
    /* The longest goes first: vm2, vm1, vm0. */
    assert_int_equal(schedule->entries[6].start_ms, 0);
    assert_int_equal(schedule->entries[3].start_ms, 113);
    assert_int_equal(schedule->entries[0].start_ms, 225);
    assert_int_equal(schedule->entries[0].bound_by, BOUND_BY_POOL);
    assert_int_equal(schedule->entries[0].binding_node, 5);
    assert_int_equal(schedule->critical_path_count, 9);
    graph->pools[0].capacity = 3;
    assert_int_equal(estimate(*state, graph, NULL, true)->makespan_ms, 113);
}

static void pools_that_can_never_be_entered_still_give_an_estimate(void **state)
{
    struct graph *graph = maker_graph(*state, 2);
    int32_t pool = maker_pool(graph, "p", 0);
    maker_node(graph, "a/delay", ACTION_DELAY, 5);
    maker_node(graph, "b/delay", ACTION_DELAY, 7);
    graph->nodes[0].acquire = graph->nodes[1].acquire = pool;
    assert_int_equal(estimate(*state, graph, NULL, true)->makespan_ms, 7);
}

static void five_hundred_run_instances_take_four_minutes(void **state)
{
    struct graph *graph = maker_graph(*state, 500);
    for (int i = 0; i < 500; i++) {
        char id[32];
        snprintf(id, sizeof id, "vm%d/run-instance", i);
        maker_node(graph, id, ACTION_RUN_INSTANCE, 3000);
    }
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    assert_int_equal(schedule->makespan_ms, (500 - 5) * 500 + 3000);
    assert_int_equal(schedule->entries[499].bound_by, BOUND_BY_BUCKET);
    assert_int_equal(schedule->entries[499].binding_node, 498);
    assert_int_equal(schedule->entries[4].start_ms, 0);
    assert_int_equal(schedule->entries[5].start_ms, 500);
    assert_int_equal(schedule->critical_path_count, 496);
    assert_int_equal(estimate(*state, graph, NULL, false)->makespan_ms, 3000);
}

static void one_request_serves_what_is_ready_at_the_same_moment(void **state)
{
    struct graph *graph = maker_graph(*state, 1000);
    for (int i = 0; i < 1000; i++) {
        char id[32];
        snprintf(id, sizeof id, "vm%d/start-instance", i);
        maker_node(graph, id, ACTION_START_INSTANCE, 1000);
    }
    /* Ten requests of a hundred: five at once, then one each half second. */
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    assert_int_equal(schedule->entries[499].start_ms, 0);
    assert_int_equal(schedule->entries[500].start_ms, 500);
    assert_int_equal(schedule->entries[999].start_ms, 2500);
}

static void a_resource_bucket_counts_each_node(void **state)
{
    struct graph *graph = maker_graph(*state, 1200);
    for (int i = 0; i < 1200; i++) {
        maker_node(graph, "vm/start-instance", ACTION_START_INSTANCE, 1000);
    }
    /* 1000 instances of the bucket and what comes to it, two each second. */
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    assert_int_equal(schedule->makespan_ms, 200 * 500 + 1000);
    assert_int_equal(schedule->entries[1199].bound_by, BOUND_BY_BUCKET);
}

static void measured_durations_win(void **state)
{
    struct graph *graph = maker_graph(*state, 3);
    maker_node(graph, "a/run-instance", ACTION_RUN_INSTANCE, 3000);
    maker_node(graph, "b/run-instance", ACTION_RUN_INSTANCE, 3000);
    maker_node(graph, "b/delay", ACTION_DELAY, 70);
    struct facts facts = {.durations = {.arena = *state}};
    int64_t own = 50, kind = 4000;
    map_put(&facts.durations, "a/run-instance", &own);
    map_put(&facts.durations, "run-instance", &kind);
    map_put(&facts.durations, "delay", &kind);
    struct schedule *schedule = estimate(*state, graph, &facts, true);
    assert_int_equal(schedule->entries[0].end_ms, 50);
    assert_int_equal(schedule->entries[1].end_ms, 4000);
    assert_int_equal(schedule->entries[2].end_ms, 70);
}

static void absurd_durations_do_not_overflow(void **state)
{
    struct graph *graph = maker_graph(*state, 3);
    maker_node(graph, "a/delay", ACTION_DELAY, INT64_MAX);
    maker_node(graph, "b/delay", ACTION_DELAY, INT64_MAX);
    maker_node(graph, "c/delay", ACTION_DELAY, INT64_MIN);
    maker_edge(graph, 0, 1);
    maker_edge(graph, 1, 2);
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    assert_int_equal(schedule->makespan_ms, INT64_C(2) * 366 * 24 * 3600 * 1000);
}

static void a_guard_comes_after_what_it_guards(void **state)
{
    struct graph *graph = maker_graph(*state, 2);
    maker_node(graph, "a/delay", ACTION_DELAY, 5);
    maker_node(graph, "b/delay", ACTION_DELAY, 7);
    graph->nodes[1].guards = 0;
    assert_int_equal(estimate(*state, graph, NULL, true)->entries[1].start_ms, 5);
}

static void tells_what_would_be_gained_without_some_nodes(void **state)
{
    struct graph *graph = maker_graph(*state, 3);
    int32_t pool = maker_pool(graph, "p", 1);
    maker_node(graph, "a/run-instance", ACTION_RUN_INSTANCE, 10);
    maker_node(graph, "a/delay", ACTION_DELAY, 100);
    maker_node(graph, "b/delay", ACTION_DELAY, 40);
    maker_edge(graph, 0, 1);
    graph->nodes[1].acquire = graph->nodes[1].release = pool;
    graph->nodes[2].acquire = graph->nodes[2].release = pool;
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    assert_int_equal(schedule->makespan_ms, 140);
    const bool left_out[] = {false, true, false};
    assert_int_equal(estimate_without(*state, graph, schedule, left_out)->makespan_ms, 40);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_chain_takes_the_sum),
        TEST(an_empty_graph_takes_no_time),
        TEST(the_shorter_branch_has_slack),
        TEST(the_rto_counts_critical_vms_only),
        TEST(a_full_pool_binds_to_who_held_the_place),
        TEST(pools_that_can_never_be_entered_still_give_an_estimate),
        TEST(five_hundred_run_instances_take_four_minutes),
        TEST(one_request_serves_what_is_ready_at_the_same_moment),
        TEST(a_resource_bucket_counts_each_node),
        TEST(measured_durations_win),
        TEST(absurd_durations_do_not_overflow),
        TEST(a_guard_comes_after_what_it_guards),
        TEST(tells_what_would_be_gained_without_some_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
