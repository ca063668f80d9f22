/* Apply: what a run goes through from its first request on; resume enters here when a run was
 * stopped before it had a graph. */
#ifndef DRC_CLI_APPLY_H
#define DRC_CLI_APPLY_H

#include "runtime/cli/command.h"

struct error;
struct session;

/* Providers, identity, where production is, facts, graph, preflight, approval, execution. The
 * session has its plan, options, run, lease, journal and world. */
enum exit_status apply_prepared(struct session *session);

/* resume.c: goes on with the run of the session, which has its state, run and options, and nothing open. */
enum exit_status resume_session(struct session *session);

/* The same after lookup_take: its lease is held. */
enum exit_status resume_taken(struct session *session);

/* scheduled.c, of --scheduled: whether a new run is to be begun; the session has plan, state and world.
 * False: *status says how the command ends: a run is under way, one was gone on with, or there is
 * nothing to do, each told. The session may be empty then. */
bool scheduled_go(struct session *session, enum exit_status *status);
/* After a run could not be begun: whether that is for another runner's, which began in the same moment;
 * told, and the error is cleared. False without --scheduled. */
bool scheduled_is_done(struct session *session, struct error *error);

#endif
