/* What this version cannot carry out is refused with its line; other workflows leave it alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/lower_fixture.h"

static void test_other_workflows_are_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *whole = fixture_replace(
        arena, fixture_head, "sites:\n",
        "sites:\n  primary: {vcenter: {url: \"https://v.example/sdk\", credentials: env:V, "
        "datacenter: DC0}}\n");
    const char *plan = arena_printf(arena, "%s%svms:\n  db: {source: /DC0/vm/db, subnet: db}\n",
                                    whole, fixture_test_network);
    static const enum workflow others[] = {WORKFLOW_BACKUP, WORKFLOW_FAILBACK};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct lower_fixture fixture = lower_workflow(plan, NULL, others[i]);
        assert_null(fixture.graph);
        const struct diagnostic *found = fixture_only(&fixture.plan, DIAG_WORKFLOW_NOT_BUILT);
        assert_non_null(strstr(found->message, workflow_name(others[i])));
        fixture_free(&fixture.plan);
    }
    arena_destroy(arena);
}

static void test_workflows_that_the_plan_is_not_set_up_for(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *plan =
        arena_printf(arena, "%svms:\n  db: {source: /DC0/vm/db, subnet: db}\n", fixture_head);
    static const struct {
        enum workflow workflow;
        const char *words;
    } cases[] = {{WORKFLOW_TEST, "networks.test"}, {WORKFLOW_FAILBACK, "sites.primary"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lower_fixture fixture = lower_workflow(plan, NULL, cases[i].workflow);
        assert_null(fixture.graph);
        const struct diagnostic *found = fixture_only(&fixture.plan, DIAG_WORKFLOW_NOT_CONFIGURED);
        assert_non_null(strstr(found->message, cases[i].words));
        fixture_free(&fixture.plan);
    }
    arena_destroy(arena);
}

static const char home[] = "sites:\n"
                           "  primary: {vcenter: {url: \"https://v.example/sdk\", credentials: "
                           "env:V, datacenter: DC0}}\n";

/* In a guest at home nothing can be run yet; from the runner it can. */
static void test_steps_in_guests_at_home_are_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *plan = arena_printf(
        arena,
        "%svms:\n"
        "  db:\n"
        "    source: /DC0/vm/db\n"
        "    subnet: db\n"
        "    iam_profile: dr\n"
        "    guest: {credentials: env:DB}\n"
        "    ready:\n"
        "      - {tcp: 5432, run_on: instance}\n"
        "      - tcp: 5432\n"
        "    post_boot:\n"
        "      - {check: {tcp: 80}, run_on: instance}\n"
        "      - {check: {tcp: 81}, run_on: instance, during: [failover]}\n"
        "      - script: tools/tidy\n"
        "      - {script: tools/tidy, run_on: runner}\n",
        fixture_replace(arena, fixture_head, "sites:\n", home));
    struct lower_fixture fixture = lower_workflow(plan, NULL, WORKFLOW_FAILBACK);
    assert_null(fixture.graph);
    assert_int_equal(fixture_count(&fixture.plan, DIAG_WORKFLOW_NOT_BUILT), 1);
    assert_int_equal(fixture_count(&fixture.plan, DIAG_STEP_NOT_BUILT), 3);
    fixture_free(&fixture.plan);
    fixture = lower_plan(plan, NULL);
    assert_non_null(fixture.graph);
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_steps_of_other_workflows_do_not_count(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct lower_fixture fixture =
        lower_plan(arena_printf(arena,
                                "%sbefore:\n  - {approve: Go?, during: [failback]}\n"
                                "vms:\n  db: {source: /DC0/vm/db, subnet: db}\n",
                                fixture_head),
                   NULL);
    assert_non_null(fixture.graph);
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_workflows_are_refused),
        cmocka_unit_test(test_workflows_that_the_plan_is_not_set_up_for),
        cmocka_unit_test(test_steps_in_guests_at_home_are_refused),
        cmocka_unit_test(test_steps_of_other_workflows_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
