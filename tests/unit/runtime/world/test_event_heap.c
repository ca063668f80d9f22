#include "runtime/world/event_heap.h"

#include "tests/unit/support/cmocka_all.h"

enum { EVENTS = 500 };

static void comes_in_order_whatever_is_removed(void **state)
{
    (void)state;
    struct event events[EVENTS];
    struct event_heap heap = {0};
    uint32_t number = 7;
    assert_null(event_heap_first(&heap));
    for (uint64_t i = 0; i < EVENTS; i++) {
        number = number * 1103515245u + 12345u;
        events[i] = (struct event){.due_ms = (number >> 16) % 50, .sequence = i};
        event_heap_push(&heap, &events[i]);
    }
    for (size_t i = 0; i < EVENTS; i += 3) { /* cancelled, wherever they are */
        event_heap_remove(&heap, &events[i]);
    }
    const struct event *last = NULL;
    size_t left = 0;
    for (struct event *event; (event = event_heap_first(&heap)); left++) {
        assert_true(event->sequence % 3 != 0);
        if (last) {
            assert_true(last->due_ms < event->due_ms ||
                        (last->due_ms == event->due_ms && last->sequence < event->sequence));
        }
        event_heap_remove(&heap, event);
        last = event;
    }
    assert_int_equal(left, EVENTS - (EVENTS + 2) / 3);
    event_heap_free(&heap);
    assert_int_equal(heap.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_in_order_whatever_is_removed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
