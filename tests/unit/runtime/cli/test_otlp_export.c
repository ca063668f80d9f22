/* Spans on their way to a collector in a simulated world: sent once, also over refusals and
 * silences, and never for long at the end. */
#include "runtime/cli/otlp_export.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/report/otlp.h"
#include "runtime/state/run_source.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/emitted.h"
#include "tests/unit/support/told_history.h"

enum { ANSWERS = 8 };

struct fixture {
    struct run_source source; /* first */
    struct arena *arena;
    struct history *graph_holder;
    struct world *world;
    struct otlp_export_options options;
    const char *records[16];
    size_t record_count;
    int statuses[ANSWERS]; /* 0: 200; -1: unreachable */
    int answers;
    int64_t latency_ms;
    struct buffer taken, problem, told;
    size_t headers;
    char url[128];
};

static void answer(void *context, int64_t utc_ms, const struct http_request *request,
                   struct http_response *response, int64_t *latency_ms)
{
    struct fixture *f = context;
    int status = f->answers < ANSWERS ? f->statuses[f->answers] : 0;
    (void)utc_ms;
    f->answers++;
    *latency_ms = f->latency_ms;
    *response = (struct http_response){.failure = status < 0 ? HTTP_UNREACHABLE : HTTP_ANSWERED,
                                       .failure_text = status < 0 ? "Connection refused" : NULL,
                                       .status = status ? status : 200,
                                       .body = "{}",
                                       .body_length = 2};
    strncpy(f->url, request->url, sizeof f->url - 1);
    f->headers = request->header_count;
    for (size_t i = 1; i < request->header_count; i++) {
        buffer_printf(&f->told, "[%s: %s]", request->headers[i].name, request->headers[i].value);
    }
    assert_string_equal(request->headers[0].value, "application/json");
    if (status == 0) {
        buffer_append(&f->taken, request->body, request->body_length);
    }
}

static bool read_records(struct run_source *source, int64_t after,
                         bool (*each)(void *context, int64_t number, const char *record),
                         void *context, struct error *error)
{
    struct fixture *f = (struct fixture *)source;
    (void)error;
    for (size_t i = (size_t)after; i < f->record_count; i++) {
        each(context, (int64_t)i + 1, f->records[i]);
    }
    return true;
}

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    f->arena = arena_create();
    f->graph_holder = told_history(f->arena);
    f->world = world_simulated_create(1, 1000000, (struct world_responder){.context = f, .http = answer});
    f->source.read = read_records;
    f->options = (struct otlp_export_options){.url = "http://collector:4318",
                                              .world = f->world,
                                              .source = &f->source,
                                              .graph = f->graph_holder->graph,
                                              .run_id = "run00001"};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buffer_free(&f->taken);
    buffer_free(&f->problem);
    buffer_free(&f->told);
    world_destroy(f->world);
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static void happens(struct fixture *f, const char *record)
{
    f->records[f->record_count++] = record;
}

static void one_action(struct fixture *f)
{
    happens(f, "{\"r\":\"start\",\"at\":1000000,\"t\":0}");
    happens(f, "{\"r\":\"intent\",\"n\":0,\"t\":100,\"at\":1000100}");
    happens(f, "{\"r\":\"done\",\"n\":0,\"t\":200}");
}

static void the_end(struct fixture *f)
{
    happens(f, "{\"r\":\"done\",\"n\":1,\"t\":300}");
    happens(f, "{\"r\":\"end\",\"result\":\"failed\",\"t\":400,\"at\":1000400}");
}

static void rang(void *context)
{
    *(bool *)context = true;
}

static void pass(struct fixture *f, int64_t ms)
{
    bool over = false;
    world_timer(f->world, ms, rang, &over);
    world_run(f->world, &over);
}

static int taken(const struct fixture *f, const char *name)
{
    return occurrences(buffer_text(&f->taken), arena_printf(f->arena, "\"name\":\"%s\",\"kind\"", name));
}

static void expect_once(const struct fixture *f)
{
    assert_int_equal(taken(f, "disk-0/create-volume"), 1);
    assert_int_equal(taken(f, "run-instance"), 1);
    assert_int_equal(taken(f, "db"), 1);
    assert_int_equal(taken(f, "failover"), 1);
}

static void sent_while_it_goes_on_and_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct otlp_export *exporter = otlp_export_start(&f->options);
    one_action(f);
    pass(f, 6000);
    assert_string_equal(f->url, "http://collector:4318/v1/traces");
    assert_int_equal(taken(f, "disk-0/create-volume"), 1);
    assert_int_equal(taken(f, "failover"), 0); /* it has not ended */
    the_end(f);
    otlp_export_finish(exporter, &f->problem);
    expect_once(f);
    assert_int_equal(f->problem.length, 0);
}

static void what_may_pass_is_tried_again(void **state)
{
    struct fixture *f = *state;
    static const int passing[] = {503, 429, -1, 502};
    memcpy(f->statuses, passing, sizeof passing);
    struct otlp_export *exporter = otlp_export_start(&f->options);
    one_action(f);
    pass(f, 60000);
    the_end(f);
    otlp_export_finish(exporter, &f->problem);
    expect_once(f);
    assert_int_equal(f->problem.length, 0);
}

static void what_is_refused_is_told(void **state)
{
    struct fixture *f = *state;
    f->statuses[0] = 400;
    f->statuses[1] = 302;
    struct otlp_export *exporter = otlp_export_start(&f->options);
    one_action(f);
    pass(f, 60000);
    assert_int_equal(f->answers, 1); /* and not again */
    the_end(f);
    otlp_export_finish(exporter, &f->problem);
    assert_contains(buffer_text(&f->problem), "4 spans of the trace could not be sent to "
                                              "http://collector:4318/v1/traces: HTTP 302: redirects");
}

static void silence_costs_seconds(void **state)
{
    struct fixture *f = *state;
    f->latency_ms = 3600000;
    struct otlp_export *exporter = otlp_export_start(&f->options);
    one_action(f);
    the_end(f);
    int64_t before = world_monotonic_ms(f->world);
    otlp_export_finish(exporter, &f->problem);
    assert_in_range(world_monotonic_ms(f->world) - before, 1, 6000); /* of the world's time */
    assert_contains(buffer_text(&f->problem), "could not be sent");
}

/* An orderly end was told by its own process; what a killed one left is told by the next. */
static void a_resume_tells_what_was_not_told(void **state)
{
    struct fixture *f = *state;
    for (int killed = 0; killed < 2; killed++) {
        f->record_count = 0;
        buffer_clear(&f->taken);
        one_action(f);
        if (!killed) {
            happens(f, "{\"r\":\"end\",\"result\":\"interrupted\",\"t\":200,\"at\":1000200}");
        }
        struct otlp_export *exporter = otlp_export_start(&f->options);
        happens(f, "{\"r\":\"resume\",\"at\":1009000,\"t\":200}");
        the_end(f);
        otlp_export_finish(exporter, &f->problem);
        assert_int_equal(taken(f, "disk-0/create-volume"), killed);
        assert_int_equal(taken(f, "failover"), killed);
        assert_int_equal(taken(f, "resume of failover"), 1);
        assert_int_equal(taken(f, "run-instance"), 1);
    }
}

static void headers_come_from_the_environment(void **state)
{
    struct fixture *f = *state;
    world_simulated_set_environment(f->world, "OTEL_EXPORTER_OTLP_HEADERS",
                                    "Authorization=Bearer%20a%3D%2C, x-team = dr,nonsense,=x,");
    struct otlp_export *exporter = otlp_export_start(&f->options);
    one_action(f);
    otlp_export_finish(exporter, &f->problem);
    assert_string_equal(buffer_text(&f->told), "[Authorization: Bearer a=,][x-team: dr]");
}

static void a_run_that_is_over(void **state)
{
    struct fixture *f = *state;
    told_two_sessions(f->graph_holder);
    struct otlp_trace trace = {"run00001", f->graph_holder};
    otlp_export_all("http://collector/in/a/place", f->world, &trace, &f->problem);
    assert_string_equal(f->url, "http://collector/in/a/place");
    assert_int_equal(f->problem.length, 0);
    expect_once(f);
    assert_int_equal(taken(f, "check-http"), 1);
    assert_true(otlp_is_url("https://x"));
    assert_false(otlp_is_url("http.json"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sent_while_it_goes_on_and_at_the_end), TEST(what_may_pass_is_tried_again),
        TEST(what_is_refused_is_told), TEST(silence_costs_seconds),
        TEST(a_resume_tells_what_was_not_told), TEST(headers_come_from_the_environment),
        TEST(a_run_that_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
