/* Verdict: what a run has come to, held against what its day lets expect; each complains of what is
 * not as it has to be. */
#ifndef DRC_TESTS_SIM_VERDICT_H
#define DRC_TESTS_SIM_VERDICT_H

#include <stdbool.h>

struct trial;

/* What failed did so for a fault of the day, what was skipped because of something that failed. */
void verdict_causes(struct trial *trial);
/* The run has succeeded: everything that is critical is done, the rest is over. */
void verdict_success(struct trial *trial);
/* It has failed: something that is critical did. */
void verdict_failure(struct trial *trial);
/* What is in the cloud is in the journal, once; what the journal has made is in the cloud. */
void verdict_ledger(struct trial *trial, bool succeeded);
void verdict_made(struct trial *trial);
/* After the cleanup: nothing of the run is there. */
void verdict_cleaned(struct trial *trial);
/* A VM's fixed address went to another VM of the plan. */
bool verdict_lost_its_address(const struct trial *trial);

#endif
