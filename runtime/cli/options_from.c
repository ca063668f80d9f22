/* A run's options, from flags and plan. */
#include "runtime/cli/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/cli/load.h"
#include "runtime/cli/size_text.h"
#include "runtime/state/published.h"
#include "runtime/world/world.h"

static const char *absolute(struct arena *arena, const char *path, struct error *error)
{
    char *resolved = realpath(path, NULL);
    if (!resolved) {
        error_set(error, "cannot find %s: %s", path, strerror(errno));
        return NULL;
    }
    const char *copy = arena_strdup(arena, resolved);
    free(resolved);
    return copy;
}

static bool check_recovery_point(const char *text, struct error *error)
{
    if (!text || strcmp(text, "latest") == 0 || parse_time(text) >= 0) {
        return true;
    }
    error_set(error, "--recovery-point wants latest or a time, not \"%s\"", text);
    return error_help(error, "a time looks like 2026-11-22T10:00:00Z (RFC 3339, UTC)");
}

static bool check_disaster(const struct invocation *invocation, enum workflow workflow,
                           int64_t *utc_ms, struct error *error)
{
    static const enum flag flags[] = {FLAG_DISASTER_AT, FLAG_ACCEPT_DATA_LOSS};
    for (size_t i = 0; i < 2; i++) {
        if (invocation->given[flags[i]] && workflow != WORKFLOW_FAILOVER) {
            error_set(error, "--%s is for failovers, not for %s", flag_infos[flags[i]].name,
                      workflow_name(workflow));
            return error_help(error, "leave it out: nothing is lost by %s",
                              workflow_name(workflow));
        }
    }
    const char *text = invocation->values[FLAG_DISASTER_AT];
    *utc_ms = text ? parse_time(text) : 0;
    if (*utc_ms >= 0) {
        return true;
    }
    error_set(error, "--disaster-at wants a time, not \"%s\"", text);
    return error_help(error, "a time looks like 2026-11-22T10:00:00Z (RFC 3339, UTC)");
}

bool options_take_mover(const struct invocation *invocation, struct run_options *options,
                        struct error *error)
{
    const char *bandwidth = invocation->values[FLAG_BANDWIDTH];
    const char *memory = invocation->values[FLAG_MOVER_MEMORY];
    if (bandwidth && !rate_read(bandwidth, &options->bandwidth, error)) {
        return error_prefix(error, "--bandwidth");
    }
    if (memory && !size_read(memory, &options->mover_memory, error)) {
        return error_prefix(error, "--mover-memory");
    }
    return true;
}

static bool check_scheduled(const struct invocation *invocation, enum workflow workflow,
                            struct error *error)
{
    if (!invocation->given[FLAG_SCHEDULED] || workflow == WORKFLOW_REPLICATE ||
        workflow == WORKFLOW_BACKUP) {
        return true;
    }
    error_set(error, "--scheduled is for what a timer does again and again, not for %s",
              workflow_name(workflow));
    return error_help(error, "a person decides on a %s", workflow_name(workflow));
}

bool options_from(const struct invocation *invocation, const struct plan *plan,
                  enum workflow workflow, struct run_options *options, struct error *error)
{
    struct arena *arena = invocation->arena;
    bool published = invocation->argument_count && published_is_url(invocation->arguments[0]);
    *options = (struct run_options){
        .plan_path = published ? invocation->arguments[0] /* wherever it is gone on with */
                               : absolute(arena, plan->source->path, error),
        .plan_digest = plan->digest,
        .plan_name = plan->name,
        .owner = plan->owner,
        .workflow = workflow,
        .recovery_point = invocation->values[FLAG_RECOVERY_POINT],
        .limits = invocation->values[FLAG_LIMITS],
        .region = plan->aws.region.value,
        .account = plan->aws.account.value,
        .profile = plan->aws.profile.value,
        .role_arn = plan->aws.role_arn.value,
        .approved = invocation->given[FLAG_YES] || invocation->given[FLAG_SCHEDULED],
        .data_loss_accepted = invocation->given[FLAG_ACCEPT_DATA_LOSS],
        .rto_ms = plan->objectives.rto.ms,
        .rpo_ms = plan->objectives.rpo.ms,
        .variables = invocation->variables,
        .variable_count = invocation->variable_count,
    };
    const char *sandbox = invocation->values[FLAG_SANDBOX];
    if (sandbox) {
        options->sandbox = absolute(arena, sandbox, error);
        if (!options->sandbox) {
            error_help(error, "one is made by: drc sandbox init %s PLAN", sandbox);
        }
    }
    return options->plan_path && (!sandbox || options->sandbox) &&
           check_recovery_point(options->recovery_point, error) &&
           check_scheduled(invocation, workflow, error) &&
           check_disaster(invocation, workflow, &options->disaster_utc_ms, error) &&
           load_auto_cleanup(invocation, workflow, &options->auto_cleanup_ms, error) &&
           options_take_mover(invocation, options, error);
}
