/* The last run as Prometheus' text. That Prometheus' own parser takes it is held in
 * tests/e2e/test_eyes.py. */
#include "runtime/report/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/emitted.h"
#include "tests/unit/support/told_history.h"

static void what_is_known_and_nothing_else(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct history *history = told_history(arena);
    told_two_sessions(history);
    struct schedule schedule = {.rto_ms = 500};
    struct report_vm vms[] = {
        {.name = "db", .outcome = VM_RECOVERED, .recovered_ms = 1000, .loss_ms = 600000},
        {.name = "a\"p\\p\n", .outcome = VM_FAILED, .recovered_ms = -1, .loss_ms = -1},
    };
    struct report report = {.graph = history->graph,
                            .schedule = &schedule,
                            .run_id = "run00001",
                            .status = RUN_FAILED,
                            .started_utc_ms = 1000000,
                            .elapsed_ms = 120500,
                            .sessions = 2,
                            .vms = vms,
                            .recovered = 1,
                            .rto_ms = -1,
                            .loss_ms = 600000,
                            .counters = history->counters,
                            .history = history};
    report.options.rto_ms = 1200000;
    struct buffer text = {0};
    metrics_write(&report, &text);
    const char *out = buffer_text(&text);
    assert_contains(out, "drc_run_status{plan=\"shop\",workflow=\"failover\",status=\"failed\"} 1\n");
    assert_contains(out, "drc_run_status{plan=\"shop\",workflow=\"failover\",status=\"succeeded\"} 0\n");
    assert_contains(out, "drc_run_start_timestamp_seconds{plan=\"shop\",workflow=\"failover\"} 1000\n");
    assert_contains(out, "drc_run_end_timestamp_seconds{plan=\"shop\",workflow=\"failover\"} 1120.5\n");
    assert_contains(out, "drc_run_duration_seconds{plan=\"shop\",workflow=\"failover\"} 120.5\n");
    assert_contains(out, "drc_plan_rto_objective_seconds{plan=\"shop\",workflow=\"failover\"} 1200\n");
    assert_contains(out, "drc_run_requests_throttled{plan=\"shop\",workflow=\"failover\"} 1\n");
    assert_contains(out, "drc_run_resumes{plan=\"shop\",workflow=\"failover\"} 1\n");
    assert_contains(out, "drc_run_actions{plan=\"shop\",workflow=\"failover\",state=\"done\"} 3\n");
    assert_contains(out, "vm=\"a\\\"p\\\\p\\n\"} 0\n");
    assert_contains(out, "drc_vm_recovery_seconds{plan=\"shop\",workflow=\"failover\",vm=\"db\"} 1\n");
    assert_lacks(out, "drc_run_rto_seconds");
    assert_lacks(out, "drc_plan_rpo_objective_seconds");
    assert_int_equal(occurrences(out, "drc_vm_recovery_seconds{"), 1);
    assert_int_equal(occurrences(out, "# TYPE drc_vm_recovered gauge\n"), 1);
    buffer_free(&text);
    arena_destroy(arena);
}

/* A copy recovers nothing. */
static void of_replicate_vms_are_copied(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct history *history = told_history(arena);
    struct graph graph = *history->graph;
    graph.workflow = WORKFLOW_REPLICATE;
    struct schedule schedule = {0};
    struct report_vm vms[] = {
        {.name = "db", .outcome = VM_COPIED, .recovered_ms = 2000, .loss_ms = -1},
        {.name = "web", .outcome = VM_UNCHANGED, .recovered_ms = -1, .loss_ms = -1},
    };
    struct report report = {.graph = &graph, .schedule = &schedule, .run_id = "run00001",
                            .status = RUN_SUCCEEDED, .vms = vms, .recovered = 1, .rto_ms = -1,
                            .loss_ms = -1, .history = history};
    struct buffer text = {0};
    metrics_write(&report, &text);
    const char *out = buffer_text(&text);
    assert_contains(out, "drc_run_vms_copied{plan=\"shop\",workflow=\"replicate\"} 1\n");
    assert_contains(out, "drc_vm_copied{plan=\"shop\",workflow=\"replicate\",vm=\"db\"} 1\n");
    assert_contains(out, "drc_vm_copy_seconds{plan=\"shop\",workflow=\"replicate\",vm=\"db\"} 2\n");
    assert_lacks(out, "recover");
    buffer_free(&text);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_known_and_nothing_else),
                                       cmocka_unit_test(of_replicate_vms_are_copied)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
