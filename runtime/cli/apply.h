/* Apply: what a run goes through from its first request on; resume enters here when a run was
 * stopped before it had a graph. */
#ifndef DRC_CLI_APPLY_H
#define DRC_CLI_APPLY_H

#include "runtime/cli/command.h"

struct session;

/* Providers, identity, where production is, facts, graph, preflight, approval, execution. The
 * session has its plan, options, run, lease, journal and world. */
enum exit_status apply_prepared(struct session *session);

#endif
