/* Replicate's facts: the recovery points of the repository beside the DR copies that there are: what has
 * to be copied, whole or as a change of what, how much of it, and what is over `keep` then. Read-only. */
#ifndef DRC_SITE_REPLICATE_FACTS_H
#define DRC_SITE_REPLICATE_FACTS_H

#include "compiler/base/error.h"
#include "compiler/graph/facts.h"
#include "compiler/plan/plan.h"
#include "runtime/aws/replication.h"
#include "runtime/mover/repository.h"

struct arena;

/* A snapshot over `keep` that stays, because a run holds it. */
struct replicate_held {
    const char *vm, *snapshot_id, *run;
};

/* A VM whose recovery point cannot be read, and why. */
struct replicate_damaged {
    const char *vm, *what; /* with what to do */
};

/* What people are told beside the facts. Lies in the arena. */
struct replicate_notes {
    struct replicate_held *held;
    size_t held_count;
    struct replicate_damaged *damaged; /* their VMs are not among the facts' */
    size_t damaged_count;
    const char **unread; /* what is wrong with records of what copies hold */
    size_t unread_count;
    const char **gone; /* snapshots that the repository has records of, and that are no copies any more */
    size_t gone_count;
};

struct replicate_wanted {
    int64_t until_utc_ms; /* for each VM the newest recovery point at or before it; INT64_MAX: any */
    bool brief;           /* only which VMs there are and whether they are copied; no map is read */
};

/* The repository is one that is open; `replication` what aws_look_at_replication has found. A VM without
 * a recovery point is not among the facts' VMs. Runs the loop. */
struct facts *replicate_facts(struct repository *repository, struct arena *arena,
                              const struct plan *plan, const struct aws_replication *replication,
                              const struct replicate_wanted *wanted,
                              struct replicate_notes *notes, struct error *error);

/* "dir:PATH" as an absolute one: PATH is relative to the plan's file. Others stay as they are. In the
 * arena. */
const char *replicate_repository_url(struct arena *arena, const struct plan *plan);

#endif
