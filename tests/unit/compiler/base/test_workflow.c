#include "compiler/base/workflow.h"

#include "tests/unit/support/cmocka_all.h"

static void every_name_leads_back(void **state)
{
    (void)state;
    for (int i = 0; i < WORKFLOW_COUNT; i++) {
        enum workflow found = WORKFLOW_COUNT;
        assert_true(workflow_by_name(workflow_name((enum workflow)i), &found));
        assert_int_equal(found, i);
    }
    assert_string_equal(workflow_name(WORKFLOW_FAILOVER), "failover");
    assert_string_equal(workflow_name(WORKFLOW_FAILBACK), "failback");
}

static void another_word_is_none(void **state)
{
    (void)state;
    static const char *const others[] = {"", "fail", "failovers", "Failover", "failover "};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        enum workflow found = WORKFLOW_TEST;
        assert_false(workflow_by_name(others[i], &found));
        assert_int_equal(found, WORKFLOW_TEST); /* left alone */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_leads_back),
        cmocka_unit_test(another_word_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
