#include "runtime/mover/width.h"

#include "tests/unit/support/cmocka_all.h"

static void grows_by_one_with_each_round(void **state)
{
    (void)state;
    struct width width = width_first();
    for (int i = 0; i <= WIDTH_FIRST; i++) {
        assert_int_equal(width_now(&width), WIDTH_FIRST);
        width_arrived(&width);
    }
    assert_int_equal(width_now(&width), WIDTH_FIRST + 1);
    for (int i = 0; i < 10000; i++) {
        width_arrived(&width);
    }
    assert_int_equal(width_now(&width), WIDTH_MAX);
}

/* All that were on their way may be late: that is one lesson. */
static void late_answers_halve_it_once(void **state)
{
    (void)state;
    struct width width = width_first();
    for (int i = 0; i < 64; i++) {
        width_late(&width, 60000 + i);
    }
    assert_int_equal(width_now(&width), WIDTH_FIRST / 2);
    for (int64_t ms = 0; ms < 10 * WIDTH_LATE_MS; ms += 1000) {
        width_late(&width, 120000 + ms);
    }
    assert_int_equal(width_now(&width), WIDTH_MIN);
    for (int i = 0; i < 200; i++) {
        width_arrived(&width);
    }
    assert_true(width_now(&width) > 2 * WIDTH_MIN); /* and comes back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_by_one_with_each_round),
        cmocka_unit_test(late_answers_halve_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
