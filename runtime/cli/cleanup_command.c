/* drc run cleanup: deletes what a run made, by its ledger and by its tags. */
#include "runtime/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/map.h"
#include "runtime/cli/carry_out.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/cli/session.h"
#include "runtime/engine/cleanup.h"
#include "runtime/engine/journal.h"
#include "runtime/site/leftovers.h"

static const char *const kind_words[] = {"instance", "volume", "image"};

/* A thing, and where it stands in the list: by VM in the plan's order, instances first. */
struct place {
    const struct cleanup_thing *thing;
    uint32_t vm;
};

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->vm != b->vm) {
        return a->vm < b->vm ? -1 : 1;
    }
    if (a->thing->kind != b->thing->kind) {
        return a->thing->kind < b->thing->kind ? -1 : 1;
    }
    return strcmp(a->thing->id, b->thing->id);
}

/* What is there still, in that order. */
static struct place *places_of(const struct session *session, const struct cleanup_thing *things,
                               size_t *count)
{
    struct arena *arena = session->invocation->arena;
    const struct graph *graph = session->graph;
    struct map ranks = {.arena = arena};
    for (uint32_t i = 0; i < graph->vm_count; i++) {
        map_put(&ranks, graph->vms[i].name, &graph->vms[i]);
    }
    struct place *places = ARENA_ARRAY(arena, struct place, *count + 1);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        const struct graph_vm *vm = things[i].vm ? map_get(&ranks, things[i].vm) : NULL;
        uint32_t rank = vm ? (uint32_t)(vm - graph->vms) : (uint32_t)graph->vm_count;
        if (!things[i].gone) {
            places[kept++] = (struct place){.thing = &things[i], .vm = rank};
        }
    }
    qsort(places, kept, sizeof *places, compare_places);
    *count = kept;
    return places;
}

/* "shop · run 7k2f · cleanup deletes 3 instances, 8 volumes", and each of them. */
static void list_deleted(const struct session *session, const struct cleanup_thing *things,
                         size_t count)
{
    const struct place *places = places_of(session, things, &count);
    size_t counts[sizeof kind_words / sizeof *kind_words] = {0};
    int width = 0;
    for (size_t i = 0; i < count; i++) {
        const char *vm = places[i].thing->vm;
        counts[places[i].thing->kind]++;
        width = vm && (int)strlen(vm) > width ? (int)strlen(vm) : width;
    }
    fprintf(stderr, "%s · run %s · cleanup deletes", session->run.plan, session->run.id);
    const char *comma = " ";
    for (size_t kind = 0; kind < sizeof kind_words / sizeof *kind_words; kind++) {
        if (counts[kind]) {
            fprintf(stderr, "%s%zu %s%s", comma, counts[kind], kind_words[kind],
                    counts[kind] == 1 ? "" : "s");
            comma = ", ";
        }
    }
    fputs("\n", stderr);
    for (size_t i = 0; i < count; i++) {
        const struct cleanup_thing *thing = places[i].thing;
        bool again = i > 0 && places[i].vm == places[i - 1].vm;
        fprintf(stderr, "  %-*s  %-8s  %s\n", width, again || !thing->vm ? "" : thing->vm,
                kind_words[thing->kind], thing->id);
    }
}

static bool approved(const struct session *session, const struct cleanup_thing *things,
                     size_t count)
{
    list_deleted(session, things, count);
    if (session->invocation->given[FLAG_YES]) {
        return true;
    }
    return isatty(STDIN_FILENO) && ask_yes();
}

static enum exit_status finish(struct session *session, struct error *error)
{
    /* The status last: a process killed before it leaves a run that can be cleaned up again. */
    bool ok = session_note_cleaned(session, error) &&
              run_set_status(session->journal, session->site.world, RUN_CLEANED, error);
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
        .doing = "cleanup",
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
    case EXECUTOR_CANCELLED:
        error_set(&error, "not everything of run %s could be deleted", session->run.id);
        error_help(&error, "drc run cleanup %s tries again", session->run.id);
        return tell_error(&error);
    case EXECUTOR_BROKEN:
    case EXECUTOR_LOST:
    case EXECUTOR_DAMAGED:
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
        !session_open_providers(session, &error) ||
        !aws_identify(session->site.aws, session->invocation->arena, &session->identity, &error) ||
        !leftovers_of_run(session->invocation->arena, session->site.aws, &session->run, &things,
                          &count, &error)) {
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
    if (!lookup_run(&session, LOOKUP_NEWEST, &error)) {
        return tell_error(&error);
    }
    enum exit_status status = cleanup(&session);
    session_close(&session);
    return status;
}
