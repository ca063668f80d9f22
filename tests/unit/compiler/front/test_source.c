#include "compiler/front/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"

static struct arena *arena;

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

static void assert_line(const struct source *source, uint32_t line, const char *text)
{
    size_t length;
    const char *bytes = source_line(source, line, &length);
    assert_int_equal(length, strlen(text));
    assert_memory_equal(bytes, text, length);
}

static struct source *from(const char *text)
{
    return source_from_text(arena, "a.yaml", text, strlen(text));
}

static void test_line_ends(void **state)
{
    (void)state;
    struct source *source = from("one\ntwo\r\nthree\rfour");
    assert_int_equal(source->line_count, 4);
    assert_line(source, 1, "one");
    assert_line(source, 2, "two");
    assert_line(source, 3, "three");
    assert_line(source, 4, "four");
    assert_line(source, 5, "");
    assert_line(source, 0, "");
}

static void test_closing_line_end_begins_an_empty_line(void **state)
{
    (void)state;
    struct source *source = from("one\n");
    assert_int_equal(source->line_count, 2);
    assert_line(source, 1, "one");
    assert_line(source, 2, "");
}

static void test_empty(void **state)
{
    (void)state;
    struct source *source = source_from_text(arena, "a", NULL, 0);
    assert_int_equal(source->line_count, 1);
    assert_line(source, 1, "");
    assert_string_equal(source->text, "");
}

static void test_byte_order_mark_is_dropped(void **state)
{
    (void)state;
    struct source *source = from("\xEF\xBB\xBFname: x");
    assert_string_equal(source->text, "name: x");
    assert_int_equal(source->length, 7);
}

static void test_reads_a_file_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/drc-test-source-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    char *text = malloc(300000);
    memset(text, 'x', 300000);
    assert_int_equal(write(file, text, 300000), 300000);
    close(file);
    struct error error = {0};
    struct source *source = source_read(arena, path, &error);
    assert_non_null(source);
    assert_int_equal(source->length, 300000);
    assert_memory_equal(source->text, text, 300000);
    free(text);
    unlink(path);
}

static void assert_refused(const char *path, const char *why)
{
    struct error error = {0};
    assert_null(source_read(arena, path, &error));
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, why));
    error_clear(&error);
}

static void test_refuses_what_it_cannot_read(void **state)
{
    (void)state;
    assert_refused("/nonexistent/plan.yaml", "No such file");
    assert_refused("/tmp", "directory");
}

/* A sparse file: nothing of it may be read. */
static void test_refuses_a_large_file_unread(void **state)
{
    (void)state;
    char path[] = "/tmp/drc-test-source-XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(ftruncate(file, 1 << 30), 0);
    size_t before = arena_bytes(arena);
    assert_refused(path, "larger than 64 MiB");
    assert_int_equal(arena_bytes(arena), before);
    assert_int_equal(ftruncate(file, SOURCE_SIZE_MAX + 1), 0);
    assert_refused(path, "larger than 64 MiB");
    close(file);
    unlink(path);
}

static void test_refuses_an_endless_stream(void **state)
{
    (void)state;
    assert_refused("/dev/zero", "larger than 64 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closing_line_end_begins_an_empty_line, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_byte_order_mark_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reads_a_file_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_what_it_cannot_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_a_large_file_unread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_an_endless_stream, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
