#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "compiler/base/utc.h"

static void formats(void **state)
{
    (void)state;
    char out[32];
    assert_string_equal(format_time(out, 0), "1970-01-01T00:00:00Z");
    assert_string_equal(format_time(out, 1795341600000), "2026-11-22T10:00:00Z");
    assert_string_equal(format_time(out, 1795341600999), "2026-11-22T10:00:00Z");
    assert_string_equal(format_time(out, -1), "1970-01-01T00:00:00Z");
    assert_string_equal(format_time(out, INT64_MAX), "9999-12-31T23:59:59Z");
}

static void parses(void **state)
{
    (void)state;
    assert_int_equal(parse_time("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(parse_time("2026-11-22T10:00:00Z"), 1795341600000);
    assert_int_equal(parse_time("2026-11-22T10:00:00.125Z"), 1795341600125);
    assert_int_equal(parse_time("2026-11-22T10:00:00.5Z"), 1795341600500);
    assert_int_equal(parse_time("2026-11-22T10:00:00.123999Z"), 1795341600123);
    assert_int_equal(parse_time("2026-11-22T11:30:00+01:30"), 1795341600000);
    assert_int_equal(parse_time("2026-11-22T05:00:00-05:00"), 1795341600000);
    assert_int_equal(parse_time("2026-11-22t10:00:00z"), 1795341600000);
    assert_int_equal(parse_time("2024-02-29T00:00:00Z"), 1709164800000);
    assert_int_equal(parse_time("2016-12-31T23:59:60Z"), 1483228800000);
    assert_int_equal(parse_time("9999-12-31T23:59:59Z"), 253402300799000);
}

static void refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "now",
        "2026-11-22",
        "2026-11-22T10:00:00",
        "2026-11-22 10:00:00Z",
        "2026-11-22T10:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T10:60:00Z",
        "2026-11-22T10:00:61Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2026-11-00T00:00:00Z",
        "2026-11-22T10:00:00.Z",
        "2026-11-22T10:00:00Z ",
        "2026-11-22T10:00:00+0100",
        "2026-11-22T10:00:00+24:00",
        "2026-11-22T10:00:00+01:60",
        "02026-11-22T10:00:00Z",
        "1969-12-31T23:59:59Z",
        "-026-11-22T10:00:00Z",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (parse_time(wrong[i]) != -1) {
            fail_msg("accepted: %s", wrong[i]);
        }
    }
    assert_int_equal(parse_time(NULL), -1);
}

static void round_trip(void **state)
{
    (void)state;
    char out[32];
    for (int64_t ms = 0; ms < 253402300799000; ms += 86399999999) {
        assert_int_equal(parse_time(format_time(out, ms)), ms / 1000 * 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(parses),
        cmocka_unit_test(refuses),
        cmocka_unit_test(round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
