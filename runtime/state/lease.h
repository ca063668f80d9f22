/* Lease: the right to change one thing of a plan, held by one process at a time. In a local state
 * directory it is an OS lock on STATE/PLAN/leases/NAME that dies with its process, so that a resume
 * after a kill waits for nothing. Who holds it stands in the file.
 *
 * In a shared state it is the object PLAN/leases/NAME, which runs out: its holder renews it, and what
 * is not renewed may be taken by another. It keeps well-meaning processes apart. What keeps the others
 * apart are the records (records.h): a holder that slept through a take-over cannot commit any more. */
#ifndef DRC_STATE_LEASE_H
#define DRC_STATE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/plan/plan.h"

struct arena;
struct lease;
struct store;
struct world;

struct lease_holder {
    const char *run, *host;
    int64_t pid, since_utc_ms;
    int64_t expires_utc_ms; /* unless it is renewed; 0: never, it ends with its process */
};

/* The lease that a workflow needs: "site" (failover, failback), "copies" (replicate), "backup",
 * "test" (of which each network has its own). */
const char *lease_of(enum workflow workflow);
/* That of the tests in a VPC, "test-vpc-…"; in the arena. It is of all plans: their tests there would be in
 * each other's way. Such a lease is kept under the folder "networks" in place of a plan's. */
const char *lease_of_test(struct arena *arena, const char *vpc);
/* The folder of a state in which it is kept. */
const char *lease_folder(const char *plan, const char *name);

/* Takes it for `run`; fails at once when another process has it, naming run and pid. */
struct lease *lease_take(const char *state, const char *plan, const char *name, const char *run,
                         struct world *world, struct error *error);
enum {
    LEASE_MS = 60000,       /* how long it is good for */
    LEASE_RENEW_MS = 15000, /* after that long it is renewed */
    LEASE_SKEW_MS = 15000,  /* that far two runners' clocks may be apart */
};
/* The same in a shared state (store and world are borrowed). `take_over`: also from a holder that seems
 * to live. Runs the loop; renews itself from then on. */
struct lease *lease_take_shared(struct store *store, struct world *world, const char *plan,
                                const char *name, const char *run, bool take_over,
                                struct error *error);
/* Whether it is held as far as the clocks tell, and who holds it (in the arena). False with an empty
 * error: nobody. */
bool lease_holder_shared(struct arena *arena, struct store *store, struct world *world,
                         const char *plan, const char *name, struct lease_holder *holder,
                         struct error *error);

/* Of one that is not renewed any more: in so many seconds it may be taken by another. */
int lease_runs_out_s(const struct lease_holder *holder, int64_t now_utc_ms);

/* Writes down who holds it, where lease_holder looks for it. */
bool lease_copy(const char *path, const struct lease_holder *holder, struct error *error);

/* Ours for certain: nobody else can have been given it by now. Always, when it is an OS lock. */
bool lease_is_sure(const struct lease *lease);
/* Renews it now and calls `sure` when it is; or `lost` (lease_watch) comes. */
void lease_assure(struct lease *lease, void (*sure)(void *context), void *context);
/* Calls back, once, when another has it: with who. NULL unsets both. */
typedef void (*lease_lost)(void *context, const struct error *error);
void lease_watch(struct lease *lease, lease_lost lost, void *context);

/* NULL is allowed. Runs the loop for a moment where the state is shared. */
void lease_release(struct lease *lease);

/* Whether any process holds it, and who (in the arena; run "" when the file does not say). */
bool lease_holder(struct arena *arena, const char *state, const char *plan, const char *name,
                  struct lease_holder *holder);

#endif
