#include "compiler/graph/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "compiler/base/arena.h"

static void gives_smallest_first_and_equal_keys_by_index(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct heap heap = {0};
    uint32_t random = 7;
    for (uint32_t i = 0; i < 1000; i++) {
        random = random * 1664525 + 1013904223;
        heap_push(arena, &heap, (int64_t)(random >> 24) - 100, i);
    }
    struct heap_item last = heap_pop(&heap);
    for (int i = 1; i < 1000; i++) {
        struct heap_item item = heap_pop(&heap);
        assert_true(item.key > last.key || (item.key == last.key && item.node > last.node));
        last = item;
    }
    assert_int_equal(heap.count, 0);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_smallest_first_and_equal_keys_by_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
