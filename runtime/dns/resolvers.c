#include "runtime/dns/resolvers.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/world.h"

enum { RESOLVERS_MAX = 3, LINE_BYTES = 1024 }; /* as the system's library has it */

/* The address of a nameserver line; NULL: another line. */
static const char *nameserver(struct arena *arena, char *line)
{
    static const char word[] = "nameserver";
    size_t length = sizeof word - 1;
    if (strncmp(line, word, length) != 0 || !strchr(" \t", line[length]) || !line[length]) {
        return NULL;
    }
    line += length + strspn(line + length, " \t");
    length = strcspn(line, " \t\r\n");
    return length > 0 ? arena_strndup(arena, line, length) : NULL;
}

size_t resolvers_find(struct world *world, const char *file, struct arena *arena,
                      const char ***resolvers)
{
    const char *given = world_environment(world, "DRC_RESOLVER");
    const char **found = ARENA_ARRAY(arena, const char *, RESOLVERS_MAX);
    size_t count = 0;
    *resolvers = found;
    if (given && *given) {
        found[0] = given;
        return 1;
    }
    FILE *stream = fopen(file ? file : "/etc/resolv.conf", "re");
    char line[LINE_BYTES];
    while (stream && count < RESOLVERS_MAX && fgets(line, sizeof line, stream)) {
        const char *address = nameserver(arena, line);
        if (address) {
            found[count++] = address;
        }
    }
    if (stream) {
        fclose(stream);
    }
    if (count == 0) {
        found[count++] = "127.0.0.1";
    }
    return count;
}
