/* Covers: compiler/emit/words_step.c. */
#include "compiler/emit/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/graph/estimate.h"
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

static const char *what(struct arena *arena, const struct graph *graph, const char *id)
{
    struct buffer text = {0};
    const struct graph_node *node = graph_node_by_id(graph, id);
    assert_non_null(node);
    words_what(graph, node, &text);
    const char *copy = arena_strdup(arena, buffer_text(&text));
    buffer_free(&text);
    return copy;
}

static void sentences_say_what_the_inputs_say(void **state)
{
    struct graph *graph = maker_shop(*state);
    static const char *const cases[][2] = {
        {"db/disk-0/create-volume", "gp3, 8 GiB, from its DR copy"},
        {"db/run-instance", "r6i.xlarge, subnet-0a00000000000000b 10.20.2.10, placeholder "
                            "ami-0c000000000000001"},
        {"db/disk-1/attach-volume", "to db, as /dev/sdf"},
        {"db/disk-0/convert/attach-volume", "to i-0f00ba40000000000, in one of its 5 slots"},
        {"db/disk-0/convert/detach-volume", "from i-0f00ba40000000000"},
        {"db/disk-0/inject",
         "drivers for linux, bios, on i-0f00ba40000000000, in one of its 5 slots"},
        {"db/set-delete-on-termination", "/dev/xvda, /dev/sdf go with the instance"},
        {"db/start-instance", "db boots from its recovered disks"},
        {"db/ready/tcp-5432/check-tcp", "port 5432 of 10.20.2.10 accepts connections"},
        {"db/recovered", "ready, and its post-boot steps done"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(what(*state, graph, cases[i][0]), cases[i][1]);
    }
}

static void http_checks_read_as_requests(void **state)
{
    struct graph *graph = maker_graph(*state, 2);
    maker_node(graph, "check-http", ACTION_CHECK_HTTP, 1);
    maker_text(graph, 0, "address", "10.0.0.5");
    maker_int(graph, 0, "port", 8443);
    maker_text(graph, 0, "path", "/healthz");
    maker_int(graph, 0, "status", 200);
    maker_text(graph, 0, "match", "\"ok\"");
    maker_value(graph, 0, "tls", (struct value){.kind = VALUE_BOOL, .boolean = true});
    maker_node(graph, "delay", ACTION_DELAY, 1);
    maker_int(graph, 1, "delay_ms", 10000);
    graph_index(graph);
    assert_string_equal(what(*state, graph, "check-http"),
                        "https://10.0.0.5:8443/healthz answers 200, body matches \"ok\"");
    assert_string_equal(what(*state, graph, "delay"), "10s, as the plan says");
}

/* Every kind has words, and none trips over a node without inputs. */
static void every_kind_of_action_can_be_told(void **state)
{
    struct graph *graph = maker_graph(*state, ACTION_COUNT);
    for (enum action action = ACTION_NONE + 1; action < ACTION_COUNT; action++) {
        struct buffer text = {0};
        uint32_t node = maker_node(graph, "x", action, 1);
        const struct action_info *info = action_info(action);
        words_what(graph, &graph->nodes[node], &text);
        buffer_clear(&text);
        for (size_t i = 0; i < info->input_count; i++) {
            maker_text(graph, node, info->inputs[i].name, "value");
        }
        words_what(graph, &graph->nodes[node], &text);
        /* A delay's input is a number, which is all that it has to say. */
        assert_true(text.length > 0 || action == ACTION_DELAY);
        buffer_free(&text);
    }
}

static void values_of_every_kind_can_be_read(void **state)
{
    struct graph *graph = maker_graph(*state, 2);
    maker_pool(graph, "conversion/i-1", 1);
    maker_node(graph, "db/run-instance", ACTION_RUN_INSTANCE, 1);
    struct value items[] = {
        {.kind = VALUE_TEXT, .text = ""},
        {.kind = VALUE_INT, .integer = -3},
        {.kind = VALUE_BOOL, .boolean = false},
        {.kind = VALUE_OUTPUT, .text = "instance_id", .node = 0},
        {.kind = VALUE_BIND, .text = "db/recovery-point"},
        {.kind = VALUE_SLOT, .node = 0},
        {.kind = VALUE_SECRET, .text = "env:X"},
        {.kind = VALUE_TEXT, .text = "a\033[0m"},
    };
    struct value parts[] = {{.kind = VALUE_TEXT, .text = "to "}, items[3]};
    struct value list = {.kind = VALUE_LIST, .items = items, .count = 8};
    struct value template = {.kind = VALUE_TEMPLATE, .items = parts, .count = 2};
    struct value map = maker_map(graph, (const char *const[]){"k"}, &template, 1);
    struct buffer text = {0};
    words_value(graph, &list, &text);
    words_value(graph, &map, &text);
    assert_string_equal(buffer_text(&text),
                        "[\"\", -3, false, ${db/run-instance.instance_id}, ${db/recovery-point}, "
                        "${conversion/i-1/slot}, (secret env:X), a?[0m]"
                        "{k: to ${db/run-instance.instance_id}}");
    buffer_free(&text);
}

static void waits_name_what_binds(void **state)
{
    struct graph *graph = maker_shop(*state);
    graph->pools[0].capacity = 1;
    struct schedule *schedule = estimate(*state, graph, NULL, true);
    struct buffer text = {0};
    words_waits_for(graph, schedule, graph_node_by_id(graph, "app/start-instance"), &text);
    assert_string_equal(buffer_text(&text), "waits for db/recovered");
    buffer_clear(&text);
    words_waits_for(graph, schedule, graph_node_by_id(graph, "db/stop-instance"), &text);
    assert_string_equal(buffer_text(&text), ""); /* only the step before */
    words_waits_for(graph, schedule, graph_node_by_id(graph, "app/disk-0/convert/attach-volume"),
                    &text);
    assert_string_equal(buffer_text(&text),
                        "waits for a place in conversion/i-0f00ba40000000000, until "
                        "db/disk-0/convert/wait-volume-available");
    buffer_free(&text);
}

static void short_ids_leave_the_vm_out(void **state)
{
    struct graph *graph = maker_shop(*state);
    assert_string_equal(words_short_id(graph, graph_node_by_id(graph, "db/disk-0/create-volume")),
                        "disk-0/create-volume");
    maker_node(graph, "delay", ACTION_DELAY, 1);
    assert_string_equal(words_short_id(graph, &graph->nodes[graph->node_count - 1]), "delay");
    assert_string_equal(words_vm(graph, &graph->nodes[graph->node_count - 1]), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sentences_say_what_the_inputs_say),
        TEST(http_checks_read_as_requests),
        TEST(every_kind_of_action_can_be_told),
        TEST(values_of_every_kind_can_be_read),
        TEST(waits_name_what_binds),
        TEST(short_ids_leave_the_vm_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
