/* The executor over a shared state: commits that take their time, a store that fails, a run that
 * another process takes over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/engine/executor_state.h"
#include "runtime/state/journal_state.h"
#include "runtime/state/lease.h"
#include "runtime/state/records.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/engine_bench.h"
#include "tests/unit/support/failover_maker.h"
#include "tests/unit/support/flaky_store.h"

#define PREFIX "shop/runs/run00001"

struct shared {
    struct bench bench;
    struct arena *arena;
    struct store_memory *memory;
    struct flaky_store *flaky;
    struct store *other; /* of another runner */
    int copies, polls_at_expiry;
    bool compared;
    /* seen by the observer */
    int count[EVENT_DECISION + 1];
    int untimely; /* events while a commit was on its way */
    char last_text[512];
};

static void see(void *context, const struct executor_event *event)
{
    struct shared *shared = context;
    bool of_state = event->type == EVENT_STATE_WAITS || event->type == EVENT_STATE_LOST ||
                    event->type == EVENT_HEARTBEAT;
    shared->count[event->type]++;
    shared->untimely += !of_state && shared->bench.journal->under_way;
    if (of_state && event->text) {
        snprintf(shared->last_text, sizeof shared->last_text, "%s", event->text);
    }
}

static void open_shared(struct shared *shared, struct graph *(*make)(struct arena *arena))
{
    *shared = (struct shared){.arena = arena_create()};
    struct bench *bench = &shared->bench;
    bench_open(bench, make(shared->arena), 5);
    for (size_t i = 0; i < bench->graph->node_count; i++) {
        bench->cloud->things[i].wait_ms = (int64_t)(i * 7919 % 30000);
    }
    bench->observer = see;
    bench->observer_context = shared;
    shared->memory = store_memory_create();
    shared->flaky =
        flaky_store_create(bench->world, store_memory_open(bench->world, shared->memory));
    shared->other = store_memory_open(bench->world, shared->memory);
    journal_append(bench->journal, "{\"r\":\"run\"}");
    assert_true(journal_commit(bench->journal, NULL));
    assert_true(records_publish(
        records_open(&shared->flaky->store, bench->world, PREFIX), bench->journal, NULL));
    bench_begin(bench);
    bench->fake.latency_ms = 300;
}

static void close_shared(struct shared *shared)
{
    bench_finish(&shared->bench);
    lease_release(shared->bench.lease);
    store_destroy(&shared->flaky->store);
    store_destroy(shared->other);
    store_memory_destroy(shared->memory);
    bench_close(&shared->bench);
    arena_destroy(shared->arena);
}

/* A copy made of the records alone, by a process that holds the run from then on. */
static struct journal *take_over(struct shared *shared)
{
    char path[128];
    snprintf(path, sizeof path, "%s/copy-%d.db", shared->bench.directory, shared->copies++);
    struct journal *journal = journal_create(path, NULL);
    journal_use_clock(journal, shared->bench.world);
    struct error error = {0};
    if (!records_claim(records_open(shared->other, shared->bench.world, PREFIX), journal, &error)) {
        fail_msg("%s", error.message);
    }
    return journal;
}

static void assert_each_once(const struct shared *shared)
{
    for (size_t i = 0; i < shared->bench.graph->node_count; i++) {
        const struct action_info *info = action_info(shared->bench.graph->nodes[i].action);
        bool makes = info->provider != PROVIDER_ENGINE && info->effect != EFFECT_WAIT;
        if (shared->bench.cloud->things[i].made != (makes ? 1 : 0)) {
            fail_msg("%s was made %d times", shared->bench.graph->nodes[i].id,
                     shared->bench.cloud->things[i].made);
        }
    }
}

static bool collect(void *context, int64_t number, const char *record)
{
    buffer_printf(context, "%lld %s\n", (long long)number, record);
    return true;
}

static void test_slow_store(void **state)
{
    (void)state;
    static const int64_t latencies[] = {0, 1, 200, 3000};
    for (size_t i = 0; i < sizeof latencies / sizeof *latencies; i++) {
        struct shared shared;
        open_shared(&shared, maker_twelve);
        shared.flaky->latency_ms = latencies[i];
        assert_int_equal(bench_run(&shared.bench), EXECUTOR_SUCCEEDED);
        assert_int_equal(shared.bench.fake.violations, 0);
        assert_int_equal(shared.untimely, 0);
        assert_int_equal(shared.count[EVENT_NODE_DONE], shared.bench.graph->node_count);
        assert_int_equal(shared.count[EVENT_RUN_ENDED], 1);
        assert_each_once(&shared);
        /* The records say all that the file says. */
        struct buffer file = {0}, records = {0};
        assert_true(journal_replay(shared.bench.journal, collect, &file, NULL));
        struct journal *copy = take_over(&shared);
        assert_true(journal_replay(copy, collect, &records, NULL));
        assert_int_equal(strncmp(records.data, file.data, file.length), 0);
        assert_non_null(strstr(file.data, "\"result\":\"succeeded\""));
        buffer_free(&file);
        buffer_free(&records);
        journal_close(copy);
        close_shared(&shared);
    }
}

/* What the next process makes of it; or the one after it, as a request that was never sent is looked up
 * for as long as an action may take here. */
static void go_on_elsewhere(struct shared *shared)
{
    struct bench *bench = &shared->bench;
    struct error *error = &bench->error;
    enum executor_result result = EXECUTOR_FAILED;
    for (int i = 0; i < 3 && result == EXECUTOR_FAILED; i++) {
        bench_finish(bench);
        bench->journal = take_over(shared);
        bench_begin(bench);
        result = bench_run(bench);
    }
    if (result != EXECUTOR_SUCCEEDED) {
        fail_msg("%d %s", result, error->message ? error->message : "");
    }
    assert_int_equal(bench->fake.violations, 0);
    assert_each_once(shared);
}

static void later(struct shared *shared, int64_t delay_ms, world_callback callback)
{
    world_timer(shared->bench.world, delay_ms, callback, shared);
}

static void break_store(void *context)
{
    struct shared *shared = context;
    shared->flaky->flaw = FLAW_LOST_REQUEST;
    shared->flaky->next = -1;
}

static void mend_store(void *context)
{
    ((struct shared *)context)->flaky->flaw = FLAW_NONE;
}

/* Gone for a while: the run waits, says so, and goes on. */
static void test_store_comes_back(void **state)
{
    (void)state;
    struct shared shared;
    open_shared(&shared, maker_twelve);
    later(&shared, 3000, break_store);
    later(&shared, 200000, mend_store);
    assert_int_equal(bench_run(&shared.bench), EXECUTOR_SUCCEEDED);
    assert_true(shared.count[EVENT_STATE_WAITS] > 10);
    assert_true(shared.count[EVENT_HEARTBEAT] > 15);
    assert_int_equal(shared.count[EVENT_STATE_LOST], 0);
    assert_string_equal(shared.last_text, "the network is down");
    assert_int_equal(shared.bench.fake.violations, 0);
    assert_each_once(&shared);
    close_shared(&shared);
}

static void test_store_stays_away(void **state)
{
    (void)state;
    static const enum flaw flaws[] = {FLAW_LOST_REQUEST, FLAW_SILENT};
    for (size_t i = 0; i < 2; i++) {
        struct shared shared;
        open_shared(&shared, maker_twelve);
        shared.flaky->flaw = flaws[i];
        shared.flaky->next = -1;
        assert_int_equal(bench_run(&shared.bench), EXECUTOR_BROKEN);
        assert_int_equal(shared.count[EVENT_STATE_LOST], 1);
        assert_int_equal(shared.bench.fake.requests + shared.bench.fake.polls, 0);
        assert_non_null(strstr(shared.bench.error.message, "the state does not take record"));
        mend_store(&shared);
        go_on_elsewhere(&shared);
        close_shared(&shared);
    }
}

static void claim(void *context)
{
    struct shared *shared = context;
    journal_close(take_over(shared));
}

/* Another process claims the run at some moment: this one cannot commit, so it sends no more. */
static void test_claimed_by_another(void **state)
{
    (void)state;
    for (int64_t moment = 0; moment < 40000; moment += 1777) {
        struct shared shared;
        open_shared(&shared, maker_twelve);
        shared.flaky->latency_ms = 150;
        later(&shared, moment, claim);
        assert_int_equal(bench_run(&shared.bench), EXECUTOR_LOST);
        assert_non_null(strstr(shared.bench.error.message, "another process has taken the run over"));
        assert_int_equal(shared.count[EVENT_STATE_LOST], 1);
        int64_t last = journal_number(shared.bench.journal);
        go_on_elsewhere(&shared);
        assert_true(journal_number(shared.bench.journal) > last);
        close_shared(&shared);
    }
}

/* Dead in the middle of whatever it was doing, commits on their way included: another goes on from the
 * records alone. */
static void test_killed_at_many_moments(void **state)
{
    (void)state;
    int killed = 0;
    for (int64_t moment = 1; moment < 700; moment += 9) {
        struct shared shared;
        open_shared(&shared, maker_shop);
        shared.flaky->latency_ms = 40;
        shared.bench.fake.lost_after = moment % 2 ? 0.05 : 0;
        world_simulated_stop_after(shared.bench.world, moment);
        killed += bench_run(&shared.bench) != EXECUTOR_SUCCEEDED;
        world_simulated_stop_after(shared.bench.world, -1);
        assert_int_equal(shared.bench.fake.violations, 0);
        go_on_elsewhere(&shared);
        close_shared(&shared);
    }
    assert_true(killed > 30);
}

static void take_lease(void *context)
{
    struct shared *shared = context;
    struct lease *lease = lease_take_shared(shared->other, shared->bench.world, "shop", "site",
                                            "run00001", true, NULL);
    assert_non_null(lease);
    lease_release(lease);
}

static struct lease *lease_of_run(struct shared *shared)
{
    return lease_take_shared(&shared->flaky->store, shared->bench.world, "shop", "site", "run00001",
                             false, NULL);
}

/* A good part of what each may take. */
static void wait_long(struct shared *shared)
{
    for (size_t i = 0; i < shared->bench.graph->node_count; i++) {
        shared->bench.cloud->things[i].wait_ms = 20000;
    }
}

/* A run over the records alone, with its lease, that lasts. */
static void open_leased(struct shared *shared)
{
    open_shared(shared, maker_shop);
    bench_finish(&shared->bench);
    shared->bench.journal = take_over(shared);
    shared->bench.lease = lease_of_run(shared);
    wait_long(shared);
}

/* A lease that is taken over ends the run here within a renewal, also when there is nothing to commit. */
static void test_lease_taken_over(void **state)
{
    (void)state;
    struct shared shared;
    open_leased(&shared);
    bench_begin(&shared.bench);
    later(&shared, 110000, take_lease);
    int64_t before = world_monotonic_ms(shared.bench.world);
    assert_int_equal(bench_run(&shared.bench), EXECUTOR_LOST);
    assert_non_null(strstr(shared.bench.error.message, "the lease \"site\" of plan shop was taken over"));
    int64_t took = world_monotonic_ms(shared.bench.world) - before;
    assert_true(took >= 110000 && took <= 110000 + LEASE_RENEW_MS + 1000);
    close_shared(&shared);
}

/* A process that cannot renew its lease polls no more once it may have run out, and goes on when it
 * has it again. */
static void note_polls(void *context)
{
    struct shared *shared = context;
    shared->polls_at_expiry = shared->bench.fake.polls;
}

static void compare_polls(void *context)
{
    struct shared *shared = context;
    assert_int_equal(shared->bench.fake.polls, shared->polls_at_expiry);
    shared->compared = true;
    mend_store(shared);
}

static void test_unsure_lease(void **state)
{
    (void)state;
    struct shared shared;
    open_leased(&shared);
    shared.flaky->only = "/leases/";
    bench_begin(&shared.bench);
    later(&shared, 5000, break_store);
    later(&shared, LEASE_MS + 1000, note_polls);
    later(&shared, 300000, compare_polls);
    assert_int_equal(bench_run(&shared.bench), EXECUTOR_SUCCEEDED);
    assert_true(shared.compared && shared.bench.fake.polls > shared.polls_at_expiry);
    assert_each_once(&shared);
    close_shared(&shared);
}

static void interrupt(void *context)
{
    executor_interrupt(((struct shared *)context)->bench.executor);
}

static void test_interrupt_beside_a_silent_store(void **state)
{
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        struct shared shared;
        open_shared(&shared, maker_twelve);
        later(&shared, 3000, break_store);
        later(&shared, 20000, interrupt);
        if (twice) {
            later(&shared, 21000, interrupt);
        }
        int64_t before = world_monotonic_ms(shared.bench.world);
        assert_int_equal(bench_run(&shared.bench), EXECUTOR_BROKEN);
        int64_t took = world_monotonic_ms(shared.bench.world) - before;
        assert_true(twice ? took < 22000 : took >= 20000 + INTERRUPT_PATIENCE_MS && took < 95000);
        assert_non_null(strstr(shared.bench.error.message, "interrupted while the state"));
        mend_store(&shared);
        go_on_elsewhere(&shared);
        close_shared(&shared);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_store),
        cmocka_unit_test(test_store_comes_back),
        cmocka_unit_test(test_store_stays_away),
        cmocka_unit_test(test_claimed_by_another),
        cmocka_unit_test(test_killed_at_many_moments),
        cmocka_unit_test(test_lease_taken_over),
        cmocka_unit_test(test_unsure_lease),
        cmocka_unit_test(test_interrupt_beside_a_silent_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
