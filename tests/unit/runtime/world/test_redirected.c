#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "runtime/world/simulated.h"

enum { INNER_UTC = 5000000, UTC = 900000000 };

struct fixture {
    struct world *inner, *world;
    struct buffer asked, seen;
    struct world_task *own;
};

static void respond(void *context, int64_t utc_ms, const struct http_request *request,
                    struct http_response *response, int64_t *latency_ms)
{
    struct fixture *f = context;
    buffer_printf(&f->asked, "%s@%d ", request->url, (int)(utc_ms - UTC));
    response->status = 200;
    response->body = "sandbox";
    response->body_length = 7;
    *latency_ms = 1000;
}

static void accept_dial(void *context, int64_t utc_ms, const char *host, int port,
                        const char **failure, int64_t *latency_ms)
{
    struct fixture *f = context;
    buffer_printf(&f->asked, "%s:%d@%d ", host, port, (int)(utc_ms - UTC));
    *failure = port == 22 ? NULL : "connection refused";
    *latency_ms = 500;
}

static void take_message(void *context, int64_t utc_ms, const struct message_request *request,
                         const char **failure, const void **bytes, size_t *length, int64_t *latency_ms)
{
    struct fixture *f = context;
    (void)utc_ms, (void)failure;
    buffer_printf(&f->asked, "%s:%d ", request->host, request->port);
    *latency_ms = 500;
    *bytes = "answer";
    *length = strcmp(request->host, "10.0.0.2") == 0 ? 0 : 6;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct world_responder responder = {.context = f, .http = respond, .connect = accept_dial, .message = take_message};
    f->inner = world_simulated_create(1, INNER_UTC, (struct world_responder){0});
    f->world = world_redirected_create(f->inner, responder, 10, INNER_UTC, UTC);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    world_destroy(f->world);
    buffer_free(&f->asked);
    buffer_free(&f->seen);
    free(f);
    return 0;
}

static void note(void *context)
{
    struct fixture *f = context;
    buffer_printf(&f->seen, "tick@%d/%d/%d ", (int)world_monotonic_ms(f->world),
                  (int)(world_utc_ms(f->world) - UTC), (int)world_monotonic_ms(f->inner));
}

static void note_http(void *context, const struct http_response *response)
{
    struct fixture *f = context;
    buffer_printf(&f->seen, "%d/%d/%s@%d ", response->failure, response->status, response->body,
                  (int)world_monotonic_ms(f->world));
}

static void note_dial(void *context, const char *failure)
{
    struct fixture *f = context;
    buffer_printf(&f->seen, "%s@%d ", failure ? failure : "connected",
                  (int)world_monotonic_ms(f->world));
}

static void note_message(void *context, const char *failure, const void *bytes, size_t length)
{
    struct fixture *f = context;
    buffer_printf(&f->seen, "%s%.*s@%d ", failure ? failure : "", (int)length,
                  bytes ? (const char *)bytes : "", (int)world_monotonic_ms(f->world));
}

static void clocks_run_faster(void **state)
{
    struct fixture *f = *state;
    world_timer(f->world, 1000, note, f);
    world_timer(f->world, 1001, note, f); /* the inner clock has no tenth: rounded up */
    world_cancel(f->world, world_timer(f->world, 500, note, f));
    world_run(f->world, NULL);
    assert_string_equal(f->seen.data, "tick@1000/1000/100 tick@1010/1010/101 ");
}

static void requests_go_to_the_responder(void **state)
{
    struct fixture *f = *state;
    struct http_request request = {.method = "GET", .url = "https://ec2/"};
    struct http_request hasty = {.method = "GET", .url = "/hasty", .timeout_ms = 900};
    world_http(f->world, &request, note_http, f);
    world_http(f->world, &hasty, note_http, f);
    world_connect(f->world, "10.0.0.1", 22, 0, note_dial, f);
    world_connect(f->world, "10.0.0.1", 80, 0, note_dial, f);
    assert_int_equal(f->seen.length, 0);
    world_run(f->world, NULL);
    assert_string_equal(f->asked.data, "https://ec2/@0 /hasty@0 10.0.0.1:22@0 10.0.0.1:80@0 ");
    assert_string_equal(f->seen.data, "connected@500 connection refused@500 3/0/@900 "
                                      "0/200/sandbox@1000 ");
}

static void messages_go_to_the_responder(void **state)
{
    struct fixture *f = *state;
    struct message_request request = {.host = "10.0.0.1", .port = 53, .bytes = "question", .length = 8};
    struct message_request silent = {.host = "10.0.0.2", .port = 53, .bytes = "question", .length = 8};
    world_message(f->world, &request, note_message, f);
    world_message(f->world, &silent, note_message, f);
    world_cancel(f->world, world_message(f->world, &request, note_message, f));
    assert_int_equal(f->seen.length, 0);
    world_run(f->world, NULL);
    assert_string_equal(f->asked.data, "10.0.0.1:53 10.0.0.2:53 10.0.0.1:53 ");
    assert_string_equal(f->seen.data, "answer@500 timed out@5000 ");
}

static void cancelled(void **state)
{
    struct fixture *f = *state;
    struct http_request request = {.method = "GET", .url = "/x"};
    world_cancel(f->world, world_http(f->world, &request, note_http, f));
    world_cancel(f->world, world_connect(f->world, "h", 22, 0, note_dial, f));
    world_cancel(f->world, world_defer(f->world, note, f));
    world_run(f->world, NULL);
    assert_int_equal(f->seen.length, 0);
    world_http(f->world, &request, note_http, f); /* for destroy */
}

static bool leave(void *context, const void *bytes, size_t length)
{
    struct fixture *f = context;
    assert_memory_equal(bytes, "sandbox", length);
    world_cancel(f->world, f->own);
    return true;
}

static void cancelled_while_streaming(void **state)
{
    struct fixture *f = *state;
    struct http_request request = {.url = "/x", .on_body = leave, .body_context = f};
    f->own = world_http(f->world, &request, note_http, f);
    world_run(f->world, NULL);
    assert_int_equal(f->seen.length, 0);
    assert_int_not_equal(f->asked.length, 0);
}

static void nothing(void *context)
{
    (void)context;
}

static void on_signal(void *context, int number)
{
    struct fixture *f = context;
    buffer_printf(&f->seen, "signal%d ", number);
}

static void the_rest_is_the_inner_world(void **state)
{
    struct fixture *f = *state;
    world_simulated_set_environment(f->inner, "A", "b");
    assert_string_equal(world_environment(f->world, "A"), "b");
    world_defer(f->world, note, f);
    world_work(f->world, nothing, note, f);
    struct world_task *task = world_signal(f->world, SIGINT, on_signal, f);
    world_simulated_raise(f->inner, SIGINT);
    world_run(f->world, NULL);
    world_cancel(f->world, task);
    assert_string_equal(f->seen.data, "tick@0/0/0 signal2 tick@0/0/0 ");
    uint8_t bytes[8] = {0}, zero[8] = {0};
    world_random(f->world, bytes, sizeof bytes);
    assert_memory_not_equal(bytes, zero, sizeof bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(clocks_run_faster),         TEST(requests_go_to_the_responder), TEST(cancelled),
        TEST(messages_go_to_the_responder),
        TEST(cancelled_while_streaming), TEST(the_rest_is_the_inner_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
