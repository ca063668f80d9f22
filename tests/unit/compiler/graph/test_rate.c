#include "compiler/graph/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "compiler/graph/action.h"

static void empties_and_refills(void **state)
{
    (void)state;
    struct bucket_info info = {.name = "TEST", .capacity = 2, .refill_per_s = 5};
    struct rate rate = rate_full(&info);
    assert_true(rate.limited);
    assert_int_equal(rate_ready_ms(&rate, 0), 0);
    rate_take(&rate, 0, 1);
    rate_take(&rate, 0, 2);
    assert_int_equal(rate.last_taker, 2);
    assert_int_equal(rate_ready_ms(&rate, 0), 200);
    assert_int_equal(rate_ready_ms(&rate, 199), 200);
    assert_int_equal(rate_ready_ms(&rate, 300), 300);
    rate_take(&rate, 300, 3);
    assert_int_equal(rate_ready_ms(&rate, 300), 400); /* half a token was left */
}

static void never_holds_more_than_its_capacity(void **state)
{
    (void)state;
    struct bucket_info info = {.name = "TEST", .capacity = 2, .refill_per_s = 1};
    struct rate rate = rate_full(&info);
    rate_take(&rate, 1000000, 1);
    rate_take(&rate, 1000000, 1);
    assert_int_equal(rate_ready_ms(&rate, 1000000), 1001000);
}

static void without_figures_there_is_no_limit(void **state)
{
    (void)state;
    struct bucket_info info = {.name = "NONE", .capacity = 0, .refill_per_s = 0};
    struct rate rate = rate_full(&info);
    assert_false(rate.limited);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(rate_ready_ms(&rate, 5), 5);
        rate_take(&rate, 5, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empties_and_refills),
        cmocka_unit_test(never_holds_more_than_its_capacity),
        cmocka_unit_test(without_figures_there_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
