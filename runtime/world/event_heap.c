#include "runtime/world/event_heap.h"

#include <assert.h>
#include <stdlib.h>

#include "compiler/base/arena.h"

static bool earlier(const struct event *a, const struct event *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->sequence < b->sequence;
}

static void put(struct event_heap *heap, size_t place, struct event *event)
{
    heap->items[place] = event;
    event->place = place;
}

static void sift_up(struct event_heap *heap, size_t place)
{
    struct event *event = heap->items[place];
    while (place > 0 && earlier(event, heap->items[(place - 1) / 2])) {
        put(heap, place, heap->items[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(heap, place, event);
}

static void sift_down(struct event_heap *heap, size_t place)
{
    struct event *event = heap->items[place];
    for (;;) {
        size_t child = 2 * place + 1;
        if (child + 1 < heap->count && earlier(heap->items[child + 1], heap->items[child])) {
            child++;
        }
        if (child >= heap->count || !earlier(heap->items[child], event)) {
            break;
        }
        put(heap, place, heap->items[child]);
        place = child;
    }
    put(heap, place, event);
}

void event_heap_push(struct event_heap *heap, struct event *event)
{
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity ? heap->capacity * 2 : 16;
        heap->items = base_realloc(heap->items, heap->capacity * sizeof(struct event *));
    }
    heap->items[heap->count++] = event;
    sift_up(heap, heap->count - 1);
}

struct event *event_heap_first(const struct event_heap *heap)
{
    return heap->count > 0 ? heap->items[0] : NULL;
}

void event_heap_remove(struct event_heap *heap, struct event *event)
{
    size_t place = event->place;
    assert(place < heap->count && heap->items[place] == event);
    struct event *last = heap->items[--heap->count];
    if (last != event) {
        put(heap, place, last);
        sift_up(heap, place);
        sift_down(heap, last->place);
    }
}

void event_heap_free(struct event_heap *heap)
{
    free(heap->items);
    *heap = (struct event_heap){0};
}
