/* Cleanup and rollback: the graphs that take back what a run did. Cleanup deletes what it made,
 * dependents first: instances terminated and awaited, then volumes that did not go with them, images
 * deregistered, snapshots that have not become DR copies deleted, holds on DR copies released. Rollback
 * undoes every action by action.def's undo, in the reverse of the run's order.
 * Carried out by the executor like any graph, with a journal of their own (cleanup-N.db beside the
 * run's). Doing it twice is doing it once. */
#ifndef DRC_UNDO_CLEANUP_H
#define DRC_UNDO_CLEANUP_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler/base/error.h"
#include "compiler/graph/graph.h"
#include "runtime/state/run.h"

struct arena;
struct history;
struct journal;

enum cleanup_kind {
    CLEANUP_INSTANCE,
    CLEANUP_VOLUME,
    CLEANUP_IMAGE,
    CLEANUP_SNAPSHOT, /* one that has not become a DR copy */
    CLEANUP_HOLD,     /* the run's hold on a DR copy: id is the snapshot's */
    CLEANUP_KINDS
};

struct cleanup_thing {
    enum cleanup_kind kind;
    const char *id;
    const char *vm;          /* NULL: of the plan */
    const char *attached_to; /* volumes: an instance that is deleted too; NULL */
    bool with_instance;      /* it goes with that instance: nothing to do for it */
    bool committed;          /* carries the tag of what is production for good */
    bool foreign;            /* there, without the plan's tag: not drc's; counts as gone */
    bool gone;               /* found by tag to be deleted already: leaves the ledger */
};

/* What the journals of the run (its own and those of earlier cleanups) know to exist: made, not
 * deleted since. Appends to an array in the arena. */
bool cleanup_ledger(struct arena *arena, const struct run_info *run, struct cleanup_thing **things,
                    size_t *count, struct error *error);

/* The union of both lists by id: what was found by tag beside what the ledger knows. With `seen_all`
 * (a complete listing of the cloud) what only the ledger knows counts as gone. */
void cleanup_merge(struct arena *arena, struct cleanup_thing **things, size_t *count,
                   const struct cleanup_thing *found, size_t found_count, bool seen_all);

/* The graph over the things that are not gone; node_count 0 when nothing is left. `model` is the
 * run's graph: plan, digests, VMs. */
struct graph *cleanup_graph(struct arena *arena, const struct graph *model,
                            const struct cleanup_thing *things, size_t count,
                            struct error *error);

/* The graph that undoes what the run's history says is done: what is last goes first, over VMs too.
 * Changes to what is deleted anyway need no undoing of their own. With `keep` nothing is deleted:
 * instances are only stopped, and what is attached stays so. */
struct graph *rollback_graph(struct arena *arena, const struct history *history,
                             const struct cleanup_thing *things, size_t count, bool keep,
                             struct error *error);

/* Makes the journal of the next cleanup (cleanup-N.db), with the graph in it. A cleanup that was
 * interrupted is not resumed but made anew from what is left: deleting twice does no harm. */
struct journal *cleanup_create_journal(const struct run_info *run, struct world *world,
                                       const struct graph *graph, struct error *error);

#endif
