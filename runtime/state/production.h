/* Production: where each VM of a plan lives, STATE/PLAN/production.json. Set when a failover begins
 * and when a VM is recovered; a second failover of VMs that are over already has nothing to do. */
#ifndef DRC_STATE_PRODUCTION_H
#define DRC_STATE_PRODUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct arena;

enum production_place {
    PRODUCTION_PRIMARY, /* at home: also every VM that the file does not name */
    PRODUCTION_FAILING_OVER,
    PRODUCTION_RECOVERY,
    PRODUCTION_FAILING_BACK,
};
const char *production_place_name(enum production_place place); /* "failing-over" */

struct production_vm {
    const char *name;
    enum production_place place;
    const char *run;         /* that brought it there; NULL */
    const char *instance_id; /* at the recovery site; NULL */
    int64_t since_utc_ms;
    bool committed; /* at the recovery site for good: nothing of it is rolled back or cleaned up */
};

/* Lies in an arena. */
struct production {
    struct production_vm *vms;
    size_t count, capacity;
};

/* An absent file is an empty one: all at home. */
struct production *production_read(struct arena *arena, const char *state, const char *plan,
                                   struct error *error);
/* Never NULL: PRODUCTION_PRIMARY when the file does not name it. The texts lie in the arena that it
 * was read into. */
struct production_vm production_of(const struct production *production, const char *vm);
/* Puts or replaces (texts are copied into the arena); production_write makes it durable. */
void production_set(struct arena *arena, struct production *production,
                    const struct production_vm *vm);
/* Atomically; the caller holds the plan's lease "site". */
bool production_write(const struct production *production, const char *state, const char *plan,
                      struct error *error);

#endif
