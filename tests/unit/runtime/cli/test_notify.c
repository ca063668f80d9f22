/* Events on their way to a web hook in a simulated world: in order, signed, sent again over refusals and
 * silences, and never for long at the end. */
#include "runtime/cli/notify.h"

#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/buffer.h"
#include "runtime/world/simulated.h"
#include "runtime/world/world.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/emitted.h"
#include "tests/unit/support/small_run.h"

enum { ANSWERS = 16 };
static const char secret[] = "a-secret-of-the-hook";

struct fixture {
    struct world *world;
    struct small_run run;
    struct notify_options options;
    int statuses[ANSWERS]; /* 0: 200; -1: no answer */
    int answers;
    struct buffer taken, deliveries, problem;
};

static void expect_signature(const char *given, const char *body)
{
    long seconds = 0;
    char hex[65] = "", text[4096], digest_hex[65];
    unsigned char digest[32];
    unsigned length = sizeof digest;
    assert_int_equal(sscanf(given, "t=%ld,v1=%64s", &seconds, hex), 2);
    snprintf(text, sizeof text, "%ld.%s", seconds, body);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)text, strlen(text), digest,
         &length);
    for (int i = 0; i < 32; i++) {
        snprintf(digest_hex + 2 * i, 3, "%02x", digest[i]);
    }
    assert_string_equal(hex, digest_hex);
    assert_int_equal(seconds, 1000); /* the simulated world's clock */
}

static void answer(void *context, int64_t utc_ms, const struct http_request *request,
                   struct http_response *response, int64_t *latency_ms)
{
    struct fixture *f = context;
    int status = f->answers < ANSWERS ? f->statuses[f->answers] : 0;
    f->answers++;
    *latency_ms = 10;
    *response = (struct http_response){.failure = status < 0 ? HTTP_TIMED_OUT : HTTP_ANSWERED,
                                       .failure_text = status < 0 ? "no answer in time" : NULL,
                                       .status = status > 0 ? status : 200,
                                       .body = "",
                                       .body_length = 0};
    assert_string_equal(request->method, "POST");
    assert_string_equal(request->headers[0].value, "application/json");
    if (utc_ms / 1000 == 1000) {
        expect_signature(request->headers[2].value, request->body);
    }
    if (status == 0) {
        buffer_printf(&f->taken, "%s\n", (const char *)request->body);
        buffer_printf(&f->deliveries, "%s ", request->headers[1].value);
    }
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->world = world_simulated_create(1, 1000000,
                                      (struct world_responder){.context = f, .http = answer});
    world_simulated_set_environment(f->world, "DRC_NOTIFY_SECRET", secret);
    small_run_fill(&f->run);
    f->options = (struct notify_options){.url = "https://hook.example/drc",
                                         .world = f->world,
                                         .graph = &f->run.graph,
                                         .run_id = "run00001"};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buffer_free(&f->taken);
    buffer_free(&f->deliveries);
    buffer_free(&f->problem);
    world_destroy(f->world);
    free(f);
    return 0;
}

static void happen(struct fixture *f, struct notify *notify, enum executor_event_type type,
                   uint32_t node)
{
    struct executor_event event = small_run_event(&f->run, type, node, 1000, "some detail");
    event.utc_ms = 1000000;
    notify_observe(notify, &event);
}

static int taken(const struct fixture *f, const char *text)
{
    return occurrences(buffer_text(&f->taken), text);
}

static void what_people_want_to_know(void **state)
{
    struct fixture *f = *state;
    struct notify *notify = notify_start(&f->options);
    happen(f, notify, EVENT_NODE_STARTED, DB_VOLUME);
    happen(f, notify, EVENT_NODE_DONE, DB_VOLUME);
    happen(f, notify, EVENT_NODE_DONE, DB_RECOVERED);
    happen(f, notify, EVENT_NODE_FAILED, APP_VOLUME);
    notify_finish(notify, &f->problem);
    assert_int_equal(f->answers, 2);
    assert_int_equal(taken(f, "\"node\":\"db/recovered\""), 1);
    assert_int_equal(taken(f, "\"type\":\"node_failed\""), 1);
    assert_int_equal(taken(f, "some detail"), 1);
    assert_string_equal(buffer_text(&f->deliveries), "run00001-1000000-1 run00001-1000000-2 ");
    assert_int_equal(f->problem.length, 0);
}

static void sent_again_until_it_is_taken(void **state)
{
    struct fixture *f = *state;
    struct notify *notify = notify_start(&f->options);
    f->statuses[0] = 503;
    f->statuses[1] = -1;
    f->statuses[2] = 429;
    happen(f, notify, EVENT_NODE_FAILED, APP_VOLUME);
    happen(f, notify, EVENT_NODE_DONE, DB_RECOVERED);
    notify_finish(notify, &f->problem);
    assert_int_equal(f->answers, 5);
    assert_string_equal(buffer_text(&f->deliveries), "run00001-1000000-1 run00001-1000000-2 ");
    assert_int_equal(f->problem.length, 0);
}

static void refused_for_good_is_told_and_holds_up_nothing(void **state)
{
    struct fixture *f = *state;
    struct notify *notify = notify_start(&f->options);
    f->statuses[0] = 404;
    happen(f, notify, EVENT_NODE_FAILED, APP_VOLUME);
    happen(f, notify, EVENT_NODE_DONE, DB_RECOVERED);
    notify_finish(notify, &f->problem);
    assert_int_equal(taken(f, "db/recovered"), 1);
    assert_string_equal(buffer_text(&f->problem),
                        "1 event could not be posted to https://hook.example/drc: HTTP 404");
}

static void a_dead_hook_costs_seconds(void **state)
{
    struct fixture *f = *state;
    struct notify *notify = notify_start(&f->options);
    for (int i = 0; i < ANSWERS; i++) {
        f->statuses[i] = -1;
    }
    for (int i = 0; i < 1100; i++) {
        happen(f, notify, EVENT_NODE_FAILED, APP_VOLUME);
    }
    int64_t before = world_monotonic_ms(f->world);
    notify_finish(notify, &f->problem);
    assert_true(world_monotonic_ms(f->world) - before <= 10000);
    assert_int_equal(strncmp(buffer_text(&f->problem), "1100 events could not be posted", 31), 0);
}

static void needs_a_secret_and_a_url(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    assert_true(notify_check("https://hook.example/", f->world, &error));
    assert_false(notify_check("hook.example", f->world, &error));
    error_clear(&error);
    world_simulated_set_environment(f->world, "DRC_NOTIFY_SECRET", "");
    assert_false(notify_check("https://hook.example/", f->world, &error));
    assert_string_equal(error.message, "--notify: DRC_NOTIFY_SECRET is not set");
    error_clear(&error);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_people_want_to_know),
        TEST(sent_again_until_it_is_taken),
        TEST(refused_for_good_is_told_and_holds_up_nothing),
        TEST(a_dead_hook_costs_seconds),
        TEST(needs_a_secret_and_a_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
