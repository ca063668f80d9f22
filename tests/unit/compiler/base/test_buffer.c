#include "compiler/base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"

static void every_length_is_kept_and_terminated(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    for (size_t i = 0; i < 5000; i++) {
        buffer_putc(&buffer, (char)('a' + i % 26));
        assert_int_equal(buffer.length, i + 1);
        assert_true(buffer.capacity > buffer.length);
        assert_int_equal(buffer.data[buffer.length], 0);
    }
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(buffer.data[i], 'a' + i % 26);
    }
    buffer_free(&buffer);
}

/* The NUL has room also where text and capacity end together. */
static void exactly_full(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof text);
    for (size_t length = 0; length < sizeof text; length++) {
        struct buffer appended = {0}, printed = {0}, extended = {0};
        buffer_append(&appended, text, length);
        buffer_printf(&printed, "%.*s", (int)length, text);
        memcpy(buffer_extend(&extended, length), text, length);
        assert_int_equal(strlen(buffer_text(&appended)), length);
        assert_string_equal(buffer_text(&appended), buffer_text(&printed));
        assert_string_equal(buffer_text(&appended), buffer_text(&extended));
        buffer_free(&appended);
        buffer_free(&printed);
        buffer_free(&extended);
    }
}

static void nul_bytes_are_bytes(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_append(&buffer, "a\0b", 3);
    buffer_putc(&buffer, '\0');
    buffer_puts(&buffer, "c");
    assert_int_equal(buffer.length, 5);
    assert_memory_equal(buffer.data, "a\0b\0c", 6);
    buffer_free(&buffer);
}

static void empty_is_a_text(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    assert_string_equal(buffer_text(&buffer), "");
    buffer_append(&buffer, NULL, 0);
    buffer_puts(&buffer, "");
    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer_text(&buffer), "");
    buffer_free(&buffer);
    char *stolen = buffer_steal(&buffer);
    assert_non_null(stolen);
    assert_string_equal(stolen, "");
    free(stolen);
}

static void what_is_stolen_is_the_callers(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_printf(&buffer, "%s %d", "volume", 12);
    char *stolen = buffer_steal(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.length, 0);
    buffer_puts(&buffer, "another");
    assert_string_equal(stolen, "volume 12");
    assert_string_equal(buffer_text(&buffer), "another");
    free(stolen);
    buffer_free(&buffer);
}

static void cleared_it_keeps_its_memory_only(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_clear(&buffer); /* never used */
    buffer_puts(&buffer, "before");
    size_t capacity = buffer.capacity;
    buffer_clear(&buffer);
    assert_string_equal(buffer_text(&buffer), "");
    assert_int_equal(buffer.capacity, capacity);
    buffer_puts(&buffer, "now");
    assert_string_equal(buffer_text(&buffer), "now");
    buffer_free(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.capacity, 0);
    buffer_free(&buffer);
}

static void printf_appends(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_puts(&buffer, "at ");
    buffer_printf(&buffer, "%*s", 1000, "end");
    assert_int_equal(buffer.length, 1003);
    assert_memory_equal(buffer.data, "at ", 3);
    assert_string_equal(buffer.data + 1000, "end");
    buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_is_kept_and_terminated),
        cmocka_unit_test(exactly_full),
        cmocka_unit_test(nul_bytes_are_bytes),
        cmocka_unit_test(empty_is_a_text),
        cmocka_unit_test(what_is_stolen_is_the_callers),
        cmocka_unit_test(cleared_it_keeps_its_memory_only),
        cmocka_unit_test(printf_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
