/* A call that takes long: how far it is is shown, journalled from time to time, and given back to the
 * next attempt, in this process or another; an interrupt ends it early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

enum { STEPS = 40, STEP_MS = 500 };

/* Does a step each half a second, and goes on from what was kept. */
struct walker {
    struct provider base; /* first */
    struct world *world;
    struct fake_cloud *cloud;
    struct world_task *timer;
    struct call *call;
    call_done done;
    void *context;
    int at;
    int steps_taken;   /* over all attempts */
    int begun_at[8], attempts;
    int dies_at;       /* step; 0: never */
    int ends_at;       /* the step of `outcome`; 0: never */
    enum outcome outcome;
    bool gone;
    const char *keep;  /* instead of its own */
};

static void answer(struct walker *walker, enum outcome outcome)
{
    struct call_result result = {.outcome = outcome,
                                 .error = {.message = outcome == OUTCOME_OK ? NULL : "stumbled",
                                           .gone = walker->gone}};
    const struct action_info *info = action_info(walker->call->node->action);
    for (size_t i = 0; outcome == OUTCOME_OK && i < info->output_count; i++) {
        result.outputs[result.output_count++] =
            (struct call_output){.name = info->outputs[i].name, .value = "40"};
    }
    struct call *call = walker->call;
    walker->cloud->things[call->node->index].ended_ok = outcome == OUTCOME_OK;
    walker->call = NULL;
    walker->done(walker->context, call, &result);
}

static void step(void *context)
{
    struct walker *walker = context;
    char keep[32], text[32];
    walker->timer = NULL;
    if (walker->dies_at && walker->at >= walker->dies_at) {
        return;
    }
    walker->at++;
    walker->steps_taken++;
    snprintf(keep, sizeof keep, "step %d", walker->at);
    snprintf(text, sizeof text, "%d of %d steps", walker->at, STEPS);
    walker->call->note(walker->call, &(struct call_note){.done = walker->at, .total = STEPS, .requests = 3,
                                                         .text = text,
                                                         .keep = walker->keep ? walker->keep : keep});
    if (walker->at >= STEPS) {
        answer(walker, OUTCOME_OK);
    } else if (walker->ends_at && walker->at == walker->ends_at) {
        walker->ends_at = 0;
        answer(walker, walker->outcome);
    } else {
        walker->timer = world_timer(walker->world, STEP_MS, step, walker);
    }
}

static void start(struct provider *provider, struct call **calls, size_t n, call_done done,
                  void *context)
{
    struct walker *walker = (struct walker *)provider;
    assert_int_equal(n, 1);
    walker->call = calls[0];
    walker->done = done;
    walker->context = context;
    walker->at = calls[0]->kept ? atoi(calls[0]->kept + strlen("step ")) : 0;
    walker->begun_at[walker->attempts++] = walker->at;
    walker->timer = world_timer(walker->world, STEP_MS, step, walker);
}

static void interrupted(void *context)
{
    struct walker *walker = context;
    walker->timer = NULL;
    answer(walker, OUTCOME_RETRY);
}

static void interrupt(struct provider *provider)
{
    struct walker *walker = (struct walker *)provider;
    if (walker->call) {
        world_cancel(walker->world, walker->timer);
        walker->timer = world_timer(walker->world, 0, interrupted, walker);
    }
}

static void nothing(struct provider *provider, struct call *call, call_done done, void *context)
{
    (void)provider, (void)call, (void)done, (void)context;
    abort();
}

static void no_poll(struct provider *provider, struct call **calls, size_t n, call_done done,
                    void *context)
{
    (void)n;
    nothing(provider, *calls, done, context);
}

static void no_destroy(struct provider *provider)
{
    (void)provider;
}

struct scene {
    struct arena *arena;
    struct bench bench;
    struct walker walker;
    int progress;         /* events */
    int64_t done_bytes;   /* of the last one */
    char detail[64];
    int64_t interrupt_at; /* after as many; 0: never */
    int64_t requests_at_half, requests_before;
};

static void observe(void *context, const struct executor_event *event)
{
    struct scene *scene = context;
    if (event->type == EVENT_NODE_PROGRESS) {
        scene->progress++;
        scene->done_bytes = event->status->done_bytes;
        snprintf(scene->detail, sizeof scene->detail, "%s", event->status->detail);
        assert_int_equal(event->status->total_bytes, STEPS);
        int64_t requests = executor_counters(scene->bench.executor).requests;
        scene->requests_before = scene->progress == 1 ? requests - 3 : scene->requests_before;
        if (scene->progress == STEPS / 2) {
            scene->requests_at_half = requests - scene->requests_before;
        }
        if (scene->progress == scene->interrupt_at) {
            executor_interrupt(scene->bench.executor);
        }
    }
}

static struct graph *copy_of_a_disk(struct arena *arena)
{
    struct graph *graph = maker_graph(arena, 8);
    maker_vm(graph, "db", true);
    uint32_t begin = maker_node(graph, "db/disk-0/start-snapshot", ACTION_START_SNAPSHOT, 1000);
    maker_int(graph, begin, "size_gib", 1);
    maker_int(graph, begin, "disk", 0);
    uint32_t put = maker_node(graph, "db/disk-0/put-blocks", ACTION_PUT_BLOCKS, 60000);
    maker_edge(graph, begin, put);
    graph->nodes[begin].acquire = maker_pool(graph, "mover", 1);
    maker_text(graph, put, "repository", "dir:backup");
    maker_output(graph, put, "snapshot_id", begin, "snapshot_id");
    uint32_t place = maker_node(graph, "db/disk-0/release-place", ACTION_RELEASE_PLACE, 0);
    maker_edge(graph, begin, place);
    maker_edge(graph, put, place);
    graph->nodes[place].after[1].when = WHEN_ENDED;
    graph->nodes[place].guards = (int32_t)begin;
    graph->nodes[place].release = graph->nodes[begin].acquire;
    uint32_t complete = maker_node(graph, "db/disk-0/complete-snapshot", ACTION_COMPLETE_SNAPSHOT, 1000);
    maker_edge(graph, put, complete);
    maker_output(graph, complete, "snapshot_id", begin, "snapshot_id");
    maker_output(graph, complete, "checksum", put, "checksum");
    return graph;
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    scene->arena = arena_create();
    bench_open(&scene->bench, copy_of_a_disk(scene->arena), 1);
    scene->walker = (struct walker){
        .base = {.name = "walker", .start = start, .lookup = nothing, .poll = no_poll,
                 .interrupt = interrupt, .destroy = no_destroy},
        .world = scene->bench.world,
        .cloud = scene->bench.cloud,
    };
    scene->bench.mover = &scene->walker.base;
    scene->bench.observer = observe;
    scene->bench.observer_context = scene;
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

/* --- what the journal says --- */

struct counted {
    int notes;
    char last[CALL_KEEP_MAX + 1];
};

static bool count_notes(void *context, int64_t number, const char *record)
{
    struct counted *counted = context;
    (void)number;
    if (strstr(record, "\"r\":\"note\"")) {
        const char *keep = strstr(record, "\"k\":\"");
        counted->notes++;
        snprintf(counted->last, sizeof counted->last, "%s", keep ? keep + 5 : "");
        counted->last[strcspn(counted->last, "\"")] = '\0';
    }
    return true;
}

static struct counted notes_of(struct scene *scene)
{
    struct counted counted = {0};
    assert_true(journal_replay(scene->bench.journal, count_notes, &counted, &scene->bench.error));
    return counted;
}

/* --- tests --- */

static void test_shown_and_journalled(void **state)
{
    struct scene *scene = *state;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(scene->progress, STEPS);
    assert_int_equal(scene->done_bytes, STEPS);
    assert_string_equal(scene->detail, "40 of 40 steps");
    assert_int_equal(scene->requests_at_half, 3 * STEPS / 2); /* while it goes on, not at its end */
    struct counted counted = notes_of(scene);
    int seconds = STEPS * STEP_MS / 1000;
    assert_in_range(counted.notes, seconds / 2 - 1, seconds / 2 + 2); /* each 2 s, not each note */
}

static void test_a_later_attempt_goes_on(void **state)
{
    struct scene *scene = *state;
    scene->walker.ends_at = 7;
    scene->walker.outcome = OUTCOME_RETRY;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(scene->walker.attempts, 2);
    assert_int_equal(scene->walker.begun_at[1], 7);
    assert_int_equal(scene->walker.steps_taken, STEPS);
}

/* At most what was told in the last two seconds is done twice. */
static void test_goes_on_after_a_kill(void **state)
{
    struct scene *scene = *state;
    for (int at = 1; at < STEPS; at += 5) {
        tear_down(state);
        set_up(state);
        scene = *state;
        scene->bench.observer = NULL; /* no heartbeat: nothing is left once it is dead */
        scene->walker.dies_at = at;
        bench_begin(&scene->bench);
        assert_int_equal(bench_run(&scene->bench), EXECUTOR_BROKEN);
        bench_finish(&scene->bench);
        int taken = scene->walker.steps_taken;
        assert_int_equal(taken, at);
        scene->walker.dies_at = 0;
        bench_begin(&scene->bench);
        assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
        assert_int_equal(scene->walker.attempts, 2);
        assert_in_range(scene->walker.begun_at[1], at > 4 ? at - 4 : 0, at);
        assert_int_equal(fake_thing(scene->bench.cloud, "db/disk-0/start-snapshot")->made, 1);
    }
}

static void test_an_interrupt_loses_nothing(void **state)
{
    struct scene *scene = *state;
    scene->interrupt_at = 15;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_INTERRUPTED);
    struct counted counted = notes_of(scene);
    assert_string_equal(counted.last, "step 15");
    bench_finish(&scene->bench);
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(scene->walker.begun_at[1], 15);
    assert_int_equal(scene->walker.steps_taken, STEPS);
}

/* What was put into a snapshot that is gone says nothing of the next one. */
static void test_gone_begins_anew(void **state)
{
    struct scene *scene = *state;
    scene->walker.ends_at = 9;
    scene->walker.outcome = OUTCOME_FATAL;
    scene->walker.gone = true;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_FAILED);
    bench_finish(&scene->bench);
    scene->walker.gone = false;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(scene->walker.begun_at[1], 0);
    assert_int_equal(fake_thing(scene->bench.cloud, "db/disk-0/start-snapshot")->made, 2);
}

static void test_a_failure_of_another_kind_keeps(void **state)
{
    struct scene *scene = *state;
    scene->walker.ends_at = 9;
    scene->walker.outcome = OUTCOME_FATAL;
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_FAILED);
    bench_finish(&scene->bench);
    bench_begin(&scene->bench);
    assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(scene->walker.begun_at[1], 9);
    assert_int_equal(fake_thing(scene->bench.cloud, "db/disk-0/start-snapshot")->made, 1);
}

static void test_what_cannot_be_kept(void **state)
{
    struct scene *scene = *state;
    char *long_text = calloc(1, CALL_KEEP_MAX + 2);
    memset(long_text, 'x', CALL_KEEP_MAX + 1);
    const char *bad[] = {long_text, "tab\t", "\xc3\xa9"};
    for (size_t i = 0; i < 3; i++) {
        tear_down(state);
        set_up(state);
        scene = *state;
        scene->walker.keep = bad[i];
        bench_begin(&scene->bench);
        assert_int_equal(bench_run(&scene->bench), EXECUTOR_SUCCEEDED);
        assert_string_equal(notes_of(scene).last, "");
    }
    free(long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shown_and_journalled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_later_attempt_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goes_on_after_a_kill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_interrupt_loses_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gone_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failure_of_another_kind_keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
