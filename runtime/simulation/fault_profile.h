/* Fault profiles: what kind of day the simulated cloud has. */
#ifndef DRC_SIMULATION_FAULT_PROFILE_H
#define DRC_SIMULATION_FAULT_PROFILE_H

#include <stddef.h>

#include "runtime/simulation/rehearsal.h"

enum { PROFILE_FAULTS_MAX = 8 };

struct fault_profile {
    const char *name, *summary;
    struct rehearsal_fault faults[PROFILE_FAULTS_MAX]; /* ends with a NULL name */
    struct simulated_faults link;
};

/* In order of unpleasantness. */
extern const struct fault_profile fault_profiles[];
extern const size_t fault_profile_count;

/* NULL: there is none of that name. */
const struct fault_profile *fault_profile_by_name(const char *name);

#endif
