#include "runtime/state/place.h"

#include <stdint.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/files.h"
#include "runtime/world/world.h"

enum { PLACE_LENGTH = 16, PLACE_MAX = 64 };

const char *place_of(struct arena *arena, struct world *world, const char *run_directory,
                     struct error *error)
{
    const char *path = arena_printf(arena, "%s/place", run_directory);
    struct error why = {0};
    uint64_t number;
    size_t length = 0;
    const char *known = files_read(arena, path, PLACE_MAX, &length, &why);
    if (why.message) {
        error_move(error, &why);
        return NULL;
    }
    if (known && length == PLACE_LENGTH && strspn(known, "0123456789abcdef") == PLACE_LENGTH) {
        return known;
    }
    world_random(world, &number, sizeof number);
    const char *made = arena_printf(arena, "%016llx", (unsigned long long)number);
    return files_write_atomically(path, made, PLACE_LENGTH, error) ? made : NULL;
}
