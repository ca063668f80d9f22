/* Run: one execution of a workflow, kept in the state directory:
 *   STATE/PLAN/runs/RUN/journal.db, report.json, output/…   STATE/PLAN/production.json
 *   STATE/PLAN/leases/site …
 * Listing, finding by prefix, making and opening. */
#ifndef DRC_ENGINE_RUN_H
#define DRC_ENGINE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/graph.h"

struct arena;
struct journal;
struct world;

enum run_status { RUN_PREPARING, RUN_RUNNING, RUN_INTERRUPTED, RUN_WAITING, RUN_FAILED, RUN_SUCCEEDED, RUN_CLEANED, RUN_CANCELLED };
const char *run_status_name(enum run_status status);

/* What `drc run list` shows; lies in the arena of the caller. */
struct run_info {
    const char *id;
    const char *plan;
    const char *workflow;
    const char *directory;
    enum run_status status;
    bool alive; /* a process holds its lease */
    int64_t started_utc_ms, ended_utc_ms; /* ended 0: not yet */
    size_t vm_count, vms_recovered;
};

/* Newest first. plan NULL: of all plans. */
bool run_list(struct arena *arena, const char *state, const char *plan, struct run_info **runs,
              size_t *count, struct error *error);
/* By unique prefix; NULL or "": the newest. */
bool run_find(struct arena *arena, const char *state, const char *prefix, struct run_info *run,
              struct error *error);
/* Makes the record, before the first request. `id` is generated. */
struct journal *run_create(struct arena *arena, const char *state, struct world *world,
                           const char *plan, enum workflow workflow, struct run_info *run,
                           struct error *error);
bool run_set_status(struct journal *journal, struct world *world, enum run_status status,
                    struct error *error);

#endif
