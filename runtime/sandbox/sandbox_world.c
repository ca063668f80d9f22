/* The world of someone who works in the sandbox: its clock, its network, and the sandbox's
 * credentials in place of the user's own, which must not get there. */
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/internal.h"

struct sandbox_world {
    struct world base;
    struct world *inner; /* redirected to the sandbox */
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

static void sandbox_destroy(struct world *world)
{
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

static struct world_task *sandbox_http(struct world *world, const struct http_request *request,
                                       world_http_callback callback, void *context)
{
    return world_http(inner_of(world), request, callback, context);
}

static struct world_task *sandbox_connect(struct world *world, const char *host, int port,
                                          int64_t timeout_ms, world_connect_callback callback,
                                          void *context)
{
    return world_connect(inner_of(world), host, port, timeout_ms, callback, context);
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
    world_cancel(inner_of(world), task);
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
    world->inner = world_redirected_create(inner, sandbox_responder(sandbox), options->speed,
                                           options->real_base_ms, options->utc_base_ms);
    return &world->base;
}
