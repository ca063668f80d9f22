#include "compiler/emit/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/emitted.h"
#include "tests/unit/support/failover_maker.h"

static int set_up(void **state)
{
    *state = arena_create();
    return 0;
}

static int tear_down(void **state)
{
    arena_destroy(*state);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static void every_action_comes_with_times_inputs_and_its_call(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct table_options options = {.width = 100};
    const char *text = emitted_dry_run(*state, graph, &options);
    for (size_t i = 0; i < graph->node_count; i++) {
        assert_int_equal(occurrences(text, arena_printf(*state, "  %s", graph->nodes[i].id)) > 0,
                         1);
    }
    assert_contains(text, " ! 0:00 → 0:01  db/disk-0/create-volume  ec2:CreateVolume\n"
                          "          snapshot_id = ${db/disk-0/snapshot}\n"
                          "          zone = eu-west-1a\n"
                          "          size_gib = 8\n"
                          "          type = gp3\n");
    assert_contains(text,
                    "app/start-instance  ec2:StartInstances\n          waits for db/recovered\n");
    assert_contains(text, "predicted RTO 5m 45s");
    assert_contains(text, "critical path (!): ");
}

static void actions_come_in_the_order_of_their_starts(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct table_options options = {.width = 0};
    const char *text = emitted_dry_run(*state, graph, &options);
    const char *db = strstr(text, "  db/recovered"), *app = strstr(text, "  app/start-instance");
    const char *early = strstr(text, "  web/run-instance");
    assert_true(db && app && early && db < app && early < db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_action_comes_with_times_inputs_and_its_call),
        TEST(actions_come_in_the_order_of_their_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
