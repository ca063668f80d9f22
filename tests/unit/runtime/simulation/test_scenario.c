/* What a user asks for becomes faults that the sandbox knows.
 * Covers: runtime/simulation/fault_profile.c */
#include "runtime/simulation/scenario.h"

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/graph_maker.h"
#include "tests/unit/support/sandbox_client.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/map.h"
#include "runtime/simulation/rehearsal.h"

static double value_of(const struct scenario *scenario, const char *name)
{
    double value = -1;
    for (size_t i = 0; i < scenario->fault_count; i++) {
        value = strcmp(scenario->faults[i].name, name) == 0 ? scenario->faults[i].value : value;
    }
    return value;
}

static void test_profiles(void **state)
{
    (void)state;
    assert_null(fault_profile_by_name("doomsday"));
    struct arena *arena = arena_create();
    struct sandbox_client *client = client_create();
    for (size_t i = 0; i < fault_profile_count; i++) {
        struct scenario_options options = {
            .plan = client_plan_bound(arena), .profile = &fault_profiles[i], .outage_ms = -1};
        struct scenario *scenario = scenario_make(arena, &options);
        assert_ptr_equal(fault_profile_by_name(fault_profiles[i].name), &fault_profiles[i]);
        assert_true(value_of(scenario, "spread") > 0);
        for (size_t n = 0; n < scenario->fault_count; n++) {
            struct error error = {0};
            if (!sandbox_set_fault(client->sandbox, scenario->faults[n].name,
                                   scenario->faults[n].value, &error)) {
                fail_msg("%s", error.message);
            }
        }
    }
    client_destroy(client);
    arena_destroy(arena);
}

static void test_durations(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct facts *facts = facts_create(arena);
    int64_t inject_ms = 90000, db_ms = 120000, http_ms = 33000;
    struct scenario_options options = {.plan = client_plan_bound(arena),
                                       .profile = fault_profile_by_name("none"),
                                       .outage_ms = -1};
    struct scenario *scenario = scenario_make(arena, &options);
    assert_true(value_of(scenario, "time:inject") ==
                (double)action_info(ACTION_WAIT_INJECTED)->expected_ms);
    map_put(&facts->durations, "wait-injected", &inject_ms);
    map_put(&facts->durations, "db/disk-0/wait-injected", &db_ms);
    map_put(&facts->durations, "check-http", &http_ms);
    map_put(&facts->durations, "db/create-volume", &http_ms); /* not the sandbox's to decide */
    options.facts = facts;
    scenario = scenario_make(arena, &options);
    assert_true(value_of(scenario, "time:inject") == 90000);
    assert_true(value_of(scenario, "time:inject/db") == 120000);
    assert_true(value_of(scenario, "time:guest-boot") == 33000);
    arena_destroy(arena);
}

static void test_capacity(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    static const char *const missing[] = {"m6i.large", "/eu-west-1a"};
    struct scenario_options options = {.plan = client_plan_bound(arena),
                                       .profile = fault_profile_by_name("none"),
                                       .capacity_missing = missing,
                                       .capacity_missing_count = 2};
    struct scenario *scenario = scenario_make(arena, &options);
    assert_true(value_of(scenario, "capacity:m6i.large") == 1);
    assert_true(value_of(scenario, "capacity:/eu-west-1a") == 1);

    static const char *const types[] = {"m6i.large", "r6i.xlarge"};
    struct graph *graph = maker_graph(arena, 2);
    maker_vm(graph, "db", true);
    uint32_t run = maker_node(graph, "db/run-instance", ACTION_RUN_INSTANCE, 0);
    maker_value(graph, run, "instance_types", maker_texts(graph, types, 2));
    struct error error = {0};
    assert_true(scenario_check_capacity(graph, "r6i.xlarge", &error));
    assert_true(scenario_check_capacity(graph, "m6i.large/eu-west-1b", &error));
    assert_true(scenario_check_capacity(graph, "/eu-west-1a", &error));
    assert_false(scenario_check_capacity(graph, "m6i.larg", &error));
    assert_string_equal(error.message, "the plan asks for no instance type \"m6i.larg\"");
    assert_string_equal(error.help, "it asks for m6i.large, r6i.xlarge");
    error_clear(&error);
    assert_false(scenario_check_capacity(graph, "/", &error));
    error_clear(&error);
    assert_false(scenario_check_capacity(graph, "", &error));
    error_clear(&error);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
