#include "runtime/mover/width.h"

#include "tests/unit/support/cmocka_all.h"

/* A line over which each block takes latency_ms, and that takes at most `most` blocks a second. */
static struct width after(int64_t seconds, double latency_ms, double most)
{
    struct width width = width_first();
    double now = 1000;
    while (now < 1000 + (double)seconds * 1000) {
        double rate = (double)width.now * 1000 / latency_ms;
        now += 1000 / (rate < most ? rate : most);
        width_arrived(&width, (int64_t)now, true);
    }
    return width;
}

static void grows_where_that_brings_more(void **state)
{
    (void)state;
    assert_int_equal(after(30, 50, 100000).now, WIDTH_MAX);
    assert_in_range(after(60, 50, 800).now, 36, 54); /* 40 are enough */
}

static void stays_where_it_does_not(void **state)
{
    (void)state;
    struct width width = after(8, 1, 2000);
    assert_int_equal(width.now, WIDTH_FIRST);
    int64_t more = 0, all = 0;
    for (int64_t s = 1; s < 60; s++) {
        more += after(s, 1, 2000).now > WIDTH_FIRST;
        all++;
    }
    assert_true(more * 8 < all); /* tried seldom */
}

static void not_tried_when_not_all_are_busy(void **state)
{
    (void)state;
    struct width width = width_first();
    for (int64_t ms = 0; ms < 60000; ms += 10) {
        width_arrived(&width, 1000 + ms, false);
        assert_int_equal(width.now, WIDTH_FIRST);
    }
}

static void late_answers_halve_it(void **state)
{
    (void)state;
    struct width width = after(30, 50, 100000);
    width_late(&width);
    assert_int_equal(width.now, WIDTH_MAX / 2);
    for (int i = 0; i < 10; i++) {
        width_late(&width);
    }
    assert_int_equal(width.now, WIDTH_MIN);
    for (int64_t ms = 0; ms < 60000; ms += 5) { /* and comes back */
        width_arrived(&width, 100000 + ms, true);
    }
    assert_true(width.now >= WIDTH_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_where_that_brings_more),
        cmocka_unit_test(stays_where_it_does_not),
        cmocka_unit_test(not_tried_when_not_all_are_busy),
        cmocka_unit_test(late_answers_halve_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
