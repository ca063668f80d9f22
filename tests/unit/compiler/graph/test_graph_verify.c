/* What every graph has to keep: each rule broken once in a graph that kept them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/lower_fixture.h"

/* The nodes of the fixture by their place, as test_failover.c lists them. */
enum {
    CREATE = 0,
    AVAILABLE = 1,
    RUN = 2,
    STOP = 4,
    CONVERSION_ATTACH = 9,
    INJECT = 11,
    CONVERSION_FREED = 14,
    ATTACH = 15,
    SET_DELETE = 17,
};

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

static struct value *input_of(struct graph *graph, uint32_t node, const char *name)
{
    return (struct value *)graph_input(&graph->nodes[node], name);
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
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        graph->nodes[CREATE].id = wrong[i];
        expect_broken(graph, "the id");
    }
}

static void test_numbers(void **state)
{
    struct graph *graph = graph_of(state);
    graph->nodes[STOP].timeout_ms = 0;
    expect_broken(graph, "node db/stop-instance: its timeout");
    graph->nodes[STOP].timeout_ms = 1;
    graph->nodes[STOP].retries = -1;
    expect_broken(graph, "retries");
    graph->nodes[STOP].retries = 0;
    graph->nodes[STOP].vm = 2;
    expect_broken(graph, "a VM that is not in the graph");
    graph->nodes[STOP].vm = -2;
    expect_broken(graph, "a VM that is not in the graph");
    graph->nodes[STOP].vm = 0;
    graph->nodes[STOP].action = ACTION_NONE;
    expect_broken(graph, "it has no action");
}

static void test_order_of_edges(void **state)
{
    struct graph *graph = graph_of(state);
    graph->nodes[AVAILABLE].after[0].node = AVAILABLE;
    expect_broken(graph, "does not stand before it");
    graph->nodes[AVAILABLE].after[0].node = 1000000;
    expect_broken(graph, "does not stand before it");
}

static void test_edges_once(void **state)
{
    struct graph *graph = graph_of(state);
    graph->nodes[STOP].after[1] = graph->nodes[STOP].after[0];
    expect_broken(graph, "twice");
}

static void test_values_need_their_edge(void **state)
{
    struct graph *graph = graph_of(state);
    struct value *value = input_of(graph, AVAILABLE, "volume_id");
    graph->nodes[AVAILABLE].after[0].when = WHEN_ENDED;
    expect_broken(graph, "input volume_id: takes a value from a node that it does not come after");
    graph->nodes[AVAILABLE].after[0].when = WHEN_OK;
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
    graph->nodes[STOP].input_count = 0;
    expect_broken(graph, "input instance_id is missing");
    graph->nodes[STOP].input_count = 1;
    graph->nodes[STOP].inputs[0].name = "other";
    expect_broken(graph, "input instance_id is missing");
    graph->nodes[STOP].inputs[0].name = "instance_id";
    input_of(graph, CREATE, "disk")->kind = VALUE_BOOL;
    expect_broken(graph, "input disk: has to be of the type int");
    input_of(graph, CREATE, "disk")->kind = VALUE_BIND;
    expect_broken(graph, "input disk: is text");
    input_of(graph, CREATE, "disk")->kind = VALUE_INT;
    struct input *inputs = graph->nodes[CREATE].inputs, first = inputs[0];
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
    graph->nodes[CONVERSION_FREED].guards = RUN;
    expect_broken(graph, "it guards a node that it does not come after");
    graph->nodes[CONVERSION_FREED].guards = 1 << 30;
    expect_broken(graph, "it guards");
    graph->nodes[CONVERSION_FREED].guards = -7;
    expect_broken(graph, "it guards");
}

static void test_pools(void **state)
{
    struct graph *graph = graph_of(state);
    graph->nodes[CONVERSION_ATTACH].acquire = NO_POOL;
    expect_broken(graph, "of which its VM holds none");
    graph->nodes[CONVERSION_ATTACH].acquire = 9;
    expect_broken(graph, "it acquires what is no pool");
    graph->nodes[CONVERSION_ATTACH].acquire = 0;
    graph->nodes[INJECT].acquire = 0;
    expect_broken(graph, "it acquires conversion/i-1 while");
    graph->nodes[INJECT].acquire = NO_POOL;
    graph->nodes[CONVERSION_FREED].release = NO_POOL;
    expect_broken(graph, "VM db never releases");
    graph->nodes[ATTACH].release = 0;
    graph->nodes[CONVERSION_FREED].release = 0;
    expect_broken(graph, "it releases a pool of which its VM holds no slot");
    graph->nodes[ATTACH].release = NO_POOL;
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
