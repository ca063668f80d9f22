/* Steps that wait for a person: approved while the run waits, while nobody works on it, by themselves,
 * never; and a run that stops where only people are missing. */
#include "runtime/engine/executor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/engine/decision.h"
#include "runtime/state/journal.h"
#include "runtime/state/run.h"
#include "runtime/world/world.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

static const char question[] = "Fail over the shop?";
static const char approval[] = "plan/before-1/approve";

struct scene {
    struct arena *arena;
    struct graph *graph;
    struct bench bench;
    uint32_t approve;
    int64_t after_ms;   /* when a person comes; negative: never */
    const char *target; /* of the decision */
    int needed, refusals;
    char refused[200];
};

static void come(void *context)
{
    struct scene *scene = context;
    struct decision decision = {.verb = "approve",
                                .target = scene->target,
                                .who = "ada",
                                .comment = "CHG-1201",
                                .at_utc_ms = world_utc_ms(scene->bench.world)};
    assert_true(executor_approve(scene->bench.executor, &decision));
}

static void observe(void *context, const struct executor_event *event)
{
    struct scene *scene = context;
    if (event->type == EVENT_APPROVAL_NEEDED) {
        assert_non_null(strstr(event->status->detail, question));
        scene->needed++;
        if (scene->after_ms >= 0) {
            world_timer(scene->bench.world, scene->after_ms, come, scene);
        }
    } else if (event->type == EVENT_DECISION && event->decision->refused) {
        scene->refusals++;
        strncpy(scene->refused, event->decision->refused, sizeof scene->refused - 1);
    }
}

/* approve → db/create-volume, and beside them web/create-volume. */
static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    scene->arena = arena_create();
    struct graph *graph = scene->graph = maker_graph(scene->arena, 8);
    maker_vm(graph, "db", true);
    maker_vm(graph, "web", true);
    scene->approve = maker_node(graph, approval, ACTION_APPROVE, 0);
    maker_text(graph, scene->approve, "question", question);
    graph->nodes[scene->approve].timeout_ms = 0; /* as long as the action has it */
    maker_edge(graph, scene->approve, maker_node(graph, "db/create-volume", ACTION_CREATE_VOLUME, 1000));
    maker_node(graph, "web/create-volume", ACTION_CREATE_VOLUME, 1000);
    bench_open(&scene->bench, graph, 7);
    scene->bench.observer = observe;
    scene->bench.observer_context = scene;
    scene->after_ms = -1;
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

static void test_goes_on_when_approved(void **state)
{
    struct scene *scene = *state;
    scene->after_ms = 3 * 3600 * 1000;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    const struct node_status *status = bench_status(&scene->bench, approval);
    assert_int_equal(status->state, NODE_DONE);
    assert_null(status->waived); /* it was not done without it */
    assert_true(status->ended_ms - status->started_ms >= scene->after_ms);
    assert_true(bench_status(&scene->bench, "db/create-volume")->started_ms >= status->ended_ms);
    assert_true(bench_status(&scene->bench, "web/create-volume")->started_ms < status->ended_ms);
    assert_int_equal(scene->needed, 1);
    assert_int_equal(scene->refusals, 0);
    bench_finish(&scene->bench);
}

static void test_the_status_says_so_meanwhile(void **state)
{
    struct scene *scene = *state;
    scene->bench.no_wait = true;
    assert_int_equal(bench_session(&scene->bench), EXECUTOR_WAITING);
    assert_int_equal(run_status_after(EXECUTOR_WAITING), RUN_WAITING);
    struct journal *journal = journal_open(scene->bench.path, true, &scene->bench.error);
    assert_int_equal(run_status_now(journal, scene->arena), RUN_WAITING);
    journal_close(journal);
}

/* --no-wait: all that needs nobody is done first; resumed, it stops again; approved, it goes on. */
static void test_stops_where_only_people_are_missing(void **state)
{
    struct scene *scene = *state;
    scene->bench.no_wait = true;
    for (int i = 0; i < 2; i++) {
        bench_begin(&scene->bench);
        assert_int_equal(bench_run(&scene->bench), EXECUTOR_WAITING);
        assert_int_equal(bench_status(&scene->bench, "web/create-volume")->state, NODE_DONE);
        assert_int_equal(bench_status(&scene->bench, "db/create-volume")->state, NODE_BLOCKED);
        bench_finish(&scene->bench);
    }
    bench_begin(&scene->bench);
    struct decision decision = {.verb = "approve", .target = approval, .at_utc_ms = 1};
    decision_record(scene->bench.journal, &decision, (int32_t)scene->approve, -1);
    assert_true(journal_commit(scene->bench.journal, &scene->bench.error));
    bench_finish(&scene->bench);
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    assert_null(bench_status(&scene->bench, approval)->waived);
    bench_finish(&scene->bench);
}

static void test_nobody_comes(void **state)
{
    struct scene *scene = *state;
    scene->graph->nodes[scene->approve].timeout_ms = 60000;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_FAILED);
    const struct node_status *status = bench_status(&scene->bench, approval);
    assert_int_equal(status->state, NODE_FAILED);
    assert_non_null(strstr(status->detail, "nobody has approved it within 1m"));
    assert_int_equal(bench_status(&scene->bench, "db/create-volume")->state, NODE_SKIPPED);
    bench_finish(&scene->bench);
}

static void test_approves_itself_after_a_time(void **state)
{
    struct scene *scene = *state;
    maker_int(scene->graph, scene->approve, "approved_after_ms", 7200000);
    scene->bench.no_wait = true; /* it comes by itself: nothing is missing */
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    const struct node_status *status = bench_status(&scene->bench, approval);
    assert_int_equal(status->ended_ms - status->started_ms, 7200000);
    bench_finish(&scene->bench);
}

static void test_another_step_is_refused(void **state)
{
    struct scene *scene = *state;
    scene->after_ms = 10000;
    scene->target = "web/create-volume";
    scene->graph->nodes[scene->approve].timeout_ms = 60000;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_FAILED);
    assert_int_equal(scene->refusals, 1);
    assert_string_equal(scene->refused, "web/create-volume does not wait for approval: it is done");
    bench_finish(&scene->bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_goes_on_when_approved),
        TEST(test_the_status_says_so_meanwhile),
        TEST(test_stops_where_only_people_are_missing),
        TEST(test_nobody_comes),
        TEST(test_approves_itself_after_a_time),
        TEST(test_another_step_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
