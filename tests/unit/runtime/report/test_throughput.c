/* How fast earlier runs have sent blocks. */
#include "runtime/report/throughput.h"

#include "compiler/base/arena.h"
#include "runtime/report/history.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/state_directory.h"

enum { DISKS = 3 };

struct fixture {
    struct arena *arena;
    struct graph graph;
    struct graph_node nodes[DISKS];
    struct history *history;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.arena = arena_create()};
    for (int i = 0; i < DISKS; i++) {
        f->nodes[i] = (struct graph_node){.id = arena_printf(f->arena, "db/disk-%d/put-blocks", i),
                                          .action = ACTION_PUT_BLOCKS,
                                          .vm = NO_VM};
    }
    f->graph = (struct graph){.plan_name = "shop", .nodes = f->nodes, .node_count = DISKS};
    f->history = history_create(f->arena, &f->graph, true);
    f->history->sessions = 1;
}

static void sent(struct fixture *f, uint32_t node, int64_t from_s, int64_t until_s,
                 const char *bytes)
{
    cJSON *outputs = cJSON_CreateObject();
    cJSON_AddStringToObject(outputs, "bytes", bytes);
    ledger_done(f->history->ledger, node, outputs);
    cJSON_Delete(outputs);
    f->history->nodes[node].started_utc_ms = from_s * 1000;
    f->history->nodes[node].ended_utc_ms = until_s * 1000;
}

static void disks_at_once_share_their_time(void **state)
{
    (void)state;
    struct fixture f;
    struct throughput throughput = {0};
    begin(&f);
    sent(&f, 1, 100, 110, "3000000");
    sent(&f, 0, 105, 115, "3000000"); /* overlaps by five seconds */
    sent(&f, 2, 200, 205, "4000000"); /* and five minutes in which nothing was sent */
    throughput_add(&throughput, f.history);
    assert_int_equal(throughput.bytes, 10000000);
    assert_int_equal(throughput.busy_ms, 20000);
    assert_int_equal(throughput_bytes_per_s(&throughput), 500000);
    throughput_add(&throughput, f.history); /* another run */
    assert_int_equal(throughput_bytes_per_s(&throughput), 500000);
    arena_destroy(f.arena);
}

static void what_measures_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct throughput throughput = {0};
    begin(&f);
    assert_int_equal(throughput_bytes_per_s(&throughput), 0);
    sent(&f, 0, 100, 110, "0"); /* nothing had changed */
    throughput_add(&throughput, f.history);
    assert_int_equal(throughput_bytes_per_s(&throughput), 0);
    sent(&f, 1, 100, 110, "3000000");
    f.history->sessions = 2; /* in an outage nothing is sent, and that is no throughput */
    throughput_add(&throughput, f.history);
    assert_int_equal(throughput_bytes_per_s(&throughput), 0);
    f.history->sessions = 1;
    f.nodes[1].action = ACTION_RECORD_COPY;
    throughput_add(&throughput, f.history);
    assert_int_equal(throughput_bytes_per_s(&throughput), 0);
    arena_destroy(f.arena);
}

static void a_state_without_runs(void **state)
{
    struct throughput throughput = throughput_of_runs(*state, "shop", NULL);
    assert_int_equal(throughput_bytes_per_s(&throughput), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(disks_at_once_share_their_time),
        cmocka_unit_test(what_measures_nothing),
        cmocka_unit_test_setup_teardown(a_state_without_runs, state_directory_make,
                                        state_directory_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
