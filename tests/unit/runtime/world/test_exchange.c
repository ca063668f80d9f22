/* Exchange.
 * Covers: world.c: headers of an answer; its other functions pass on to the world at hand. */
#include "runtime/world/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"

struct scene {
    struct http_response answer;
    int64_t latency_ms;
    /* what came */
    int calls;
    struct http_response told;
    size_t streamed, pieces;
    size_t wants; /* pieces; then the receiver gives up */
    struct exchange *cancels;
};

static void respond(void *context, int64_t utc_ms, const struct http_request *request,
                    struct http_response *response, int64_t *latency_ms)
{
    const struct scene *scene = context;
    (void)utc_ms;
    (void)request;
    *response = scene->answer;
    *latency_ms = scene->latency_ms;
}

static void dial(void *context, int64_t utc_ms, const char *host, int port, const char **failure,
                 int64_t *latency_ms)
{
    const struct scene *scene = context;
    (void)utc_ms;
    (void)host;
    *failure = port == 22 ? NULL : "Connection refused";
    *latency_ms = scene->latency_ms;
}

static void take(void *context, const struct http_response *response)
{
    struct scene *scene = context;
    scene->calls++;
    scene->told = *response;
}

static bool take_piece(void *context, const void *bytes, size_t length)
{
    struct scene *scene = context;
    (void)bytes;
    scene->streamed += length;
    if (scene->cancels) {
        scene->cancels->cancelled = true;
    }
    return ++scene->pieces < scene->wants;
}

static struct exchange ask(struct scene *scene, const struct http_request *request)
{
    struct exchange exchange = {0};
    struct world_responder responder = {.context = scene, .http = respond, .connect = dial};
    exchange_ask(&exchange, &responder, 0, request, 100);
    return exchange;
}

static void an_answer_is_a_copy(void **state)
{
    (void)state;
    char body[] = "body";
    struct http_header headers[] = {{"Date", "today"}};
    struct scene scene = {.answer = {.status = 200,
                                     .body = body,
                                     .body_length = 4,
                                     .headers = headers,
                                     .header_count = 1},
                          .latency_ms = 50};
    struct http_request request = {.timeout_ms = 1000};
    struct exchange exchange = ask(&scene, &request);
    memset(body, 'x', 4);
    headers[0].value = "gone";
    assert_int_equal(exchange.delay_ms, 150);
    exchange_deliver(&exchange, take, &scene);
    assert_int_equal(scene.calls, 1);
    assert_int_equal(scene.told.status, 200);
    assert_string_equal(scene.told.body, "body");
    assert_string_equal(http_response_header(&scene.told, "date"), "today");
    assert_null(http_response_header(&scene.told, "dat"));
    exchange_clear(&exchange);
}

static void too_late_and_too_large(void **state)
{
    (void)state;
    struct scene scene = {.answer = {.status = 200, .body = "12345", .body_length = 5},
                          .latency_ms = 900};
    struct http_request request = {.timeout_ms = 1000};
    struct exchange exchange = ask(&scene, &request); /* 900 and 100: not within */
    assert_int_equal(exchange.response.failure, HTTP_TIMED_OUT);
    assert_string_equal(exchange.response.failure_text, "no answer within 1 s");
    assert_int_equal(exchange.delay_ms, 1000);
    exchange_clear(&exchange);
    scene.latency_ms = 899;
    request.response_max = 4;
    exchange = ask(&scene, &request);
    assert_int_equal(exchange.response.failure, HTTP_TOO_LARGE);
    assert_int_equal(exchange.response.body_length, 0);
    exchange_clear(&exchange);
    request.response_max = 5;
    exchange = ask(&scene, &request);
    assert_int_equal(exchange.response.failure, HTTP_ANSWERED);
    exchange_clear(&exchange);
}

static void nobody_there(void **state)
{
    (void)state;
    struct exchange exchange = {0};
    struct http_request request = {0};
    exchange_ask(&exchange, &(struct world_responder){0}, 0, &request, 0);
    assert_int_equal(exchange.response.failure, HTTP_UNREACHABLE);
    assert_string_equal(exchange.response.failure_text, "no route to host");
    exchange_clear(&exchange);
}

static void large_bodies_are_streamed(void **state)
{
    (void)state;
    size_t length = 100000;
    char *body = calloc(1, length);
    struct scene scene = {.answer = {.status = 200, .body = body, .body_length = length},
                          .wants = 1000};
    struct http_request request = {.on_body = take_piece,
                                   .body_context = &scene,
                                   .response_max = 10}; /* not collected: no limit */
    struct exchange exchange = ask(&scene, &request);
    exchange_deliver(&exchange, take, &scene);
    assert_int_equal(scene.streamed, length);
    assert_true(scene.pieces > 1);
    assert_int_equal(scene.told.body_length, 0);
    scene = (struct scene){.answer = scene.answer, .wants = 2};
    exchange_deliver(&exchange, take, &scene); /* the receiver gives up */
    assert_int_equal(scene.told.failure, HTTP_BROKEN);
    assert_int_equal(scene.pieces, 2);
    scene = (struct scene){.answer = scene.answer, .wants = 1000, .cancels = &exchange};
    exchange_deliver(&exchange, take, &scene);
    assert_int_equal(scene.calls, 0);
    assert_int_equal(scene.pieces, 1);
    exchange_clear(&exchange);
    free(body);
}

static void dialling(void **state)
{
    (void)state;
    struct scene scene = {.latency_ms = 5};
    struct world_responder responder = {.context = &scene, .connect = dial};
    int64_t delay_ms = -1;
    assert_null(exchange_connect(&responder, 0, "h", 22, 1000, &delay_ms));
    assert_int_equal(delay_ms, 5);
    char *failure = exchange_connect(&responder, 0, "h", 23, 1000, &delay_ms);
    assert_string_equal(failure, "Connection refused");
    free(failure);
    scene.latency_ms = 5000;
    failure = exchange_connect(&responder, 0, "h", 22, 1000, &delay_ms);
    assert_string_equal(failure, "timed out");
    assert_int_equal(delay_ms, 1000);
    free(failure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_a_copy),
        cmocka_unit_test(too_late_and_too_large),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(large_bodies_are_streamed),
        cmocka_unit_test(dialling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
