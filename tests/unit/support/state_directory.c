#include "tests/unit/support/state_directory.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int state_directory_make(void **state)
{
    char path[] = "/tmp/drc-state-XXXXXX";
    if (!mkdtemp(path)) {
        return -1;
    }
    *state = strdup(path);
    return *state ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

int state_directory_remove(void **state)
{
    nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return 0;
}

static void nothing_answers(void *context, int64_t utc_ms, const struct http_request *request,
                            struct http_response *response, int64_t *latency_ms)
{
    (void)context;
    (void)utc_ms;
    (void)request;
    (void)latency_ms;
    response->failure = HTTP_UNREACHABLE;
}

struct world *quiet_world(uint64_t seed)
{
    return world_simulated_create(seed, 1763805600000,
                                  (struct world_responder){.http = nothing_answers});
}
