/* Whether a plan is tested as often as it says, and how that is told. */
#include "compiler/plan/test_due.h"

#include <string.h>

#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

#define DAY INT64_C(86400000)
#define NOW (20000 * DAY)

static void expect(struct last_test last, int64_t every_ms, enum test_due wanted, const char *text)
{
    struct buffer out = {0};
    enum test_due due = test_due(&last, every_ms, "abc", NOW);
    assert_int_equal(due, wanted);
    test_due_put(due, &last, every_ms, NOW, &out);
    assert_string_equal(buffer_text(&out), text);
    buffer_free(&out);
}

static void test_judged(void **state)
{
    (void)state;
    expect((struct last_test){-1, NULL, false}, 30 * DAY, TEST_NEVER,
           "no test of it is known, and it is to be tested every 30d");
    expect((struct last_test){NOW - DAY, "abc", false}, 30 * DAY, TEST_FAILED,
           "its last test failed, 1d ago (2024-10-03T00:00:00Z)");
    expect((struct last_test){NOW - 3 * DAY, "abd", true}, 30 * DAY, TEST_OF_OTHER_PLAN,
           "it has changed since its last test, 3d ago (2024-10-01T00:00:00Z)");
    expect((struct last_test){NOW - 3 * DAY, NULL, true}, 30 * DAY, TEST_OF_OTHER_PLAN,
           "it has changed since its last test, 3d ago (2024-10-01T00:00:00Z)");
    expect((struct last_test){NOW - 31 * DAY, "abc", true}, 30 * DAY, TEST_TOO_OLD,
           "its last test passed 31d ago (2024-09-03T00:00:00Z), and it is to be tested every 30d");
}

static void test_at_the_edge(void **state)
{
    (void)state;
    expect((struct last_test){NOW - 30 * DAY, "abc", true}, 30 * DAY, TEST_IN_TIME,
           "its last test passed 30d ago (2024-09-04T00:00:00Z)");
    struct last_test late = {NOW - 30 * DAY - 1, "abc", true};
    assert_int_equal(test_due(&late, 30 * DAY, "abc", NOW), TEST_TOO_OLD);
    expect((struct last_test){NOW + DAY, "abc", true}, 30 * DAY, TEST_IN_TIME,
           "its last test passed 0s ago (2024-10-05T00:00:00Z)");
}

static void test_of_a_plan_that_does_not_say(void **state)
{
    (void)state;
    expect((struct last_test){-1, NULL, false}, 0, TEST_IN_TIME, "it was never tested");
    expect((struct last_test){NOW - 90000, "old", false}, 0, TEST_IN_TIME,
           "its last test failed 1m 30s ago (2024-10-03T23:58:30Z)");
    for (int due = TEST_IN_TIME; due <= TEST_TOO_OLD; due++) {
        assert_true(strlen(test_due_name((enum test_due)due)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judged),
        cmocka_unit_test(test_at_the_edge),
        cmocka_unit_test(test_of_a_plan_that_does_not_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
