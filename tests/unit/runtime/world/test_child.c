#include "runtime/world/child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"

static struct child *shell(const char *script, int listening)
{
    const char *const words[] = {"/bin/sh", "-c", script, NULL};
    struct error error = {0};
    struct child *child = child_start(words, listening, &error);
    assert_non_null(child);
    return child;
}

static void a_program_is_found_by_the_path(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_non_null(child_find(arena, "sh"));
    assert_null(child_find(arena, "no-such-program-of-drc"));
    arena_destroy(arena);
}

static void its_end_is_told_with_its_last_words(void **state)
{
    (void)state;
    struct error error = {0};
    assert_true(child_end(shell("exit 0", -1), 10000, "trying", NULL, &error));
    assert_null(error.message);
    assert_false(child_end(shell("echo one >&2; echo 'tool: no room' >&2; exit 3", -1), 10000,
                           "trying", NULL, &error));
    assert_string_equal(error.message, "trying: no room");
    int status = 0;
    assert_false(child_end(shell("exit 3", -1), 10000, "trying", &status, &error));
    assert_int_equal(status, 3);
    assert_string_equal(error.message, "trying: it ended with status 3");
    error_clear(&error);
}

static void what_does_not_end_is_killed_with_all_that_it_started(void **state)
{
    (void)state;
    struct error error = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0); /* inherited: no CLOEXEC; its end comes when all are gone */
    struct child *child = shell("sleep 1000 & sleep 1000", -1);
    close(ends[1]);
    assert_false(child_end(child, 20, "trying", NULL, &error));
    assert_string_equal(error.message, "trying: it did not end");
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    error_clear(&error);
}

static void a_wait_ends_with_it_or_when_told(void **state)
{
    (void)state;
    atomic_bool stopped = false;
    int status = 0;
    struct child *child = shell("exit 0", -1);
    child_wait(child, &stopped);
    assert_true(child_end(child, 0, "trying", &status, NULL));
    assert_int_equal(status, 0);
    stopped = true;
    child = shell("sleep 1000", -1);
    child_wait(child, &stopped);
    assert_false(child_end(child, 0, "trying", &status, NULL));
    assert_int_equal(status, -1);
}

static void a_kill_ends_it_at_once(void **state)
{
    (void)state;
    struct child *child = shell("sleep 1000", -1);
    child_kill(child);
    child_kill(child);
    assert_false(child_end(child, 10000, "trying", NULL, NULL));
}

static void it_dies_with_the_process_that_started_it(void **state)
{
    (void)state;
    int ends[2], ready[2];
    assert_int_equal(pipe(ends), 0); /* inherited: its end comes when all are gone */
    assert_int_equal(pipe(ready), 0);
    pid_t middle = fork();
    assert_true(middle >= 0);
    if (middle == 0) {
        char script[64], up;
        snprintf(script, sizeof script, "echo up >&%d; exec sleep 1000", ready[1]);
        const char *const words[] = {"/bin/sh", "-c", script, NULL};
        child_start(words, -1, NULL);
        while (read(ready[0], &up, 1) != 1) { /* it runs */
        }
        raise(SIGKILL);
    }
    close(ends[1]);
    close(ready[0]);
    close(ready[1]);
    waitpid(middle, NULL, 0);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

static void keys_are_kept_back_and_a_socket_is_handed_over(void **state)
{
    (void)state;
    struct error error = {0};
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("DRC_TEST_OTHER", "there", 1);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    /* dash knows no LISTEN_PID of its own; echo writes into file 3. */
    struct child *child = shell("test -z \"$AWS_SECRET_ACCESS_KEY\" && test \"$DRC_TEST_OTHER\" = there && "
                                "test \"$LISTEN_FDS\" = 1 && test \"$LISTEN_PID\" = $$ && echo hello >&3",
                                pair[1]);
    close(pair[1]);
    char text[16] = "";
    assert_int_equal(read(pair[0], text, sizeof text - 1), 6);
    assert_string_equal(text, "hello\n");
    close(pair[0]);
    assert_true(child_end(child, 10000, "trying", NULL, &error));
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("DRC_TEST_OTHER");
}

static void a_program_that_is_not_there(void **state)
{
    (void)state;
    const char *const words[] = {"/no/such/program", NULL};
    struct error error = {0};
    struct child *child = child_start(words, -1, &error);
    assert_false(child_end(child, 10000, "trying", NULL, &error));
    assert_string_equal(error.message, "trying: it ended with status 127");
    error_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_found_by_the_path),
        cmocka_unit_test(its_end_is_told_with_its_last_words),
        cmocka_unit_test(what_does_not_end_is_killed_with_all_that_it_started),
        cmocka_unit_test(a_wait_ends_with_it_or_when_told),
        cmocka_unit_test(a_kill_ends_it_at_once),
        cmocka_unit_test(it_dies_with_the_process_that_started_it),
        cmocka_unit_test(keys_are_kept_back_and_a_socket_is_handed_over),
        cmocka_unit_test(a_program_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
