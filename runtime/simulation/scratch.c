#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/simulation/workers.h"

static const char *scratch_place(void)
{
    const char *told = getenv("TMPDIR");
    if (told && *told) {
        return told;
    }
    /* POSIX shared memory where Linux has it: an fsync costs nothing there. */
    return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

const char *scratch_make(struct arena *arena, struct error *error)
{
    char *path = arena_printf(arena, "%s/drc-simulate-XXXXXX", scratch_place());
    if (mkdtemp(path)) {
        return path;
    }
    error_set(error, "making the temporary directory %s: %s", path, strerror(errno));
    error_help(error, "set TMPDIR to a directory that can be written to");
    return NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    remove(path);
    return 0;
}

void scratch_destroy(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
