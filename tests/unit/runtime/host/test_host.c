#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/host/host.h"
#include "runtime/world/simulated.h"

enum { EXCERPT_BYTES = 120 }; /* 60 characters of two bytes */

struct fixture {
    struct world *world;
    struct provider *host;
    /* what the VM does */
    int status;
    const char *body;
    size_t body_length; /* 0: of the text */
    char asked[300];
    bool insecure;
    /* what came of the call */
    int done;
    enum outcome outcome;
    char message[600];
    bool has_help;
};

static void respond(void *context, int64_t utc_ms, const struct http_request *request,
                    struct http_response *response, int64_t *latency_ms)
{
    (void)utc_ms;
    struct fixture *f = context;
    snprintf(f->asked, sizeof f->asked, "%s %s", request->method, request->url);
    f->insecure = request->insecure;
    assert_string_equal(request->proxy, "");
    response->status = f->status;
    response->body = f->body;
    response->body_length = f->body_length ? f->body_length : strlen(f->body);
    *latency_ms = strstr(request->url, "slow") ? 1000000 : 3;
}

static void accept_dial(void *context, int64_t utc_ms, const char *host, int port,
                        const char **failure, int64_t *latency_ms)
{
    (void)context, (void)utc_ms, (void)host;
    *latency_ms = port == 1 ? 1000000 : 3;
    *failure = port == 5432 ? NULL : "connection refused";
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->world = world_simulated_create(1, 0, (struct world_responder){.context = f, .http = respond, .connect = accept_dial});
    f->host = host_provider_create(f->world);
    f->status = 200;
    f->body = "";
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    f->host->destroy(f->host);
    assert_int_equal(world_simulated_pending(f->world), 0);
    world_destroy(f->world);
    free(f);
    return 0;
}

static void keep(void *context, struct call *call, const struct call_result *result)
{
    struct fixture *f = context;
    assert_ptr_equal(call->context, f);
    f->done++;
    f->outcome = result->outcome;
    f->has_help = result->error.help != NULL;
    snprintf(f->message, sizeof f->message, "%s",
             result->error.message ? result->error.message : "");
}

static struct value text(const char *value)
{
    return (struct value){.kind = VALUE_TEXT, .text = value};
}

static struct value number(int64_t value)
{
    return (struct value){.kind = VALUE_INT, .integer = value};
}

static void poll_once(struct fixture *f, enum action action, const struct input *inputs,
                      size_t count)
{
    struct graph_node node = {.id = "n", .action = action};
    struct call call = {.node = &node, .inputs = inputs, .input_count = count, .context = f};
    struct call *calls[] = {&call};
    f->done = 0;
    f->host->poll(f->host, calls, 1, keep, f);
    assert_int_equal(f->done, 0); /* never from within poll */
    world_run(f->world, NULL);
    assert_int_equal(f->done, 1);
}

static void tcp(struct fixture *f, const char *address, int port)
{
    struct input inputs[] = {
        {"address", text(address)}, {"port", number(port)}, {"interval_ms", number(2000)}};
    poll_once(f, ACTION_CHECK_TCP, inputs, 3);
}

static void http(struct fixture *f, const char *path, const char *match, bool tls)
{
    struct input inputs[] = {{"address", text("10.20.1.5")},
                             {"port", number(8080)},
                             {"path", text(path)},
                             {"status", number(200)},
                             {"tls", {.kind = VALUE_BOOL, .boolean = tls}},
                             {"interval_ms", number(2000)},
                             {"match", text(match)}};
    poll_once(f, ACTION_CHECK_HTTP, inputs, match ? 7 : 6);
}

static void is_a_provider(void **state)
{
    struct fixture *f = *state;
    assert_true(provider_check(f->host, NULL));
}

static void tcp_checks(void **state)
{
    struct fixture *f = *state;
    tcp(f, "10.20.2.10", 5432);
    assert_int_equal(f->outcome, OUTCOME_OK);
    assert_string_equal(f->message, "");
    tcp(f, "10.20.2.10", 80);
    assert_int_equal(f->outcome, OUTCOME_PENDING);
    assert_string_equal(f->message, "tcp :80 connection refused");
    tcp(f, "10.20.2.10", 1);
    assert_string_equal(f->message, "tcp :1 timed out");
}

static void http_checks(void **state)
{
    struct fixture *f = *state;
    http(f, "/healthz", NULL, false);
    assert_int_equal(f->outcome, OUTCOME_OK);
    assert_string_equal(f->message, "");
    assert_string_equal(f->asked, "GET http://10.20.1.5:8080/healthz");
    f->status = 503;
    f->body = "\r\n db: connection refused\r\nand more";
    http(f, "/healthz", NULL, false);
    assert_int_equal(f->outcome, OUTCOME_PENDING);
    assert_string_equal(f->message,
                        "http :8080/healthz answers 503, body \"db: connection refused\"");
    f->body = "";
    http(f, "/", NULL, true);
    assert_string_equal(f->message, "https :8080/ answers 503");
    assert_string_equal(f->asked, "GET https://10.20.1.5:8080/");
    assert_true(f->insecure);
    http(f, "/slow", NULL, false);
    assert_int_equal(f->outcome, OUTCOME_PENDING);
    assert_string_equal(f->message, "http :8080/slow no answer within 5 s");
}

/* Not followed: what the page itself says is asked about. */
static void a_redirect_is_the_answer(void **state)
{
    struct fixture *f = *state;
    struct input inputs[] = {{"address", text("10.20.1.5")},
                             {"port", number(8080)},
                             {"path", text("/")},
                             {"status", number(301)},
                             {"interval_ms", number(2000)}};
    f->status = 301;
    poll_once(f, ACTION_CHECK_HTTP, inputs, 5);
    assert_int_equal(f->outcome, OUTCOME_OK);
    assert_string_equal(f->asked, "GET http://10.20.1.5:8080/");
    inputs[3].value = number(200);
    poll_once(f, ACTION_CHECK_HTTP, inputs, 5);
    assert_int_equal(f->outcome, OUTCOME_PENDING);
    assert_non_null(strstr(f->message, "http :8080/ answers 301"));
}

static void matches_the_body(void **state)
{
    struct fixture *f = *state;
    f->body = "{\"status\":\"ok\"}";
    http(f, "/", "\"ok\"", false);
    assert_int_equal(f->outcome, OUTCOME_OK);
    assert_string_equal(f->message, "");
    f->body = "{\"status\":\"starting\"}";
    http(f, "/", "\"ok\"", false);
    assert_int_equal(f->outcome, OUTCOME_PENDING);
    assert_string_equal(f->message, "http :8080/ answers 200, body \"{\"status\":\"starting\"}\", "
                                    "which does not match \"ok\"");
    http(f, "/", "(", false);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    assert_memory_equal(f->message, "the pattern ( is not valid: ", 28);
    assert_true(f->has_help);
}

static void odd_answers(void **state)
{
    struct fixture *f = *state;
    f->status = 500;
    f->body = "a\tb\x1b[31m\x7f";
    http(f, "/", NULL, false);
    assert_string_equal(f->message, "http :8080/ answers 500, body \"a b [31m \"");
    f->body = "caf\xe9 \xe2\x80\xae x\xc3";
    http(f, "/", NULL, false);
    assert_string_equal(f->message, "http :8080/ answers 500, body \"caf?   x?\"");
    char body[400] = "";
    for (int i = 0; i < 100; i++) {
        strcat(body, "é");
    }
    f->body = body;
    http(f, "/", NULL, false);
    body[EXCERPT_BYTES] = '\0';
    char expected[500];
    snprintf(expected, sizeof expected, "http :8080/ answers 500, body \"%s…\"", body);
    assert_string_equal(f->message, expected);
}

static void large_answers(void **state)
{
    struct fixture *f = *state;
    char *body = calloc(1, 300 << 10);
    memset(body, 'x', (300 << 10) - 1);
    f->body = body;
    http(f, "/", NULL, false); /* only the status is asked for */
    assert_int_equal(f->outcome, OUTCOME_OK);
    http(f, "/", "x", false);
    assert_int_equal(f->outcome, OUTCOME_PENDING);
    assert_non_null(strstr(f->message, "answers 200 with more than 256 KiB"));
    free(body);
}

static void addresses_and_paths(void **state)
{
    struct fixture *f = *state;
    http(f, "/a b?c=d#e\xc3\xa9", NULL, false);
    assert_string_equal(f->asked, "GET http://10.20.1.5:8080/a%20b?c=d%23e%C3%A9");
    struct input v6[] = {{"address", text("fd00::5")}, {"port", number(80)}, {"path", text("/")}};
    poll_once(f, ACTION_CHECK_HTTP, v6, 3);
    assert_string_equal(f->asked, "GET http://[fd00::5]:80/");
}

static void nonsense_is_fatal(void **state)
{
    struct fixture *f = *state;
    tcp(f, "", 80);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    tcp(f, "10.0.0.1", 0);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    tcp(f, "10.0.0.1", 65536);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    http(f, "healthz", NULL, false);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
    assert_string_equal(f->message, "the path of an HTTP check has to begin with /");
    poll_once(f, ACTION_DELAY, NULL, 0);
    assert_int_equal(f->outcome, OUTCOME_FATAL);
}

static void start_and_lookup_have_nothing_to_do(void **state)
{
    struct fixture *f = *state;
    struct graph_node node = {.id = "n", .action = ACTION_CHECK_TCP};
    struct call call = {.node = &node, .context = f};
    struct call *calls[] = {&call, &call};
    f->host->start(f->host, calls, 2, keep, f);
    world_run(f->world, NULL);
    assert_int_equal(f->done, 2);
    assert_int_equal(f->outcome, OUTCOME_OK);
    f->host->lookup(f->host, &call, keep, f);
    world_run(f->world, NULL);
    assert_int_equal(f->outcome, OUTCOME_ABSENT);
}

/* tear_down destroys the host with these under way, and sees that nothing of them is left. */
static void destroyed_under_way(void **state)
{
    struct fixture *f = *state;
    struct input inputs[] = {
        {"address", text("10.0.0.1")}, {"port", number(80)}, {"path", text("/")}};
    struct graph_node dial = {.action = ACTION_CHECK_TCP}, page = {.action = ACTION_CHECK_HTTP};
    struct call one = {.node = &dial, .inputs = inputs, .input_count = 3};
    struct call two = {.node = &page, .inputs = inputs, .input_count = 3};
    struct call *calls[] = {&one, &two};
    f->host->poll(f->host, calls, 2, keep, f);
    f->host->start(f->host, calls, 2, keep, f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(is_a_provider),
        TEST(tcp_checks),
        TEST(http_checks),
        TEST(a_redirect_is_the_answer),
        TEST(matches_the_body),
        TEST(odd_answers),
        TEST(large_answers),
        TEST(addresses_and_paths),
        TEST(nonsense_is_fatal),
        TEST(start_and_lookup_have_nothing_to_do),
        TEST(destroyed_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
