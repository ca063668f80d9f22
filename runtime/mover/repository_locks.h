/* Locks of a repository: leases of writers and of prune (writer.c says how they keep apart). */
#ifndef DRC_MOVER_REPOSITORY_LOCKS_H
#define DRC_MOVER_REPOSITORY_LOCKS_H

#include "runtime/mover/prune.h"

#define LOCKS_PLAN    "locks" /* in the place of a plan's name */
#define LEASES_FOLDER LOCKS_PLAN "/leases/"
#define PRUNE_LEASE   "prune"
#define WRITER_LEASE  "writer-"

/* Runs the loop for that long. */
void repository_pause(struct repository *repository, int64_t delay_ms);
/* A world_callback: sets the bool. */
void repository_set_flag(void *context);

/* What prune holds. Takes the lease, then waits for writers, as the options say. Runs the loop. */
struct prune_lock;
struct prune_lock *prune_lock_take(struct repository *repository,
                                   const struct prune_options *options, struct error *error);
/* Before each step that removes something: whether nobody can be writing. NULL is sure (dry run).
 */
bool prune_lock_is_sure(const struct prune_lock *lock, struct error *error);
void prune_lock_release(struct prune_lock *lock); /* NULL is allowed */

#endif
