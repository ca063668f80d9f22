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
    for (int i = 0; i < 4; i++) { /* RunInstances: 5 less one to spare, 2/s */
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
    assert_true(limits_available(limits, BUCKET_EC2_RUN_INSTANCES) == 4);
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
    assert_int_equal(wait_ms, 3000); /* five were borrowed */
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
    assert_true(limits_available(limits, BUCKET_EC2_DESCRIBE) == 99);
    for (int i = 0; i < 99; i++) {
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
    assert_int_equal(wait_ms, 800); /* a sixteenth of AWS's 20/s */
    limits_throttled(limits, BUCKET_STS);
    assert_false(limits_take(limits, BUCKET_STS, 1, &wait_ms));
    assert_int_equal(wait_ms, 160); /* of 100/s */
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
    assert_int_equal(world_monotonic_ms(world), 50500); /* 4 at once, 101 at 2/s */
    buffer_free(&log);
    limits_destroy(limits);
    world_destroy(world);
}

/* Each account and region has buckets of its own; one that is throttled slows no other, nor another
 * API's in the same place. */
static void each_place_has_its_own(void **state)
{
    (void)state;
    struct world *world = make_world(1);
    struct limits *here = limits_create(world, LIMITS_AWS);
    struct limits *there = limits_elsewhere(here, "222233334444", "eu-west-1");
    struct limits *other = limits_elsewhere(here, "222233334444", "us-east-1");
    assert_ptr_equal(limits_elsewhere(here, "222233334444", "eu-west-1"), there);
    assert_ptr_not_equal(there, other);
    assert_ptr_not_equal(there, here);
    limits_throttled(there, BUCKET_EC2_ATTACH_VOLUME);
    assert_true(limits_available(there, BUCKET_EC2_ATTACH_VOLUME) == 0);
    assert_true(limits_available(there, BUCKET_EC2_DETACH_VOLUME) == 49);
    assert_true(limits_available(other, BUCKET_EC2_ATTACH_VOLUME) == 49);
    assert_true(limits_available(here, BUCKET_EC2_ATTACH_VOLUME) == 49);
    limits_set_mode(here, LIMITS_NONE); /* everywhere */
    assert_true(limits_available(there, BUCKET_EC2_ATTACH_VOLUME) > 1e6);
    assert_true(limits_available(other, BUCKET_EC2_ATTACH_VOLUME) > 1e6);
    limits_destroy(here);
    world_destroy(world);
}

/* 500 RunInstances wait for requests (4, then 2 a second); 2000 at once, if requests were free, for
 * the instances that an account may ask for (1000, then 2 a second). */
static int64_t run_all(double cost_each, int calls)
{
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_AWS);
    for (int i = 0; i < calls; i++) {
        int64_t wait_ms = 0;
        while (!limits_take(limits, BUCKET_EC2_RUN_INSTANCES, 1, &wait_ms) ||
               !limits_take(limits, BUCKET_EC2_RUN_RESOURCES, cost_each, &wait_ms)) {
            pass(world, wait_ms);
        }
    }
    int64_t took_ms = world_monotonic_ms(world);
    limits_destroy(limits);
    world_destroy(world);
    return took_ms;
}

static void instances_count_too(void **state)
{
    (void)state;
    assert_int_equal(run_all(1, 500), (500 - 4) * 500);
    assert_int_equal(run_all(1, 2000), (2000 - 4) * 500); /* both refill 2 a second */
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, LIMITS_AWS);
    int64_t wait_ms = 0;
    for (int i = 0; i < 9; i++) { /* StopInstances of 100 each */
        assert_true(limits_take(limits, BUCKET_EC2_STOP_RESOURCES, 100, &wait_ms));
    }
    assert_false(limits_take(limits, BUCKET_EC2_STOP_RESOURCES, 100, &wait_ms));
    assert_int_equal(wait_ms, 50); /* 99 are there, and 20 a second */
    assert_true(limits_available(limits, BUCKET_EC2_STOP_INSTANCES) == 49);
    limits_destroy(limits);
    world_destroy(world);
}

/* --- learning, against servers whose real rates are others than the table's --- */

enum { LEARNING_MS = 900000, CLIENTS = 40, LATENCY_MS = 100 };

struct phase { /* of the server: a bucket */
    int64_t until_ms;
    double capacity, refill_per_s;
};

struct server {
    struct world *world;
    struct limits *limits;
    struct gate *gate;
    const struct phase *phases;
    enum bucket bucket;
    double tokens, refilled; /* refilled: what it had to give in all */
    int64_t at_ms;
    double tenant_per_s; /* another one asks as often */
    int64_t accepted, refused, tenant_accepted;
    int64_t late_accepted, late_refused; /* once it had a minute to learn */
};

static const struct phase *server_phase(const struct server *server)
{
    const struct phase *phase = server->phases;
    while (world_monotonic_ms(server->world) >= phase->until_ms) {
        phase++;
    }
    return phase;
}

static bool server_takes(struct server *server)
{
    const struct phase *phase = server_phase(server);
    int64_t now_ms = world_monotonic_ms(server->world);
    server->tokens += (double)(now_ms - server->at_ms) / 1000 * phase->refill_per_s;
    server->at_ms = now_ms;
    if (server->tokens > phase->capacity) {
        server->tokens = phase->capacity;
    }
    if (server->tokens < 1) {
        return false;
    }
    server->tokens -= 1;
    return true;
}

static void client_sends(void *context);

static void client_is_answered(void *context)
{
    struct server *server = context;
    int64_t now_ms = world_monotonic_ms(server->world);
    bool over = now_ms >= LEARNING_MS, late = now_ms >= 60000;
    if (server_takes(server)) {
        server->accepted += !over;
        server->late_accepted += late;
    } else {
        server->refused++;
        server->late_refused += late;
        server->gate->throttled(server->gate, server->bucket);
    }
    if (!over) {
        server->gate->enter(server->gate, server->bucket, 1, 0, client_sends, server);
    }
}

static void client_sends(void *context)
{
    struct server *server = context;
    world_timer(server->world, LATENCY_MS, client_is_answered, server);
}

static void tenant_sends(void *context)
{
    struct server *server = context;
    server->tenant_accepted += server_takes(server);
    if (world_monotonic_ms(server->world) < LEARNING_MS) {
        world_timer(server->world, (int64_t)(1000 / server->tenant_per_s), tenant_sends, server);
    }
}

struct learning {
    const char *name;
    enum limits_mode mode;
    enum bucket bucket;
    struct phase phases[4];
    double tenant_per_s;
    double least_part;   /* of what was possible */
    double refused_most; /* of 1000 */
};

/* What the server gave, or could have given, beside the tenant. */
static double possible(const struct learning *learning, const struct server *server)
{
    double sum = learning->phases[0].capacity;
    int64_t from_ms = 0;
    for (const struct phase *phase = learning->phases; from_ms < LEARNING_MS; phase++) {
        int64_t to_ms = phase->until_ms < LEARNING_MS ? phase->until_ms : LEARNING_MS;
        sum += (double)(to_ms - from_ms) / 1000 * phase->refill_per_s;
        from_ms = to_ms;
    }
    return sum - (double)server->tenant_accepted;
}

static void learn_one(const struct learning *learning)
{
    struct world *world = make_world(1);
    struct limits *limits = limits_create(world, learning->mode);
    struct server server = {.world = world,
                            .limits = limits,
                            .gate = limits_gate(limits),
                            .phases = learning->phases,
                            .bucket = learning->bucket,
                            .tokens = learning->phases[0].capacity,
                            .tenant_per_s = learning->tenant_per_s};
    for (int i = 0; i < CLIENTS; i++) {
        server.gate->enter(server.gate, learning->bucket, 1, 0, client_sends, &server);
    }
    if (learning->tenant_per_s > 0) {
        tenant_sends(&server);
    }
    pass(world, LEARNING_MS + 60000);
    double part = (double)server.accepted / possible(learning, &server);
    double refused =
        1000.0 * (double)server.late_refused / (double)(server.late_accepted + server.late_refused);
    print_message(
        "%-36s %.2f of what was possible; refused: %3lld of %5lld, after the first minute "
        "%.1f of 1000\n",
        learning->name, part, (long long)server.refused,
        (long long)(server.accepted + server.refused), refused);
    assert_true(part >= learning->least_part && part <= 1.01);
    assert_true(refused <= learning->refused_most);
    limits_destroy(limits);
    world_destroy(world);
}

static void throttle_answers_stay_few(void **state)
{
    (void)state;
    static const struct learning cases[] = {
        {"as documented", LIMITS_AWS, BUCKET_EC2_MUTATE, {{INT64_MAX, 50, 5}}, 0, 0.98, 0},
        {"half of the documented rate",
         LIMITS_AWS,
         BUCKET_EC2_MUTATE,
         {{INT64_MAX, 50, 2.5}},
         0,
         0.95,
         20},
        {"a fifth of it, and a small bucket",
         LIMITS_AWS,
         BUCKET_EC2_MUTATE,
         {{INT64_MAX, 10, 1}},
         0,
         0.95,
         40},
        {"twice the documented rate",
         LIMITS_AWS,
         BUCKET_EC2_MUTATE,
         {{INT64_MAX, 100, 10}},
         0,
         0.49,
         0},
        {"full, half for five minutes, full",
         LIMITS_AWS,
         BUCKET_EC2_DESCRIBE,
         {{300000, 100, 20}, {600000, 100, 10}, {INT64_MAX, 100, 20}},
         0,
         0.95,
         5},
        {"another tenant takes half",
         LIMITS_AWS,
         BUCKET_EC2_MUTATE,
         {{INT64_MAX, 50, 5}},
         2.5,
         0.95,
         20},
        {"nothing known, documented rate",
         LIMITS_NONE,
         BUCKET_EC2_MUTATE,
         {{INT64_MAX, 50, 5}},
         0,
         0.95,
         15},
        {"nothing known, fast server",
         LIMITS_NONE,
         BUCKET_EC2_DESCRIBE,
         {{INT64_MAX, 200, 100}},
         0,
         0.9,
         5},
        {"nothing known, 1 a second",
         LIMITS_NONE,
         BUCKET_EC2_MUTATE,
         {{INT64_MAX, 5, 1}},
         0,
         0.95,
         40},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        learn_one(&cases[i]);
    }
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
        cmocka_unit_test(each_place_has_its_own),
        cmocka_unit_test(instances_count_too),
        cmocka_unit_test(throttle_answers_stay_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
