#include "runtime/simulation/statistics.h"

#include "tests/unit/support/cmocka_all.h"

#include "compiler/base/arena.h"

static void test_percentiles(void **state)
{
    (void)state;
    int64_t ms[200];
    for (int i = 0; i < 200; i++) {
        ms[i] = 200 - i;
    }
    sort_durations(ms, 200);
    assert_int_equal(ms[0], 1);
    assert_int_equal(percentile(ms, 200, 200, 50), 100);
    assert_int_equal(percentile(ms, 200, 200, 95), 190);
    assert_int_equal(percentile(ms, 200, 200, 99), 198);
    assert_int_equal(percentile(ms, 200, 200, 100), 200);
    assert_int_equal(percentile(ms, 200, 200, 0), 1);
    assert_int_equal(percentile(ms, 1, 1, 50), 1);
    assert_int_equal(percentile(ms, 3, 3, 50), 2);
    assert_int_equal(percentile(ms, 0, 0, 50), -1);
}

/* What never ended is longer than anything. */
static void test_percentiles_of_the_endless(void **state)
{
    (void)state;
    int64_t ms[] = {10, 20, 30, 40, 50, 60, 70, 80, 90};
    assert_int_equal(percentile(ms, 9, 10, 50), 50);
    assert_int_equal(percentile(ms, 9, 10, 90), 90);
    assert_int_equal(percentile(ms, 9, 10, 91), -1);
    assert_int_equal(percentile(ms, 0, 10, 50), -1);
}

static void test_histogram(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    int64_t ms[] = {61000, 61500, 64999, 65000, 99000};
    struct histogram histogram = histogram_of(arena, ms, 5, 10);
    assert_int_equal(histogram.step_ms, 5000);
    assert_int_equal(histogram.from_ms, 60000);
    assert_int_equal(histogram.bins, 8);
    assert_int_equal(histogram.counts[0], 3);
    assert_int_equal(histogram.counts[1], 1);
    assert_int_equal(histogram.counts[7], 1);
    size_t sum = 0;
    for (size_t i = 0; i < histogram.bins; i++) {
        sum += histogram.counts[i];
    }
    assert_int_equal(sum, 5);
    arena_destroy(arena);
}

static void test_histogram_extremes(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    int64_t ms[] = {0, INT64_C(400) * 24 * 3600 * 1000};
    assert_int_equal(histogram_of(arena, ms, 0, 10).bins, 0);
    struct histogram one = histogram_of(arena, ms, 1, 10);
    assert_int_equal(one.bins, 1);
    assert_int_equal(one.counts[0], 1);
    struct histogram wide = histogram_of(arena, ms, 2, 10);
    assert_in_range(wide.bins, 2, 10);
    assert_int_equal(wide.counts[0] + wide.counts[wide.bins - 1], 2);
    assert_in_range(histogram_of(arena, ms, 2, 0).bins, 1, 2);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_percentiles_of_the_endless),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_histogram_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
