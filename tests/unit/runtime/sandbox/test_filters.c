/* cmocka's fail() is a macro: it comes last.
 * Covers: resource.c */
#include <string.h>

#include "runtime/sandbox/resource.h"

#include "tests/unit/support/cmocka_all.h"

static void test_wildcards(void **state)
{
    (void)state;
    assert_true(wildcard_match("abc", "abc"));
    assert_true(wildcard_match("", ""));
    assert_true(wildcard_match("*", ""));
    assert_true(wildcard_match("a*c", "abbbc"));
    assert_true(wildcard_match("a*b*c", "axxbyyc"));
    assert_true(wildcard_match("?b?", "abc"));
    assert_true(wildcard_match("*.large", "m6i.large"));
    assert_true(wildcard_match("a\\*c", "a*c"));
    assert_true(wildcard_match("a\\\\", "a\\"));
    assert_false(wildcard_match("a\\*c", "abc"));
    assert_false(wildcard_match("abc", "ABC"));
    assert_false(wildcard_match("abc", "abcd"));
    assert_false(wildcard_match("a?c", "ac"));
    assert_false(wildcard_match("", "a"));
}

/* Patterns made to be slow: no exponential time. */
static void test_hostile_patterns(void **state)
{
    (void)state;
    char pattern[401], text[2001];
    for (int i = 0; i < 400; i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = 'a';
    }
    pattern[400] = '\0';
    for (int i = 0; i < 2000; i++) {
        text[i] = i < 1999 ? 'a' : 'b';
    }
    text[2000] = '\0';
    assert_false(wildcard_match(pattern, text));
}

static void test_queries(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct query query = {.arena = arena};
    const char *problem = NULL, *text = "Action=A&L.1=x&L.2=y+z&L.4=no&T=%3C%c3%a4%3e&Empty=";
    assert_true(query_parse(&query, text, strlen(text), &problem));
    assert_string_equal(query_get(&query, "Action"), "A");
    assert_string_equal(query_get(&query, "T"), "<\xC3\xA4>");
    assert_string_equal(query_get(&query, "Empty"), "");
    assert_null(query_get(&query, "Other"));
    struct texts_list list = query_list(&query, "L");
    assert_int_equal(list.count, 2); /* up to the first that is missing */
    assert_string_equal(list.items[1], "y z");
    assert_true(query_has(&query, "L"));
    assert_false(query_has(&query, "Ac"));
    assert_false(query_parse(&query, "a=%4", 4, &problem));
    assert_false(query_parse(&query, "a=%00", 5, &problem));
    int64_t number = 5;
    assert_true(parse_int("-12", &number));
    assert_int_equal(number, -12);
    assert_false(parse_int("12x", &number));
    assert_false(parse_int("", &number));
    assert_false(parse_int("99999999999999999999", &number));
    arena_destroy(arena);
}

static void test_xml_holds_any_text(void **state)
{
    (void)state;
    struct xml_writer xml = {0};
    xml_open(&xml, "a");
    xml_put(&xml, "b", "<\"&>\x01\xFF\xC3\xA4");
    xml_put(&xml, "c", NULL);
    xml_bool(&xml, "d", true);
    xml_time(&xml, "e", INT64_C(1795341600000));
    xml_close(&xml, "a");
    assert_string_equal(buffer_text(&xml.out),
                        "<a><b>&lt;&quot;&amp;&gt;\xEF\xBF\xBD\xEF\xBF\xBD\xC3\xA4</b><d>true</d>"
                        "<e>2026-11-22T10:00:00.000Z</e></a>");
    buffer_free(&xml.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_hostile_patterns),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_xml_holds_any_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
