#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/map.h"
#include "runtime/site/run_scripts.h"
#include "runtime/state/journal.h"

#define OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

struct fixture {
    char folder[64], path[100];
    struct arena *arena;
    struct plan plan;
    struct error error;
};

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    static const char *files[] = {"a.sh", "same.sh"};
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/drc-test-scripts-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/journal.db", f->folder);
    f->arena = arena_create();
    f->plan = (struct plan){
        .arena = f->arena, .directory = f->folder, .files = files, .file_count = 2};
    f->plan.file_digests.arena = f->arena;
    map_put(&f->plan.file_digests, "a.sh", (void *)OF_ABC);
    map_put(&f->plan.file_digests, "same.sh", (void *)OF_ABC);
    write_file(f, "a.sh", "abc");
    write_file(f, "same.sh", "abc");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    error_clear(&f->error);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static bool blobs_of(struct fixture *f, struct run_blob **blobs, size_t *count)
{
    const struct run_blob own[] = {{"plan", "p", 1}};
    return run_scripts_blobs(f->arena, &f->plan, own, 1, blobs, count, &f->error);
}

static void files_are_kept_once_by_digest(void **state)
{
    struct fixture *f = *state;
    struct run_blob *blobs;
    size_t count;
    assert_true(blobs_of(f, &blobs, &count));
    assert_int_equal(count, 2);
    assert_string_equal(blobs[0].name, "plan");
    assert_string_equal(blobs[1].name, "file:" OF_ABC);
    assert_int_equal(blobs[1].length, 3);
    assert_memory_equal(blobs[1].bytes, "abc", 3);
}

static void one_that_has_changed_is_refused(void **state)
{
    struct fixture *f = *state;
    struct run_blob *blobs;
    size_t count;
    write_file(f, "a.sh", "abd");
    assert_false(blobs_of(f, &blobs, &count));
    assert_non_null(strstr(f->error.message, "a.sh has changed while"));
}

static void one_that_is_gone_is_refused(void **state)
{
    struct fixture *f = *state;
    struct run_blob *blobs;
    size_t count;
    char path[100];
    snprintf(path, sizeof path, "%s/a.sh", f->folder);
    unlink(path);
    assert_false(blobs_of(f, &blobs, &count));
    assert_non_null(strstr(f->error.message, "a.sh with the run: it is gone"));
}

static void they_come_back_out_of_the_journal(void **state)
{
    struct fixture *f = *state;
    struct buffer bytes = {0};
    struct journal *journal = journal_create(f->path, &f->error);
    assert_non_null(journal);
    assert_true(journal_put_blob(journal, "file:" OF_ABC, "abc", 3, &f->error));
    struct script_source scripts = run_scripts_of(journal);
    assert_true(script_read(&scripts, "a.sh", OF_ABC, &bytes, &f->error));
    assert_string_equal(buffer_text(&bytes), "abc");
    char other[] = OF_ABC;
    other[0] = '0';
    assert_false(script_read(&scripts, "b.sh", other, &bytes, &f->error));
    assert_string_equal(f->error.message, "reading b.sh: the run does not hold it (0a7816b)");
    assert_non_null(f->error.help);
    buffer_free(&bytes);
    journal_close(journal);
}

int main(void)
{
#define SCRIPTS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SCRIPTS_TEST(files_are_kept_once_by_digest),
        SCRIPTS_TEST(one_that_has_changed_is_refused),
        SCRIPTS_TEST(one_that_is_gone_is_refused),
        SCRIPTS_TEST(they_come_back_out_of_the_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
