/* Where --events goes: files that go on counting, and readers that are slow, gone or never came. */
#include "runtime/cli/events_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

struct fixture {
    char directory[32], path[64];
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    strcpy(f->directory, "/tmp/drc-events-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof f->path, "%s/events", f->directory);
    signal(SIGPIPE, SIG_IGN); /* as the real world does */
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    rmdir(f->directory);
    free(f);
    return 0;
}

static struct events_file *open_it(struct fixture *f, int64_t *first)
{
    struct error error = {0};
    struct events_file *file = events_file_open(f->path, "run00001", first, &error);
    if (!file) {
        fail_msg("%s", error.message);
    }
    return file;
}

static void put(struct fixture *f, const char *text)
{
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_next(struct fixture *f, const char *text, int64_t expected)
{
    int64_t first = -1;
    put(f, text);
    struct events_file *file = open_it(f, &first);
    assert_int_equal(first, expected);
    assert_true(events_file_close(file));
}

static void a_file_goes_on_counting(void **state)
{
    struct fixture *f = *state;
    expect_next(f, "", 0);
    expect_next(f, "{\"v\":1,\"seq\":0,\"run\":\"run00001\"}\n", 1);
    expect_next(f, "{\"seq\":0,\"run\":\"run00001\"}\n{\"seq\":41,\"run\":\"run00001\"}\n", 42);
    expect_next(f, "{\"seq\":41,\"run\":\"another\"}\n", 0);
    expect_next(f, "no JSON\n", 0);
    expect_next(f, "{\"seq\":7,\"run\":\"run00001\"}\n{\"seq\":8,\"ru", 8);
    expect_next(f, "{\"seq\":8,\"ru", 0);
}

static void a_half_line_is_ended(void **state)
{
    struct fixture *f = *state;
    int64_t first;
    put(f, "{\"seq\":7,\"run\":\"run00001\"}\n{\"seq\":8,\"ru");
    struct events_file *file = open_it(f, &first);
    assert_true(events_file_write(file, "next\n", 5));
    assert_true(events_file_close(file));
    char text[128] = {0};
    FILE *in = fopen(f->path, "r");
    assert_non_null(in);
    assert_true(fread(text, 1, sizeof text - 1, in) > 0);
    fclose(in);
    assert_string_equal(text, "{\"seq\":7,\"run\":\"run00001\"}\n{\"seq\":8,\"ru\nnext\n");
}

static void a_fifo_that_nobody_reads_is_refused(void **state)
{
    struct fixture *f = *state;
    int64_t first;
    struct error error = {0};
    assert_int_equal(mkfifo(f->path, 0600), 0);
    assert_null(events_file_open(f->path, "run00001", &first, &error));
    assert_non_null(strstr(error.message, "nobody reads"));
    error_clear(&error);
}

/* What the pipe does not take is kept, and comes once there is room. */
static void a_slow_reader_gets_all_of_it(void **state)
{
    struct fixture *f = *state;
    enum { LINE = 1000, LINES = 1000 };
    int64_t first;
    char line[LINE], got[LINE];
    assert_int_equal(mkfifo(f->path, 0600), 0);
    int reader = open(f->path, O_RDONLY | O_NONBLOCK);
    struct events_file *file = open_it(f, &first);
    for (int i = 0; i < LINES; i++) {
        memset(line, 'a' + i % 26, LINE);
        assert_true(events_file_write(file, line, LINE));
    }
    size_t total = 0;
    for (ssize_t n; total < (size_t)LINE * LINES; total += n > 0 ? (size_t)n : 0) {
        n = read(reader, got, sizeof got);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            assert_true(events_file_write(file, "", 0)); /* the next event pushes on */
        } else if (n > 0) {
            assert_int_equal(got[0], 'a' + (int)(total / LINE) % 26);
        }
    }
    assert_true(events_file_close(file));
    close(reader);
}

static void a_reader_that_is_stuck_or_gone_loses_events(void **state)
{
    struct fixture *f = *state;
    int64_t first;
    static const char line[100000] = {0};
    assert_int_equal(mkfifo(f->path, 0600), 0);
    int reader = open(f->path, O_RDONLY | O_NONBLOCK);
    struct events_file *file = open_it(f, &first);
    int taken = 0;
    while (taken < 1000 && events_file_write(file, line, sizeof line)) {
        taken++;
    }
    assert_in_range(taken, 40, 45); /* 4 MiB, and no more */
    assert_false(events_file_write(file, "x", 1));
    assert_false(events_file_close(file));
    file = open_it(f, &first);
    close(reader);
    assert_false(events_file_write(file, "x", 1));
    assert_false(events_file_close(file));
}

static void a_full_disk_loses_events(void **state)
{
    (void)state;
    int64_t first;
    struct error error = {0};
    struct events_file *file = events_file_open("/dev/full", "run00001", &first, &error);
    assert_non_null(file);
    assert_false(events_file_write(file, "x\n", 2));
    assert_false(events_file_close(file));
    assert_null(events_file_open("/nowhere/at/all", "run00001", &first, &error));
    assert_non_null(strstr(error.message, "/nowhere/at/all"));
    error_clear(&error);
}

static void a_disk_that_fills_up_keeps_whole_lines(void **state)
{
    struct fixture *f = *state;
    const struct rlimit small = {25, RLIM_INFINITY}; /* "ulimit -f" is such a disk */
    struct rlimit before;
    int64_t first;
    struct events_file *file = open_it(f, &first);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_true(events_file_write(file, "{\"seq\":1}\n", 10));
    assert_true(events_file_write(file, "{\"seq\":2}\n", 10));
    assert_false(events_file_write(file, "{\"seq\":3}\n", 10));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(events_file_close(file));
    struct stat info;
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_size, 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_goes_on_counting),
        TEST(a_half_line_is_ended),
        TEST(a_fifo_that_nobody_reads_is_refused),
        TEST(a_slow_reader_gets_all_of_it),
        TEST(a_reader_that_is_stuck_or_gone_loses_events),
        TEST(a_full_disk_loses_events),
        TEST(a_disk_that_fills_up_keeps_whole_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
