/* Trial: one seed: its scenario rehearsed with witnesses, its end held against what the scenario
 * lets expect. */
#ifndef DRC_TESTS_SIM_TRIAL_H
#define DRC_TESTS_SIM_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/buffer.h"
#include "compiler/plan/plan.h"

/* Counted over trials; plain numbers, so that it can be sent and added up. */
struct trial_counts {
    int64_t seeds, violated, succeeded, failed, healed, cleaned, calm, exact;
    int64_t killed, resumed, interrupted, replayed;
    int64_t requests, unreachable, lost_requests, errors_before, lost_answers, errors_after;
    int64_t refused_dials, duplicated, silenced, ghosts, jumps;
    int64_t throttled, internal_errors, no_capacity, no_injection, not_found, addresses;
    int64_t replicated, blocks_sent, blocks_kept;
    int64_t slowest_seed, slowest_us, longest_seed, longest_virtual_ms;
};
void trial_counts_add(struct trial_counts *sum, const struct trial_counts *more);

struct trial_plans {
    const struct plan **plans;
    const char **names;
    size_t count;
    const struct plan *replicate; /* what each so-manieth seed replicates, too (replication.h) */
};

struct trial_result {
    bool violated;
    struct buffer text; /* what was violated; with `tell` also what happened */
    char hash[65];      /* of all requests, answers and journals */
};

/* `directory` has to be empty, and is again afterwards. Adds to `counts`. */
void trial_run(const struct trial_plans *plans, uint64_t seed, const char *directory, bool tell,
               struct trial_counts *counts, struct trial_result *result);

#endif
