#include "compiler/base/xml_text.h"

#include "tests/unit/support/cmocka_all.h"

/* What XML 1.0 cannot hold becomes U+FFFD, so that no text of a client breaks an answer. */
static void texts_are_escaped(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a<b>&\"c\"", "a&lt;b&gt;&amp;&quot;c&quot;"},
        {"tab\tline\n", "tab\tline\n"},
        {"é漢😀", "é漢😀"},
        {"\x01\x1b", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xff", "\xef\xbf\xbd"},
        {"\xef\xbf\xbf", "\xef\xbf\xbd"}, /* U+FFFF */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        xml_escape(&out, cases[i][0]);
        assert_string_equal(buffer_text(&out), cases[i][1]);
        buffer_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
