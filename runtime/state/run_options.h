/* Run options: what a run was started with, kept in its journal (blob "options"), so that a resume
 * needs no flag again. */
#ifndef DRC_STATE_RUN_OPTIONS_H
#define DRC_STATE_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/plan/plan.h"

struct arena;
struct buffer;
struct journal;

/* Lies in an arena; what is not given is NULL. Paths are absolute. */
struct run_options {
    const char *plan_path, *plan_digest, *plan_name, *owner;
    enum workflow workflow;
    const char *sandbox, *recovery_point, *limits; /* --sandbox DIR, --recovery-point, --limits */
    const char *only; /* the VMs that were chosen, "db,app"; NULL: all */
    const char *region, *account, *profile, *role_arn;
    int64_t bandwidth, mover_memory; /* --bandwidth (bytes a second), --mover-memory (bytes); 0: as usual */
    int64_t rto_ms, rpo_ms;  /* objectives; 0: none */
    bool approved;           /* --yes, or a reviewed graph: a resume does not ask again */
    int64_t disaster_utc_ms; /* loss is counted from here; 0: from the run's start */
    int64_t auto_cleanup_ms; /* --auto-cleanup, of a test; 0: a person has to approve */
    bool data_loss_accepted; /* --accept-data-loss: also more than objectives.rpo */
    struct variable *variables;
    size_t variable_count;
};

/* The text of the blob "options". */
void run_options_write(const struct run_options *options, struct buffer *out);
/* Defaults when there is no such blob. */
bool run_options_read(struct arena *arena, struct journal *journal, struct run_options *options,
                      struct error *error);

#endif
