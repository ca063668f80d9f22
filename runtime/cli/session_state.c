/* Where a session's run is kept: a local directory, or a shared state and this host's copy of it. */
#include "runtime/cli/session.h"

#include "runtime/state/journal.h"
#include "runtime/state/lease.h"
#include "runtime/state/shared.h"

/* A sandbox's clock may run fast; leases are about processes of this world. */
static struct world *machine_of(const struct session *session)
{
    return session->site.real ? session->site.real : session->site.world;
}

bool session_open_shared(struct session *session, struct error *error)
{
    struct error failure = {0};
    if (!session->shared) {
        session->shared = shared_open(machine_of(session), session->state, &failure);
    }
    if (failure.message) {
        return error_move(error, &failure);
    }
    return !session->shared || shared_refresh(session->shared, error);
}

static bool explain_take_over(const struct session *session, const char *name, struct error *error)
{
    struct lease_holder holder;
    if (session->invocation->given[FLAG_TAKE_OVER] &&
        lease_holder(session->invocation->arena, session->state, session->run.plan, name, &holder)) {
        error_help(error, "--take-over does not take it from a process that lives on this host: end "
                          "that one (kill -INT %lld), and it is free at once",
                   (long long)holder.pid);
    }
    return false;
}

bool session_take_lease(struct session *session, struct error *error)
{
    const char *name = session_lease_name(session);
    const struct run_info *run = &session->run;
    if (session->shared) {
        session->lease = shared_lease(session->shared, run->plan, name, run->id,
                                      session->invocation->given[FLAG_TAKE_OVER], error);
        return session->lease != NULL;
    }
    session->lease =
        lease_take(session->state, run->plan, name, run->id, session->site.world, error);
    return session->lease || explain_take_over(session, name, error);
}

bool session_publish(struct session *session, struct journal *journal, struct error *error)
{
    return !session->shared || shared_publish(session->shared, &session->run, journal, error);
}

bool session_open_journal(struct session *session, struct error *error)
{
    if (session->shared && !shared_refresh(session->shared, error)) {
        return false; /* as it is since the lease is held */
    }
    session->journal = run_open(&session->run, session->site.world, false, error);
    return session->journal &&
           (!session->shared ||
            shared_claim(session->shared, &session->run, session->journal, error));
}

bool session_share_production(struct session *session, struct error *error)
{
    return !session->shared || shared_put_production(session->shared, session->run.plan, error);
}
