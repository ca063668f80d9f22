#include "compiler/base/error.h"

#include <string.h>

#include "tests/unit/support/cmocka_all.h"

static void set_replaces_and_is_always_false(void **state)
{
    (void)state;
    struct error error = {0};
    assert_false(error_set(&error, "reading %s", "plan.yaml"));
    assert_string_equal(error.message, "reading plan.yaml");
    assert_null(error.help);
    assert_false(error_set(&error, "second: %s", error.message)); /* of itself */
    assert_string_equal(error.message, "second: reading plan.yaml");
    assert_false(error_help(&error, "try %d", 1));
    assert_false(error_help(&error, "try %d", 2));
    assert_string_equal(error.help, "try 2");
    error_clear(&error);
    assert_null(error.message);
    assert_null(error.help);
    error_clear(&error);
}

static void prefix_goes_before_and_keeps_the_help(void **state)
{
    (void)state;
    struct error error = {0};
    error_set(&error, "no such file");
    error_help(&error, "make it");
    assert_false(error_prefix(&error, "%s line %d", "facts", 7));
    assert_false(error_prefix(&error, "outer"));
    assert_string_equal(error.message, "outer: facts line 7: no such file");
    assert_string_equal(error.help, "make it");
    error_clear(&error);
    assert_false(error_prefix(&error, "reading")); /* whoever failed said nothing */
    assert_string_equal(error.message, "reading: failed");
    error_clear(&error);
}

static void move_leaves_nothing_behind(void **state)
{
    (void)state;
    struct error from = {0}, to = {0};
    error_set(&to, "old");
    error_help(&to, "old help");
    error_set(&from, "new");
    assert_false(error_move(&to, &from));
    assert_string_equal(to.message, "new");
    assert_null(to.help); /* not the help of another error */
    assert_null(from.message);
    assert_false(error_move(&to, &to));
    assert_string_equal(to.message, "new");
    error_clear(&to);
}

static void whether_it_passes_goes_along(void **state)
{
    (void)state;
    struct error from = {0}, to = {0};
    error_set(&from, "HTTP 503");
    error_help(&from, "wait");
    from.passing = true;
    error_set(&to, "old");
    assert_false(error_copy(&to, &from));
    assert_string_equal(to.message, "HTTP 503");
    assert_string_equal(to.help, "wait");
    assert_true(to.passing);
    error_prefix(&to, "reading");
    assert_true(to.passing);
    error_move(&from, &to);
    assert_true(from.passing);
    error_set(&from, "HTTP 403"); /* another one */
    assert_false(from.passing);
    assert_false(error_copy(&from, NULL));
    assert_string_equal(from.message, "failed");
    assert_null(from.help);
    error_clear(&from);
}

/* Nobody wants to know: nothing is kept, nothing is lost (valgrind, ASan). */
static void null_is_allowed(void **state)
{
    (void)state;
    struct error from = {0};
    assert_false(error_set(NULL, "%s", "x"));
    assert_false(error_help(NULL, "x"));
    assert_false(error_prefix(NULL, "x"));
    error_set(&from, "dropped");
    error_help(&from, "dropped too");
    assert_false(error_move(NULL, &from));
    assert_null(from.message);
    assert_null(from.help);
    error_clear(NULL);
}

static void messages_have_no_limit(void **state)
{
    (void)state;
    struct error error = {0};
    error_set(&error, "%*s", 100000, "end");
    assert_int_equal(strlen(error.message), 100000);
    error_prefix(&error, "%*s", 100000, "start");
    assert_int_equal(strlen(error.message), 200002);
    error_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_replaces_and_is_always_false),
        cmocka_unit_test(prefix_goes_before_and_keeps_the_help),
        cmocka_unit_test(move_leaves_nothing_behind),
        cmocka_unit_test(whether_it_passes_goes_along),
        cmocka_unit_test(null_is_allowed),
        cmocka_unit_test(messages_have_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
