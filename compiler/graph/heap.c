#include "compiler/graph/heap.h"

#include <assert.h>
#include <stdbool.h>

#include "compiler/base/arena.h"

static bool before(struct heap_item a, struct heap_item b)
{
    return a.key != b.key ? a.key < b.key : a.node < b.node;
}

void heap_push(struct arena *arena, struct heap *heap, int64_t key, uint32_t node)
{
    heap->items = arena_grow(arena, heap->items, heap->count, &heap->capacity, sizeof *heap->items);
    struct heap_item item = {.key = key, .node = node};
    size_t at = heap->count++;
    while (at > 0 && before(item, heap->items[(at - 1) / 2])) {
        heap->items[at] = heap->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->items[at] = item;
}

struct heap_item heap_pop(struct heap *heap)
{
    assert(heap->count > 0);
    struct heap_item top = heap->items[0], last = heap->items[--heap->count];
    size_t at = 0;
    for (size_t child = 1; child < heap->count; child = 2 * at + 1) {
        if (child + 1 < heap->count && before(heap->items[child + 1], heap->items[child])) {
            child++;
        }
        if (!before(heap->items[child], last)) {
            break;
        }
        heap->items[at] = heap->items[child];
        at = child;
    }
    heap->items[at] = last;
    return top;
}
