/* Edges: who follows whom, the nodes of each VM, holders of slots, the order by slack. */
#include <stdlib.h>

#include "compiler/base/arena.h"
#include "runtime/engine/executor_state.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/graph_maker.h"

struct fixture {
    struct arena *arena;
    struct graph *graph;
    struct bench bench;
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    f->graph = maker_graph(f->arena, 20);
    *state = f;
    return 0;
}

static const struct executor *build(struct fixture *f)
{
    bench_open(&f->bench, f->graph, 1);
    bench_begin(&f->bench); /* executor_create builds the edges */
    return f->bench.executor;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    bench_close(&f->bench);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static size_t successors_of(const struct executor *executor, uint32_t node)
{
    return executor->successor_start[node + 1] - executor->successor_start[node];
}

static void successors_are_the_edges_the_other_way_round(void **state)
{
    struct fixture *f = *state;
    maker_vm(f->graph, "db", true);
    uint32_t a = maker_node(f->graph, "db/create-volume", ACTION_CREATE_VOLUME, 0);
    uint32_t b = maker_node(f->graph, "db/wait-volume-available", ACTION_WAIT_VOLUME_AVAILABLE, 0);
    uint32_t c = maker_node(f->graph, "db/recovered", ACTION_RECOVERED, 0);
    maker_edge(f->graph, a, b);
    maker_edge(f->graph, a, c);
    maker_edge(f->graph, b, c);
    f->graph->nodes[c].after[1].when = WHEN_ENDED;
    const struct executor *executor = build(f);
    assert_int_equal(successors_of(executor, a), 2);
    assert_int_equal(successors_of(executor, b), 1);
    assert_int_equal(successors_of(executor, c), 0);
    const struct successor *of_a = executor->successors + executor->successor_start[a];
    assert_int_equal(of_a[0].node, b);
    assert_int_equal(of_a[0].when, WHEN_OK);
    assert_int_equal(of_a[1].node, c);
    const struct successor *of_b = executor->successors + executor->successor_start[b];
    assert_int_equal(of_b->node, c);
    assert_int_equal(of_b->when, WHEN_ENDED);
}

static void nodes_are_sorted_by_vm(void **state)
{
    struct fixture *f = *state;
    maker_vm(f->graph, "db", true);
    maker_vm(f->graph, "idle", true); /* without nodes */
    maker_vm(f->graph, "web", true);
    uint32_t web = maker_node(f->graph, "web/create-volume", ACTION_CREATE_VOLUME, 0);
    uint32_t db = maker_node(f->graph, "db/create-volume", ACTION_CREATE_VOLUME, 0);
    uint32_t plan = maker_node(f->graph, "wait/delay", ACTION_DELAY, 0);
    uint32_t last = maker_node(f->graph, "web/recovered", ACTION_RECOVERED, 0);
    maker_int(f->graph, plan, "delay_ms", 1);
    const struct executor *executor = build(f);
    static const uint32_t starts[] = {0, 1, 1, 3};
    for (int vm = 0; vm < 4; vm++) {
        assert_int_equal(executor->vm_start[vm], starts[vm]);
    }
    assert_int_equal(executor->vm_nodes[0], db);
    assert_int_equal(executor->vm_nodes[1], web);
    assert_int_equal(executor->vm_nodes[2], last);
    assert_int_equal(f->graph->nodes[plan].vm, NO_VM);
}

/* Two disks of one VM take slots of the same pool: each gives its own back; another VM's is not
 * looked at. */
static void a_slot_is_given_back_by_whoever_follows_its_holder(void **state)
{
    struct fixture *f = *state;
    maker_vm(f->graph, "app", true);
    maker_vm(f->graph, "db", true);
    int32_t pool = maker_pool(f->graph, "conversion/i-1", 4);
    uint32_t take0 = maker_node(f->graph, "db/disk-0/attach-volume", ACTION_ATTACH_VOLUME, 0);
    uint32_t take1 = maker_node(f->graph, "db/disk-1/attach-volume", ACTION_ATTACH_VOLUME, 0);
    uint32_t other = maker_node(f->graph, "app/attach-volume", ACTION_ATTACH_VOLUME, 0);
    uint32_t inject = maker_node(f->graph, "db/disk-0/inject", ACTION_INJECT, 0);
    uint32_t give0 = maker_node(f->graph, "db/disk-0/detach-volume", ACTION_DETACH_VOLUME, 0);
    uint32_t give1 = maker_node(f->graph, "db/disk-1/detach-volume", ACTION_DETACH_VOLUME, 0);
    maker_edge(f->graph, other, inject);
    maker_edge(f->graph, take0, inject);
    maker_edge(f->graph, inject, give0);
    maker_edge(f->graph, take1, give1);
    f->graph->nodes[other].acquire = f->graph->nodes[take0].acquire = pool;
    f->graph->nodes[take1].acquire = pool;
    f->graph->nodes[give0].release = f->graph->nodes[give1].release = pool;
    const struct executor *executor = build(f);
    assert_int_equal(executor->nodes[give0].holder, take0);
    assert_int_equal(executor->nodes[give1].holder, take1);
    assert_int_equal(executor->nodes[inject].holder, NO_NODE);
    /* Whatever becomes of the holder, its slot is given back: an edge of its own. */
    assert_int_equal(executor->nodes[give0].guarded, take0);
    assert_int_equal(successors_of(executor, take0), 2);
    const struct successor *of_take = executor->successors + executor->successor_start[take0];
    assert_int_equal(of_take[1].node, give0);
    assert_int_equal(of_take[1].when, WHEN_ENDED);
}

/* Who has to start soonest for the end to come on time; edges count, the schedule's own slack does
 * not, and what has to be there by the RTO goes before what only has to be there by the end. */
static void the_latest_start_decides(void **state)
{
    struct fixture *f = *state;
    maker_vm(f->graph, "db", true);
    struct schedule_entry entries[] = {
        {.start_ms = 0, .end_ms = 10, .slack_ms = 0},  /* latest start 90 */
        {.start_ms = 9, .end_ms = 39},                 /* 70 */
        {.start_ms = 3, .end_ms = 33},                 /* 70, and begins before that */
        {.start_ms = 0, .end_ms = 10, .slack_ms = 99}, /* before a long one: 60 - 10 */
        {.start_ms = 10, .end_ms = 50},                /* 60 */
        {.start_ms = 50, .end_ms = 50},                /* recovered: by the RTO, 55 */
    };
    static const uint32_t ranks[] = {5, 4, 3, 0, 2, 1};
    for (int i = 0; i < 5; i++) {
        maker_node(f->graph, arena_printf(f->arena, "db/disk-%d/create-volume", i),
                   ACTION_CREATE_VOLUME, 0);
    }
    maker_edge(f->graph, 3, 4);
    maker_node(f->graph, "db/recovered", ACTION_RECOVERED, 0);
    bench_open(&f->bench, f->graph, 1);
    f->bench.schedule = &(struct schedule){.entries = entries, .rto_ms = 55, .makespan_ms = 100};
    bench_begin(&f->bench);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(f->bench.executor->rank[i], ranks[i]);
    }
}

static void without_a_schedule_the_graphs_order_counts(void **state)
{
    struct fixture *f = *state;
    maker_vm(f->graph, "db", true);
    maker_node(f->graph, "db/a/create-volume", ACTION_CREATE_VOLUME, 0);
    maker_node(f->graph, "db/b/create-volume", ACTION_CREATE_VOLUME, 0);
    const struct executor *executor = build(f);
    assert_int_equal(executor->rank[0], 0);
    assert_int_equal(executor->rank[1], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(successors_are_the_edges_the_other_way_round),       TEST(nodes_are_sorted_by_vm),
        TEST(a_slot_is_given_back_by_whoever_follows_its_holder), TEST(the_latest_start_decides),
        TEST(without_a_schedule_the_graphs_order_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
