/* The executor over whole graphs: order, commits before requests, interrupts, a broken journal. */
#include "runtime/engine/executor.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/failover_maker.h"

static void assert_each_once(const struct bench *bench)
{
    for (size_t i = 0; i < bench->graph->node_count; i++) {
        const struct action_info *info = action_info(bench->graph->nodes[i].action);
        const struct fake_thing *thing = &bench->cloud->things[i];
        bool makes = info->provider != PROVIDER_ENGINE && info->effect != EFFECT_WAIT;
        if (thing->made != (makes ? 1 : 0)) {
            fail_msg("%s was made %d times", bench->graph->nodes[i].id, thing->made);
        }
    }
}

static void set_waits(struct bench *bench, int64_t most_ms)
{
    for (size_t i = 0; i < bench->graph->node_count; i++) {
        bench->cloud->things[i].wait_ms = (int64_t)(i * 7919 % (size_t)most_ms);
    }
}

static void test_whole_failover(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, maker_twelve(arena), 1);
    set_waits(&bench, 30000);
    bench_begin(&bench);
    bench.fake.latency_ms = 300;
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.violations, 0);
    assert_each_once(&bench);
    struct executor_counters counters = executor_counters(bench.executor);
    assert_int_equal(counters.done, bench.graph->node_count);
    assert_int_equal(counters.requests, bench.fake.requests + bench.fake.polls);
    assert_int_equal(counters.retries, 0);
    bench_close(&bench);
    arena_destroy(arena);
}

static void test_no_nodes(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, maker_graph(arena, 0), 1);
    assert_int_equal(bench_session(&bench), EXECUTOR_SUCCEEDED);
    bench_close(&bench);
    arena_destroy(arena);
}

static void test_done_run_has_nothing_to_do(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, maker_shop(arena), 1);
    assert_int_equal(bench_session(&bench), EXECUTOR_SUCCEEDED);
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.requests + bench.fake.polls + bench.fake.lookups, 0);
    bench_close(&bench);
    arena_destroy(arena);
}

/* Few polls serve many waits. */
static void test_waits_are_coalesced(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = maker_graph(arena, 200);
    for (int i = 0; i < 200; i++) {
        char id[64];
        snprintf(id, sizeof id, "vm%d/wait-running", i);
        uint32_t wait = maker_node(graph, id, ACTION_WAIT_RUNNING, 20000);
        maker_text(graph, wait, "instance_id", "i-1");
    }
    struct bench bench;
    bench_open(&bench, graph, 3);
    set_waits(&bench, 40000);
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_true(bench.fake.polls < 60);
    assert_true(bench.fake.polls > 5);
    bench_close(&bench);
    arena_destroy(arena);
}

struct interrupter {
    struct bench *bench;
    int after, events, times;
};

static void interrupt_after(void *context, const struct executor_event *event)
{
    struct interrupter *interrupter = context;
    if (event->type == EVENT_NODE_DONE && ++interrupter->events == interrupter->after) {
        for (int i = 0; i < interrupter->times; i++) {
            executor_interrupt(interrupter->bench->executor);
        }
    }
}

static void interrupt_and_resume(int after, int times)
{
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, maker_shop(arena), 5);
    set_waits(&bench, 20000);
    struct interrupter interrupter = {.bench = &bench, .after = after, .times = times};
    bench.observer = interrupt_after;
    bench.observer_context = &interrupter;
    bench_begin(&bench);
    bench.fake.latency_ms = 200;
    assert_int_equal(bench_run(&bench), EXECUTOR_INTERRUPTED);
    int requests = bench.fake.requests;
    assert_int_equal(bench.fake.violations, 0);
    bench_finish(&bench);
    assert_true(requests > 0);
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    if (times == 1) {
        assert_int_equal(bench.fake.lookups, 0); /* all that was under way had been awaited */
    }
    assert_each_once(&bench);
    bench_close(&bench);
    arena_destroy(arena);
}

static void test_interrupt(void **state)
{
    (void)state;
    for (int after = 1; after < 12; after += 2) {
        interrupt_and_resume(after, 1);
    }
}

static void test_interrupt_twice(void **state)
{
    (void)state;
    for (int after = 1; after < 12; after += 2) {
        interrupt_and_resume(after, 2);
    }
}

struct seen {
    int count[EVENT_RUN_ENDED + 1];
    bool done_before_started;
    int running;
};

static void see(void *context, const struct executor_event *event)
{
    struct seen *seen = context;
    seen->count[event->type]++;
    seen->running += event->type == EVENT_NODE_STARTED;
    seen->running -= event->type == EVENT_NODE_DONE;
    seen->done_before_started = seen->done_before_started || seen->running < 0;
}

static void test_events(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    struct seen seen = {0};
    bench_open(&bench, maker_shop(arena), 1);
    set_waits(&bench, 40000);
    bench.observer = see;
    bench.observer_context = &seen;
    assert_int_equal(bench_session(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(seen.count[EVENT_RUN_STARTED], 1);
    assert_int_equal(seen.count[EVENT_RUN_ENDED], 1);
    assert_int_equal(seen.count[EVENT_NODE_STARTED], bench.graph->node_count);
    assert_int_equal(seen.count[EVENT_NODE_DONE], bench.graph->node_count);
    assert_true(seen.count[EVENT_HEARTBEAT] > 3);
    assert_true(seen.count[EVENT_NODE_DETAIL] > 0);
    assert_false(seen.done_before_started);
    bench_close(&bench);
    arena_destroy(arena);
}

/* The disk gets full in the middle: nothing is sent that is not in the journal. */
static void test_full_disk(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, maker_twelve(arena), 1);
    set_waits(&bench, 20000);
    bench_begin(&bench);
    struct rlimit before, small = {.rlim_cur = 60000, .rlim_max = RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    enum executor_result result = bench_run(&bench);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(result, EXECUTOR_BROKEN);
    assert_non_null(strstr(bench.error.message, "writing the journal"));
    assert_int_equal(bench.fake.violations, 0);
    bench_finish(&bench);
    assert_int_equal(bench_session(&bench), EXECUTOR_SUCCEEDED);
    assert_each_once(&bench);
    bench_close(&bench);
    arena_destroy(arena);
}

static void test_missing_provider(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, maker_shop(arena), 1);
    struct executor_options options = {.world = bench.world, .graph = bench.graph,
                                       .journal = bench.journal, .limits = bench.limits,
                                       .run_id = "r"};
    struct error error = {0};
    assert_null(executor_create(&options, &error));
    assert_non_null(strstr(error.message, "nothing carries out"));
    error_clear(&error);
    bench_close(&bench);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_failover),
        cmocka_unit_test(test_no_nodes),
        cmocka_unit_test(test_done_run_has_nothing_to_do),
        cmocka_unit_test(test_waits_are_coalesced),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_interrupt_twice),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_missing_provider),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
