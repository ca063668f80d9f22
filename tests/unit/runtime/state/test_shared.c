/* A shared state as two hosts see it, each by its own copy. */
#include "runtime/state/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "runtime/state/journal.h"
#include "runtime/state/lease.h"
#include "runtime/state/production.h"
#include "runtime/state/run.h"
#include "runtime/world/files.h"
#include "runtime/world/simulated.h"
#include "runtime/world/store.h"
#include "tests/unit/support/state_directory.h"

/* A runner: its world has a cache of its own. */
struct host {
    struct world *world;
    const char *copy; /* its state directory */
    struct shared *shared;
};

struct bench {
    struct arena *arena;
    void *directory;
    const char *url;
    struct host here, there;
};

static struct host make_host(struct bench *bench, const char *name, uint64_t seed)
{
    struct host host = {.world = quiet_world(seed)};
    world_simulated_set_environment(
        host.world, "XDG_CACHE_HOME",
        arena_printf(bench->arena, "%s/%s", (char *)bench->directory, name));
    struct error error = {0};
    host.copy = run_state_directory(bench->arena, host.world, bench->url, NULL, NULL, &error);
    if (!host.copy) {
        fail_msg("%s", error.message);
    }
    host.shared = shared_open(host.world, host.copy, NULL);
    assert_non_null(host.shared);
    return host;
}

static int bench_make(void **state)
{
    struct bench *bench = base_alloc(sizeof *bench);
    bench->arena = arena_create();
    state_directory_make(&bench->directory);
    const char *place = arena_printf(bench->arena, "%s/shared", (char *)bench->directory);
    mkdir(place, 0700);
    bench->url = arena_printf(bench->arena, "file://%s", place);
    bench->here = make_host(bench, "here", 1);
    bench->there = make_host(bench, "there", 2);
    *state = bench;
    return 0;
}

static int bench_clear(void **state)
{
    struct bench *bench = *state;
    shared_close(bench->here.shared);
    shared_close(bench->there.shared);
    world_destroy(bench->here.world);
    world_destroy(bench->there.world);
    state_directory_remove(&bench->directory);
    arena_destroy(bench->arena);
    free(bench);
    return 0;
}

static struct journal *begin_run(struct bench *bench, struct host *host, struct run_info *run)
{
    struct run_blob blob = {"plan", "drc: 1\n", 7};
    struct journal *journal = run_create(bench->arena, host->copy, host->world, "shop",
                                         WORKFLOW_FAILOVER, &blob, 1, run, NULL);
    assert_non_null(journal);
    return journal;
}

static size_t list(struct bench *bench, struct host *host, struct run_info **runs)
{
    size_t count = 0;
    assert_true(shared_refresh(host->shared, NULL));
    assert_true(run_list(bench->arena, host->copy, NULL, runs, &count, NULL));
    return count;
}

static void test_seen_elsewhere(void **state)
{
    struct bench *bench = *state;
    struct run_info run, *runs;
    struct journal *journal = begin_run(bench, &bench->here, &run);
    assert_int_equal(list(bench, &bench->here, &runs), 0); /* not there before it is published */
    assert_int_equal(list(bench, &bench->there, &runs), 0);
    assert_true(shared_publish(bench->here.shared, &run, journal, NULL));
    struct lease *lease = shared_lease(bench->here.shared, "shop", "site", run.id, false, NULL);
    assert_true(run_set_status(journal, bench->here.world, RUN_RUNNING, NULL));
    for (int i = 0; i < 2; i++) {
        struct host *host = i ? &bench->here : &bench->there;
        assert_int_equal(list(bench, host, &runs), 1);
        assert_string_equal(runs[0].id, run.id);
        assert_int_equal(runs[0].status, RUN_RUNNING);
        assert_true(runs[0].alive);
        assert_null(runs[0].problem);
    }
    struct error error = {0};
    assert_null(shared_lease(bench->there.shared, "shop", "site", "8m3g0000", false, &error));
    assert_non_null(strstr(error.message, run.id));
    error_clear(&error);
    assert_true(run_set_status(journal, bench->here.world, RUN_FAILED, NULL));
    journal_close(journal);
    lease_release(lease);
    assert_int_equal(list(bench, &bench->there, &runs), 1);
    assert_int_equal(runs[0].status, RUN_FAILED);
    assert_false(runs[0].alive);
}

/* The other host goes on; what the first one still has open is of no use any more. */
static void test_taken_over(void **state)
{
    struct bench *bench = *state;
    struct run_info run, *runs;
    struct journal *ours = begin_run(bench, &bench->here, &run);
    assert_true(shared_publish(bench->here.shared, &run, ours, NULL));
    assert_int_equal(list(bench, &bench->there, &runs), 1);
    struct journal *theirs = run_open(&runs[0], bench->there.world, false, NULL);
    assert_true(shared_claim(bench->there.shared, &runs[0], theirs, NULL));
    struct error error = {0};
    assert_false(run_set_status(ours, bench->here.world, RUN_RUNNING, &error));
    assert_non_null(strstr(error.message, "taken the run over"));
    error_clear(&error);
    assert_true(run_set_status(theirs, bench->there.world, RUN_CANCELLED, NULL));
    void *bytes;
    size_t length;
    assert_true(journal_get_blob(theirs, "plan", &bytes, &length, NULL));
    assert_string_equal(bytes, "drc: 1\n");
    free(bytes);
    journal_close(ours);
    journal_close(theirs);
    assert_int_equal(list(bench, &bench->here, &runs), 1);
    assert_int_equal(runs[0].status, RUN_CANCELLED);
}

static void set_place(struct bench *bench, struct host *host, const char *run)
{
    struct production *production = production_read(bench->arena, host->copy, "shop", NULL);
    struct production_vm vm = {.name = "db", .place = PRODUCTION_RECOVERY, .run = run};
    production_set(bench->arena, production, &vm);
    assert_true(production_write(production, host->copy, "shop", NULL));
}

static const char *place_run(struct bench *bench, struct host *host)
{
    assert_true(shared_refresh(host->shared, NULL));
    struct production *production = production_read(bench->arena, host->copy, "shop", NULL);
    return production_of(production, "db").run;
}

static void test_production(void **state)
{
    struct bench *bench = *state;
    set_place(bench, &bench->here, "7k2f0000");
    assert_true(shared_put_production(bench->here.shared, "shop", NULL));
    assert_string_equal(place_run(bench, &bench->there), "7k2f0000");
    set_place(bench, &bench->there, "8m3g0000");
    assert_true(shared_put_production(bench->there.shared, "shop", NULL));
    set_place(bench, &bench->there, "8m3g0001");
    assert_true(shared_put_production(bench->there.shared, "shop", NULL)); /* twice by one */
    /* The first host has slept through that. */
    struct error error = {0};
    set_place(bench, &bench->here, "7k2f0000");
    assert_false(shared_put_production(bench->here.shared, "shop", &error));
    assert_non_null(strstr(error.message, "another process has changed it"));
    error_clear(&error);
    assert_string_equal(place_run(bench, &bench->here), "8m3g0001");
}

static const char *object(struct bench *bench, const char *format, const char *run)
{
    char name[128];
    snprintf(name, sizeof name, format, run);
    return arena_printf(bench->arena, "%s/shared/%s", (char *)bench->directory, name);
}

/* What is lost of the copy comes back; what the store lost goes. */
static void test_copy_follows(void **state)
{
    struct bench *bench = *state;
    struct run_info run, *runs;
    struct journal *journal = begin_run(bench, &bench->here, &run);
    assert_true(shared_publish(bench->here.shared, &run, journal, NULL));
    journal_close(journal);
    set_place(bench, &bench->here, run.id);
    assert_true(shared_put_production(bench->here.shared, "shop", NULL));
    assert_int_equal(list(bench, &bench->there, &runs), 1);
    const char *file = arena_printf(bench->arena, "%s/journal.db", runs[0].directory);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(list(bench, &bench->there, &runs), 1);
    assert_true(files_write_atomically(file, "rubbish", 7, NULL));
    assert_int_equal(list(bench, &bench->there, &runs), 1);
    assert_null(runs[0].problem);
    assert_int_equal(rename(object(bench, "shop", ""), object(bench, "gone-elsewhere", "")), 0);
    assert_int_equal(list(bench, &bench->there, &runs), 1); /* of a plan of that name, so to say: */
    assert_non_null(runs[0].problem);                       /* its records belong elsewhere */
    assert_string_equal(runs[0].plan, "gone-elsewhere");
    assert_null(place_run(bench, &bench->there));
}

static void test_damage_is_the_runs_problem(void **state)
{
    struct bench *bench = *state;
    struct run_info bad, good, *runs;
    journal_close(begin_run(bench, &bench->here, &bad)); /* never published: nobody sees it */
    struct journal *journal = begin_run(bench, &bench->here, &bad);
    assert_true(shared_publish(bench->here.shared, &bad, journal, NULL));
    journal_close(journal);
    journal = begin_run(bench, &bench->here, &good);
    assert_true(shared_publish(bench->here.shared, &good, journal, NULL));
    journal_close(journal);
    const char *record = object(bench, "shop/runs/%s/log/00000001", bad.id);
    size_t length = 0;
    const char *text = files_read(bench->arena, record, 100000, &length, NULL);
    assert_true(files_write_atomically(record, text, length - 3, NULL));
    assert_int_equal(list(bench, &bench->there, &runs), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(runs[i].problem != NULL, strcmp(runs[i].id, bad.id) == 0);
    }
    assert_true(files_write_atomically(record, text, length, NULL));
    assert_int_equal(list(bench, &bench->there, &runs), 2);
    assert_true(!runs[0].problem && !runs[1].problem);
}

static void test_urls(void **state)
{
    struct bench *bench = *state;
    struct error error = {0};
    static const char *const bad[] = {"file://host/dir", "file://", "file:///", "file://dir"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(run_state_directory(bench->arena, bench->here.world, bad[i], NULL, NULL, &error));
        assert_non_null(strstr(error.message, "three slashes"));
        error_clear(&error);
    }
    assert_false(shared_is_url("/a/directory", &error));
    assert_null(error.message);
    /* A directory that is not there is not made: its file system may not be mounted. */
    const char *copy = run_state_directory(bench->arena, bench->here.world, "file:///none/such", NULL,
                                           NULL, &error);
    assert_non_null(copy);
    assert_null(shared_open(bench->here.world, copy, &error));
    assert_non_null(strstr(error.message, "there is no directory /none/such"));
    assert_non_null(strstr(error.help, "mounted"));
    error_clear(&error);
    const char *open_to_all = arena_printf(bench->arena, "%s/shared", (char *)bench->directory);
    assert_int_equal(chmod(open_to_all, 0777), 0);
    assert_null(shared_open(bench->here.world, bench->here.copy, &error));
    assert_non_null(strstr(error.message, "every user can write"));
    error_clear(&error);
    assert_int_equal(chmod(open_to_all, 0770), 0);
    /* Each shared state has a copy of its own, and a local one has none. */
    assert_string_not_equal(copy, bench->here.copy);
    assert_null(shared_open(bench->here.world, bench->directory, &error));
    assert_null(error.message);
    struct world *bare = quiet_world(3);
    assert_null(run_state_directory(bench->arena, bare, bench->url, NULL, NULL, &error));
    assert_non_null(strstr(error.message, "XDG_CACHE_HOME"));
    error_clear(&error);
    world_destroy(bare);
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_make, bench_clear)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_seen_elsewhere),
        WITH_BENCH(test_taken_over),
        WITH_BENCH(test_production),
        WITH_BENCH(test_copy_follows),
        WITH_BENCH(test_damage_is_the_runs_problem),
        WITH_BENCH(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
