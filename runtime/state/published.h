/* Published plans: a plan with its scripts and files, and facts, under the state that its runners share,
 * so that a runner needs nothing else. STATE/PLAN/plan/…:
 *   objects/ab/HEX   the files' bytes, named by their SHA-256
 *   manifest         JSON (drc-published/1): which files they are; put last, so that a reader finds the
 *                    plan as it was or as it is now
 * A runner keeps them in its cache ($XDG_CACHE_HOME/drc/plans/…), each file verified when it is used. */
#ifndef DRC_STATE_PUBLISHED_H
#define DRC_STATE_PUBLISHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/plan/plan.h"

struct arena;
struct store;
struct world;

enum { PUBLISHED_FILES_MAX = 10000 };

/* "s3://BUCKET/PREFIX/PLAN" or "file:///DIR/PLAN" names a published plan. */
bool published_is_url(const char *argument);
/* The state that it is published under: the URL without its last part. */
const char *published_state(struct arena *arena, const char *url);

struct published {
    const char *plan, *digest;
    const char *manifest; /* SHA-256 of the manifest: which publication it is */
    size_t file_count;    /* with the plan itself, without facts */
    int64_t bytes;
    bool facts;
};

/* Puts the plan that was loaded from its file, its files, and facts (NULL: none), then the manifest.
 * False: what cannot be read, lies outside of the plan's folder, or cannot be written. */
bool published_put(struct arena *arena, struct store *store, struct world *world,
                   const struct plan *plan, const char *facts, size_t facts_length,
                   struct published *published, struct error *error);

/* Brings the publication `url` into the cache and verifies it. The path of the plan's file there, in the
 * arena. The world has stores (store.h). */
const char *published_fetch(struct arena *arena, struct world *world, const char *url,
                            struct error *error);
/* The facts that came with a plan's file that was fetched; NULL: none. */
const char *published_facts(struct arena *arena, const char *plan_path);

#endif
