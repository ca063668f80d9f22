/* Journal: made, opened, written, read back.
 * Covers: journal_file.c journal_read.c */
#include "runtime/state/journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/state_directory.h"

struct lines {
    struct buffer text;
    int64_t last;
    int stop_after;
};

static bool collect(void *context, int64_t number, const char *record)
{
    struct lines *lines = context;
    buffer_printf(&lines->text, "%lld %s\n", (long long)number, record);
    lines->last = number;
    return --lines->stop_after != 0;
}

static struct journal *create(const char *directory, char path[128])
{
    snprintf(path, 128, "%s/journal.db", directory);
    struct error error = {0};
    struct journal *journal = journal_create(path, &error);
    assert_non_null(journal);
    return journal;
}

static void write_file(const char *path, const char *text, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

static void test_groups(void **state)
{
    char path[128];
    struct journal *journal = create(*state, path);
    assert_false(journal_is_dirty(journal));
    assert_true(journal_commit(journal, NULL)); /* nothing: no group */
    assert_int_equal(journal_number(journal), 0);
    journal_append(journal, "{\"a\":1}");
    journal_append(journal, "{\"b\":2}");
    assert_true(journal_is_dirty(journal));
    assert_true(journal_commit(journal, NULL));
    journal_append(journal, "{\"c\":3}");
    assert_true(journal_commit(journal, NULL));
    journal_append(journal, "{\"lost\":4}"); /* never committed */
    journal_close(journal);
    journal = journal_open(path, true, NULL);
    assert_int_equal(journal_number(journal), 2);
    struct lines lines = {0};
    assert_true(journal_replay(journal, collect, &lines, NULL));
    assert_string_equal(lines.text.data, "1 {\"a\":1}\n1 {\"b\":2}\n2 {\"c\":3}\n");
    buffer_clear(&lines.text);
    lines.stop_after = 1;
    assert_true(journal_replay(journal, collect, &lines, NULL));
    assert_string_equal(lines.text.data, "1 {\"a\":1}\n");
    buffer_free(&lines.text);
    journal_close(journal);
}

static void test_mode_and_existing(void **state)
{
    char path[128];
    struct journal *journal = create(*state, path);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    struct error error = {0};
    assert_null(journal_create(path, &error));
    assert_non_null(strstr(error.message, "File exists"));
    error_clear(&error);
    journal_close(journal);
}

/* A process was killed while it made one: the next takes no notice of the halves. */
static void test_halves(void **state)
{
    static const char *const halves[] = {".new", ".new-journal", ".new-wal", ".new-shm"};
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        char half[160];
        snprintf(half, sizeof half, "%s/journal.db%s", (const char *)*state, halves[i]);
        write_file(half, "half a journal", 14);
    }
    char path[128];
    struct journal *journal = create(*state, path);
    journal_append(journal, "{}");
    assert_true(journal_commit(journal, NULL));
    journal_close(journal);
    char left[160];
    snprintf(left, sizeof left, "%s.new-journal", path);
    assert_int_not_equal(access(left, F_OK), 0);
}

static void test_blobs(void **state)
{
    char path[128];
    struct journal *journal = create(*state, path);
    static const char bytes[] = "a\0b";
    struct error error = {0};
    assert_true(journal_put_blob(journal, "plan", bytes, 3, &error));
    assert_true(journal_put_blob(journal, "empty", NULL, 0, &error));
    void *read = NULL;
    size_t length = 99;
    assert_true(journal_get_blob(journal, "plan", &read, &length, &error));
    assert_int_equal(length, 3);
    assert_memory_equal(read, "a\0b\0", 4);
    free(read);
    assert_true(journal_get_blob(journal, "empty", &read, &length, &error));
    assert_int_equal(length, 0);
    free(read);
    assert_false(journal_get_blob(journal, "none", &read, &length, &error));
    assert_null(error.message);
    assert_true(journal_put_blob(journal, "plan", "x", 1, &error)); /* by a resume, anew */
    assert_true(journal_get_blob(journal, "plan", &read, &length, &error));
    assert_int_equal(length, 1);
    free(read);
    journal_close(journal);
}

static void test_summary(void **state)
{
    char path[128];
    struct journal *journal = create(*state, path);
    struct arena *arena = arena_create();
    journal_summarize(journal, "status", "running");
    assert_null(journal_summary(journal, arena, "status")); /* not yet durable */
    assert_true(journal_commit(journal, NULL));
    journal_summarize(journal, "status", "failed");
    journal_append(journal, "{}");
    assert_true(journal_commit(journal, NULL));
    assert_string_equal(journal_summary(journal, arena, "status"), "failed");
    arena_destroy(arena);
    journal_close(journal);
}

static void refuse(const char *path, const char *why)
{
    struct error error = {0};
    assert_null(journal_open(path, false, &error));
    assert_non_null(error.message);
    if (!strstr(error.message, why) || !strstr(error.message, path)) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
    }
    error_clear(&error);
}

static void test_other_files(void **state)
{
    char path[128];
    snprintf(path, sizeof path, "%s/other", (const char *)*state);
    refuse(path, "No such file");
    write_file(path, "this is a text and no database at all, long enough to have a header of its own, "
                     "and then some more of it", 105);
    refuse(path, "not a database");
    write_file(path, "", 0);
    refuse(path, "not a journal of drc");
}

/* Cut in the middle: an error, whichever part is read. */
static void test_truncated(void **state)
{
    char path[128];
    struct journal *journal = create(*state, path);
    for (int i = 0; i < 200; i++) {
        journal_append(journal, "{\"r\":\"done\",\"n\":1,\"text\":\"some bytes to fill pages with\"}");
        assert_true(journal_commit(journal, NULL));
    }
    journal_close(journal);
    assert_int_equal(truncate(path, 5000), 0);
    struct error error = {0};
    journal = journal_open(path, true, &error);
    struct lines lines = {0};
    bool ok = journal && journal_replay(journal, collect, &lines, &error);
    assert_false(ok);
    assert_non_null(error.message);
    error_clear(&error);
    buffer_free(&lines.text);
    journal_close(journal);
}

static void test_missing_directory(void **state)
{
    char path[128];
    snprintf(path, sizeof path, "%s/none/journal.db", (const char *)*state);
    struct error error = {0};
    assert_null(journal_create(path, &error));
    assert_non_null(strstr(error.message, "creating the journal"));
    assert_non_null(error.help);
    error_clear(&error);
}

/* After one failed write nothing is written any more, also when there is room again. */
static void test_disk_full(void **state)
{
    char path[128];
    struct journal *journal = create(*state, path);
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    struct buffer large = {0};
    for (int i = 0; i < 40000; i++) {
        buffer_puts(&large, "0123456789");
    }
    journal_append(journal, buffer_text(&large));
    struct error error = {0};
    bool ok = journal_commit(journal, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(ok);
    assert_non_null(strstr(error.message, "writing the journal"));
    assert_non_null(error.help);
    error_clear(&error);
    journal_append(journal, "{}");
    assert_false(journal_commit(journal, &error));
    assert_non_null(strstr(error.message, "an earlier write failed"));
    assert_false(journal_put_blob(journal, "x", "y", 1, &error));
    error_clear(&error);
    buffer_free(&large);
    journal_close(journal);
    journal = journal_open(path, false, NULL);
    assert_int_equal(journal_number(journal), 0);
    journal_close(journal);
}

/* What is written to a file without a name is lost with the process. */
static void test_removed_under_way(void **state)
{
    char path[128], away[160];
    struct journal *journal = create(*state, path);
    journal_append(journal, "{}");
    assert_true(journal_commit(journal, NULL));
    snprintf(away, sizeof away, "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    journal_append(journal, "{}");
    struct error error = {0};
    assert_false(journal_commit(journal, &error));
    assert_non_null(strstr(error.message, "removed or moved away"));
    assert_non_null(strstr(error.help, "drc run orphans PLAN"));
    error_clear(&error);
    journal_close(journal);

    struct journal *other = create(*state, path); /* another file of that name is not it either */
    journal = journal_open(away, false, NULL);
    assert_int_equal(rename(path, away), 0);
    journal_append(journal, "{}");
    assert_false(journal_commit(journal, NULL));
    journal_close(journal);
    journal_close(other);
}

static void test_read_only(void **state)
{
    char path[128];
    struct journal *journal = create(*state, path);
    struct journal *reader = journal_open(path, true, NULL);
    journal_append(reader, "{}");
    struct error error = {0};
    assert_false(journal_commit(reader, &error));
    assert_non_null(strstr(error.message, "reading only"));
    error_clear(&error);
    journal_close(reader);
    journal_close(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_groups, state_directory_make, state_directory_remove),
        cmocka_unit_test_setup_teardown(test_mode_and_existing, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_halves, state_directory_make, state_directory_remove),
        cmocka_unit_test_setup_teardown(test_blobs, state_directory_make, state_directory_remove),
        cmocka_unit_test_setup_teardown(test_summary, state_directory_make, state_directory_remove),
        cmocka_unit_test_setup_teardown(test_other_files, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_truncated, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_missing_directory, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_disk_full, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_removed_under_way, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_read_only, state_directory_make,
                                        state_directory_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
