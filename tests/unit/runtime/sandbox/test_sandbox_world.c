/* The sandbox behind the world: in process, on its clock, with its credentials; and over HTTP.
 * Covers: guest.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

struct waiting {
    bool done;
    int status;
    enum http_failure failure;
    char *body;
    int64_t at_ms;
    struct world *world;
};

static void on_answer(void *context, const struct http_response *response)
{
    struct waiting *waiting = context;
    waiting->done = true;
    waiting->status = response->status;
    waiting->failure = response->failure;
    waiting->body = response->body ? base_strdup(response->body) : NULL;
    waiting->at_ms = world_monotonic_ms(waiting->world);
}

static const char form[] = "Action=DescribeSubnets&Version=2016-11-15";

/* Asks for the subnets, signed as the world's environment says. */
static struct waiting ask(struct world *world, const char *url)
{
    struct waiting waiting = {.world = world};
    struct arena *arena = arena_create();
    const char *host = strstr(url, "://") + 3;
    const char *id = world_environment(world, "AWS_ACCESS_KEY_ID");
    struct sigv4_key key = {.id = id ? id : "sandbox", .secret = "sandbox"};
    struct sigv4_request to_sign = {.method = "POST",
                                    .host = arena_strndup(arena, host, strcspn(host, "/")),
                                    .path = "/",
                                    .body = form,
                                    .body_length = strlen(form),
                                    .service = "ec2",
                                    .region = "eu-west-1"};
    struct sigv4_headers headers;
    sigv4_sign(arena, &to_sign, &key, world_utc_ms(world), &headers);
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = headers.items,
                                   .header_count = headers.count,
                                   .body = form,
                                   .body_length = strlen(form),
                                   .proxy = ""};
    world_http(world, &request, on_answer, &waiting);
    world_run(world, &waiting.done);
    assert_true(waiting.done);
    arena_destroy(arena);
    return waiting;
}

static struct sandbox *populated(double speed, int64_t real_base_ms)
{
    struct sandbox_options options = {
        .seed = 7, .speed = speed, .utc_base_ms = SANDBOX_BEGIN_MS, .real_base_ms = real_base_ms};
    struct error error = {0};
    struct sandbox *sandbox = sandbox_init(":memory:", &options, &error);
    assert_non_null(sandbox);
    struct arena *arena = arena_create();
    assert_true(sandbox_populate(sandbox, client_plan_bound(arena), &error));
    arena_destroy(arena);
    return sandbox;
}

static void test_in_a_simulated_world(void **state)
{
    (void)state;
    struct sandbox *sandbox = populated(1, 0);
    struct world *world = world_simulated_create(1, SANDBOX_BEGIN_MS, sandbox_responder(sandbox));
    int64_t before_ms = world_monotonic_ms(world);
    struct waiting waiting = ask(world, "https://ec2.eu-west-1.amazonaws.com/");
    assert_int_equal(waiting.status, 200);
    assert_non_null(strstr(waiting.body, "subnet-0a00000000000000a"));
    assert_true(waiting.at_ms > before_ms); /* answering took virtual time */
    free(waiting.body);
    world_destroy(world);
    sandbox_close(sandbox);
}

static void test_the_sandbox_s_own_world(void **state)
{
    (void)state;
    struct world *inner = world_simulated_create(1, 5000, (struct world_responder){0});
    struct sandbox *sandbox = populated(30, 5000);
    struct world *world = sandbox_world(sandbox, inner);
    assert_int_equal(world_utc_ms(world), SANDBOX_BEGIN_MS);
    assert_string_equal(world_environment(world, "AWS_ACCESS_KEY_ID"), "sandbox");
    assert_null(world_environment(world, "AWS_PROFILE"));
    assert_null(world_environment(world, "AWS_ENDPOINT_URL"));
    struct waiting waiting = ask(world, "https://ec2.eu-west-1.amazonaws.com/");
    assert_int_equal(waiting.status, 200);
    free(waiting.body);
    world_destroy(world);
    sandbox_close(sandbox);
}

static struct world *real_world(void)
{
    struct error error = {0};
    struct world *world = world_real_create(&error);
    if (!world) {
        fail_msg("%s", error.message);
    }
    return world;
}

static struct sandbox_server *start(struct sandbox *sandbox, int *port)
{
    struct error error = {0};
    int dns_port = 0;
    struct sandbox_server *server = sandbox_server_start(sandbox, 0, port, &dns_port, &error);
    assert_true(dns_port > 0 && dns_port != *port);
    if (!server) {
        fail_msg("%s", error.message);
    }
    return server;
}

static void test_over_http(void **state)
{
    (void)state;
    struct world *world = real_world();
    struct sandbox *sandbox = populated(100, world_utc_ms(world));
    int port = 0;
    struct sandbox_server *server = start(sandbox, &port);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    struct waiting waiting = ask(world, url);
    assert_int_equal(waiting.status, 200);
    assert_non_null(strstr(waiting.body, "DescribeSubnetsResponse"));
    free(waiting.body);
    struct error error = {0};
    int dns_port = 0;
    assert_null(sandbox_server_start(sandbox, port, &port, &dns_port, &error)); /* the port is taken */
    assert_non_null(error.help);
    error_clear(&error);
    assert_true(sandbox_set_fault(sandbox, "lost", 1, &error));
    waiting = ask(world, url);
    assert_int_equal(waiting.failure, HTTP_BROKEN);
    free(waiting.body);
    sandbox_server_stop(server);
    sandbox_close(sandbox);
    world_destroy(world);
}

/* Some faults are probabilities, some times, some factors. */
static void test_faults_have_their_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double value, too_large;
    } faults[] = {
        {"lost", 0.5, 1.5},           {"consistency_ms", 20000, 6e6}, {"latency", 3, 1e9},
        {"time:inject", 90000, 1e12}, {"spread", 1.5, 100},           {"capacity:m6i.large", 1, 2},
    };
    struct sandbox *sandbox = populated(1, 0);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct error error = {0};
        assert_true(sandbox_set_fault(sandbox, faults[i].name, faults[i].value, &error));
        assert_false(sandbox_set_fault(sandbox, faults[i].name, faults[i].too_large, &error));
        assert_non_null(strstr(error.message, faults[i].name));
        error_clear(&error);
        assert_false(sandbox_set_fault(sandbox, faults[i].name, -0.1, &error));
        error_clear(&error);
    }
    sandbox_close(sandbox);
}

struct asker {
    int port, answered;
};

static void *ask_many(void *context)
{
    struct asker *asker = context;
    struct world *world = real_world();
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", asker->port);
    for (int i = 0; i < 20; i++) {
        struct waiting waiting = ask(world, url);
        asker->answered += waiting.status == 200;
        free(waiting.body);
    }
    world_destroy(world);
    return NULL;
}

static void test_many_clients_at_once(void **state)
{
    (void)state;
    enum { CLIENTS = 6 };
    struct sandbox *sandbox = populated(1000, 0);
    int port = 0;
    struct sandbox_server *server = start(sandbox, &port);
    struct asker askers[CLIENTS];
    pthread_t threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        askers[i] = (struct asker){.port = port};
        pthread_create(&threads[i], NULL, ask_many, &askers[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].answered, 20);
    }
    sandbox_server_stop(server);
    sandbox_close(sandbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_a_simulated_world),
        cmocka_unit_test(test_the_sandbox_s_own_world),
        cmocka_unit_test(test_faults_have_their_ranges),
        cmocka_unit_test(test_over_http),
        cmocka_unit_test(test_many_clients_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
