/* A plan's failover rehearsed: it succeeds, replays byte for byte from its seed, and a killed process
 * is resumed to the same end.
 * Covers: runtime/site/site.c runtime/site/leftovers.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"
#include "tests/unit/support/state_directory.h"

#include <signal.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/graph/facts.h"
#include "runtime/simulation/rehearsal.h"

/* What was seen of a rehearsal. */
struct seen {
    int requests, created_volumes;
    int64_t last_utc_ms;
    uint64_t hash;
};

static void mix(struct seen *seen, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        seen->hash = (seen->hash ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
    }
}

static void tap(void *context, int64_t utc_ms, const struct http_request *request,
                const struct http_response *response)
{
    struct seen *seen = context;
    seen->requests++;
    assert_true(utc_ms >= seen->last_utc_ms);
    seen->last_utc_ms = utc_ms;
    mix(seen, &utc_ms, sizeof utc_ms);
    mix(seen, request->body, request->body_length);
    mix(seen, response->body, response->body_length);
    if (request->body_length && memmem(request->body, request->body_length,
                                       "Action=CreateVolume", strlen("Action=CreateVolume"))) {
        seen->created_volumes += response->status == 200;
    }
}

struct stage {
    struct arena *arena;
    struct seen seen;
    struct rehearsal_options options;
};

static void set_stage(struct stage *stage, const char *directory, uint64_t seed)
{
    *stage = (struct stage){.arena = arena_create()};
    stage->options = (struct rehearsal_options){
        .plan = client_plan_bound(stage->arena),
        .workflow = WORKFLOW_FAILOVER,
        .seed = seed,
        .directory = directory,
        .limits = LIMITS_AWS,
        .throttle = true,
        .tap = tap,
        .tap_context = &stage->seen,
    };
}

static struct rehearsal *must_create(struct stage *stage)
{
    struct error error = {0};
    struct rehearsal *rehearsal = rehearsal_create(&stage->options, &error);
    if (!rehearsal) {
        fail_msg("%s", error.message);
    }
    return rehearsal;
}

static size_t live(struct rehearsal *rehearsal, struct arena *arena, enum sandbox_kind kind)
{
    struct sandbox_item *items = NULL;
    size_t mine = 0, count = sandbox_list(rehearsal_sandbox(rehearsal), arena,
                                          world_utc_ms(rehearsal_world(rehearsal)), kind, &items);
    for (size_t i = 0; i < count; i++) {
        mine += items[i].run && strcmp(items[i].run, rehearsal_run_id(rehearsal)) == 0 &&
                strcmp(items[i].state, "deleting") != 0;
    }
    return mine;
}

static void it_succeeds_and_replays(void **state)
{
    struct error error = {0};
    struct seen first = {0};
    for (int i = 0; i < 2; i++) {
        struct stage stage;
        set_stage(&stage, *state, 7);
        stage.options.directory = arena_printf(stage.arena, "%s/%d", (const char *)*state, i);
        struct rehearsal *rehearsal = must_create(&stage);
        assert_int_equal(rehearsal_process(rehearsal, -1, &error), REHEARSAL_SUCCEEDED);
        const struct graph *graph = rehearsal_graph(rehearsal);
        struct executor_counters counters = executor_counters(rehearsal_executor(rehearsal));
        assert_int_equal(counters.done, graph->node_count);
        assert_int_equal(counters.throttled, 0);
        assert_int_equal(live(rehearsal, stage.arena, SANDBOX_INSTANCE), graph->vm_count);
        assert_true(rehearsal_schedule(rehearsal)->rto_ms > 0);
        assert_non_null(rehearsal_facts(rehearsal));
        if (i == 0) {
            first = stage.seen;
            assert_true(first.requests > 10);
        } else {
            assert_int_equal(stage.seen.requests, first.requests);
            assert_int_equal(stage.seen.hash, first.hash);
        }
        rehearsal_destroy(rehearsal);
        arena_destroy(stage.arena);
    }
}

/* The cloud holds what facts say, whatever the seed: the graph is the same. */
static void it_follows_facts(void **state)
{
    uint32_t nodes = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct stage stage;
        set_stage(&stage, *state, seed);
        stage.options.directory =
            arena_printf(stage.arena, "%s/%d", (const char *)*state, (int)seed);
        struct fact_disk disks[3] = {{.size_gib = 33}, {.size_gib = 44}, {.size_gib = 55}};
        struct fact_vm db = {.name = "db", .disks = disks, .disk_count = 3};
        struct fact_conversion conversion = {.id = "i-0f00ba40000000000", .cpus = 2, .slots = 2};
        struct facts *facts = facts_create(stage.arena);
        int64_t inject_ms = 123000;
        map_put(&facts->vms, "db", &db);
        map_put(&facts->durations, "wait-injected", &inject_ms);
        map_put(&facts->conversions, conversion.id, &conversion);
        stage.options.facts = facts;
        struct rehearsal *rehearsal = must_create(&stage);
        const struct graph *graph = rehearsal_graph(rehearsal);
        nodes = nodes ? nodes : (uint32_t)graph->node_count;
        assert_int_equal(graph->node_count, nodes);
        const struct fact_vm *held = map_get(&rehearsal_facts(rehearsal)->vms, "db");
        assert_int_equal(held->disk_count, 3);
        assert_int_equal(held->disks[1].size_gib, 44);
        for (uint32_t i = 0; i < graph->node_count; i++) {
            const struct schedule_entry *entry = &rehearsal_schedule(rehearsal)->entries[i];
            if (graph->nodes[i].action == ACTION_WAIT_INJECTED) {
                assert_int_equal(entry->end_ms - entry->start_ms, inject_ms);
            }
        }
        rehearsal_destroy(rehearsal);
        arena_destroy(stage.arena);
    }
}

static void a_killed_process_is_resumed(void **state)
{
    struct error error = {0};
    struct stage stage;
    set_stage(&stage, *state, 8);
    stage.options.ghosts = 0.5;
    struct rehearsal *rehearsal = must_create(&stage);
    int kills = 0;
    enum rehearsal_end end;
    while ((end = rehearsal_process(rehearsal, 40, &error)) == REHEARSAL_KILLED) {
        assert_null(rehearsal_executor(rehearsal));
        rehearsal_pass(rehearsal, 1000);
        assert_true(++kills < 1000);
    }
    assert_int_equal(end, REHEARSAL_SUCCEEDED);
    assert_true(kills > 3);
    assert_int_equal(live(rehearsal, stage.arena, SANDBOX_INSTANCE),
                     rehearsal_graph(rehearsal)->vm_count);
    assert_non_null(strstr(rehearsal_journal_path(rehearsal), rehearsal_run_id(rehearsal)));
    assert_non_null(rehearsal_run(rehearsal)->directory);
    rehearsal_destroy(rehearsal);
    arena_destroy(stage.arena);
}

struct interrupting {
    struct rehearsal *rehearsal;
    int after;
};

static void interrupt_at(void *context, const struct executor_event *event)
{
    struct interrupting *interrupting = context;
    if (event->type == EVENT_NODE_DONE && interrupting->after-- == 0) {
        world_simulated_raise(rehearsal_world(interrupting->rehearsal), SIGINT);
    }
}

static void an_interrupted_one_goes_on(void **state)
{
    struct error error = {0};
    struct stage stage;
    set_stage(&stage, *state, 9);
    struct interrupting interrupting = {.after = 5};
    stage.options.observer = interrupt_at;
    stage.options.observer_context = &interrupting;
    struct rehearsal *rehearsal = must_create(&stage);
    interrupting.rehearsal = rehearsal;
    assert_int_equal(rehearsal_process(rehearsal, -1, &error), REHEARSAL_INTERRUPTED);
    assert_int_equal(rehearsal_process(rehearsal, -1, &error), REHEARSAL_SUCCEEDED);
    rehearsal_destroy(rehearsal);
    arena_destroy(stage.arena);
}

static void faults_come_with_the_first_change(void **state)
{
    static const struct rehearsal_fault no_inject[] = {{"inject", 1}};
    static const struct rehearsal_fault unknown[] = {{"weather", 1}};
    struct error error = {0};
    struct stage stage;
    set_stage(&stage, *state, 10);
    stage.options.faults = no_inject;
    stage.options.fault_count = 1;
    struct rehearsal *rehearsal = must_create(&stage);
    assert_int_equal(rehearsal_process(rehearsal, -1, &error), REHEARSAL_FAILED);
    rehearsal_destroy(rehearsal);
    stage.options.faults = unknown;
    stage.seen.last_utc_ms = 0;
    rehearsal = must_create(&stage);
    assert_int_equal(rehearsal_process(rehearsal, -1, &error), REHEARSAL_BROKEN);
    assert_non_null(strstr(error.message, "weather"));
    error_clear(&error);
    rehearsal_destroy(rehearsal);
    arena_destroy(stage.arena);
}

static void it_is_cleaned_up(void **state)
{
    struct error error = {0};
    struct stage stage;
    set_stage(&stage, *state, 11);
    struct rehearsal *rehearsal = must_create(&stage);
    /* Killed half way: the boot disks are at the conversion instance, which stays. */
    assert_int_equal(rehearsal_process(rehearsal, 90, &error), REHEARSAL_KILLED);
    rehearsal_pass(rehearsal, 60000);
    const char *id = rehearsal_run_id(rehearsal);
    assert_true(live(rehearsal, stage.arena, SANDBOX_VOLUME) > 0);
    assert_true(rehearsal_begin_cleanup(rehearsal, &error));
    assert_true(rehearsal_graph(rehearsal)->node_count > 0);
    assert_non_null(strstr(rehearsal_journal_path(rehearsal), "cleanup-1.db"));
    assert_int_equal(rehearsal_process(rehearsal, -1, &error), REHEARSAL_SUCCEEDED);
    rehearsal_pass(rehearsal, 60000);
    assert_int_equal(live(rehearsal, stage.arena, SANDBOX_VOLUME), 0);
    assert_true(rehearsal_begin_cleanup(rehearsal, &error));
    assert_int_equal(rehearsal_graph(rehearsal)->node_count, 0);
    assert_string_equal(id, rehearsal_run_id(rehearsal));
    rehearsal_destroy(rehearsal);
    arena_destroy(stage.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_succeeds_and_replays, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(it_follows_facts, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(a_killed_process_is_resumed, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(an_interrupted_one_goes_on, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(it_is_cleaned_up, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(faults_come_with_the_first_change, state_directory_make,
                                        state_directory_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
