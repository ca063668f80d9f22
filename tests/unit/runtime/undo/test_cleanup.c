/* What a run has made is found in its journals, and deleted, dependents first; what it did is undone,
 * the last first.
 * Covers: cleanup_graph.c */
#include "runtime/undo/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/graph/builder.h"
#include "runtime/report/history.h"
#include "runtime/state/journal.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"
#include "tests/unit/support/state_directory.h"

static const struct because because = {.rule = "test"};

/* One VM: two volumes made, an instance run, one volume attached and marked, an image. */
static struct graph *made_by_a_run(struct arena *arena)
{
    struct graph *graph = ARENA_NEW(arena, struct graph);
    *graph = (struct graph){.arena = arena, .plan_name = "shop", .plan_digest = "aa",
                            .inventory_digest = "", .tool = "drc test", .region = "eu-west-1",
                            .workflow = WORKFLOW_FAILOVER, .vm_count = 1};
    graph->vms = ARENA_NEW(arena, struct graph_vm);
    graph->vms[0].name = "db";
    struct graph_builder *builder = builder_create(arena, graph, 8);
    struct value tags = map_value(NULL, NULL, 0);
    uint32_t volumes[2];
    for (int i = 0; i < 2; i++) {
        volumes[i] = builder_node(builder, ACTION_CREATE_VOLUME,
                                  arena_printf(arena, "db/disk-%d", i), 0, because);
        builder_input(builder, "snapshot_id", text_value("snap-1"));
        builder_input(builder, "zone", text_value("eu-west-1a"));
        builder_input(builder, "size_gib", int_value(8));
        builder_input(builder, "type", text_value("gp3"));
        builder_input(builder, "disk", int_value(i));
        builder_input(builder, "tags", tags);
    }
    uint32_t run = builder_node(builder, ACTION_RUN_INSTANCE, "db", 0, because);
    builder_input(builder, "image_id", text_value("ami-1"));
    builder_input(builder, "instance_types", list_value(NULL, 0));
    builder_input(builder, "cards", list_value(NULL, 0));
    builder_input(builder, "tags", tags);
    builder_node(builder, ACTION_ATTACH_VOLUME, "db/disk-0", 0, because);
    builder_input(builder, "volume_id", output_value(volumes[0], "volume_id"));
    builder_input(builder, "instance_id", output_value(run, "instance_id"));
    builder_input(builder, "device", text_value("/dev/xvda"));
    builder_node(builder, ACTION_SET_DELETE_ON_TERMINATION, "db", 0, because);
    builder_input(builder, "instance_id", output_value(run, "instance_id"));
    builder_input(builder, "devices", list_value(NULL, 0));
    builder_node(builder, ACTION_REGISTER_IMAGE, "db", 0, because);
    builder_input(builder, "name", text_value("db"));
    builder_input(builder, "architecture", text_value("x86_64"));
    builder_input(builder, "boot_mode", text_value("uefi"));
    builder_input(builder, "root_device", text_value("/dev/xvda"));
    builder_input(builder, "block_devices", list_value(NULL, 0));
    builder_input(builder, "tags", tags);
    return builder_finish(builder);
}

static void put_graph(struct journal *journal, const struct graph *graph)
{
    struct buffer text = {0};
    graph_write_json(graph, &text);
    assert_true(journal_put_blob(journal, "graph", text.data, text.length, NULL));
    buffer_free(&text);
}

static void record(struct journal *journal, const char *text)
{
    journal_append(journal, text);
    assert_true(journal_commit(journal, NULL));
}

static void make_run(struct arena *arena, void *state, struct world *world, struct run_info *run,
                     const struct graph *graph)
{
    struct journal *journal = run_create(arena, state, world, "shop", WORKFLOW_FAILOVER, NULL, 0, run, NULL);
    assert_non_null(journal);
    if (graph) {
        put_graph(journal, graph);
        record(journal, "{\"r\":\"done\",\"n\":0,\"t\":1,\"o\":{\"volume_id\":\"vol-0\"}}");
        record(journal, "{\"r\":\"done\",\"n\":1,\"t\":1,\"o\":{\"volume_id\":\"vol-1\"}}");
        record(journal, "{\"r\":\"done\",\"n\":2,\"t\":1,\"o\":{\"instance_id\":\"i-1\"}}");
        record(journal, "{\"r\":\"done\",\"n\":3,\"t\":1}");
        record(journal, "{\"r\":\"done\",\"n\":4,\"t\":1}");
        record(journal, "{\"r\":\"done\",\"n\":5,\"t\":1,\"o\":{\"image_id\":\"ami-2\"}}");
    }
    journal_close(journal);
}

static const struct cleanup_thing *thing(const struct cleanup_thing *things, size_t count,
                                         const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(things[i].id, id)) {
            return &things[i];
        }
    }
    fail_msg("%s is not there", id);
    return NULL;
}

static void test_whole_cleanup(void **state)
{
    struct arena *arena = arena_create();
    struct world *world = quiet_world(1);
    struct graph *model = made_by_a_run(arena);
    struct error error = {0};
    struct run_info run;
    make_run(arena, *state, world, &run, model);
    struct cleanup_thing *things;
    size_t count;
    assert_true(cleanup_ledger(arena, &run, &things, &count, &error));
    assert_int_equal(count, 4);
    assert_string_equal(thing(things, count, "vol-0")->attached_to, "i-1");
    assert_true(thing(things, count, "vol-0")->with_instance);
    assert_null(thing(things, count, "vol-1")->attached_to);
    assert_string_equal(thing(things, count, "i-1")->vm, "db");
    /* A placeholder's root, known by its tags only, and another that is gone already. */
    const struct cleanup_thing found[] = {
        {.kind = CLEANUP_VOLUME, .id = "vol-9", .vm = "db", .attached_to = "i-1"},
        {.kind = CLEANUP_INSTANCE, .id = "i-8", .vm = "gone", .gone = true},
        {.kind = CLEANUP_INSTANCE, .id = "i-1", .vm = "db"},
    };
    cleanup_merge(arena, &things, &count, found, 3, false);
    assert_int_equal(count, 6);
    struct graph *graph = cleanup_graph(arena, model, things, count, &error);
    assert_non_null(graph);
    assert_null(graph_node_by_id(graph, "db/vol-0/delete-volume")); /* goes with its instance */
    assert_non_null(graph_node_by_id(graph, "db/i-1/terminate-instance"));
    const struct graph_node *root = graph_node_by_id(graph, "db/vol-9/delete-volume");
    assert_non_null(root);
    assert_int_equal(root->after_count, 1);
    assert_string_equal(graph->nodes[root->after[0].node].id, "db/i-1/wait-terminated");
    assert_int_equal(graph_node_by_id(graph, "db/vol-1/delete-volume")->after_count, 0);
    assert_non_null(graph_node_by_id(graph, "db/ami-2/deregister-image"));
    assert_int_equal(graph->node_count, 5);
    /* Carried out, and then there is nothing left: doing it twice is doing it once. */
    struct bench bench;
    bench_open(&bench, graph, 1);
    journal_close(bench.journal);
    bench.journal = cleanup_create_journal(&run, world, graph, &error);
    assert_non_null(bench.journal);
    assert_int_equal(bench_session(&bench), EXECUTOR_SUCCEEDED);
    bench_close(&bench);
    assert_true(cleanup_ledger(arena, &run, &things, &count, &error));
    graph = cleanup_graph(arena, model, things, count, &error);
    assert_non_null(graph);
    assert_int_equal(graph->node_count, 0);
    arena_destroy(arena);
    world_destroy(world);
}

/* What has become a DR copy stays (leftovers says so by `gone`); holds are only taken off. */
static void test_snapshots_and_holds(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const struct cleanup_thing things[] = {
        {.kind = CLEANUP_SNAPSHOT, .id = "snap-1", .vm = "db"},
        {.kind = CLEANUP_SNAPSHOT, .id = "snap-2", .vm = "db", .gone = true},
        {.kind = CLEANUP_HOLD, .id = "snap-3", .vm = "db"},
    };
    struct graph *graph = cleanup_graph(arena, made_by_a_run(arena), things, 3, NULL);
    assert_non_null(graph);
    assert_int_equal(graph->node_count, 2);
    assert_non_null(graph_node_by_id(graph, "db/snap-1/delete-snapshot"));
    assert_non_null(graph_node_by_id(graph, "db/snap-3/release-copy"));
    arena_destroy(arena);
}

static void test_seen_all(void **state)
{
    struct arena *arena = arena_create();
    struct world *world = quiet_world(1);
    struct run_info run;
    make_run(arena, *state, world, &run, made_by_a_run(arena));
    struct cleanup_thing *things;
    size_t count;
    assert_true(cleanup_ledger(arena, &run, &things, &count, NULL));
    cleanup_merge(arena, &things, &count, NULL, 0, true);
    struct graph *graph = cleanup_graph(arena, made_by_a_run(arena), things, count, NULL);
    assert_int_equal(graph->node_count, 0);
    arena_destroy(arena);
    world_destroy(world);
}

static void test_run_without_graph(void **state)
{
    struct arena *arena = arena_create();
    struct world *world = quiet_world(1);
    struct run_info run;
    make_run(arena, *state, world, &run, NULL);
    struct cleanup_thing *things;
    size_t count = 9;
    assert_true(cleanup_ledger(arena, &run, &things, &count, NULL));
    assert_int_equal(count, 0);
    arena_destroy(arena);
    world_destroy(world);
}

/* --- rollback --- */

/* web starts after db; each was launched before that. An instance that is not the run's is started,
 * too, between them. */
static struct graph *two_vms(struct arena *arena)
{
    struct graph *graph = maker_graph(arena, 12);
    maker_vm(graph, "db", true);
    maker_vm(graph, "web", true);
    uint32_t volume = maker_node(graph, "db/disk-0/create-volume", ACTION_CREATE_VOLUME, 1);
    uint32_t db = maker_node(graph, "db/run-instance", ACTION_RUN_INSTANCE, 1);
    uint32_t web = maker_node(graph, "web/run-instance", ACTION_RUN_INSTANCE, 1);
    uint32_t attach = maker_node(graph, "db/disk-0/attach-volume", ACTION_ATTACH_VOLUME, 1);
    maker_output(graph, attach, "volume_id", volume, "volume_id");
    maker_output(graph, attach, "instance_id", db, "instance_id");
    uint32_t db_start = maker_node(graph, "db/start-instance", ACTION_START_INSTANCE, 1);
    maker_output(graph, db_start, "instance_id", db, "instance_id");
    uint32_t other = maker_node(graph, "web/other/start-instance", ACTION_START_INSTANCE, 1);
    maker_text(graph, other, "instance_id", "i-0f0f");
    uint32_t web_start = maker_node(graph, "web/start-instance", ACTION_START_INSTANCE, 1);
    maker_output(graph, web_start, "instance_id", web, "instance_id");
    maker_edge(graph, volume, attach);
    maker_edge(graph, db, attach);
    maker_edge(graph, attach, db_start);
    maker_edge(graph, db_start, other);
    maker_edge(graph, other, web_start);
    maker_edge(graph, web, web_start);
    return graph;
}

static struct history *history_of(struct arena *arena, const struct graph *graph,
                                  const char *const *records, size_t count)
{
    struct history *history = history_create(arena, graph, false);
    for (size_t i = 0; i < count; i++) {
        assert_true(history_take(history, (int64_t)i + 1, records[i]));
    }
    return history;
}

static const char *const all_done[] = {
    "{\"r\":\"start\",\"at\":1,\"t\":0}",
    "{\"r\":\"done\",\"n\":0,\"t\":1,\"o\":{\"volume_id\":\"vol-1\"}}",
    "{\"r\":\"done\",\"n\":1,\"t\":1,\"o\":{\"instance_id\":\"i-db\"}}",
    "{\"r\":\"done\",\"n\":2,\"t\":1,\"o\":{\"instance_id\":\"i-web\"}}",
    "{\"r\":\"done\",\"n\":3,\"t\":1}",
    "{\"r\":\"done\",\"n\":4,\"t\":1}",
    "{\"r\":\"done\",\"n\":5,\"t\":1}",
    "{\"r\":\"done\",\"n\":6,\"t\":1}",
};
static const struct cleanup_thing made[] = {
    {.kind = CLEANUP_VOLUME, .id = "vol-1", .vm = "db", .attached_to = "i-db"},
    {.kind = CLEANUP_INSTANCE, .id = "i-db", .vm = "db"},
    {.kind = CLEANUP_INSTANCE, .id = "i-web", .vm = "web"},
};

/* "a b c": the ids of the nodes, in order. */
static void has_nodes(const struct graph *graph, const char *wanted)
{
    struct buffer ids = {0};
    for (uint32_t i = 0; i < graph->node_count; i++) {
        buffer_printf(&ids, "%s%s", i ? " " : "", graph->nodes[i].id);
    }
    assert_string_equal(buffer_text(&ids), wanted);
    buffer_free(&ids);
}

static bool comes_after(const struct graph *graph, const char *id, const char *before)
{
    const struct graph_node *node = graph_node_by_id(graph, id);
    for (uint32_t e = 0; node && e < node->after_count; e++) {
        if (!strcmp(graph->nodes[node->after[e].node].id, before)) {
            return true;
        }
    }
    return false;
}

static void test_rollback_is_the_reverse(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *model = two_vms(arena);
    struct history *history = history_of(arena, model, all_done, 8);
    struct error error = {0};
    struct graph *graph = rollback_graph(arena, history, made, 3, false, &error);
    assert_non_null(graph);
    has_nodes(graph, "web/i-web/terminate-instance web/i-web/wait-terminated "
                     "web/other/start-instance/stop-instance "
                     "db/i-db/terminate-instance db/i-db/wait-terminated db/vol-1/delete-volume");
    const char *stop = "web/other/start-instance/stop-instance";
    assert_true(comes_after(graph, stop, "web/i-web/terminate-instance"));
    assert_true(comes_after(graph, "db/i-db/terminate-instance", stop));
    assert_true(comes_after(graph, "db/vol-1/delete-volume", "db/i-db/wait-terminated"));
    assert_string_equal(graph_input(graph_node_by_id(graph, stop), "instance_id")->text, "i-0f0f");
    arena_destroy(arena);
}

static void test_rollback_that_keeps(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct history *history = history_of(arena, two_vms(arena), all_done, 8);
    struct graph *graph = rollback_graph(arena, history, made, 3, true, NULL);
    has_nodes(graph, "web/i-web/stop-instance web/i-web/wait-stopped "
                     "web/other/start-instance/stop-instance "
                     "db/i-db/stop-instance db/i-db/wait-stopped");
    assert_true(comes_after(graph, "web/other/start-instance/stop-instance",
                            "web/i-web/wait-stopped"));
    arena_destroy(arena);
}

/* get (old) → change to the instance's address */
static struct graph *a_switch_of_dns(struct arena *arena)
{
    struct graph *graph = maker_graph(arena, 4);
    maker_vm(graph, "web", true);
    uint32_t wait = maker_node(graph, "web/wait-running", ACTION_WAIT_RUNNING, 1);
    uint32_t get = maker_node(graph, "web/query-record", ACTION_QUERY_RECORD, 1);
    uint32_t change = maker_node(graph, "web/update-record", ACTION_UPDATE_RECORD, 1);
    struct value *address = ARENA_NEW(arena, struct value);
    *address = (struct value){.kind = VALUE_OUTPUT, .text = "private_ip", .node = (int32_t)wait};
    maker_text(graph, change, "zone", "corp.example");
    maker_text(graph, change, "server", "127.0.0.1:53");
    maker_text(graph, change, "record", "shop.corp.example");
    maker_text(graph, change, "type", "A");
    maker_int(graph, change, "ttl", 60);
    maker_value(graph, change, "values",
                (struct value){.kind = VALUE_LIST, .items = address, .count = 1});
    maker_output(graph, change, "old", get, "old");
    maker_edge(graph, wait, change);
    maker_edge(graph, get, change);
    return graph;
}

/* Done, or perhaps done: the record is given its old value again, by what the run knew. */
static void test_rollback_restores_dns(void **state)
{
    (void)state;
    static const char *const ends[] = {
        "{\"r\":\"done\",\"n\":2,\"t\":2}",
        "{\"r\":\"intent\",\"n\":2,\"t\":2,\"at\":2}",
        "{\"r\":\"fail\",\"n\":2,\"t\":2,\"doubt\":1}",
        "{\"r\":\"fail\",\"n\":2,\"t\":2}",
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct arena *arena = arena_create();
        const char *records[] = {
            all_done[0],
            "{\"r\":\"done\",\"n\":0,\"t\":1,\"o\":{\"private_ip\":\"10.20.1.7\"}}",
            "{\"r\":\"done\",\"n\":1,\"t\":1,\"o\":{\"old\":\"{\\\"ttl\\\":300}\"}}",
            ends[i],
        };
        struct history *history = history_of(arena, a_switch_of_dns(arena), records, 4);
        struct error error = {0};
        struct graph *graph = rollback_graph(arena, history, NULL, 0, false, &error);
        if (i == 3) {
            assert_int_equal(graph->node_count, 0); /* refused: nothing was changed */
        } else {
            has_nodes(graph, "web/update-record/restore-record");
            assert_string_equal(graph_input(graph->nodes, "old")->text, "{\"ttl\":300}");
            const struct value *values = graph_input(graph->nodes, "values");
            assert_string_equal(values->items[0].text, "10.20.1.7");
            assert_int_equal(graph_input(graph->nodes, "ttl")->integer, 60);
        }
        arena_destroy(arena);
    }
}

/* What has not been done, was skipped by a person, or is gone, needs no undoing. */
static void test_rollback_of_a_part(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *records[] = {
        all_done[0], all_done[1], all_done[2],
        "{\"r\":\"decision\",\"n\":5,\"t\":1,\"verb\":\"skip\",\"at\":1}",
    };
    struct history *history = history_of(arena, two_vms(arena), records, 4);
    struct cleanup_thing things[2] = {made[0], made[1]};
    things[0].attached_to = NULL;
    struct graph *graph = rollback_graph(arena, history, things, 2, false, NULL);
    has_nodes(graph, "db/i-db/terminate-instance db/i-db/wait-terminated db/vol-1/delete-volume");
    assert_int_equal(graph_node_by_id(graph, "db/vol-1/delete-volume")->after_count, 0);
    things[0].gone = things[1].gone = true;
    graph = rollback_graph(arena, history, things, 2, false, NULL);
    assert_int_equal(graph->node_count, 0);
    arena_destroy(arena);
}

/* A boot disk that a run left on the conversion instance. */
static void test_what_is_attached_to_a_stranger_is_detached_first(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *model = two_vms(arena);
    struct cleanup_thing *things = NULL;
    size_t count = 0;
    const struct cleanup_thing found = {
        .kind = CLEANUP_VOLUME, .id = "vol-1", .vm = "db", .attached_to = "i-conversion"};
    cleanup_merge(arena, &things, &count, &found, 1, false);
    struct graph *graph = cleanup_graph(arena, model, things, count, NULL);
    has_nodes(graph, "db/vol-1/detach-volume db/vol-1/wait-volume-available db/vol-1/delete-volume");
    assert_true(comes_after(graph, "db/vol-1/delete-volume", "db/vol-1/wait-volume-available"));
    assert_string_equal(graph_input(&graph->nodes[0], "instance_id")->text, "i-conversion");
    arena_destroy(arena);
}

static void test_hostile_id(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct cleanup_thing things[] = {{.kind = CLEANUP_VOLUME, .id = "vol 1\n; rm"}};
    struct error error = {0};
    assert_null(cleanup_graph(arena, made_by_a_run(arena), things, 1, &error));
    assert_non_null(error.message);
    error_clear(&error);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_cleanup, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_seen_all, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_run_without_graph, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test(test_snapshots_and_holds),
        cmocka_unit_test(test_rollback_is_the_reverse),
        cmocka_unit_test(test_rollback_that_keeps),
        cmocka_unit_test(test_rollback_of_a_part),
        cmocka_unit_test(test_rollback_restores_dns),
        cmocka_unit_test(test_what_is_attached_to_a_stranger_is_detached_first),
        cmocka_unit_test(test_hostile_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
