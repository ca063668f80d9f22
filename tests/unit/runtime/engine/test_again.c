/* A script on an instance is a command that is sent and awaited: where it failed and may be tried again,
 * both are done anew, as often as the plan says. (What resume, retry and skip take up again:
 * test_decision.c, test_resume.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

static const char send[] = "app/post-boot-1/send-script";
static const char wait[] = "app/post-boot-1/wait-script";

struct scene {
    struct arena *arena;
    struct graph *graph;
    struct bench bench;
    uint32_t wait;
};

/* send-script → wait-script → recovered */
static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    scene->arena = arena_create();
    struct graph *graph = scene->graph = maker_graph(scene->arena, 4);
    maker_vm(graph, "app", true);
    uint32_t first = maker_node(graph, send, ACTION_SEND_SCRIPT, 1000);
    maker_text(graph, first, "instance_id", "i-1");
    graph->nodes[first].timeout_ms = 300000; /* absence of a command cannot be trusted at once */
    scene->wait = maker_node(graph, wait, ACTION_WAIT_SCRIPT, 10000);
    maker_output(graph, scene->wait, "command_id", first, "command_id");
    maker_text(graph, scene->wait, "instance_id", "i-1");
    maker_edge(graph, first, scene->wait);
    maker_edge(graph, scene->wait, maker_node(graph, "app/recovered", ACTION_RECOVERED, 0));
    bench_open(&scene->bench, graph, 7);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    bench_close(&scene->bench);
    arena_destroy(scene->arena);
    free(scene);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void fail_the_script(struct scene *scene, int times)
{
    fake_thing(scene->bench.cloud, wait)->goes = true;
    for (int i = 0; i < times; i++) {
        fake_script(scene->bench.cloud, wait, OUTCOME_FATAL);
    }
}

static int sent(const struct scene *scene)
{
    return fake_thing(scene->bench.cloud, send)->token_count;
}

static void test_as_often_as_the_plan_says(void **state)
{
    struct scene *scene = *state;
    scene->graph->nodes[scene->wait].retries = 2;
    bench_begin(&scene->bench);
    fail_the_script(scene, 2);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(sent(scene), 3); /* each with a token of its own: no command is taken for an earlier one */
    struct executor_counters counters = executor_counters(scene->bench.executor);
    assert_int_equal(counters.done, counters.total);
    bench_finish(&scene->bench);
}

static void test_and_no_oftener(void **state)
{
    struct scene *scene = *state;
    scene->graph->nodes[scene->wait].retries = 1;
    bench_begin(&scene->bench);
    fail_the_script(scene, 2);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_FAILED);
    assert_int_equal(sent(scene), 2);
    assert_int_equal(bench_status(&scene->bench, wait)->state, NODE_FAILED);
    bench_finish(&scene->bench);
}

static void test_not_at_all_without_retries(void **state)
{
    struct scene *scene = *state;
    bench_begin(&scene->bench);
    fail_the_script(scene, 1);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_FAILED);
    assert_int_equal(sent(scene), 1);
    bench_finish(&scene->bench);
    bench_begin(&scene->bench); /* a person takes it up again: the command that failed does not count */
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(sent(scene), 2);
    bench_finish(&scene->bench);
}

/* Killed at any moment of it: never oftener than allowed. */
static void test_killed_on_the_way(void **state)
{
    (void)state;
    for (int64_t number = 1; number < 12; number++) {
        struct scene *scene = NULL;
        set_up((void **)&scene);
        scene->graph->nodes[scene->wait].retries = 1;
        bench_begin(&scene->bench);
        fail_the_script(scene, 1);
        scene->bench.fake.kill_at_number = number;
        bench_run(&scene->bench);
        bench_finish(&scene->bench);
        bench_begin(&scene->bench);
        enum executor_result result = bench_run(&scene->bench);
        assert_int_equal(result, EXECUTOR_SUCCEEDED);
        assert_true(sent(scene) <= 2);
        assert_int_equal(scene->bench.fake.violations, 0);
        bench_finish(&scene->bench);
        tear_down((void **)&scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_as_often_as_the_plan_says),
        TEST(test_and_no_oftener),
        TEST(test_not_at_all_without_retries),
        cmocka_unit_test(test_killed_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
