#include "runtime/state/lease.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/state_directory.h"

static void test_second_writer(void **state)
{
    struct world *world = quiet_world(1);
    struct arena *arena = arena_create();
    struct error error = {0};
    struct lease *lease = lease_take(*state, "shop", "site", "7k2f0000", world, &error);
    assert_non_null(lease);
    assert_null(lease_take(*state, "shop", "site", "8m3g0000", world, &error));
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(error.message, "7k2f0000"));
    assert_non_null(strstr(error.message, pid));
    error_clear(&error);
    struct lease_holder holder;
    assert_true(lease_holder(arena, *state, "shop", "site", &holder));
    assert_string_equal(holder.run, "7k2f0000");
    assert_int_equal(holder.pid, getpid());
    struct lease *other = lease_take(*state, "shop", "copies", "8m3g0000", world, &error);
    assert_non_null(other); /* another lease of the plan is free */
    struct lease *plan = lease_take(*state, "crm", "site", "8m3g0000", world, &error);
    assert_non_null(plan); /* and another plan */
    lease_release(plan);
    lease_release(other);
    lease_release(lease);
    assert_false(lease_holder(arena, *state, "shop", "site", &holder));
    lease = lease_take(*state, "shop", "site", "8m3g0000", world, &error);
    assert_non_null(lease);
    lease_release(lease);
    arena_destroy(arena);
    world_destroy(world);
}

/* The lock goes with its process, however that ends. */
static void test_dies_with_its_process(void **state)
{
    struct world *world = quiet_world(1);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        if (lease_take(*state, "shop", "site", "7k2f0000", world, NULL)) {
            (void)!write(ready[1], "x", 1);
        }
        pause();
        _exit(0);
    }
    char byte;
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct error error = {0};
    assert_null(lease_take(*state, "shop", "site", "8m3g0000", world, &error));
    error_clear(&error);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    struct lease *lease = lease_take(*state, "shop", "site", "8m3g0000", world, &error);
    assert_non_null(lease);
    lease_release(lease);
    close(ready[0]);
    world_destroy(world);
}

static void test_state_is_a_file(void **state)
{
    struct world *world = quiet_world(1);
    char path[128];
    snprintf(path, sizeof path, "%s/file", (const char *)*state);
    fclose(fopen(path, "w"));
    struct error error = {0};
    assert_null(lease_take(path, "shop", "site", "7k2f0000", world, &error));
    assert_non_null(strstr(error.message, path));
    assert_non_null(error.help);
    error_clear(&error);
    world_destroy(world);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(lease_of(WORKFLOW_FAILOVER), "site");
    assert_string_equal(lease_of(WORKFLOW_FAILBACK), "site");
    assert_string_equal(lease_of(WORKFLOW_REPLICATE), "copies");
    assert_string_equal(lease_of(WORKFLOW_BACKUP), "backup");
    assert_string_equal(lease_of(WORKFLOW_TEST), "test");
}

/* Two plans in one network are told apart; a plan's own leases, and tests elsewhere, are others. */
static void test_of_a_network(void **state)
{
    struct arena *arena = arena_create();
    struct world *world = world_real_create(NULL);
    struct error error = {0};
    struct lease_holder holder;
    const char *name = lease_of_test(arena, "vpc-0b01"), *other = lease_of_test(arena, "vpc-0b02");
    assert_string_equal(name, "test-vpc-0b01");
    assert_string_equal(lease_folder("shop", name), lease_folder("erp", name));
    assert_string_equal(lease_folder("shop", "site"), "shop");
    struct lease *lease = lease_take(*state, "shop", name, "7k2f0000", world, &error);
    struct lease *site = lease_take(*state, "shop", "site", "7k2f0001", world, &error);
    struct lease *elsewhere = lease_take(*state, "shop", other, "7k2f0002", world, &error);
    assert_true(lease && site && elsewhere);
    assert_null(lease_take(*state, "erp", name, "7k2f0003", world, &error));
    assert_non_null(strstr(error.message, "run 7k2f0000 has it"));
    assert_non_null(strstr(error.message, "of all tests in that network"));
    error_clear(&error);
    assert_true(lease_holder(arena, *state, "erp", name, &holder));
    assert_string_equal(holder.run, "7k2f0000");
    lease_release(lease);
    lease = lease_take(*state, "erp", name, "7k2f0003", world, &error);
    assert_non_null(lease);
    lease_release(lease);
    lease_release(site);
    lease_release(elsewhere);
    world_destroy(world);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_of_a_network, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_second_writer, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_dies_with_its_process, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test_setup_teardown(test_state_is_a_file, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
