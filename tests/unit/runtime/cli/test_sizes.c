#include "runtime/cli/sizes.h"

#include "tests/unit/support/cmocka_all.h"

static void expect_size(const char *text, int64_t bytes)
{
    int64_t found = -1;
    if (!size_parse(text, &found) || found != bytes) {
        fail_msg("%s: %lld, not %lld", text, (long long)found, (long long)bytes);
    }
}

static void sizes_are_read(void **state)
{
    (void)state;
    expect_size("1K", 1024);
    expect_size("512MiB", INT64_C(512) << 20);
    expect_size("16 GiB", INT64_C(16) << 30);
    expect_size("16GB", INT64_C(16) << 30);
    expect_size("1.5GiB", INT64_C(1536) << 20);
    expect_size("2t", INT64_C(2) << 40);
    expect_size("0K", 0);
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const WRONG[] = {"",     "16",  "GiB",  "-1GiB", "16Gib5", "16GiBx", "1e3K",
                                        "0x1K", "nan", "infK", "9999E", "16 bytes", "16X"};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        int64_t bytes;
        if (size_parse(WRONG[i], &bytes)) {
            fail_msg("\"%s\" was taken for a size", WRONG[i]);
        }
    }
}

static void counts_are_written(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(count_format(text, 7), "7");
    assert_string_equal(count_format(text, 999), "999");
    assert_string_equal(count_format(text, 1000), "1,000");
    assert_string_equal(count_format(text, 1234567), "1,234,567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(counts_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
