/* Covers: job.c job_supervisor.c real_job.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/base/buffer.h"
#include "runtime/world/job.h"

enum { LONG_MS = 60000 };

struct fixture {
    struct world *world;
    char above[64], folder[96], path[160];
    struct buffer said;
    int ended;
    struct job_status status;
    char problem[400];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->above, sizeof f->above, "/tmp/drc-test-job-XXXXXX");
    assert_non_null(mkdtemp(f->above));
    snprintf(f->folder, sizeof f->folder, "%s/job", f->above);
    f->world = world_real_create(NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];
    world_destroy(f->world);
    snprintf(command, sizeof command, "rm -rf %s", f->above);
    assert_int_equal(system(command), 0);
    buffer_free(&f->said);
    free(f);
    return 0;
}

static void keep_said(void *context, const void *bytes, size_t length)
{
    buffer_append(&((struct fixture *)context)->said, bytes, length);
}

static void keep_status(void *context, const struct job_status *status)
{
    struct fixture *f = context;
    f->ended++;
    f->status = *status;
    snprintf(f->problem, sizeof f->problem, "%s", status->problem ? status->problem : "");
}

static struct job_request request_of(const struct fixture *f, const char *script)
{
    static const char *const environment[] = {"PATH=/usr/bin:/bin", "WHO=drc", NULL};
    return (struct job_request){.folder = f->folder,
                                .bytes = script,
                                .length = script ? strlen(script) : 0,
                                .environment = environment,
                                .timeout_ms = LONG_MS,
                                .on_output = keep_said};
}

static void run(struct fixture *f, const struct job_request *request)
{
    f->ended = 0;
    buffer_clear(&f->said);
    world_job(f->world, request, keep_status, f);
    assert_int_equal(f->ended, 0);
    world_run(f->world, NULL);
    assert_int_equal(f->ended, 1);
}

static void run_script(struct fixture *f, const char *script)
{
    struct job_request request = request_of(f, script);
    run(f, &request);
}

static void assert_ended(const struct fixture *f, enum job_end end, int code)
{
    assert_string_equal(f->problem, "");
    assert_int_equal(f->status.state, JOB_ENDED);
    assert_int_equal(f->status.end, end);
    assert_int_equal(f->status.code, code);
}

static long number_in(const char *path)
{
    FILE *file = fopen(path, "r");
    long number = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &number), 1);
    fclose(file);
    return number;
}

/* One that has ended and that nobody has reaped is not. */
static bool is_alive(const char *number_file)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%ld/stat", number_in(number_file));
    FILE *file = fopen(path, "r");
    if (file) {
        assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
        fclose(file);
    }
    return state != 'Z';
}

static const char *in(struct fixture *f, const char *name)
{
    snprintf(f->path, sizeof f->path, "%s/%s", f->above, name);
    return f->path;
}

static void wait_for(struct fixture *f, const char *name)
{
    for (int i = 0; i < 1000 && access(in(f, name), F_OK) != 0; i++) {
        usleep(10000);
    }
    usleep(20000);
}

static void its_end_and_what_it_wrote_are_told(void **state)
{
    struct fixture *f = *state;
    run_script(f, "#!/bin/sh\necho out; echo err >&2; exit 3\n");
    assert_ended(f, JOB_END_EXIT, 3);
    assert_string_equal(buffer_text(&f->said), "out\nerr\n");
    assert_int_equal(f->status.output_bytes, 8);
    assert_int_equal(f->status.left, 0);
}

static void arguments_and_environment_are_data(void **state)
{
    struct fixture *f = *state;
    static const char *const args[] = {"a b", "$(id)", "", "'\"\n*", NULL};
    struct job_request request =
        request_of(f, "#!/bin/sh\nprintf '<%s>' \"$@\" \"$WHO\" \"${HOME-none}\"\n");
    request.args = args;
    run(f, &request);
    assert_ended(f, JOB_END_EXIT, 0);
    assert_string_equal(buffer_text(&f->said), "<a b><$(id)><><'\"\n*><drc><none>");
}

static void it_has_a_place_of_its_own_and_no_input(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    run_script(f, "#!/bin/sh\ncat; [ \"$PWD\" = \"$TMPDIR\" ] && ls -A | wc -l && echo x > file\nstat -c %a \"$0\"\n"
                  "ls /proc/self/fd | tr '\\n' ' '\n"
                  "[ \"$(ps -o pgid= $$)\" = \"$(ps -o pid= $$)\" ] && echo own group\n");
    assert_ended(f, JOB_END_EXIT, 0);
    assert_string_equal(buffer_text(&f->said), "0\n700\n0 1 2 3 own group\n"); /* 3: ls's own */
    assert_int_equal(stat(in(f, "job"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    assert_int_equal(stat(in(f, "job/result"), &info), 0);
    assert_int_equal(stat(in(f, "job/work"), &info), -1); /* nobody needs it any more */
    assert_int_equal(stat(in(f, "job/script"), &info), -1);
    assert_int_equal(stat(in(f, "job/output"), &info), -1);
}

static void a_signal_is_told(void **state)
{
    struct fixture *f = *state;
    run_script(f, "#!/bin/sh\nkill -KILL $$\n");
    assert_ended(f, JOB_END_SIGNAL, SIGKILL);
}

static void what_cannot_be_executed_is_told(void **state)
{
    struct fixture *f = *state;
    run_script(f, "#!/no/such/interpreter\n");
    assert_ended(f, JOB_END_EXEC, ENOENT);
    snprintf(f->folder, sizeof f->folder, "%s/other", f->above);
    run_script(f, "echo no first line\n");
    assert_ended(f, JOB_END_EXEC, ENOEXEC);
}

static void at_its_timeout_everything_dies(void **state)
{
    struct fixture *f = *state;
    struct job_request request = request_of(
        f, "#!/bin/sh\nsetsid sh -c 'trap \"\" TERM; echo $$ > ../../far; exec sleep 600' &\n"
           "sleep 600 & echo $! > ../../near\necho waiting; wait; sleep 600\n");
    request.timeout_ms = 500;
    run(f, &request);
    assert_ended(f, JOB_END_LATE, 0);
    assert_string_equal(buffer_text(&f->said), "waiting\n");
    assert_true(f->status.took_ms >= 500);
    assert_false(is_alive(in(f, "near")));
    assert_false(is_alive(in(f, "far")));
}

static void what_it_leaves_running_is_killed_and_counted(void **state)
{
    struct fixture *f = *state;
    run_script(f, "#!/bin/sh\nsetsid sh -c 'setsid sleep 600 & echo $! > ../../far' &\n"
                  "sleep 0.3; echo gone\n");
    assert_ended(f, JOB_END_EXIT, 0);
    assert_string_equal(buffer_text(&f->said), "gone\n");
    assert_int_equal(f->status.left, 1);
    assert_false(is_alive(in(f, "far")));
}

static void what_ends_soon_after_it_may_finish(void **state)
{
    struct fixture *f = *state;
    run_script(f, "#!/bin/sh\n(sleep 0.2; echo late words) &\necho first\n");
    assert_ended(f, JOB_END_EXIT, 0);
    assert_string_equal(buffer_text(&f->said), "first\nlate words\n");
    assert_int_equal(f->status.left, 0);
}

static void very_much_output_is_cut_in_its_middle(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    /* 40 MiB, binary; a beginning and an end that can be told */
    run_script(f, "#!/bin/sh\nprintf 'the beginning\\0'\nhead -c 41943040 /dev/urandom\n"
                  "printf 'the end'\n");
    assert_ended(f, JOB_END_EXIT, 0);
    assert_int_equal(f->status.output_bytes, 14 + 41943040 + 7);
    char line[80];
    int length = snprintf(line, sizeof line, "\n[drc: %d bytes left out here]\n",
                          14 + 41943040 + 7 - JOB_OUTPUT_MAX);
    assert_int_equal(f->said.length, (size_t)JOB_OUTPUT_MAX + (size_t)length);
    assert_memory_equal(f->said.data, "the beginning\0", 14);
    assert_memory_equal(f->said.data + JOB_OUTPUT_MAX / 2, line, (size_t)length);
    assert_memory_equal(f->said.data + f->said.length - 7, "the end", 7);
    assert_int_equal(stat(in(f, "job/tail"), &info), -1);
}

static void output_is_kept_whole_up_to_the_limit(void **state)
{
    struct fixture *f = *state;
    run_script(f, "#!/bin/sh\nhead -c 16777215 /dev/zero; printf e\n");
    assert_int_equal(f->said.length, JOB_OUTPUT_MAX);
    assert_int_equal(f->said.data[JOB_OUTPUT_MAX - 1], 'e');
}

static void it_is_begun_once(void **state)
{
    struct fixture *f = *state;
    const char *script = "#!/bin/sh\necho once >> ../../count\n";
    run_script(f, script);
    run_script(f, script);
    assert_ended(f, JOB_END_EXIT, 0);
    run_script(f, NULL);
    assert_ended(f, JOB_END_EXIT, 0);
    struct stat info;
    assert_int_equal(stat(in(f, "count"), &info), 0);
    assert_int_equal(info.st_size, 5);
}

static void nothing_begun_is_nothing_there(void **state)
{
    struct fixture *f = *state;
    run_script(f, NULL);
    assert_int_equal(f->status.state, JOB_NONE);
    /* A process that died before the program began: it may be begun. */
    assert_int_equal(mkdir(f->folder, 0700), 0);
    int file = open(in(f, "job/lock"), O_CREAT | O_WRONLY, 0600);
    close(file);
    run_script(f, NULL);
    assert_int_equal(f->status.state, JOB_NONE);
    run_script(f, "#!/bin/sh\nexit 0\n");
    assert_ended(f, JOB_END_EXIT, 0);
}

static void it_outlives_the_world_that_began_it(void **state)
{
    struct fixture *f = *state;
    struct job_request request =
        request_of(f, "#!/bin/sh\necho begun; sleep 0.5; echo done\n");
    fflush(NULL);
    pid_t other = fork();
    if (other == 0) { /* another drc, killed as soon as it has begun the job */
        struct world *world = world_real_create(NULL);
        world_job(world, &request, keep_status, f);
        kill(getpid(), SIGKILL);
    }
    waitpid(other, NULL, 0);
    run_script(f, NULL);
    assert_ended(f, JOB_END_EXIT, 0);
    assert_string_equal(buffer_text(&f->said), "begun\ndone\n");
}

static void cancelling_leaves_it_alone(void **state)
{
    struct fixture *f = *state;
    struct job_request request = request_of(f, "#!/bin/sh\nsleep 0.2; echo done\n");
    world_cancel(f->world, world_job(f->world, &request, keep_status, f));
    assert_int_equal(f->ended, 0);
    run_script(f, NULL);
    assert_ended(f, JOB_END_EXIT, 0);
}

static void one_that_is_attached_ends_with_its_task(void **state)
{
    struct fixture *f = *state;
    struct job_request request =
        request_of(f, "#!/bin/sh\ntrap '' TERM\necho $$ > ../../number\nsleep 600\n");
    request.attached = true;
    struct world_task *task = world_job(f->world, &request, keep_status, f);
    wait_for(f, "number");
    world_cancel(f->world, task);
    run_script(f, NULL);
    assert_ended(f, JOB_END_STOPPED, 0);
    request = request_of(f, "#!/bin/sh\nexit 4\n"); /* what was there before is in nobody's way */
    request.attached = true;
    do { /* its supervisor is on its way out */
        run(f, &request);
    } while (f->status.state == JOB_REFUSED && strstr(f->problem, "has not ended yet"));
    assert_ended(f, JOB_END_EXIT, 4);
    assert_int_equal(access(f->folder, F_OK), -1);
    assert_false(is_alive(in(f, "number")));
}

static void one_whose_machine_went_down_is_not_begun_again(void **state)
{
    struct fixture *f = *state;
    struct job_request request =
        request_of(f, "#!/bin/sh\necho $PPID > ../../above; echo x >> ../../count; echo $$ > ../../number; exec sleep 600\n");
    world_cancel(f->world, world_job(f->world, &request, keep_status, f));
    wait_for(f, "number");
    kill((pid_t)number_in(in(f, "above")), SIGKILL);
    run(f, &request);
    assert_int_equal(f->status.state, JOB_DIED);
    usleep(50000);
    assert_false(is_alive(in(f, "number"))); /* it dies with its supervisor */
    struct stat info;
    assert_int_equal(stat(in(f, "count"), &info), 0);
    assert_int_equal(info.st_size, 2);
}

static void a_supervisor_that_is_to_end_ends_the_job(void **state)
{
    struct fixture *f = *state;
    struct job_request request = request_of(f, "#!/bin/sh\necho $PPID > ../../above; echo x > ../../number; exec sleep 600\n");
    world_cancel(f->world, world_job(f->world, &request, keep_status, f));
    wait_for(f, "number");
    kill((pid_t)number_in(in(f, "above")), SIGTERM);
    run_script(f, NULL);
    assert_ended(f, JOB_END_STOPPED, 0);
}

static void a_place_that_is_none_is_refused(void **state)
{
    struct fixture *f = *state;
    close(open(in(f, "file"), O_CREAT | O_WRONLY, 0600));
    snprintf(f->folder, sizeof f->folder, "%s/file/place", f->above);
    run_script(f, "#!/bin/sh\n");
    assert_int_equal(f->status.state, JOB_REFUSED);
    assert_non_null(strstr(f->problem, "/file"));
}

static void only_what_a_job_leaves_is_a_result(void **state)
{
    (void)state;
    struct job_status status;
    assert_true(job_result_read("exit 7\ntook_ms 12\noutput_bytes 5\nleft 2\nend\n", &status));
    assert_int_equal(status.code, 7);
    assert_int_equal(status.took_ms, 12);
    assert_int_equal(status.left, 2);
    assert_true(job_result_read("late 0\ntook_ms 1\noutput_bytes 0\nleft 0\nend\n", &status));
    assert_int_equal(status.end, JOB_END_LATE);
    assert_false(job_result_read("", &status));
    assert_false(job_result_read("exit 7\n", &status));
    assert_false(job_result_read("exit 7\ntook_ms 12\noutput_bytes 5\nleft 2\n", &status));
    assert_false(job_result_read("exit x\ntook_ms 12\noutput_bytes 5\nleft 2\nend\n", &status));
}

int main(void)
{
#define JOB_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        JOB_TEST(its_end_and_what_it_wrote_are_told),
        JOB_TEST(arguments_and_environment_are_data),
        JOB_TEST(it_has_a_place_of_its_own_and_no_input),
        JOB_TEST(a_signal_is_told),
        JOB_TEST(what_cannot_be_executed_is_told),
        JOB_TEST(at_its_timeout_everything_dies),
        JOB_TEST(what_it_leaves_running_is_killed_and_counted),
        JOB_TEST(what_ends_soon_after_it_may_finish),
        JOB_TEST(very_much_output_is_cut_in_its_middle),
        JOB_TEST(output_is_kept_whole_up_to_the_limit),
        JOB_TEST(it_is_begun_once),
        JOB_TEST(nothing_begun_is_nothing_there),
        JOB_TEST(it_outlives_the_world_that_began_it),
        JOB_TEST(cancelling_leaves_it_alone),
        JOB_TEST(one_that_is_attached_ends_with_its_task),
        JOB_TEST(one_whose_machine_went_down_is_not_begun_again),
        JOB_TEST(a_supervisor_that_is_to_end_ends_the_job),
        JOB_TEST(a_place_that_is_none_is_refused),
        cmocka_unit_test(only_what_a_job_leaves_is_a_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
