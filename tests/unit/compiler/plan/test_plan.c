#include "tests/unit/support/cmocka_all.h"

#include "compiler/plan/plan.h"

static void workflows_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < WORKFLOW_COUNT; i++) {
        enum workflow workflow = WORKFLOW_COUNT;
        assert_true(workflow_by_name(workflow_name((enum workflow)i), &workflow));
        assert_int_equal(workflow, i);
    }
    enum workflow workflow = WORKFLOW_TEST;
    assert_false(workflow_by_name("fail-over", &workflow));
    assert_int_equal(workflow, WORKFLOW_TEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(workflows_have_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
