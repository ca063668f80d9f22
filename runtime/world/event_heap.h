/* Event heap: what will happen when, in a simulated world: the earliest first, among equal times
 * in the order of their making. */
#ifndef DRC_WORLD_EVENT_HEAP_H
#define DRC_WORLD_EVENT_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First in the struct of what it is for. */
struct event {
    int64_t due_ms;
    uint64_t sequence;
    size_t place; /* the heap's */
};

/* Zero-initialise; release with event_heap_free. Events are borrowed. */
struct event_heap {
    struct event **items;
    size_t count, capacity;
};

void event_heap_push(struct event_heap *heap, struct event *event);
/* The earliest; NULL when empty. */
struct event *event_heap_first(const struct event_heap *heap);
void event_heap_remove(struct event_heap *heap, struct event *event);
void event_heap_free(struct event_heap *heap);

#endif
