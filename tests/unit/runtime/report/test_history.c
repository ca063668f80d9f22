/* What a journal says of a run, record by record; held against what the executor itself knew. */
#include "runtime/report/history.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/report/events.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/failover_maker.h"
#include "tests/unit/support/graph_maker.h"

struct fixture {
    struct arena *arena;
    struct graph *graph;
    struct history *history;
    struct buffer told;
};

static void write_down(void *context, const struct executor_event *event)
{
    struct fixture *f = context;
    buffer_printf(&f->told, "%s %s\n", executor_event_name(event->type),
                  event->node ? event->node->id : event->text ? event->text : "");
}

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    f->graph = maker_graph(f->arena, 4);
    maker_vm(f->graph, "db", true);
    maker_vm(f->graph, "app", true);
    maker_pool(f->graph, "slots", 1);
    uint32_t attach = maker_node(f->graph, "db/attach-volume", ACTION_ATTACH_VOLUME, 0);
    uint32_t detach = maker_node(f->graph, "db/detach-volume", ACTION_DETACH_VOLUME, 0);
    uint32_t check = maker_node(f->graph, "app/check-http", ACTION_CHECK_HTTP, 0);
    f->graph->nodes[attach].acquire = 0;
    f->graph->nodes[detach].release = 0;
    f->graph->nodes[detach].guards = (int32_t)attach;
    maker_edge(f->graph, attach, detach);
    maker_edge(f->graph, attach, check);
    f->history = history_create(f->arena, f->graph, true);
    f->history->observer = write_down;
    f->history->observer_context = f;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buffer_free(&f->told);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static void take(struct fixture *f, const char *record)
{
    if (!history_take(f->history, f->history->number + 1, record)) {
        fail_msg("not taken: %s", record);
    }
}

static void begin(struct fixture *f)
{
    take(f, "{\"r\":\"run\",\"id\":\"run00001\",\"at\":900000}");
    take(f, "{\"r\":\"status\",\"status\":\"running\"}");
    take(f, "{\"r\":\"start\",\"at\":1000000,\"t\":0}");
}

static void a_request_its_retries_and_its_slot(void **state)
{
    struct fixture *f = *state;
    const struct history_node *node = &f->history->nodes[0];
    begin(f);
    take(f, "{\"r\":\"intent\",\"n\":0,\"g\":0,\"c\":0,\"a\":0,\"t\":500,\"at\":1000500,\"s\":0,\"k\":\"t0\"}");
    assert_int_equal(node->status.state, NODE_RUNNING);
    assert_int_equal(node->slot, 0);
    take(f, "{\"r\":\"retry\",\"n\":0,\"t\":900,\"o\":\"throttled\",\"w\":1500,\"code\":\"RequestLimitExceeded\",\"request_id\":\"r-1\"}");
    assert_int_equal(node->status.state, NODE_RETRYING);
    assert_int_equal(node->due_ms, 2400);
    assert_int_equal(node->throttled, 1);
    take(f, "{\"r\":\"intent\",\"n\":0,\"g\":0,\"c\":0,\"a\":1,\"t\":2400,\"at\":1002400,\"k\":\"t0\"}");
    assert_int_equal(node->status.started_ms, 500); /* of the first attempt */
    take(f, "{\"r\":\"done\",\"n\":0,\"t\":3000,\"o\":{\"x\":\"y\"}}");
    assert_int_equal(node->slot, 0); /* until it is given back */
    assert_int_equal(node->ended_utc_ms, 1003000);
    assert_int_equal(node->note_count, 3);
    assert_int_equal(node->notes[1].kind, HISTORY_RETRY);
    assert_string_equal(node->notes[1].request_id, "r-1");
    assert_int_equal(node->notes[1].utc_ms, 1000900);
    take(f, "{\"r\":\"intent\",\"n\":1,\"g\":0,\"c\":0,\"a\":0,\"t\":3001,\"at\":1003001,\"k\":\"t1\"}");
    take(f, "{\"r\":\"done\",\"n\":1,\"t\":3100}");
    assert_int_equal(node->slot, -1);
    assert_int_equal(f->history->counters.done, 2);
    assert_string_equal(buffer_text(&f->told),
                        "run_started \nnode_started db/attach-volume\nnode_retry db/attach-volume\n"
                        "node_done db/attach-volume\nnode_started db/detach-volume\n"
                        "node_done db/detach-volume\n");
}

static void what_a_wait_saw_is_told_when_it_changes(void **state)
{
    struct fixture *f = *state;
    const struct history_node *node = &f->history->nodes[2];
    begin(f);
    take(f, "{\"r\":\"wait\",\"n\":2,\"t\":100}");
    take(f, "{\"r\":\"seen\",\"n\":2,\"t\":200,\"a\":1,\"message\":\"refused\"}");
    take(f, "{\"r\":\"seen\",\"n\":2,\"t\":10200,\"a\":5,\"message\":\"refused\"}");
    take(f, "{\"r\":\"seen\",\"n\":2,\"t\":12200,\"a\":6,\"message\":\"503\"}");
    assert_int_equal(node->status.attempts, 6);
    assert_string_equal(node->status.detail, "503");
    assert_int_equal(node->seen_ms, 12200);
    assert_int_equal(node->note_count, 2);
    assert_string_equal(buffer_text(&f->told), "run_started \nnode_started app/check-http\n"
                                               "node_detail app/check-http\n"
                                               "node_detail app/check-http\n");
}

static void how_far_a_transfer_is(void **state)
{
    struct fixture *f = *state;
    const struct history_node *node = &f->history->nodes[0];
    begin(f);
    take(f, "{\"r\":\"intent\",\"n\":0,\"g\":0,\"c\":0,\"a\":0,\"t\":500,\"at\":1000500,\"k\":\"t0\"}");
    take(f, "{\"r\":\"note\",\"n\":0,\"t\":2500,\"d\":50,\"of\":70,\"message\":\"50 of 70\",\"k\":\"5+1\"}");
    assert_int_equal(node->status.state, NODE_RUNNING);
    assert_int_equal(node->status.done_bytes, 50);
    assert_int_equal(node->status.total_bytes, 70);
    assert_string_equal(node->status.detail, "50 of 70");
    assert_int_equal(node->seen_ms, 2500);
    assert_non_null(strstr(buffer_text(&f->told), "node_progress db/attach-volume\n"));
}

static void a_resume_takes_up_what_failed_and_an_outage_goes_on(void **state)
{
    struct fixture *f = *state;
    begin(f);
    take(f, "{\"r\":\"intent\",\"n\":0,\"g\":0,\"c\":0,\"a\":0,\"t\":500,\"at\":1000500,\"k\":\"t0\"}");
    take(f, "{\"r\":\"fail\",\"n\":0,\"t\":1000,\"message\":\"no\",\"code\":\"X\"}");
    take(f, "{\"r\":\"skip\",\"n\":2,\"t\":1000,\"c\":0}");
    take(f, "{\"r\":\"end\",\"result\":\"failed\",\"t\":1000,\"at\":1001000}");
    assert_true(history_is_over(f->history));
    assert_int_equal(f->history->nodes[2].status.cause, 0);
    assert_int_equal(f->history->counters.failed + f->history->counters.skipped, 2);
    assert_string_equal(strstr(buffer_text(&f->told), "node_failed"),
                        "node_failed db/attach-volume\nvm_failed db/attach-volume\n"
                        "node_skipped app/check-http\nvm_failed app/check-http\nrun_ended failed\n");
    take(f, "{\"r\":\"resume\",\"at\":1061000,\"t\":1000}"); /* a minute later */
    assert_false(history_is_over(f->history));
    assert_int_equal(f->history->sessions, 2);
    assert_int_equal(f->history->counters.failed + f->history->counters.skipped, 0);
    take(f, "{\"r\":\"intent\",\"n\":0,\"g\":0,\"c\":0,\"a\":0,\"t\":1500,\"at\":1061500,\"k\":\"t0\"}");
    assert_int_equal(f->history->nodes[0].status.started_ms, 61500);
    assert_int_equal(f->history->nodes[0].started_utc_ms, 1061500);
    assert_int_equal(history_moment(f->history, 1062000), 62000);
}

static void notes_are_bounded(void **state)
{
    struct fixture *f = *state;
    begin(f);
    for (int i = 0; i < HISTORY_NOTES_MAX + 10; i++) {
        take(f, arena_printf(f->arena, "{\"r\":\"seen\",\"n\":2,\"t\":200,\"a\":1,\"message\":\"%d\"}", i));
    }
    assert_int_equal(f->history->nodes[2].note_count, HISTORY_NOTES_MAX);
    assert_int_equal(f->history->nodes[2].notes_dropped, 10);
    assert_string_equal(f->history->nodes[2].notes[0].text, "10");
}

static void what_does_not_fit_is_refused(void **state)
{
    static const char *const bad[] = {"{\"r\":\"done\",\"n\":3}", "{}", "", "[1]", "{\"r\":1}"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f->history->damaged = 0;
        assert_false(history_take(f->history, 7, bad[i]));
        assert_int_equal(f->history->damaged, 7);
    }
    take(f, "{\"r\":\"of a later version\",\"n\":0}"); /* is passed over */
}

/* A whole run, with failures and a resume: the journal tells what the executor knew. */
static void it_agrees_with_the_executor(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    bench_open(&bench, maker_shop(arena), 1);
    bench.fake.passing = 0.2;
    fake_script(bench.cloud, "app/run-instance", OUTCOME_THROTTLED);
    fake_script(bench.cloud, "app/run-instance", OUTCOME_FATAL);
    for (int session = 0; session < 2; session++) {
        bench_begin(&bench);
        enum executor_result result = bench_run(&bench);
        assert_int_equal(result, session == 0 ? EXECUTOR_FAILED : EXECUTOR_SUCCEEDED);
        struct history *history = history_create(arena, bench.graph, false);
        assert_true(journal_replay(bench.journal, history_take, history, NULL));
        struct executor_counters known = executor_counters(bench.executor);
        assert_int_equal(history->counters.done, known.done);
        assert_int_equal(history->counters.failed, known.failed);
        assert_int_equal(history->counters.skipped, known.skipped);
        assert_int_equal(history->counters.requests, known.requests);
        for (uint32_t i = 0; i < bench.graph->node_count; i++) {
            const struct node_status *status = executor_status(bench.executor, i);
            assert_int_equal(history->nodes[i].status.state, status->state);
            assert_int_equal(history->nodes[i].status.cause, status->cause);
            assert_int_equal(history->nodes[i].status.ended_ms, status->ended_ms);
        }
        bench_finish(&bench);
    }
    bench_close(&bench);
    arena_destroy(arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void decisions_are_kept_and_a_skip_counts_as_done(void **state)
{
    struct fixture *f = *state;
    begin(f);
    take(f, "{\"r\":\"fail\",\"n\":2,\"t\":5,\"message\":\"503\"}");
    buffer_clear(&f->told);
    take(f, "{\"r\":\"decision\",\"verb\":\"skip\",\"target\":\"app/chek\",\"refused\":\"no such\"}");
    assert_int_equal(f->history->nodes[2].status.state, NODE_FAILED);
    take(f, "{\"r\":\"decision\",\"n\":2,\"t\":9,\"verb\":\"skip\",\"who\":\"ada\",\"at\":7}");
    const struct node_status *check = &f->history->nodes[2].status;
    assert_int_equal(check->state, NODE_DONE);
    assert_string_equal(check->waived->who, "ada");
    assert_int_equal(f->history->counters.failed, 0);
    assert_int_equal(f->history->decision_count, 2);
    assert_string_equal(f->history->decisions[0].decision.refused, "no such");
    assert_int_equal(f->history->decisions[1].node, 2);
    assert_string_equal(buffer_text(&f->told),
                        "decision \ndecision app/check-http\nnode_done app/check-http\n");
}

/* A resume of what is named leaves the rest as it was. */
static void what_is_taken_up_again_by_name_is_all_that_is(void **state)
{
    struct fixture *f = *state;
    begin(f);
    take(f, "{\"r\":\"fail\",\"n\":0,\"t\":5}");
    take(f, "{\"r\":\"fail\",\"n\":2,\"t\":5}");
    take(f, "{\"r\":\"again\",\"n\":2}");
    take(f, "{\"r\":\"resume\",\"at\":2000000,\"t\":6,\"named\":1}");
    assert_int_equal(f->history->nodes[0].status.state, NODE_FAILED);
    assert_int_equal(f->history->nodes[2].status.state, NODE_BLOCKED);
    assert_true(f->history->vm_failed[0]);
    assert_false(f->history->vm_failed[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_its_retries_and_its_slot),
        TEST(what_a_wait_saw_is_told_when_it_changes),
        TEST(how_far_a_transfer_is),
        TEST(a_resume_takes_up_what_failed_and_an_outage_goes_on),
        TEST(notes_are_bounded),
        TEST(decisions_are_kept_and_a_skip_counts_as_done),
        TEST(what_is_taken_up_again_by_name_is_all_that_is),
        TEST(what_does_not_fit_is_refused),
        cmocka_unit_test(it_agrees_with_the_executor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
