#include "runtime/world/world.h"

#include <stdlib.h>
#include <strings.h>

#include "runtime/world/redactor.h"

void world_destroy(struct world *world)
{
    if (world) {
        struct redactor *redactor = world->redactor;
        struct store_opener *stores = world->stores;
        world->operations->destroy(world);
        redactor_destroy(redactor);
        free(stores);
    }
}

/* The password of a proxy is in no one's hands but libcurl's, and in its messages. */
static void add_proxies(struct world *world)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY",
                                        "all_proxy",   "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        redactor_add_url(world->redactor, world_environment(world, names[i]));
    }
}

struct redactor *world_redactor(struct world *world)
{
    while (world->inner) {
        world = world->inner;
    }
    if (!world->redactor) {
        world->redactor = redactor_create();
        add_proxies(world);
    }
    return world->redactor;
}

int64_t world_monotonic_ms(struct world *world)
{
    return world->operations->monotonic_ms(world);
}

int64_t world_utc_ms(struct world *world)
{
    return world->operations->utc_ms(world);
}

void world_random(struct world *world, void *bytes, size_t length)
{
    world->operations->random(world, bytes, length);
}

struct world_task *world_timer(struct world *world, int64_t delay_ms, world_callback callback,
                               void *context)
{
    return world->operations->timer(world, delay_ms < 0 ? 0 : delay_ms, callback, context);
}

struct world_task *world_defer(struct world *world, world_callback callback, void *context)
{
    return world->operations->defer(world, callback, context);
}

struct world_task *world_http(struct world *world, const struct http_request *request,
                              world_http_callback callback, void *context)
{
    return world->operations->http(world, request, callback, context);
}

struct world_task *world_connect(struct world *world, const char *host, int port,
                                 int64_t timeout_ms, world_connect_callback callback, void *context)
{
    return world->operations->connect(world, host, port, timeout_ms, callback, context);
}

struct world_task *world_message(struct world *world, const struct message_request *request,
                                 world_message_callback callback, void *context)
{
    return world->operations->message(world, request, callback, context);
}

struct world_task *world_work(struct world *world, world_callback run, world_callback done,
                              void *context)
{
    return world->operations->work(world, run, done, context);
}

struct world_task *world_job(struct world *world, const struct job_request *request,
                             world_job_callback callback, void *context)
{
    return world->operations->job(world, request, callback, context);
}

struct world_task *world_signal(struct world *world, int signal, world_signal_callback callback,
                                void *context)
{
    return world->operations->signal(world, signal, callback, context);
}

void world_cancel(struct world *world, struct world_task *task)
{
    if (task) {
        world->operations->cancel(world, task);
    }
}

void world_run(struct world *world, const bool *until)
{
    world->operations->run(world, until);
}

static void rang(void *context)
{
    *(bool *)context = true;
}

void world_pause(struct world *world, int64_t ms)
{
    bool over = false;
    world_timer(world, ms, rang, &over);
    world_run(world, &over);
}

const char *world_environment(struct world *world, const char *name)
{
    return world->operations->environment(world, name);
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) == 0) {
            return response->headers[i].value;
        }
    }
    return NULL;
}
