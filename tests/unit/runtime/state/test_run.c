#include "runtime/state/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "runtime/state/journal.h"
#include "runtime/state/lease.h"
#include "runtime/state/shared.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/state_directory.h"

static void test_create_list_find(void **state)
{
    struct world *world = quiet_world(1);
    struct arena *arena = arena_create();
    struct error error = {0};
    struct run_info first, second, found, *runs;
    size_t count = 9;
    assert_true(run_list(arena, *state, NULL, &runs, &count, &error));
    assert_int_equal(count, 0);
    assert_false(run_find(arena, *state, NULL, &found, &error));
    assert_non_null(error.help);
    struct journal *journal = run_create(arena, *state, world, "shop", WORKFLOW_FAILOVER, NULL, 0, &first, &error);
    assert_non_null(journal);
    assert_int_equal(strlen(first.id), 8);
    run_set_progress(journal, 3, 1);
    assert_true(run_set_status(journal, world, RUN_FAILED, &error));
    journal_close(journal);
    world_destroy(world);
    world = quiet_world(2);
    journal = run_create(arena, *state, world, "crm", WORKFLOW_TEST, NULL, 0, &second, &error);
    assert_non_null(journal);
    journal_close(journal);
    assert_true(run_list(arena, *state, NULL, &runs, &count, &error));
    assert_int_equal(count, 2);
    assert_true(run_list(arena, *state, "shop", &runs, &count, &error));
    assert_int_equal(count, 1);
    assert_string_equal(runs[0].id, first.id);
    assert_string_equal(runs[0].workflow, "failover");
    assert_int_equal(runs[0].status, RUN_FAILED);
    assert_int_equal(runs[0].vm_count, 3);
    assert_int_equal(runs[0].vms_recovered, 1);
    assert_true(runs[0].ended_utc_ms > 0);
    assert_false(runs[0].alive);
    char prefix[8];
    snprintf(prefix, sizeof prefix, "%.4s", second.id);
    assert_true(run_find(arena, *state, prefix, &found, &error));
    assert_string_equal(found.id, second.id);
    assert_string_equal(found.plan, "crm");
    assert_int_equal(found.status, RUN_PREPARING);
    assert_false(run_find(arena, *state, "zzzz", &found, &error));
    assert_non_null(strstr(error.message, "no such run"));
    error_clear(&error);
    arena_destroy(arena);
    world_destroy(world);
}

static void test_ambiguous(void **state)
{
    struct world *world = quiet_world(1);
    struct arena *arena = arena_create();
    struct error error = {0};
    struct run_info run;
    for (int i = 0; i < 40; i++) { /* more than there are first letters */
        journal_close(run_create(arena, *state, world, "shop", WORKFLOW_FAILOVER, NULL, 0, &run, &error));
    }
    int refused = 0;
    for (const char *c = "0123456789abcdefghjkmnpqrstvwxyz"; *c; c++) {
        char prefix[2] = {*c, '\0'};
        if (!run_find(arena, *state, prefix, &run, &error)) {
            refused += strstr(error.message, "several runs begin with it") != NULL;
        }
    }
    assert_true(refused > 0);
    error_clear(&error);
    arena_destroy(arena);
    world_destroy(world);
}

static void test_alive(void **state)
{
    struct world *world = quiet_world(1);
    struct arena *arena = arena_create();
    struct error error = {0};
    struct run_info run, found;
    journal_close(run_create(arena, *state, world, "shop", WORKFLOW_FAILOVER, NULL, 0, &run, &error));
    struct lease *lease = lease_take(*state, "shop", "site", run.id, world, &error);
    assert_true(run_find(arena, *state, run.id, &found, &error));
    assert_true(found.alive);
    lease_release(lease);
    assert_true(run_find(arena, *state, run.id, &found, &error));
    assert_false(found.alive);
    arena_destroy(arena);
    world_destroy(world);
}

static void test_damaged_run_is_listed(void **state)
{
    struct world *world = quiet_world(1);
    struct arena *arena = arena_create();
    struct error error = {0};
    struct run_info run, *runs;
    size_t count;
    journal_close(run_create(arena, *state, world, "shop", WORKFLOW_FAILOVER, NULL, 0, &run, &error));
    char path[256];
    snprintf(path, sizeof path, "%s/journal.db", run.directory);
    FILE *file = fopen(path, "w");
    fputs("not a journal", file);
    fclose(file);
    assert_true(run_list(arena, *state, NULL, &runs, &count, &error));
    assert_int_equal(count, 1);
    assert_non_null(runs[0].problem);
    unlink(path); /* as when the process was killed before the run was there */
    assert_true(run_list(arena, *state, NULL, &runs, &count, &error));
    assert_int_equal(count, 0);
    arena_destroy(arena);
    world_destroy(world);
}

static void test_bad_plan_name(void **state)
{
    static const char *const names[] = {"", "../x", "a/b", "A", "-x", "."};
    struct world *world = quiet_world(1);
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error error = {0};
        struct run_info run;
        assert_null(run_create(arena, *state, world, names[i], WORKFLOW_FAILOVER, NULL, 0, &run, &error));
        assert_non_null(strstr(error.message, "no name of a plan"));
        error_clear(&error);
    }
    arena_destroy(arena);
    world_destroy(world);
}

static void test_state_directory(void **state)
{
    struct world *world = quiet_world(1);
    struct arena *arena = arena_create();
    struct error error = {0};
    assert_null(run_state_directory(arena, world, NULL, NULL, NULL, &error));
    assert_non_null(error.help);
    world_simulated_set_environment(world, "HOME", "/home/x");
    assert_string_equal(run_state_directory(arena, world, NULL, NULL, NULL, &error),
                        "/home/x/.local/state/drc");
    world_simulated_set_environment(world, "XDG_STATE_HOME", "/xdg");
    assert_string_equal(run_state_directory(arena, world, NULL, NULL, NULL, &error), "/xdg/drc");
    world_simulated_set_environment(world, "DRC_STATE_DIR", "/env");
    assert_string_equal(run_state_directory(arena, world, NULL, NULL, NULL, &error), "/env");
    assert_string_equal(run_state_directory(arena, world, NULL, "state", "/plans", &error),
                        "/plans/state");
    assert_string_equal(run_state_directory(arena, world, NULL, "dir:/abs", "/plans", &error), "/abs");
    assert_string_equal(run_state_directory(arena, world, "opt", "s3://b/k", "/plans", &error), "opt");
    error_clear(&error);
    assert_null(run_state_directory(arena, world, NULL, "gs://b/k", "/plans", &error));
    assert_non_null(strstr(error.message, "no state of that kind"));
    assert_non_null(strstr(error.help, "s3://BUCKET/PREFIX"));
    error_clear(&error);
    /* This host's copy: one, however the URL is written. */
    world_simulated_set_environment(world, "XDG_CACHE_HOME", *state);
    const char *copy = run_state_directory(arena, world, NULL, "s3://b/k", "/plans", &error);
    assert_non_null(copy);
    assert_string_equal(run_state_directory(arena, world, "s3://b/k/", NULL, NULL, &error), copy);
    assert_string_equal(shared_name(arena, copy), "s3://b/k");
    world_simulated_set_environment(world, "AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000");
    const char *elsewhere = run_state_directory(arena, world, "s3://b/k", NULL, NULL, &error);
    assert_string_not_equal(elsewhere, copy);
    error_clear(&error);
    arena_destroy(arena);
    world_destroy(world);
}

static void test_unusable_state(void **state)
{
    struct world *world = quiet_world(1);
    struct arena *arena = arena_create();
    char path[128];
    snprintf(path, sizeof path, "%s/file", (const char *)*state);
    fclose(fopen(path, "w"));
    struct error error = {0};
    struct run_info run;
    assert_null(run_create(arena, path, world, "shop", WORKFLOW_FAILOVER, NULL, 0, &run, &error));
    assert_non_null(strstr(error.message, path));
    assert_non_null(error.help);
    error_clear(&error);
    assert_null(run_create(arena, "/proc/none", world, "shop", WORKFLOW_FAILOVER, NULL, 0, &run, &error));
    assert_non_null(error.message);
    error_clear(&error);
    arena_destroy(arena);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_list_find, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_ambiguous, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_alive, state_directory_make, state_directory_remove),
        cmocka_unit_test_setup_teardown(test_damaged_run_is_listed, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_bad_plan_name, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_state_directory, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_unusable_state, state_directory_make,
                                        state_directory_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
