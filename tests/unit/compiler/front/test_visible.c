#include "compiler/front/visible.h"

#include <string.h>

#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

/* No text of a plan may command the terminal or hide itself: what comes out has no control and no
 * formatting characters, whatever goes in. */
static void nothing_invisible_comes_out(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x1b[31m",     "\x07",         "\r",           "\x7f",
                                      "\xe2\x80\xae", "\xe2\x80\x8b", "\xef\xbb\xbf", "\xc2\x9b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buffer out = {0};
        char text[32] = "a";
        strcat(strcat(text, bad[i]), "b");
        visible_text(&out, text);
        assert_null(strstr(buffer_text(&out), bad[i]));
        for (size_t k = 0; k < out.length; k++) {
            assert_true((unsigned char)out.data[k] >= 0x20 && out.data[k] != 0x7f);
        }
        assert_int_equal(out.data[0], 'a');
        assert_int_equal(out.data[out.length - 1], 'b');
        buffer_free(&out);
    }
}

static void plain_text_stays(void **state)
{
    (void)state;
    struct buffer out = {0};
    visible_text(&out, "caf\xc3\xa9 \xe6\xbc\xa2 $x");
    assert_string_equal(buffer_text(&out), "caf\xc3\xa9 \xe6\xbc\xa2 $x");
    buffer_free(&out);
}

static void widths_are_columns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
        unsigned width;
    } cases[] = {{"a", 1, 1}, {"\xc3\xa9", 2, 1}, {"\xe6\xbc\xa2", 3, 2}, {"\xcc\x81", 2, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        unsigned width = 99;
        size_t length = strlen(cases[i].text);
        assert_int_equal(visible_character(&out, cases[i].text, length, &width), cases[i].bytes);
        assert_int_equal(width, cases[i].width);
        buffer_free(&out);
    }
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
    (void)state;
    struct buffer out = {0};
    visible_utf8(&out,
                 "a\0\xff"
                 "b\xc3",
                 5);
    assert_string_equal(buffer_text(&out), "a\xef\xbf\xbd\xef\xbf\xbd"
                                           "b\xef\xbf\xbd");
    buffer_free(&out);
}

static void offsets_and_counts_agree(void **state)
{
    (void)state;
    static const char line[] = "a\xc3\xa9\xe6\xbc\xa2z";
    static const size_t offsets[] = {0, 1, 3, 6, 7, 7};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        assert_int_equal(visible_offset(line, strlen(line), i), offsets[i]);
    }
    assert_int_equal(visible_count(line, strlen(line)), 4);
    assert_int_equal(visible_count(line, 3), 2);
    assert_int_equal(visible_count(line, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_invisible_comes_out),
        cmocka_unit_test(plain_text_stays),
        cmocka_unit_test(widths_are_columns),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
        cmocka_unit_test(offsets_and_counts_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
