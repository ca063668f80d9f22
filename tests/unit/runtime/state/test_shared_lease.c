/* Leases in a store: who holds one, how long, and how it is lost. */
#include "runtime/state/shared_lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "runtime/world/store.h"
#include "runtime/world/world.h"
#include "tests/unit/support/flaky_store.h"
#include "tests/unit/support/state_directory.h"

/* Two runners on one store; the flaws are the first one's. */
struct bench {
    struct world *world;
    struct store_memory *memory;
    struct flaky_store *flaky;
    struct store *first, *second;
    int lost;
    char why[512];
    bool rang;
};

static int bench_make(void **state)
{
    struct bench *bench = base_alloc(sizeof *bench);
    bench->world = quiet_world(3);
    bench->memory = store_memory_create();
    bench->flaky = flaky_store_create(bench->world, store_memory_open(bench->world, bench->memory));
    bench->first = &bench->flaky->store;
    bench->second = store_memory_open(bench->world, bench->memory);
    *state = bench;
    return 0;
}

static int bench_clear(void **state)
{
    struct bench *bench = *state;
    store_destroy(bench->first);
    store_destroy(bench->second);
    store_memory_destroy(bench->memory);
    world_destroy(bench->world);
    free(bench);
    return 0;
}

static void ring(void *context)
{
    ((struct bench *)context)->rang = true;
}

static void pass(struct bench *bench, int64_t delay_ms)
{
    bench->rang = false;
    world_timer(bench->world, delay_ms, ring, bench);
    world_run(bench->world, &bench->rang);
}

static struct lease *take(struct bench *bench, struct store *store, const char *run,
                          bool take_over, struct error *error)
{
    return lease_take_shared(store, bench->world, "shop", "site", run, take_over, error);
}

static void note_loss(void *context, const struct error *error)
{
    struct bench *bench = context;
    bench->lost++;
    snprintf(bench->why, sizeof bench->why, "%s", error->message);
    assert_non_null(error->help);
}

static void expect_refusal(struct bench *bench, const char *words)
{
    struct error error = {0};
    assert_null(take(bench, bench->second, "8m3g0000", false, &error));
    if (!strstr(error.message, words)) {
        fail_msg("%s\nhas not: %s", error.message, words);
    }
    assert_non_null(strstr(error.help, "--take-over"));
    error_clear(&error);
}

static bool is_held(struct bench *bench, struct lease_holder *holder, struct arena *arena)
{
    struct error error = {0};
    bool held = lease_holder_shared(arena, bench->second, bench->world, "shop", "site", holder,
                                    &error);
    assert_null(error.message);
    return held;
}

static void test_take_and_release(void **state)
{
    struct bench *bench = *state;
    struct arena *arena = arena_create();
    struct lease_holder holder;
    assert_false(is_held(bench, &holder, arena));
    struct lease *lease = take(bench, bench->first, "7k2f0000", false, NULL);
    assert_non_null(lease);
    assert_true(lease_is_sure(lease));
    assert_true(is_held(bench, &holder, arena));
    assert_string_equal(holder.run, "7k2f0000");
    assert_int_equal(holder.pid, getpid());
    int64_t now = world_utc_ms(bench->world);
    assert_int_equal(holder.expires_utc_ms, now + LEASE_MS);
    assert_int_equal(lease_runs_out_s(&holder, now), 75);
    assert_int_equal(lease_runs_out_s(&holder, now + 74001), 1);
    assert_int_equal(lease_runs_out_s(&holder, now + 75001), 0);
    assert_int_equal(lease_runs_out_s(&holder, now - 900000), 90); /* nobody's clock is so far ahead */
    expect_refusal(bench, "run 7k2f0000 (process ");
    expect_refusal(bench, "until 2025-11-22T10:01:00Z unless it renews it) has it");
    struct lease *copies =
        lease_take_shared(bench->second, bench->world, "shop", "copies", "8m3g0000", false, NULL);
    assert_non_null(copies);
    lease_release(copies);
    lease_release(lease);
    assert_false(is_held(bench, &holder, arena));
    lease = take(bench, bench->second, "8m3g0000", false, NULL); /* free at once */
    assert_non_null(lease);
    lease_release(lease);
    arena_destroy(arena);
}

static void test_renewed_for_ever(void **state)
{
    struct bench *bench = *state;
    struct lease *lease = take(bench, bench->first, "7k2f0000", false, NULL);
    lease_watch(lease, note_loss, bench);
    for (int i = 0; i < 100; i++) {
        pass(bench, 7001);
        assert_true(lease_is_sure(lease));
        expect_refusal(bench, "7k2f0000");
    }
    /* A renewal whose answer is lost was one all the same. */
    bench->flaky->flaw = FLAW_LOST_ANSWER;
    for (int i = 0; i < 20; i++) {
        bench->flaky->next = 1;
        pass(bench, 20000);
        assert_true(lease_is_sure(lease));
    }
    assert_int_equal(bench->lost, 0);
    lease_release(lease);
    lease = take(bench, bench->second, "8m3g0000", false, NULL);
    assert_non_null(lease);
    lease_release(lease);
}

/* Its holder cannot reach the store any more, and does not know whether it lives. */
static void test_expiry(void **state)
{
    struct bench *bench = *state;
    struct lease *lease = take(bench, bench->first, "7k2f0000", false, NULL);
    lease_watch(lease, note_loss, bench);
    bench->flaky->flaw = FLAW_LOST_REQUEST;
    bench->flaky->next = -1;
    pass(bench, LEASE_MS - 1);
    assert_true(lease_is_sure(lease));
    pass(bench, 1);
    assert_false(lease_is_sure(lease)); /* before anybody else may take it */
    pass(bench, LEASE_SKEW_MS);
    expect_refusal(bench, "7k2f0000");
    pass(bench, 1);
    struct lease *other = take(bench, bench->second, "8m3g0000", false, NULL);
    assert_non_null(other);
    assert_int_equal(bench->lost, 0);
    bench->flaky->flaw = FLAW_NONE;
    pass(bench, LEASE_RENEW_MS + 1000);
    assert_int_equal(bench->lost, 1);
    assert_non_null(strstr(bench->why, "was taken over by run 8m3g0000 (process "));
    assert_false(lease_is_sure(lease));
    pass(bench, 10 * LEASE_MS);
    assert_int_equal(bench->lost, 1);
    lease_release(lease); /* leaves the other's alone */
    struct arena *arena = arena_create();
    struct lease_holder holder;
    assert_true(is_held(bench, &holder, arena));
    assert_string_equal(holder.run, "8m3g0000");
    arena_destroy(arena);
    lease_release(other);
}

static void test_take_over(void **state)
{
    struct bench *bench = *state;
    struct lease *lease = take(bench, bench->first, "7k2f0000", false, NULL);
    lease_watch(lease, note_loss, bench);
    struct lease *other = take(bench, bench->second, "7k2f0000", true, NULL);
    assert_non_null(other);
    pass(bench, LEASE_RENEW_MS + 1000);
    assert_int_equal(bench->lost, 1);
    assert_true(lease_is_sure(other));
    lease_release(other);
    lease_release(lease);
}

struct surety {
    int count;
    bool over;
};

static void note_surety(void *context)
{
    struct surety *surety = context;
    surety->count++;
    surety->over = true;
}

/* Asked before a request goes out, after a sleep. */
static void test_assure(void **state)
{
    struct bench *bench = *state;
    struct surety surety = {0};
    struct lease *lease = take(bench, bench->first, "7k2f0000", false, NULL);
    lease_watch(lease, note_loss, bench);
    bench->flaky->flaw = FLAW_LOST_REQUEST;
    bench->flaky->next = -1;
    pass(bench, 2 * LEASE_MS);
    assert_false(lease_is_sure(lease));
    lease_assure(lease, note_surety, &surety);
    pass(bench, LEASE_MS);
    assert_int_equal(surety.count, 0);
    bench->flaky->flaw = FLAW_NONE;
    world_run(bench->world, &surety.over);
    assert_true(lease_is_sure(lease));
    assert_int_equal(surety.count, 1);
    pass(bench, LEASE_MS);
    assert_int_equal(surety.count, 1);
    struct lease *other = take(bench, bench->second, "8m3g0000", true, NULL);
    lease_assure(lease, note_surety, &surety);
    pass(bench, 10);
    assert_int_equal(surety.count, 1);
    assert_int_equal(bench->lost, 1);
    lease_release(other);
    lease_release(lease);
}

/* While nobody watched: who watches then is told. */
static void test_lost_unwatched(void **state)
{
    struct bench *bench = *state;
    struct lease *lease = take(bench, bench->first, "7k2f0000", false, NULL);
    struct lease *other = take(bench, bench->second, "8m3g0000", true, NULL);
    pass(bench, LEASE_MS);
    assert_false(lease_is_sure(lease));
    lease_watch(lease, note_loss, bench);
    assert_int_equal(bench->lost, 0); /* not from within */
    pass(bench, LEASE_MS);
    assert_int_equal(bench->lost, 1);
    assert_non_null(strstr(bench->why, "8m3g0000"));
    lease_release(other);
    lease_release(lease);
}

/* A world whose clock went on while nothing was done: the process was stopped. */
static void test_sleeper(void **state)
{
    struct bench *bench = *state;
    struct surety surety = {0};
    struct world *world = world_real_create(NULL);
    struct store *store = store_memory_open(world, bench->memory);
    struct lease *lease =
        lease_take_shared(store, world, "shop", "site", "7k2f0000", false, NULL);
    assert_true(lease_is_sure(lease));
    for (int64_t until = world_monotonic_ms(world) + 3100; world_monotonic_ms(world) < until;) {
        usleep(100000);
    }
    assert_false(lease_is_sure(lease)); /* though it is good for another minute */
    lease_assure(lease, note_surety, &surety);
    world_run(world, &surety.over);
    assert_true(lease_is_sure(lease));
    lease_release(lease);
    store_destroy(store);
    world_destroy(world);
}

/* Clocks of two runners: within LEASE_SKEW_MS nothing goes wrong. One that is further ahead takes what
 * is held, and its holder notices. */
static void test_skew(void **state)
{
    struct bench *bench = *state;
    struct lease *lease = take(bench, bench->first, "7k2f0000", false, NULL);
    lease_watch(lease, note_loss, bench);
    static const int64_t ahead[] = {-3600000, -LEASE_SKEW_MS, LEASE_MS + LEASE_SKEW_MS,
                                    LEASE_MS + LEASE_SKEW_MS + 1};
    for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++) {
        struct world *world = world_simulated_create(9, world_utc_ms(bench->world) + ahead[i],
                                                     (struct world_responder){0});
        struct store *store = store_memory_open(world, bench->memory);
        struct lease *other = lease_take_shared(store, world, "shop", "site", "8m3g0000", false, NULL);
        assert_int_equal(other != NULL, i == 3);
        lease_release(other);
        store_destroy(store);
        world_destroy(world);
    }
    pass(bench, LEASE_RENEW_MS + 1000);
    assert_int_equal(bench->lost, 1);
    assert_non_null(strstr(bench->why, "one that has ended since"));
    lease_release(lease);
}

static void test_damaged_object(void **state)
{
    struct bench *bench = *state;
    static const char *const texts[] = {"", "{", "[]", "{\"run\":7}", "null"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        store_put_now(bench->second, bench->world, "shop/leases/site", texts[i], strlen(texts[i]),
                      STORE_ALWAYS, NULL, NULL);
        expect_refusal(bench, "says nothing that can be read");
    }
    struct lease *lease = take(bench, bench->second, "8m3g0000", true, NULL);
    assert_non_null(lease);
    lease_release(lease);
}

/* A store that is gone holds nobody up for long. */
static void test_release_without_a_store(void **state)
{
    struct bench *bench = *state;
    struct lease *lease = take(bench, bench->first, "7k2f0000", false, NULL);
    bench->flaky->flaw = FLAW_SILENT;
    bench->flaky->next = -1;
    int64_t before = world_monotonic_ms(bench->world);
    lease_release(lease);
    assert_int_equal(world_monotonic_ms(bench->world) - before, 5000);
    lease = NULL;
    struct error error = {0};
    bench->flaky->flaw = FLAW_LOST_REQUEST;
    assert_null(take(bench, bench->first, "7k2f0000", true, &error));
    assert_non_null(strstr(error.message, "the network is down"));
    error_clear(&error);
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_make, bench_clear)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_take_and_release),
        WITH_BENCH(test_renewed_for_ever),
        WITH_BENCH(test_expiry),
        WITH_BENCH(test_take_over),
        WITH_BENCH(test_assure),
        WITH_BENCH(test_lost_unwatched),
        WITH_BENCH(test_sleeper),
        WITH_BENCH(test_skew),
        WITH_BENCH(test_damaged_object),
        WITH_BENCH(test_release_without_a_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
