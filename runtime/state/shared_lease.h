/* Shared lease: a lease as an object in a store (lease.h tells what it is); behind lease.c only. */
#ifndef DRC_STATE_SHARED_LEASE_H
#define DRC_STATE_SHARED_LEASE_H

#include "runtime/state/lease.h"

struct buffer;
struct shared_lease;

struct shared_lease *shared_lease_take(struct store *store, struct world *world, const char *plan,
                                       const char *name, const char *run, bool take_over,
                                       struct error *error);
/* NULL is allowed. */
void shared_lease_release(struct shared_lease *lease);
bool shared_lease_is_sure(const struct shared_lease *lease);
void shared_lease_assure(struct shared_lease *lease, void (*sure)(void *context), void *context);
void shared_lease_watch(struct shared_lease *lease, lease_lost lost, void *context);

/* For people: the lease "site" of plan shop. */
void lease_put_name(const char *plan, const char *name, struct buffer *out);

/* What a lease's file or object says. False: not who holds it; run and host are "" then. */
bool lease_read_holder(struct arena *arena, const char *text, size_t length,
                       struct lease_holder *holder);

#endif
