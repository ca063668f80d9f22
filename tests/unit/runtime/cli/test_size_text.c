#include "runtime/cli/size_text.h"

#include "tests/unit/support/cmocka_all.h"

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {{"128MiB", 128 << 20}, {"1.5GiB", INT64_C(3) << 29}, {"500MB", 500000000},
                 {"1kb", 1000},         {"2tib", INT64_C(2) << 40},  {"1KiB", 1024}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t bytes = 0;
        assert_true(size_read(cases[i].text, &bytes, NULL));
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void rates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } cases[] = {{"200MiB/s", 200 << 20}, {"50MB/s", 50000000},  {"1Gbit/s", 125000000},
                 {"1Gbit", 125000000},    {"100Mbps", 12500000}, {"2.5gbit/s", 312500000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t bytes = 0;
        assert_true(rate_read(cases[i].text, &bytes, NULL));
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void what_is_none(void **state)
{
    (void)state;
    static const char *const sizes_not[] = {"",     "128",    "MiB",    "-1MiB",   "1e3MiB", "1Gbit", "1MiB/s",
                                            "0MiB", "1.2.3MB", "infMiB", "99999TiB", "0x1MiB", "1 MiB", ".5MiB"};
    static const char *const rates_not[] = {"", "200", "200MiB", "200MiB/h", "200MiB/s ", "Gbit", "1Gbit/", "nan"};
    int64_t bytes = 7;
    struct error error = {0};
    for (size_t i = 0; i < sizeof sizes_not / sizeof *sizes_not; i++) {
        if (size_read(sizes_not[i], &bytes, &error)) {
            fail_msg("a size: %s", sizes_not[i]);
        }
    }
    assert_string_equal(error.message, "\".5MiB\" is no size");
    for (size_t i = 0; i < sizeof rates_not / sizeof *rates_not; i++) {
        if (rate_read(rates_not[i], &bytes, &error)) {
            fail_msg("a rate: %s", rates_not[i]);
        }
    }
    assert_string_equal(error.help, "a rate is written with its unit: 200MiB/s, 50MB/s, 1Gbit/s");
    assert_int_equal(bytes, 7);
    error_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(rates),
        cmocka_unit_test(what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
