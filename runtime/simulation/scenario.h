/* Scenario: what is to be simulated, from what a user asks for: durations as measured, types that
 * are not to be had, a runner that dies. */
#ifndef DRC_SIMULATION_SCENARIO_H
#define DRC_SIMULATION_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "compiler/plan/plan.h"
#include "runtime/simulation/fault_profile.h"

struct arena;

/* What all rehearsals of a forecast have in common. */
struct scenario {
    const struct plan *plan;
    enum workflow workflow;
    const struct facts *facts; /* never NULL: see rehearsal_options */
    const struct fault_profile *profile;
    const struct rehearsal_fault *faults; /* the profile's, and those of durations and capacity */
    size_t fault_count;
    int64_t outage_ms; /* a process is killed at a random moment, the next begins that much later;
                          negative: never */
};

struct scenario_options {
    const struct plan *plan;
    enum workflow workflow;
    const struct facts *facts; /* NULL: none given; VMs are as usual (sandbox_populate_as) */
    const struct fault_profile *profile;
    const char *const *capacity_missing; /* TYPE, TYPE/ZONE or /ZONE */
    size_t capacity_missing_count;
    int64_t outage_ms;
};

/* Lies in the arena, keeps what the options point to. */
struct scenario *scenario_make(struct arena *arena, const struct scenario_options *options);

/* Whether the graph asks for what is to be missing (TYPE, TYPE/ZONE or /ZONE): a slip of the pen
 * would go unnoticed. Zones are taken as they are. */
bool scenario_check_capacity(const struct graph *graph, const char *missing, struct error *error);

#endif
