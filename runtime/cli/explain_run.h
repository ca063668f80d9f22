/* Explain run: drc run show RUN --explain NODE|VM: from the names to the page. */
#ifndef DRC_CLI_EXPLAIN_RUN_H
#define DRC_CLI_EXPLAIN_RUN_H

#include "runtime/cli/command.h"

enum exit_status explain_run(const struct invocation *invocation);

#endif
