#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/world/prng.h"

static void repeats(void **state)
{
    (void)state;
    struct prng a = prng_seeded(7), b = prng_seeded(7), c = prng_seeded(8);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t x = prng_next(&a);
        assert_true(x == prng_next(&b));
        differs = differs || x != prng_next(&c);
    }
    assert_true(differs);
}

static void stays_in_range(void **state)
{
    (void)state;
    struct prng prng = prng_seeded(1);
    int seen[5] = {0}, hits = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t x = prng_range(&prng, -2, 2);
        assert_true(x >= -2 && x <= 2);
        seen[x + 2]++;
        double f = prng_fraction(&prng);
        assert_true(f >= 0 && f < 1);
        hits += prng_chance(&prng, 0.25);
        assert_false(prng_chance(&prng, 0));
        assert_true(prng_chance(&prng, 1));
    }
    for (int i = 0; i < 5; i++) {
        assert_in_range(seen[i], 1800, 2200);
    }
    assert_in_range(hits, 2300, 2700);
    assert_int_equal(prng_range(&prng, 9, 9), 9);
    prng_range(&prng, INT64_MIN, INT64_MAX); /* no overflow */
}

static void fills_any_length(void **state)
{
    (void)state;
    for (size_t length = 0; length < 20; length++) {
        unsigned char bytes[21];
        memset(bytes, 0xee, sizeof bytes);
        struct prng prng = prng_seeded(length);
        prng_fill(&prng, bytes, length);
        assert_int_equal(bytes[length], 0xee);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats),
        cmocka_unit_test(stays_in_range),
        cmocka_unit_test(fills_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
