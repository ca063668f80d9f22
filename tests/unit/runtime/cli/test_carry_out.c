/* Carrying out: what a run leaves behind that was broken off. */
#include "runtime/cli/carry_out.h"

#include <stdio.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/site/site.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/captured.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/failover_maker.h"

/* The fake provider, which is asked at its end what was under way. */
struct watched {
    struct provider base; /* first */
    struct bench *bench;
    bool gone, had_requests;
};

static void watched_start(struct provider *provider, struct call **calls, size_t n, call_done done,
                          void *context)
{
    struct provider *fake = &((struct watched *)provider)->bench->fake.base;
    fake->start(fake, calls, n, done, context);
}

static void watched_lookup(struct provider *provider, struct call *call, call_done done, void *context)
{
    struct provider *fake = &((struct watched *)provider)->bench->fake.base;
    fake->lookup(fake, call, done, context);
}

static void watched_poll(struct provider *provider, struct call **calls, size_t n, call_done done,
                         void *context)
{
    struct provider *fake = &((struct watched *)provider)->bench->fake.base;
    fake->poll(fake, calls, n, done, context);
}

static void watched_destroy(struct provider *provider)
{
    struct watched *watched = (struct watched *)provider;
    watched->gone = true;
    watched->had_requests = watched->bench->fake.tasks != NULL;
    fake_provider_drop(&watched->bench->fake);
}

static void lose_the_journal(void *context)
{
    unlink(((struct bench *)context)->path);
}

/* Breaks off with requests under way. What comes then (a shared lease's end, the last traces) runs the
 * loop, and an answer must not find the executor gone: the process crashed at its end. */
static void nothing_answers_a_run_that_was_broken_off(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct bench bench;
    struct captured captured;
    struct error error = {0};
    bench_open(&bench, maker_twelve(arena), 1);
    fake_provider_init(&bench.fake, bench.cloud, bench.world, bench.journal);
    bench.fake.latency_ms = 2000;
    struct watched watched = {.base = {.name = "watched",
                                       .start = watched_start,
                                       .lookup = watched_lookup,
                                       .poll = watched_poll,
                                       .destroy = watched_destroy},
                              .bench = &bench};
    struct site site = {.world = bench.world, .limits = bench.limits, .host = &watched.base};
    site.providers[PROVIDER_AWS] = site.providers[PROVIDER_HOST] = &watched.base;
    struct invocation invocation = {.arena = arena};
    struct carriage carriage = {.invocation = &invocation,
                                .site = &site,
                                .journal = bench.journal,
                                .graph = bench.graph,
                                .facts = bench.facts,
                                .run_id = "run00001"};
    world_timer(bench.world, 500, lose_the_journal, &bench);
    captured_begin(&captured);
    enum executor_result result = carry_out(&carriage, &error);
    captured_end(&captured);
    assert_int_equal(result, EXECUTOR_BROKEN);
    assert_non_null(error.help);
    assert_true(watched.gone);
    assert_true(watched.had_requests);
    assert_null(site.host);
    assert_int_equal(world_simulated_pending(bench.world), 0);
    world_run(bench.world, NULL);
    error_clear(&error);
    captured_free(&captured);
    bench_close(&bench);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_answers_a_run_that_was_broken_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
