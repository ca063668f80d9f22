#include "compiler/base/arena.h"

/* The hash table grows inside the arena of the map at hand. */
#define uthash_malloc(size) arena_alloc(map->arena, (size))
#define uthash_free(memory, size) ((void)(memory))
#define uthash_fatal(message) base_out_of_memory()
#include "compiler/base/map.h"

#include <string.h>

struct map_entry *map_first(const struct map *map)
{
    return map->entries;
}

struct map_entry *map_next(const struct map_entry *entry)
{
    return entry->hh.next;
}

size_t map_count(const struct map *map)
{
    return HASH_COUNT(map->entries);
}

static struct map_entry *find(const struct map *map, const char *key, size_t length)
{
    struct map_entry *entry = NULL;
    HASH_FIND(hh, map->entries, key, length, entry);
    return entry;
}

void *map_get_n(const struct map *map, const char *key, size_t length)
{
    struct map_entry *entry = find(map, key, length);
    return entry ? entry->value : NULL;
}

void *map_get(const struct map *map, const char *key)
{
    return map_get_n(map, key, strlen(key));
}

bool map_put(struct map *map, const char *key, void *value)
{
    size_t length = strlen(key);
    struct map_entry *entry = find(map, key, length);
    if (entry) {
        entry->value = value;
        return false;
    }
    entry = ARENA_NEW(map->arena, struct map_entry);
    entry->key = key;
    entry->value = value;
    HASH_ADD_KEYPTR(hh, map->entries, entry->key, length, entry);
    return true;
}
