/* drc sandbox init, serve, guests. (show: sandbox_show.c) */
#include "runtime/cli/command.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "compiler/base/arena.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/world/world.h"

static bool real_now_ms(int64_t *now, struct error *error)
{
    struct world *world = world_real_create(error);
    if (world) {
        *now = world_utc_ms(world);
        world_destroy(world);
    }
    return world != NULL;
}

static bool set_faults(const struct invocation *invocation, struct sandbox *sandbox,
                       struct error *error)
{
    for (size_t i = 0; i < invocation->fault_count; i++) {
        const struct variable *fault = &invocation->faults[i];
        char *end = NULL;
        double value = strtod(fault->value, &end);
        if (end == fault->value || *end) {
            return error_set(error, "--fault %s wants a number, not \"%s\"", fault->name,
                             fault->value);
        }
        if (!sandbox_set_fault(sandbox, fault->name, value, error)) {
            return false;
        }
    }
    return true;
}

static bool make_sandbox(const struct invocation *invocation, struct plan **plans, size_t count,
                         struct error *error)
{
    double seed = 1;
    double speed = 1;
    int64_t now = 0;
    if (!flag_number(invocation, FLAG_SEED, 0, 9007199254740992.0, &seed, error) ||
        !flag_number(invocation, FLAG_SPEED, 1, 10000, &speed, error) ||
        !real_now_ms(&now, error)) {
        return false;
    }
    struct sandbox_options options = {
        .seed = (uint64_t)seed,
        .speed = speed,
        .throttle = !invocation->given[FLAG_NO_THROTTLE],
        .utc_base_ms = now,
        .real_base_ms = now,
    };
    struct sandbox *sandbox = sandbox_init(invocation->arguments[0], &options, error);
    bool ok = sandbox != NULL;
    for (size_t i = 0; i < count && ok; i++) {
        ok = invocation->given[FLAG_NO_COPIES]
                 ? sandbox_populate_without_copies(sandbox, plans[i], error)
                 : sandbox_populate(sandbox, plans[i], error);
    }
    ok = ok && set_faults(invocation, sandbox, error);
    bool half = sandbox && !ok; /* in the way of the command without its mistake */
    sandbox_close(sandbox);
    if (half) {
        sandbox_remove(invocation->arguments[0]);
    }
    return ok;
}

enum exit_status command_sandbox_init(const struct invocation *invocation)
{
    size_t count = invocation->argument_count - 1;
    struct plan **plans = ARENA_ARRAY(invocation->arena, struct plan *, count);
    for (size_t i = 0; i < count; i++) {
        if (!load_plan(invocation, invocation->arguments[i + 1], &plans[i])) {
            return EXIT_ERROR;
        }
    }
    struct error error = {0};
    if (!make_sandbox(invocation, plans, count, &error)) {
        return tell_error(&error);
    }
    for (size_t i = 0; i < count; i++) {
        printf("%s: networks, images, conversion instances and %s %zu VM%s\n", plans[i]->name,
               invocation->given[FLAG_NO_COPIES] ? "no DR copies for" : "DR copies of",
               plans[i]->vm_count, plans[i]->vm_count == 1 ? "" : "s");
    }
    printf("sandbox in %s; use it with --sandbox %s\n", invocation->arguments[0],
           invocation->arguments[0]);
    return EXIT_DONE;
}

/* What ends a server. Blocked, so that none of its threads gets them. */
static void block_ends(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigprocmask(SIG_BLOCK, signals, NULL);
}

static bool serve(struct sandbox *sandbox, int port, struct error *error)
{
    sigset_t signals;
    block_ends(&signals);
    int bound = 0, dns_bound = 0;
    struct sandbox_server *server =
        sandbox_server_start(sandbox, port, &bound, &dns_bound, error);
    if (!server) {
        return false;
    }
    printf("http://127.0.0.1:%d\n", bound);
    printf("dns://127.0.0.1:%d\n", dns_bound);
    fflush(stdout);
    int signal = 0;
    sigwait(&signals, &signal);
    struct sandbox_served served = sandbox_server_served(server);
    sandbox_server_stop(server);
    fprintf(stderr, "%" PRId64 " requests answered, %" PRId64 " of them refused for their rate\n",
            served.requests, served.throttled);
    return true;
}

enum exit_status command_sandbox_serve(const struct invocation *invocation)
{
    struct error error = {0};
    double port = 0;
    if (!flag_number(invocation, FLAG_PORT, 0, 65534, &port, &error)) {
        return tell_error(&error);
    }
    struct sandbox *sandbox = sandbox_open(invocation->arguments[0], &error);
    if (!sandbox) {
        return tell_error(&error);
    }
    bool ok = serve(sandbox, (int)port, &error);
    sandbox_close(sandbox);
    return ok ? EXIT_DONE : tell_error(&error);
}

static void print_line(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
    fflush(stdout);
}

static bool run_guests(struct sandbox *sandbox, const char *directory, struct error *error)
{
    sigset_t signals;
    int signal = 0;
    block_ends(&signals);
    struct sandbox_guests *guests = sandbox_guests_start(sandbox, print_line, NULL, error);
    if (!guests) {
        return false;
    }
    printf("the guests of %s answer until this ends\n", directory);
    fflush(stdout);
    sigwait(&signals, &signal);
    sandbox_guests_stop(guests);
    return true;
}

enum exit_status command_sandbox_guests(const struct invocation *invocation)
{
    struct error error = {0};
    struct sandbox *sandbox = sandbox_open(invocation->arguments[0], &error);
    bool ok = sandbox != NULL;
    for (size_t i = 1; i < invocation->argument_count && ok; i++) {
        struct plan *plan;
        if (!load_plan(invocation, invocation->arguments[i], &plan)) {
            sandbox_close(sandbox);
            return EXIT_ERROR;
        }
        ok = sandbox_give_guests(sandbox, plan, &error);
    }
    ok = ok && run_guests(sandbox, invocation->arguments[0], &error);
    sandbox_close(sandbox);
    return ok ? EXIT_DONE : tell_error(&error);
}
