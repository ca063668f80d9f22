/* What every graph has to keep: each rule broken once in a graph that kept them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/lower_fixture.h"

/* Nodes of the fixture. */
static const char CREATE[] = "db/disk-0/create-volume";
static const char AVAILABLE[] = "db/disk-0/wait-volume-available";
static const char RUN[] = "db/run-instance";
static const char STOP[] = "db/stop-instance";
static const char CONVERSION_ATTACH[] = "db/disk-0/conversion/attach-volume";
static const char INJECT[] = "db/disk-0/inject";
static const char CONVERSION_FREED[] = "db/disk-0/conversion/wait-volume-available";
static const char ATTACH[] = "db/disk-0/attach-volume";
static const char SET_DELETE[] = "db/set-delete-on-termination";


static int setup(void **state)
{
    struct lower_fixture *fixture = base_alloc(sizeof *fixture);
    *fixture = lower_vms("  db: {source: /DC0/vm/db, subnet: db}\n"
                         "  app: {source: /DC0/vm/app, subnet: app}\n",
                         NULL);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct lower_fixture *fixture = *state;
    fixture_free(&fixture->plan);
    free(fixture);
    return 0;
}

static void expect_broken(struct graph *graph, const char *words)
{
    struct error error = {0};
    assert_false(graph_verify(graph, &error));
    if (!strstr(error.message, words)) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    }
    error_clear(&error);
}

static struct graph *graph_of(void **state)
{
    struct lower_fixture *fixture = *state;
    return fixture->graph;
}

static struct graph_node *node_of(struct graph *graph, const char *id)
{
    return (struct graph_node *)graph_node_by_id(graph, id);
}

static uint32_t index_of(struct graph *graph, const char *id)
{
    return (uint32_t)(node_of(graph, id) - graph->nodes);
}

static struct value *input_of(struct graph *graph, const char *node, const char *name)
{
    return (struct value *)graph_input(node_of(graph, node), name);
}

static void test_whole(void **state)
{
    struct error error = {0};
    assert_true(graph_verify(graph_of(state), &error));
    assert_null(error.message);
}

static void test_ids(void **state)
{
    struct graph *graph = graph_of(state);
    static const char *const wrong[] = {"db/disk-0/other",          "create-volume",
                                        "/create-volume",           "",
                                        "app/disk-0/create-volume", "dbx/create-volume",
                                        "db/Disk/create-volume",    "db/d 0/create-volume"};
    struct graph_node *create = node_of(graph, CREATE);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        create->id = wrong[i];
        expect_broken(graph, "the id");
    }
}

static void test_numbers(void **state)
{
    struct graph *graph = graph_of(state);
    node_of(graph, STOP)->timeout_ms = 0;
    expect_broken(graph, "node db/stop-instance: its timeout");
    node_of(graph, STOP)->timeout_ms = 1;
    node_of(graph, STOP)->retries = -1;
    expect_broken(graph, "retries");
    node_of(graph, STOP)->retries = 0;
    node_of(graph, STOP)->vm = 2;
    expect_broken(graph, "a VM that is not in the graph");
    node_of(graph, STOP)->vm = -2;
    expect_broken(graph, "a VM that is not in the graph");
    node_of(graph, STOP)->vm = 0;
    node_of(graph, STOP)->action = ACTION_NONE;
    expect_broken(graph, "it has no action");
}

static void test_order_of_edges(void **state)
{
    struct graph *graph = graph_of(state);
    node_of(graph, AVAILABLE)->after[0].node = index_of(graph, AVAILABLE);
    expect_broken(graph, "does not stand before it");
    node_of(graph, AVAILABLE)->after[0].node = 1000000;
    expect_broken(graph, "does not stand before it");
}

static void test_edges_once(void **state)
{
    struct graph *graph = graph_of(state);
    node_of(graph, STOP)->after[1] = node_of(graph, STOP)->after[0];
    expect_broken(graph, "twice");
}

static void test_values_need_their_edge(void **state)
{
    struct graph *graph = graph_of(state);
    struct value *value = input_of(graph, AVAILABLE, "volume_id");
    node_of(graph, AVAILABLE)->after[0].when = WHEN_ENDED;
    expect_broken(graph, "input volume_id: takes a value from a node that it does not come after");
    node_of(graph, AVAILABLE)->after[0].when = WHEN_OK;
    value->text = "instance_id";
    expect_broken(graph, "has no such output");
    value->text = "volume_id";
    value->node = -1;
    expect_broken(graph, "does not come after");
    value->node = INT32_MAX;
    expect_broken(graph, "does not come after");
}

static void test_inputs(void **state)
{
    struct graph *graph = graph_of(state);
    node_of(graph, STOP)->input_count = 0;
    expect_broken(graph, "input instance_id is missing");
    node_of(graph, STOP)->input_count = 1;
    node_of(graph, STOP)->inputs[0].name = "other";
    expect_broken(graph, "input instance_id is missing");
    node_of(graph, STOP)->inputs[0].name = "instance_id";
    input_of(graph, CREATE, "disk")->kind = VALUE_BOOL;
    expect_broken(graph, "input disk: has to be of the type int");
    input_of(graph, CREATE, "disk")->kind = VALUE_BIND;
    expect_broken(graph, "input disk: is text");
    input_of(graph, CREATE, "disk")->kind = VALUE_INT;
    struct input *inputs = node_of(graph, CREATE)->inputs, first = inputs[0];
    inputs[0] = inputs[1];
    inputs[1] = first;
    expect_broken(graph, "input snapshot_id is missing");
}

static void test_nesting(void **state)
{
    struct graph *graph = graph_of(state);
    struct value levels[20];
    for (int i = 0; i < 20; i++) {
        levels[i] = (struct value){.kind = VALUE_LIST, .items = &levels[i + 1], .count = i < 19};
    }
    *input_of(graph, SET_DELETE, "devices") = levels[0];
    expect_broken(graph, "nested too deeply");
}

static void test_guards(void **state)
{
    struct graph *graph = graph_of(state);
    node_of(graph, CONVERSION_FREED)->guards = (int32_t)index_of(graph, RUN);
    expect_broken(graph, "it guards a node that it does not come after");
    node_of(graph, CONVERSION_FREED)->guards = 1 << 30;
    expect_broken(graph, "it guards");
    node_of(graph, CONVERSION_FREED)->guards = -7;
    expect_broken(graph, "it guards");
}

static void test_pools(void **state)
{
    struct graph *graph = graph_of(state);
    node_of(graph, CONVERSION_ATTACH)->acquire = NO_POOL;
    expect_broken(graph, "of which its VM holds none");
    node_of(graph, CONVERSION_ATTACH)->acquire = 9;
    expect_broken(graph, "it acquires what is no pool");
    node_of(graph, CONVERSION_ATTACH)->acquire = 0;
    node_of(graph, INJECT)->acquire = 0;
    expect_broken(graph, "it acquires conversion/i-1 while");
    node_of(graph, INJECT)->acquire = NO_POOL;
    node_of(graph, CONVERSION_FREED)->release = NO_POOL;
    expect_broken(graph, "VM db never releases");
    node_of(graph, ATTACH)->release = 0;
    node_of(graph, CONVERSION_FREED)->release = 0;
    expect_broken(graph, "it releases a pool of which its VM holds no slot");
    node_of(graph, ATTACH)->release = NO_POOL;
    graph->pools[0].capacity = 0;
    expect_broken(graph, "capacity");
    graph->pools[0].capacity = 5;
    graph->pools[0].slots = NULL;
    expect_broken(graph, "takes a slot from a pool without slots");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_of_edges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_edges_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_need_their_edge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inputs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nesting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guards, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pools, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
