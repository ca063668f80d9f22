/* Covers: call_file.c script_source.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "runtime/world/call_file.h"
#include "runtime/world/last_lines.h"
#include "runtime/world/redactor.h"
#include "runtime/world/script_source.h"

static void assert_last(const char *text, size_t length, bool cut, const char *expected)
{
    struct buffer out = {0};
    last_lines(&out, NULL, text, length, cut);
    assert_string_equal(buffer_text(&out), expected);
    buffer_free(&out);
}

static void the_last_lines_that_say_something(void **state)
{
    (void)state;
    assert_last("", 0, false, "");
    assert_last("\n \n\t\n", 5, false, "");
    assert_last("one", 3, false, "one");
    assert_last("one\n\ntwo \n\n", 11, false, "one | two");
    assert_last("1\n2\n3\n4\n", 8, false, "2 | 3 | 4");
    assert_last("ne\ntwo\n", 7, true, "two");    /* "one" lacks its beginning */
    assert_last("ne only", 7, true, "ne only"); /* and yet there is nothing else */
    assert_last("a\0b\x1b[1m\xff", 8, false, "a?b?[1m?");
}

static void a_long_line_shows_its_end(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text);
    memcpy(text, "first\n", 6);
    memcpy(text + sizeof text - 4, "end\n", 4);
    struct buffer out = {0};
    last_lines(&out, NULL, text, sizeof text, false);
    assert_int_equal(out.length, LAST_LINES_BYTES);
    assert_string_equal(out.data + out.length - 4, "xend");
    buffer_free(&out);
}

static void secrets_are_not_in_them_even_cut(void **state)
{
    (void)state;
    char text[2000];
    struct buffer out = {0};
    struct redactor *redactor = redactor_create();
    redactor_add(redactor, "correct horse battery");
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - LAST_LINES_BYTES - 10, "correct horse battery", 21);
    last_lines(&out, redactor, text, sizeof text, false);
    assert_null(strstr(buffer_text(&out), "battery"));
    buffer_free(&out);
    redactor_destroy(redactor);
}

static void assert_name(const char *id, int generation, const char *expected)
{
    struct buffer out = {0};
    call_file_name(id, generation, &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_free(&out);
}

static void nodes_have_files_of_their_own(void **state)
{
    (void)state;
    assert_name("db/post-boot-1/run-script", 0, "db.post-boot-1.run-script");
    assert_name("db/post-boot-1/run-script", 1, "db.post-boot-1.run-script.2");
    assert_name("a.b", 0, "a_b~2e7336dc8eba87ef");
    assert_name("../../etc/passwd", 0, "__.__.etc.passwd~3754d6cb3a38e118");
}

static void long_names_stay_names(void **state)
{
    (void)state;
    char id[2000];
    struct buffer out = {0};
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    call_file_name(id, 12345, &out);
    assert_true(out.length < 200);
    buffer_free(&out);
}

static bool give(void *context, const char *digest, struct buffer *out, struct error *error)
{
    (void)digest;
    if (!context) {
        return error_set(error, "there is none");
    }
    buffer_puts(out, context);
    return true;
}

static void scripts_are_held_against_their_digest(void **state)
{
    (void)state;
    const char *of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    struct script_source good = {"abc", give}, bad = {"abd", give}, none = {NULL, give}, unset = {0};
    struct buffer out = {0};
    struct error error = {0};
    assert_true(script_read(&good, "x.sh", of_abc, &out, &error));
    assert_string_equal(buffer_text(&out), "abc");
    assert_false(script_read(&bad, "x.sh", of_abc, &out, &error));
    assert_string_equal(error.message, "x.sh is not the script that was reviewed (ba7816b, now a52d159)");
    assert_int_equal(out.length, 3);
    error_clear(&error);
    assert_false(script_read(&none, "x.sh", of_abc, &out, &error));
    assert_string_equal(error.message, "reading x.sh: there is none");
    error_clear(&error);
    assert_false(script_read(&unset, "x.sh", of_abc, &out, &error));
    error_clear(&error);
    assert_false(script_read(&good, "x.sh", NULL, &out, &error));
    error_clear(&error);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_lines_that_say_something),
        cmocka_unit_test(a_long_line_shows_its_end),
        cmocka_unit_test(secrets_are_not_in_them_even_cut),
        cmocka_unit_test(nodes_have_files_of_their_own),
        cmocka_unit_test(long_names_stay_names),
        cmocka_unit_test(scripts_are_held_against_their_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
