/* Covers: request_copy.c weather.c */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "runtime/world/simulated.h"

enum { UTC = 1000000 };

/* A responder that keeps a log and answers by the path's last letter. */
struct server {
    struct buffer log;
    int requests;
    int64_t latency_ms;
    char *big;
    size_t big_length;
};

static void respond(void *context, int64_t utc_ms, const struct http_request *request,
                    struct http_response *response, int64_t *latency_ms)
{
    static const struct http_header headers[] = {{"X-Request-Id", "r-1"}};
    struct server *server = context;
    server->requests++;
    buffer_printf(&server->log, "%s@%d ", request->url, (int)(utc_ms - UTC));
    *latency_ms = server->latency_ms;
    response->status = strstr(request->url, "missing") ? 404 : 200;
    response->headers = headers;
    response->header_count = 1;
    response->body = server->big ? server->big : "hello";
    response->body_length = server->big ? server->big_length : 5;
}

static void accept_dial(void *context, int64_t utc_ms, const char *host, int port,
                        const char **failure, int64_t *latency_ms)
{
    (void)utc_ms;
    struct server *server = context;
    *latency_ms = server->latency_ms;
    *failure = port == 22 && strcmp(host, "10.0.0.1") == 0 ? NULL : "refused";
}

static void take_message(void *context, int64_t utc_ms, const struct message_request *request,
                         const char **failure, const void **bytes, size_t *length, int64_t *latency_ms)
{
    struct server *server = context;
    server->requests++;
    buffer_printf(&server->log, "%s:%d@%d ", request->host, request->port, (int)(utc_ms - UTC));
    *latency_ms = server->latency_ms;
    *failure = request->port == 53 ? NULL : "connection refused";
    *bytes = "an answer";
    *length = strcmp(request->host, "silent") == 0 ? 0 : 9;
}

static struct world *make(struct server *server, uint64_t seed)
{
    struct world_responder responder = {.context = server, .http = respond, .connect = accept_dial,
                                        .message = take_message};
    return world_simulated_create(seed, UTC, responder);
}

/* What came back, as text with times. */
struct trace {
    struct world *world;
    struct buffer text;
    const char *name;
    struct trace *into;
    bool stop;
};

static void note(void *context)
{
    struct trace *trace = context;
    struct trace *into = trace->into ? trace->into : trace;
    buffer_printf(&into->text, "%s@%d ", trace->name, (int)world_monotonic_ms(into->world));
}

static void note_http(void *context, const struct http_response *response)
{
    struct trace *trace = context;
    buffer_printf(&trace->text, "%d/%d/%zu@%d ", response->failure, response->status,
                  response->body_length, (int)world_monotonic_ms(trace->world));
}

static void note_dial(void *context, const char *failure)
{
    struct trace *trace = context;
    buffer_printf(&trace->text, "%s@%d ", failure ? failure : "connected",
                  (int)world_monotonic_ms(trace->world));
}

static void note_message(void *context, const char *failure, const void *bytes, size_t length)
{
    struct trace *trace = context;
    buffer_printf(&trace->text, "%s%.*s@%d ", failure ? failure : "", (int)length,
                  bytes ? (const char *)bytes : "", (int)world_monotonic_ms(trace->world));
}

static void timers_come_in_order(void **state)
{
    (void)state;
    struct world *world = make(&(struct server){0}, 1);
    struct trace all = {.world = world, .name = "a"};
    struct trace b = {.into = &all, .name = "b"}, c = {.into = &all, .name = "c"};
    world_timer(world, 30, note, &c);
    world_timer(world, 10, note, &all);
    world_timer(world, 30, note, &b);
    struct world_task *cancelled = world_timer(world, 20, note, &b);
    world_cancel(world, cancelled);
    world_cancel(world, NULL);
    assert_int_equal(world_simulated_pending(world), 3);
    bool never = false;
    world_run(world, &never);
    assert_string_equal(all.text.data, "a@10 c@30 b@30 ");
    assert_int_equal(world_utc_ms(world), UTC + 30);
    assert_int_equal(world_simulated_pending(world), 0);
    buffer_free(&all.text);
    world_destroy(world);
}

/* Makes one that is due at once, and one that is deferred. */
static void chain(void *context)
{
    struct trace *trace = context;
    note(trace);
    struct trace *into = trace->into;
    static const char *const names[] = {"first", "second", "third"};
    if (strcmp(trace->name, names[2]) != 0) {
        world_defer(into->world, note, into);
        trace->name = strcmp(trace->name, names[0]) == 0 ? names[1] : names[2];
        world_timer(into->world, 0, chain, trace);
    }
}

static void deferred_comes_after_the_turn(void **state)
{
    (void)state;
    struct world *world = make(&(struct server){0}, 1);
    struct trace all = {.world = world, .name = "commit"};
    struct trace other = {.into = &all, .name = "other"};
    struct trace task = {.into = &all, .name = "first"};
    world_timer(world, 5, chain, &task);
    world_timer(world, 5, note, &other);
    bool never = false;
    world_run(world, &never);
    assert_string_equal(all.text.data, "first@5 other@5 commit@5 second@5 commit@5 third@5 ");
    buffer_free(&all.text);
    world_destroy(world);
}

static void http_is_answered_later(void **state)
{
    (void)state;
    struct server server = {.latency_ms = 40};
    struct world *world = make(&server, 1);
    struct trace trace = {.world = world};
    struct http_request good = {.method = "GET", .url = "/x"};
    struct http_request slow = {.method = "GET", .url = "/slow", .timeout_ms = 40};
    struct http_request small = {.method = "GET", .url = "/missing", .response_max = 4};
    world_http(world, &good, note_http, &trace);
    assert_int_equal(server.requests, 0);
    world_http(world, &slow, note_http, &trace);
    world_http(world, &small, note_http, &trace);
    bool never = false;
    world_run(world, &never);
    assert_string_equal(trace.text.data, "0/200/5@40 3/0/0@40 5/404/0@40 ");
    buffer_free(&trace.text);
    buffer_free(&server.log);
    world_destroy(world);
}

static void cancelled_after_it_was_carried_out(void **state)
{
    (void)state;
    struct server server = {.latency_ms = 40};
    struct world *world = make(&server, 1);
    struct trace trace = {.world = world};
    struct http_request request = {.method = "GET", .url = "/x"};
    struct world_task *task = world_http(world, &request, note_http, &trace);
    world_simulated_stop_after(world, 1);
    world_run(world, NULL);
    assert_int_equal(server.requests, 1);
    world_cancel(world, task);
    world_simulated_stop_after(world, -1);
    world_run(world, NULL);
    assert_int_equal(trace.text.length, 0);
    buffer_free(&server.log);
    world_destroy(world);
}

struct sink {
    size_t bytes, limit;
    struct world *world;
    struct world_task *task;
};

static bool take(void *context, const void *bytes, size_t length)
{
    struct sink *sink = context;
    assert_non_null(bytes);
    sink->bytes += length;
    if (sink->task) {
        world_cancel(sink->world, sink->task);
    }
    return sink->bytes < sink->limit;
}

static void bodies_are_streamed(void **state)
{
    (void)state;
    static char big[100000];
    struct server server = {.big = big, .big_length = sizeof big};
    struct world *world = make(&server, 1);
    struct trace trace = {.world = world};
    struct sink all = {.limit = SIZE_MAX}, some = {.limit = 20000}, not_2xx = {0};
    struct sink leaving = {.limit = SIZE_MAX, .world = world};
    struct http_request request[4] = {
        {.url = "/x", .on_body = take, .body_context = &all, .response_max = 10},
        {.url = "/x", .on_body = take, .body_context = &some},
        {.url = "/missing", .on_body = take, .body_context = &not_2xx},
        {.url = "/x", .on_body = take, .body_context = &leaving},
    };
    for (int i = 0; i < 4; i++) {
        struct world_task *task = world_http(world, &request[i], note_http, &trace);
        leaving.task = i == 3 ? task : NULL;
    }
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "0/200/0@0 4/200/0@0 0/404/100000@0 ");
    assert_int_equal(all.bytes, sizeof big);
    assert_in_range(some.bytes, 20000, 40000);
    assert_int_equal(not_2xx.bytes, 0);
    assert_in_range(leaving.bytes, 1, 20000);
    buffer_free(&trace.text);
    buffer_free(&server.log);
    world_destroy(world);
}

static void dials(void **state)
{
    (void)state;
    struct server server = {.latency_ms = 7};
    struct world *world = make(&server, 1);
    struct trace trace = {.world = world};
    world_connect(world, "10.0.0.1", 22, 100, note_dial, &trace);
    world_connect(world, "10.0.0.1", 80, 0, note_dial, &trace);
    world_connect(world, "10.0.0.1", 22, 7, note_dial, &trace);
    world_cancel(world, world_connect(world, "10.0.0.1", 22, 100, note_dial, &trace));
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "connected@7 refused@7 timed out@7 ");
    buffer_free(&trace.text);
    world_destroy(world);
}

static void nobody_answers_without_a_responder(void **state)
{
    (void)state;
    struct world *world = world_simulated_create(1, UTC, (struct world_responder){0});
    struct trace trace = {.world = world};
    struct http_request request = {.url = "/x"};
    world_http(world, &request, note_http, &trace);
    world_connect(world, "10.0.0.1", 22, 0, note_dial, &trace);
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "1/0/0@0 no route to host@0 ");
    buffer_free(&trace.text);
    world_destroy(world);
}

static void run_work(void *context)
{
    ((struct trace *)context)->name = "worked";
}

static void works_and_stops_when_told(void **state)
{
    (void)state;
    struct world *world = make(&(struct server){0}, 1);
    struct trace trace = {.world = world, .name = "idle"};
    world_work(world, run_work, note, &trace);
    world_cancel(world, world_work(world, run_work, note, &trace));
    bool until = true;
    world_run(world, &until);
    assert_int_equal(trace.text.length, 0);
    until = false;
    world_run(world, &until);
    assert_string_equal(trace.text.data, "worked@0 ");
    buffer_free(&trace.text);
    world_destroy(world); /* with nothing left behind: ASan would tell */
}

static void nest(void *context)
{
    struct trace *trace = context;
    bool inner = false;
    note(trace);
    world_defer(trace->world, note, trace);
    world_timer(trace->world, 10, note, trace);
    world_run(trace->world, &inner); /* until nothing is left */
    buffer_puts(&trace->text, "back ");
}

static void runs_nest(void **state)
{
    (void)state;
    struct world *world = make(&(struct server){0}, 1);
    struct trace trace = {.world = world, .name = "n"};
    world_defer(world, nest, &trace);
    world_timer(world, 5, note, &trace);
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "n@0 n@0 n@5 n@10 back ");
    buffer_free(&trace.text);
    world_destroy(world);
}

static void on_signal(void *context, int signal)
{
    struct trace *trace = context;
    buffer_printf(&trace->text, "signal%d ", signal);
}

static void signals_do_not_keep_it_alive(void **state)
{
    (void)state;
    struct world *world = make(&(struct server){0}, 1);
    struct trace trace = {.world = world, .name = "t"};
    struct world_task *task = world_signal(world, SIGINT, on_signal, &trace);
    world_run(world, NULL);
    assert_int_equal(trace.text.length, 0);
    world_simulated_raise(world, SIGINT);
    world_simulated_raise(world, SIGINT);
    world_simulated_raise(world, SIGTERM);
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "signal2 signal2 ");
    world_simulated_raise(world, SIGINT);
    world_cancel(world, task);
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "signal2 signal2 ");
    buffer_free(&trace.text);
    world_destroy(world);
}

static void environment(void **state)
{
    (void)state;
    struct world *world = make(&(struct server){0}, 1);
    assert_null(world_environment(world, "PATH"));
    world_simulated_set_environment(world, "A", "1");
    world_simulated_set_environment(world, "A", "2");
    assert_string_equal(world_environment(world, "A"), "2");
    world_simulated_set_environment(world, "A", NULL);
    assert_null(world_environment(world, "A"));
    world_simulated_set_environment(world, "B", "left for destroy");
    world_destroy(world);
}

/* One run with every fault: what was seen on both sides. */
static char *faulty_run(uint64_t seed, int *carried_out, int failures[6])
{
    struct server server = {.latency_ms = 3};
    struct world *world = make(&server, seed);
    struct simulated_faults faults = {.unreachable = 0.1,
                                      .lost_request = 0.1,
                                      .error_before = 0.1,
                                      .lost_answer = 0.1,
                                      .error_after = 0.1,
                                      .refused_dial = 0.5,
                                      .latency_min_ms = 1,
                                      .latency_max_ms = 50};
    world_simulated_set_faults(world, &faults);
    struct trace trace = {.world = world};
    struct http_request request = {.url = "/x", .timeout_ms = 1000};
    for (int i = 0; i < 1000; i++) {
        world_http(world, &request, note_http, &trace);
        world_connect(world, "10.0.0.1", 22, 100, note_dial, &trace);
    }
    uint64_t drawn;
    world_random(world, &drawn, sizeof drawn);
    world_run(world, NULL);
    buffer_printf(&trace.text, "%llx", (unsigned long long)drawn);
    *carried_out = server.requests;
    for (const char *at = trace.text.data; (at = strchr(at, '/')); at += 5) {
        failures[at[-1] - '0' + (strncmp(at, "/500", 4) == 0 ? 5 : 0)]++;
    }
    buffer_free(&server.log);
    world_destroy(world);
    return buffer_steal(&trace.text);
}

static void faults_come_from_the_seed(void **state)
{
    (void)state;
    int carried, again, failures[6] = {0}, more[6] = {0};
    char *one = faulty_run(1, &carried, failures), *same = faulty_run(1, &again, more);
    char *other = faulty_run(2, &again, more);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
    assert_in_range(carried, 650, 800); /* 0.9³ of 1000 */
    assert_in_range(failures[HTTP_UNREACHABLE], 60, 140);
    assert_in_range(failures[HTTP_TIMED_OUT], 50, 130);
    assert_in_range(failures[HTTP_BROKEN], 50, 130);
    assert_in_range(failures[5], 90, 200); /* 500 pages */
    assert_in_range(failures[HTTP_ANSWERED], 500, 680);
    free(one);
    free(same);
    free(other);
}

static void a_killed_process_calls_back_no_more(void **state)
{
    (void)state;
    struct server server = {.latency_ms = 20};
    struct world *world = make(&server, 1);
    struct trace trace = {.world = world, .name = "t"};
    world_simulated_set_faults(
        world, &(struct simulated_faults){.latency_min_ms = 10, .latency_max_ms = 10});
    char url[] = "/late", value[] = "v", body[] = "text";
    struct http_header headers[] = {{"name", value}};
    struct http_request request = {
        .url = url, .headers = headers, .header_count = 1, .body = body, .body_length = 4};
    world_http(world, &request, note_http, &trace);
    struct world_task *timer = world_timer(world, 5, note, &trace);
    struct world_task *deferred = world_defer(world, note, &trace);
    world_simulated_stop_after(world, 1);
    world_run(world, NULL);
    assert_true(world_simulated_stopped(world));
    assert_string_equal(trace.text.data, "t@0 ");
    world_simulated_kill(world, 1);
    assert_false(world_simulated_stopped(world));
    assert_int_equal(world_simulated_pending(world), 0);
    world_cancel(world, timer); /* the others go with the world */
    (void)deferred;
    memset(url, 'x', strlen(url)); /* what it was sent from is gone */
    headers[0].value = NULL;
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "t@0 ");
    assert_string_equal(server.log.data, "/late@10 ");
    /* Nothing arrives when that is not asked for; what has arrived has. */
    struct http_request next = {.url = "/next"};
    world_http(world, &next, note_http, &trace);
    world_simulated_kill(world, 0);
    world_run(world, NULL);
    assert_string_equal(server.log.data, "/late@10 ");
    buffer_free(&server.log);
    buffer_free(&trace.text);
    world_destroy(world);
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void silent_servers_time_out(void **state)
{
    (void)state;
    struct server server = {.latency_ms = 1};
    struct world *world = make(&server, 1);
    struct trace trace = {.world = world};
    world_simulated_silence(world, "ec2.", 0, 100);
    world_simulated_silence(world, NULL, 200, 300);
    struct http_request ec2 = {.url = "https://ec2.eu/a", .timeout_ms = 50};
    struct http_request ssm = {.url = "https://ssm.eu/b", .timeout_ms = 60};
    world_http(world, &ec2, note_http, &trace);
    world_http(world, &ssm, note_http, &trace);
    world_connect(world, "10.0.0.1", 22, 7, note_dial, &trace);
    world_run(world, NULL);
    assert_string_equal(server.log.data, "https://ssm.eu/b@0 ");
    assert_string_equal(trace.text.data, "0/200/5@1 connected@1 3/0/0@50 ");
    buffer_clear(&trace.text);
    bool over = false;
    world_timer(world, 160, set_flag, &over); /* 210: nobody answers */
    world_run(world, &over);
    world_http(world, &ssm, note_http, &trace);
    world_connect(world, "10.0.0.1", 22, 7, note_dial, &trace);
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "timed out@217 3/0/0@270 ");
    over = false;
    world_timer(world, 30, set_flag, &over); /* 300: it is over */
    world_run(world, &over);
    world_http(world, &ec2, note_http, &trace);
    world_run(world, NULL);
    assert_non_null(strstr(server.log.data, "https://ec2.eu/a@300"));
    assert_int_equal(world_simulated_counts(world).silenced, 3);
    buffer_free(&server.log);
    buffer_free(&trace.text);
    world_destroy(world);
}

static void the_clock_jumps_and_the_servers_does_not(void **state)
{
    (void)state;
    struct server server = {.latency_ms = 1};
    struct world *world = make(&server, 1);
    world_simulated_jump(world, 100, -3600000);
    world_simulated_jump(world, 200, 7200000);
    assert_int_equal(world_utc_ms(world), UTC);
    bool over = false;
    world_timer(world, 100, set_flag, &over);
    world_run(world, &over);
    assert_int_equal(world_utc_ms(world), UTC + 100 - 3600000);
    over = false;
    world_timer(world, 100, set_flag, &over);
    world_run(world, &over);
    assert_int_equal(world_monotonic_ms(world), 200);
    assert_int_equal(world_utc_ms(world), UTC + 200 + 3600000);
    struct trace trace = {.world = world};
    world_http(world, &(struct http_request){.url = "/x"}, note_http, &trace);
    world_run(world, NULL);
    assert_string_equal(server.log.data, "/x@200 ");
    buffer_free(&server.log);
    buffer_free(&trace.text);
    world_destroy(world);
}

static void requests_arrive_twice(void **state)
{
    (void)state;
    struct server server = {.latency_ms = 1};
    struct world *world = make(&server, 3);
    struct trace trace = {.world = world};
    world_simulated_set_faults(
        world, &(struct simulated_faults){.duplicated = 1, .duplicated_within_ms = 500});
    world_http(world, &(struct http_request){.url = "/x"}, note_http, &trace);
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "0/200/5@1 ");
    assert_int_equal(server.requests, 2);
    assert_int_equal(world_simulated_counts(world).duplicated, 1);
    assert_int_equal(world_simulated_counts(world).requests, 1);
    buffer_free(&server.log);
    buffer_free(&trace.text);
    world_destroy(world);
}

struct arrivals {
    struct world *world;
    int early, late, very_late, all;
};

static void count_arrival(void *context, const struct http_response *response)
{
    (void)response;
    struct arrivals *arrivals = context;
    int64_t now = world_monotonic_ms(arrivals->world);
    arrivals->all++;
    arrivals->early += now < 40;
    arrivals->late += now > 100;
    arrivals->very_late += now > 400;
}

/* Two ways of 20 ms each in the middle, sigma 1: half of all within about 50 ms, a few very late. */
static void latency_has_a_tail(void **state)
{
    (void)state;
    struct server server = {0};
    struct world *world = make(&server, 5);
    struct arrivals arrivals = {.world = world};
    world_simulated_set_faults(
        world, &(struct simulated_faults){.latency_median_ms = 20, .latency_sigma = 1});
    struct http_request request = {.url = "/x"};
    for (int i = 0; i < 1000; i++) {
        world_http(world, &request, count_arrival, &arrivals);
    }
    world_run(world, NULL);
    assert_int_equal(arrivals.all, 1000);
    assert_in_range(arrivals.early, 250, 500);
    assert_in_range(arrivals.late, 80, 250);
    assert_in_range(arrivals.very_late, 1, 30);
    buffer_free(&server.log);
    world_destroy(world);
}

static const struct message_request to_53 = {.host = "ns", .port = 53, .bytes = "a question..", .length = 12};

static void messages_are_answered_or_time_out(void **state)
{
    (void)state;
    struct server server = {.latency_ms = 30};
    struct world *world = make(&server, 1);
    struct trace trace = {.world = world};
    struct message_request closed = to_53, silent = to_53, hasty = to_53;
    closed.port = 54;
    silent.host = "silent";
    hasty.timeout_ms = 20;
    world_message(world, &to_53, note_message, &trace);
    world_message(world, &closed, note_message, &trace);
    world_message(world, &silent, note_message, &trace);
    world_message(world, &hasty, note_message, &trace);
    world_cancel(world, world_message(world, &to_53, note_message, &trace));
    assert_int_equal(trace.text.length, 0);
    world_run(world, NULL);
    assert_string_equal(trace.text.data,
                        "timed out@20 an answer@30 connection refused@30 timed out@5000 ");
    assert_int_equal(server.requests, 4);
    world_destroy(world);
    world = world_simulated_create(1, UTC, (struct world_responder){0});
    trace.world = world;
    buffer_clear(&trace.text);
    world_message(world, &to_53, note_message, &trace);
    world_run(world, NULL);
    assert_string_equal(trace.text.data, "no route to host@0 ");
    world_destroy(world);
    buffer_free(&trace.text);
    buffer_free(&server.log);
}

/* Lost on the way, lost on the way back, sent twice; and a server that is silent for a while. */
static void messages_get_lost(void **state)
{
    static const struct {
        struct simulated_faults faults;
        int arrived;
        const char *told;
    } cases[] = {
        {{.lost_request = 1}, 0, "timed out@5000 "},
        {{.lost_answer = 1}, 1, "timed out@5000 "},
        {{.duplicated = 1, .duplicated_within_ms = 10}, 2, "an answer@0 "},
        {{.error_before = 1}, 1, "an answer@0 "}, /* there are no pages for errors */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server server = {0};
        struct world *world = make(&server, 3);
        struct trace trace = {.world = world};
        world_simulated_set_faults(world, &cases[i].faults);
        world_message(world, &to_53, note_message, &trace);
        world_run(world, NULL);
        assert_string_equal(trace.text.data, cases[i].told);
        assert_int_equal(server.requests, cases[i].arrived);
        world_simulated_silence(world, "ns", 0, 1000000);
        buffer_clear(&trace.text);
        world_message(world, &to_53, note_message, &trace);
        world_run(world, NULL);
        assert_non_null(strstr(trace.text.data, "timed out"));
        assert_int_equal(server.requests, cases[i].arrived);
        world_destroy(world);
        buffer_free(&trace.text);
        buffer_free(&server.log);
    }
}

/* What a killed process had sent arrives all the same, or does not. */
static void a_killed_process_leaves_its_messages(void **state)
{
    (void)state;
    for (int arrives = 0; arrives < 2; arrives++) {
        struct server server = {0};
        struct world *world = make(&server, 1);
        struct trace trace = {.world = world};
        struct message_request request = to_53;
        char bytes[12] = "a question..";
        request.bytes = bytes;
        struct world_task *task = world_message(world, &request, note_message, &trace);
        world_simulated_kill(world, arrives);
        world_cancel(world, task);
        memset(bytes, 'x', sizeof bytes); /* the ghost has a copy */
        world_run(world, NULL);
        assert_int_equal(server.requests, arrives);
        assert_int_equal(trace.text.length, 0);
        world_destroy(world);
        buffer_free(&server.log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_in_order),
        cmocka_unit_test(deferred_comes_after_the_turn),
        cmocka_unit_test(http_is_answered_later),
        cmocka_unit_test(cancelled_after_it_was_carried_out),
        cmocka_unit_test(bodies_are_streamed),
        cmocka_unit_test(dials),
        cmocka_unit_test(nobody_answers_without_a_responder),
        cmocka_unit_test(works_and_stops_when_told),
        cmocka_unit_test(runs_nest),
        cmocka_unit_test(signals_do_not_keep_it_alive),
        cmocka_unit_test(environment),
        cmocka_unit_test(faults_come_from_the_seed),
        cmocka_unit_test(a_killed_process_calls_back_no_more),
        cmocka_unit_test(silent_servers_time_out),
        cmocka_unit_test(the_clock_jumps_and_the_servers_does_not),
        cmocka_unit_test(requests_arrive_twice),
        cmocka_unit_test(latency_has_a_tail),
        cmocka_unit_test(messages_are_answered_or_time_out),
        cmocka_unit_test(messages_get_lost),
        cmocka_unit_test(a_killed_process_leaves_its_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
