/* Verdicts: what counts against a plan, and that the approval of the cleanup does not. */
#include "runtime/report/verdict.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/report/history.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/graph_maker.h"

enum { DB, MAIL, STEP, APPROVAL, NODES };

struct fixture {
    struct arena *arena;
    struct graph *graph;
    struct history *history;
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    f->graph = maker_graph(f->arena, NODES);
    f->graph->workflow = WORKFLOW_TEST;
    maker_vm(f->graph, "db", true);
    maker_vm(f->graph, "mail", false);
    maker_node(f->graph, "db/start-instance", ACTION_START_INSTANCE, 0);
    maker_node(f->graph, "mail/start-instance", ACTION_START_INSTANCE, 0);
    maker_node(f->graph, "plan/after-1/run-script", ACTION_RUN_SCRIPT, 0);
    maker_node(f->graph, "plan/cleanup/approve", ACTION_APPROVE, 0);
    f->history = history_create(f->arena, f->graph, true);
    for (uint32_t i = 0; i < APPROVAL; i++) {
        f->history->nodes[i].status.state = NODE_DONE;
        f->history->nodes[i].status.ended_ms = 1000 * (i + 1);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static void expect(const struct fixture *f, enum verdict wanted, int64_t wanted_ms)
{
    int64_t at_ms;
    assert_int_equal(verdict_of(f->history, &at_ms), wanted);
    assert_int_equal(at_ms, wanted_ms);
}

static void passes_before_the_cleanup_is_approved(void **state)
{
    struct fixture *f = *state;
    expect(f, VERDICT_PASSED, 3000);
    assert_false(verdict_cleanup_approved(f->history));
    f->history->nodes[APPROVAL].status.state = NODE_DONE;
    f->history->nodes[APPROVAL].status.ended_ms = 900000;
    expect(f, VERDICT_PASSED, 3000);
    assert_true(verdict_cleanup_approved(f->history));
    f->history->nodes[APPROVAL].status.state = NODE_FAILED; /* nobody came */
    expect(f, VERDICT_PASSED, 3000);
    assert_false(verdict_cleanup_approved(f->history));
}

static void is_not_known_while_anything_is_under_way(void **state)
{
    static const enum node_state open[] = {NODE_BLOCKED, NODE_READY, NODE_RUNNING, NODE_RETRYING};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        f->history->nodes[MAIL].status.state = open[i];
        expect(f, VERDICT_NONE, -1);
    }
    f->history->nodes[DB].status.state = NODE_FAILED; /* it may be taken up again */
    expect(f, VERDICT_NONE, -1);
}

static void what_counts_against_it(void **state)
{
    struct fixture *f = *state;
    f->history->nodes[MAIL].status.state = NODE_FAILED; /* not critical */
    expect(f, VERDICT_PASSED, 3000);
    f->history->nodes[MAIL].status.state = NODE_SKIPPED;
    expect(f, VERDICT_PASSED, 3000);
    f->history->nodes[STEP].status.state = NODE_FAILED;
    expect(f, VERDICT_FAILED, 3000);
    f->history->nodes[STEP].forgiven = true;
    expect(f, VERDICT_PASSED, 3000);
    f->history->nodes[DB].status.state = NODE_SKIPPED;
    expect(f, VERDICT_FAILED, 3000);
    f->history->nodes[DB].status.state = NODE_FAILED;
    expect(f, VERDICT_FAILED, 3000);
    assert_string_equal(verdict_name(VERDICT_FAILED), "failed");
    assert_string_equal(verdict_name(VERDICT_PASSED), "passed");
}

static void a_failover_has_none(void **state)
{
    struct fixture *f = *state;
    f->graph->workflow = WORKFLOW_FAILOVER;
    f->history->nodes[APPROVAL].status.state = NODE_DONE; /* a step of its own, at the end */
    expect(f, VERDICT_NONE, -1);
    assert_false(verdict_cleanup_approved(f->history));
    assert_null(verdict_name(VERDICT_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(passes_before_the_cleanup_is_approved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_not_known_while_anything_is_under_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_counts_against_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failover_has_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
