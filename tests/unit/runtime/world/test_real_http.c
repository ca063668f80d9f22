/* The real world's HTTP against a server that misbehaves in each way that the issue names.
 * Covers: real_curl.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <microhttpd.h>

#include "runtime/world/world.h"
#include "tests/unit/support/certificate.h"
#include "tests/unit/support/rude_server.h"

struct fixture {
    struct world *world;
    struct rude_server *server;
    char url[300];
    /* the last answer */
    bool done;
    enum http_failure failure;
    int status;
    char text[300], body[4096], header[100];
    size_t body_length, header_count;
    /* streaming */
    size_t streamed, stream_limit;
    struct world_task *cancel_in_stream;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->world = world_real_create(NULL);
    f->server = rude_server_start();
    *state = f;
    return f->world ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    world_destroy(f->world);
    rude_server_stop(f->server);
    free(f);
    return 0;
}

static void keep(void *context, const struct http_response *response)
{
    struct fixture *f = context;
    const char *header = http_response_header(response, "x-tEST");
    f->done = true;
    f->failure = response->failure;
    f->status = response->status;
    f->body_length = response->body_length;
    f->header_count = response->header_count;
    snprintf(f->text, sizeof f->text, "%s", response->failure_text ? response->failure_text : "");
    snprintf(f->body, sizeof f->body, "%s", response->body);
    snprintf(f->header, sizeof f->header, "%s", header ? header : "");
    assert_int_equal(response->body[response->body_length], '\0');
    assert_true((response->failure == HTTP_ANSWERED) == (response->failure_text == NULL));
}

static struct http_request to(struct fixture *f, const char *method, const char *path)
{
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d%s", rude_server_port(f->server), path);
    return (struct http_request){.method = method, .url = f->url, .timeout_ms = 20000};
}

static void await(struct fixture *f, const struct http_request *request)
{
    f->done = false;
    world_http(f->world, request, keep, f);
    assert_false(f->done);
    world_run(f->world, &f->done);
    assert_true(f->done);
}

static void never(void *context, const struct http_response *response)
{
    (void)context, (void)response;
    fail_msg("a cancelled request called back");
}

static void get(struct fixture *f, const char *path)
{
    struct http_request request = to(f, "GET", path);
    await(f, &request);
}

static void answers(void **state)
{
    struct fixture *f = *state;
    get(f, "/ok");
    assert_int_equal(f->failure, HTTP_ANSWERED);
    assert_int_equal(f->status, 200);
    assert_string_equal(f->body, "hello");
    assert_string_equal(f->header, "spaced");
    assert_int_equal(f->header_count, 3);
    get(f, "/none");
    assert_int_equal(f->status, 204);
    assert_int_equal(f->body_length, 0);
    get(f, "/status/500");
    assert_int_equal(f->failure, HTTP_ANSWERED);
    assert_int_equal(f->status, 500);
    assert_string_equal(f->body, "status 500");
    get(f, "/redirect");
    assert_int_equal(f->status, 302);
    get(f, "/gzip"); /* not asked for, so not unpacked */
    assert_int_equal(f->body_length, 6);
}

static void sends_what_it_is_given(void **state)
{
    struct fixture *f = *state;
    const struct http_header headers[] = {{"X-One", "1"}, {"X-None", ""}, {"Host", "ec2.example"}};
    struct http_request request = to(f, "POST", "/echo");
    request.headers = headers;
    request.header_count = 3;
    request.body = "Action=\0X";
    request.body_length = 9;
    await(f, &request);
    assert_int_equal(f->status, 200);
    assert_non_null(strstr(f->body, "POST /echo HTTP/1.1\r\n"));
    assert_non_null(strstr(f->body, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(f->body, "\r\nX-None:\r\n"));
    assert_non_null(strstr(f->body, "\r\nHost: ec2.example\r\n"));
    assert_non_null(strstr(f->body, "\r\nContent-Length: 9\r\n"));
    assert_non_null(strstr(f->body, "\r\nUser-Agent: drc/"));
    assert_null(strstr(f->body, "Content-Type"));
    assert_null(strstr(f->body, "Accept-Encoding"));
    assert_null(strstr(f->body, "Expect"));
    assert_non_null(strstr(f->body, "\r\n\r\nAction="));
}

static void methods(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"PUT", "DELETE", "PATCH", "GET"};
    for (int i = 0; i < 4; i++) {
        struct http_request request = to(f, names[i], "/echo");
        await(f, &request);
        assert_memory_equal(f->body, names[i], strlen(names[i]));
        bool says_length = strstr(f->body, "Content-Length: 0\r\n") != NULL;
        assert_true(says_length ==
                    (strcmp(names[i], "PUT") == 0 || strcmp(names[i], "PATCH") == 0));
    }
    struct http_request request = to(f, "PUT", "/echo");
    char *large = calloc(1, 2 << 20);
    memset(large, 'y', 2 << 20);
    request.body = large;
    request.body_length = 2 << 20;
    await(f, &request);
    assert_int_equal(f->status, 200);
    assert_true(f->body_length > 2 << 20);
    assert_null(strstr(f->body, "Expect"));
    free(large);
}

static void paths_go_out_as_they_are(void **state)
{
    struct fixture *f = *state;
    struct http_request request = to(f, "GET", "/echo/../x/./%2e%2E//y?q=a+b%2f&z");
    await(f, &request);
    assert_non_null(strstr(f->body, "GET /echo/../x/./%2e%2E//y?q=a+b%2f&z HTTP/1.1\r\n"));
}

static void connections_are_kept(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++) {
        get(f, "/ok");
    }
    assert_int_equal(rude_server_connections(f->server), 1);
    assert_int_equal(rude_server_requests(f->server), 20);
}

static void refused_before_anything_is_sent(void **state)
{
    struct fixture *f = *state;
    int descriptor;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", refusing_port(&descriptor));
    struct http_request request = {.method = "POST", .url = url};
    await(f, &request);
    assert_int_equal(f->failure, HTTP_UNREACHABLE);
    assert_string_equal(f->text, "connection refused");
    close(descriptor);
    static const char *const urls[] = {"http://no-such-host.invalid/",
                                       "ftp://127.0.0.1/",
                                       "http://",
                                       "not a url",
                                       "file:///etc/passwd",
                                       "",
                                       "http://127.0.0.1:99999/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        request.url = urls[i];
        await(f, &request);
        assert_int_equal(f->failure, HTTP_UNREACHABLE);
        assert_int_not_equal(strlen(f->text), 0);
    }
    const struct http_header split = {"X", "a\r\nY: b"};
    request = to(f, "GET", "/ok");
    request.headers = &split;
    request.header_count = 1;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_UNREACHABLE);
}

static void broken_answers(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/truncate", "/garbage", "/close", "/headers", "/interim",
                                        "/beyond"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct http_request request = to(f, "POST", paths[i]);
        await(f, &request);
        assert_int_equal(f->failure, HTTP_BROKEN);
        assert_int_not_equal(strlen(f->text), 0);
        assert_null(strpbrk(f->text, "\r\n"));
        assert_int_equal(f->body_length, 0);
    }
    assert_int_equal(rude_server_requests(f->server), 6);
}

static void times_out(void **state)
{
    struct fixture *f = *state;
    struct http_request request = to(f, "POST", "/silent");
    request.timeout_ms = 150;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_TIMED_OUT);
    assert_string_equal(f->text, "no answer within 0.15 s");
    request = to(f, "POST", "/half");
    request.timeout_ms = 150;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_TIMED_OUT);
    /* A TLS handshake that is never answered: nothing was sent. */
    int descriptor;
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", deaf_port(&descriptor));
    request = (struct http_request){.method = "POST", .url = url, .connect_timeout_ms = 150};
    await(f, &request);
    assert_int_equal(f->failure, HTTP_UNREACHABLE);
    assert_string_equal(f->text, "no connection within 0.15 s");
    close(descriptor);
}

static void too_large(void **state)
{
    struct fixture *f = *state;
    struct http_request request = to(f, "GET", "/big/1001");
    request.response_max = 1000;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_TOO_LARGE);
    assert_int_equal(f->status, 200);
    request = to(f, "GET", "/big/1000");
    request.response_max = 1000;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_ANSWERED);
    assert_int_equal(f->body_length, 1000);
    request = to(f, "GET", "/endless");
    request.response_max = 100000;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_TOO_LARGE);
}

static bool take(void *context, const void *bytes, size_t length)
{
    struct fixture *f = context;
    assert_non_null(bytes);
    f->streamed += length;
    if (f->cancel_in_stream) {
        world_cancel(f->world, f->cancel_in_stream);
    }
    return f->streamed < f->stream_limit;
}

static void streams(void **state)
{
    struct fixture *f = *state;
    struct http_request request = to(f, "GET", "/big/3000000");
    request.on_body = take;
    request.body_context = f;
    request.response_max = 10;
    f->stream_limit = SIZE_MAX;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_ANSWERED);
    assert_int_equal(f->streamed, 3000000);
    assert_int_equal(f->body_length, 0);

    f->streamed = 0;
    f->stream_limit = 1000000;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_BROKEN);
    assert_string_equal(f->text, "the receiver gave up");

    f->streamed = 0;
    request = to(f, "GET", "/status/404");
    request.on_body = take;
    request.body_context = f;
    await(f, &request);
    assert_int_equal(f->streamed, 0);
    assert_string_equal(f->body, "status 404");

    request = to(f, "GET", "/endless");
    request.on_body = take;
    request.body_context = f;
    f->stream_limit = SIZE_MAX;
    f->done = false;
    f->cancel_in_stream = world_http(f->world, &request, keep, f);
    world_run(f->world, &f->done); /* ends because nothing is left */
    assert_false(f->done);
    assert_true(f->streamed > 0);
    f->cancel_in_stream = NULL;
}

/* A kept connection that dies under a request: it must not be sent again by anyone but us. */
static void changes_are_sent_once(void **state)
{
    struct fixture *f = *state;
    struct http_request request = to(f, "POST", "/once");
    request.body = "Action=AttachVolume";
    request.body_length = 19;
    await(f, &request);
    assert_int_equal(f->status, 200);
    await(f, &request);
    assert_int_equal(f->failure, HTTP_BROKEN);
    assert_string_equal(f->text, "the connection was lost before the answer");
    assert_int_equal(rude_server_requests(f->server), 2);
    /* Reading twice does no harm. */
    request = to(f, "GET", "/once");
    await(f, &request);
    assert_int_equal(f->status, 200);
    await(f, &request);
    assert_int_equal(f->failure, HTTP_ANSWERED);
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void cancels(void **state)
{
    struct fixture *f = *state;
    struct http_request request = to(f, "GET", "/silent");
    world_cancel(f->world, world_http(f->world, &request, never, f)); /* before it began */
    struct world_task *task = world_http(f->world, &request, never, f);
    bool later = false;
    world_timer(f->world, 50, set_flag, &later);
    world_run(f->world, &later);
    world_cancel(f->world, task); /* under way */
    struct http_request named = {.method = "GET", .url = "http://no-such-host.invalid/"};
    world_cancel(f->world, world_http(f->world, &named, never, f)); /* while resolving */
    world_http(f->world, &request, never, f);                       /* left for destroy */
    later = false;
    world_timer(f->world, 20, set_flag, &later);
    world_run(f->world, &later);
}

struct many {
    struct fixture *f;
    int left;
    bool done;
};

static void count(void *context, const struct http_response *response)
{
    struct many *many = context;
    assert_int_equal(response->failure, HTTP_ANSWERED);
    assert_int_equal(response->body_length, 5);
    many->done = --many->left == 0;
}

enum { AT_ONCE = 32 }; /* requests to one host, real_hosts.c */

static void many_at_once(void **state)
{
    struct fixture *f = *state;
    struct many many = {.f = f, .left = 500};
    struct http_request request = to(f, "POST", "/ok");
    for (int i = 0; i < 500; i++) {
        world_http(f->world, &request, count, &many);
    }
    world_run(f->world, &many.done);
    assert_true(many.done);
    assert_in_range(rude_server_connections(f->server), 1, AT_ONCE);
}

struct crowd {
    struct fixture *waiting;
    struct world *world;
    struct world_task *tasks[AT_ONCE];
};

static void disperse(void *context)
{
    struct crowd *crowd = context;
    assert_false(crowd->waiting->done); /* its 100 ms have not begun */
    for (int i = 0; i < AT_ONCE; i++) {
        world_cancel(crowd->world, crowd->tasks[i]);
    }
}

/* Who waits for a turn because a host is busy does not lose its own time. */
static void waiting_for_a_turn_is_free(void **state)
{
    struct fixture *f = *state;
    char silent[100];
    snprintf(silent, sizeof silent, "http://127.0.0.1:%d/silent", rude_server_port(f->server));
    struct http_request busy = {.method = "GET", .url = silent};
    struct crowd crowd = {.waiting = f, .world = f->world};
    for (int i = 0; i < AT_ONCE; i++) {
        crowd.tasks[i] = world_http(f->world, &busy, never, f);
    }
    struct http_request request = to(f, "GET", "/ok");
    request.timeout_ms = 100;
    world_cancel(f->world, world_http(f->world, &request, never, f)); /* while it waits */
    world_timer(f->world, 400, disperse, &crowd);
    await(f, &request);
    /* On a slow machine they may be too few now. */
    assert_true(f->failure == HTTP_ANSWERED || f->failure == HTTP_TIMED_OUT ||
                f->failure == HTTP_UNREACHABLE);
}

static void proxies(void **state)
{
    struct fixture *f = *state;
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", rude_server_port(f->server));
    setenv("http_proxy", proxy, 1);
    setenv("https_proxy", proxy, 1);
    /* Through the proxy of the environment: what it gets is the absolute URL, which it cannot read
     * as a path of its own, and closes. */
    struct http_request request = {.method = "POST", .url = "http://db.invalid/x"};
    await(f, &request);
    assert_int_equal(f->failure, HTTP_BROKEN);
    assert_int_equal(rude_server_requests(f->server), 1);
    request.proxy = "";
    await(f, &request);
    assert_int_equal(f->failure, HTTP_UNREACHABLE);
    request.proxy = NULL; /* CONNECT is not answered: our request has not been sent */
    request.url = "https://db.invalid/x";
    await(f, &request);
    assert_int_equal(f->failure, HTTP_UNREACHABLE);
    assert_int_equal(rude_server_requests(f->server), 2);
    unsetenv("http_proxy");
    unsetenv("https_proxy");
}

static enum MHD_Result serve(void *context, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_size, void **more)
{
    (void)context, (void)url, (void)method, (void)version, (void)upload, (void)upload_size;
    (void)more;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(6, (void *)(uintptr_t) "secret", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static void certificates_are_verified(void **state)
{
    struct fixture *f = *state;
    char *certificate, *key, url[64], file[] = "/tmp/drc-test-ca-XXXXXX";
    certificate_make(&certificate, &key);
    int descriptor = mkstemp(file);
    assert_true(write(descriptor, certificate, strlen(certificate)) > 0);
    close(descriptor);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_TLS | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, serve, NULL,
        MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);
    assert_non_null(daemon);
    int port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", port);
    struct http_request request = {.method = "POST", .url = url};
    await(f, &request);
    assert_int_equal(f->failure, HTTP_TLS);
    assert_non_null(strstr(f->text, "certificate"));
    request.ca_file = file;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_ANSWERED);
    assert_string_equal(f->body, "secret");
    char other[64];
    snprintf(other, sizeof other, "https://localhost:%d/", port); /* not its name */
    request.url = other;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_TLS);
    request.insecure = true;
    request.ca_file = NULL;
    await(f, &request);
    assert_int_equal(f->failure, HTTP_ANSWERED);
    request.insecure = false; /* the kept connection of the careless one is not taken */
    await(f, &request);
    assert_int_equal(f->failure, HTTP_TLS);
    request.ca_file = "/no/such/file";
    await(f, &request);
    assert_int_equal(f->failure, HTTP_TLS);
    /* A server that does not speak TLS. */
    snprintf(other, sizeof other, "https://127.0.0.1:%d/ok", rude_server_port(f->server));
    request.ca_file = NULL;
    request.timeout_ms = 300;
    await(f, &request);
    assert_true(f->failure == HTTP_TLS || f->failure == HTTP_UNREACHABLE);
    MHD_stop_daemon(daemon);
    unlink(file);
    free(certificate);
    free(key);
}

int main(void)
{
    static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        unsetenv(variables[i]);
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(answers),
        TEST(sends_what_it_is_given),
        TEST(methods),
        TEST(paths_go_out_as_they_are),
        TEST(connections_are_kept),
        TEST(refused_before_anything_is_sent),
        TEST(broken_answers),
        TEST(times_out),
        TEST(too_large),
        TEST(streams),
        TEST(changes_are_sent_once),
        TEST(cancels),
        TEST(many_at_once),
        TEST(waiting_for_a_turn_is_free),
        TEST(proxies),
        TEST(certificates_are_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
