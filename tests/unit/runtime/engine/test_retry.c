#include "runtime/engine/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/support/state_directory.h"

static void test_backoff_grows_and_is_capped(void **state)
{
    (void)state;
    struct world *world = quiet_world(1);
    static const int64_t most[] = {1000, 2000, 4000, 8000, 16000, 20000, 20000, 20000};
    for (int attempt = 0; attempt < 8; attempt++) {
        int64_t largest = 0;
        for (int i = 0; i < 300; i++) {
            struct retry_budget budget = retry_budget_full();
            int64_t delay = retry_delay_ms(&budget, world, attempt, false, 0);
            assert_true(delay >= 1 && delay <= most[attempt]);
            largest = delay > largest ? delay : largest;
        }
        assert_true(largest > most[attempt] * 8 / 10);
    }
    world_destroy(world);
}

static void test_budget(void **state)
{
    (void)state;
    struct world *world = quiet_world(1);
    struct retry_budget budget = retry_budget_full();
    for (int i = 0; i < RETRY_BUDGET / RETRY_COST; i++) {
        assert_true(retry_delay_ms(&budget, world, 0, false, 0) <= 1000);
    }
    assert_int_equal(budget.tokens, 0);
    int64_t least = RETRY_MAX_MS, most = 0;
    for (int i = 0; i < 100; i++) { /* the slowest pace, but not all at the same time */
        int64_t delay = retry_delay_ms(&budget, world, 0, false, 0);
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
    }
    assert_true(least >= RETRY_MAX_MS / 2 && most <= RETRY_MAX_MS && most > least + 8000);
    retry_succeeded(&budget, 1);
    assert_int_equal(budget.tokens, RETRY_COST);
    assert_true(retry_delay_ms(&budget, world, 0, true, 0) >= RETRY_MAX_MS / 2); /* costs 10 */
    assert_true(retry_delay_ms(&budget, world, 0, false, 0) <= 1000);
    for (int i = 0; i < 1000; i++) {
        retry_succeeded(&budget, 0);
    }
    assert_int_equal(budget.tokens, RETRY_BUDGET);
    world_destroy(world);
}

static void test_service_asks_for_more(void **state)
{
    (void)state;
    struct world *world = quiet_world(1);
    struct retry_budget budget = retry_budget_full();
    assert_int_equal(retry_delay_ms(&budget, world, 0, false, 30000), 30000);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff_grows_and_is_capped),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_service_asks_for_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
