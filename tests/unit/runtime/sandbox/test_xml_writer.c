#include "runtime/sandbox/xml_writer.h"

#include "tests/unit/support/cmocka_all.h"

static void elements(void **state)
{
    (void)state;
    struct xml_writer xml = {0};
    xml_open(&xml, "set");
    xml_put(&xml, "id", "vol-1");
    xml_put(&xml, "nothing", NULL);
    xml_put(&xml, "empty", "");
    xml_int(&xml, "size", -8);
    xml_bool(&xml, "encrypted", false);
    xml_time(&xml, "at", 1795341600123);
    xml_close(&xml, "set");
    assert_string_equal(buffer_text(&xml.out),
                        "<set><id>vol-1</id><empty></empty><size>-8</size>"
                        "<encrypted>false</encrypted><at>2026-11-22T10:00:00.000Z</at></set>");
    buffer_free(&xml.out);
}

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
        cmocka_unit_test(elements),
        cmocka_unit_test(texts_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
