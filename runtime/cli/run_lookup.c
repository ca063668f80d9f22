#include "runtime/cli/run_lookup.h"

#include "runtime/engine/journal.h"
#include "runtime/engine/lease.h"
#include "runtime/world/files.h"
#include "runtime/world/world.h"

const char *lookup_state(const struct invocation *invocation, struct error *error)
{
    struct world *world = world_real_create(error);
    if (!world) {
        return NULL;
    }
    const char *state = run_state_directory(invocation->arena, world,
                                            invocation->values[FLAG_STATE], NULL, NULL, error);
    world_destroy(world);
    return state && files_check_private(state, true, error) ? state : NULL;
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
    for (size_t i = 0; i < count; i++) {
        if (!runs[i].problem && !run_status_is_final(runs[i].status)) {
            return runs[i].id;
        }
    }
    return NULL;
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
    return ok;
}

bool lookup_open_clock(struct session *session, struct error *error)
{
    struct error gone = {0};
    if (site_open_world(&session->site, session->options.sandbox, &gone)) {
        return true;
    }
    error_clear(&gone);
    site_close(&session->site);
    return site_open_world(&session->site, NULL, error);
}

bool lookup_take(struct session *session, struct error *error)
{
    if (!site_open_world(&session->site, session->options.sandbox, error)) {
        return false;
    }
    session->lease =
        lease_take(session->state, session->run.plan, lease_of(session->options.workflow),
                   session->run.id, session->site.world, error);
    if (!session->lease) {
        return false;
    }
    session->journal = run_open(&session->run, session->site.world, false, error);
    return session->journal != NULL;
}
