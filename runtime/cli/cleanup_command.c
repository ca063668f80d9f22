/* drc run cleanup and rollback: what a run made and did is taken back. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/cli/ask_run.h"
#include "runtime/cli/load.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/take_back.h"
#include "runtime/state/journal.h"
#include "runtime/state/shared.h"
#include "runtime/world/files.h"

static const struct take_back cleaning = {
    .doing = "cleanup", .done = "cleaned up", .ends = RUN_CLEANED};

/* --- a run whose state is lost --- */

/* The VMs' names, which is all of a graph that deleting needs. */
static struct graph *graph_of_plan(struct session *session)
{
    struct arena *arena = session->invocation->arena;
    const struct plan *plan = session->plan;
    struct graph *graph = ARENA_NEW(arena, struct graph);
    *graph = (struct graph){
        .arena = arena,
        .plan_name = plan->name,
        .plan_file = plan->source->path,
        .plan_digest = plan->digest,
        .inventory_digest = "",
        .tool = "drc",
        .workflow = WORKFLOW_FAILOVER,
        .region = plan->aws.region.value,
        .account = plan->aws.account.value,
        .vms = ARENA_ARRAY(arena, struct graph_vm, plan->vm_count + 1),
        .vm_count = plan->vm_count,
    };
    for (size_t i = 0; i < plan->vm_count; i++) {
        graph->vms[i].name = plan->vms[i].name;
    }
    return graph;
}

static bool is_run_id(const char *text)
{
    return strlen(text) == 8 && strspn(text, "0123456789abcdefghjkmnpqrstvwxyz") == 8;
}

/* The plan says where to look and RUN what for: all that is known are the tags. */
static bool begin_by_tags(struct session *session, const char *run, struct error *error)
{
    const struct invocation *invocation = session->invocation;
    if (!is_run_id(run)) {
        error_set(error, "run %s: the state does not know it, so its whole id is needed", run);
        return error_help(error, "drc run orphans PLAN lists the ids that tags name");
    }
    if (!load_plan(invocation, invocation->values[FLAG_PLAN], &session->plan)) {
        return error_set(error, "the plan has errors");
    }
    const struct plan *plan = session->plan;
    session->graph = graph_of_plan(session);
    session->run = (struct run_info){
        .id = run,
        .plan = plan->name,
        .workflow = workflow_name(WORKFLOW_FAILOVER),
        .status = RUN_FAILED,
        .directory =
            arena_printf(invocation->arena, "%s/%s/runs/%s", session->state, plan->name, run),
    };
    if (!options_from(invocation, plan, WORKFLOW_FAILOVER, &session->options, error) ||
        !session_open_world(session, error) ||
        !files_make_directory(session->run.directory, error)) {
        return false;
    }
    return session_open_shared(session, error) && session_take_lease(session, error);
}

static bool is_unknown(struct session *session, const char *run)
{
    struct error ignored = {0};
    struct run_info info;
    bool known = run_find(session->invocation->arena, session->state, run, &info, &ignored);
    bool several = !known && ignored.message && strstr(ignored.message, "several");
    error_clear(&ignored);
    return !known && !several;
}

/* --- cleanup --- */

static bool begin_cleanup(struct session *session, struct error *error)
{
    const struct invocation *invocation = session->invocation;
    const char *run = invocation->argument_count ? invocation->arguments[0] : NULL;
    session->state = lookup_state(invocation, error);
    if (!session->state) {
        return false;
    }
    if (run && is_unknown(session, run)) {
        if (invocation->given[FLAG_PLAN]) {
            return begin_by_tags(session, run, error);
        }
        error_set(error, "run %s: there is no such run in %s", run,
                  shared_name(invocation->arena, session->state));
        return error_help(error, "drc run list shows those that there are; if its state is lost, "
                                 "its tags are enough: --plan PLAN");
    }
    return lookup_run(session, LOOKUP_NEWEST, error) && lookup_take(session, error);
}

enum exit_status command_run_cleanup(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    struct error error = {0};
    enum exit_status status = EXIT_ERROR;
    if (!begin_cleanup(&session, &error)) {
        tell_error(&error);
    } else if (session_is_test(&session)) {
        status = session_take_back_test(&session, false);
    } else {
        status = take_back(&session, &cleaning);
    }
    session_close(&session);
    return status;
}

/* --- rollback --- */

static bool may_roll_back(const struct session *session, struct error *error)
{
    const struct run_info *run = &session->run;
    if (run->status == RUN_COMMITTED) {
        error_set(error, "run %s is committed: production is at the recovery site for good",
                  run->id);
        return error_help(error, "failback, which brings it home, comes with a later version");
    }
    if (run->status == RUN_CLEANED && run->verdict) {
        error_set(error, "run %s is a test that is cleaned up: there is nothing to roll back", run->id);
        return error_help(error, "another run is named: drc run rollback RUN; drc run list shows them");
    }
    if (run->alive) {
        error_set(error, "run %s is under way", run->id);
        return error_help(error, "drc run cancel %s ends it; then roll it back", run->id);
    }
    return true;
}

/* Who wanted it stands in the run's own journal. */
static bool note_rollback(struct session *session, struct error *error)
{
    bool keep = session->invocation->given[FLAG_STOP];
    struct decision decision = ask_decision(session, keep ? "rollback --stop" : "rollback", NULL);
    decision_record(session->journal, &decision, NO_NODE, -1);
    return journal_commit(session->journal, error);
}

enum exit_status command_run_rollback(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    struct error error = {0};
    const struct take_back way = {
        .doing = "rollback",
        .done = "rolled back",
        .ends = RUN_ROLLED_BACK,
        .undo = true,
        .keep = invocation->given[FLAG_STOP],
    };
    enum exit_status status = EXIT_ERROR;
    if (lookup_run(&session, LOOKUP_NEWEST, &error) && may_roll_back(&session, &error) &&
        lookup_take(&session, &error) && note_rollback(&session, &error)) {
        status = take_back(&session, &way);
    } else {
        tell_error(&error);
    }
    session_close(&session);
    return status;
}
