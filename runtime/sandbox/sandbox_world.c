/* The world of someone who works in the sandbox: its clock, its network, and the sandbox's
 * credentials in place of the user's own, which must not get there. What a guest listens for on this
 * machine goes there. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "runtime/sandbox/guests.h"
#include "runtime/sandbox/internal.h"
#include "runtime/world/task.h"

enum { SOONEST_MS = 2000 }; /* what this machine gets at least for an answer, however fast the clock */

struct sandbox_world;

/* A dial or an HTTP request that goes to a guest. */
struct visit {
    struct world_task base;
    struct sandbox_world *world;
    struct world_task *task; /* the outer world's; NULL while its callback runs */
    void *context;
    world_http_callback on_http; /* one of these two */
    world_connect_callback on_connect;
    struct http_request request;
    char *url, *host; /* of this machine */
    int port;
    struct visit *prev, *next;
};

struct sandbox_world {
    struct world base;
    struct world *inner; /* redirected to the sandbox */
    struct world *outer; /* this machine's; inner's */
    struct sandbox *sandbox;
    struct visit *visits;
};

static struct world *inner_of(struct world *world)
{
    return ((struct sandbox_world *)world)->inner;
}

static const char *sandbox_environment(struct world *world, const char *name)
{
    static const struct {
        const char *name, *value;
    } given[] = {
        {"AWS_ACCESS_KEY_ID", "sandbox"},
        {"AWS_SECRET_ACCESS_KEY", "sandbox"},
        {"AWS_EC2_METADATA_DISABLED", "true"},
        {"AWS_CONFIG_FILE", "/dev/null"},
        {"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"},
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        if (strcmp(given[i].name, name) == 0) {
            return given[i].value;
        }
    }
    return strncmp(name, "AWS_", 4) == 0 ? NULL : world_environment(inner_of(world), name);
}

static void visit_free(struct visit *visit)
{
    DL_DELETE(visit->world->visits, visit);
    world_cancel(visit->world->outer, visit->task);
    free(visit->url);
    free(visit->host);
    free(visit);
}

static void sandbox_destroy(struct world *world)
{
    for (struct visit *visit = ((struct sandbox_world *)world)->visits, *next; visit; visit = next) {
        next = visit->next;
        visit_free(visit);
    }
    world_destroy(inner_of(world));
    free(world);
}

static int64_t sandbox_monotonic(struct world *world)
{
    return world_monotonic_ms(inner_of(world));
}

static int64_t sandbox_utc(struct world *world)
{
    return world_utc_ms(inner_of(world));
}

static void sandbox_random(struct world *world, void *bytes, size_t length)
{
    world_random(inner_of(world), bytes, length);
}

static struct world_task *sandbox_timer(struct world *world, int64_t delay_ms,
                                        world_callback callback, void *context)
{
    return world_timer(inner_of(world), delay_ms, callback, context);
}

static struct world_task *sandbox_defer(struct world *world, world_callback callback, void *context)
{
    return world_defer(inner_of(world), callback, context);
}

/* To the guest that answers there; NULL: the sandbox itself says what comes of it. */
static struct visit *visit_begin(struct world *world, const char *address, int port, void *context)
{
    struct sandbox_world *own = (struct sandbox_world *)world;
    struct sandbox *sandbox = own->sandbox;
    struct visit *visit = NULL;
    const char *host;
    int host_port;
    pthread_mutex_lock(&sandbox->lock);
    struct arena *arena = arena_create();
    if (state_begin(sandbox->state)) {
        struct request r = sandbox_own_request(sandbox, arena, sandbox_utc(world));
        if (guest_place(&r, address, port, &host, &host_port)) {
            visit = base_alloc(sizeof *visit);
            visit->base.owner = world;
            visit->world = own;
            visit->context = context;
            visit->host = base_strdup(host);
            visit->port = host_port;
            DL_APPEND(own->visits, visit);
        }
        state_end(sandbox->state, false);
    }
    arena_destroy(arena);
    pthread_mutex_unlock(&sandbox->lock);
    return visit;
}

/* The sandbox's clock is faster than this machine. */
static int64_t patience_ms(const struct visit *visit, int64_t timeout_ms, int64_t fallback_ms)
{
    double wanted = (double)(timeout_ms ? timeout_ms : fallback_ms);
    int64_t own_ms = (int64_t)(wanted / visit->world->sandbox->options.speed);
    return own_ms > SOONEST_MS ? own_ms : SOONEST_MS;
}

static void on_visit_answered(void *context, const struct http_response *response)
{
    struct visit *visit = context;
    visit->task = NULL;
    visit->on_http(visit->context, response);
    visit_free(visit);
}

static void on_visit_connected(void *context, const char *failure)
{
    struct visit *visit = context;
    visit->task = NULL;
    visit->on_connect(visit->context, failure);
    visit_free(visit);
}

/* The parts of "http://10.20.1.5:8080/healthz"; false for what no guest can be asked. */
static bool split_url(const char *url, char host[16], int *port, const char **rest)
{
    bool tls = strncmp(url, "https://", 8) == 0;
    if (!tls && strncmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *at = url + (tls ? 8 : 7);
    size_t length = strspn(at, "0123456789.");
    if (length == 0 || length > 15) {
        return false;
    }
    memcpy(host, at, length);
    host[length] = '\0';
    *port = tls ? 443 : 80;
    *rest = at + length;
    if (**rest == ':') {
        char *end;
        *port = (int)strtol(*rest + 1, &end, 10);
        *rest = end;
    }
    return **rest == '\0' || **rest == '/' || **rest == '?';
}

static struct world_task *sandbox_http(struct world *world, const struct http_request *request,
                                       world_http_callback callback, void *context)
{
    char host[16];
    int port;
    const char *rest;
    struct visit *visit = split_url(request->url, host, &port, &rest)
                              ? visit_begin(world, host, port, context)
                              : NULL;
    if (!visit) {
        return world_http(inner_of(world), request, callback, context);
    }
    struct buffer url = {0};
    buffer_printf(&url, "%.*s://%s:%d%s", (int)strcspn(request->url, ":"), request->url, visit->host,
                  visit->port, rest);
    visit->url = buffer_steal(&url);
    visit->request = *request;
    visit->request.url = visit->url;
    visit->request.proxy = "";
    visit->request.connect_timeout_ms = patience_ms(visit, request->connect_timeout_ms, 10000);
    visit->request.timeout_ms = patience_ms(visit, request->timeout_ms, 60000);
    visit->on_http = callback;
    visit->task = world_http(visit->world->outer, &visit->request, on_visit_answered, visit);
    return &visit->base;
}

static struct world_task *sandbox_connect(struct world *world, const char *host, int port,
                                          int64_t timeout_ms, world_connect_callback callback,
                                          void *context)
{
    struct visit *visit = visit_begin(world, host, port, context);
    if (!visit) {
        return world_connect(inner_of(world), host, port, timeout_ms, callback, context);
    }
    visit->on_connect = callback;
    visit->task = world_connect(visit->world->outer, visit->host, visit->port,
                                patience_ms(visit, timeout_ms, 10000), on_visit_connected, visit);
    return &visit->base;
}

static struct world_task *sandbox_message(struct world *world, const struct message_request *request,
                                          world_message_callback callback, void *context)
{
    return world_message(inner_of(world), request, callback, context);
}

static struct world_task *sandbox_work(struct world *world, world_callback run, world_callback done,
                                       void *context)
{
    return world_work(inner_of(world), run, done, context);
}

static struct world_task *sandbox_job(struct world *world, const struct job_request *request,
                                      world_job_callback callback, void *context)
{
    return world_job(inner_of(world), request, callback, context);
}

static struct world_task *sandbox_signal(struct world *world, int signal,
                                         world_signal_callback callback, void *context)
{
    return world_signal(inner_of(world), signal, callback, context);
}

static void sandbox_cancel(struct world *world, struct world_task *task)
{
    struct visit *visit = (struct visit *)task;
    if (task->owner != world) {
        world_cancel(inner_of(world), task);
    } else if (visit->task) { /* else its callback is on the stack, and frees it */
        visit_free(visit);
    }
}

static void sandbox_run(struct world *world, const bool *until)
{
    world_run(inner_of(world), until);
}

static const struct world_operations operations = {
    .name = "sandbox",
    .destroy = sandbox_destroy,
    .monotonic_ms = sandbox_monotonic,
    .utc_ms = sandbox_utc,
    .random = sandbox_random,
    .timer = sandbox_timer,
    .defer = sandbox_defer,
    .http = sandbox_http,
    .connect = sandbox_connect,
    .message = sandbox_message,
    .work = sandbox_work,
    .job = sandbox_job,
    .signal = sandbox_signal,
    .cancel = sandbox_cancel,
    .run = sandbox_run,
    .environment = sandbox_environment,
};

struct world *sandbox_world(struct sandbox *sandbox, struct world *inner)
{
    const struct sandbox_options *options = &sandbox->options;
    struct sandbox_world *world = base_alloc(sizeof *world);
    world->base.operations = &operations;
    world->base.inner = inner;
    world->outer = inner;
    world->sandbox = sandbox;
    world->inner = world_redirected_create(inner, sandbox_responder(sandbox), options->speed,
                                           options->real_base_ms, options->utc_base_ms);
    return &world->base;
}
