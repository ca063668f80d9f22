/* Run: one execution of a workflow, kept in the state directory:
 *   STATE/PLAN/runs/RUN/journal.db, cleanup-N.db, report.json …   STATE/PLAN/production.json
 *   STATE/PLAN/leases/site …
 * Listing, finding by prefix, making and opening. */
#ifndef DRC_STATE_RUN_H
#define DRC_STATE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"

struct arena;
struct journal;
struct world;

enum run_status {
    RUN_PREPARING,
    RUN_RUNNING,
    RUN_INTERRUPTED,
    RUN_WAITING,
    RUN_FAILED,
    RUN_SUCCEEDED,
    RUN_CLEANED,
    RUN_CANCELLED,
    RUN_ROLLED_BACK, /* undone: production is at home again */
    RUN_COMMITTED,   /* the recovery site is production for good */
    RUN_CLEANING,    /* a test that has its verdict: what it made is being taken back */
    RUN_STATUS_COUNT,
};
const char *run_status_name(enum run_status status);
/* Nothing is left to resume: succeeded, cleaned, cancelled, rolled back or committed. */
bool run_status_is_final(enum run_status status);
/* What it recovered is not there any more: cleaned up or rolled back. */
bool run_is_undone(enum run_status status);

/* What `drc run list` shows; lies in the arena of the caller. */
struct run_info {
    const char *id;
    const char *plan;
    const char *workflow;
    const char *directory;
    const char *lease; /* that its process holds (lease.h) */
    enum run_status status;
    bool alive; /* a process holds its lease */
    int64_t started_utc_ms, ended_utc_ms; /* ended 0: not yet */
    size_t vm_count, vms_recovered; /* as it is now: none of a run that was undone; of a test as it was */
    const char *verdict; /* of a test: "passed", "failed"; NULL: none yet */
    const char *problem; /* its journal cannot be read, and why; NULL: it can */
};

/* The state directory, by precedence: `option` (--state), the plan's `state` (relative to
 * `plan_directory`), DRC_STATE_DIR, XDG_STATE_HOME/drc, HOME/.local/state/drc. NULL for an argument:
 * not given. Of a shared one (file:///DIR, s3://BUCKET/PREFIX) it is
 * this host's copy (shared.h), to be brought up to date
 * before it is read. NULL when it is of no known kind, or none can be told. */
const char *run_state_directory(struct arena *arena, struct world *world, const char *option,
                                const char *plan_state, const char *plan_directory,
                                struct error *error);

/* Newest first. plan NULL: of all plans. */
bool run_list(struct arena *arena, const char *state, const char *plan, struct run_info **runs,
              size_t *count, struct error *error);
/* By unique prefix; NULL or "": the newest. */
bool run_find(struct arena *arena, const char *state, const char *prefix, struct run_info *run,
              struct error *error);
struct run_blob {
    const char *name;
    const void *bytes;
    size_t length;
};
/* As run_create, with a lease that is not its workflow's (lease_of_test). */
struct journal *run_create_with(struct arena *arena, const char *state, struct world *world,
                                const char *plan, enum workflow workflow, const char *lease,
                                const struct run_blob *blobs, size_t blob_count,
                                struct run_info *run, struct error *error);
/* Makes the record, before the first request, with the blobs that a resume needs from the beginning
 * (options, plan). `id` is generated. Until all of it is there nobody sees the run: a process killed
 * on the way leaves nothing to resume. */
struct journal *run_create(struct arena *arena, const char *state, struct world *world,
                           const char *plan, enum workflow workflow, const struct run_blob *blobs,
                           size_t blob_count, struct run_info *run, struct error *error);
/* Whether a process works on it now. The arena is for scratch. */
bool run_is_alive(struct arena *arena, const char *state, const struct run_info *run);
/* Opens its journal, for writing (the caller holds the run's lease) or for reading. */
struct journal *run_open(const struct run_info *run, struct world *world, bool read_only,
                         struct error *error);
/* As its journal has it now. The arena is for scratch. */
enum run_status run_status_now(struct journal *journal, struct arena *arena);
/* Durable when it returns. A status that ends the run (also failed) sets its end; one
 * that follows (cleaned, rolled back, …) leaves it, as the run took no longer by that. */
bool run_set_status(struct journal *journal, struct world *world, enum run_status status,
                    struct error *error);
/* As run_set_status, durable with the next group. */
void run_note_status(struct journal *journal, struct world *world, enum run_status status);
/* Graph and facts as blobs, from which a resume goes on. */
bool run_store_graph(struct journal *journal, const struct graph *graph, const struct facts *facts,
                     struct error *error);
/* For the list: VMs in the graph and those recovered; durable with the next group. */
void run_set_progress(struct journal *journal, size_t vm_count, size_t vms_recovered);

#endif
