#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/host/pattern.h"

static enum pattern_result match(const char *pattern, const char *subject)
{
    char why[256] = "";
    enum pattern_result result = pattern_match(pattern, subject, strlen(subject), why, sizeof why);
    assert_true((result == PATTERN_INVALID) == (*why != '\0'));
    return result;
}

static void matches(void **state)
{
    (void)state;
    assert_int_equal(match("\"ok\"", "{\"status\": \"ok\"}"), PATTERN_MATCHES);
    assert_int_equal(match("^ok$", "not ok"), PATTERN_DIFFERS);
    assert_int_equal(match("(?i)OK", "ok"), PATTERN_MATCHES);
    assert_int_equal(match("", ""), PATTERN_MATCHES);
    assert_int_equal(match("é+", "\xff caf\xc3\xa9"), PATTERN_MATCHES); /* invalid UTF-8 about it */
    assert_int_equal(pattern_match("b", "a\0b", 3, NULL, 0), PATTERN_MATCHES);
}

static void refuses_invalid_patterns(void **state)
{
    (void)state;
    char why[256] = "";
    assert_int_equal(match("(", "x"), PATTERN_INVALID);
    assert_int_equal(match("\xff", "x"), PATTERN_INVALID);
    assert_int_equal(pattern_match("a[", "x", 1, why, sizeof why), PATTERN_INVALID);
    assert_non_null(strstr(why, "at character"));
    char *longer = malloc(10000);
    memset(longer, 'a', 9999);
    longer[9999] = '\0';
    assert_int_equal(match(longer, "x"), PATTERN_INVALID);
    free(longer);
}

static void gives_up_on_bombs(void **state)
{
    (void)state;
    char subject[200];
    memset(subject, 'a', sizeof subject - 1);
    subject[sizeof subject - 1] = '\0';
    assert_int_equal(match("^(a+)+$(?<=b)", subject), PATTERN_TOO_COSTLY);
    assert_int_equal(match("(?:(?R)a|b)*c", "aaaa"), PATTERN_DIFFERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),
        cmocka_unit_test(refuses_invalid_patterns),
        cmocka_unit_test(gives_up_on_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
