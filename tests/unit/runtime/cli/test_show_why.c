/* What drc run show --explain says: sentences, and the same as JSON. */
#include "runtime/cli/show_why.h"

#include <cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/emitted.h"
#include "tests/unit/support/graph_maker.h"

enum { DB_START, DB_READY, APP_ATTACH, APP_START, APP_CHECK, WEB_ATTACH, NODES };

struct fixture {
    struct arena *arena;
    struct graph *graph;
    struct history *history;
    struct run_info run;
    struct why_page page;
    struct buffer out;
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    f->graph = maker_graph(f->arena, NODES);
    maker_vm(f->graph, "db", true);
    maker_vm(f->graph, "app", true);
    maker_vm(f->graph, "web", true);
    maker_pool(f->graph, "conversion/i-1", 1);
    maker_node(f->graph, "db/start-instance", ACTION_START_INSTANCE, 0);
    maker_node(f->graph, "db/ready", ACTION_READY, 0);
    maker_node(f->graph, "app/attach-volume", ACTION_ATTACH_VOLUME, 0);
    maker_node(f->graph, "app/start-instance", ACTION_START_INSTANCE, 0);
    uint32_t check = maker_node(f->graph, "app/check-http", ACTION_CHECK_HTTP, 0);
    maker_node(f->graph, "web/attach-volume", ACTION_ATTACH_VOLUME, 0);
    maker_edge(f->graph, DB_START, DB_READY);
    maker_edge(f->graph, DB_READY, APP_START);
    maker_edge(f->graph, APP_START, APP_CHECK);
    f->graph->nodes[check].timeout_ms = 300000;
    f->graph->nodes[check].because =
        (struct because){.file = "plan.yaml", .line = 83, .rule = "ready: checks"};
    f->graph->nodes[APP_ATTACH].acquire = f->graph->nodes[WEB_ATTACH].acquire = 0;
    f->history = history_create(f->arena, f->graph, false);
    f->run = (struct run_info){.id = "run00001", .status = RUN_RUNNING};
    f->page = (struct why_page){.arena = f->arena, .run = &f->run, .history = f->history,
                                .now_ms = 70000, .alive = true, .width = 200};
    history_take(f->history, 1, "{\"r\":\"start\",\"at\":1000000,\"t\":0}");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buffer_free(&f->out);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static void take(struct fixture *f, const char *record)
{
    assert_true(history_take(f->history, 2, record));
}

static const char *about(struct fixture *f, uint32_t node)
{
    buffer_clear(&f->out);
    show_why_node(&f->page, node, &f->out);
    return buffer_text(&f->out);
}

static void a_check_that_is_tried(void **state)
{
    struct fixture *f = *state;
    take(f, "{\"r\":\"done\",\"n\":0,\"t\":1}");
    take(f, "{\"r\":\"done\",\"n\":1,\"t\":1}");
    take(f, "{\"r\":\"done\",\"n\":3,\"t\":1}");
    take(f, "{\"r\":\"wait\",\"n\":4,\"t\":0}");
    take(f, "{\"r\":\"seen\",\"n\":4,\"t\":60000,\"a\":12,\"message\":\"http :8080 answers 503\"}");
    assert_contains(about(f, APP_CHECK), "app/check-http is running since 1m 10s; last seen: http :8080 "
                                         "answers 503 (12 tries, 3m 50s left)\n");
    assert_contains(about(f, APP_CHECK), "because     plan.yaml:83, ready: checks");
    assert_contains(about(f, APP_CHECK), "00:17:40 saw: http :8080 answers 503");
}

static void waiting_within_a_vm_is_one_line(void **state)
{
    struct fixture *f = *state;
    take(f, "{\"r\":\"intent\",\"n\":0,\"t\":10000,\"at\":1010000}");
    assert_contains(about(f, APP_CHECK),
                    "app/check-http waits for db/ready (before it comes app/start-instance)\n"
                    "  db/ready waits for db/start-instance\n"
                    "    db/start-instance is running since 1m (");
    buffer_clear(&f->out);
    show_why_vm(&f->page, 0, &f->out);
    assert_contains(buffer_text(&f->out), "db: 0 of 2 actions done:\n  db/start-instance is running");
}

static void retries_failures_pools_and_limits(void **state)
{
    struct fixture *f = *state;
    take(f, "{\"r\":\"intent\",\"n\":0,\"t\":10000,\"at\":1010000}");
    take(f, "{\"r\":\"retry\",\"n\":0,\"t\":68000,\"o\":\"throttled\",\"w\":4000,\"code\":\"Slow\","
            "\"message\":\"slow down\",\"request_id\":\"r-1\"}");
    assert_contains(about(f, DB_START), "is tried again in 2s; the last answer was: slow down (2 tries, ");
    assert_contains(about(f, DB_START), "failed in passing: throttled, Slow, slow down (request r-1); "
                                        "again after 4s");
    take(f, "{\"r\":\"intent\",\"n\":2,\"t\":40000,\"at\":1040000,\"s\":0}");
    assert_contains(about(f, WEB_ATTACH), "waits for a place in conversion/i-1: the only one is held, by "
                                          "app/attach-volume (30s)");
    take(f, "{\"r\":\"fail\",\"n\":2,\"t\":50000,\"message\":\"no\",\"service\":\"ec2\",\"code\":\"X\",\"request_id\":\"r-2\"}");
    assert_contains(about(f, APP_ATTACH), "failed: no (ec2 X, request r-2)");
    take(f, "{\"r\":\"skip\",\"n\":3,\"t\":50000,\"c\":2}");
    assert_contains(about(f, APP_START), "was skipped because app/attach-volume failed\n"
                                         "  app/attach-volume failed: no");
    f->history->nodes[APP_ATTACH].slot = -1;
    const char *limit = bucket_info(action_info(ACTION_ATTACH_VOLUME)->bucket)->name;
    assert_contains(about(f, WEB_ATTACH), arena_printf(f->arena, "waits for its turn at the rate limit %s (", limit));
    f->page.alive = false;
    f->run.status = RUN_FAILED;
    assert_contains(about(f, WEB_ATTACH), "no process works on the run (failed); drc run resume run00001");
}

static void as_json(void **state)
{
    struct fixture *f = *state;
    uint32_t nodes[] = {APP_CHECK};
    take(f, "{\"r\":\"intent\",\"n\":0,\"t\":10000,\"at\":1010000}");
    show_why_json(&f->page, nodes, 1, 1, &f->out);
    cJSON *page = cJSON_Parse(buffer_text(&f->out));
    const cJSON *node = cJSON_GetArrayItem(cJSON_GetObjectItem(page, "nodes"), 0);
    const cJSON *why = cJSON_GetObjectItem(node, "why");
    assert_int_equal(cJSON_GetArraySize(why), 4);
    const cJSON *last = cJSON_GetArrayItem(why, 3);
    assert_string_equal(cJSON_GetObjectItem(last, "node")->valuestring, "db/start-instance");
    assert_string_equal(cJSON_GetObjectItem(last, "why")->valuestring, "running");
    assert_string_equal(cJSON_GetObjectItem(page, "vm")->valuestring, "app");
    assert_int_equal(cJSON_GetObjectItem(node, "line")->valueint, 83);
    cJSON_Delete(page);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_check_that_is_tried), TEST(waiting_within_a_vm_is_one_line),
        TEST(retries_failures_pools_and_limits), TEST(as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
