/* Heap: node indexes by a key, smallest first; equal keys by index, so that order never depends on
 * chance. Lies in an arena. */
#ifndef DRC_GRAPH_HEAP_H
#define DRC_GRAPH_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct arena;

struct heap_item {
    int64_t key;
    uint32_t node;
};

/* Zero-initialise. */
struct heap {
    struct heap_item *items; /* items[0] is the smallest while count > 0 */
    size_t count, capacity;
};

void heap_push(struct arena *arena, struct heap *heap, int64_t key, uint32_t node);
/* Takes the smallest out; the heap must not be empty. */
struct heap_item heap_pop(struct heap *heap);

#endif
