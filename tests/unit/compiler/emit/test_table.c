/* Covers: table_json.c summary.c */
#include "compiler/emit/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <cjson/cJSON.h>

#include "compiler/base/arena.h"
#include "compiler/emit/summary.h"
#include "compiler/emit/text.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/facts.h"
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

static void the_head_says_it_all_in_a_line(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct table_options options = {.width = 100, .rto_objective_ms = 1200000};
    const char *table = emitted_table(*state, graph, &options);
    assert_memory_equal(
        table, "shop · failover · 3 VMs · 76 actions · predicted RTO 5m 45s of 20m\n",
        strlen("shop · failover · 3 VMs · 76 actions · predicted RTO 5m 45s of 20m\n"));
    options.rto_objective_ms = 300000;
    assert_contains(emitted_table(*state, graph, &options),
                    "predicted RTO 5m 45s of 5m: 45s too long");
}

static void assumptions_are_listed(void **state)
{
    struct graph *graph = maker_shop(*state);
    const char *assumptions[] = {"one boot disk for each VM", "DR copies symbolic"};
    struct table_options options = {.width = 100};
    assert_lacks(emitted_table(*state, graph, &options), "facts:");
    graph->assumptions = assumptions;
    graph->assumption_count = 2;
    assert_contains(
        emitted_table(*state, graph, &options),
        "\nfacts: none given. Assumed:\n  - one boot disk for each VM\n  - DR copies symbolic\n");
}

static const char *line_of(struct arena *arena, const char *text, const char *part)
{
    const char *at = strstr(text, part);
    assert_non_null(at);
    const char *from = at, *to = at + strcspn(at, "\n");
    while (from > text && from[-1] != '\n') {
        from--;
    }
    return arena_strndup(arena, from, (size_t)(to - from));
}

static void rows_tell_when_how_long_what_and_why_not_earlier(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct table_options options = {.width = 120};
    const char *table = emitted_table(*state, graph, &options);
    assert_string_equal(
        line_of(*state, table, "app/start-instance"),
        " ! 2:43     21s  app/start-instance                app boots from its recovered disks; "
        "waits for db/recovered");
    assert_string_equal(
        line_of(*state, table, "db/disk-1/create-volume"),
        "   0:00      6s  db/disk-1/create-volume           gp3, 16 GiB, from its DR copy");
    assert_lacks(table, "wait-running"); /* told with what it sees through */
    assert_lacks(table, "db/running");
    assert_contains(table, "steps of bookkeeping not shown: --all\n");
    options.all = true;
    table = emitted_table(*state, graph, &options);
    assert_contains(table, "db/running");
    assert_contains(table, "web/placeholder-root/delete-volume");
    assert_lacks(table, "--all");
}

static void the_critical_path_is_told_and_marked(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct table_options options = {.width = 0};
    const char *table = emitted_table(*state, graph, &options);
    assert_contains(table,
                    "\ncritical path (!): db create-volume 6s → attach-volume 4s → inject 1m 01s → "
                    "detach-volume 6s → attach-volume 4s → set-delete-on-termination 1s → "
                    "start-instance 21s → check-tcp 1m → app start-instance 21s → check-tcp 2m → "
                    "web start-instance 21s → check-tcp 20s\n");
}

static void lines_keep_to_the_width(void **state)
{
    struct graph *graph = maker_twelve(*state);
    for (int width = 90; width <= 120; width += 20) {
        struct table_options options = {.width = width, .all = true};
        char *table = arena_strdup(*state, emitted_table(*state, graph, &options));
        for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n")) {
            /* Ids are never cut, they are there to be copied: one may stick out alone. */
            bool alone = !strchr(line + strspn(line, " "), ' ');
            if (text_columns(line) > width && !alone) {
                fail_msg("more than %d columns: %s", width, line);
            }
        }
    }
}

static void colour_is_optional_and_only_marks(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct table_options plain = {.width = 100}, coloured = {.width = 100, .colour = true};
    const char *without = emitted_table(*state, graph, &plain);
    char *with = arena_strdup(*state, emitted_table(*state, graph, &coloured));
    assert_lacks(without, "\033");
    assert_contains(with, "\033[1;31m!");
    char *to = with;
    for (const char *from = with; *from; from++) {
        if (*from == '\033') {
            from += strcspn(from, "m");
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    assert_string_equal(with, without);
}

/* The gain is what an estimate of the same graph without its injections says. */
static void the_gain_of_preparing_is_computed(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    int64_t gain_ms = summary_gain_of_prepare_ms(graph, schedule);
    bool left_out[256] = {false};
    for (size_t i = 0; i < graph->node_count; i++) {
        left_out[i] =
            strstr(graph->nodes[i].id, "/convert/") || strstr(graph->nodes[i].id, "inject");
    }
    struct schedule *without = estimate_without(*state, graph, schedule, left_out);
    assert_int_equal(gain_ms, schedule->rto_ms - without->rto_ms);
    assert_true(gain_ms > 0);
    struct table_options options = {.width = 100};
    assert_contains(
        emitted_table(*state, graph, &options),
        "\nshorter by 22s: replication.prepare: replication (drivers injected ahead)\n");
}

static void without_injections_there_is_no_hint(void **state)
{
    struct graph *graph = maker_graph(*state, 1);
    maker_vm(graph, "db", true);
    maker_node(graph, "db/recovered", ACTION_RECOVERED, 0);
    struct table_options options = {.width = 100};
    assert_lacks(emitted_table(*state, graph, &options), "shorter");
    emitted_table(*state, maker_graph(*state, 0), &options);
}

static void a_queue_at_a_rate_limit_is_told_as_one(void **state)
{
    struct graph *graph = maker_graph(*state, 500);
    for (int i = 0; i < 500; i++) {
        maker_node(graph, arena_printf(*state, "vm%d/run-instance", i), ACTION_RUN_INSTANCE, 3000);
    }
    struct table_options options = {.width = 0};
    const char *table = emitted_table(*state, graph, &options);
    assert_contains(table, "predicted to take 4m 11s");
    assert_contains(table, "critical path (!): 496 × run-instance at the rate limit 4m 11s\n");
    assert_contains(table, "waits for the rate limit EC2_RUN_INSTANCES");
}

static void long_paths_are_cut_in_the_middle(void **state)
{
    struct graph *graph = maker_graph(*state, 100);
    for (uint32_t i = 0; i < 100; i++) {
        maker_node(graph, "a/delay", ACTION_DELAY, 1000);
        if (i > 0) {
            maker_edge(graph, i - 1, i);
        }
    }
    struct table_options options = {.width = 0};
    const char *table = emitted_table(*state, graph, &options);
    assert_contains(table, "delay 1s → … 76 more … → delay 1s");
}

static void facts_fill_the_bindings_in(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct facts *facts = facts_create(*state);
    map_put(&facts->bindings, "db/disk-0/snapshot", (void *)"snap-0123");
    struct table_options options = {.width = 0, .facts = facts};
    const char *table = emitted_table(*state, graph, &options);
    assert_contains(table, "gp3, 8 GiB, from snap-0123");
    assert_contains(table, "from its DR copy"); /* these facts lack it */
    assert_contains(emitted_dry_run(*state, graph, &options), "snapshot_id = snap-0123\n");
    assert_contains(emitted_table_json(*state, graph, &options), "\"snapshot_id\": \"snap-0123\"");
    assert_int_equal(graph->nodes[7].inputs[0].value.kind,
                     VALUE_BIND); /* the graph keeps its own */
}

static void json_has_every_action(void **state)
{
    struct graph *graph = maker_shop(*state);
    struct table_options options = {.rto_objective_ms = 1200000};
    cJSON *json = cJSON_Parse(emitted_table_json(*state, graph, &options));
    assert_non_null(json);
    assert_int_equal(cJSON_GetObjectItem(json, "predicted_rto_ms")->valueint, 345000);
    assert_int_equal(cJSON_GetObjectItem(json, "objective_rto_ms")->valueint, 1200000);
    assert_int_equal(cJSON_GetObjectItem(json, "gain_of_prepare_ms")->valueint, 22000);
    const cJSON *actions = cJSON_GetObjectItem(json, "actions");
    assert_int_equal(cJSON_GetArraySize(actions), graph->node_count);
    const cJSON *action = cJSON_GetArrayItem(actions, 0);
    assert_string_equal(cJSON_GetObjectItem(action, "id")->valuestring, "db/run-instance");
    assert_int_equal(cJSON_GetObjectItem(action, "end_ms")->valueint, 3000);
    assert_string_equal(
        cJSON_GetObjectItem(cJSON_GetObjectItem(action, "bound_by"), "kind")->valuestring,
        "nothing");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "critical_path")),
                     estimate(*state, graph, NULL, true)->critical_path_count);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_head_says_it_all_in_a_line),
        TEST(assumptions_are_listed),
        TEST(rows_tell_when_how_long_what_and_why_not_earlier),
        TEST(the_critical_path_is_told_and_marked),
        TEST(lines_keep_to_the_width),
        TEST(colour_is_optional_and_only_marks),
        TEST(the_gain_of_preparing_is_computed),
        TEST(without_injections_there_is_no_hint),
        TEST(a_queue_at_a_rate_limit_is_told_as_one),
        TEST(long_paths_are_cut_in_the_middle),
        TEST(facts_fill_the_bindings_in),
        TEST(json_has_every_action),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
