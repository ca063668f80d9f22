/* Lease: the right to change one thing of a plan, held by one process at a time. In a local state
 * directory it is an OS lock on STATE/PLAN/leases/NAME that dies with its process, so that a resume
 * after a kill waits for nothing. Who holds it stands in the file. */
#ifndef DRC_ENGINE_LEASE_H
#define DRC_ENGINE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/plan/plan.h"

struct arena;
struct lease;
struct world;

struct lease_holder {
    const char *run, *host;
    int64_t pid, since_utc_ms;
};

/* The lease that a workflow needs: "site" (failover, failback), "copies" (replicate), "backup",
 * "test". */
const char *lease_of(enum workflow workflow);

/* Takes it for `run`; fails at once when another process has it, naming run and pid. */
struct lease *lease_take(const char *state, const char *plan, const char *name, const char *run,
                         struct world *world, struct error *error);
/* NULL is allowed. */
void lease_release(struct lease *lease);

/* Whether any process holds it, and who (in the arena; run "" when the file does not say). */
bool lease_holder(struct arena *arena, const char *state, const char *plan, const char *name,
                  struct lease_holder *holder);

#endif
