#include "runtime/mover/bandwidth.h"

#include "tests/unit/support/cmocka_all.h"

static void no_limit(void **state)
{
    (void)state;
    struct bandwidth bandwidth = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(bandwidth_take(&bandwidth, 1 << 20, 0), 0);
    }
}

/* Over ten seconds what was asked for goes through, whatever the steps of the clock. */
static void holds_the_rate(void **state)
{
    (void)state;
    for (int64_t step = 1; step < 200; step += 33) {
        struct bandwidth bandwidth = {.bytes_per_s = 50 << 20};
        int64_t sent = 0, now = 1000;
        while (now < 11000) {
            int64_t wait = bandwidth_take(&bandwidth, 512 << 10, now);
            if (wait == 0) {
                sent += 512 << 10;
            } else {
                assert_true(wait < 1000);
                now += wait > step ? wait : step;
            }
        }
        assert_in_range(sent >> 20, step > 100 ? 250 : 495, 510);
    }
}

/* A pause does not make up for itself afterwards by more than a moment's burst. */
static void no_burst_after_a_pause(void **state)
{
    (void)state;
    struct bandwidth bandwidth = {.bytes_per_s = 10 << 20};
    assert_int_equal(bandwidth_take(&bandwidth, 512 << 10, 0), 0);
    int burst = 0;
    while (bandwidth_take(&bandwidth, 512 << 10, 3600000) == 0) {
        burst++;
    }
    assert_in_range(burst, 1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit),
        cmocka_unit_test(holds_the_rate),
        cmocka_unit_test(no_burst_after_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
