/* drc run resume: goes on with a run from its journal. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/plan/select.h"
#include "runtime/cli/apply.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"

/* A run that failed before it had a graph is prepared again, from the same plan. */
static bool load_same_plan(struct session *session, struct error *error)
{
    const struct run_options *options = &session->options;
    struct invocation *again = ARENA_NEW(session->invocation->arena, struct invocation);
    *again = *session->invocation;
    again->variables = options->variables;
    again->variable_count = options->variable_count;
    session->invocation = again;
    if (!options->plan_path || !load_plan(again, options->plan_path, &session->plan)) {
        error_set(error,
                  "run %s was stopped before its graph was made, and its plan %s is not to be had",
                  session->run.id, options->plan_path ? options->plan_path : "");
        return error_help(error, "drc run cleanup %s ends it", session->run.id);
    }
    if (strcmp(session->plan->digest, options->plan_digest) != 0) {
        error_set(error, "%s has changed since run %s was begun (%.7s, now %.7s)",
                  options->plan_path, session->run.id, options->plan_digest, session->plan->digest);
        return error_help(error, "nothing had been changed yet: apply it anew");
    }
    if (options->only) {
        session->plan =
            plan_restrict_to(again->arena, session->plan, options->only, error);
    }
    return session->plan != NULL;
}

static enum exit_status prepare_again(struct session *session)
{
    struct error error = {0};
    session->reviewed = session_read_graph(session, "reviewed", &error);
    if (error.message || !load_same_plan(session, &error)) {
        return tell_error(&error);
    }
    return apply_prepared(session);
}

enum exit_status resume_session(struct session *session)
{
    struct error error = {0};
    return lookup_take(session, &error) ? resume_taken(session) : tell_error(&error);
}

enum exit_status resume_taken(struct session *session)
{
    struct error error = {0};
    bool ready = session_load_graph(session, &error);
    if (!ready && !error.message) {
        return prepare_again(session);
    }
    if (!ready || !session_open_providers(session, &error) ||
        !aws_identify(session->site.aws, session->invocation->arena, &session->identity, &error)) {
        return tell_error(&error);
    }
    if (session_test_is_over(session, &error)) {
        return session_end_test(session);
    }
    if (error.message) {
        return tell_error(&error);
    }
    lookup_tell_changed_plan(session);
    return session_execute(session);
}

enum exit_status command_run_resume(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    struct error error = {0};
    if (!lookup_run(&session, LOOKUP_NEWEST_UNFINISHED, &error)) {
        return tell_error(&error);
    }
    enum exit_status status = EXIT_DONE;
    if (run_status_is_final(session.run.status)) {
        printf("run %s has ended (%s): nothing to resume\n", session.run.id,
               run_status_name(session.run.status));
    } else {
        status = resume_session(&session);
    }
    session_close(&session);
    return status;
}
