#include "runtime/site/site.h"

#include <string.h>

#include "runtime/aws/aws.h"
#include "runtime/aws/ebs_target.h"
#include "runtime/dns/dns.h"
#include "runtime/engine/limits.h"
#include "runtime/host/host.h"
#include "runtime/mover/mover.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/site/stores.h"
#include "runtime/state/run_options.h"
#include "runtime/world/world.h"

static void open_stores(struct site *site)
{
    struct site_stores_options options = {.world = site->world,
                                          .region = site->region,
                                          .profile = site->sandbox ? NULL : site->profile,
                                          .sandbox = site->sandbox != NULL};
    site->stores = site_stores_create(&options);
    world_set_stores(site->world, site_stores_opener(site->stores));
}

struct store_opener site_store_opener(const struct site *site)
{
    return site_stores_opener(site->stores);
}

bool site_open_world(struct site *site, const char *sandbox, struct error *error)
{
    struct world *real = world_real_create(error);
    if (!real) {
        return false;
    }
    site->world = site->real = real;
    if (!sandbox) {
        open_stores(site);
        return true;
    }
    site->sandbox = sandbox_open(sandbox, error);
    if (!site->sandbox) {
        return false;
    }
    site->world = sandbox_world(site->sandbox, real);
    open_stores(site);
    return true;
}

/* AWS's own endpoints and the sandbox keep AWS's rates; any other endpoint may have others. */
static bool limits_mode(const struct run_options *options, struct aws *aws, bool sandbox,
                        enum limits_mode *mode, struct error *error)
{
    *mode = !sandbox && aws_endpoint_overridden(aws) ? LIMITS_NONE : LIMITS_AWS;
    if (!options->limits) {
        return true;
    }
    if (strcmp(options->limits, "aws") == 0) {
        *mode = LIMITS_AWS;
    } else if (strcmp(options->limits, "none") == 0) {
        *mode = LIMITS_NONE;
    } else {
        error_set(error, "there are no limits \"%s\"", options->limits);
        return error_help(error, "--limits is aws or none");
    }
    return true;
}

/* A given world has its own stores, or none. */
static struct store *given_store(void *context, const char *url, bool lazy, struct error *error)
{
    return store_open(context, url, lazy, error);
}

static void open_mover(struct site *site, const struct run_options *options)
{
    site->blocks = ebs_target_create(site->aws);
    site->mover = mover_provider_create(&(struct mover_options){
        .world = site->world,
        .stores = site->stores ? site_store_opener(site) : (struct store_opener){site->world, given_store},
        .target = site->blocks,
        .bandwidth = options->bandwidth,
        .memory_bytes = options->mover_memory,
    });
}

bool site_open_providers(struct site *site, const struct run_options *options, struct error *error)
{
    bool sandbox = site->sandbox != NULL;
    site_close_providers(site); /* of a resume that goes over into a cleanup */
    if (!site->limits) { /* what they have learnt stays when providers are opened again */
        site->limits = limits_create(site->world, LIMITS_NONE);
    }
    struct aws_options aws = {
        .world = site->world,
        .gate = limits_gate(site->limits),
        .region = options->region,
        .account = options->account,
        /* The sandbox has one set of credentials; the user's own stay out of it. */
        .profile = sandbox ? NULL : options->profile,
        .role_arn = sandbox ? NULL : options->role_arn,
    };
    site->aws = aws_create(&aws, error);
    enum limits_mode mode = LIMITS_NONE;
    if (!site->aws || !limits_mode(options, site->aws, sandbox, &mode, error)) {
        return false;
    }
    limits_set_mode(site->limits, mode);
    site->host = host_provider_create(site->world);
    open_mover(site, options);
    site->dns = dns_provider_create(&(struct dns_options){
        .world = site->world,
        .tsig_secret = sandbox ? sandbox_tsig_secret() : site->tsig_secret,
    });
    site->providers[PROVIDER_AWS] = aws_provider(site->aws);
    site->providers[PROVIDER_HOST] = site->host;
    site->providers[PROVIDER_MOVER] = site->mover;
    site->providers[PROVIDER_DNS] = site->dns;
    return provider_check(site->providers[PROVIDER_AWS], error) &&
           provider_check(site->providers[PROVIDER_HOST], error) &&
           provider_check(site->providers[PROVIDER_MOVER], error) &&
           provider_check(site->providers[PROVIDER_DNS], error);
}

void site_use_run(struct site *site, struct script_source scripts, const char *folder)
{
    host_use_run(site->host, scripts, folder);
    aws_use_scripts(site->aws, scripts);
}

void site_close_providers(struct site *site)
{
    if (site->host) {
        site->host->destroy(site->host);
    }
    if (site->mover) {
        site->mover->destroy(site->mover);
    }
    if (site->dns) {
        site->dns->destroy(site->dns);
    }
    ebs_target_destroy(site->blocks);
    aws_destroy(site->aws);
    site->host = site->mover = site->dns = NULL;
    site->blocks = NULL;
    site->aws = NULL;
    memset(site->providers, 0, sizeof site->providers);
}

void site_close(struct site *site)
{
    site_close_providers(site);
    limits_destroy(site->limits);
    world_destroy(site->world);
    site_stores_destroy(site->stores);
    sandbox_close(site->sandbox);
    *site = (struct site){0};
}
