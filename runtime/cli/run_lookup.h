/* Run look-up: from --state and RUN to a run that is there already, and to a session on it. */
#ifndef DRC_CLI_RUN_LOOKUP_H
#define DRC_CLI_RUN_LOOKUP_H

#include "runtime/cli/command.h"
#include "runtime/cli/session.h"

/* The state directory without a plan at hand: --state, DRC_STATE_DIR, the user's. */
const char *lookup_state(const struct invocation *invocation, struct error *error);

/* The same with a plan: its own `state` comes before the environment's. */
const char *lookup_state_of_plan(const struct invocation *invocation, const struct plan *plan,
                                 struct error *error);

/* Whose S3 is asked for states, repositories and published plans: --region and --profile, else what the plan
 * (or the run) has; NULL: nothing. Before the site's world is opened. */
void lookup_set_account(const struct invocation *invocation, const char *region, const char *profile,
                        struct site *site);

/* Opens the world that a state is looked at through, without a session: this machine's, and of a state in
 * S3 the sandbox's S3 when there is a sandbox (NULL: none). `url` as shared_name has it. */
bool lookup_open_state_site(const char *url, const char *sandbox, struct site *site,
                            struct error *error);

/* A run's status for people: one whose process is gone in the middle is "killed". */
const char *lookup_status_word(const struct run_info *run);

/* Which run is meant when no RUN is given. */
enum lookup_default {
    LOOKUP_NEWEST,
    LOOKUP_NEWEST_UNFINISHED, /* the newest one, when all are finished */
};

/* Fills state, run and options of RUN (from its journal), without taking its lease. */
bool lookup_run(struct session *session, enum lookup_default otherwise, struct error *error);

/* For one who only looks on: a world with the run's own clock, if its sandbox is still there. */
bool lookup_open_clock(struct session *session, struct error *error);

/* [RUN] NAME…: the first argument is a RUN when it is no name of a VM or action of the run that is
 * meant without one, and a run begins with it. Fills state, run, options, names (in the arena) and,
 * as its journal has it, the report. */
struct report;
bool lookup_run_and_names(struct session *session, const char *const **names, size_t *count,
                          struct report **report, struct error *error);

/* World, lease and journal for going on with it. Refused when it was open at the look-up and has come
 * to its end meanwhile: what was to be decided is decided. */
bool lookup_take(struct session *session, struct error *error);
/* The same where the world is open already. */
bool lookup_take_open(struct session *session, struct error *error);

/* A run goes on with the plan that it was begun with. Whoever has changed the file meanwhile, maybe
 * because the run failed, is told on stderr. */
void lookup_tell_changed_plan(const struct session *session);

#endif
