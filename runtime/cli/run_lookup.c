#include "runtime/cli/run_lookup.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/cli/load.h"
#include "runtime/engine/decision.h"
#include "runtime/report/report.h"
#include "runtime/state/journal.h"
#include "runtime/state/shared.h"
#include "runtime/world/files.h"
#include "runtime/world/world.h"

void lookup_set_account(const struct invocation *invocation, const char *region, const char *profile,
                        struct site *site)
{
    const char *given_region = invocation->values[FLAG_REGION];
    const char *given_profile = invocation->values[FLAG_PROFILE];
    site->region = given_region ? given_region : region;
    site->profile = given_profile ? given_profile : profile;
}

bool lookup_open_state_site(const char *url, const char *sandbox, struct site *site,
                            struct error *error)
{
    bool s3 = strncmp(url, "s3://", strlen("s3://")) == 0;
    return site_open_world(site, s3 ? sandbox : NULL, error);
}

static bool refresh(const struct invocation *invocation, const struct plan *plan, const char *state,
                    struct error *error)
{
    struct site site = {0};
    lookup_set_account(invocation, plan ? plan->aws.region.value : NULL,
                       plan ? plan->aws.profile.value : NULL, &site);
    bool ok = lookup_open_state_site(shared_name(invocation->arena, state),
                                     invocation->values[FLAG_SANDBOX], &site, error) &&
              shared_refresh_state(site.real, state, error);
    site_close(&site);
    return ok;
}

const char *lookup_state_of_plan(const struct invocation *invocation, const struct plan *plan,
                                 struct error *error)
{
    struct world *world = world_real_create(error);
    if (!world) {
        return NULL;
    }
    const char *state = run_state_directory(
        invocation->arena, world, load_state_option(invocation), plan ? plan->state.value : NULL,
        plan ? plan->directory : NULL, error);
    bool ok = state && files_check_private(state, true, error);
    world_destroy(world);
    ok = ok && refresh(invocation, plan, state, error);
    return ok ? state : NULL;
}

const char *lookup_state(const struct invocation *invocation, struct error *error)
{
    return lookup_state_of_plan(invocation, NULL, error);
}

const char *lookup_status_word(const struct run_info *run)
{
    bool dead = !run->alive && (run->status == RUN_RUNNING || run->status == RUN_PREPARING);
    return dead ? "killed" : run_status_name(run->status);
}

/* The id of the newest run that has not come to its end; NULL when there is none. */
static const char *newest_unfinished(struct session *session, struct error *error)
{
    struct run_info *runs = NULL;
    size_t count = 0;
    if (!run_list(session->invocation->arena, session->state, NULL, &runs, &count, error)) {
        return NULL;
    }
    const char *prepared_only = NULL; /* and gone: it has changed nothing */
    for (size_t i = 0; i < count; i++) {
        if (runs[i].problem || run_status_is_final(runs[i].status)) {
            continue;
        }
        if (runs[i].alive || runs[i].vm_count > 0) {
            return runs[i].id;
        }
        prepared_only = prepared_only ? prepared_only : runs[i].id;
    }
    return prepared_only;
}

bool lookup_run(struct session *session, enum lookup_default otherwise, struct error *error)
{
    const struct invocation *invocation = session->invocation;
    const char *prefix = invocation->argument_count ? invocation->arguments[0] : NULL;
    session->state = lookup_state(invocation, error);
    if (session->state && !prefix && otherwise == LOOKUP_NEWEST_UNFINISHED) {
        prefix = newest_unfinished(session, error);
    }
    if (!session->state || error->message ||
        !run_find(invocation->arena, session->state, prefix, &session->run, error)) {
        return false;
    }
    struct journal *journal = run_open(&session->run, NULL, true, error);
    if (!journal) {
        return false;
    }
    bool ok = run_options_read(invocation->arena, journal, &session->options, error);
    journal_close(journal);
    if (invocation->values[FLAG_SANDBOX]) {
        session->options.sandbox = invocation->values[FLAG_SANDBOX];
    }
    if (invocation->values[FLAG_LIMITS]) {
        session->options.limits = invocation->values[FLAG_LIMITS];
    }
    return ok && options_take_mover(invocation, &session->options, error);
}

bool lookup_open_clock(struct session *session, struct error *error)
{
    struct error gone = {0};
    if (session_open_world(session, &gone)) {
        return true;
    }
    error_clear(&gone);
    site_close(&session->site);
    return site_open_world(&session->site, NULL, error);
}

static bool is_name(const struct graph *graph, const char *word)
{
    struct decision_target target;
    struct error ignored = {0};
    bool found = decision_find(graph, word, &target, &ignored);
    error_clear(&ignored);
    return found;
}

/* With `prefix` in place of the arguments (NULL: none), and its report. */
static struct report *look_up(struct session *session, const char *prefix, struct error *error)
{
    const struct invocation *given = session->invocation;
    struct invocation *alone = ARENA_NEW(given->arena, struct invocation);
    const char **arguments = ARENA_ARRAY(given->arena, const char *, 1);
    *alone = *given;
    arguments[0] = prefix;
    alone->arguments = arguments;
    alone->argument_count = prefix ? 1 : 0;
    session->invocation = alone;
    bool found = lookup_run(session, LOOKUP_NEWEST_UNFINISHED, error);
    session->invocation = given;
    struct journal *journal = found ? run_open(&session->run, NULL, true, error) : NULL;
    struct report *report =
        journal ? report_load(given->arena, journal, NULL, error) : NULL;
    journal_close(journal);
    return report;
}

static bool begins_a_run(struct session *session, const char *word)
{
    struct error ignored = {0};
    struct run_info run;
    bool one = run_find(session->invocation->arena, session->state, word, &run, &ignored);
    bool several = !one && ignored.message && strstr(ignored.message, "several");
    error_clear(&ignored);
    return one || several;
}

bool lookup_run_and_names(struct session *session, const char *const **names, size_t *count,
                          struct report **report, struct error *error)
{
    const struct invocation *invocation = session->invocation;
    *names = invocation->arguments;
    *count = invocation->argument_count;
    *report = look_up(session, NULL, error);
    if (!session->state || !*count ||
        (*report && is_name((*report)->graph, invocation->arguments[0])) ||
        !begins_a_run(session, invocation->arguments[0])) {
        return *report != NULL;
    }
    error_clear(error);
    *report = look_up(session, invocation->arguments[0], error);
    ++*names;
    --*count;
    return *report != NULL;
}

bool lookup_take(struct session *session, struct error *error)
{
    return session_open_world(session, error) &&
           lookup_take_open(session, error);
}

/* Between the look at it and the lease its process may have brought it to its end. */
static bool has_not_ended_since(struct session *session, struct error *error)
{
    bool was_final = run_status_is_final(session->run.status);
    session->run.status = run_status_now(session->journal, session->invocation->arena);
    if (was_final || !run_status_is_final(session->run.status)) {
        return true;
    }
    error_set(error, "run %s has ended meanwhile (%s)", session->run.id,
              run_status_name(session->run.status));
    return error_help(error, "nothing was changed; drc run report %s tells what came of it",
                      session->run.id);
}

bool lookup_take_open(struct session *session, struct error *error)
{
    return session_open_shared(session, error) && session_take_lease(session, error) &&
           session_open_journal(session, error) && has_not_ended_since(session, error);
}

void lookup_tell_changed_plan(const struct session *session)
{
    const struct run_options *options = &session->options;
    const char *now = options->plan_path && options->plan_digest
                          ? load_digest(session->invocation->arena, options->plan_path,
                                        options->variables, options->variable_count)
                          : NULL;
    if (!now || strcmp(now, options->plan_digest) == 0) {
        return;
    }
    fprintf(stderr,
            "warning: %s has changed since run %s was begun (%.7s, now %.7s): the run goes on with "
            "the plan as it was\n"
            "  help: to use what was changed: drc run rollback %s, then drc plan apply\n",
            options->plan_path, session->run.id, options->plan_digest, now, session->run.id);
}
