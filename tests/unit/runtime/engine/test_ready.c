/* Random graphs under random troubles: every edge honoured, everything made once, pools never
 * overdrawn, the same seed the same run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/graph/estimate.h"
#include "runtime/engine/executor_state.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

static uint32_t draw(uint64_t *random, uint32_t below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*random >> 33) % below);
}

static const enum action kinds[] = {
    ACTION_CREATE_VOLUME, ACTION_WAIT_VOLUME_AVAILABLE, ACTION_ATTACH_VOLUME, ACTION_RUN_INSTANCE,
    ACTION_WAIT_RUNNING,  ACTION_STOP_INSTANCE,         ACTION_READY,         ACTION_REGISTER_IMAGE,
    ACTION_CHECK_TCP,     ACTION_INJECT,                ACTION_WAIT_INJECTED, ACTION_DELETE_VOLUME,
};

static struct graph *random_graph(struct arena *arena, uint64_t seed, uint32_t count)
{
    uint64_t random = seed;
    struct graph *graph = maker_graph(arena, count);
    for (int i = 0; i < 5; i++) {
        maker_vm(graph, arena_printf(arena, "vm%d", i), true);
    }
    for (uint32_t i = 0; i < count; i++) {
        enum action action = kinds[draw(&random, sizeof kinds / sizeof *kinds)];
        const char *id = arena_printf(arena, "vm%u/n%u/%s", draw(&random, 5), i,
                                      action_info(action)->name);
        uint32_t node = maker_node(graph, id, action, draw(&random, 20000));
        graph->nodes[node].timeout_ms = 24 * 3600000;
        uint32_t edges = i ? draw(&random, 4) : 0;
        uint32_t before = i;
        for (uint32_t e = 0; e < edges && before > 0; e++) {
            before = draw(&random, before);
            maker_edge(graph, before, node);
        }
    }
    return graph;
}

static void run_random(uint64_t seed, char **log)
{
    struct arena *arena = arena_create();
    struct graph *graph = random_graph(arena, seed, 20 + (uint32_t)(seed % 60));
    struct bench bench;
    bench_open(&bench, graph, seed);
    if (seed % 2) {
        bench.schedule = estimate(arena, graph, NULL, true);
    }
    for (size_t i = 0; i < graph->node_count; i++) {
        bench.cloud->things[i].wait_ms = (int64_t)(i * 7919 % 30000);
    }
    bench_begin(&bench);
    bench.fake.latency_ms = (int64_t)(seed % 5) * 300;
    bench.fake.lost_before = bench.fake.lost_after = bench.fake.passing = (double)(seed % 4) * 0.08;
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(bench.fake.violations, 0);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct action_info *info = action_info(graph->nodes[i].action);
        bool makes = info->provider != PROVIDER_ENGINE && info->effect != EFFECT_WAIT;
        assert_int_equal(bench.cloud->things[i].made, makes ? 1 : 0);
        assert_int_equal(executor_status(bench.executor, (uint32_t)i)->state, NODE_DONE);
    }
    if (log) {
        *log = buffer_steal(&bench.fake.log);
    }
    bench_close(&bench);
    arena_destroy(arena);
}

static void test_random_graphs(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        run_random(seed, NULL);
    }
}

static void test_same_seed_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 301; seed <= 305; seed++) {
        char *one, *other;
        run_random(seed, &one);
        run_random(seed, &other);
        assert_string_equal(one, other);
        free(one);
        free(other);
    }
}

static void test_latest_start_first(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = maker_graph(arena, 10);
    maker_node(graph, "a/create-volume", ACTION_CREATE_VOLUME, 1000);
    maker_node(graph, "b/create-volume", ACTION_CREATE_VOLUME, 1000);
    struct schedule_entry entries[2] = {{.end_ms = 1000}, {.end_ms = 6000}};
    struct schedule schedule = {.entries = entries, .makespan_ms = 6000};
    struct bench bench;
    bench_open(&bench, graph, 1);
    bench.schedule = &schedule;
    bench_begin(&bench);
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    assert_string_equal(bench.fake.log.data, "start create-volume b/create-volume\n"
                                             "start create-volume a/create-volume\n");
    bench_close(&bench);
    arena_destroy(arena);
}

/* Never more requests on their way than REQUESTS_MAX, and a pool never lends more than it has. */
static void test_pool_is_never_overdrawn(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = maker_graph(arena, 80);
    maker_pool(graph, "conversion/i-1", 3);
    for (int i = 0; i < 20; i++) {
        maker_vm(graph, arena_printf(arena, "vm%d", i), true);
    }
    for (int i = 0; i < 20; i++) {
        uint32_t attach = maker_node(graph, arena_printf(arena, "vm%d/attach-volume", i),
                                     ACTION_ATTACH_VOLUME, 1000);
        graph->nodes[attach].acquire = 0;
        maker_value(graph, attach, "device", (struct value){.kind = VALUE_SLOT, .node = 0});
        uint32_t wait = maker_node(graph, arena_printf(arena, "vm%d/wait-volume-available", i),
                                   ACTION_WAIT_VOLUME_AVAILABLE, 1000);
        graph->nodes[wait].release = 0;
        maker_edge(graph, attach, wait);
    }
    struct bench bench;
    bench_open(&bench, graph, 9);
    for (size_t i = 0; i < graph->node_count; i++) {
        bench.cloud->things[i].wait_ms = 2000;
    }
    bench_begin(&bench);
    bench.fake.latency_ms = 100;
    assert_int_equal(bench_run(&bench), EXECUTOR_SUCCEEDED);
    int64_t at[41];
    for (uint32_t i = 0; i < 20; i++) { /* intervals that overlap: never more than three */
        const struct node_status *mine = executor_status(bench.executor, 2 * i);
        at[i] = mine->started_ms;
        int overlapping = 0;
        for (uint32_t j = 0; j < 20; j++) {
            const struct node_status *from = executor_status(bench.executor, 2 * j);
            const struct node_status *to = executor_status(bench.executor, 2 * j + 1);
            overlapping += from->started_ms <= at[i] && at[i] < to->ended_ms;
        }
        assert_true(overlapping <= 3);
    }
    bench_close(&bench);
    arena_destroy(arena);
}

/* Twelve boot disks, five places on the conversion instance: each is attached there, injected, taken
 * off again. */
enum { DISKS = 12, PLACES = 5, STEPS = 5 };

static struct graph *conversions(struct arena *arena)
{
    static const enum action steps[STEPS] = {ACTION_ATTACH_VOLUME, ACTION_WAIT_VOLUME_ATTACHED,
                                             ACTION_INJECT, ACTION_DETACH_VOLUME,
                                             ACTION_WAIT_VOLUME_AVAILABLE};
    struct graph *graph = maker_graph(arena, DISKS * STEPS);
    maker_pool(graph, "conversion/i-1", PLACES);
    for (uint32_t i = 0; i < DISKS; i++) {
        const char *vm = arena_printf(arena, "vm%u", i);
        maker_vm(graph, vm, true);
        for (uint32_t step = 0; step < STEPS; step++) {
            const char *id = arena_printf(arena, "%s/%s", vm, action_info(steps[step])->name);
            uint32_t node = maker_node(graph, id, steps[step], 1000);
            graph->nodes[node].timeout_ms = 24 * 3600000;
            if (step == 0) {
                graph->nodes[node].acquire = 0;
                maker_value(graph, node, "device", (struct value){.kind = VALUE_SLOT, .node = 0});
            } else {
                maker_edge(graph, node - 1, node);
            }
        }
        for (uint32_t node = i * STEPS + 3; node < (i + 1) * STEPS; node++) { /* in any case */
            graph->nodes[node].guards = (int32_t)(i * STEPS);
            graph->nodes[node].after[0].when = WHEN_ENDED;
        }
        graph->nodes[i * STEPS + STEPS - 1].release = 0;
    }
    return graph;
}

/* Disks that the cloud may have on the conversion instance. */
static int on_the_instance(const struct bench *bench)
{
    int held = 0;
    for (int i = 0; i < DISKS; i++) {
        held += bench->cloud->things[i * STEPS].made > 0 &&
                !bench->cloud->things[i * STEPS + STEPS - 1].ended_ok;
    }
    return held;
}

/* Each place is held by one disk at most, and whoever holds none counts as free. */
static void assert_places_add_up(const struct bench *bench)
{
    bool taken[PLACES] = {false};
    int held = 0;
    for (int i = 0; i < DISKS; i++) {
        int slot = bench->executor->nodes[i * STEPS].slot;
        assert_true(slot < PLACES && (slot < 0 || !taken[slot]));
        if (slot >= 0) {
            taken[slot] = true;
            held++;
        }
    }
    assert_int_equal(bench->executor->pools[0].free, PLACES - held);
}

/* Killed at that commit, resumed, and killed again each seven commits until it is through. */
static bool killed_at(int64_t number, uint64_t seed, int *most)
{
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, conversions(arena), seed);
    for (size_t i = 0; i < bench.graph->node_count; i++) {
        bench.cloud->things[i].wait_ms = (int64_t)(i * 7919 % 4000);
    }
    bool killed = false, over = false;
    for (int64_t at = number; !over; at += 7) {
        bench_begin(&bench);
        assert_places_add_up(&bench);
        bench.fake.latency_ms = 100;
        bench.fake.kill_at_number = at;
        bench.fake.kill_after_send = at % 2 == 0;
        bench.fake.lost_after = 0.05;
        over = bench_run(&bench) == EXECUTOR_SUCCEEDED;
        killed = killed || bench.fake.dead;
        *most = on_the_instance(&bench) > *most ? on_the_instance(&bench) : *most;
        assert_true(on_the_instance(&bench) <= PLACES);
        if (over) {
            assert_places_add_up(&bench);
            assert_int_equal(bench.executor->pools[0].free, PLACES); /* nothing leaked */
        }
        bench_finish(&bench);
    }
    assert_int_equal(on_the_instance(&bench), 0);
    bench_close(&bench);
    arena_destroy(arena);
    return killed;
}

static void test_places_survive_a_kill(void **state)
{
    (void)state;
    int64_t at = 1;
    int most = 0;
    while (killed_at(at, (uint64_t)at, &most)) {
        at++;
    }
    assert_true(at > 30);              /* that many moments were tried */
    assert_int_equal(most, PLACES);    /* all are used */
}

/* Seven of twelve fail, attached or not, and five places: all others still get one. */
static void test_failures_give_their_places_back(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = conversions(arena);
    struct bench bench;
    bench_open(&bench, graph, 3);
    bench_begin(&bench);
    for (int i = 0; i < 7; i++) { /* refused to be attached; or to be injected */
        fake_script(bench.cloud, graph->nodes[i * STEPS + (i % 2 ? 2 : 0)].id, OUTCOME_FATAL);
    }
    assert_int_equal(bench_run(&bench), EXECUTOR_FAILED);
    struct executor_counters counters = executor_counters(bench.executor);
    assert_int_equal(counters.failed, 7);
    assert_int_equal(counters.done, (DISKS - 7) * STEPS + 7 * 2 + 3 * 2);
    assert_int_equal(bench.executor->pools[0].free, PLACES);
    bench_close(&bench);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_same_seed_same_run),
        cmocka_unit_test(test_latest_start_first),
        cmocka_unit_test(test_pool_is_never_overdrawn),
        cmocka_unit_test(test_places_survive_a_kill),
        cmocka_unit_test(test_failures_give_their_places_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
