/* Run look-up: from --state and RUN to a run that is there already, and to a session on it. */
#ifndef DRC_CLI_RUN_LOOKUP_H
#define DRC_CLI_RUN_LOOKUP_H

#include "runtime/cli/command.h"
#include "runtime/cli/session.h"

/* The state directory without a plan at hand: --state, DRC_STATE_DIR, the user's. */
const char *lookup_state(const struct invocation *invocation, struct error *error);

/* Fills state, run and options of RUN (from its journal), without taking its lease. */
bool lookup_run(struct session *session, struct error *error);

/* World, lease and journal for going on with it. */
bool lookup_take(struct session *session, struct error *error);

#endif
