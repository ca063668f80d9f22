/* Opening a repository by what the command line calls it: dir:PATH, a plain PATH, s3://BUCKET/PREFIX. */
#ifndef DRC_CLI_OPEN_REPOSITORY_H
#define DRC_CLI_OPEN_REPOSITORY_H

#include "runtime/cli/command.h"
#include "runtime/mover/repository.h"
#include "runtime/site/site.h"

struct opened_repository {
    struct site site; /* --sandbox counts; a world that is open already is used */
    struct repository *repository;
};

/* The world alone, for what is needed of it first; open_repository does so otherwise. */
bool open_repository_world(const struct invocation *invocation, struct opened_repository *opened,
                           struct error *error);
/* `create`: makes it where it is missing. opened_repository_close also after a failure. */
bool open_repository(const struct invocation *invocation, const char *place, bool create,
                     struct opened_repository *opened, struct error *error);
void opened_repository_close(struct opened_repository *opened);

#endif
