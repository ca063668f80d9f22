/* What a failure means for others; what an answer means for its node.
 * Covers: results.c */
#include "runtime/engine/executor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

struct scene {
    struct arena *arena;
    struct graph *graph;
    struct bench bench;
};

static void set_up(struct scene *scene, size_t capacity)
{
    scene->arena = arena_create();
    scene->graph = maker_graph(scene->arena, capacity);
}

static void open_scene(struct scene *scene)
{
    bench_open(&scene->bench, scene->graph, 1);
    bench_begin(&scene->bench);
}

static void tear_down(struct scene *scene)
{
    assert_int_equal(scene->bench.fake.violations, 0);
    bench_close(&scene->bench);
    arena_destroy(scene->arena);
}

static enum node_state state_of(const struct scene *scene, const char *id)
{
    return bench_status(&scene->bench, id)->state;
}

static const char *cause_of(const struct scene *scene, const char *id)
{
    int32_t cause = bench_status(&scene->bench, id)->cause;
    return cause == NO_NODE ? "" : scene->graph->nodes[cause].id;
}

/* VM: create-volume → run-instance → recovered; run-instance comes after `before`. */
static uint32_t add_vm(struct scene *scene, const char *name, bool critical, int64_t before)
{
    struct arena *arena = scene->arena;
    struct graph *graph = scene->graph;
    maker_vm(graph, name, critical);
    uint32_t volume = maker_node(graph, arena_printf(arena, "%s/create-volume", name),
                                 ACTION_CREATE_VOLUME, 1000);
    uint32_t run =
        maker_node(graph, arena_printf(arena, "%s/run-instance", name), ACTION_RUN_INSTANCE, 1000);
    static const char *const types[] = {"m6i.large", "m5.large", "m4.large"};
    maker_value(graph, run, "instance_types", maker_texts(graph, types, 3));
    maker_edge(graph, volume, run);
    if (before >= 0) {
        maker_edge(graph, (uint32_t)before, run);
    }
    uint32_t recovered =
        maker_node(graph, arena_printf(arena, "%s/recovered", name), ACTION_RECOVERED, 0);
    maker_edge(graph, run, recovered);
    return recovered;
}

/* db ← app ← web, and a mail that stands alone. */
static void four_vms(struct scene *scene, bool db_critical)
{
    set_up(scene, 20);
    uint32_t db = add_vm(scene, "db", db_critical, -1);
    uint32_t app = add_vm(scene, "app", db_critical, db);
    add_vm(scene, "web", db_critical, app);
    add_vm(scene, "mail", true, -1);
    open_scene(scene);
}

static void test_failed_vm(void **state)
{
    (void)state;
    struct scene scene;
    four_vms(&scene, true);
    fake_script(scene.bench.cloud, "db/run-instance", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/create-volume"), NODE_DONE);
    assert_int_equal(state_of(&scene, "db/run-instance"), NODE_FAILED);
    assert_int_equal(state_of(&scene, "db/recovered"), NODE_SKIPPED);
    assert_int_equal(state_of(&scene, "app/run-instance"), NODE_SKIPPED);
    assert_int_equal(state_of(&scene, "web/run-instance"), NODE_SKIPPED);
    assert_int_equal(state_of(&scene, "mail/recovered"), NODE_DONE);
    assert_string_equal(cause_of(&scene, "web/recovered"), "db/run-instance");
    const struct node_status *failed = bench_status(&scene.bench, "db/run-instance");
    assert_string_equal(failed->service, "fake");
    assert_string_equal(failed->code, "Fake.Code");
    assert_string_equal(failed->request_id, "req-1");
    assert_string_equal(failed->help, "do something");
    struct executor_counters counters = executor_counters(scene.bench.executor);
    assert_int_equal(counters.failed, 1);
    assert_int_equal(counters.done + counters.failed + counters.skipped, counters.total);
    tear_down(&scene);
}

static void test_resume_after_failure(void **state)
{
    (void)state;
    struct scene scene;
    four_vms(&scene, true);
    fake_script(scene.bench.cloud, "db/run-instance", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    bench_finish(&scene.bench);
    assert_int_equal(bench_session(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/create-volume")->applied, 1);
    assert_int_equal(fake_thing(scene.bench.cloud, "mail/run-instance")->applied, 1);
    assert_int_equal(fake_thing(scene.bench.cloud, "web/run-instance")->applied, 1);
    tear_down(&scene);
}

static void test_not_critical(void **state)
{
    (void)state;
    struct scene scene;
    four_vms(&scene, false);
    fake_script(scene.bench.cloud, "db/run-instance", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(state_of(&scene, "app/run-instance"), NODE_SKIPPED);
    tear_down(&scene);
}

static void test_continue_on_failure(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, 20);
    add_vm(&scene, "db", true, -1);
    scene.graph->nodes[0].continue_on_failure = true;
    open_scene(&scene);
    fake_script(scene.bench.cloud, "db/create-volume", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(state_of(&scene, "db/create-volume"), NODE_FAILED);
    assert_int_equal(state_of(&scene, "db/recovered"), NODE_DONE);
    tear_down(&scene);
}

/* A step of several nodes that may fail ends with its first that does; what is behind the step goes on. */
static void test_a_step_that_may_fail_ends_with_its_first_failure(void **state)
{
    (void)state;
    for (int failing = 0; failing < 2; failing++) {
        struct scene scene;
        set_up(&scene, 20);
        add_vm(&scene, "db", true, -1);
        uint32_t last = scene.graph->node_count - 1;
        uint32_t update = maker_node(scene.graph, "db/update-record", ACTION_ATTACH_VOLUME, 0);
        uint32_t wait = maker_node(scene.graph, "db/wait-record", ACTION_ATTACH_VOLUME, 0);
        uint32_t next = maker_node(scene.graph, "db/next", ACTION_ATTACH_VOLUME, 0);
        scene.graph->nodes[update].continue_on_failure = true;
        scene.graph->nodes[wait].continue_on_failure = true;
        maker_edge(scene.graph, last, update);
        maker_edge(scene.graph, update, wait);
        maker_edge(scene.graph, wait, next);
        open_scene(&scene);
        if (failing) {
            fake_script(scene.bench.cloud, "db/update-record", OUTCOME_FATAL);
        }
        assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
        assert_int_equal(state_of(&scene, "db/wait-record"), failing ? NODE_FAILED : NODE_DONE);
        assert_int_equal(state_of(&scene, "db/next"), NODE_DONE);
        tear_down(&scene);
    }
}

/* A critical VM's step takes a value of a VM that failed: where the step may fail, its VM does not. */
static void test_a_step_that_may_fail_goes_without_another_vms_value(void **state)
{
    (void)state;
    for (int may_fail = 0; may_fail < 2; may_fail++) {
        struct scene scene;
        set_up(&scene, 30);
        add_vm(&scene, "app", false, -1);
        uint32_t other = scene.graph->node_count - 1;
        add_vm(&scene, "db", true, -1);
        uint32_t step = maker_node(scene.graph, "db/step", ACTION_ATTACH_VOLUME, 1);
        uint32_t next = maker_node(scene.graph, "db/next", ACTION_ATTACH_VOLUME, 1);
        scene.graph->nodes[step].continue_on_failure = may_fail;
        maker_edge(scene.graph, other, step);
        maker_edge(scene.graph, step, next);
        open_scene(&scene);
        fake_script(scene.bench.cloud, "app/create-volume", OUTCOME_FATAL);
        assert_int_equal(bench_run(&scene.bench), may_fail ? EXECUTOR_SUCCEEDED : EXECUTOR_FAILED);
        assert_int_equal(state_of(&scene, "db/step"), may_fail ? NODE_FAILED : NODE_SKIPPED);
        assert_int_equal(state_of(&scene, "db/next"), may_fail ? NODE_DONE : NODE_SKIPPED);
        tear_down(&scene);
    }
}

/* attach (takes a slot) → wait → inject → detach (guards attach) → wait (gives it back), twice. */
static void two_injections(struct scene *scene, int slots)
{
    set_up(scene, 20);
    struct graph *graph = scene->graph;
    maker_pool(graph, "conversion/i-1", slots);
    static const char *const names[] = {"db", "app"};
    for (int i = 0; i < 2; i++) {
        maker_vm(graph, names[i], true);
    }
    for (int i = 0; i < 2; i++) {
        const char *name = names[i];
        struct arena *arena = scene->arena;
        uint32_t attach = maker_node(graph, arena_printf(arena, "%s/attach-volume", name),
                                     ACTION_ATTACH_VOLUME, 0);
        maker_value(graph, attach, "device", (struct value){.kind = VALUE_SLOT, .node = 0});
        graph->nodes[attach].acquire = 0;
        uint32_t attached = maker_node(graph, arena_printf(arena, "%s/wait-volume-attached", name),
                                       ACTION_WAIT_VOLUME_ATTACHED, 0);
        maker_edge(graph, attach, attached);
        uint32_t inject =
            maker_node(graph, arena_printf(arena, "%s/inject", name), ACTION_INJECT, 0);
        maker_value(graph, inject, "device", (struct value){.kind = VALUE_SLOT, .node = 0});
        maker_edge(graph, attached, inject);
        uint32_t detach = maker_node(graph, arena_printf(arena, "%s/detach-volume", name),
                                     ACTION_DETACH_VOLUME, 0);
        maker_edge(graph, attach, detach);
        maker_edge(graph, inject, detach);
        graph->nodes[detach].guards = (int32_t)attach;
        graph->nodes[detach].after[0].when = graph->nodes[detach].after[1].when = WHEN_ENDED;
        uint32_t wait = maker_node(graph, arena_printf(arena, "%s/wait-volume-available", name),
                                   ACTION_WAIT_VOLUME_AVAILABLE, 0);
        maker_edge(graph, detach, wait);
        graph->nodes[wait].release = 0;
        uint32_t start = maker_node(graph, arena_printf(arena, "%s/start-instance", name),
                                    ACTION_START_INSTANCE, 0);
        maker_edge(graph, inject, start);
        maker_edge(graph, wait, start);
    }
    open_scene(scene);
}

static void test_slots_are_shared(void **state)
{
    (void)state;
    struct scene scene;
    two_injections(&scene, 1);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    const char *log = scene.bench.fake.log.data;
    const char *released = strstr(log, "poll wait-volume-available db/");
    const char *taken = strstr(log, "start attach-volume app/");
    assert_true(released && taken && released < taken);
    tear_down(&scene);
}

static void test_guards_run_after_failure(void **state)
{
    (void)state;
    struct scene scene;
    two_injections(&scene, 1);
    fake_script(scene.bench.cloud, "db/inject", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/inject"), NODE_FAILED);
    assert_int_equal(state_of(&scene, "db/detach-volume"), NODE_DONE);
    assert_int_equal(state_of(&scene, "db/wait-volume-available"), NODE_DONE);
    assert_int_equal(state_of(&scene, "db/start-instance"), NODE_SKIPPED);
    assert_int_equal(state_of(&scene, "app/start-instance"), NODE_DONE);
    /* A resume attaches again what the guard had detached, as another generation. */
    bench_finish(&scene.bench);
    bench_begin(&scene.bench);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/attach-volume")->made, 2);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/detach-volume")->made, 2);
    assert_int_equal(fake_thing(scene.bench.cloud, "app/attach-volume")->made, 1);
    assert_int_equal(bench_status(&scene.bench, "db/attach-volume")->generation, 1);
    tear_down(&scene);
}

/* get (old) → change → check → recovered; restore guards the change, where recovered is not reached. */
static void a_switch_of_dns(struct scene *scene)
{
    set_up(scene, 8);
    struct graph *graph = scene->graph;
    maker_vm(graph, "web", true);
    uint32_t get = maker_node(graph, "web/query-record", ACTION_QUERY_RECORD, 0);
    uint32_t change = maker_node(graph, "web/update-record", ACTION_UPDATE_RECORD, 0);
    maker_output(graph, change, "old", get, "old");
    maker_edge(graph, get, change);
    uint32_t check = maker_node(graph, "web/check-tcp", ACTION_CHECK_TCP, 0);
    maker_edge(graph, change, check);
    uint32_t recovered = maker_node(graph, "web/recovered", ACTION_RECOVERED, 0);
    maker_edge(graph, check, recovered);
    uint32_t restore = maker_node(graph, "web/restore-record", ACTION_RESTORE_RECORD, 0);
    maker_output(graph, restore, "old", get, "old");
    maker_edge(graph, get, restore);
    maker_edge(graph, change, restore);
    maker_edge(graph, recovered, restore);
    graph->nodes[restore].guards = (int32_t)change;
    graph->nodes[restore].after[1].when = WHEN_ENDED;
    graph->nodes[restore].after[2].when = WHEN_FAILED;
    open_scene(scene);
}

static void test_not_needed_where_all_went_well(void **state)
{
    (void)state;
    struct scene scene;
    a_switch_of_dns(&scene);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(state_of(&scene, "web/restore-record"), NODE_DONE);
    assert_int_equal(fake_thing(scene.bench.cloud, "web/restore-record")->applied, 0);
    assert_true(bench_status(&scene.bench, "web/restore-record")->unneeded);
    tear_down(&scene);
}

static void test_restored_where_the_vm_fails_later(void **state)
{
    (void)state;
    struct scene scene;
    a_switch_of_dns(&scene);
    fake_script(scene.bench.cloud, "web/check-tcp", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "web/recovered"), NODE_SKIPPED);
    assert_int_equal(fake_thing(scene.bench.cloud, "web/restore-record")->applied, 1);
    /* A resume switches again, and leaves it so. */
    bench_finish(&scene.bench);
    bench_begin(&scene.bench);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(fake_thing(scene.bench.cloud, "web/update-record")->applied, 2);
    assert_int_equal(fake_thing(scene.bench.cloud, "web/restore-record")->applied, 1);
    tear_down(&scene);
}

static void test_nothing_to_restore_where_nothing_was_changed(void **state)
{
    (void)state;
    struct scene scene;
    a_switch_of_dns(&scene);
    fake_script(scene.bench.cloud, "web/query-record", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "web/restore-record"), NODE_SKIPPED);
    assert_int_equal(fake_thing(scene.bench.cloud, "web/restore-record")->applied, 0);
    tear_down(&scene);
}

static enum executor_result run_again(struct scene *scene)
{
    bench_finish(&scene->bench);
    bench_begin(&scene->bench);
    return bench_run(&scene->bench);
}

/* It had the second slot, and gets the first when it is taken up again: another request, which is no
 * reason to refuse it. */
static void test_another_slot_the_next_time(void **state)
{
    (void)state;
    struct scene scene;
    two_injections(&scene, 2);
    fake_script(scene.bench.cloud, "app/inject", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/start-instance"), NODE_DONE);
    assert_int_equal(run_again(&scene), EXECUTOR_SUCCEEDED);
    assert_int_equal(fake_thing(scene.bench.cloud, "app/attach-volume")->made, 2);
    assert_int_equal(bench_status(&scene.bench, "app/inject")->generation, 1);
    tear_down(&scene);
}

/* Skipped, done in the next session, undone by its guard and done again: why it was skipped once does
 * not count any more. */
static void test_once_skipped_is_done_again(void **state)
{
    (void)state;
    struct scene scene;
    two_injections(&scene, 1);
    fake_script(scene.bench.cloud, "db/attach-volume", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/wait-volume-attached"), NODE_SKIPPED);
    fake_script(scene.bench.cloud, "db/inject", OUTCOME_FATAL);
    assert_int_equal(run_again(&scene), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/wait-volume-attached"), NODE_DONE);
    assert_int_equal(state_of(&scene, "db/detach-volume"), NODE_DONE);
    assert_int_equal(run_again(&scene), EXECUTOR_SUCCEEDED);
    tear_down(&scene);
}

static void test_guard_of_what_never_ran(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, 10);
    maker_vm(scene.graph, "db", true);
    uint32_t create = maker_node(scene.graph, "db/create-volume", ACTION_CREATE_VOLUME, 0);
    uint32_t attach = maker_node(scene.graph, "db/attach-volume", ACTION_ATTACH_VOLUME, 0);
    maker_edge(scene.graph, create, attach);
    uint32_t detach = maker_node(scene.graph, "db/detach-volume", ACTION_DETACH_VOLUME, 0);
    maker_edge(scene.graph, attach, detach);
    scene.graph->nodes[detach].guards = (int32_t)attach;
    scene.graph->nodes[detach].after[0].when = WHEN_ENDED;
    open_scene(&scene);
    fake_script(scene.bench.cloud, "db/create-volume", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/detach-volume"), NODE_SKIPPED);
    assert_string_equal(cause_of(&scene, "db/detach-volume"), "db/create-volume");
    assert_int_equal(fake_thing(scene.bench.cloud, "db/detach-volume")->applied, 0);
    tear_down(&scene);
}

/* create → attach → delete (guards create): the volume goes whatever happened, where there is one. */
static void test_guard_of_what_was_not_made(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, 10);
    maker_vm(scene.graph, "db", true);
    uint32_t create = maker_node(scene.graph, "db/create-volume", ACTION_CREATE_VOLUME, 0);
    uint32_t attach = maker_node(scene.graph, "db/attach-volume", ACTION_ATTACH_VOLUME, 0);
    maker_edge(scene.graph, create, attach);
    uint32_t delete = maker_node(scene.graph, "db/delete-volume", ACTION_DELETE_VOLUME, 0);
    maker_output(scene.graph, delete, "volume_id", create, "volume_id");
    maker_edge(scene.graph, create, delete);
    maker_edge(scene.graph, attach, delete);
    scene.graph->nodes[delete].guards = (int32_t)create;
    scene.graph->nodes[delete].after[0].when = scene.graph->nodes[delete].after[1].when = WHEN_ENDED;
    open_scene(&scene);
    fake_script(scene.bench.cloud, "db/create-volume", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/delete-volume"), NODE_SKIPPED); /* not failed: no volume_id */
    assert_string_equal(cause_of(&scene, "db/delete-volume"), "db/create-volume");
    /* Then it is made, attached in vain, and goes; the next attempt has another. */
    fake_script(scene.bench.cloud, "db/attach-volume", OUTCOME_FATAL);
    assert_int_equal(run_again(&scene), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/delete-volume"), NODE_DONE);
    assert_int_equal(run_again(&scene), EXECUTOR_SUCCEEDED);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/create-volume")->made, 2);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/delete-volume")->made, 2);
    tear_down(&scene);
}

/* The slot is never given back: who waits for it fails, and is told why. */
static void test_lost_slot(void **state)
{
    (void)state;
    struct scene scene;
    two_injections(&scene, 1);
    fake_script(scene.bench.cloud, "db/detach-volume", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "app/attach-volume"), NODE_FAILED);
    assert_non_null(
        strstr(bench_status(&scene.bench, "app/attach-volume")->detail, "conversion/i-1"));
    bench_finish(&scene.bench);
    assert_int_equal(bench_session(&scene.bench), EXECUTOR_SUCCEEDED);
    tear_down(&scene);
}

static void test_fallback(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, 10);
    add_vm(&scene, "db", true, -1);
    open_scene(&scene);
    fake_script(scene.bench.cloud, "db/run-instance", OUTCOME_EXHAUSTED);
    fake_script(scene.bench.cloud, "db/run-instance", OUTCOME_EXHAUSTED);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench_status(&scene.bench, "db/run-instance")->choice, 2);
    assert_int_equal(bench_status(&scene.bench, "db/run-instance")->generation, 2);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/run-instance")->made, 1);
    tear_down(&scene);
}

static void test_no_alternative_left(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, 10);
    add_vm(&scene, "db", true, -1);
    open_scene(&scene);
    for (int i = 0; i < 3; i++) {
        fake_script(scene.bench.cloud, "db/run-instance", OUTCOME_EXHAUSTED);
    }
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    bench_finish(&scene.bench);
    bench_begin(&scene.bench);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench_status(&scene.bench, "db/run-instance")->choice, 0);
    assert_int_equal(bench_status(&scene.bench, "db/run-instance")->generation, 3);
    tear_down(&scene);
}

static void one_node(struct scene *scene, const char *id, enum action action)
{
    set_up(scene, 4);
    maker_vm(scene->graph, "db", true);
    maker_node(scene->graph, id, action, 1000);
    scene->graph->nodes[0].timeout_ms = 300000;
    open_scene(scene);
}

static void test_passing_troubles(void **state)
{
    (void)state;
    static const enum outcome outcomes[] = {OUTCOME_RETRY, OUTCOME_THROTTLED, OUTCOME_CONFLICT,
                                            OUTCOME_ABSENT, OUTCOME_UNKNOWN};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        struct scene scene;
        one_node(&scene, "db/create-volume", ACTION_CREATE_VOLUME);
        fake_script(scene.bench.cloud, "db/create-volume", outcomes[i]);
        fake_script(scene.bench.cloud, "db/create-volume", outcomes[i]);
        assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
        assert_int_equal(fake_thing(scene.bench.cloud, "db/create-volume")->made, 1);
        struct executor_counters counters = executor_counters(scene.bench.executor);
        assert_int_equal(counters.throttled, outcomes[i] == OUTCOME_THROTTLED ? 2 : 0);
        assert_int_equal(counters.lookups, outcomes[i] == OUTCOME_UNKNOWN ? 2 : 0);
        assert_true(counters.retries >= 2);
        tear_down(&scene);
    }
}

static void test_trouble_past_the_deadline(void **state)
{
    (void)state;
    struct scene scene;
    one_node(&scene, "db/create-volume", ACTION_CREATE_VOLUME);
    scene.bench.fake.passing = 1;
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    const struct node_status *status = bench_status(&scene.bench, "db/create-volume");
    assert_non_null(strstr(status->detail, "did not succeed within 5m; last seen: "));
    assert_true(status->ended_ms <= 300000);
    assert_true(status->ended_ms >= 270000);
    tear_down(&scene);
}

static void absent_for_good(enum action action, const char *id, enum executor_result expected)
{
    struct scene scene;
    one_node(&scene, id, action);
    scene.bench.fake.always = OUTCOME_ABSENT;
    assert_int_equal(bench_run(&scene.bench), expected);
    int64_t ended = bench_status(&scene.bench, id)->ended_ms;
    assert_true(ended >= 60000 && ended <= 85000);
    tear_down(&scene);
}

static void test_absent_for_good(void **state)
{
    (void)state;
    absent_for_good(ACTION_ATTACH_VOLUME, "db/attach-volume", EXECUTOR_FAILED);
    absent_for_good(ACTION_DELETE_VOLUME, "db/delete-volume", EXECUTOR_SUCCEEDED);
    absent_for_good(ACTION_WAIT_RUNNING, "db/wait-running", EXECUTOR_FAILED);
    absent_for_good(ACTION_WAIT_TERMINATED, "db/wait-terminated", EXECUTOR_SUCCEEDED);
}

/* The request was carried out and its answer lost: it is found, not sent again. */
static void test_lost_answer_is_looked_up(void **state)
{
    (void)state;
    static const enum action actions[] = {ACTION_CREATE_VOLUME, ACTION_ATTACH_VOLUME,
                                          ACTION_REGISTER_IMAGE};
    for (size_t i = 0; i < 3; i++) {
        struct scene scene;
        char id[64];
        snprintf(id, sizeof id, "db/%s", action_info(actions[i])->name);
        one_node(&scene, id, actions[i]);
        scene.bench.cloud->ignores_tokens = true;
        scene.bench.fake.lost_after = 1;
        assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
        assert_int_equal(fake_thing(scene.bench.cloud, id)->applied, 1);
        assert_int_equal(scene.bench.fake.requests, 1);
        assert_int_equal(scene.bench.fake.lookups, 1);
        tear_down(&scene);
    }
}

/* Nothing to be seen of it: with a token it is sent again at once, without one after a minute. */
static void test_lost_request(void **state)
{
    (void)state;
    static const enum action actions[] = {ACTION_CREATE_VOLUME, ACTION_ATTACH_VOLUME};
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        char id[64];
        snprintf(id, sizeof id, "db/%s", action_info(actions[i])->name);
        one_node(&scene, id, actions[i]);
        fake_script(scene.bench.cloud, id, OUTCOME_UNKNOWN);
        assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
        int64_t ended = bench_status(&scene.bench, id)->ended_ms;
        assert_true(i == 0 ? ended < 5000 : ended >= 60000);
        assert_int_equal(bench_status(&scene.bench, id)->generation, 0);
        tear_down(&scene);
    }
}

/* The VM has failed: nothing is sent again, but what cannot be seen may be there; it is given up only
 * when that can be trusted. */
static void test_doubt_in_a_failed_vm(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, 3);
    maker_vm(scene.graph, "db", true);
    uint32_t create = maker_node(scene.graph, "db/create-volume", ACTION_CREATE_VOLUME, 1000);
    scene.graph->nodes[create].timeout_ms = 600000;
    maker_node(scene.graph, "db/run-instance", ACTION_RUN_INSTANCE, 1000);
    open_scene(&scene);
    fake_script(scene.bench.cloud, "db/create-volume", OUTCOME_UNKNOWN);
    fake_script(scene.bench.cloud, "db/run-instance", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/create-volume"), NODE_SKIPPED);
    assert_in_range(bench_status(&scene.bench, "db/create-volume")->ended_ms, 60000, 100000);
    assert_int_equal(fake_thing(scene.bench.cloud, "db/create-volume")->applied, 0);
    assert_true(scene.bench.fake.lookups > 1);
    tear_down(&scene);
}

/* The minute is the process's own, however the UTC clock is set meanwhile. */
static void test_lost_request_while_the_clock_jumps(void **state)
{
    (void)state;
    static const int64_t jumps_ms[] = {-3600000, 3600000};
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        one_node(&scene, "db/attach-volume", ACTION_ATTACH_VOLUME);
        fake_script(scene.bench.cloud, "db/attach-volume", OUTCOME_UNKNOWN);
        world_simulated_jump(scene.bench.world, 10000, jumps_ms[i]);
        assert_int_equal(bench_run(&scene.bench), EXECUTOR_SUCCEEDED);
        assert_in_range(bench_status(&scene.bench, "db/attach-volume")->ended_ms, 60000, 100000);
        assert_int_equal(fake_thing(scene.bench.cloud, "db/attach-volume")->applied, 1);
        tear_down(&scene);
    }
}

static void test_missing_values(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, 4);
    maker_vm(scene.graph, "db", true);
    uint32_t create = maker_node(scene.graph, "db/create-volume", ACTION_CREATE_VOLUME, 0);
    maker_bind(scene.graph, create, "snapshot_id", "db/disk-0/snapshot");
    bench_open(&scene.bench, scene.graph, 1);
    scene.bench.facts = NULL;
    bench_begin(&scene.bench);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_string_equal(bench_status(&scene.bench, "db/create-volume")->detail,
                        "snapshot_id: nothing is bound to db/disk-0/snapshot");
    assert_int_equal(scene.bench.fake.requests, 0);
    tear_down(&scene);
}

/* A wait that nobody is left to wait for does not hold the run up. */
static void test_idle_wait_is_given_up(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, 6);
    maker_vm(scene.graph, "db", true);
    uint32_t tcp = maker_node(scene.graph, "db/tcp-1/check-tcp", ACTION_CHECK_TCP, 1000);
    uint32_t http = maker_node(scene.graph, "db/http-1/check-http", ACTION_CHECK_HTTP, 1000);
    uint32_t ready = maker_node(scene.graph, "db/ready", ACTION_READY, 0);
    maker_edge(scene.graph, tcp, ready);
    maker_edge(scene.graph, http, ready);
    scene.graph->nodes[tcp].timeout_ms = 3600000;
    open_scene(&scene);
    fake_thing(scene.bench.cloud, "db/tcp-1/check-tcp")->wait_ms = -1;
    fake_script(scene.bench.cloud, "db/http-1/check-http", OUTCOME_FATAL);
    assert_int_equal(bench_run(&scene.bench), EXECUTOR_FAILED);
    assert_int_equal(state_of(&scene, "db/tcp-1/check-tcp"), NODE_SKIPPED);
    assert_true(world_monotonic_ms(scene.bench.world) < 60000);
    tear_down(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_vm),
        cmocka_unit_test(test_resume_after_failure),
        cmocka_unit_test(test_not_critical),
        cmocka_unit_test(test_continue_on_failure),
        cmocka_unit_test(test_a_step_that_may_fail_ends_with_its_first_failure),
        cmocka_unit_test(test_a_step_that_may_fail_goes_without_another_vms_value),
        cmocka_unit_test(test_slots_are_shared),
        cmocka_unit_test(test_guards_run_after_failure),
        cmocka_unit_test(test_not_needed_where_all_went_well),
        cmocka_unit_test(test_restored_where_the_vm_fails_later),
        cmocka_unit_test(test_nothing_to_restore_where_nothing_was_changed),
        cmocka_unit_test(test_another_slot_the_next_time),
        cmocka_unit_test(test_once_skipped_is_done_again),
        cmocka_unit_test(test_guard_of_what_never_ran),
        cmocka_unit_test(test_guard_of_what_was_not_made),
        cmocka_unit_test(test_lost_slot),
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_no_alternative_left),
        cmocka_unit_test(test_passing_troubles),
        cmocka_unit_test(test_trouble_past_the_deadline),
        cmocka_unit_test(test_absent_for_good),
        cmocka_unit_test(test_lost_answer_is_looked_up),
        cmocka_unit_test(test_lost_request),
        cmocka_unit_test(test_lost_request_while_the_clock_jumps),
        cmocka_unit_test(test_doubt_in_a_failed_vm),
        cmocka_unit_test(test_missing_values),
        cmocka_unit_test(test_idle_wait_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
