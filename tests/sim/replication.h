/* Replication: a seed's bad day for replicate: three recovery points, one after the other, copied whole and
 * then as changes, killed, interrupted and refused as the scenario says; watched by copies.h. */
#ifndef DRC_TESTS_SIM_REPLICATION_H
#define DRC_TESTS_SIM_REPLICATION_H

#include "compiler/plan/plan.h"

struct trial;

enum { REPLICATION_EACH = 10 }; /* seeds: each block is hashed by drc, the cloud and the witness */

/* `directory` has to be empty. Complains to the trial, and adds to its counts. */
void replication_run(struct trial *trial, const struct plan *plan, const char *directory);

#endif
