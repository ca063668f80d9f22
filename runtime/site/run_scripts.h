/* Run scripts: the files that a plan names, kept with a run when it begins, and given to the providers by
 * their digests from then on: also where the plan has changed meanwhile, or is not to be had. */
#ifndef DRC_SITE_RUN_SCRIPTS_H
#define DRC_SITE_RUN_SCRIPTS_H

#include "compiler/base/error.h"
#include "compiler/plan/plan.h"
#include "runtime/state/run.h"
#include "runtime/world/script_source.h"

struct arena;
struct journal;

/* The `own` blobs, and behind them one for each file ("file:DIGEST"), their bytes in the arena: for
 * run_create. False: a file is not what the plan was
 * compiled with any more, or cannot be read. */
bool run_scripts_blobs(struct arena *arena, const struct plan *plan, const struct run_blob *own,
                       size_t own_count, struct run_blob **blobs, size_t *count, struct error *error);

/* Out of the journal's blobs; it has to live as long. */
struct script_source run_scripts_of(struct journal *journal);

#endif
