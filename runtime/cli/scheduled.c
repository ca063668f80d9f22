/* apply --scheduled: what a timer begins is not refused because the run before it has not ended. */
#include <stdio.h>
#include <string.h>

#include "runtime/cli/apply.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"
#include "runtime/state/journal.h"
#include "runtime/state/lease.h"
#include "runtime/state/production.h"

/* A failover has brought every VM over: until they are home there is nothing to replicate. */
static bool all_are_over(struct session *session, const struct production *production)
{
    const struct plan *plan = session->plan;
    for (size_t i = 0; i < plan->vm_count; i++) {
        if (production_of(production, plan->vms[i].name).place != PRODUCTION_RECOVERY) {
            return false;
        }
    }
    printf("%s: nothing to do: all VMs run at the recovery site\n", plan->name);
    return true;
}

/* The newest run of the workflow that has begun to change something and has not ended; NULL: none.
 */
static const struct run_info *unfinished_run(const struct session *session,
                                             const struct run_info *runs, size_t count)
{
    const char *workflow = workflow_name(session->options.workflow);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(runs[i].workflow, workflow) == 0 && !runs[i].problem &&
            !run_status_is_final(runs[i].status) && (runs[i].alive || runs[i].vm_count > 0)) {
            return &runs[i];
        }
    }
    return NULL;
}

static bool read_options(struct session *session, struct error *error)
{
    struct journal *journal = run_open(&session->run, NULL, true, error);
    bool ok =
        journal && run_options_read(session->invocation->arena, journal, &session->options, error);
    journal_close(journal);
    return ok;
}

/* One that fails again would fail each time from then on: the next one begins anew. */
static void give_up_failed(struct session *session, enum exit_status status)
{
    struct arena *arena = session->invocation->arena;
    if (status == EXIT_ERROR && session->journal &&
        run_status_now(session->journal, arena) == RUN_FAILED) {
        session_give_up(session, RUN_CANCELLED);
        fprintf(
            stderr,
            "run %s has failed again and is given up: the next one begins anew; drc run cleanup %s "
            "deletes what is left of it\n",
            session->run.id, session->run.id);
    }
}

/* Who holds the lease, as far as it can be told; false: nobody. */
static bool find_holder(struct session *session, const char *plan, struct lease_holder *holder)
{
    struct error ignored = {0};
    session_open_shared(session, &ignored);
    error_clear(&ignored);
    return lease_holder(session->invocation->arena, session->state, plan,
                        lease_of(session->options.workflow), holder);
}

/* After a run that was broken off could not be taken: another has gone on with it in the same moment,
 * and is at work on it or has brought it to its end already. */
static bool another_went_on(struct session *session)
{
    struct lease_holder holder = {0};
    struct run_info now = {0};
    struct error ignored = {0};
    const char *plan = session->run.plan, *id = session->run.id;
    bool held = !session->lease && find_holder(session, plan, &holder);
    bool ended = !held && run_find(session->invocation->arena, session->state, id, &now, &ignored) &&
                 run_status_is_final(now.status);
    error_clear(&ignored);
    if (held) {
        printf("%s: run %s is under way: left alone\n", plan, *holder.run ? holder.run : id);
    } else if (ended) {
        printf("%s: run %s has ended meanwhile (%s): left alone\n", plan, id,
               run_status_name(now.status));
    }
    return held || ended;
}

/* The session is closed first: the run's own takes its place. */
static enum exit_status go_on_with(struct session *session, const struct run_info *run)
{
    struct error error = {0};
    struct session again = {
        .invocation = session->invocation, .state = session->state, .run = *run};
    const char *plan = session->plan->name;
    session_close(session);
    *session = (struct session){.invocation = again.invocation};
    enum exit_status status = EXIT_DONE;
    if (!read_options(&again, &error)) {
        status = tell_error(&error);
    } else if (lookup_take(&again, &error)) {
        fprintf(stderr, "%s: going on with run %s, which has not come to its end\n", plan, run->id);
        status = resume_taken(&again);
        give_up_failed(&again, status);
    } else if (another_went_on(&again)) {
        error_clear(&error);
    } else {
        status = tell_error(&error);
    }
    session_close(&again);
    return status;
}

bool scheduled_is_done(struct session *session, struct error *error)
{
    struct lease_holder holder = {0};
    if (!session->invocation->given[FLAG_SCHEDULED] || !session->run.id || session->lease ||
        !find_holder(session, session->plan->name, &holder) ||
        strcmp(holder.run, session->run.id) == 0) {
        return false;
    }
    error_clear(error);
    printf("%s: run %s is under way: left alone\n", session->plan->name, holder.run);
    return true;
}

bool scheduled_go(struct session *session, enum exit_status *status)
{
    struct arena *arena = session->invocation->arena;
    struct error error = {0};
    struct run_info *runs = NULL;
    size_t count = 0;
    const struct production *production =
        production_read(arena, session->state, session->plan->name, &error);
    if (!production ||
        !run_list(arena, session->state, session->plan->name, &runs, &count, &error)) {
        *status = tell_error(&error);
        return false;
    }
    *status = EXIT_DONE;
    if (all_are_over(session, production)) {
        return false;
    }
    const struct run_info *run = unfinished_run(session, runs, count);
    if (!run) {
        return true;
    }
    if (run->alive) {
        printf("%s: run %s is under way: left alone\n", session->plan->name, run->id);
        return false;
    }
    *status = go_on_with(session, run);
    return false;
}
