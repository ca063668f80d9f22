/* Why a node is where it is: chains to their roots, who holds a pool, what is known of inputs. */
#include "runtime/report/why.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/graph_maker.h"

enum { DB_ATTACH, DB_START, DB_DETACH, APP_ATTACH, APP_START, APP_READY, NODES };

struct fixture {
    struct arena *arena;
    struct graph *graph;
    struct schedule schedule;
    struct history *history;
};

static int set_up(void **state)
{
    struct fixture *f = base_alloc(sizeof *f);
    static const char *slots[] = {"/dev/sdf"};
    f->arena = arena_create();
    f->graph = maker_graph(f->arena, NODES);
    maker_vm(f->graph, "db", true);
    maker_vm(f->graph, "app", true);
    maker_pool(f->graph, "conversion/i-1", 1);
    f->graph->pools[0].slots = slots;
    maker_node(f->graph, "db/attach-volume", ACTION_ATTACH_VOLUME, 0);
    maker_node(f->graph, "db/start-instance", ACTION_START_INSTANCE, 0);
    maker_node(f->graph, "db/detach-volume", ACTION_DETACH_VOLUME, 0);
    maker_node(f->graph, "app/attach-volume", ACTION_ATTACH_VOLUME, 0);
    maker_node(f->graph, "app/start-instance", ACTION_START_INSTANCE, 0);
    maker_node(f->graph, "app/ready", ACTION_READY, 0);
    f->graph->nodes[DB_ATTACH].acquire = f->graph->nodes[APP_ATTACH].acquire = 0;
    f->graph->nodes[DB_DETACH].release = 0;
    maker_edge(f->graph, DB_ATTACH, DB_START);
    maker_edge(f->graph, DB_START, DB_DETACH);
    maker_edge(f->graph, APP_ATTACH, APP_START);
    maker_edge(f->graph, DB_START, APP_START);
    maker_edge(f->graph, APP_START, APP_READY);
    f->schedule.entries = ARENA_ARRAY(f->arena, struct schedule_entry, NODES);
    f->schedule.entries[DB_START].end_ms = 9;
    f->history = history_create(f->arena, f->graph, false);
    history_take(f->history, 1, "{\"r\":\"start\",\"at\":1000000,\"t\":0}");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_destroy(f->arena);
    free(f);
    return 0;
}

static void take(struct fixture *f, const char *record)
{
    assert_true(history_take(f->history, 2, record));
}

static struct why find(struct fixture *f, uint32_t node, bool alive)
{
    return why_find(f->arena, f->history, &f->schedule, node, alive);
}

static void expect(const struct why *why, size_t at, uint32_t node, enum why_kind kind, int32_t other)
{
    assert_true(at < why->count);
    assert_int_equal(why->links[at].node, node);
    assert_string_equal(why_name(why->links[at].kind), why_name(kind));
    assert_int_equal(why->links[at].other, other);
}

static void a_chain_leads_to_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    take(f, "{\"r\":\"intent\",\"n\":0,\"t\":5,\"at\":1000005,\"s\":0}");
    take(f, "{\"r\":\"done\",\"n\":0,\"t\":6}");
    take(f, "{\"r\":\"intent\",\"n\":1,\"t\":7,\"at\":1000007}");
    struct why why = find(f, APP_READY, true);
    assert_int_equal(why.count, 3);
    expect(&why, 0, APP_READY, WHY_WAITS_FOR_NODE, APP_START);
    expect(&why, 1, APP_START, WHY_WAITS_FOR_NODE, DB_START); /* expected later than the attachment */
    expect(&why, 2, DB_START, WHY_RUNNING, NO_NODE);
    take(f, "{\"r\":\"retry\",\"n\":1,\"t\":8,\"o\":\"throttled\",\"w\":100}");
    why = find(f, DB_START, true);
    expect(&why, 0, DB_START, WHY_RETRYING, NO_NODE);
    why = find(f, DB_ATTACH, true);
    expect(&why, 0, DB_ATTACH, WHY_DONE, NO_NODE);
}

static void a_full_pool_says_who_holds_it(void **state)
{
    struct fixture *f = *state;
    struct why why = find(f, APP_ATTACH, true);
    expect(&why, 0, APP_ATTACH, WHY_WAITS_FOR_LIMIT, NO_NODE);
    why = find(f, APP_ATTACH, false);
    expect(&why, 0, APP_ATTACH, WHY_STOPPED, NO_NODE);
    take(f, "{\"r\":\"intent\",\"n\":0,\"t\":5,\"at\":1000005,\"s\":0}");
    why = find(f, APP_ATTACH, true);
    expect(&why, 0, APP_ATTACH, WHY_WAITS_FOR_POOL, NO_NODE);
    uint32_t *holders;
    assert_int_equal(why_holders(f->arena, f->history, 0, &holders), 1);
    assert_int_equal(holders[0], DB_ATTACH);
    take(f, "{\"r\":\"done\",\"n\":2,\"t\":9}"); /* detached: the place is free */
    why = find(f, APP_ATTACH, true);
    expect(&why, 0, APP_ATTACH, WHY_WAITS_FOR_LIMIT, NO_NODE);
}

static void a_skipped_one_leads_to_what_failed(void **state)
{
    struct fixture *f = *state;
    take(f, "{\"r\":\"fail\",\"n\":1,\"t\":9,\"message\":\"no\"}");
    take(f, "{\"r\":\"skip\",\"n\":5,\"t\":9,\"c\":1}");
    struct why why = find(f, APP_READY, true);
    assert_int_equal(why.count, 2);
    expect(&why, 0, APP_READY, WHY_SKIPPED, DB_START);
    expect(&why, 1, DB_START, WHY_FAILED, NO_NODE);
}

static void what_comes_next_of_a_vm(void **state)
{
    struct fixture *f = *state;
    uint32_t *nodes;
    assert_int_equal(why_frontier(f->arena, f->history, 1, &nodes), 1);
    assert_int_equal(nodes[0], APP_ATTACH);
    take(f, "{\"r\":\"done\",\"n\":3,\"t\":9}");
    assert_int_equal(why_frontier(f->arena, f->history, 1, &nodes), 1);
    assert_int_equal(nodes[0], APP_START); /* waits for db, which is another VM */
    take(f, "{\"r\":\"skip\",\"n\":4,\"t\":9,\"c\":1}");
    take(f, "{\"r\":\"skip\",\"n\":5,\"t\":9,\"c\":1}");
    assert_int_equal(why_frontier(f->arena, f->history, 1, &nodes), 1);
    assert_int_equal(nodes[0], APP_START);
    take(f, "{\"r\":\"resume\",\"at\":1000010,\"t\":9}");
    take(f, "{\"r\":\"done\",\"n\":4,\"t\":9}");
    take(f, "{\"r\":\"done\",\"n\":5,\"t\":9}");
    assert_int_equal(why_frontier(f->arena, f->history, 1, &nodes), 0);
}

static void inputs_as_far_as_they_are_known(void **state)
{
    struct fixture *f = *state;
    struct value parts[] = {{.kind = VALUE_TEXT, .text = "x-"},
                            {.kind = VALUE_OUTPUT, .text = "volume_id", .node = DB_ATTACH}};
    struct value joined = {.kind = VALUE_TEMPLATE, .items = parts, .count = 2};
    struct value slot = {.kind = VALUE_SLOT, .node = 0};
    struct value secret = {.kind = VALUE_SECRET, .text = "env:X"};
    struct value bound = {.kind = VALUE_BIND, .text = "db/snapshot"};
    struct facts facts = {.bindings = {.arena = f->arena}};
    map_put(&facts.bindings, "db/snapshot", "snap-1");
    assert_int_equal(why_value(f->arena, f->history, &facts, DB_START, &joined).kind, VALUE_TEMPLATE);
    assert_int_equal(why_value(f->arena, f->history, NULL, DB_START, &bound).kind, VALUE_BIND);
    assert_int_equal(why_value(f->arena, f->history, &facts, DB_START, &slot).kind, VALUE_SLOT);
    take(f, "{\"r\":\"intent\",\"n\":0,\"t\":5,\"at\":1000005,\"s\":0}");
    take(f, "{\"r\":\"done\",\"n\":0,\"t\":6,\"o\":{\"volume_id\":\"vol-1\"}}");
    assert_string_equal(why_value(f->arena, f->history, &facts, DB_START, &joined).text, "x-vol-1");
    assert_string_equal(why_value(f->arena, f->history, &facts, DB_START, &bound).text, "snap-1");
    assert_string_equal(why_value(f->arena, f->history, &facts, DB_START, &slot).text, "/dev/sdf");
    assert_int_equal(why_value(f->arena, f->history, &facts, DB_START, &secret).kind, VALUE_SECRET);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_chain_leads_to_what_is_under_way), TEST(a_full_pool_says_who_holds_it),
        TEST(a_skipped_one_leads_to_what_failed), TEST(what_comes_next_of_a_vm),
        TEST(inputs_as_far_as_they_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
