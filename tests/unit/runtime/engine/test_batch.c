/* One request for several nodes: gathered, and halved when it is refused because of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

static struct graph *many(struct arena *arena, enum action action, int count)
{
    struct graph *graph = maker_graph(arena, (size_t)count);
    for (int i = 0; i < count; i++) {
        maker_vm(graph, arena_printf(arena, "vm%d", i), true);
        const char *id = arena_printf(arena, "vm%d/%s", i, action_info(action)->name);
        maker_text(graph, maker_node(graph, id, action, 1000), "instance_id", "i-1");
    }
    return graph;
}

static void test_one_request(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, many(arena, ACTION_STOP_INSTANCE, 64), 1);
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.requests, 1);
    assert_int_equal(bench.fake.largest_batch, 64);
    bench_close(&bench);
    arena_destroy(arena);
}

static bool of_one_group(const struct call *a, const struct call *b)
{
    return strcmp(call_text(a, "target_group"), call_text(b, "target_group")) == 0;
}

/* What the provider takes in one request only: nodes of three groups, one after the other in the order in
 * which they are due, go in three requests. */
static void test_together_only(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = maker_graph(arena, 60);
    static const char *const groups[] = {"tg-a", "tg-b", "tg-c"};
    for (int i = 0; i < 60; i++) {
        maker_vm(graph, arena_printf(arena, "vm%d", i), true);
        uint32_t node = maker_node(graph, arena_printf(arena, "vm%d/register-target", i),
                                   ACTION_REGISTER_TARGET, 1000);
        maker_text(graph, node, "target_group", groups[i % 3]);
    }
    struct bench bench;
    bench_open(&bench, graph, 1);
    bench_begin(&bench);
    bench.fake.base.together = of_one_group;
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.requests, 3);
    assert_int_equal(bench.fake.largest_batch, 20);
    assert_int_equal(bench.fake.violations, 0);
    for (size_t i = 0; i < graph->node_count; i++) {
        assert_int_equal(bench.cloud->things[i].made, 1);
    }
    bench_close(&bench);
    arena_destroy(arena);
}

static void test_as_large_as_the_api_allows(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, many(arena, ACTION_STOP_INSTANCE, 250), 1);
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.requests, 3);
    assert_int_equal(bench.fake.largest_batch, action_info(ACTION_STOP_INSTANCE)->batch_max);
    bench_close(&bench);
    arena_destroy(arena);
}

static void test_not_batchable(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, many(arena, ACTION_ASSOCIATE_ADDRESS, 20), 1);
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.requests, 20);
    bench_close(&bench);
    arena_destroy(arena);
}

/* One bad id among 64: the 63 others are stopped (started, terminated), with few requests. */
static void test_halving(void **state)
{
    (void)state;
    static const enum action actions[] = {ACTION_STOP_INSTANCE, ACTION_START_INSTANCE,
                                          ACTION_TERMINATE_INSTANCE};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        struct arena *arena = arena_create();
        struct bench bench;
        bench_open(&bench, many(arena, actions[i], 64), 1);
        bench_begin(&bench);
        const char *bad = arena_printf(arena, "vm37/%s", action_info(actions[i])->name);
        bench.fake.poison = bad;
        assert_int_equal(bench_run(&bench), EXECUTOR_FAILED);
        struct executor_counters counters = executor_counters(bench.executor);
        assert_int_equal(counters.done, 63);
        assert_int_equal(counters.failed, 1);
        assert_int_equal(bench_status(&bench, bad)->state, NODE_FAILED);
        assert_true(bench.fake.requests <= 1 + 2 * 6);
        bench_close(&bench);
        arena_destroy(arena);
    }
}

/* No capacity for one of 32 that are started together: halves find it, it gets its next type,
 * alone, and the others start as they are. */
static void test_no_capacity_for_one(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = many(arena, ACTION_START_INSTANCE, 32);
    static const char *const types[] = {"m5.large", "m6i.large"};
    for (uint32_t i = 0; i < 32; i++) {
        maker_value(graph, i, "instance_types", maker_texts(graph, types, 2));
    }
    struct bench bench;
    bench_open(&bench, graph, 1);
    bench_begin(&bench);
    for (int i = 0; i < 6; i++) { /* 32, 16, 8, 4, 2, 1 */
        fake_script(bench.cloud, "vm9/start-instance", OUTCOME_EXHAUSTED);
    }
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    for (uint32_t i = 0; i < 32; i++) {
        const struct node_status *status = executor_status(bench.executor, i);
        bool short_of = !strcmp(graph->nodes[i].id, "vm9/start-instance");
        assert_int_equal(status->choice, short_of ? 1 : 0);
        assert_int_equal(bench.cloud->things[i].made, 1);
    }
    assert_true(bench.fake.requests <= 1 + 2 * 5 + 1);
    bench_close(&bench);
    arena_destroy(arena);
}

/* A request for many that is throttled is one retry, not one for each: the budget pays once, and
 * they go together again. */
static void test_a_batch_is_retried_as_one(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, many(arena, ACTION_STOP_INSTANCE, 64), 1);
    bench_begin(&bench);
    fake_script(bench.cloud, "vm3/stop-instance", OUTCOME_THROTTLED);
    fake_script(bench.cloud, "vm3/stop-instance", OUTCOME_RETRY);
    int tokens = bench.executor->budget.tokens;
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.requests, 3);
    assert_int_equal(bench.fake.largest_batch, 64);
    assert_int_equal(executor_counters(bench.executor).throttled, 1);
    assert_int_equal(bench.executor->budget.tokens, tokens - 2 * RETRY_COST + RETRY_COST);
    bench_close(&bench);
    arena_destroy(arena);
}

/* What gets ready one by one, while much else is under way, still goes in few requests. */
static void test_batches_wait_for_company(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = maker_graph(arena, 400);
    for (int i = 0; i < 200; i++) {
        maker_vm(graph, arena_printf(arena, "vm%d", i), true);
        const char *prefix = arena_printf(arena, "vm%d", i);
        uint32_t before = maker_node(graph, arena_printf(arena, "%s/associate-address", prefix),
                                     ACTION_ASSOCIATE_ADDRESS, 1000);
        uint32_t start = maker_node(graph, arena_printf(arena, "%s/start-instance", prefix),
                                    ACTION_START_INSTANCE, 1000);
        maker_edge(graph, before, start);
    }
    struct bench bench;
    bench_open(&bench, graph, 1);
    bench_begin(&bench);
    bench.fake.latency_ms = 8000;
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.violations, 0);
    assert_true(bench.fake.requests - 200 < 25);
    assert_true(world_monotonic_ms(bench.world) < 20000);
    bench_close(&bench);
    arena_destroy(arena);
}

/* More than a limit allows in one turn goes in several, and all get through. */
static void test_under_limits(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, many(arena, ACTION_CREATE_VOLUME, 300), 1);
    limits_set_mode(bench.limits, LIMITS_AWS);
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    /* 100 at once, then 5 a second (bucket.def) */
    int64_t took = world_monotonic_ms(bench.world);
    assert_true(took >= 39000 && took <= 44000);
    bench_close(&bench);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_request),
        cmocka_unit_test(test_together_only),
        cmocka_unit_test(test_as_large_as_the_api_allows),
        cmocka_unit_test(test_not_batchable),
        cmocka_unit_test(test_halving),
        cmocka_unit_test(test_no_capacity_for_one),
        cmocka_unit_test(test_a_batch_is_retried_as_one),
        cmocka_unit_test(test_batches_wait_for_company),
        cmocka_unit_test(test_under_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
