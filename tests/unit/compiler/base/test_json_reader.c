/* Strict reading of JSON: what json_check lets pass and what it refuses, cursors, and members.
 * Covers: json_check.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"

static bool is_valid(const char *text)
{
    return json_check(text, strlen(text), NULL);
}

static void test_valid_texts_pass(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        "0",
        "-0",
        "1.5e+10",
        "\"\"",
        " null ",
        "true",
        "[1,2,[3,{\"a\":[]}]]",
        "{\"a\":1,\"b\":{\"c\":\"d\"}}",
        "\"\\u00e9 \\ud83d\\ude00 \\n\\/\"",
        "\"é😀\"",
        "\t\r\n[ ]\n",
        "1E5",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(is_valid(texts[i]));
    }
}

static void test_invalid_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "1e+",
        "nul",
        "truex",
        "tru",
        "'a'",
        "\"",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\u0000\"",
        "\"\n\"",
        "\"\x01\"",
        "[] []",
        "1 2",
        "]",
        "}",
        "[}",
        "{]",
        "{\"a\":1]",
        "\"\x80\"",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
        "\"\xf5\x80\x80\x80\"",
        "\"\xe2\x82\"",
        "\xef\xbb\xbf{}",
        "NaN",
        "Infinity",
        "/* */ 1",
        "[1 2]",
        "\"\\",
        ",",
        ":",
        "{,}",
        "123456789012345678901234567890123456789",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (is_valid(texts[i])) {
            fail_msg("taken for valid: %s", texts[i]);
        }
    }
    assert_false(json_check("1\0", 2, NULL));
    assert_false(json_check("\"\0\"", 3, NULL));
}

/* Every prefix of a document is refused, and reading stays within it (for the sanitizers). */
static void test_prefixes_are_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\": [1.5e3, true, null, \"\\u00e9\\ud83d\\ude00é\"], \"b\": {}}";
    for (size_t length = 0; length < sizeof text - 1; length++) {
        char *copy = base_alloc(length + 1);
        memcpy(copy, text, length);
        char *exact = base_realloc(copy, length ? length : 1);
        assert_false(json_check(exact, length, NULL));
        free(exact);
    }
    assert_true(is_valid(text));
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    struct buffer deep = {0};
    for (int i = 0; i < 100000; i++) {
        buffer_putc(&deep, '[');
    }
    assert_false(json_check(deep.data, deep.length, NULL));
    buffer_clear(&deep);
    for (int i = 0; i < JSON_READ_DEPTH_MAX; i++) {
        buffer_puts(&deep, "[");
    }
    buffer_puts(&deep, "1");
    for (int i = 0; i < JSON_READ_DEPTH_MAX; i++) {
        buffer_puts(&deep, "]");
    }
    assert_true(json_check(deep.data, deep.length, NULL));
    buffer_free(&deep);
}

static void test_error_says_the_place(void **state)
{
    (void)state;
    struct error error = {0};
    assert_false(json_check("{\n \"é\": x}", 11, &error));
    assert_string_equal(error.message, "not valid JSON, line 2, column 7: a value is expected");
    error_clear(&error);
}

static void test_cursor_walks_members(void **state)
{
    (void)state;
    static const char text[] =
        " { \"a\" : [1, {\"x\": \"]}\"}] ,\"b\\n\":\"q\\\"\\\\\" , \"c\":-1.5 } ";
    struct arena *arena = arena_create();
    struct json_cursor cursor;
    struct json_text key, value;
    assert_true(json_check(text, strlen(text), NULL));
    assert_true(json_open(&cursor, (struct json_text){text, strlen(text)}, '{'));
    assert_true(json_next(&cursor, &key, &value));
    assert_string_equal(json_key_text(arena, key), "a");
    assert_int_equal(value.length, strlen("[1, {\"x\": \"]}\"}]"));
    assert_true(json_next(&cursor, &key, &value));
    assert_string_equal(json_key_text(arena, key), "b\n");
    assert_int_equal(value.length, strlen("\"q\\\"\\\\\""));
    assert_true(json_next(&cursor, &key, &value));
    assert_int_equal(value.length, 4);
    assert_false(json_next(&cursor, &key, &value));
    assert_false(json_open(&cursor, (struct json_text){"[]", 2}, '{'));
    assert_true(json_open(&cursor, (struct json_text){"[]", 2}, '['));
    assert_false(json_next(&cursor, NULL, &value));
    arena_destroy(arena);
}

static void test_members_are_checked(void **state)
{
    (void)state;
    static const char *const keys[] = {"name", "size", "on", NULL};
    struct arena *arena = arena_create();
    struct error error = {0};
    struct json_at at = {.key = "a/b~c"};
    static const char text[] =
        "{\"name\":\"x\",\"size\":3,\"on\":true,\"f\":1.5,\"big\":9007199254740993}";
    cJSON *json = json_tree((struct json_text){text, strlen(text)}, &at, &error);
    const char *name = NULL;
    int64_t size = 0;
    bool on = false;
    assert_true(json_get_text(json, "name", JSON_NEEDED, arena, &name, &at, &error));
    assert_true(json_get_int(json, "size", JSON_NEEDED, 0, 3, &size, &at, &error));
    assert_true(json_get_bool(json, "on", JSON_NEEDED, &on, &at, &error));
    assert_string_equal(name, "x");
    assert_true(size == 3 && on);
    assert_true(json_get_text(json, "none", JSON_OPTIONAL, arena, &name, &at, &error));
    assert_string_equal(name, "x");
    assert_null(error.message);

    assert_false(json_get_text(json, "none", JSON_NEEDED, arena, &name, &at, &error));
    assert_string_equal(error.message, "/a~1b~0c: \"none\" is missing");
    assert_false(json_get_text(json, "size", JSON_NEEDED, arena, &name, &at, &error));
    assert_string_equal(error.message, "/a~1b~0c/size: a text is expected");
    assert_false(json_get_int(json, "size", JSON_NEEDED, 4, 9, &size, &at, &error));
    assert_string_equal(error.message, "/a~1b~0c/size: the number is not from 4 to 9");
    assert_false(json_get_int(json, "f", JSON_NEEDED, 0, 9, &size, &at, &error));
    assert_false(json_get_int(json, "big", JSON_NEEDED, 0, INT64_MAX, &size, &at, &error));
    assert_false(json_get_bool(json, "name", JSON_NEEDED, &on, &at, &error));
    assert_false(json_expect_object(json, keys, &at, &error));
    assert_string_equal(error.message, "/a~1b~0c/f: there is no such key here");
    assert_true(json_expect_object(json, NULL, &at, NULL));
    assert_false(json_expect_array(json, &at, NULL));
    cJSON_Delete(json);
    error_clear(&error);
    arena_destroy(arena);
}

static void test_duplicate_keys_are_refused(void **state)
{
    (void)state;
    struct error error = {0};
    cJSON *json = json_tree((struct json_text){"{\"a\":1,\"b\":2,\"a\":3}", 19}, NULL, &error);
    assert_false(json_expect_object(json, NULL, NULL, &error));
    assert_string_equal(error.message, "/a: the key is given twice");
    cJSON_Delete(json);
    error_clear(&error);
}

static void test_large_values_are_no_trees(void **state)
{
    (void)state;
    struct buffer text = {0};
    buffer_putc(&text, '[');
    while (text.length < JSON_TREE_BYTES_MAX) {
        buffer_puts(&text, "1,");
    }
    buffer_puts(&text, "1]");
    assert_true(json_check(text.data, text.length, NULL));
    assert_null(json_tree((struct json_text){text.data, text.length}, NULL, NULL));
    buffer_free(&text);
}

/* What another wrote may be any number: converting 1e300 would be undefined. */
static void whole_numbers_or_the_fallback(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t expected;
    } cases[] = {
        {"7", 7},      {"-7", -7},      {"9007199254740991", 9007199254740991}, {"1e300", -1},
        {"-1e300", -1}, {"1e99999", -1}, {"1.5", -1},                            {"\"7\"", -1},
        {"null", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *json = cJSON_Parse(cases[i].text);
        assert_true(json_int_or(json, -1) == cases[i].expected);
        cJSON_Delete(json);
    }
    assert_int_equal(json_int_or(NULL, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_texts_pass),
        cmocka_unit_test(test_invalid_texts_are_refused),
        cmocka_unit_test(test_prefixes_are_refused),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_error_says_the_place),
        cmocka_unit_test(test_cursor_walks_members),
        cmocka_unit_test(test_members_are_checked),
        cmocka_unit_test(test_duplicate_keys_are_refused),
        cmocka_unit_test(test_large_values_are_no_trees),
        cmocka_unit_test(whole_numbers_or_the_fallback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
