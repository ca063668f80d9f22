/* Locks of a repository: leases of writers and of prune (writer.c says how they keep apart). */
#ifndef DRC_MOVER_REPOSITORY_LOCKS_H
#define DRC_MOVER_REPOSITORY_LOCKS_H

#include <stdint.h>

#define LOCKS_PLAN    "locks" /* in the place of a plan's name */
#define LEASES_FOLDER LOCKS_PLAN "/leases/"
#define PRUNE_LEASE   "prune"
#define WRITER_LEASE  "writer-"

struct repository;

/* Runs the loop for that long. */
void repository_pause(struct repository *repository, int64_t delay_ms);
/* A world_callback: sets the bool. */
void repository_set_flag(void *context);

#endif
