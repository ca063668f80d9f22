/* Map: strings to pointers, iterated in insertion order; uthash with its memory in an arena. */
#ifndef DRC_BASE_MAP_H
#define DRC_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

struct arena;

struct map_entry {
    const char *key; /* not copied: has to outlive the map */
    void *value;
    UT_hash_handle hh;
};

/* Zero-initialise with an arena: `struct map map = {.arena = arena};`. Goes with its arena. */
struct map {
    struct arena *arena;
    struct map_entry *entries;
};

/* for (struct map_entry *entry = map_first(map); entry; entry = map_next(entry)) */
struct map_entry *map_first(const struct map *map);
struct map_entry *map_next(const struct map_entry *entry);

size_t map_count(const struct map *map);

/* The value of `key`, NULL when absent. map_get_n: the key is the first `length` bytes. */
void *map_get(const struct map *map, const char *key);
void *map_get_n(const struct map *map, const char *key, size_t length);

/* Puts or replaces. Returns true when the key is new. */
bool map_put(struct map *map, const char *key, void *value);

#endif
