/* JSON writer: escapes, numbers, layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"

static void expect_text(const char *text, const char *wanted)
{
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 0);
    json_string(&json, text);
    assert_string_equal(buffer_text(&out), wanted);
    assert_true(json_check(out.data, out.length, NULL));
    buffer_free(&out);
}

static void test_strings(void **state)
{
    (void)state;
    expect_text("", "\"\"");
    expect_text("plain täxt 😀", "\"plain täxt 😀\"");
    expect_text("\"", "\"\\\"\"");
    expect_text("a\\b\"c", "\"a\\\\b\\\"c\"");
    expect_text("\n\t\r\x01\x1f\x7f", "\"\\n\\t\\r\\u0001\\u001f\\u007f\"");
    expect_text("end\n", "\"end\\n\"");
}

static void test_numbers(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 0);
    json_begin_array(&json);
    json_int(&json, 0);
    json_int(&json, -1);
    json_int(&json, 1234567890);
    json_int(&json, INT64_MAX);
    json_int(&json, INT64_MIN);
    json_number(&json, 0.1);
    json_number(&json, 1e300);
    json_bool(&json, false);
    json_null(&json);
    json_end_array(&json);
    assert_string_equal(buffer_text(&out),
                        "[0,-1,1234567890,9223372036854775807,-9223372036854775808,0.1,1e+300,"
                        "false,null]");
    buffer_free(&out);
}

static void test_layout(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 2);
    json.compact_from = 1;
    json_begin_object(&json);
    json_key_string(&json, "a\"b", "c");
    json_key_string(&json, "absent", NULL);
    json_key(&json, "list");
    json_begin_array(&json);
    json_int(&json, 1);
    json_begin_object(&json);
    json_key_int(&json, "x", 2);
    json_key_bool(&json, "y", true);
    json_end_object(&json);
    json_end_array(&json);
    json_key(&json, "empty");
    json_begin_object(&json);
    json_end_object(&json);
    json_end_object(&json);
    assert_string_equal(buffer_text(&out), "{\n"
                                           "  \"a\\\"b\": \"c\",\n"
                                           "  \"list\": [1, {\"x\": 2, \"y\": true}],\n"
                                           "  \"empty\": {}\n"
                                           "}\n");
    buffer_free(&out);
}

static void test_deep_indentation(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct json_writer json = json_writer(&out, 8);
    for (int i = 0; i < 30; i++) {
        json_begin_array(&json);
    }
    json_int(&json, 7);
    for (int i = 0; i < 30; i++) {
        json_end_array(&json);
    }
    assert_true(json_check(out.data, out.length, NULL));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_deep_indentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
