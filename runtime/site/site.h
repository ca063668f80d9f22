/* Site: the world that a process talks to, with limits and providers on it: the real one, the embedded
 * sandbox (--sandbox DIR), or one that is given (simulation/). */
#ifndef DRC_SITE_SITE_H
#define DRC_SITE_SITE_H

#include <stdbool.h>

#include "compiler/base/error.h"
#include "runtime/world/provider.h"
#include "runtime/world/script_source.h"
#include "runtime/world/store.h"

struct arena;
struct aws;
struct block_target;
struct limits;
struct run_options;
struct sandbox;
struct site_stores;
struct world;

/* Everything is owned by it; site_close takes it apart. Zero-initialise; a caller with a world of its
 * own puts it in, and takes it out again before site_close. */
struct site {
    /* Of the plan, for the stores that are opened; set before site_open_world. NULL: as store_s3.h says. */
    const char *region, *profile;
    struct site_stores *stores; /* NULL: the world is a given one */
    struct sandbox *sandbox; /* NULL: the real world */
    struct world *world;
    struct world *real; /* also under the sandbox; NULL: the world is a given one. The same loop */
    struct limits *limits;
    struct aws *aws;
    struct provider *host, *mover, *dns;
    const char *tsig_secret; /* in place of those that plans refer to: a simulated world's; NULL */
    struct block_target *blocks; /* of the mover */
    struct provider *providers[PROVIDER_COUNT];
};

/* The world alone (clock, randomness): what a run needs before its first request. */
bool site_open_world(struct site *site, const char *sandbox, struct error *error);
/* Limits and providers, as the options say. */
bool site_open_providers(struct site *site, const struct run_options *options, struct error *error);
/* Where the scripts of the run come from, and its folder, where those of the runner are run; until then
 * scripts are refused. */
void site_use_run(struct site *site, struct script_source scripts, const char *folder);
/* Takes the providers away, with all that is under way: its results never come. */
void site_close_providers(struct site *site);
void site_close(struct site *site);

/* Opens repositories and states (dir:, file:///, s3://) through the site's world, as world_set_stores has
 * it; until site_close. The site has a world of its own (site_open_world). */
struct store_opener site_store_opener(const struct site *site);

#endif
