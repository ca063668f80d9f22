/* A trial as its own files see it. */
#ifndef DRC_TESTS_SIM_TRIAL_STATE_H
#define DRC_TESTS_SIM_TRIAL_STATE_H

#include "tests/sim/scenario.h"
#include "tests/sim/tariff.h"
#include "tests/sim/trial.h"
#include "tests/sim/witness.h"

struct sha256;

enum { SETTLED_MS = 20000 }; /* what is not seen yet by eventual consistency is seen then */

struct trial {
    struct scenario scenario;
    const char *plan_name;
    struct arena *arena;
    struct rehearsal *rehearsal;
    struct witness *witness; /* of the graph that is carried out; NULL while preparing */
    struct witness watching;
    struct tariff tariff;
    struct sha256 *hash;
    struct trial_counts *counts;
    struct trial_result *result;
    bool tell;
    bool cleaning;
    int64_t end_ms;
};

void trial_complain(struct trial *trial, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
