/* Covers: yaml_error.c yaml_scalar.c yaml_scan.c tree.c */
#include "compiler/front/tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/front_text.h"

static void expect_error(const char *text, enum diagnostic_code code, uint32_t line,
                         uint32_t column)
{
    struct front front = front_parse(text);
    assert_null(front.tree);
    front_expect(&front, code, line, column);
    front_free(&front);
}

static void expect_bytes(const char *text, size_t length, enum diagnostic_code code, uint32_t line,
                         uint32_t column)
{
    struct front front = front_parse_bytes(text, length);
    front_expect(&front, code, line, column);
    front_free(&front);
}

static void assert_span(const struct tree *tree, uint32_t line, uint32_t column, uint32_t end_line,
                        uint32_t end_column)
{
    assert_int_equal(tree->span.line, line);
    assert_int_equal(tree->span.column, column);
    assert_int_equal(tree->span.end_line, end_line);
    assert_int_equal(tree->span.end_column, end_column);
}

static void test_collections(void **state)
{
    (void)state;
    struct front front = front_parse("a: 1\nb: [x, {c: d}]\n");
    assert_int_equal(front.tree->kind, TREE_MAPPING);
    assert_int_equal(front.tree->pair_count, 2);
    assert_string_equal(front.tree->pairs[0].key->text, "a");
    const struct tree *list = tree_get(front.tree, "b");
    assert_int_equal(list->kind, TREE_SEQUENCE);
    assert_int_equal(list->item_count, 2);
    assert_string_equal(list->items[0]->text, "x");
    assert_string_equal(tree_get(list->items[1], "c")->text, "d");
    assert_null(tree_get(front.tree, "c"));
    assert_null(tree_get(list, "a"));
    assert_null(tree_get(NULL, "a"));
    front_free(&front);
    front = front_parse("{}");
    assert_int_equal(front.tree->pair_count, 0);
    front_free(&front);
}

static void expect_kind(const char *scalar, enum tree_kind kind)
{
    char text[100];
    snprintf(text, sizeof text, "- %s\n", scalar);
    struct front front = front_parse(text);
    if (front.tree->items[0]->kind != kind) {
        fail_msg("%s is of kind %d, not %d", scalar, front.tree->items[0]->kind, kind);
    }
    front_free(&front);
}

static void test_core_schema(void **state)
{
    (void)state;
    static const struct {
        const char *scalar;
        enum tree_kind kind;
    } cases[] = {
        {"~", TREE_NULL},
        {"null", TREE_NULL},
        {"Null", TREE_NULL},
        {"NULL", TREE_NULL},
        {"", TREE_NULL},
        {"nUll", TREE_STRING},
        {"'null'", TREE_STRING},
        {"true", TREE_BOOL},
        {"FALSE", TREE_BOOL},
        {"yes", TREE_STRING},
        {"no", TREE_STRING},
        {"on", TREE_STRING},
        {"off", TREE_STRING},
        {"y", TREE_STRING},
        {"tRue", TREE_STRING},
        {"0", TREE_INT},
        {"-12", TREE_INT},
        {"+12", TREE_INT},
        {"0o17", TREE_INT},
        {"0xFf", TREE_INT},
        {"0b11", TREE_STRING},
        {"1_000", TREE_STRING},
        {"-", TREE_SEQUENCE},
        {"+", TREE_STRING},
        {"1.5", TREE_FLOAT},
        {".5", TREE_FLOAT},
        {"1.", TREE_FLOAT},
        {"1e3", TREE_FLOAT},
        {"1e", TREE_STRING},
        {".", TREE_STRING},
        {".inf", TREE_FLOAT},
        {"-.INF", TREE_FLOAT},
        {".nan", TREE_FLOAT},
        {"-.nan", TREE_STRING},
        {"10.20.2.10", TREE_STRING},
        {"30s", TREE_STRING},
        {"12:30:45", TREE_STRING},
        {"2026-11-22", TREE_STRING},
        {"!!str 1", TREE_STRING},
        {"! 1", TREE_STRING},
        {"!!int 1", TREE_INT},
        {"!!float 1", TREE_FLOAT},
        {"\"1\"", TREE_STRING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_kind(cases[i].scalar, cases[i].kind);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct front front = front_parse("[-9223372036854775808, 9223372036854775807, 0o17, 0xff, 010,"
                                     " -1.5e3, -.inf, true, False]");
    struct tree **items = front.tree->items;
    assert_int_equal(items[0]->integer, INT64_MIN);
    assert_int_equal(items[1]->integer, INT64_MAX);
    assert_int_equal(items[2]->integer, 15);
    assert_int_equal(items[3]->integer, 255);
    assert_int_equal(items[4]->integer, 10);
    assert_true(items[5]->number == -1500);
    assert_true(isinf(items[6]->number) && items[6]->number < 0);
    assert_true(items[7]->boolean);
    assert_false(items[8]->boolean);
    assert_string_equal(items[3]->text, "0xff");
    front_free(&front);
}

static void test_keys_are_text(void **state)
{
    (void)state;
    struct front front = front_parse("0: a\ntrue: b\n~: c\n1.5: d\n\"<<\": e\n");
    for (size_t i = 0; i < front.tree->pair_count; i++) {
        assert_int_equal(front.tree->pairs[i].key->kind, TREE_STRING);
    }
    assert_string_equal(tree_get(front.tree, "true")->text, "b");
    assert_string_equal(tree_get(front.tree, "<<")->text, "e");
    front_free(&front);
}

static void test_spans(void **state)
{
    (void)state;
    struct front front = front_parse("a:  'q r'\nb:\n  - x\n  - yy\n\n\nc: {k: [1,\n 2]}\nd:\n"
                                     "e: |\n  one\n  two\n\n\nf: x\n");
    assert_span(tree_get(front.tree, "a"), 1, 5, 1, 10);
    assert_span(tree_pair(front.tree, "b")->key, 2, 1, 2, 2);
    /* libyaml's end marks run past blank lines; ours end with the last entry. */
    assert_span(tree_get(front.tree, "b"), 3, 3, 4, 7);
    assert_span(tree_get(front.tree, "c"), 7, 4, 8, 5);
    assert_span(tree_get(tree_get(front.tree, "c"), "k"), 7, 8, 8, 4);
    assert_span(tree_get(front.tree, "d"), 9, 3, 9, 3);
    assert_span(tree_get(front.tree, "e"), 10, 4, 12, 6);
    assert_span(front.tree, 1, 1, 15, 5);
    front_free(&front);
}

static void test_spans_count_characters(void **state)
{
    (void)state;
    struct front front =
        front_parse("# \xE4\xBD\xA0\xE5\xA5\xBD\n\xC3\xA9: [\xF0\x9F\x98\x80, b]\n");
    assert_span(front.tree->pairs[0].key, 2, 1, 2, 2);
    const struct tree *list = front.tree->pairs[0].value;
    assert_span(list->items[0], 2, 5, 2, 6);
    assert_span(list->items[1], 2, 8, 2, 9);
    front_free(&front);
}

static void test_line_ends(void **state)
{
    (void)state;
    struct front front = front_parse("a: 1\r\nb:\r\n  - x\r\n");
    assert_span(tree_get(front.tree, "b")->items[0], 3, 5, 3, 6);
    front_free(&front);
    front = front_parse("a: 1\rb: 2\r");
    assert_span(tree_get(front.tree, "b"), 2, 4, 2, 5);
    front_free(&front);
    /* NEL and LS are line breaks for libyaml, but not for editors. */
    front = front_parse("a: \"x\xE2\x80\xA8y\"\nb: 2\n");
    assert_span(tree_get(front.tree, "b"), 2, 4, 2, 5);
    front_free(&front);
}

static void test_byte_order_mark(void **state)
{
    (void)state;
    struct front front = front_parse("\xEF\xBB\xBF"
                                     "a: 1\n");
    assert_span(tree_get(front.tree, "a"), 1, 4, 1, 5);
    front_free(&front);
    expect_error("a: \xEF\xBB\xBF"
                 "1\n",
                 DIAG_CONTROL_CHARACTER, 1, 4);
}

static void test_not_text(void **state)
{
    (void)state;
    expect_bytes("a: x\0y\n", 7, DIAG_CONTROL_CHARACTER, 1, 5);
    expect_bytes("a: \"\x1b[2J\"", 10, DIAG_CONTROL_CHARACTER, 1, 5);
    expect_error("a: \xC2\x9B"
                 "1\n",
                 DIAG_CONTROL_CHARACTER, 1, 4);
    expect_error("a: 1\nb: caf\xE9\n", DIAG_NOT_UTF8, 2, 7);
    expect_error("a: \xC0\xAF\n", DIAG_NOT_UTF8, 1, 4);         /* overlong */
    expect_error("a: \xED\xA0\x80\n", DIAG_NOT_UTF8, 1, 4);     /* surrogate */
    expect_error("a: \xF4\x90\x80\x80\n", DIAG_NOT_UTF8, 1, 4); /* past Unicode */
    expect_error("a: \xE2\x82", DIAG_NOT_UTF8, 1, 4);           /* cut off */
    expect_bytes("\xFF\xFE"
                 "a\0:\0",
                 6, DIAG_NOT_UTF8_BUT_UTF16, 0, 0);
    expect_bytes("\xFE\xFF\0a", 4, DIAG_NOT_UTF8_BUT_UTF16, 0, 0);
    expect_bytes("a\0:\0 \0", 6, DIAG_NOT_UTF8_BUT_UTF16, 0, 0);
    expect_error("a: \"x\\0y\"\n", DIAG_CONTROL_CHARACTER, 1, 4);
}

static void test_every_byte_alone_and_twice(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[] = {(char)byte, (char)byte, 'x'};
        for (size_t length = 1; length <= 3; length++) {
            struct front front = front_parse_bytes(text, length);
            front_render(&front, DIAGNOSTIC_FORMAT_HUMAN);
            front_free(&front);
        }
    }
}

static void test_empty(void **state)
{
    (void)state;
    expect_error("", DIAG_EMPTY_PLAN, 1, 1);
    expect_error("\n\n# nothing\n", DIAG_EMPTY_PLAN, 1, 1);
    expect_error("---\n...\n", DIAG_EMPTY_PLAN, 1, 1);
}

static void test_tabs(void **state)
{
    (void)state;
    expect_error("vms:\n\tdb: 1\n", DIAG_TAB_INDENTATION, 2, 1);
    expect_error("vms:\n  db:\n  \tsource: x\n", DIAG_TAB_INDENTATION, 3, 3);
    struct front front = front_parse("a: 1\t# a TAB that indents nothing\n");
    assert_non_null(front.tree);
    front_free(&front);
}

static void test_documents(void **state)
{
    (void)state;
    expect_error("a: 1\n---\nb: 2\n", DIAG_SEVERAL_DOCUMENTS, 2, 1);
    struct front front = front_parse("---\na: 1\n...\n");
    assert_non_null(front.tree);
    front_free(&front);
}

static void test_duplicate_keys(void **state)
{
    (void)state;
    struct front front = front_parse("a: 1\nb: 2\na: 3\n");
    front_expect(&front, DIAG_DUPLICATE_KEY, 3, 1);
    assert_int_equal(front.diagnostics->items[0]->secondary_count, 1);
    assert_int_equal(front.diagnostics->items[0]->secondary[0].span.line, 1);
    front_free(&front);
    expect_error("{x: {b: 1, \"b\": 2}}", DIAG_DUPLICATE_KEY, 1, 12);
    /* Many keys are compared in another way. */
    expect_error("k1: 1\nk2: 1\nk3: 1\nk4: 1\nk5: 1\nk6: 1\nk7: 1\nk8: 1\nk9: 1\nk10: 1\nk11: 1\n"
                 "k12: 1\nk13: 1\nk3: 2\n",
                 DIAG_DUPLICATE_KEY, 14, 1);
}

static void test_every_duplicate_is_reported(void **state)
{
    (void)state;
    struct front front = front_parse("a: 1\na: 2\nb: 1\nb: 2\nb: 3\n");
    assert_int_equal(front.diagnostics->count, 3);
    front_free(&front);
}

static void test_aliases(void **state)
{
    (void)state;
    struct front front = front_parse("a: &x [1, 2]\nb: *x\nc: &x 7\nd: *x\n");
    assert_ptr_equal(tree_get(front.tree, "a"), tree_get(front.tree, "b"));
    assert_int_equal(tree_get(front.tree, "d")->integer, 7);
    front_free(&front);
    expect_error("a: &x {b: *x}\n", DIAG_ALIAS_CYCLE, 1, 11);
    expect_error("a: 1\nb: *x\n", DIAG_UNKNOWN_ALIAS, 2, 4);
}

static char *repeated(const char *text, size_t count)
{
    size_t length = strlen(text);
    char *all = malloc(length * count + 1);
    for (size_t i = 0; i < count; i++) {
        memcpy(all + i * length, text, length);
    }
    all[length * count] = '\0';
    return all;
}

static void test_depth(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        char *text = repeated((const char *[]){"[", "- ", "{a: "}[i], 100000);
        struct front front = front_parse(text);
        assert_int_equal(front.diagnostics->count, 1);
        assert_int_equal(front.diagnostics->items[0]->code, DIAG_TOO_DEEP);
        front_free(&front);
        free(text);
    }
    char *open = repeated("[", 64), *close = repeated("]", 64);
    char text[200];
    snprintf(text, sizeof text, "%s%s", open, close);
    struct front front = front_parse(text);
    assert_non_null(front.tree);
    front_free(&front);
    free(open);
    free(close);
}

/* Aliases do not get round the limit. */
static void test_depth_through_aliases(void **state)
{
    (void)state;
    char *open = repeated("[", 40), *close = repeated("]", 40);
    char text[500];
    snprintf(text, sizeof text, "a: &a %s%s\nb: %s*a%s\n", open, close, open, close);
    struct front front = front_parse(text);
    front_expect(&front, DIAG_TOO_DEEP, 2, 44);
    front_free(&front);
    free(open);
    free(close);
}

static void test_anchors(void **state)
{
    (void)state;
    char text[40000 * 12], *to = text;
    for (int i = 0; i < 40000; i++) {
        to += sprintf(to, "- &a%d 1\n", i);
    }
    struct front front = front_parse(text);
    front_expect(&front, DIAG_TOO_MANY_ANCHORS, 65, 3);
    front_free(&front);
}

/* Nine times nine times …: as text 1 KB, in full 9^20 values. */
static void test_alias_bomb(void **state)
{
    (void)state;
    char text[4000], *to = text;
    to += sprintf(to, "- &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 20; i++) {
        to += sprintf(to, "- &a%d [", i);
        for (int j = 0; j < 9; j++) {
            to += sprintf(to, "*a%d%s", i - 1, j < 8 ? ", " : "]\n");
        }
    }
    struct front front = front_parse(text);
    assert_int_equal(front.diagnostics->count, 1);
    assert_int_equal(front.diagnostics->items[0]->code, DIAG_TOO_MANY_NODES);
    front_free(&front);
}

static void test_directives(void **state)
{
    (void)state;
    char *text = repeated("%TAG !a! tag:x,2000:\n", 100000);
    struct front front = front_parse(text);
    front_expect(&front, DIAG_YAML_SYNTAX, 9, 1);
    front_free(&front);
    free(text);
    front = front_parse("%YAML 1.2\n---\na: 1\n");
    assert_non_null(front.tree);
    front_free(&front);
}

static void test_refused(void **state)
{
    (void)state;
    expect_error("a: !!python/object:os.system x\n", DIAG_YAML_TAG, 1, 4);
    expect_error("a: !Ref x\n", DIAG_YAML_TAG, 1, 4);
    expect_error("a: !!int x\n", DIAG_YAML_TAG, 1, 4);
    expect_error("a: !!omap [x]\n", DIAG_YAML_TAG, 1, 4);
    expect_error("a: &x {b: 1}\nc:\n  <<: *x\n", DIAG_MERGE_KEY, 3, 3);
    expect_error("{a: 1}: b\n", DIAG_KEY_NOT_TEXT, 1, 1);
    expect_error("? [a]\n: b\n", DIAG_KEY_NOT_TEXT, 1, 3);
    expect_error("a: &x k\n*x : v\n", DIAG_KEY_NOT_TEXT, 2, 1);
    expect_error("a: 9223372036854775808\n", DIAG_NUMBER_TOO_LARGE, 1, 4);
}

static void test_syntax(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t line, column;
    } cases[] = {
        {"a: b: c\n", 1, 5},
        {"a: [1, 2\nb: 3\n", 2, 2},
        {"a: {b: 1]\n", 1, 9},
        {"a: \"x\n", 2, 1},
        {"a: 1\n b: 2\n", 2, 3},
        {"a:\n  - 1\n b: 2\n", 3, 2},
        {"a: @x\n", 1, 4},
        {"a: \"\\q\"\n", 1, 5},
        {"a\nb: 1\n", 2, 2},
        {"- a\nb\n", 2, 1},
        {"a: 'x\n---\n", 2, 1},
        {"a: %x\n", 1, 4},
        {"%YAML 2.0\n---\na: 1\n", 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct front front = front_parse(cases[i].text);
        const struct diagnostic *first = front.diagnostics->items[0];
        if (front.diagnostics->count != 1 || first->code != DIAG_YAML_SYNTAX ||
            first->primary.span.line != cases[i].line ||
            first->primary.span.column != cases[i].column) {
            fail_msg("%s\n%s", cases[i].text, front_render(&front, DIAGNOSTIC_FORMAT_HUMAN));
        }
        front_free(&front);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collections),
        cmocka_unit_test(test_core_schema),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_keys_are_text),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_spans_count_characters),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_not_text),
        cmocka_unit_test(test_every_byte_alone_and_twice),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_tabs),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_every_duplicate_is_reported),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_through_aliases),
        cmocka_unit_test(test_anchors),
        cmocka_unit_test(test_alias_bomb),
        cmocka_unit_test(test_directives),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_syntax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
