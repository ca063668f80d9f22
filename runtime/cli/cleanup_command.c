/* drc run cleanup: deletes what a run made, by its ledger and by its tags. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/cli/carry_out.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"
#include "runtime/engine/cleanup.h"
#include "runtime/engine/journal.h"

static bool is_gone(const struct aws_resource *resource)
{
    return resource->state && (strcmp(resource->state, "terminated") == 0 ||
                               strcmp(resource->state, "shutting-down") == 0 ||
                               strcmp(resource->state, "deleting") == 0 ||
                               strcmp(resource->state, "deregistered") == 0);
}

/* What carries the run's tags, as the ledger's things. Snapshots are DR copies: never deleted. */
static struct cleanup_thing *found_by_tag(struct session *session, size_t *count,
                                          struct error *error)
{
    static const enum cleanup_kind kinds[] = {
        [AWS_INSTANCE] = CLEANUP_INSTANCE,
        [AWS_VOLUME] = CLEANUP_VOLUME,
        [AWS_IMAGE] = CLEANUP_IMAGE,
    };
    struct arena *arena = session->invocation->arena;
    struct aws_resource *resources = NULL;
    size_t resource_count = 0;
    *count = 0;
    if (!aws_list_resources(session->site.aws, arena, session->run.plan, session->run.id,
                            &resources, &resource_count, error)) {
        return NULL;
    }
    struct cleanup_thing *things = ARENA_ARRAY(arena, struct cleanup_thing, resource_count + 1);
    for (size_t i = 0; i < resource_count; i++) {
        const struct aws_resource *resource = &resources[i];
        if (resource->kind != AWS_SNAPSHOT) {
            things[(*count)++] = (struct cleanup_thing){
                .kind = kinds[resource->kind],
                .id = resource->id,
                .vm = resource->vm,
                .attached_to = resource->attached_to,
                .gone = is_gone(resource),
            };
        }
    }
    return things;
}

static bool collect(struct session *session, struct cleanup_thing **things, size_t *count,
                    struct error *error)
{
    struct arena *arena = session->invocation->arena;
    size_t found_count = 0;
    struct cleanup_thing *found = found_by_tag(session, &found_count, error);
    if (!found || !cleanup_ledger(arena, &session->run, things, count, error)) {
        return false;
    }
    cleanup_merge(arena, things, count, found, found_count, false);
    return true;
}

static bool approved(const struct session *session, const struct cleanup_thing *things,
                     size_t count)
{
    static const char *const words[] = {"instance", "volume", "image"};
    fprintf(stderr, "%s · run %s · cleanup deletes\n", session->run.plan, session->run.id);
    for (size_t i = 0; i < count; i++) {
        if (!things[i].gone) {
            fprintf(stderr, "  %-9s %-22s %s\n", words[things[i].kind], things[i].id,
                    things[i].vm ? things[i].vm : "");
        }
    }
    if (session->invocation->given[FLAG_YES]) {
        return true;
    }
    return isatty(STDIN_FILENO) && ask_yes();
}

static enum exit_status finish(struct session *session, struct error *error)
{
    bool ok = run_set_status(session->journal, session->site.world, RUN_CLEANED, error) &&
              session_note_cleaned(session, error);
    if (!ok) {
        return tell_error(error);
    }
    printf("run %s is cleaned up: nothing of it is left\n", session->run.id);
    return EXIT_DONE;
}

/* Another journal takes the ledger of the deletions, so that the run's own stays what it was. */
static enum exit_status delete_all(struct session *session, struct graph *graph)
{
    struct error error = {0};
    struct journal *journal =
        cleanup_create_journal(&session->run, session->site.world, graph, &error);
    if (!journal) {
        return tell_error(&error);
    }
    struct carriage carriage = {
        .invocation = session->invocation,
        .site = &session->site,
        .journal = journal,
        .graph = graph,
        .schedule = estimate(session->invocation->arena, graph, NULL, true),
        .run_id = session->run.id,
    };
    enum executor_result result = carry_out(&carriage, &error);
    journal_close(journal);
    switch (result) {
    case EXECUTOR_SUCCEEDED:
        return finish(session, &error);
    case EXECUTOR_INTERRUPTED:
        fprintf(stderr, "stopped; drc run cleanup %s goes on\n", session->run.id);
        return EXIT_RESUMABLE;
    case EXECUTOR_FAILED:
        error_set(&error, "not everything of run %s could be deleted", session->run.id);
        error_help(&error, "drc run cleanup %s tries again", session->run.id);
        return tell_error(&error);
    case EXECUTOR_BROKEN:
        break;
    }
    return tell_error(&error);
}

static enum exit_status cleanup(struct session *session)
{
    struct error error = {0};
    struct cleanup_thing *things = NULL;
    size_t count = 0;
    if (!lookup_take(session, &error) ||
        !site_open_providers(&session->site, &session->options, &error) ||
        !aws_identify(session->site.aws, session->invocation->arena, &session->identity, &error) ||
        !collect(session, &things, &count, &error)) {
        return tell_error(&error);
    }
    bool has_graph = session_load_graph(session, &error);
    if (!has_graph && error.message) {
        return tell_error(&error);
    }
    if (!has_graph) {
        return finish(session, &error); /* stopped before it had changed anything */
    }
    struct graph *graph =
        cleanup_graph(session->invocation->arena, session->graph, things, count, &error);
    if (!graph) {
        return tell_error(&error);
    }
    if (graph->node_count == 0) {
        return finish(session, &error);
    }
    if (!approved(session, things, count)) {
        error_set(&error, "not approved: nothing was deleted");
        error_help(&error, "answer yes on a terminal, or give --yes");
        return tell_error(&error);
    }
    return delete_all(session, graph);
}

enum exit_status command_run_cleanup(const struct invocation *invocation)
{
    struct session session = {.invocation = invocation};
    struct error error = {0};
    if (!lookup_run(&session, &error)) {
        return tell_error(&error);
    }
    enum exit_status status = cleanup(&session);
    session_close(&session);
    return status;
}
