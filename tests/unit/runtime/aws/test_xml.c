#include "runtime/aws/xml.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

static struct arena *arena;

static const struct xml *parse(const char *text)
{
    return xml_parse(arena, text, strlen(text), NULL);
}

static void assert_refused(const char *text, const char *why)
{
    struct error error = {0};
    assert_null(xml_parse(arena, text, strlen(text), &error));
    if (!strstr(error.message, why)) {
        fail_msg("\"%s\" is not in: %s", why, error.message);
    }
    error_clear(&error);
}

static void test_tree(void **state)
{
    (void)state;
    const struct xml *root = parse(
        "<?xml version='1.0'?>\n<n:R xmlns:n='u' xmlns='v'>\n <set><item><id>a&amp;b</id></item>"
        "<item><id><![CDATA[<c>]]></id><tagSet><item><key>drc:vm</key><value>db</value></item>"
        "<item><key>empty</key><value/></item></tagSet></item></set><e/></n:R>");
    assert_non_null(root);
    assert_string_equal(root->name, "R");
    assert_string_equal(root->text, "");
    const struct xml *first = xml_first(root, "set");
    assert_string_equal(xml_text(first, "id"), "a&b");
    assert_string_equal(xml_text(first->next, "id"), "<c>");
    assert_null(first->next->next);
    assert_string_equal(xml_tag(first->next, "drc:vm"), "db");
    assert_string_equal(xml_tag(first->next, "empty"), "");
    assert_null(xml_tag(first->next, "drc"));
    assert_null(xml_text(root, "e"));
    assert_null(xml_text(root, "set/item/id/more"));
    assert_null(xml_text(NULL, "a"));
    assert_null(xml_first(root, "nothing"));
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused("", "");
    assert_refused("<a><b></a>", "not well-formed");
    assert_refused("<a><b>", "not well-formed");
    assert_refused("<html><p>no</html>", "not well-formed");
    assert_refused("<a>&undefined;</a>", "not well-formed");
    assert_refused("<a>\xff\xfe</a>", "not well-formed");
    assert_refused("<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x'><a/>", "document type");
    assert_refused("<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'><!ENTITY c '&b;&b;&b;'>]><a>&c;</a>",
                   "document type");
}

static void test_depth(void **state)
{
    (void)state;
    struct buffer deep = {0};
    for (int i = 0; i < XML_DEPTH_MAX; i++) {
        buffer_puts(&deep, "<a>");
    }
    struct buffer closed = {0};
    buffer_puts(&closed, buffer_text(&deep));
    for (int i = 0; i < XML_DEPTH_MAX; i++) {
        buffer_puts(&closed, "</a>");
    }
    assert_non_null(parse(buffer_text(&closed)));
    buffer_puts(&deep, "<a>");
    assert_refused(buffer_text(&deep), "nested too deeply");
    buffer_free(&deep);
    buffer_free(&closed);
}

static void test_count(void **state)
{
    (void)state;
    struct buffer wide = {0};
    buffer_puts(&wide, "<a>");
    for (int i = 0; i < XML_ELEMENTS_MAX - 1; i++) {
        buffer_puts(&wide, "<b/>");
    }
    size_t length = wide.length;
    buffer_puts(&wide, "</a>");
    assert_non_null(parse(buffer_text(&wide)));
    wide.length = length;
    buffer_puts(&wide, "<b/></a>");
    assert_refused(buffer_text(&wide), "too many elements");
    buffer_free(&wide);
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_count, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
