/* The real world's loop: timers, deferred tasks, nested runs, work, signals, environment. No
 * assertion is about how long anything took.
 * Covers: real_hosts.c real_work.c */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "runtime/world/world.h"

struct trace {
    struct world *world;
    struct buffer *text;
    const char *name;
    struct world_task *own;
};

static int set_up(void **state)
{
    *state = world_real_create(NULL);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    world_destroy(*state);
    return 0;
}

static void note(void *context)
{
    struct trace *trace = context;
    buffer_printf(trace->text, "%s ", trace->name);
}

static void timers_come_in_order(void **state)
{
    struct world *world = *state;
    struct buffer text = {0};
    struct trace a = {world, &text, "a", NULL}, b = {world, &text, "b", NULL};
    struct trace c = {world, &text, "c", NULL};
    int64_t before = world_monotonic_ms(world), utc = world_utc_ms(world);
    world_timer(world, 60, note, &b);
    world_timer(world, 20, note, &a);
    world_timer(world, 60, note, &c);
    world_cancel(world, world_timer(world, 10, note, &c));
    world_run(world, NULL);
    assert_string_equal(text.data, "a b c ");
    assert_true(world_monotonic_ms(world) - before >= 59);
    assert_true(world_utc_ms(world) > utc - 1000 && utc > 1700000000000);
    buffer_free(&text);
}

static void start_another(void *context)
{
    struct trace *trace = context;
    note(trace);
    world_timer(trace->world, 0, note, trace + 1);
}

/* One that is due does not wait for the one after it, and neither does what it starts. */
static void a_timer_that_is_due_comes_at_once(void **state)
{
    struct world *world = *state;
    struct buffer text = {0};
    struct trace traces[] = {{world, &text, "a", NULL}, {world, &text, "b", NULL}};
    struct trace last = {world, &text, "last", NULL};
    world_timer(world, 0, start_another, &traces[0]);
    world_timer(world, 1000, note, &last);
    world_run(world, NULL);
    assert_string_equal(buffer_text(&text), "a b last ");
    buffer_free(&text);
}

static void defer_again(void *context)
{
    struct trace *trace = context;
    note(trace);
    world_defer(trace->world, note, trace);
}

static void deferred_comes_after_what_is_ready(void **state)
{
    struct world *world = *state;
    struct buffer text = {0};
    struct trace commit = {world, &text, "commit", NULL}, x = {world, &text, "x", NULL};
    struct trace y = {world, &text, "y", NULL};
    world_timer(world, 0, defer_again, &x);
    world_timer(world, 0, note, &y);
    world_cancel(world, world_defer(world, note, &commit));
    usleep(2000);
    world_run(world, NULL);
    assert_string_equal(text.data, "x y x ");
    buffer_clear(&text);
    bool until = true; /* nothing at all is done */
    world_defer(world, note, &commit);
    world_run(world, &until);
    assert_int_equal(text.length, 0);
    until = false;
    world_run(world, &until);
    assert_string_equal(text.data, "commit ");
    buffer_free(&text);
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

/* Waits for a timer, for work and for a dial from within a callback, as facts and preflight do. */
static void dialled(void *context, const char *failure)
{
    assert_non_null(failure);
    *(bool *)context = true;
}

struct job {
    struct trace *trace;
    bool done;
    atomic_int ran;
};

static void job_run(void *context)
{
    atomic_fetch_add(&((struct job *)context)->ran, 1);
}

static void job_done(void *context)
{
    struct job *job = context;
    assert_int_equal(atomic_load(&job->ran), 1);
    job->done = true;
}

static void nest_jobs(void *context)
{
    struct trace *trace = context;
    struct job job = {.trace = trace};
    world_work(trace->world, job_run, job_done, &job);
    world_run(trace->world, &job.done);
    assert_true(job.done);
    bool dial = false, deferred = false, timer = false;
    world_connect(trace->world, "no-such-host.invalid", 1, 5000, dialled, &dial);
    world_run(trace->world, &dial);
    world_defer(trace->world, set_flag, &deferred);
    world_run(trace->world, &deferred);
    world_timer(trace->world, 5, set_flag, &timer);
    world_run(trace->world, &timer);
    assert_true(dial && deferred && timer);
    note(trace);
}

static void nothing(void *context)
{
    (void)context;
}

static void runs_nest(void **state)
{
    struct world *world = *state;
    struct buffer text = {0};
    struct trace trace = {world, &text, "nested", NULL};
    world_timer(world, 0, nest_jobs, &trace);
    world_run(world, NULL);
    world_defer(world, nest_jobs, &trace);
    world_run(world, NULL);
    world_work(world, nothing, nest_jobs, &trace); /* from within a worker's completion */
    world_run(world, NULL);
    assert_string_equal(text.data, "nested nested nested ");
    buffer_free(&text);
}

static void slow_run(void *context)
{
    usleep(30000);
    atomic_fetch_add((atomic_int *)context, 1);
}

static void fail_done(void *context)
{
    (void)context;
    fail_msg("cancelled work called back");
}

static void cancelled_work_is_waited_for(void **state)
{
    struct world *world = *state;
    atomic_int ran[8] = {0};
    struct world_task *tasks[8];
    for (int i = 0; i < 8; i++) { /* more than the pool has threads */
        tasks[i] = world_work(world, slow_run, fail_done, &ran[i]);
    }
    usleep(5000);
    for (int i = 7; i >= 0; i--) {
        world_cancel(world, tasks[i]);
        int now = atomic_load(&ran[i]);
        usleep(100);
        assert_int_equal(atomic_load(&ran[i]), now); /* never after cancel has returned */
    }
    struct world_task *left = world_work(world, slow_run, fail_done, &ran[0]);
    (void)left; /* for destroy */
}

static void on_signal(void *context, int number)
{
    struct trace *trace = context;
    buffer_printf(trace->text, "signal%d ", number);
    if (trace->own) {
        world_cancel(trace->world, trace->own);
    }
}

static void signals(void **state)
{
    struct world *world = *state;
    struct buffer text = {0};
    struct trace trace = {world, &text, "", NULL}, once = {world, &text, "", NULL};
    struct world_task *task = world_signal(world, SIGUSR1, on_signal, &trace);
    world_run(world, NULL); /* does not keep the loop alive */
    bool later = false;
    kill(getpid(), SIGUSR1);
    world_timer(world, 30, set_flag, &later);
    world_run(world, &later);
    assert_string_equal(text.data, "signal10 ");
    world_cancel(world, task);
    once.own = world_signal(world, SIGUSR2, on_signal, &once);
    kill(getpid(), SIGUSR2);
    later = false;
    world_timer(world, 30, set_flag, &later);
    world_run(world, &later);
    assert_string_equal(text.data, "signal10 signal12 ");
    world_signal(world, SIGUSR1, on_signal, &trace); /* left for destroy */
    buffer_free(&text);
}

static void randomness_and_environment(void **state)
{
    struct world *world = *state;
    uint8_t one[32] = {0}, two[32] = {0}, none[32] = {0};
    world_random(world, one, sizeof one);
    world_random(world, two, sizeof two);
    assert_memory_not_equal(one, two, sizeof one);
    assert_memory_not_equal(one, none, sizeof one);
    setenv("DRC_TEST_VARIABLE", "here", 1);
    assert_string_equal(world_environment(world, "DRC_TEST_VARIABLE"), "here");
    unsetenv("DRC_TEST_VARIABLE");
    assert_null(world_environment(world, "DRC_TEST_VARIABLE"));
}

static void broken_pipes_are_errors(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1); /* and the process is still there */
    close(ends[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(timers_come_in_order),
        TEST(a_timer_that_is_due_comes_at_once),
        TEST(deferred_comes_after_what_is_ready),
        TEST(runs_nest),
        TEST(cancelled_work_is_waited_for),
        TEST(signals),
        TEST(randomness_and_environment),
        TEST(broken_pipes_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
