/* Waits: when is asked, about how many at once, and what an answer means for the wait. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
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
    f->graph = maker_graph(f->arena, 40);
    maker_vm(f->graph, "db", true);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->bench.fake.violations, 0);
    bench_close(&f->bench);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static void begin(struct fixture *f)
{
    bench_open(&f->bench, f->graph, 1);
    bench_begin(&f->bench);
}

static int64_t took_ms(const struct fixture *f, const char *id)
{
    const struct node_status *status = bench_status(&f->bench, id);
    return status->ended_ms - status->started_ms;
}

static void a_delay_takes_its_time_and_asks_nobody(void **state)
{
    struct fixture *f = *state;
    uint32_t delay = maker_node(f->graph, "db/delay", ACTION_DELAY, 0);
    maker_int(f->graph, delay, "delay_ms", 12345);
    begin(f);
    assert_int_equal(bench_run(&f->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(took_ms(f, "db/delay"), 12345);
    assert_int_equal(f->bench.fake.polls, 0);
}

/* Thirty waits of one kind that end together: as many requests as one of them takes. */
static void waits_of_one_action_share_requests(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 30; i++) {
        maker_node(f->graph, arena_printf(f->arena, "db/nr-%02d/wait-running", i),
                   ACTION_WAIT_RUNNING, 20000);
    }
    begin(f);
    for (int i = 0; i < 30; i++) {
        fake_thing(f->bench.cloud, f->graph->nodes[i].id)->wait_ms = 20000;
    }
    assert_int_equal(bench_run(&f->bench), EXECUTOR_SUCCEEDED);
    int together = f->bench.fake.polls;
    assert_true(together >= 3); /* not guessed: asked until it was so */
    assert_true(together <= 15);
    for (int i = 0; i < 30; i++) {
        int64_t took = took_ms(f, f->graph->nodes[i].id);
        assert_true(took >= 20000);
        assert_true(took <= 20000 + 5500); /* at most POLL_MAX_MS too late */
    }
}

/* Of instances one thing is asked, whatever is awaited of them; of volumes another. */
static void waits_about_one_kind_of_object_share_requests(void **state)
{
    struct fixture *f = *state;
    static const enum action actions[] = {ACTION_WAIT_RUNNING, ACTION_WAIT_STOPPED,
                                          ACTION_WAIT_TERMINATED, ACTION_WAIT_VOLUME_AVAILABLE,
                                          ACTION_WAIT_VOLUME_ATTACHED};
    for (size_t i = 0; i < 5; i++) {
        maker_node(f->graph,
                   arena_printf(f->arena, "db/nr-%zu/%s", i, action_info(actions[i])->name),
                   actions[i], 4000);
    }
    begin(f);
    assert_int_equal(bench_run(&f->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(f->bench.fake.polls, 2);
    assert_non_null(strstr(buffer_text(&f->bench.fake.log),
                           "poll wait-running db/nr-0/wait-running db/nr-1/wait-stopped "
                           "db/nr-2/wait-terminated\n"));
}

/* What is there at once is seen at once: one early question. */
static void an_early_question(void **state)
{
    struct fixture *f = *state;
    maker_node(f->graph, "db/wait-running", ACTION_WAIT_RUNNING, 60000);
    begin(f);
    fake_thing(f->bench.cloud, "db/wait-running")->wait_ms = 0;
    assert_int_equal(bench_run(&f->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(f->bench.fake.polls, 1);
    assert_true(took_ms(f, "db/wait-running") < 1000);
}

/* A check from the runner asks at once, then at the interval that the plan says. */
static void a_check_keeps_its_interval(void **state)
{
    struct fixture *f = *state;
    uint32_t check = maker_node(f->graph, "db/check-tcp", ACTION_CHECK_TCP, 20000);
    maker_text(f->graph, check, "address", "10.0.0.1");
    maker_int(f->graph, check, "port", 22);
    maker_int(f->graph, check, "interval_ms", 7000);
    begin(f);
    f->bench.fake.latency_ms = 0;
    fake_thing(f->bench.cloud, "db/check-tcp")->wait_ms = 21000;
    assert_int_equal(bench_run(&f->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(f->bench.fake.polls, 4); /* at 0, 7, 14 and 21 seconds */
    assert_int_equal(took_ms(f, "db/check-tcp"), 21000);
}

/* An interval that the plan gives to what AWS is asked about is the least: a check that takes
 * minutes is not asked for every two seconds. */
static void status_checks_keep_their_interval_at_least(void **state)
{
    struct fixture *f = *state;
    uint32_t often =
        maker_node(f->graph, "db/check-instance-status", ACTION_CHECK_INSTANCE_STATUS, 120000);
    maker_int(f->graph, often, "interval_ms", 2000);
    f->graph->nodes[often].timeout_ms = 300000;
    begin(f);
    fake_thing(f->bench.cloud, "db/check-instance-status")->wait_ms = 120000;
    assert_int_equal(bench_run(&f->bench), EXECUTOR_SUCCEEDED);
    assert_true(f->bench.fake.polls <= 22); /* 60 at every two seconds */
    assert_true(took_ms(f, "db/check-instance-status") <= 120000 + 5500);
}

/* Waits that end close together teach when the next ones end: nobody asks long before. */
static void ends_are_learned(void **state)
{
    struct fixture *f = *state;
    uint32_t last = 0;
    for (int i = 0; i < 12; i++) {
        uint32_t wait = maker_node(f->graph, arena_printf(f->arena, "db/nr-%02d/wait-running", i),
                                   ACTION_WAIT_RUNNING, 20000);
        f->graph->nodes[wait].timeout_ms = 600000;
        if (i > 0) {
            maker_edge(f->graph, last, wait);
        }
        last = wait;
    }
    begin(f);
    int before = 0, asked[12];
    for (int i = 0; i < 12; i++) {
        fake_thing(f->bench.cloud, f->graph->nodes[i].id)->wait_ms = 40000 + i % 3 * 500;
    }
    assert_int_equal(bench_run(&f->bench), EXECUTOR_SUCCEEDED);
    for (int i = 0; i < 12; i++) {
        asked[i] = bench_status(&f->bench, f->graph->nodes[i].id)->attempts;
        before += i < 6 ? asked[i] : 0;
        /* The cloud counts from the first question, which is itself later and later. */
        assert_true(took_ms(f, f->graph->nodes[i].id) <= 2 * 42000 + 5000);
    }
    assert_true(asked[0] >= 15); /* nothing known but what was expected, which is wrong */
    assert_true(asked[11] <= asked[0] / 2);
    assert_true(before > 0);
}

static void time_is_up_when_it_is_up(void **state)
{
    struct fixture *f = *state;
    uint32_t wait = maker_node(f->graph, "db/wait-running", ACTION_WAIT_RUNNING, 20000);
    f->graph->nodes[wait].timeout_ms = 33000;
    begin(f);
    fake_thing(f->bench.cloud, "db/wait-running")->wait_ms = -1;
    assert_int_equal(bench_run(&f->bench), EXECUTOR_FAILED);
    const struct node_status *status = bench_status(&f->bench, "db/wait-running");
    assert_int_equal(status->state, NODE_FAILED);
    int64_t took = took_ms(f, "db/wait-running");
    assert_true(took >= 33000 && took <= 33000 + 1000);
    assert_non_null(status->detail);
}

/* Answers that say nothing do not end a wait; a refusal does, at once. */
static void what_answers_mean(void **state)
{
    struct fixture *f = *state;
    maker_vm(f->graph, "web", true);
    maker_node(f->graph, "db/a/wait-running", ACTION_WAIT_RUNNING, 2000);
    maker_node(f->graph, "web/wait-stopped", ACTION_WAIT_STOPPED, 2000);
    begin(f);
    static const enum outcome passing[] = {OUTCOME_THROTTLED, OUTCOME_RETRY, OUTCOME_UNKNOWN,
                                           OUTCOME_CONFLICT};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        fake_script(f->bench.cloud, "db/a/wait-running", passing[i]);
    }
    fake_thing(f->bench.cloud, "db/a/wait-running")->wait_ms = 0;
    fake_script(f->bench.cloud, "web/wait-stopped", OUTCOME_FATAL);
    assert_int_equal(bench_run(&f->bench), EXECUTOR_FAILED);
    assert_int_equal(bench_status(&f->bench, "db/a/wait-running")->state, NODE_DONE);
    assert_int_equal(bench_status(&f->bench, "web/wait-stopped")->state, NODE_FAILED);
    assert_int_equal(bench_status(&f->bench, "web/wait-stopped")->attempts, 1);
    assert_true(executor_counters(f->bench.executor).throttled >= 1);
}

/* A VM that is given up takes its waits out of the poller; the others go on. */
static void leaving_keeps_the_others(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        maker_node(f->graph, arena_printf(f->arena, "db/nr-%d/wait-running", i),
                   ACTION_WAIT_RUNNING, 20000);
    }
    begin(f);
    struct executor *executor = f->bench.executor;
    for (uint32_t i = 0; i < 3; i++) {
        executor->nodes[i].status.started_ms = 0;
        waits_start(executor, i);
    }
    struct poller *poller = &executor->pollers[POLL_INSTANCES];
    assert_int_equal(poller->count, 3);
    assert_true(waits_next_ms(executor) < INT64_MAX);
    waits_leave(executor, 0); /* the last one takes its place */
    waits_leave(executor, 0); /* it has left already */
    assert_int_equal(poller->count, 2);
    for (uint32_t place = 0; place < 2; place++) {
        assert_int_equal(executor->nodes[poller->nodes[place]].poller_index, place);
    }
    waits_leave(executor, 2);
    waits_leave(executor, 1);
    assert_int_equal(poller->count, 0);
    assert_true(waits_next_ms(executor) == INT64_MAX);
}

/* A provider that knows its own actions only, and finds that they hold. */
struct narrow {
    struct provider base;
    struct world *world;
    struct call *calls[8];
    size_t count, asked;
    call_done done;
    void *context;
};

static void narrow_tell(void *context)
{
    struct narrow *narrow = context;
    struct call_result ok = {.outcome = OUTCOME_OK};
    size_t count = narrow->count;
    narrow->count = 0;
    for (size_t i = 0; i < count; i++) {
        narrow->done(narrow->context, narrow->calls[i], &ok);
    }
}

static void narrow_poll(struct provider *provider, struct call **calls, size_t n, call_done done,
                        void *context)
{
    struct narrow *narrow = (struct narrow *)provider;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(action_info(calls[i]->node->action)->provider, PROVIDER_HOST);
        narrow->calls[narrow->count++] = calls[i];
    }
    narrow->asked += n;
    narrow->done = done;
    narrow->context = context;
    world_defer(narrow->world, narrow_tell, narrow);
}

static void each_is_asked_by_its_own_provider(void **state)
{
    struct fixture *f = *state;
    static const enum action actions[] = {ACTION_CHECK_DNS, ACTION_CHECK_TCP, ACTION_CHECK_DNS,
                                          ACTION_CHECK_TCP, ACTION_CHECK_TCP};
    struct narrow narrow = {.count = 0};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        uint32_t node = maker_node(f->graph, arena_printf(f->arena, "db/ready/%zu", i), actions[i], 1000);
        maker_int(f->graph, node, "interval_ms", 1000);
    }
    bench_open(&f->bench, f->graph, 1);
    narrow.world = f->bench.world;
    f->bench.host = &narrow.base;
    fake_provider_init(&f->bench.fake, f->bench.cloud, f->bench.world, f->bench.journal);
    narrow.base = f->bench.fake.base;
    narrow.base.poll = narrow_poll;
    bench_begin(&f->bench);
    assert_int_equal(bench_run(&f->bench), EXECUTOR_SUCCEEDED);
    assert_int_equal(narrow.asked, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_delay_takes_its_time_and_asks_nobody),
        TEST(waits_of_one_action_share_requests),
        TEST(waits_about_one_kind_of_object_share_requests),
        TEST(an_early_question),
        TEST(a_check_keeps_its_interval),
        TEST(status_checks_keep_their_interval_at_least),
        TEST(ends_are_learned),
        TEST(time_is_up_when_it_is_up),
        TEST(what_answers_mean),
        TEST(leaving_keeps_the_others),
        TEST(each_is_asked_by_its_own_provider),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
