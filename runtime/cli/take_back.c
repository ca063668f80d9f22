#include "runtime/cli/take_back.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/map.h"
#include "runtime/cli/carry_out.h"
#include "runtime/cli/output.h"
#include "runtime/cli/run_lookup.h"
#include "runtime/report/report.h"
#include "runtime/site/leftovers.h"
#include "runtime/site/ownership.h"
#include "runtime/state/journal.h"
#include "runtime/state/production.h"
#include "runtime/undo/cleanup.h"
#include "runtime/world/world.h"

/* What is production for good is left out. False when the run is committed as a whole. */
static bool leave_committed(struct session *session, struct cleanup_thing *things, size_t *count,
                            struct error *error)
{
    struct arena *arena = session->invocation->arena;
    struct production *production =
        production_read(arena, session->state, session->run.plan, error);
    size_t kept = 0, there = 0, committed = 0;
    for (size_t i = 0; production && i < *count; i++) {
        struct production_vm vm = {.place = PRODUCTION_PRIMARY};
        if (things[i].vm) {
            vm = production_of(production, things[i].vm);
        }
        bool ours = vm.run && strcmp(vm.run, session->run.id) == 0;
        bool for_good = things[i].committed || (vm.committed && ours);
        committed += for_good && !things[i].gone;
        there += !for_good && !things[i].gone;
        if (!for_good) {
            things[kept++] = things[i];
        }
    }
    *count = kept;
    if (production && committed && !there) {
        error_set(error, "run %s is committed: what it made is production for good",
                  session->run.id);
        error_help(error, "failback, which brings production home, comes with a later version");
        return false;
    }
    return production != NULL;
}

/* What a journal names and nobody has tagged. */
static void tell_foreign(const struct session *session, const struct cleanup_thing *things,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (things[i].foreign) {
            tell_warning(arena_printf(session->invocation->arena,
                                      "%s is in the journal of run %s, and does not carry the tag "
                                      "drc:plan=%s: left alone",
                                      things[i].id, session->run.id, session->run.plan));
        }
    }
}

static bool collect(struct session *session, struct cleanup_thing **things, size_t *count,
                    struct error *error)
{
    if (!leftovers_of_run(session->invocation->arena, session->site.aws, &session->run, things,
                          count, error)) {
        return false;
    }
    tell_foreign(session, *things, *count);
    return leave_committed(session, *things, count, error);
}

/* Holds are told apart: nothing is deleted with them. */
static const char *const kind_words[CLEANUP_HOLD] = {"instance", "volume", "image", "snapshot"};

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
static struct place *places_of(const struct session *session, bool instances_only,
                               const struct cleanup_thing *things, size_t *count)
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
        if (!things[i].gone && things[i].kind != CLEANUP_HOLD &&
            (!instances_only || things[i].kind == CLEANUP_INSTANCE)) {
            places[kept++] = (struct place){.thing = &things[i], .vm = rank};
        }
    }
    qsort(places, kept, sizeof *places, compare_places);
    *count = kept;
    return places;
}

/* With `keep` the volumes stay, and what they were made from. */
static void tell_holds(const struct take_back *way, const struct cleanup_thing *things, size_t count)
{
    size_t held = 0;
    for (size_t i = 0; i < count; i++) {
        held += !things[i].gone && things[i].kind == CLEANUP_HOLD;
    }
    if (held > 0 && !way->keep) {
        fprintf(stderr, "  %zu DR cop%s: no longer held, and pruned in their turn\n", held,
                held == 1 ? "y" : "ies");
    }
}

/* "shop · run 7k2f · cleanup deletes 3 instances, 8 volumes", and each of them. With `keep` instances
 * only are told: they are stopped. */
static void list_things(const struct session *session, const struct take_back *way,
                        const struct cleanup_thing *things, size_t count)
{
    size_t all = count;
    const struct place *places = places_of(session, way->keep, things, &count);
    size_t counts[sizeof kind_words / sizeof *kind_words] = {0};
    int width = 0;
    for (size_t i = 0; i < count; i++) {
        const char *vm = places[i].thing->vm;
        counts[places[i].thing->kind]++;
        width = vm && (int)strlen(vm) > width ? (int)strlen(vm) : width;
    }
    fprintf(stderr, "%s · run %s · %s %s", session->run.plan, session->run.id,
            way->doing, way->keep ? "stops" : "deletes");
    const char *comma = " ";
    for (size_t kind = 0; kind < sizeof kind_words / sizeof *kind_words; kind++) {
        if (counts[kind]) {
            fprintf(stderr, "%s%zu %s%s", comma, counts[kind], kind_words[kind],
                    counts[kind] == 1 ? "" : "s");
            comma = ", ";
        }
    }
    fputs(count == 0 ? " nothing\n" : "\n", stderr);
    for (size_t i = 0; i < count; i++) {
        const struct cleanup_thing *thing = places[i].thing;
        bool again = i > 0 && places[i].vm == places[i - 1].vm;
        fprintf(stderr, "  %-*s  %-8s  %s\n", width, again || !thing->vm ? "" : thing->vm,
                kind_words[thing->kind], thing->id);
    }
    tell_holds(way, things, all);
}

/* After a failover that succeeded what it made is no left-over. */
static bool warn_of_production(const struct session *session, struct error *error)
{
    struct arena *arena = session->invocation->arena;
    const struct production *production =
        production_read(arena, session->state, session->run.plan, error);
    const char *names = NULL;
    for (size_t i = 0; production && i < session->graph->vm_count; i++) {
        const char *name = session->graph->vms[i].name;
        struct production_vm vm = production_of(production, name);
        if (vm.place == PRODUCTION_RECOVERY && vm.run && !strcmp(vm.run, session->run.id)) {
            names = names ? arena_printf(arena, "%s, %s", names, name) : name;
        }
    }
    if (names) {
        fprintf(stderr, "warning: production runs at the recovery site, and ends there with this: %s\n",
                names);
    }
    return production != NULL;
}

static bool approved(const struct session *session, const struct take_back *way,
                     const struct cleanup_thing *things, size_t count, struct error *error)
{
    list_things(session, way, things, count);
    if (!warn_of_production(session, error)) {
        return false;
    }
    if (way->agreed || session->invocation->given[FLAG_YES] || (isatty(STDIN_FILENO) && ask_yes())) {
        return true;
    }
    error_set(error, "not approved: nothing was %s", way->keep ? "stopped" : "deleted");
    return error_help(error, "answer yes on a terminal, or give --yes");
}

/* The status last: a process killed before it leaves a run that can be taken back again. */
static enum exit_status finish(struct session *session, const struct take_back *way,
                               struct error *error)
{
    bool committed = session->run.status == RUN_COMMITTED;
    if (session->journal && !committed &&
        (!session_note_cleaned(session, error) ||
         !run_set_status(session->journal, session->site.world, way->ends, error))) {
        return tell_error(error);
    }
    const char *events = session->invocation->values[FLAG_EVENTS];
    bool beside = way->agreed || (events && strcmp(events, "-") == 0); /* of another result */
    FILE *out = beside ? stderr : stdout;
    const char *id = session->run.id;
    if (committed) {
        fprintf(out, "run %s stays committed; what was left over of it is deleted\n", id);
    } else if (way->keep) {
        fprintf(out,
                "run %s is %s: its instances are stopped and kept, with their volumes\n"
                "drc run cleanup %s deletes them\n",
                id, way->done, id);
    } else {
        fprintf(out, "run %s is %s: nothing of it is left\n", id, way->done);
    }
    return EXIT_DONE;
}

/* --- whether nothing is left --- */

/* What is deleted may be seen for some time, and what a lost answer hid may come into sight late. */
enum { LOOKS = 12, LOOK_AGAIN_MS = 5000, ROUNDS = 3 };

static size_t count_left(const struct cleanup_thing *things, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        left += !things[i].gone;
    }
    return left;
}

/* False: it cannot be seen. */
static bool look_again(struct session *session, struct cleanup_thing **things, size_t *count,
                       struct error *error)
{
    for (int i = 0; i < LOOKS; i++) {
        if (i > 0) {
            world_pause(session->site.world, LOOK_AGAIN_MS);
        }
        if (!leftovers_of_run(session->invocation->arena, session->site.aws, &session->run, things,
                              count, error)) {
            return false;
        }
        if (count_left(*things, *count) == 0) {
            break;
        }
    }
    return true;
}

static bool tell_left(const struct session *session, const struct take_back *way,
                      const struct cleanup_thing *things, size_t count, struct error *error)
{
    struct buffer ids = {0};
    for (size_t i = 0; i < count; i++) {
        if (!things[i].gone) {
            buffer_printf(&ids, "%s%s", ids.length ? ", " : "", things[i].id);
        }
    }
    error_set(error, "run %s: still there after it was deleted: %s", session->run.id,
              buffer_text(&ids));
    buffer_free(&ids);
    return error_help(error, "drc run %s %s tries again; drc run orphans lists what carries the plan's "
                             "tags", way->doing, session->run.id);
}

static struct graph *make_graph(struct session *session, const struct take_back *way,
                                const struct cleanup_thing *things, size_t count,
                                struct error *error);
static enum exit_status do_all(struct session *session, const struct take_back *way,
                               struct graph *graph, int round);

static enum exit_status verify(struct session *session, const struct take_back *way, int round)
{
    struct error error = {0};
    struct cleanup_thing *things = NULL;
    size_t count = 0;
    if (!session_open_providers(session, &error) ||
        !look_again(session, &things, &count, &error)) {
        return tell_error(&error);
    }
    if (count_left(things, count) == 0) {
        return finish(session, way, &error);
    }
    if (round >= ROUNDS) {
        tell_left(session, way, things, count, &error);
        return tell_error(&error);
    }
    struct graph *graph = make_graph(session, way, things, count, &error);
    return graph ? do_all(session, way, graph, round + 1) : tell_error(&error);
}

/* Another journal takes the ledger of the deletions, so that the run's own stays what it was. */
static enum exit_status do_all(struct session *session, const struct take_back *way,
                               struct graph *graph, int round)
{
    struct error error = {0};
    struct journal *journal =
        cleanup_create_journal(&session->run, session->site.world, graph, &error);
    if (!journal || !session_publish(session, journal, &error)) {
        journal_close(journal);
        return tell_error(&error);
    }
    struct carriage carriage = {
        .invocation = session->invocation,
        .site = &session->site,
        .journal = journal,
        .graph = graph,
        .schedule = estimate(session->invocation->arena, graph, NULL, true),
        .facts = session->facts,
        .run_id = session->run.id,
        .folder = session->run.directory,
        .lease = session->lease,
        .doing = way->doing,
    };
    enum executor_result result = carry_out(&carriage, &error);
    journal_close(journal);
    switch (result) {
    case EXECUTOR_SUCCEEDED:
        return way->verify ? verify(session, way, round) : finish(session, way, &error);
    case EXECUTOR_INTERRUPTED:
    case EXECUTOR_WAITING: /* nothing in such a graph does */
        fprintf(stderr, "stopped; drc run %s %s goes on\n", way->doing, session->run.id);
        return EXIT_RESUMABLE;
    case EXECUTOR_FAILED:
    case EXECUTOR_CANCELLED:
        error_set(&error, "not everything of run %s could be %s", session->run.id,
                  way->keep ? "stopped" : "deleted");
        error_help(&error, "drc run %s %s tries again", way->doing, session->run.id);
        return tell_error(&error);
    case EXECUTOR_BROKEN:
    case EXECUTOR_LOST:
    case EXECUTOR_DAMAGED:
        break;
    }
    return tell_error(&error);
}

/* Rollback needs what the run did, in its order; deleting needs but what is there. */
static struct graph *make_graph(struct session *session, const struct take_back *way,
                                const struct cleanup_thing *things, size_t count,
                                struct error *error)
{
    struct arena *arena = session->invocation->arena;
    if (!way->undo) {
        return cleanup_graph(arena, session->graph, things, count, error);
    }
    struct report_known known = {session->graph, session->facts, session->schedule};
    struct report *report = report_load(arena, session->journal, &known, error);
    return report ? rollback_graph(arena, report->history, things, count, way->keep, error) : NULL;
}

enum exit_status take_back(struct session *session, const struct take_back *way)
{
    struct error error = {0};
    struct cleanup_thing *things = NULL;
    size_t count = 0;
    if (!session_open_providers(session, &error) ||
        !aws_identify(session->site.aws, session->invocation->arena, &session->identity, &error) ||
        !collect(session, &things, &count, &error)) {
        return tell_error(&error);
    }
    bool has_graph = session->graph || session_load_graph(session, &error);
    if (!has_graph && error.message) {
        return tell_error(&error);
    }
    if (!has_graph) {
        return finish(session, way, &error); /* stopped before it had changed anything */
    }
    struct graph *graph = make_graph(session, way, things, count, &error);
    if (!graph || (way->undo && !ownership_check(session->invocation->arena, session->site.aws, graph,
                                                 NULL, &error))) {
        return tell_error(&error);
    }
    bool nothing = graph->node_count == 0;
    if ((!nothing && !approved(session, way, things, count, &error)) ||
        (way->begin && !way->begin(session, &error))) {
        return tell_error(&error);
    }
    return nothing ? finish(session, way, &error) : do_all(session, way, graph, 1);
}
