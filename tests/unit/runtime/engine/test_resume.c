/* Killed at every commit and at every event, with answers lost, and resumed: the cloud ends as that of
 * an undisturbed run, each thing made once. */
#include "runtime/engine/executor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/failover_maker.h"

static const struct maker_machine machines[] = {
    {.name = "db", .type = "r6i.large", .subnet = "db", .address = "10.0.0.4", .disks = 2},
    {.name = "app", .type = "m6i.large", .subnet = "app", .address = "10.0.0.5", .disks = 1,
     .needs = 1},
};

static void set_waits(struct bench *bench)
{
    for (size_t i = 0; i < bench->graph->node_count; i++) {
        bench->cloud->things[i].wait_ms = (int64_t)(i * 7919 % 9000);
    }
}

/* Deadlines are not what is tried here. */
static struct graph *patient(struct graph *graph)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        graph->nodes[i].timeout_ms = 24 * 3600000;
    }
    return graph;
}

static void assert_each_once(const struct bench *bench, const char *when, int64_t at)
{
    for (size_t i = 0; i < bench->graph->node_count; i++) {
        const struct action_info *info = action_info(bench->graph->nodes[i].action);
        bool makes = info->provider != PROVIDER_ENGINE && info->effect != EFFECT_WAIT;
        if (bench->cloud->things[i].made != (makes ? 1 : 0)) {
            fail_msg("%s was made %d times (%s %lld)", bench->graph->nodes[i].id,
                     bench->cloud->things[i].made, when, (long long)at);
        }
    }
}

/* One run, killed at group `number` and then again and again, each time a little later, until it gets
 * through. */
static bool killed_at(int64_t number, bool after_send, uint64_t seed, double lost)
{
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, patient(maker_failover(arena, machines, 2, 1)), seed);
    bench.cloud->ignores_tokens = seed % 2 == 0; /* lookups alone have to do then */
    set_waits(&bench);
    bool killed = false;
    for (int64_t kill = number, sessions = 0;; kill += 3 + sessions++) {
        assert_true(sessions < 500);
        bench_begin(&bench);
        bench.fake.latency_ms = 400;
        bench.fake.lost_before = bench.fake.lost_after = lost;
        bench.fake.passing = lost;
        bench.fake.kill_at_number = journal_number(bench.journal) >= kill ? 0 : kill;
        bench.fake.kill_after_send = after_send;
        enum executor_result result = bench_run(&bench);
        assert_int_equal(bench.fake.violations, 0);
        bool dead = bench.fake.dead;
        killed = killed || dead;
        bench_finish(&bench);
        if (!dead) {
            assert_int_equal(result, EXECUTOR_SUCCEEDED);
            break;
        }
    }
    assert_each_once(&bench, after_send ? "killed after sending at" : "killed before sending at",
                     number);
    bench_close(&bench);
    arena_destroy(arena);
    return killed;
}

static void test_killed_at_every_commit(void **state)
{
    (void)state;
    int64_t number = 0;
    for (bool reached = true; reached;) {
        number++;
        reached = killed_at(number, false, 1, 0); /* all three, whatever the first says */
        reached = killed_at(number, true, 1, 0) || reached;
        reached = killed_at(number, true, 2, 0) || reached;
    }
    assert_true(number > 20);
}

static void test_killed_with_lost_answers(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        killed_at((int64_t)(seed % 17 + 1), seed % 3 == 0, seed, 0.15);
    }
}

static bool stopped_after(int64_t events, uint64_t seed)
{
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, patient(maker_failover(arena, machines, 2, 1)), seed);
    bench.cloud->ignores_tokens = true;
    set_waits(&bench);
    bench_begin(&bench);
    bench.fake.latency_ms = 400;
    world_simulated_stop_after(bench.world, events);
    enum executor_result result = bench_run(&bench);
    world_simulated_stop_after(bench.world, -1);
    bool stopped = result != EXECUTOR_SUCCEEDED;
    bench_finish(&bench);
    assert_int_equal(bench_session(&bench), EXECUTOR_SUCCEEDED);
    assert_each_once(&bench, "stopped after events", events);
    bench_close(&bench);
    arena_destroy(arena);
    return stopped;
}

static void test_stopped_at_every_event(void **state)
{
    (void)state;
    int64_t events = 1;
    while (stopped_after(events, 3)) {
        events++;
    }
    assert_true(events > 60);
}

/* What was done keeps what it yielded; nothing of it is asked for again. */
static void test_outputs_survive(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = maker_graph(arena, 3);
    maker_vm(graph, "db", true);
    uint32_t create = maker_node(graph, "db/create-volume", ACTION_CREATE_VOLUME, 1000);
    uint32_t wait = maker_node(graph, "db/wait-volume-available", ACTION_WAIT_VOLUME_AVAILABLE, 1000);
    maker_edge(graph, create, wait);
    maker_output(graph, wait, "volume_id", create, "volume_id");
    struct bench bench;
    bench_open(&bench, graph, 1);
    fake_thing(bench.cloud, "db/wait-volume-available")->wait_ms = -1;
    assert_int_equal(bench_session(&bench), EXECUTOR_FAILED); /* its deadline passes */
    fake_thing(bench.cloud, "db/wait-volume-available")->wait_ms = 0;
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.requests, 0);
    assert_string_equal(bench.fake.log.data, "poll wait-volume-available db/wait-volume-available\n");
    bench_close(&bench);
    arena_destroy(arena);
}

/* Alive time counts, not the time in between: a wait with 60 s left 20 s before the kill has 40 s
 * after it. */
static void test_deadline_counts_alive_time(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = maker_graph(arena, 2);
    maker_vm(graph, "db", true);
    uint32_t wait = maker_node(graph, "db/wait-running", ACTION_WAIT_RUNNING, 1000);
    maker_text(graph, wait, "instance_id", "i-1");
    uint32_t create = maker_node(graph, "db/create-volume", ACTION_CREATE_VOLUME, 1000);
    graph->nodes[create].timeout_ms = 3600000;
    struct bench bench;
    bench_open(&bench, graph, 1);
    fake_thing(bench.cloud, "db/wait-running")->wait_ms = -1;
    bench_begin(&bench);
    world_simulated_stop_after(bench.world, 40);
    for (int i = 0; i < 3; i++) {
        fake_script(bench.cloud, "db/create-volume", OUTCOME_THROTTLED);
    }
    bench_run(&bench);
    world_simulated_stop_after(bench.world, -1);
    bench_finish(&bench);
    int64_t stopped = world_monotonic_ms(bench.world);
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_FAILED);
    int64_t ended = bench_status(&bench, "db/wait-running")->ended_ms;
    assert_true(stopped > 0);
    assert_true(ended >= 59000 && ended <= 66000);
    assert_non_null(strstr(bench_status(&bench, "db/wait-running")->detail, "within 1m"));
    bench_close(&bench);
    arena_destroy(arena);
}

static void test_damaged_journal(void **state)
{
    (void)state;
    static const char *const records[] = {"{\"r\":\"done\",\"n\":99}", "no json", "[]", "{}"};
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        struct arena *arena = arena_create();
        struct bench bench;
        bench_open(&bench, maker_graph(arena, 0), 1);
        journal_append(bench.journal, records[i]);
        assert_true(journal_commit(bench.journal, NULL));
        struct executor_options options = {.world = bench.world, .graph = bench.graph,
                                           .journal = bench.journal, .limits = bench.limits,
                                           .run_id = "r"};
        struct error error = {0};
        assert_null(executor_create(&options, &error));
        assert_non_null(strstr(error.message, "group 1 does not fit"));
        error_clear(&error);
        bench_close(&bench);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_every_commit),
        cmocka_unit_test(test_killed_with_lost_answers),
        cmocka_unit_test(test_stopped_at_every_event),
        cmocka_unit_test(test_outputs_survive),
        cmocka_unit_test(test_deadline_counts_alive_time),
        cmocka_unit_test(test_damaged_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
