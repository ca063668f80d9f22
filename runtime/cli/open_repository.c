#include "runtime/cli/open_repository.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "runtime/world/store.h"

#define DIR_SCHEME "dir:"

/* NULL: it is in no directory. */
static const char *directory_of(const char *place)
{
    static const char *const schemes[] = {DIR_SCHEME, "file://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (strncmp(place, schemes[i], strlen(schemes[i])) == 0) {
            return place + strlen(schemes[i]);
        }
    }
    return NULL;
}

/* Looking at what is not there must not make it. */
static bool is_there(const char *place, struct error *error)
{
    struct stat info;
    const char *directory = directory_of(place);
    if (!directory || stat(directory, &info) == 0) {
        return true;
    }
    error_set(error, "opening the repository %s: %s", place, strerror(errno));
    return error_help(error, "see that the place is right; drc repo import makes a new one");
}

/* With its scheme for people too, so that what is told can be given again. */
static const char *name_of(struct arena *arena, const char *place)
{
    return directory_of(place) || strstr(place, "://")
               ? place
               : arena_printf(arena, DIR_SCHEME "%s", place);
}

bool open_repository_world(const struct invocation *invocation, struct opened_repository *opened,
                           struct error *error)
{
    opened->site.region = invocation->values[FLAG_REGION];
    opened->site.profile = invocation->values[FLAG_PROFILE];
    return site_open_world(&opened->site, invocation->values[FLAG_SANDBOX], error);
}

bool open_repository(const struct invocation *invocation, const char *place, bool create,
                     struct opened_repository *opened, struct error *error)
{
    const char *name = name_of(invocation->arena, place);
    if ((!create && !is_there(name, error)) ||
        (!opened->site.world && !open_repository_world(invocation, opened, error))) {
        return false;
    }
    struct store_opener opener = site_store_opener(&opened->site);
    struct store *store = opener.open(opener.context, name, true, error);
    if (store) {
        opened->repository = repository_open(store, opened->site.world, name, create, error);
    } else if (directory_of(name)) {
        error_prefix(error, "the repository %s", name);
        error_help(error, "see that this user may read and write there, and that there is room");
    }
    return opened->repository;
}

void opened_repository_close(struct opened_repository *opened)
{
    repository_close(opened->repository);
    opened->repository = NULL;
    site_close(&opened->site);
}
