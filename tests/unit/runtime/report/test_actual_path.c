#include "runtime/report/actual_path.h"

#include "tests/unit/support/cmocka_all.h"

#include "compiler/base/arena.h"
#include "tests/unit/support/graph_maker.h"

enum { NODES_MAX = 16 };

struct fixture {
    struct arena *arena;
    struct graph *graph;
    struct node_status nodes[NODES_MAX];
    struct actual_run run;
};

static int make(void **state)
{
    struct arena *arena = arena_create();
    struct fixture *f = ARENA_NEW(arena, struct fixture);
    f->arena = arena;
    f->graph = maker_graph(arena, NODES_MAX);
    maker_vm(f->graph, "db", true);
    maker_vm(f->graph, "app", true);
    maker_vm(f->graph, "log", false);
    f->run = (struct actual_run){.graph = f->graph, .nodes = f->nodes};
    *state = f;
    return 0;
}

static int take_apart(void **state)
{
    arena_destroy(((struct fixture *)*state)->arena);
    return 0;
}

static uint32_t node(struct fixture *f, const char *id, enum action action, int64_t from_ms,
                     int64_t until_ms)
{
    uint32_t index = maker_node(f->graph, id, action, until_ms - from_ms);
    f->nodes[index] = (struct node_status){
        .state = NODE_DONE, .started_ms = from_ms, .ended_ms = until_ms, .cause = NO_NODE};
    return index;
}

static uint32_t after(struct fixture *f, uint32_t before, uint32_t index)
{
    maker_edge(f->graph, before, index);
    return index;
}

static struct actual_path *find(struct fixture *f)
{
    struct actual_path *path = actual_path_find(f->arena, &f->run, actual_end(&f->run));
    int64_t sum = 0;
    for (size_t i = 0; i < path->count; i++) {
        const struct actual_link *link = &path->links[i];
        assert_true(link->work_ms >= 0 && link->wait_ms >= 0 && link->away_ms >= 0);
        sum += link->work_ms + link->wait_ms + link->away_ms;
    }
    assert_int_equal(sum, path->total_ms); /* without a gap */
    return path;
}

static void test_the_later_predecessor(void **state)
{
    struct fixture *f = *state;
    uint32_t volume = node(f, "db/create-volume", ACTION_CREATE_VOLUME, 0, 4000);
    uint32_t run = node(f, "db/run-instance", ACTION_RUN_INSTANCE, 0, 9000);
    uint32_t start = node(f, "db/start-instance", ACTION_START_INSTANCE, 9000, 10000);
    after(f, volume, start);
    after(f, run, start);
    uint32_t back = after(f, start, node(f, "db/recovered", ACTION_RECOVERED, 10000, 10000));
    node(f, "log/recovered", ACTION_RECOVERED, 90000, 90000); /* not critical */
    node(f, "db/delete-volume", ACTION_DELETE_VOLUME, 10000, 95000);
    assert_int_equal(actual_end(&f->run), back);
    struct actual_path *path = find(f);
    assert_int_equal(path->count, 3);
    assert_int_equal(path->links[0].node, run);
    assert_int_equal(path->links[0].work_ms, 9000);
    assert_int_equal(path->links[1].node, start);
    assert_int_equal(path->links[1].waited_for, WAITED_FOR_NOTHING);
    assert_int_equal(path->total_ms, 10000);
}

static void test_the_last_critical_vm(void **state)
{
    struct fixture *f = *state;
    node(f, "db/recovered", ACTION_RECOVERED, 5000, 5000);
    uint32_t app = node(f, "app/recovered", ACTION_RECOVERED, 7000, 7000);
    assert_int_equal(actual_end(&f->run), app);
    f->nodes[app].state = NODE_SKIPPED; /* never reached */
    assert_int_equal(actual_end(&f->run), 0);
    f->nodes[0].state = NODE_BLOCKED;
    assert_int_equal(actual_end(&f->run), NO_NODE);
    assert_int_equal(find(f)->count, 0);
}

static void test_what_it_waited_for(void **state)
{
    struct fixture *f = *state;
    int32_t pool = maker_pool(f->graph, "conversion/i-1", 1);
    uint32_t other = node(f, "app/detach-volume", ACTION_DETACH_VOLUME, 1000, 30000);
    f->graph->nodes[other].release = pool;
    uint32_t run = node(f, "db/run-instance", ACTION_RUN_INSTANCE, 2500, 10000);
    uint32_t attach = after(f, run, node(f, "db/attach-volume", ACTION_ATTACH_VOLUME, 30000, 31000));
    f->graph->nodes[attach].acquire = pool;
    uint32_t wait = after(f, attach, node(f, "db/delay", ACTION_DELAY, 31400, 40000));
    after(f, wait, node(f, "db/recovered", ACTION_RECOVERED, 40000, 40000));
    struct actual_path *path = find(f);
    assert_int_equal(path->count, 4);
    assert_int_equal(path->links[0].waited_for, WAITED_FOR_LIMIT);
    assert_int_equal(path->links[0].wait_ms, 2500);
    assert_int_equal(path->links[1].waited_for, WAITED_FOR_POOL);
    assert_int_equal(path->links[1].wait_ms, 20000);
    assert_int_equal(path->links[2].waited_for, WAITED_FOR_TURN); /* it needs no request */
    /* Nobody gave a place back meanwhile: the pool was not what held it. */
    f->nodes[other].ended_ms = 9000;
    assert_int_equal(find(f)->links[1].waited_for, WAITED_FOR_LIMIT);
    /* A commit's time is no limit. */
    f->nodes[run].started_ms = 12;
    assert_int_equal(find(f)->links[0].waited_for, WAITED_FOR_TURN);
}

static void test_a_guard_follows_what_it_guards(void **state)
{
    struct fixture *f = *state;
    uint32_t attach = node(f, "db/attach-volume", ACTION_ATTACH_VOLUME, 0, 3000);
    f->nodes[attach].state = NODE_FAILED;
    uint32_t detach = node(f, "db/detach-volume", ACTION_DETACH_VOLUME, 3000, 5000);
    f->graph->nodes[detach].guards = (int32_t)attach;
    struct actual_path *path = find(f);
    assert_int_equal(path->count, 2);
    assert_int_equal(path->links[0].node, attach);
}

static void test_outages(void **state)
{
    struct fixture *f = *state;
    uint32_t run = node(f, "db/run-instance", ACTION_RUN_INSTANCE, 0, 2000);
    uint32_t wait = after(f, run, node(f, "db/wait-running", ACTION_WAIT_RUNNING, 2000, 32000));
    uint32_t stop = after(f, wait, node(f, "db/stop-instance", ACTION_STOP_INSTANCE, 92000, 93000));
    after(f, stop, node(f, "db/recovered", ACTION_RECOVERED, 93000, 93000));
    struct actual_outage outages[] = {{10000, 20000}, {40000, 90000}};
    f->run.outages = outages;
    f->run.outage_count = 2;
    struct actual_path *path = find(f);
    /* The instance started meanwhile as ever: nothing was lost. */
    assert_int_equal(path->links[1].away_ms, 0);
    assert_int_equal(path->links[1].work_ms, 30000);
    assert_int_equal(path->links[2].away_ms, 50000);
    assert_int_equal(path->links[2].wait_ms, 10000);
    /* It was expected to take 24 s: six of the ten are the outage's. */
    f->graph->nodes[wait].expected_ms = 24000;
    path = find(f);
    assert_int_equal(path->links[1].away_ms, 6000);
    assert_int_equal(path->links[1].work_ms, 24000);
}

static void test_times_that_do_not_fit(void **state)
{
    struct fixture *f = *state;
    uint32_t run = node(f, "db/run-instance", ACTION_RUN_INSTANCE, 0, 20000);
    uint32_t wait = after(f, run, node(f, "db/wait-running", ACTION_WAIT_RUNNING, 5000, 15000));
    after(f, wait, node(f, "db/recovered", ACTION_RECOVERED, 15000, 15000));
    struct actual_path *path = find(f);
    assert_int_equal(path->total_ms, 15000);
    assert_int_equal(path->links[0].work_ms, 15000);
    assert_int_equal(path->links[1].work_ms, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, take_apart)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_later_predecessor),
        TEST(test_the_last_critical_vm),
        TEST(test_what_it_waited_for),
        TEST(test_a_guard_follows_what_it_guards),
        TEST(test_outages),
        TEST(test_times_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
