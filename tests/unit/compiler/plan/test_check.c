#include "compiler/plan/check.h"

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/plan_fixture.h"

static void durations_are_written_as_plans_write_them(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms("  db: {source: /DC0/vm/db, subnet: db}\n");
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "0s"},        {1000, "1s"},       {90000, "90s"},
                 {60000, "1m"},    {5400000, "90m"},   {3600000, "1h"},
                 {86400000, "1d"}, {129600000, "36h"}, {172800000, "2d"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(duration_text(fixture.plan, cases[i].ms), cases[i].text);
    }
    fixture_free(&fixture);
}

/* A workflow is there when the plan has its section; failover always. */
static void workflows_are_those_that_are_set_up(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms("  db: {source: /DC0/vm/db, subnet: db}\n");
    fixture_clean(&fixture);
    assert_true(plan_has_workflow(fixture.plan, WORKFLOW_FAILOVER));
    assert_true(plan_has_workflow(fixture.plan, WORKFLOW_BACKUP));
    assert_true(plan_has_workflow(fixture.plan, WORKFLOW_REPLICATE));
    assert_false(plan_has_workflow(fixture.plan, WORKFLOW_TEST));
    assert_false(plan_has_workflow(fixture.plan, WORKFLOW_FAILBACK));
    fixture_free(&fixture);
}

/* Every check runs, also after one that found something: one error for each of three. */
static void all_checks_run(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        fixture_check_vms("  db: {source: /DC0/vm/db, subnet: db, private_ip: 10.99.9.9, "
                          "depends_on: [web]}\n"
                          "  web: {source: /DC0/vm/web, subnet: app, depends_on: [db]}\n");
    assert_non_null(fixture.plan);
    assert_true(fixture.diagnostics->error_count >= 2);
    size_t before = fixture.diagnostics->error_count;
    assert_false(plan_check(fixture.plan, fixture.diagnostics));
    assert_int_equal(fixture.diagnostics->error_count, 2 * before);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_written_as_plans_write_them),
        cmocka_unit_test(workflows_are_those_that_are_set_up),
        cmocka_unit_test(all_checks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
