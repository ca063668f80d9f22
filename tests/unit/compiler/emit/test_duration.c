/* Durations, moments and sizes as people read them.
 * Covers: size.c */
#include "compiler/emit/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/emit/text.h"

static void durations_are_short_and_round(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "0s"},          {1, "1ms"},           {450, "450ms"},   {999, "999ms"},
        {1000, "1s"},       {1500, "1.5s"},       {9960, "10s"},    {9940, "9.9s"},
        {59499, "59s"},     {59500, "1m"},        {60000, "1m"},    {70000, "1m 10s"},
        {580000, "9m 40s"}, {605000, "10m 05s"},  {3600000, "1h"},  {3900000, "1h 05m"},
        {86400000, "1d"},   {97200000, "1d 03h"}, {-1500, "-1.5s"}, {-70000, "-1m 10s"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        assert_string_equal(format_duration(text, cases[i].ms), cases[i].text);
    }
    char text[32];
    format_duration(text, INT64_MIN);
    format_duration(text, INT64_MAX);
}

static void moments_count_minutes_then_hours(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(format_clock(text, 0), "0:00");
    assert_string_equal(format_clock(text, 100000), "1:40");
    assert_string_equal(format_clock(text, 3599499), "59:59");
    assert_string_equal(format_clock(text, 3723000), "1:02:03");
    assert_string_equal(format_clock(text, -5), "0:00");
}

static void sizes_are_in_powers_of_1024(void **state)
{
    (void)state;
    char out[32];
    assert_string_equal(format_size(out, 0), "0 bytes");
    assert_string_equal(format_size(out, 1), "1 byte");
    assert_string_equal(format_size(out, 1023), "1023 bytes");
    assert_string_equal(format_size(out, 512 << 10), "512 KiB");
    assert_string_equal(format_size(out, 1536 << 10), "1.5 MiB");
    assert_string_equal(format_size(out, 10485759), "10.0 MiB");
    assert_string_equal(format_size(out, INT64_C(100) << 30), "100 GiB");
    assert_string_equal(format_size(out, (INT64_C(100) << 30) + 123456789), "100 GiB");
    assert_string_equal(format_size(out, INT64_C(64) << 40), "64 TiB");
    assert_string_equal(format_size(out, INT64_MAX), "8 EiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_short_and_round),
        cmocka_unit_test(moments_count_minutes_then_hours),
        cmocka_unit_test(sizes_are_in_powers_of_1024),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
