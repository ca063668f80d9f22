#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "runtime/world/world.h"
#include "tests/unit/support/rude_server.h"

struct result {
    bool done;
    char failure[200];
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

static void keep(void *context, const char *failure)
{
    struct result *result = context;
    assert_false(result->done);
    result->done = true;
    snprintf(result->failure, sizeof result->failure, "%s", failure ? failure : "");
}

static const char *dial(struct world *world, struct result *result, const char *host, int port)
{
    *result = (struct result){0};
    world_connect(world, host, port, 5000, keep, result);
    assert_false(result->done);
    world_run(world, &result->done);
    assert_true(result->done);
    return result->failure;
}

static void connects(void **state)
{
    struct rude_server *server = rude_server_start();
    struct result result;
    int port = rude_server_port(server);
    assert_string_equal(dial(*state, &result, "127.0.0.1", port), "");
    assert_string_equal(dial(*state, &result, "localhost", port), ""); /* maybe after ::1 refused */
    rude_server_stop(server);
}

static void fails(void **state)
{
    struct result result;
    int descriptor, port = refusing_port(&descriptor);
    assert_string_equal(dial(*state, &result, "127.0.0.1", port), "connection refused");
    assert_string_equal(dial(*state, &result, "localhost", port), "connection refused");
    close(descriptor);
    assert_memory_equal(dial(*state, &result, "no-such-host.invalid", 80),
                        "cannot resolve the name", 23);
    assert_string_equal(dial(*state, &result, "127.0.0.1", 0), "there is no such port");
    assert_string_equal(dial(*state, &result, "127.0.0.1", 65536), "there is no such port");
    assert_string_not_equal(dial(*state, &result, "", 80), "");
}

/* A full backlog: the kernel drops further connections, as a firewall would. */
static void times_out(void **state)
{
    struct world *world = *state;
    int descriptor, port = deaf_port(&descriptor);
    struct result results[64] = {0};
    int timed_out = 0;
    for (int i = 0; i < 64; i++) {
        world_connect(world, "127.0.0.1", port, 200, keep, &results[i]);
    }
    world_run(world, NULL);
    for (int i = 0; i < 64; i++) {
        assert_true(results[i].done);
        timed_out += strcmp(results[i].failure, "timed out") == 0;
    }
    /* The probes that connected and were closed keep their places in the backlog. */
    assert_in_range(timed_out, 1, 63);
    close(descriptor);
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void cancels(void **state)
{
    struct world *world = *state;
    int descriptor, port = refusing_port(&descriptor);
    struct result result = {0};
    world_cancel(world, world_connect(world, "127.0.0.1", port, 0, keep, &result));
    world_cancel(world, world_connect(world, "no-such-host.invalid", port, 0, keep, &result));
    world_cancel(world, world_connect(world, "127.0.0.1", -1, 0, keep, &result));
    struct world_task *task = world_connect(world, "no-such-host.invalid", 1, 0, keep, &result);
    bool later = false;
    world_timer(world, 1, set_flag, &later);
    world_run(world, &later);
    if (!result.done) {
        world_cancel(world, task);
    }
    world_connect(world, "no-such-host.invalid", port, 0, keep, &result); /* for destroy */
    close(descriptor);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(connects),
        TEST(fails),
        TEST(times_out),
        TEST(cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
