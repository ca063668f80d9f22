#include "compiler/emit/bound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/graph/facts.h"
#include "tests/unit/support/graph_maker.h"

static void bindings_are_filled_in_at_any_depth(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct graph *graph = maker_graph(arena, 1);
    maker_node(graph, "vm/register-image", ACTION_REGISTER_IMAGE, 1);
    struct value snapshot = {.kind = VALUE_BIND, .text = "vm/disk-0/snapshot"};
    struct value *disk = ARENA_NEW(arena, struct value);
    *disk = maker_map(graph, (const char *const[]){"snapshot_id"}, &snapshot, 1);
    maker_value(graph, 0, "block_devices",
                (struct value){.kind = VALUE_LIST, .items = disk, .count = 1});
    maker_text(graph, 0, "name", "image");

    struct facts *facts = facts_create(arena);
    assert_ptr_equal(graph_bound(arena, graph, NULL), graph);
    assert_ptr_equal(graph_bound(arena, graph, facts), graph);
    map_put(&facts->bindings, "vm/disk-0/snapshot", (void *)"snap-1");
    const struct graph *bound = graph_bound(arena, graph, facts);
    const struct value *devices = graph_input(&bound->nodes[0], "block_devices");
    assert_int_equal(devices->items[0].items[0].kind, VALUE_TEXT);
    assert_string_equal(devices->items[0].items[0].text, "snap-1");
    assert_string_equal(graph_input(&bound->nodes[0], "name")->text, "image");
    assert_int_equal(disk->items[0].kind, VALUE_BIND);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bindings_are_filled_in_at_any_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
