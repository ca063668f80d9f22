#include "compiler/emit/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/buffer.h"

static void columns_are_those_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(text_columns(""), 0);
    assert_int_equal(text_columns("abc"), 3);
    assert_int_equal(text_columns("häuser"), 6);
    assert_int_equal(text_columns("数据库"), 6);
    assert_int_equal(text_columns("e\xcc\x81"), 1); /* a combining accent */
    assert_int_equal(text_columns("a\xff"
                                  "b"),
                     3);
}

static void nothing_reaches_a_terminal_that_steers_it(void **state)
{
    (void)state;
    struct buffer out = {0};
    text_put(&out, "a\033[31mb\nc\xff\xe2\x80\xae"
                   "d\xc2\x9b"
                   "e");
    assert_string_equal(buffer_text(&out), "a?[31mb?c??d?e");
    buffer_free(&out);
}

static void pads_by_columns(void **state)
{
    (void)state;
    struct buffer out = {0};
    text_pad(&out, "数据", 6);
    buffer_putc(&out, '|');
    text_pad_left(&out, "9s", 4);
    buffer_putc(&out, '|');
    text_pad(&out, "longer", 3);
    assert_string_equal(buffer_text(&out), "数据  |  9s|longer");
    buffer_free(&out);
}

static const char *wrapped(struct buffer *out, const char *text, int column, int indent, int width)
{
    buffer_clear(out);
    text_wrap(out, text, column, indent, width);
    return buffer_text(out);
}

static void wraps_at_spaces(void **state)
{
    (void)state;
    struct buffer out = {0};
    assert_string_equal(wrapped(&out, "one two three", 0, 2, 8), "one two\n  three");
    assert_string_equal(wrapped(&out, "one two three", 0, 2, 0), "one two three");
    assert_string_equal(wrapped(&out, "one two", 6, 2, 9), "one\n  two");
    assert_string_equal(wrapped(&out, "unbreakable word", 0, 2, 5), "unbreakable\n  word");
    assert_string_equal(wrapped(&out, "a  b", 0, 0, 80), "a b");
    assert_string_equal(wrapped(&out, "", 0, 0, 80), "");
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_those_of_a_terminal),
        cmocka_unit_test(nothing_reaches_a_terminal_that_steers_it),
        cmocka_unit_test(pads_by_columns),
        cmocka_unit_test(wraps_at_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
