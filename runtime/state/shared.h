/* Shared state: runs, leases and where production is, in a store that several runners see (--state
 * file:///DIR or s3://BUCKET/PREFIX). Beside it each host has a copy in its cache, laid out as a local state
 * directory is (run.h), so that all that reads a state reads it there; it can be deleted at any time.
 * What is written goes to the store first. The copy's file "origin" says what it is a copy of. */
#ifndef DRC_STATE_SHARED_H
#define DRC_STATE_SHARED_H

#include <stdbool.h>

#include "compiler/base/error.h"

struct arena;
struct journal;
struct lease;
struct run_info;
struct shared;
struct store;
struct world;

/* True: "file:///DIR" or "s3://BUCKET/PREFIX", which names a shared state. False with an empty error: it
 * names no such thing.
 */
bool shared_is_url(const char *setting, struct error *error);
/* The directory of this host's copy of it ($XDG_CACHE_HOME/drc/state/…), made where it is missing. */
const char *shared_cache(struct arena *arena, struct world *world, const char *url,
                         struct error *error);

/* Where this host keeps published plans (published.h): $XDG_CACHE_HOME/drc/plans; in the arena. */
const char *shared_plan_cache(struct arena *arena, struct world *world, struct error *error);
/* The store of a shared state, by its URL; the caller destroys it. */
struct store *shared_open_url(struct world *world, const char *url, struct error *error);

/* The state for people: the URL of which it is a copy, or the directory itself; in the arena. */
const char *shared_name(struct arena *arena, const char *state);

/* Of a state directory: NULL with an empty error when it is no copy but the state itself. */
struct shared *shared_open(struct world *world, const char *state, struct error *error);
/* NULL is allowed. */
void shared_close(struct shared *shared);
/* The shared state's, or one on the directory itself; the caller destroys it. */
struct store *shared_store_of(struct world *world, const char *state, struct error *error);

/* Brings the copy up to date. What cannot be read of a run becomes its problem (run_info). */
bool shared_refresh(struct shared *shared, struct error *error);
/* The same, opening and closing it; nothing to do for a local state. */
bool shared_refresh_state(struct world *world, const char *state, struct error *error);

/* A journal that was made in the copy (the run's, or a cleanup's) is put into the store, and from now
 * on written there first. */
bool shared_publish(struct shared *shared, const struct run_info *run, struct journal *journal,
                    struct error *error);
/* One that is there is taken over; the caller holds the run's lease. */
bool shared_claim(struct shared *shared, const struct run_info *run, struct journal *journal,
                  struct error *error);
/* tests.json of the copy (tests.h) into the store. *again: another process has changed it since it was last
 * read; refresh, and put the record in once more. */
bool shared_put_tests(struct shared *shared, const char *plan, bool *again, struct error *error);
/* production.json of the copy into the store; an error when another process has changed it since it was
 * last read. */
bool shared_put_production(struct shared *shared, const char *plan, struct error *error);
struct lease *shared_lease(struct shared *shared, const char *plan, const char *name,
                           const char *run, bool take_over, struct error *error);

#endif
