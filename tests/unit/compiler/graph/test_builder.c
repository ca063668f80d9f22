/* Builder: graphs made node by node, as lowering and cleanup make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/graph/builder.h"

static const struct because why = {.rule = "a test"};

static struct graph *empty_graph(struct arena *arena)
{
    struct graph *graph = ARENA_NEW(arena, struct graph);
    graph->plan_name = "shop";
    graph->plan_digest = "d";
    graph->inventory_digest = "";
    graph->tool = "test";
    graph->region = "eu-west-1";
    graph->vm_count = 1;
    graph->vms = ARENA_NEW(arena, struct graph_vm);
    graph->vms[0] = (struct graph_vm){.name = "db", .critical = true};
    return graph;
}

/* What a cleanup needs: literal ids, one after the other. */
static void test_cleanup_graph(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct error error = {0};
    struct graph_builder *builder = builder_create(arena, empty_graph(arena), 1);
    uint32_t terminate = builder_node(builder, ACTION_TERMINATE_INSTANCE, "db", 0, why);
    builder_input(builder, "instance_id", text_value("i-1"));
    uint32_t gone = builder_node(builder, ACTION_WAIT_TERMINATED, "db", 0, why);
    builder_input(builder, "instance_id", text_value("i-1"));
    builder_after(builder, terminate, WHEN_OK);
    for (int i = 0; i < 20; i++) { /* more than was expected */
        builder_node(builder, ACTION_DELETE_VOLUME, arena_printf(arena, "db/disk-%d", i), 0, why);
        builder_input(builder, "volume_id", text_value("vol-1"));
        builder_after(builder, gone, WHEN_OK);
    }
    struct graph *graph = builder_finish(builder);
    assert_true(graph_verify(graph, &error));
    assert_int_equal(graph->node_count, 22);
    assert_string_equal(graph->nodes[0].id, "db/terminate-instance");
    assert_string_equal(graph->nodes[21].id, "db/disk-19/delete-volume");
    assert_int_equal(graph->nodes[21].after[0].node, gone);
    assert_int_equal(graph->nodes[0].timeout_ms,
                     action_info(ACTION_TERMINATE_INSTANCE)->deadline_ms);
    assert_int_equal(graph->nodes[0].retries, 0);
    assert_int_equal(graph->nodes[0].guards, NO_NODE);
    graph_index(graph);
    assert_ptr_equal(graph_node_by_id(graph, "db/wait-terminated"), &graph->nodes[gone]);
    assert_null(graph_node_by_id(graph, "db"));
    assert_string_equal(graph_input(&graph->nodes[0], "instance_id")->text, "i-1");
    assert_null(graph_input(&graph->nodes[0], "volume_id"));
    arena_destroy(arena);
}

static void test_edges_come_once_and_ok_wins(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph_builder *builder = builder_create(arena, empty_graph(arena), 8);
    uint32_t run = builder_node(builder, ACTION_RUNNING, "db", 0, why);
    uint32_t ready = builder_node(builder, ACTION_READY, "db", 0, why);
    builder_after(builder, run, WHEN_OK);
    builder_node(builder, ACTION_RECOVERED, "db", 0, why);
    builder_after(builder, ready, WHEN_ENDED);
    builder_after(builder, run, WHEN_OK);
    builder_after(builder, ready, WHEN_OK);
    builder_after(builder, run, WHEN_ENDED);
    struct graph *graph = builder_finish(builder);
    const struct graph_node *last = &graph->nodes[2];
    assert_int_equal(last->after_count, 2);
    assert_int_equal(last->after[0].node, ready);
    assert_int_equal(last->after[0].when, WHEN_OK);
    assert_int_equal(last->after[1].node, run);
    assert_int_equal(last->after[1].when, WHEN_OK);
    assert_int_equal(graph->nodes[1].after_count, 1);
    arena_destroy(arena);
}

static void test_values_bring_their_edges(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct error error = {0};
    struct graph_builder *builder = builder_create(arena, empty_graph(arena), 0);
    struct value empty = map_value(NULL, NULL, 0);
    uint32_t create = builder_node(builder, ACTION_CREATE_VOLUME, "db/disk-0", 0, why);
    builder_input(builder, "snapshot_id", bind_value("db/disk-0/snapshot"));
    builder_input(builder, "zone", text_value("eu-west-1a"));
    builder_input(builder, "type", text_value("gp3"));
    builder_input_text(builder, "kms_key", NULL);
    builder_input(builder, "disk", int_value(0));
    builder_input(builder, "tags", empty);
    int32_t pool = builder_pool(builder, "conversion/i-1", 1, (const char *[]){"/dev/sdp"});
    uint32_t attach = builder_node(builder, ACTION_ATTACH_VOLUME, "db/disk-0", 0, why);
    builder_current(builder)->acquire = pool;
    builder_input(builder, "volume_id", output_value(create, "volume_id"));
    builder_input(builder, "instance_id", text_value("i-1"));
    builder_input(builder, "device", slot_value(pool));
    builder_node(builder, ACTION_DETACH_VOLUME, "db/disk-0", 0, why);
    builder_current(builder)->release = pool;
    builder_guards(builder, attach);
    builder_input(builder, "volume_id", output_value(create, "volume_id"));
    builder_input(builder, "instance_id", text_value("i-1"));
    struct graph *graph = builder_finish(builder);
    assert_true(graph_verify(graph, &error));
    assert_null(graph_input(&graph->nodes[create], "kms_key"));
    assert_int_equal(graph->nodes[attach].after_count, 1);
    assert_int_equal(graph->nodes[attach].after[0].node, create);
    assert_int_equal(graph->nodes[2].guards, attach);
    assert_int_equal(graph->nodes[2].after_count, 2);
    assert_int_equal(graph->nodes[2].after[0].when, WHEN_ENDED);
    assert_int_equal(graph->nodes[2].after[1].when, WHEN_OK);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cleanup_graph),
        cmocka_unit_test(test_edges_come_once_and_ok_wins),
        cmocka_unit_test(test_values_bring_their_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
