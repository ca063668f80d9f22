#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static void directory_is_that_of_the_file(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms("  db: {source: /a, subnet: db}\n");
    fixture_clean(&fixture);
    assert_string_equal(fixture.plan->directory, ".");
    assert_string_equal(fixture.plan->name, "shop");
    assert_ptr_equal(plan_vm_by_name(fixture.plan, "db"), &fixture.plan->vms[0]);
    assert_null(plan_vm_by_name(fixture.plan, "web"));
    fixture_free(&fixture);
}

static void all_mistakes_are_told_at_once(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        fixture_check_vms("  db: {source: /a, subnet: bd, depends_on: [wbe, db]}\n"
                          "  web: {source: /b, subnet: app, security_groups: [wbe]}\n");
    assert_null(fixture.plan);
    assert_int_equal(fixture.diagnostics->error_count, 4);
    assert_int_equal(fixture_count(&fixture, DIAG_UNKNOWN_SUBNET), 1);
    assert_int_equal(fixture_count(&fixture, DIAG_UNKNOWN_VM), 1);
    assert_int_equal(fixture_count(&fixture, DIAG_DEPENDS_ON_ITSELF), 1);
    assert_int_equal(fixture_count(&fixture, DIAG_UNKNOWN_SECURITY_GROUP), 1);
    fixture_free(&fixture);
}

static void suggestions_are_near_names(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        fixture_check_vms("  db: {source: /a, subnet: db}\n"
                          "  web: {source: /b, subnet: app, depends_on: [bd]}\n");
    const struct diagnostic *found = fixture_only(&fixture, DIAG_UNKNOWN_VM);
    assert_int_equal(found->help_count, 1);
    assert_string_equal(found->helps[0], "did you mean \"db\"?");
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directory_is_that_of_the_file),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(suggestions_are_near_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
