#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "runtime/engine/limits.h"
#include "runtime/world/prng.h"
#include "runtime/world/simulated.h"

static struct world *make_world(uint64_t seed)
{
    return world_simulated_create(seed, 0, (struct world_responder){0});
}

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void pass(struct world *world, int64_t ms)
{
    bool over = false;
    world_timer(world, ms, set_flag, &over);
    world_run(world, &over);
}

static void takes_what_is_there(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_AWS);
    int64_t wait_ms = 0;
    for (int i = 0; i < 5; i++) { /* RunInstances: 5, 2/s */
        assert_true(limits_take(limits, BUCKET_EC2_RUN_INSTANCES, 1, &wait_ms));
    }
    assert_false(limits_take(limits, BUCKET_EC2_RUN_INSTANCES, 1, &wait_ms));
    assert_int_equal(wait_ms, 500);
    pass(world, 499);
    assert_false(limits_take(limits, BUCKET_EC2_RUN_INSTANCES, 1, &wait_ms));
    assert_int_equal(wait_ms, 1);
    pass(world, 1);
    assert_true(limits_take(limits, BUCKET_EC2_RUN_INSTANCES, 1, &wait_ms));
    pass(world, 100000); /* never more than it holds */
    assert_true(limits_available(limits, BUCKET_EC2_RUN_INSTANCES) == 5);
    assert_true(limits_take(limits, BUCKET_EC2_CREATE_VOLUME, 1, &wait_ms)); /* one of its own */
    limits_destroy(limits);
    world_destroy(world);
}

static void costs_more_than_it_holds(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_AWS);
    int64_t wait_ms = 0;
    assert_true(limits_take(limits, BUCKET_EC2_RUN_INSTANCES, 9, &wait_ms));
    assert_false(limits_take(limits, BUCKET_EC2_RUN_INSTANCES, 1, &wait_ms));
    assert_int_equal(wait_ms, 2500); /* four were borrowed */
    limits_destroy(limits);
    world_destroy(world);
}

static void local_work_has_no_limit(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_AWS);
    int64_t wait_ms = 0;
    limits_throttled(limits, BUCKET_NONE);
    for (int i = 0; i < 100000; i++) {
        assert_true(limits_take(limits, BUCKET_NONE, 1, &wait_ms));
    }
    limits_destroy(limits);
    world_destroy(world);
}

static void learns_from_throttles(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_AWS);
    int64_t wait_ms = 0;
    limits_throttled(limits, BUCKET_EC2_DESCRIBE); /* 100, 20/s */
    assert_true(limits_available(limits, BUCKET_EC2_DESCRIBE) == 0);
    assert_false(limits_take(limits, BUCKET_EC2_DESCRIBE, 1, &wait_ms));
    assert_int_equal(wait_ms, 100); /* 10/s now */
    for (int i = 0; i < 50; i++) {  /* refused together: one decrease */
        limits_throttled(limits, BUCKET_EC2_DESCRIBE);
    }
    assert_false(limits_take(limits, BUCKET_EC2_DESCRIBE, 1, &wait_ms));
    assert_int_equal(wait_ms, 100);
    for (int i = 0; i < 20; i++) { /* one after another: down to the floor, not below */
        pass(world, 1000);
        limits_throttled(limits, BUCKET_EC2_DESCRIBE);
    }
    assert_false(limits_take(limits, BUCKET_EC2_DESCRIBE, 1, &wait_ms));
    assert_int_equal(wait_ms, 800);
    pass(world, 3600 * 1000); /* recovered */
    assert_true(limits_available(limits, BUCKET_EC2_DESCRIBE) == 100);
    for (int i = 0; i < 100; i++) {
        assert_true(limits_take(limits, BUCKET_EC2_DESCRIBE, 1, &wait_ms));
    }
    assert_false(limits_take(limits, BUCKET_EC2_DESCRIBE, 1, &wait_ms));
    assert_int_equal(wait_ms, 50); /* and no faster than AWS allows */
    limits_destroy(limits);
    world_destroy(world);
}

static void starts_unlimited_and_learns(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_NONE);
    int64_t wait_ms = 0;
    for (int i = 0; i < 100; i++) { /* 10/s for 10 s */
        assert_true(limits_take(limits, BUCKET_EC2_DESCRIBE, 1, &wait_ms));
        pass(world, 100);
    }
    assert_true(limits_available(limits, BUCKET_EC2_DESCRIBE) > 1000000);
    limits_throttled(limits, BUCKET_EC2_DESCRIBE);
    assert_false(limits_take(limits, BUCKET_EC2_DESCRIBE, 1, &wait_ms));
    assert_in_range(wait_ms, 200, 300); /* half of some 9/s */
    assert_true(limits_take(limits, BUCKET_EC2_MUTATE, 1, &wait_ms));
    limits_set_mode(limits, LIMITS_NONE);
    assert_true(limits_take(limits, BUCKET_EC2_DESCRIBE, 1, &wait_ms));
    limits_throttled(limits, BUCKET_SSM_READ); /* before anything was sent: the slowest */
    assert_false(limits_take(limits, BUCKET_SSM_READ, 1, &wait_ms));
    assert_int_equal(wait_ms, 5000);
    limits_destroy(limits);
    world_destroy(world);
}

struct entrant {
    struct buffer *log;
    const char *name;
    struct gate *gate;
    struct entrant *leaves;
};

static void go(void *context)
{
    struct entrant *entrant = context;
    buffer_printf(entrant->log, "%s ", entrant->name);
    if (entrant->leaves) {
        entrant->gate->leave(entrant->gate, entrant->leaves);
    }
}

static void the_urgent_go_first(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_AWS);
    struct gate *gate = limits_gate(limits);
    struct buffer log = {0};
    int64_t wait_ms;
    while (limits_take(limits, BUCKET_EC2_RUN_INSTANCES, 1, &wait_ms)) {
    }
    pass(world, 499);
    limits_take(limits, BUCKET_EC2_RUN_INSTANCES, 0, &wait_ms); /* nothing is kept for it */
    struct entrant a = {&log, "later", gate, NULL}, b = {&log, "sooner", gate, NULL};
    struct entrant c = {&log, "equal", gate, NULL}, d = {&log, "patient", gate, NULL};
    gate->enter(gate, BUCKET_EC2_RUN_INSTANCES, 1, 500, go, &a);
    gate->enter(gate, BUCKET_EC2_RUN_INSTANCES, 1, 10, go, &b);
    gate->enter(gate, BUCKET_EC2_RUN_INSTANCES, 1, 10, go, &c);
    gate->enter(gate, BUCKET_EC2_RUN_INSTANCES, 1, 1e18, go, &d);
    assert_int_equal(log.length, 0);
    world_run(world, NULL);
    assert_string_equal(log.data, "sooner equal later patient ");
    buffer_free(&log);
    limits_destroy(limits);
    world_destroy(world);
}

static void leaving(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_NONE);
    struct gate *gate = limits_gate(limits);
    struct buffer log = {0};
    struct entrant a = {&log, "a", gate, NULL}, b = {&log, "b", gate, NULL};
    struct entrant c = {&log, "c", gate, &b};
    gate->enter(gate, BUCKET_STS, 1, 0, go, &a);
    gate->enter(gate, BUCKET_STS, 1, 1, go, &c); /* takes b out when it goes */
    gate->enter(gate, BUCKET_STS, 1, 2, go, &b);
    assert_int_equal(log.length, 0); /* never from within enter */
    gate->leave(gate, &a);
    gate->leave(gate, &log); /* nobody */
    world_run(world, NULL);
    assert_string_equal(log.data, "c ");
    gate->leave(gate, &c); /* gone already */
    gate->throttled(gate, BUCKET_STS);
    gate->enter(gate, BUCKET_STS, 1, 0, go, &a); /* left for destroy */
    limits_destroy(limits);
    assert_int_equal(world_simulated_pending(world), 0);
    buffer_free(&log);
    world_destroy(world);
}

static void limits_that_are_lifted_let_go(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_AWS);
    struct gate *gate = limits_gate(limits);
    struct buffer log = {0};
    int64_t wait_ms;
    while (limits_take(limits, BUCKET_STS, 1, &wait_ms)) {
    }
    struct entrant a = {&log, "a", gate, NULL};
    gate->enter(gate, BUCKET_STS, 1, 0, go, &a);
    limits_set_mode(limits, LIMITS_NONE);
    pass(world, 1);
    assert_string_equal(log.data, "a ");
    buffer_free(&log);
    limits_destroy(limits);
    world_destroy(world);
}

/* Many who ask at random, some at the gate, an executor beside them, throttles now and then. */
enum { PASSED_MAX = 4000 };
struct crowd {
    struct world *world;
    struct limits *limits;
    struct gate *gate;
    struct prng prng;
    int64_t passed_ms[PASSED_MAX];
    size_t passed, by_gate, by_executor;
    int64_t until_ms;
};

static void note_pass(struct crowd *crowd)
{
    if (crowd->passed < PASSED_MAX) {
        crowd->passed_ms[crowd->passed++] = world_monotonic_ms(crowd->world);
    }
}

static void at_gate(void *context);

static void come_again(void *context)
{
    struct crowd *crowd = context;
    if (world_monotonic_ms(crowd->world) < crowd->until_ms) {
        crowd->gate->enter(crowd->gate, BUCKET_EC2_MUTATE, 1,
                           (double)prng_range(&crowd->prng, 0, 5000), at_gate, crowd);
    }
}

static void at_gate(void *context)
{
    struct crowd *crowd = context;
    crowd->by_gate++;
    note_pass(crowd);
    world_timer(crowd->world, prng_range(&crowd->prng, 0, 2000), come_again, crowd);
}

static void executor(void *context)
{
    struct crowd *crowd = context;
    int64_t wait_ms = prng_range(&crowd->prng, 0, 300);
    if (limits_take(crowd->limits, BUCKET_EC2_MUTATE, 1, &wait_ms)) {
        crowd->by_executor++;
        note_pass(crowd);
    }
    if (prng_chance(&crowd->prng, 0.01)) {
        limits_throttled(crowd->limits, BUCKET_EC2_MUTATE);
    }
    if (world_monotonic_ms(crowd->world) < crowd->until_ms) {
        world_timer(crowd->world, wait_ms, executor, crowd);
    }
}

/* Written apart from the bucket: every window is counted. */
static void check_windows(const struct crowd *crowd, double capacity, double refill_per_s)
{
    for (size_t first = 0; first < crowd->passed; first++) {
        for (size_t last = first; last < crowd->passed; last++) {
            double seconds = (double)(crowd->passed_ms[last] - crowd->passed_ms[first]) / 1000;
            double most = capacity + refill_per_s * seconds + 1e-6;
            if ((double)(last - first + 1) > most) {
                fail_msg("%zu requests in %g s", last - first + 1, seconds);
            }
        }
    }
}

static void never_more_than_the_rate(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct crowd *crowd = calloc(1, sizeof *crowd);
        crowd->world = make_world(seed);
        crowd->limits = limits_create(crowd->world, LIMITS_AWS);
        crowd->gate = limits_gate(crowd->limits);
        crowd->prng = prng_seeded(seed);
        crowd->until_ms = 120000;
        for (int i = 0; i < 100; i++) {
            come_again(crowd);
        }
        executor(crowd);
        world_run(crowd->world, NULL);
        const struct bucket_info *info = bucket_info(BUCKET_EC2_MUTATE);
        check_windows(crowd, info->capacity, info->refill_per_s);
        /* Both get on, whatever the other does. */
        assert_true(crowd->by_gate > 100);
        assert_true(crowd->by_executor > 30);
        limits_destroy(crowd->limits);
        assert_int_equal(world_simulated_pending(crowd->world), 0);
        world_destroy(crowd->world);
        free(crowd);
    }
}

/* Full use: what waits goes as soon as the rate allows. */
static void no_slower_than_the_rate(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_AWS);
    struct gate *gate = limits_gate(limits);
    struct buffer log = {0};
    struct entrant a = {&log, "a", gate, NULL};
    for (int i = 0; i < 105; i++) {
        gate->enter(gate, BUCKET_EC2_RUN_INSTANCES, 1, 0, go, &a);
    }
    world_run(world, NULL);
    assert_int_equal(log.length, 210);
    assert_int_equal(world_monotonic_ms(world), 50000); /* 5 at once, 100 at 2/s */
    buffer_free(&log);
    limits_destroy(limits);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_there),
        cmocka_unit_test(costs_more_than_it_holds),
        cmocka_unit_test(local_work_has_no_limit),
        cmocka_unit_test(learns_from_throttles),
        cmocka_unit_test(starts_unlimited_and_learns),
        cmocka_unit_test(the_urgent_go_first),
        cmocka_unit_test(leaving),
        cmocka_unit_test(limits_that_are_lifted_let_go),
        cmocka_unit_test(never_more_than_the_rate),
        cmocka_unit_test(no_slower_than_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
