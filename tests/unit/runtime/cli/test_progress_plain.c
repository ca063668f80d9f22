#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "runtime/cli/progress_plain.h"
#include "runtime/cli/progress_state.h"
#include "tests/unit/support/small_run.h"

struct fixture {
    struct small_run run;
    struct progress_state *state;
    struct buffer out;
    bool colour;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    small_run_fill(&f->run);
    f->state = progress_state_create(&f->run.graph, &f->run.schedule);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    progress_state_destroy(f->state);
    buffer_free(&f->out);
    free(f);
    return 0;
}

static const char *tell(struct fixture *f, const struct executor_event *event, int64_t at_ms)
{
    progress_state_take(f->state, event, at_ms);
    buffer_clear(&f->out);
    progress_plain_event(f->state, event, at_ms, f->colour, &f->out);
    return buffer_text(&f->out);
}

static const char *happen(struct fixture *f, enum executor_event_type type, uint32_t node,
                          int64_t at_ms, const char *detail)
{
    struct executor_event event = small_run_event(&f->run, type, node, at_ms, detail);
    return tell(f, &event, at_ms);
}

static const char *of_run(struct fixture *f, enum executor_event_type type, int64_t at_ms)
{
    return tell(f, &(struct executor_event){.type = type}, at_ms);
}

static void a_transfer(void **state)
{
    struct fixture *f = *state;
    f->run.nodes[DB_VOLUME].action = ACTION_PUT_BLOCKS;
    happen(f, EVENT_NODE_STARTED, DB_VOLUME, 0, NULL);
    f->run.statuses[DB_VOLUME].done_bytes = 50;
    f->run.statuses[DB_VOLUME].total_bytes = 100;
    assert_string_equal(happen(f, EVENT_NODE_PROGRESS, DB_VOLUME, 5000, "1.0 GiB of 2.0 GiB"),
                        "00:00:05 db disk-0/create-volume 50%: 1.0 GiB of 2.0 GiB\n");
    f->run.statuses[DB_VOLUME].total_bytes = 0;
    assert_string_equal(happen(f, EVENT_NODE_PROGRESS, DB_VOLUME, 5000, "1.0 GiB"),
                        "00:00:05 db disk-0/create-volume: 1.0 GiB\n");
}

static void a_run(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(of_run(f, EVENT_RUN_STARTED, 0),
                        "00:00:00 failover of shop: 10 actions for 3 VMs, predicted RTO 1m 40s\n");
    f->state->doing = "cleanup";
    assert_non_null(strstr(of_run(f, EVENT_RUN_STARTED, 0), " cleanup of shop: 10 actions"));
    assert_string_equal(happen(f, EVENT_NODE_STARTED, DB_VOLUME, 0, NULL), "");
    assert_string_equal(happen(f, EVENT_NODE_DONE, DB_VOLUME, 1200, NULL),
                        "00:00:01 db disk-0/create-volume done (1.2s)\n");
    assert_string_equal(happen(f, EVENT_NODE_STARTED, DB_RUNNING, 2000, NULL),
                        "00:00:02 db wait-running started, about 20s\n");
    assert_string_equal(happen(f, EVENT_NODE_RETRY, DB_RUNNING, 3000, "503 from ec2"),
                        "00:00:03 db wait-running is tried again (try 1): 503 from ec2\n");
    assert_string_equal(happen(f, EVENT_NODE_DONE, DB_RECOVERED, 182000, NULL),
                        "00:03:02 db recovered (3m 02s, predicted 40s)\n");
    assert_string_equal(
        happen(f, EVENT_NODE_DETAIL, APP_READY, 252000, "http :8080/healthz answers 503"),
        "00:04:12 app ready/check-http: http :8080/healthz answers 503\n");
    happen(f, EVENT_NODE_STARTED, APP_READY, 252000, NULL);
    assert_string_equal(of_run(f, EVENT_HEARTBEAT, 3723000),
                        "01:02:03 2 of 10 actions done; under way: app ready?\n");
    assert_string_equal(of_run(f, EVENT_RUN_RESUMED, 3723000),
                        "01:02:03 cleanup of shop goes on: 2 of 10 actions are done, predicted RTO "
                        "1m 40s\n");
    assert_string_equal(of_run(f, EVENT_INTERRUPTED, 3724000),
                        "01:02:04 interrupted: 2 of 10 actions done\n");
}

static void nothing_beats_after_the_end(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < f->run.graph.node_count; i++) {
        happen(f, EVENT_NODE_DONE, i, 5000, NULL);
    }
    assert_string_equal(of_run(f, EVENT_RUN_ENDED, 5000), "00:00:05 ended: 10 of 10 actions done\n");
    assert_string_equal(of_run(f, EVENT_HEARTBEAT, 5000), "");
}

/* What a wait sees is news when it takes longer than expected; what a check sees, always. */
static void waits_that_last(void **state)
{
    struct fixture *f = *state;
    happen(f, EVENT_NODE_STARTED, DB_RUNNING, 2000, NULL);
    f->run.statuses[DB_RUNNING].started_ms = 2000;
    assert_string_equal(happen(f, EVENT_NODE_DETAIL, DB_RUNNING, 9000, "i-1 is pending"), "");
    assert_string_equal(happen(f, EVENT_NODE_DETAIL, DB_RUNNING, 23000, "i-1 is pending"),
                        "00:00:23 db wait-running: i-1 is pending\n");
    f->run.nodes[DB_RUNNING].expected_ms = 3000;
    assert_string_equal(happen(f, EVENT_NODE_DONE, DB_RUNNING, 11000, NULL), "");
    assert_string_equal(happen(f, EVENT_NODE_DONE, DB_RUNNING, 23000, NULL),
                        "00:00:23 db wait-running done (21s)\n");
}

static void failures(void **state)
{
    struct fixture *f = *state;
    struct node_status *status = &f->run.statuses[APP_START];
    status->service = "ec2";
    status->code = "InstanceLimitExceeded";
    status->request_id = "r-1";
    status->help = "ask for a higher quota";
    assert_string_equal(happen(f, EVENT_NODE_FAILED, APP_START, 60000, "no\nmore\033[2J"),
                        "00:01:00 app start-instance failed: no?more?[2J (ec2 "
                        "InstanceLimitExceeded, request r-1); ask for a higher quota\n");
    assert_string_equal(happen(f, EVENT_VM_FAILED, APP_START, 60000, NULL),
                        "00:01:00 app failed\n");
    f->run.statuses[WEB_START].cause = APP_START;
    assert_string_equal(happen(f, EVENT_NODE_SKIPPED, WEB_START, 60000, NULL), "");
    assert_string_equal(happen(f, EVENT_VM_FAILED, WEB_START, 60000, NULL),
                        "00:01:00 web skipped: depends on app\n");
    assert_string_equal(of_run(f, EVENT_RUN_ENDED, 60000),
                        "00:01:00 ended: 0 of 10 actions done, 1 failed, 1 skipped\n");
}

static void forced_colour(void **state)
{
    struct fixture *f = *state;
    f->colour = true;
    assert_string_equal(happen(f, EVENT_VM_FAILED, APP_START, 0, NULL),
                        "00:00:00 app \033[31mfailed\033[0m\n");
    assert_non_null(
        strstr(happen(f, EVENT_NODE_DONE, DB_RECOVERED, 0, NULL), "db \033[32mrecovered\033[0m ("));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_transfer),
        TEST(a_run),
        TEST(nothing_beats_after_the_end),
        TEST(waits_that_last),
        TEST(failures),
        TEST(forced_colour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
