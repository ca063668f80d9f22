#include "runtime/cli/open_repository.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "runtime/world/store.h"

/* Looking at what is not there must not make it. */
static bool is_there(const char *path, struct error *error)
{
    struct stat info;
    if (stat(path, &info) == 0) {
        return S_ISDIR(info.st_mode) ||
               error_set(error, "opening the repository %s: it is no directory", path);
    }
    error_set(error, "opening the repository %s: %s", path, strerror(errno));
    return error_help(error, "see that the place is right; drc repo import makes a new one");
}

static struct store *open_store(struct opened_repository *opened, const char *place, bool create,
                                struct error *error)
{
    if (strncmp(place, "s3://", 5) == 0) {
        error_set(error, "opening the repository %s: this drc reads directories only", place);
        return NULL;
    }
    const char *path = strncmp(place, "dir:", 4) == 0 ? place + 4 : place;
    if (!create && !is_there(path, error)) {
        return NULL;
    }
    return store_directory_create_lazy(opened->site.world, path, error);
}

/* "dir:PATH" for people too, so that what is told can be given again. */
static const char *name_of(struct arena *arena, const char *place)
{
    bool has_kind = strncmp(place, "dir:", 4) == 0 || strstr(place, "://");
    return has_kind ? place : arena_printf(arena, "dir:%s", place);
}

bool open_repository(const struct invocation *invocation, const char *place, bool create,
                     struct opened_repository *opened, struct error *error)
{
    if (!opened->site.world &&
        !site_open_world(&opened->site, invocation->values[FLAG_SANDBOX], error)) {
        return false;
    }
    struct store *store = open_store(opened, place, create, error);
    if (store) {
        opened->repository = repository_open(store, opened->site.world,
                                             name_of(invocation->arena, place), create, error);
    }
    return opened->repository;
}

void opened_repository_close(struct opened_repository *opened)
{
    repository_close(opened->repository);
    opened->repository = NULL;
    site_close(&opened->site);
}
