#include "compiler/base/percent.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"

static void digits_have_values(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *at = c ? strchr(digits, c) : NULL;
        assert_int_equal(hex_digit((char)c), at ? (int)((at - digits) % 16) : -1);
    }
}

static void check(const char *encoded, const char *expected)
{
    char text[64];
    snprintf(text, sizeof text, "%s", encoded);
    percent_decode(text);
    assert_string_equal(text, expected);
}

static void what_is_encoded_is_decoded(void **state)
{
    (void)state;
    check("", "");
    check("a%2Fb%2fc", "a/b/c");
    check("%41%42", "AB");
    check("%2541", "%41"); /* once */
    check("a%00b", "a");
}

static void what_is_not_stays(void **state)
{
    (void)state;
    check("%", "%");
    check("%4", "%4");
    check("100%", "100%");
    check("%zz%4g%g4", "%zz%4g%g4");
    check("%%41", "%A");
    check("a+b", "a+b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_have_values),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(what_is_not_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
