/* The folder in which an export makes its file: what killed ones have left goes, and nothing else. */
#include "runtime/mover/export_folder.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/scratch_folder.h"

static void path_in(char out[200], const struct scratch_folder *scratch, const char *name)
{
    snprintf(out, 200, "%s/%s", scratch->path, name);
}

static bool is_there(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static void write_file(const char *folder, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("x", file);
    fclose(file);
}

/* Makes one in another process, which is killed: its folder's name. */
static void leave_one(const char *target, char left[200])
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct export_folder folder;
        if (export_folder_make(&folder, target) == 0) {
            write_file(folder.path, "db.raw");
            dprintf(ends[1], "%s", folder.path);
        }
        _exit(0); /* gives back nothing by itself */
    }
    close(ends[1]);
    memset(left, 0, 200);
    assert_true(read(ends[0], left, 199) > 0);
    close(ends[0]);
    waitpid(child, NULL, 0);
}

static void test_leftovers_go(void **state)
{
    (void)state;
    struct scratch_folder scratch = scratch_create();
    struct export_folder first, second;
    char target[200], left[200];
    path_in(target, &scratch, "db.raw");
    assert_int_equal(export_folder_make(&first, target), 0);
    write_file(first.path, "db.raw");
    leave_one(target, left);
    assert_true(is_there(left));
    assert_int_equal(export_folder_make(&second, target), 0);
    assert_false(is_there(left));
    assert_true(is_there(first.path)); /* whose process lives */
    assert_string_not_equal(first.path, second.path);
    char *path = strdup(first.path);
    export_folder_remove(&first);
    export_folder_remove(&second);
    export_folder_remove(&second);
    assert_false(is_there(path));
    free(path);
    scratch_remove(&scratch);
}

static void test_what_is_not_ours_stays(void **state)
{
    (void)state;
    struct scratch_folder scratch = scratch_create();
    struct export_folder folder;
    char target[200], other[200], inside[220], link[200], file[200];
    path_in(target, &scratch, "db.raw");
    path_in(other, &scratch, ".drc-export-tree");
    path_in(link, &scratch, ".drc-export-link");
    path_in(file, &scratch, ".drc-export-file");
    snprintf(inside, sizeof inside, "%s/deep", other);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(mkdir(inside, 0700), 0);
    write_file(inside, "kept");
    assert_int_equal(symlink(inside, link), 0);
    write_file(scratch.path, ".drc-export-file");
    assert_int_equal(export_folder_make(&folder, target), 0);
    export_folder_remove(&folder);
    assert_true(is_there(link) && is_there(file));
    strcat(inside, "/kept");
    assert_true(is_there(inside));
    path_in(target, &scratch, "none/db.raw");
    assert_int_equal(export_folder_make(&folder, target), ENOENT);
    export_folder_remove(&folder);
    unlink(inside);
    *strrchr(inside, '/') = '\0';
    rmdir(inside);
    rmdir(other);
    scratch_remove(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leftovers_go),
        cmocka_unit_test(test_what_is_not_ours_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
