#include "runtime/world/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/state_directory.h"

struct fixture {
    void *directory;
    struct arena *arena;
    struct error error;
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    *state = f;
    return state_directory_make(&f->directory);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    state_directory_remove(&f->directory);
    arena_destroy(f->arena);
    error_clear(&f->error);
    free(f);
    return 0;
}

static const char *in(const struct fixture *f, const char *name)
{
    return arena_printf(f->arena, "%s/%s", (const char *)f->directory, name);
}

static int mode_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int)(info.st_mode & 07777) : -1;
}

static void directories_are_made_on_the_way(void **state)
{
    struct fixture *f = *state;
    assert_true(files_make_directory(in(f, "a/b/c"), &f->error));
    assert_int_equal(mode_of(in(f, "a/b")), 0700);
    assert_int_equal(mode_of(in(f, "a/b/c")), 0700);
    assert_true(files_make_directory(in(f, "a/b/c/"), &f->error)); /* it is there already */
    assert_true(files_make_parents(in(f, "x/y/run.db"), &f->error));
    assert_int_equal(mode_of(in(f, "x/y")), 0700);
    assert_int_equal(mode_of(in(f, "x/y/run.db")), -1);
    assert_true(files_make_parents("run.db", &f->error)); /* in the working directory */
    assert_null(f->error.message);
}

static void a_file_in_the_way_is_told(void **state)
{
    struct fixture *f = *state;
    assert_true(files_write_atomically(in(f, "file"), "x", 1, &f->error));
    assert_false(files_make_directory(in(f, "file"), &f->error));
    assert_non_null(strstr(f->error.message, "making the directory"));
    assert_non_null(strstr(f->error.help, "a file stands where a directory is needed"));
    error_clear(&f->error);
    assert_false(files_make_directory(in(f, "file/below"), &f->error));
    assert_non_null(strstr(f->error.help, "--state"));
}

static void written_is_read_with_its_nul_bytes(void **state)
{
    struct fixture *f = *state;
    size_t length = 0;
    assert_true(files_write_atomically(in(f, "f"), "a\0b", 3, &f->error));
    assert_int_equal(mode_of(in(f, "f")), 0600);
    const char *text = files_read(f->arena, in(f, "f"), 3, &length, &f->error);
    assert_non_null(text);
    assert_int_equal(length, 3);
    assert_memory_equal(text, "a\0b", 4);
    assert_true(files_write_atomically(in(f, "f"), "", 0, &f->error)); /* replaced, and empty */
    text = files_read(f->arena, in(f, "f"), 3, &length, &f->error);
    assert_int_equal(length, 0);
    assert_string_equal(text, "");
}

static void nothing_is_left_of_a_failed_write(void **state)
{
    struct fixture *f = *state;
    assert_true(files_make_directory(in(f, "d"), &f->error));
    assert_false(files_write_atomically(in(f, "d"), "x", 1, &f->error)); /* a directory is there */
    assert_non_null(strstr(f->error.message, "writing "));
    const char *beside = arena_printf(f->arena, "%s.%ld.tmp", in(f, "d"), (long)getpid());
    assert_int_equal(access(beside, F_OK), -1);
    error_clear(&f->error);
    assert_false(files_write_atomically(in(f, "none/f"), "x", 1, &f->error));
    assert_non_null(strstr(f->error.message, "No such file"));
}

static void absence_is_no_error(void **state)
{
    struct fixture *f = *state;
    size_t length = 0;
    assert_null(files_read(f->arena, in(f, "none"), 10, &length, &f->error));
    assert_null(files_read(f->arena, in(f, "none/below"), 10, &length, &f->error));
    assert_null(f->error.message);
}

/* A pipe that nobody writes to must not hold the run up. */
static void only_small_regular_files_are_read(void **state)
{
    struct fixture *f = *state;
    size_t length = 0;
    assert_true(files_write_atomically(in(f, "f"), "12345", 5, &f->error));
    assert_null(files_read(f->arena, in(f, "f"), 4, &length, &f->error));
    assert_non_null(strstr(f->error.message, "larger than 4 bytes"));
    error_clear(&f->error);
    assert_null(files_read(f->arena, f->directory, 4, &length, &f->error));
    assert_non_null(strstr(f->error.message, "not a regular file"));
    error_clear(&f->error);
    assert_int_equal(mkfifo(in(f, "pipe"), 0600), 0);
    assert_null(files_read(f->arena, in(f, "pipe"), 4, &length, &f->error));
    assert_non_null(strstr(f->error.message, "not a regular file"));
}

static void help_fits_the_reason(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int reason;
        const char *help;
    } cases[] = {
        {ENOSPC, "free some disk space"}, {EDQUOT, "free some disk space"},
        {EACCES, "writable"},             {EROFS, "writable"},
        {ENOTDIR, "a file stands"},       {EIO, "--state"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(files_error(&f->error, cases[i].reason, "writing", "/x/y"));
        assert_non_null(strstr(f->error.message, "writing /x/y: "));
        assert_non_null(strstr(f->error.message, strerror(cases[i].reason)));
        assert_int_equal(f->error.help != NULL, cases[i].help != NULL);
        if (cases[i].help) {
            assert_non_null(strstr(f->error.help, cases[i].help));
        }
        error_clear(&f->error);
    }
}

static void what_others_can_write_is_refused(void **state)
{
    struct fixture *f = *state;
    const char *path = in(f, "d"), *link = in(f, "link");
    assert_true(files_check_private(path, false, &f->error)); /* nothing there is nobody's */
    assert_true(files_make_directory(path, &f->error));
    assert_int_equal(symlink(path, link), 0);
    assert_true(files_check_private(link, true, &f->error));
    static const unsigned bad[] = {0720, 0702, 0777, 01777};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_false(files_check_private(path, false, &f->error));
        assert_non_null(strstr(f->error.message, "can be written by other users"));
        assert_non_null(strstr(f->error.help, "chmod go-w"));
        error_clear(&f->error);
    }
    assert_int_equal(chmod(path, 0755), 0);
    assert_true(files_check_private(path, false, &f->error));
    assert_false(files_check_private(link, false, &f->error));
    assert_non_null(strstr(f->error.message, "is a symbolic link"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(directories_are_made_on_the_way),    TEST(a_file_in_the_way_is_told),
        TEST(written_is_read_with_its_nul_bytes), TEST(nothing_is_left_of_a_failed_write),
        TEST(absence_is_no_error),                TEST(only_small_regular_files_are_read),
        TEST(help_fits_the_reason),               TEST(what_others_can_write_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
