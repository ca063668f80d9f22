#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "runtime/world/simulated.h"
#include "runtime/world/simulated_jobs.h"

struct seen {
    struct world *world;
    struct buffer said;
    int ended;
    int64_t at_ms;
    struct job_status status;
};

static void hear(void *context, const void *bytes, size_t length)
{
    buffer_append(&((struct seen *)context)->said, bytes, length);
}

static void keep(void *context, const struct job_status *status)
{
    struct seen *seen = context;
    seen->ended++;
    seen->at_ms = world_monotonic_ms(seen->world);
    seen->status = *status;
}

static int set_up(void **state)
{
    struct seen *seen = calloc(1, sizeof *seen);
    seen->world = world_simulated_create(7, 0, (struct world_responder){0});
    *state = seen;
    return 0;
}

static int tear_down(void **state)
{
    struct seen *seen = *state;
    assert_int_equal(world_simulated_pending(seen->world), 0);
    world_destroy(seen->world);
    buffer_free(&seen->said);
    free(seen);
    return 0;
}

static struct world_task *ask(struct seen *seen, const char *folder, const char *script)
{
    struct job_request request = {
        .folder = folder, .bytes = script, .timeout_ms = 60000, .on_output = hear};
    return world_job(seen->world, &request, keep, seen);
}

static void each_is_begun_once(void **state)
{
    struct seen *seen = *state;
    ask(seen, "a", "#!x");
    world_run(seen->world, NULL);
    assert_int_equal(seen->status.state, JOB_ENDED);
    assert_int_equal(seen->status.code, 0);
    assert_true(seen->at_ms >= 200);
    assert_string_equal(buffer_text(&seen->said), SIMULATED_JOB_SAID);
    int64_t ended_ms = seen->at_ms;
    ask(seen, "a", "#!x");
    world_run(seen->world, NULL);
    assert_int_equal(seen->at_ms, ended_ms);
    assert_int_equal(world_simulated_counts(seen->world).jobs, 1);
}

static void none_is_there_before(void **state)
{
    struct seen *seen = *state;
    ask(seen, "a", NULL);
    world_run(seen->world, NULL);
    assert_int_equal(seen->status.state, JOB_NONE);
    assert_int_equal(world_simulated_counts(seen->world).jobs, 0);
}

static void it_goes_on_when_drc_is_killed(void **state)
{
    struct seen *seen = *state;
    struct world_task *task = ask(seen, "a", "#!x");
    world_simulated_kill(seen->world, 0);
    world_cancel(seen->world, task);
    world_run(seen->world, NULL);
    assert_int_equal(seen->ended, 0);
    ask(seen, "a", NULL);
    world_run(seen->world, NULL);
    assert_int_equal(seen->status.state, JOB_ENDED);
}

static void it_dies_with_the_machine(void **state)
{
    struct seen *seen = *state;
    struct world_task *task = ask(seen, "a", "#!x");
    world_simulated_kill(seen->world, 0);
    world_simulated_power_cut(seen->world);
    world_cancel(seen->world, task);
    ask(seen, "a", "#!x");
    world_run(seen->world, NULL);
    assert_int_equal(seen->status.state, JOB_DIED);
    assert_int_equal(world_simulated_counts(seen->world).jobs, 1);
}

static void it_fails_as_often_as_is_set(void **state)
{
    struct seen *seen = *state;
    char folder[] = "a0";
    world_simulated_set_faults(seen->world, &(struct simulated_faults){.failed_job = 1});
    for (; folder[1] <= '9'; folder[1]++) {
        ask(seen, folder, "#!x");
        world_run(seen->world, NULL);
        assert_int_not_equal(seen->status.code, 0);
    }
    assert_int_equal(world_simulated_counts(seen->world).failed_jobs, 10);
}

int main(void)
{
#define JOBS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        JOBS_TEST(each_is_begun_once),
        JOBS_TEST(none_is_there_before),
        JOBS_TEST(it_goes_on_when_drc_is_killed),
        JOBS_TEST(it_dies_with_the_machine),
        JOBS_TEST(it_fails_as_often_as_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
