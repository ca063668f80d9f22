/* Lower: what a plan lacks for a workflow, facts of another place, timeouts, the order of VMs.
 * Covers: order.c */
#include "compiler/lower/lower.h"

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/lower_fixture.h"

static const char one_vm[] = "  db: {source: /DC0/vm/db, subnet: db}\n";

static size_t place_of(const struct lower_fixture *fixture, const char *id)
{
    return lower_node(fixture, id)->index;
}

/* The order of the file, but each after what it depends on; a long chain does not recurse. */
static void vms_come_after_what_they_need(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  web: {source: /DC0/vm/web, subnet: app, depends_on: [app]}\n"
                  "  mail: {source: /DC0/vm/mail, subnet: app}\n"
                  "  app: {source: /DC0/vm/app, subnet: app, depends_on: [db]}\n"
                  "  db: {source: /DC0/vm/db, subnet: db}\n",
                  NULL);
    size_t db = place_of(&fixture, "db/recovered");
    size_t app = place_of(&fixture, "app/recovered");
    size_t web = place_of(&fixture, "web/recovered");
    assert_true(db < app && app < web);
    assert_string_equal(fixture.graph->vms[0].name, "web"); /* shown as the plan has them */
    assert_string_equal(fixture.graph->vms[3].name, "db");
    fixture_free(&fixture.plan);
}

static void the_graph_says_what_it_was_made_from(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(one_vm, NULL);
    assert_string_equal(fixture.graph->plan_name, "shop");
    assert_string_equal(fixture.graph->plan_digest, fixture.plan.plan->digest);
    assert_string_equal(fixture.graph->region, "eu-west-1");
    assert_string_equal(fixture.graph->account, "111122223333");
    assert_string_equal(fixture.graph->inventory_digest, ""); /* no facts */
    assert_int_equal(fixture.graph->workflow, WORKFLOW_FAILOVER);
    fixture_free(&fixture.plan);
}

static void facts_of_another_place_are_refused(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms(one_vm, "{\"format\":\"drc-facts/1\",\"observed_at\":\"2026-11-22T10:00:00Z\","
                          "\"inventory\":{\"account\":\"999999999999\",\"region\":\"us-east-1\"}}");
    assert_null(fixture.graph);
    assert_int_equal(fixture_count(&fixture.plan, DIAG_FACTS_OF_OTHER_SITE), 2);
    fixture_free(&fixture.plan);
}

static void other_workflows_are_refused_with_their_reason(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *plan = arena_printf(arena, "%svms:\n%s", fixture_head, one_vm);
    static const struct {
        enum workflow workflow;
        enum diagnostic_code code;
    } cases[] = {
        {WORKFLOW_BACKUP, DIAG_WORKFLOW_NOT_BUILT},
        {WORKFLOW_TEST, DIAG_WORKFLOW_NOT_CONFIGURED}, /* no networks.test */
        {WORKFLOW_FAILBACK, DIAG_WORKFLOW_NOT_CONFIGURED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lower_fixture fixture = lower_workflow(plan, NULL, cases[i].workflow);
        assert_null(fixture.graph);
        fixture_only(&fixture.plan, cases[i].code);
        fixture_free(&fixture.plan);
    }
    arena_destroy(arena);
}

static void the_plans_timeouts_count_for_their_kind(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(
        "  db: {source: /DC0/vm/db, subnet: db, timeouts: {volume: 7m, start: 9m}}\n", NULL);
    assert_int_equal(lower_node(&fixture, "db/disk-0/create-volume")->timeout_ms, 7 * 60000);
    assert_int_equal(lower_node(&fixture, "db/run-instance")->timeout_ms, 9 * 60000);
    assert_int_equal(lower_node(&fixture, "db/wait-running")->timeout_ms, 9 * 60000);
    assert_int_equal(lower_node(&fixture, "db/stop-instance")->timeout_ms,
                     action_info(ACTION_STOP_INSTANCE)->deadline_ms);
    fixture_free(&fixture.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vms_come_after_what_they_need),
        cmocka_unit_test(the_graph_says_what_it_was_made_from),
        cmocka_unit_test(facts_of_another_place_are_refused),
        cmocka_unit_test(other_workflows_are_refused_with_their_reason),
        cmocka_unit_test(the_plans_timeouts_count_for_their_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
