/* Guests: instances that answer on sockets of this machine.
 * Covers: guests_serve.c */
#include "runtime/sandbox/internal.h" /* before cmocka, whose fail() is a macro */

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/source.h"

enum { HOUR_MS = 3600000, PATIENCE_S = 30 };

/* What the guests' thread tells. */
struct lines {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct buffer text;
};

static void take_line(void *context, const char *line)
{
    struct lines *lines = context;
    pthread_mutex_lock(&lines->lock);
    buffer_printf(&lines->text, "%s\n", line);
    pthread_cond_broadcast(&lines->more);
    pthread_mutex_unlock(&lines->lock);
}

static void await_line(struct lines *lines, const char *part)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&lines->lock);
    while (!strstr(buffer_text(&lines->text), part)) {
        if (pthread_cond_timedwait(&lines->more, &lines->lock, &until) != 0) {
            fail_msg("\"%s\" was never told, but: %s", part, buffer_text(&lines->text));
        }
    }
    pthread_mutex_unlock(&lines->lock);
}

/* One sandbox with two instances of "web", seen through the world of who works in it. */
struct fixture {
    struct sandbox_client *client;
    struct world *world;
    struct sandbox_guests *guests;
    struct lines lines;
    const char *first, *second; /* instances, at 10.20.1.21 and .22 */
};

static const struct plan *plan_with_checks(struct arena *arena)
{
    const char *text = arena_printf(
        arena, "%s    ready: [{http: {port: 8080, path: /healthz}}, {tcp: 9000}]\n", client_plan);
    struct source *source = source_from_text(arena, "plan.yaml", text, strlen(text));
    const struct plan *plan = compile_plan(arena, source, NULL, 0, diagnostics_create(arena));
    assert_non_null(plan);
    return plan;
}

static const char *launch(struct sandbox_client *client, const char *address)
{
    return run_instance(
        client,
        arena_printf(client->arena,
                     "&PrivateIpAddress=%s&IamInstanceProfile.Name=dr-instance"
                     "&TagSpecification.1.ResourceType=instance"
                     "&TagSpecification.1.Tag.1.Key=drc:vm&TagSpecification.1.Tag.1.Value=web"
                     "&TagSpecification.1.Tag.2.Key=drc:plan&TagSpecification.1.Tag.2.Value=shop",
                     address));
}

/* The instances have the disks of their VM: what only AWS's image booted is no guest. */
static void give_disks(struct sandbox *sandbox)
{
    pthread_mutex_lock(&sandbox->lock); /* the guests' thread has the same connection */
    assert_true(state_begin(sandbox->state));
    state_run(sandbox->state, "UPDATE snapshots SET description = 'disk'", "");
    assert_true(state_end(sandbox->state, true));
    pthread_mutex_unlock(&sandbox->lock);
}

static struct sandbox *an_hour_old(struct world *world, struct arena *arena)
{
    struct sandbox_options options = {.seed = 7,
                                      .speed = 1,
                                      .utc_base_ms = SANDBOX_BEGIN_MS,
                                      .real_base_ms = world_utc_ms(world) - HOUR_MS};
    struct error error = {0};
    struct sandbox *sandbox = sandbox_init(":memory:", &options, &error);
    assert_non_null(sandbox);
    assert_true(sandbox_populate(sandbox, client_plan_bound(arena), &error));
    assert_true(sandbox_give_guests(sandbox, plan_with_checks(arena), &error));
    return sandbox;
}

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    struct error error = {0};
    struct world *real = world_real_create(&error);
    assert_non_null(real);
    struct arena *arena = arena_create();
    f->client = client_over(an_hour_old(real, arena));
    arena_destroy(arena);
    client_fault(f->client, "consistency", 0);
    f->world = sandbox_world(f->client->sandbox, real);
    pthread_mutex_init(&f->lines.lock, NULL);
    pthread_cond_init(&f->lines.more, NULL);
    f->first = launch(f->client, "10.20.1.21");
    f->second = launch(f->client, "10.20.1.22");
    f->guests = sandbox_guests_start(f->client->sandbox, take_line, &f->lines, &error);
    assert_non_null(f->guests);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sandbox_guests_stop(f->guests);
    world_destroy(f->world);
    client_destroy(f->client);
    buffer_free(&f->lines.text);
    pthread_cond_destroy(&f->lines.more);
    pthread_mutex_destroy(&f->lines.lock);
    free(f);
    return 0;
}

static void await_all(struct fixture *f)
{
    give_disks(f->client->sandbox);
    await_line(&f->lines, "web 10.20.1.21:8080 answers http at 127.20.1.21:");
    await_line(&f->lines, "web 10.20.1.21:9000 answers tcp at 127.20.1.21:");
    await_line(&f->lines, "web 10.20.1.22:8080 answers http at 127.20.1.22:");
    await_line(&f->lines, "web 10.20.1.22:9000 answers tcp at 127.20.1.22:");
}

struct outcome_of {
    bool done;
    char *failure;
    int status;
    char *body;
};

static void on_connect(void *context, const char *failure)
{
    struct outcome_of *outcome = context;
    outcome->done = true;
    outcome->failure = failure ? base_strdup(failure) : NULL;
}

/* NULL: connected. In the client's arena. */
static const char *dial(struct fixture *f, const char *address, int port)
{
    struct outcome_of outcome = {0};
    world_connect(f->world, address, port, 5000, on_connect, &outcome);
    world_run(f->world, &outcome.done);
    assert_true(outcome.done);
    const char *failure =
        outcome.failure ? arena_strdup(f->client->arena, outcome.failure) : NULL;
    free(outcome.failure);
    return failure;
}

static void on_page(void *context, const struct http_response *response)
{
    struct outcome_of *outcome = context;
    outcome->done = true;
    outcome->status = response->failure == HTTP_ANSWERED ? response->status : 0;
    outcome->body = base_strdup(response->body ? response->body : "");
}

static int get(struct fixture *f, const char *url, const char **body)
{
    struct outcome_of outcome = {0};
    struct http_request request = {.method = "GET", .url = url};
    world_http(f->world, &request, on_page, &outcome);
    world_run(f->world, &outcome.done);
    assert_true(outcome.done);
    *body = arena_strdup(f->client->arena, outcome.body);
    free(outcome.body);
    return outcome.status;
}

static void test_an_instance_that_is_up_answers(void **state)
{
    struct fixture *f = *state;
    const char *body;
    await_all(f);
    assert_null(dial(f, "10.20.1.21", 9000));
    assert_null(dial(f, "10.20.1.22", 8080));
    assert_int_equal(get(f, "http://10.20.1.21:8080/healthz", &body), 200);
    assert_non_null(strstr(body, "\"status\":\"ok\""));
    assert_non_null(strstr(body, "\"address\":\"10.20.1.21\""));
    assert_non_null(strstr(body, "\"backends\":[]"));
    assert_non_null(dial(f, "10.20.1.21", 22)); /* no check asks for it */
    assert_non_null(dial(f, "10.20.1.99", 9000));
    assert_int_equal(get(f, "http://10.20.1.21:9000/", &body), 0); /* it is no web server */
}

/* What AWS's own image boots is not the VM yet. */
static void test_a_placeholder_is_silent(void **state)
{
    struct fixture *f = *state;
    struct timespec looks = {.tv_nsec = 400000000}; /* several of theirs */
    nanosleep(&looks, NULL);
    assert_string_equal(buffer_text(&f->lines.text), "");
    assert_string_equal(dial(f, "10.20.1.21", 9000), "Connection refused");
}

static void tell_first_of_second(struct fixture *f)
{
    client_pass(f->client, 1800); /* its agent is there */
    ssm_ok(f->client, "SendCommand",
           "{\"DocumentName\":\"AWS-RunShellScript\",\"InstanceIds\":[\"%s\"],\"Parameters\":"
           "{\"commands\":[\"./point.sh '10.20.1.22' 10.20.1.21 127.0.0.1 1.2.3.4.5\"]}}",
           f->first);
}

static void test_a_page_tells_whether_backends_answer(void **state)
{
    struct fixture *f = *state;
    const char *body;
    await_all(f);
    tell_first_of_second(f);
    assert_int_equal(get(f, "http://10.20.1.21:8080/healthz", &body), 200);
    assert_non_null(strstr(body, "\"backends\":[{\"vm\":\"web\",\"address\":\"10.20.1.22\","
                                 "\"port\":8080,\"answers\":true}]"));
    ec2_ok(f->client, "Action=StopInstances&InstanceId.1=%s", f->second);
    await_line(&f->lines, "web 10.20.1.22:8080 is silent");
    assert_int_equal(get(f, "http://10.20.1.21:8080/healthz", &body), 503);
    assert_non_null(strstr(body, "\"answers\":false"));
    assert_non_null(dial(f, "10.20.1.22", 9000));
    assert_null(dial(f, "10.20.1.21", 9000));
}

/* Without the process that listens, nobody answers: no check may hold. */
static void test_without_guests_nothing_answers(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    await_all(f);
    sandbox_guests_stop(f->guests);
    assert_string_equal(dial(f, "10.20.1.21", 9000), "Connection refused");
    f->guests = sandbox_guests_start(f->client->sandbox, take_line, &f->lines, &error);
    assert_non_null(f->guests);
}

static void never(void *context, const char *failure)
{
    (void)context;
    (void)failure;
    fail_msg("a cancelled dial called back");
}

static void test_a_dial_can_be_cancelled(void **state)
{
    struct fixture *f = *state;
    await_all(f);
    struct world_task *task = world_connect(f->world, "10.20.1.21", 9000, 5000, never, NULL);
    world_connect(f->world, "10.20.1.21", 9000, 5000, never, NULL); /* goes with the world */
    world_cancel(f->world, task);
}

static void test_a_sandbox_without_guests_has_none(void **state)
{
    (void)state;
    struct sandbox_client *client = client_create();
    struct lines lines = {0};
    struct error error = {0};
    assert_null(sandbox_guests_start(client->sandbox, take_line, &lines, &error));
    assert_non_null(error.help);
    error_clear(&error);
    client_destroy(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_instance_that_is_up_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_placeholder_is_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_page_tells_whether_backends_answer, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_without_guests_nothing_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_dial_can_be_cancelled, set_up, tear_down),
        cmocka_unit_test(test_a_sandbox_without_guests_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
