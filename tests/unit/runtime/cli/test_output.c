#include "runtime/cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/buffer.h"
#include "tests/unit/support/captured.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/scratch_folder.h"

static void plain(void)
{
    unsetenv("CLICOLOR_FORCE");
    unsetenv("NO_COLOR");
}

static char *in(const struct scratch_folder *folder, const char *name)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s", folder->path, name);
    return buffer_steal(&path);
}

static char *read_back(const char *path)
{
    struct buffer text = {0};
    FILE *file = fopen(path, "r");
    for (int c; file && (c = getc(file)) != EOF;) {
        buffer_putc(&text, (char)c);
    }
    if (file) {
        fclose(file);
    }
    return file ? buffer_steal(&text) : NULL;
}

static void errors_are_told_and_cleared(void **state)
{
    (void)state;
    plain();
    struct error error = {0};
    struct captured captured;
    error_set(&error, "reading x: gone");
    error_help(&error, "look again");
    captured_begin(&captured);
    enum exit_status status = tell_error(&error);
    captured_end(&captured);
    assert_int_equal(status, EXIT_ERROR);
    assert_string_equal(captured.err, "error: reading x: gone\n  help: look again\n");
    assert_string_equal(captured.out, "");
    assert_null(error.message);
    captured_free(&captured);
    setenv("CLICOLOR_FORCE", "1", 1);
    captured_begin(&captured);
    tell_error(&error); /* who failed said nothing */
    captured_end(&captured);
    assert_string_equal(captured.err, "\033[1;31merror\033[0m: failed\n");
    captured_free(&captured);
    plain();
}

static void colour_is_asked_for(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    plain();
    assert_false(wants_colour(file));
    setenv("CLICOLOR_FORCE", "0", 1);
    assert_false(wants_colour(file));
    setenv("CLICOLOR_FORCE", "1", 1);
    assert_true(wants_colour(file));
    setenv("NO_COLOR", "", 1); /* empty does not count: no-color.org */
    assert_true(wants_colour(file));
    setenv("NO_COLOR", "1", 1);
    assert_false(wants_colour(file));
    assert_int_equal(output_width(file), 100);
    plain();
    fclose(file);
}

static void a_file_is_whole_or_as_it_was(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    struct error error = {0};
    char *path = in(&folder, "graph.json"), *below = in(&folder, "none/graph.json");
    assert_true(write_file(path, "first", 5, &error));
    assert_true(write_file(path, "a\0b", 3, &error));
    char *text = read_back(path);
    assert_string_equal(text, "a");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 3);
    free(text);
    assert_false(write_file(below, "x", 1, &error));
    assert_non_null(strstr(error.message, "cannot write "));
    assert_non_null(strstr(error.message, "No such file or directory"));
    error_clear(&error);
    free(path);
    free(below);
    scratch_remove(&folder);
}

/* What is no regular file is written to, not renamed over. */
static void devices_are_written_through(void **state)
{
    (void)state;
    struct error error = {0};
    assert_true(write_file("/dev/null", "x", 1, &error));
    assert_false(write_file("/dev/full", "x", 1, &error));
    assert_string_equal(error.message, "cannot write /dev/full: No space left on device");
    error_clear(&error);
    struct stat info;
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode)); /* not renamed over */
}

static void a_result_goes_where_it_is_wanted(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    struct invocation invocation = {0};
    struct error error = {0};
    struct captured captured;
    struct buffer text = {0};
    buffer_puts(&text, "result\n");
    static const char *const stdouts[] = {NULL, "-"};
    for (int i = 0; i < 2; i++) {
        invocation.values[FLAG_OUTPUT] = stdouts[i];
        captured_begin(&captured);
        bool ok = write_result(&invocation, &text, &error);
        captured_end(&captured);
        assert_true(ok);
        assert_string_equal(captured.out, "result\n");
        captured_free(&captured);
    }
    char *path = in(&folder, "out");
    invocation.values[FLAG_OUTPUT] = path;
    captured_begin(&captured);
    bool ok = write_result(&invocation, &text, &error);
    captured_end(&captured);
    assert_true(ok);
    assert_string_equal(captured.out, "");
    char *written = read_back(path);
    assert_string_equal(written, "result\n");
    captured_free(&captured);
    free(written);
    free(path);
    buffer_free(&text);
    scratch_remove(&folder);
}

/* Anything but the word is a no. */
static void only_yes_is_yes(void **state)
{
    (void)state;
    static const struct {
        const char *typed;
        bool yes;
    } cases[] = {{"yes\n", true}, {"y\n", false},     {"", false},   {"YES\n", false},
                 {"yes", false},  {"yes sir\n", false}, {"\n", false}, {" yes\n", false}};
    int saved = dup(STDIN_FILENO);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *file = tmpfile();
        fputs(cases[i].typed, file);
        rewind(file);
        dup2(fileno(file), STDIN_FILENO);
        clearerr(stdin);
        fflush(stdin);
        struct captured captured;
        captured_begin(&captured);
        bool yes = ask_yes();
        captured_end(&captured);
        fclose(file);
        assert_int_equal(yes, cases[i].yes);
        assert_non_null(strstr(captured.err, "Only \"yes\" goes on"));
        captured_free(&captured);
    }
    dup2(saved, STDIN_FILENO);
    close(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_told_and_cleared),
        cmocka_unit_test(colour_is_asked_for),
        cmocka_unit_test(a_file_is_whole_or_as_it_was),
        cmocka_unit_test(devices_are_written_through),
        cmocka_unit_test(a_result_goes_where_it_is_wanted),
        cmocka_unit_test(only_yes_is_yes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
