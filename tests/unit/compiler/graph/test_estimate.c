/* Covers: critical_path.c */
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
    assert_int_equal(estimate(*state, graph, NULL, true)->makespan_ms, 12);
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

/* Each script is another; and how long people thought the last time is not predicted. */
static void scripts_and_people_are_not_like_others(void **state)
{
    struct arena *arena = *state;
    struct graph *graph = maker_graph(arena, 4);
    uint32_t script = maker_node(graph, "plan/a/run-script", ACTION_RUN_SCRIPT, 700);
    uint32_t own = maker_node(graph, "plan/b/run-script", ACTION_RUN_SCRIPT, 700);
    uint32_t approve = maker_node(graph, "plan/c/approve", ACTION_APPROVE, 0);
    int64_t kind = 5000, measured = 60, thought = 3600000;
    struct facts facts = {.durations = {.arena = arena}};
    map_put(&facts.durations, "run-script", &kind);
    map_put(&facts.durations, "plan/b/run-script", &measured);
    map_put(&facts.durations, "approve", &thought);
    map_put(&facts.durations, "plan/c/approve", &thought);
    struct schedule *schedule = estimate(arena, graph, &facts, false);
    assert_int_equal(schedule->entries[script].end_ms, 700);
    assert_int_equal(schedule->entries[own].end_ms, 60);
    assert_int_equal(schedule->entries[approve].end_ms, 0);
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

/* --- Held against what any schedule has to keep, over random graphs. --- */

enum { RANDOM_NODES = 120, RANDOM_POOLS = 3 };

static uint32_t next_random(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)*seed * below) >> 32);
}

static enum action random_action(uint32_t *seed)
{
    static const enum action choices[] = {
        ACTION_RUN_INSTANCE,  ACTION_START_INSTANCE, ACTION_WAIT_RUNNING,  ACTION_INJECT,
        ACTION_STOP_INSTANCE, ACTION_DELAY,          ACTION_ATTACH_VOLUME, ACTION_RUNNING};
    return choices[next_random(seed, sizeof choices / sizeof *choices)];
}

/* Random edges backwards; a node that acquires is often followed by one that releases. */
static struct graph *random_graph(struct arena *arena, uint32_t seed, bool pools)
{
    struct graph *graph = maker_graph(arena, RANDOM_NODES);
    maker_vm(graph, "vm", true);
    for (int i = 0; i < RANDOM_POOLS; i++) {
        maker_pool(graph, "pool", 1 + (int)next_random(&seed, 3));
    }
    uint32_t last_end = 0;
    for (uint32_t i = 0; i < RANDOM_NODES - 1; i++) {
        enum action action = random_action(&seed); /* before the other: arguments have no order */
        maker_node(graph, "vm/node", action, (int64_t)next_random(&seed, 3000));
        for (uint32_t edges = i > 0 ? next_random(&seed, 4) : 0; edges > 0; edges--) {
            maker_edge(graph, next_random(&seed, i), i);
        }
        if (pools && i > last_end && next_random(&seed, 4) == 0) {
            int32_t pool = (int32_t)next_random(&seed, RANDOM_POOLS);
            graph->nodes[i].acquire = graph->nodes[i].release = pool;
        }
    }
    uint32_t end = maker_node(graph, "vm/recovered", ACTION_RECOVERED, 0);
    for (uint32_t edges = 0; edges < 5; edges++) {
        maker_edge(graph, next_random(&seed, end), end);
    }
    return graph;
}

static int64_t latest_predecessor_ms(const struct graph *graph, const struct schedule *schedule,
                                     uint32_t i)
{
    int64_t latest_ms = 0;
    for (uint32_t e = 0; e < graph->nodes[i].after_count; e++) {
        int64_t end_ms = schedule->entries[graph->nodes[i].after[e].node].end_ms;
        latest_ms = end_ms > latest_ms ? end_ms : latest_ms;
    }
    return latest_ms;
}

static void check_edges_and_bindings(const struct graph *graph, const struct schedule *schedule)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct schedule_entry *entry = &schedule->entries[i];
        int64_t ready_ms = latest_predecessor_ms(graph, schedule, i);
        assert_true(entry->start_ms >= ready_ms);
        assert_int_equal(entry->end_ms - entry->start_ms, graph->nodes[i].expected_ms);
        assert_true(entry->slack_ms >= 0);
        if (entry->critical) {
            assert_int_equal(entry->slack_ms, 0);
        }
        switch (entry->bound_by) {
        case BOUND_BY_NOTHING:
            assert_int_equal(entry->start_ms, 0);
            break;
        case BOUND_BY_NODE:
            assert_int_equal(entry->start_ms, ready_ms);
            assert_int_equal(schedule->entries[entry->binding_node].end_ms, ready_ms);
            break;
        case BOUND_BY_POOL:
            assert_true(entry->start_ms > ready_ms);
            assert_int_equal(schedule->entries[entry->binding_node].end_ms, entry->start_ms);
            assert_int_equal(graph->nodes[entry->binding_node].release, graph->nodes[i].acquire);
            break;
        case BOUND_BY_BUCKET:
            assert_true(entry->start_ms > ready_ms);
            assert_true(schedule->entries[entry->binding_node].start_ms <= entry->start_ms);
            break;
        }
    }
}

/* Holders from acquire's start, which with a self-released place is its end. */
static void check_pools(const struct graph *graph, const struct schedule *schedule)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        int32_t pool = graph->nodes[i].acquire;
        int64_t at_ms = schedule->entries[i].start_ms;
        int holders = 0;
        for (uint32_t k = 0; pool != NO_POOL && k < graph->node_count; k++) {
            const struct schedule_entry *other = &schedule->entries[k];
            holders += graph->nodes[k].acquire == pool && other->start_ms <= at_ms &&
                       other->end_ms > at_ms;
        }
        if (pool != NO_POOL) {
            assert_true(holders <= graph->pools[pool].capacity);
        }
    }
}

/* In every span of time no more requests start than the bucket held and got. A request: up to
 * batch_max nodes of one action with one start. */
static void check_requests(const struct graph *graph, const struct schedule *schedule,
                           enum bucket bucket)
{
    const struct bucket_info *info = bucket_info(bucket);
    for (uint32_t from = 0; from < graph->node_count; from++) {
        for (uint32_t to = 0; to < graph->node_count; to++) {
            int64_t from_ms = schedule->entries[from].start_ms,
                    to_ms = schedule->entries[to].start_ms;
            double requests = 0;
            if (from_ms > to_ms) {
                continue;
            }
            for (uint32_t i = 0; i < graph->node_count; i++) {
                const struct action_info *action = action_info(graph->nodes[i].action);
                int64_t at_ms = schedule->entries[i].start_ms;
                if (action->bucket != bucket || at_ms < from_ms || at_ms > to_ms) {
                    continue;
                }
                bool shares = false;
                for (uint32_t k = 0; k < i && action->batch_max > 1; k++) {
                    shares |= graph->nodes[k].action == graph->nodes[i].action &&
                              schedule->entries[k].start_ms == at_ms;
                }
                requests += shares ? 0 : 1;
            }
            double got = info->capacity + (double)(to_ms - from_ms) * info->refill_per_s / 1000;
            if (requests > got + 1e-9)
                fprintf(stderr, "%s %d..%d %g>%g from %ld to %ld\n", info->name, from, to, requests,
                        got, from_ms, to_ms);
            assert_true(requests <= got + 1e-9);
        }
    }
}

static void random_schedules_keep_edges_pools_and_rates(void **state)
{
    (void)state;
    int bound_by_bucket = 0, bound_by_pool = 0;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        struct arena *arena = arena_create();
        struct graph *graph = random_graph(arena, seed, true);
        struct schedule *schedule = estimate(arena, graph, NULL, true);
        check_edges_and_bindings(graph, schedule);
        check_pools(graph, schedule);
        check_requests(graph, schedule, BUCKET_EC2_RUN_INSTANCES);
        check_requests(graph, schedule, BUCKET_SSM_SEND_COMMAND);
        for (uint32_t i = 0; i < graph->node_count; i++) {
            bound_by_bucket += schedule->entries[i].bound_by == BOUND_BY_BUCKET;
            bound_by_pool += schedule->entries[i].bound_by == BOUND_BY_POOL;
        }
        arena_destroy(arena);
    }
    assert_true(bound_by_bucket > 10 && bound_by_pool > 100);
}

/* The longest path by brute force: ends of all predecessors, first to last. */
static int64_t longest_path_ms(const struct graph *graph)
{
    int64_t end_ms[RANDOM_NODES], longest_ms = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        end_ms[i] = 0;
        for (uint32_t e = 0; e < graph->nodes[i].after_count; e++) {
            int64_t before_ms = end_ms[graph->nodes[i].after[e].node];
            end_ms[i] = before_ms > end_ms[i] ? before_ms : end_ms[i];
        }
        end_ms[i] += graph->nodes[i].expected_ms;
        longest_ms = end_ms[i] > longest_ms ? end_ms[i] : longest_ms;
    }
    return longest_ms;
}

static void without_limits_the_makespan_is_the_longest_path(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        struct arena *arena = arena_create();
        struct graph *graph = random_graph(arena, seed, false);
        struct schedule *schedule = estimate(arena, graph, NULL, false);
        assert_int_equal(schedule->makespan_ms, longest_path_ms(graph));
        int64_t sum_ms = 0;
        for (size_t i = 0; i < schedule->critical_path_count; i++) {
            sum_ms += graph->nodes[schedule->critical_path[i]].expected_ms;
        }
        assert_int_equal(sum_ms, schedule->rto_ms);
        arena_destroy(arena);
    }
}

/* The RTO, and by *makespan_ms the whole, when node i takes longer. */
static int64_t rto_with_ms(struct arena *arena, struct graph *graph, uint32_t i, int64_t more_ms,
                           int64_t *makespan_ms)
{
    graph->nodes[i].expected_ms += more_ms;
    struct schedule *schedule = estimate(arena, graph, NULL, false);
    graph->nodes[i].expected_ms -= more_ms;
    *makespan_ms = schedule->makespan_ms;
    return schedule->rto_ms;
}

static void slack_is_what_may_be_lost_and_not_a_moment_more(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 10; seed++) {
        struct arena *arena = arena_create();
        struct graph *graph = random_graph(arena, seed, false);
        struct schedule *schedule = estimate(arena, graph, NULL, false);
        for (uint32_t i = 0; i < graph->node_count; i++) {
            int64_t slack_ms = schedule->entries[i].slack_ms;
            int64_t makespan_ms;
            assert_int_equal(rto_with_ms(arena, graph, i, slack_ms, &makespan_ms),
                             schedule->rto_ms);
            assert_int_equal(makespan_ms, schedule->makespan_ms);
            int64_t rto_ms = rto_with_ms(arena, graph, i, slack_ms + 1, &makespan_ms);
            assert_true(rto_ms > schedule->rto_ms || makespan_ms > schedule->makespan_ms);
        }
        arena_destroy(arena);
    }
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
        TEST(scripts_and_people_are_not_like_others),
        TEST(absurd_durations_do_not_overflow),
        TEST(a_guard_comes_after_what_it_guards),
        TEST(tells_what_would_be_gained_without_some_nodes),
        cmocka_unit_test(random_schedules_keep_edges_pools_and_rates),
        cmocka_unit_test(without_limits_the_makespan_is_the_longest_path),
        cmocka_unit_test(slack_is_what_may_be_lost_and_not_a_moment_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
