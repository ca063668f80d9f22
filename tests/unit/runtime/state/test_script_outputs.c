#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/state/script_outputs.h"
#include "runtime/world/files.h"
#include "runtime/world/redactor.h"

struct fixture {
    char folder[64];
    struct arena *arena;
    struct redactor *redactor;
    struct script_outputs *outputs;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/drc-test-outputs-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->arena = arena_create();
    f->redactor = redactor_create();
    redactor_add(f->redactor, "correct horse battery");
    f->outputs = script_outputs_open(f->folder, f->redactor);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[100];
    script_outputs_close(f->outputs);
    redactor_destroy(f->redactor);
    arena_destroy(f->arena);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void say(struct fixture *f, int generation, bool first, const char *text)
{
    script_outputs_take(f->outputs, "db/post-boot-1/run-script", generation, first, text,
                        text ? strlen(text) : 0);
}

static void assert_kept(struct fixture *f, int generation, const char *expected)
{
    const char *path =
        script_outputs_find(f->arena, f->folder, "db/post-boot-1/run-script", generation);
    size_t length = 0;
    if (!expected) {
        assert_null(path);
        return;
    }
    assert_non_null(path);
    assert_string_equal(files_read(f->arena, path, 1 << 20, &length, NULL), expected);
}

static void what_is_written_is_kept(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    say(f, 0, true, "one\ntw");
    assert_kept(f, 0, "one\n"); /* whole lines: what is not whole cannot be redacted */
    say(f, 0, false, "o\nthree");
    say(f, 0, false, NULL);
    assert_kept(f, 0, "one\ntwo\nthree");
    char path[200];
    snprintf(path, sizeof path, "%s/output/db.post-boot-1.run-script.log", f->folder);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_null(script_outputs_failed(f->outputs));
}

static void secrets_are_not(void **state)
{
    struct fixture *f = *state;
    say(f, 0, true, "password: correct ho");
    say(f, 0, false, "rse battery\n");
    say(f, 0, false, NULL);
    assert_kept(f, 0, "password: [redacted]\n");
}

static void each_attempt_has_its_own(void **state)
{
    struct fixture *f = *state;
    say(f, 0, true, "first\n");
    say(f, 0, false, NULL);
    say(f, 1, true, "second\n");
    say(f, 1, false, NULL);
    say(f, 0, true, "awaited anew\n"); /* by a process that resumes the run */
    say(f, 0, true, "and once more\n"); /* and another one */
    assert_kept(f, 0, "and once more\n");
    assert_kept(f, 1, "second\n");
    assert_kept(f, 2, NULL);
}

static void a_line_without_end_is_kept_in_pieces(void **state)
{
    struct fixture *f = *state;
    char *text = arena_alloc(f->arena, 300001);
    memset(text, 'x', 300000);
    text[300000] = '\0';
    say(f, 0, true, text);
    say(f, 0, false, NULL);
    assert_kept(f, 0, text);
}

static void bytes_are_kept_as_they_are(void **state)
{
    struct fixture *f = *state;
    size_t length = 0;
    script_outputs_take(f->outputs, "n", 0, true, "\0\xff\n\0", 4);
    script_outputs_take(f->outputs, "n", 0, false, NULL, 0);
    const char *path = script_outputs_find(f->arena, f->folder, "n", 0);
    const char *bytes = files_read(f->arena, path, 100, &length, NULL);
    assert_int_equal(length, 4);
    assert_memory_equal(bytes, "\0\xff\n\0", 4);
}

static void what_cannot_be_written_is_told(void **state)
{
    struct fixture *f = *state;
    char path[100];
    snprintf(path, sizeof path, "%s/output", f->folder);
    fclose(fopen(path, "w"));
    say(f, 0, true, "one\n");
    say(f, 0, false, "two\n");
    say(f, 0, false, NULL);
    assert_non_null(strstr(script_outputs_failed(f->outputs), "run-script.log"));
    assert_kept(f, 0, NULL);
}

int main(void)
{
#define OUTPUTS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        OUTPUTS_TEST(what_is_written_is_kept),
        OUTPUTS_TEST(secrets_are_not),
        OUTPUTS_TEST(each_attempt_has_its_own),
        OUTPUTS_TEST(a_line_without_end_is_kept_in_pieces),
        OUTPUTS_TEST(bytes_are_kept_as_they_are),
        OUTPUTS_TEST(what_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
