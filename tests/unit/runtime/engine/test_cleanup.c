/* What a run has made is found in its journals, and deleted, dependents first. */
#include "runtime/engine/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/graph/builder.h"
#include "runtime/engine/journal.h"
#include "tests/unit/support/engine_bench.h"
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
        cmocka_unit_test(test_hostile_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
