/* Covers: program.c */
#include "runtime/world/secret.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/buffer.h"
#include "runtime/world/redactor.h"
#include "tests/unit/support/cmocka_all.h"

struct fixture {
    struct world *world;
    char folder[64];
    bool done;
    char value[200], message[400], help[400];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/drc-secret-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->world = world_real_create(NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"secret", "program", "fifo"};
    world_destroy(f->world);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
        unlink(path);
    }
    rmdir(f->folder);
    free(f);
    return 0;
}

static void put_file(struct fixture *f, const char *name, const char *text, size_t length, int mode)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(file, text, length), length);
    assert_int_equal(fchmod(file, (mode_t)mode), 0);
    close(file);
}

static void keep(void *context, const char *value, const struct error *error)
{
    struct fixture *f = context;
    assert_true((value == NULL) == (error != NULL));
    f->done = true;
    snprintf(f->value, sizeof f->value, "%s", value ? value : "");
    snprintf(f->message, sizeof f->message, "%s", error ? error->message : "");
    snprintf(f->help, sizeof f->help, "%s", error && error->help ? error->help : "");
}

static const char *get(struct fixture *f, const char *reference)
{
    char plan[100];
    snprintf(plan, sizeof plan, "%s/plan.yaml", f->folder);
    f->done = false;
    secret_look_up(f->world, reference, plan, keep, f);
    assert_false(f->done);
    world_run(f->world, &f->done);
    return f->value;
}

static bool is_hidden(struct fixture *f, const char *text)
{
    return redactor_finds(world_redactor(f->world), text, strlen(text));
}

static void from_everywhere(void **state)
{
    struct fixture *f = *state;
    static const char program[] = "#!/bin/sh\necho \"from a program $#\"\n";
    setenv("DRC_TEST_SECRET", "from the environment", 1);
    put_file(f, "secret", "from a file\r\n", 13, 0600);
    put_file(f, "program", program, sizeof program - 1, 0700);
    assert_string_equal(get(f, "env:DRC_TEST_SECRET"), "from the environment");
    assert_string_equal(get(f, "file:secret"), "from a file");
    assert_string_equal(get(f, "command:program"), "from a program 0");
    assert_true(is_hidden(f, "it was from the environment, really"));
    assert_true(is_hidden(f, "and from a file"));
    assert_true(is_hidden(f, "and from a program 0"));
    assert_false(is_hidden(f, "and nothing else"));
    char absolute[200];
    snprintf(absolute, sizeof absolute, "file:%s/secret", f->folder);
    assert_string_equal(get(f, absolute), "from a file");
    unsetenv("DRC_TEST_SECRET");
}

static void what_others_can_read_is_refused(void **state)
{
    static const int modes[] = {0640, 0604, 0620, 0601, 0777};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        put_file(f, "secret", "well known", 10, modes[i]);
        assert_string_equal(get(f, "file:secret"), "");
        assert_non_null(strstr(f->message, "others than its owner can get at it"));
        assert_non_null(strstr(f->help, "chmod 600"));
    }
    assert_false(is_hidden(f, "well known"));
    put_file(f, "secret", "well kept", 9, 0400);
    assert_string_equal(get(f, "file:secret"), "well kept");
}

static void what_is_wrong_is_told(void **state)
{
    struct fixture *f = *state;
    static const char fails[] = "#!/bin/sh\necho half a secret\nexit 3\n";
    char path[100], *large = calloc(1, 70000);
    get(f, "env:DRC_TEST_NOWHERE");
    assert_string_equal(
        f->message, "the secret env:DRC_TEST_NOWHERE is not there: DRC_TEST_NOWHERE is not set");
    get(f, "file:secret");
    assert_non_null(strstr(f->message, "cannot be read: No such file"));
    put_file(f, "secret", "\n", 1, 0600);
    get(f, "file:secret");
    assert_string_equal(f->message, "the secret file:secret is empty");
    put_file(f, "secret", "a\0b", 3, 0600);
    get(f, "file:secret");
    assert_non_null(strstr(f->message, "is no text"));
    memset(large, 'x', 70000);
    put_file(f, "secret", large, 70000, 0600);
    free(large);
    get(f, "file:secret");
    assert_non_null(strstr(f->message, "is too long"));
    snprintf(path, sizeof path, "%s/fifo", f->folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    get(f, "file:fifo");
    assert_non_null(strstr(f->message, "is no file"));
    put_file(f, "program", fails, sizeof fails - 1, 0700);
    get(f, "command:program");
    assert_non_null(strstr(f->message, "it ended with status 3"));
    get(f, "command:nowhere");
    assert_non_null(strstr(f->message, "cannot be had"));
    get(f, "a literal");
    assert_null(strstr(f->message, "literal"));
}

static void cancelled_it_never_comes(void **state)
{
    struct fixture *f = *state;
    static const char program[] = "#!/bin/sh\necho out\n";
    put_file(f, "program", program, sizeof program - 1, 0700);
    char reference[100];
    snprintf(reference, sizeof reference, "command:%s/program", f->folder);
    secret_cancel(secret_look_up(f->world, reference, NULL, keep, f));
    secret_cancel(secret_look_up(f->world, "env:HOME", NULL, keep, f));
    secret_cancel(NULL);
    world_run(f->world, NULL);
    assert_false(f->done);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(from_everywhere),
        TEST(what_others_can_read_is_refused),
        TEST(what_is_wrong_is_told),
        TEST(cancelled_it_never_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
