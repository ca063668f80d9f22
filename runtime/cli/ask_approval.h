/* Ask for approval: who carries a run out on a terminal is asked there for the steps that wait for
 * approval; an answer from elsewhere (drc run approve) counts as well and ends the question. */
#ifndef DRC_CLI_ASK_APPROVAL_H
#define DRC_CLI_ASK_APPROVAL_H

#include "runtime/engine/executor.h"

struct ask_approval;
struct progress;
struct world;

/* Everything has to outlive it. NULL when there is no terminal to ask on: then nobody is asked. */
struct ask_approval *ask_approval_create(struct world *world, struct progress *progress,
                                         const char *run_id);
/* The executor comes later than its observer. */
void ask_approval_attach(struct ask_approval *ask, struct executor *executor);
/* Events of the executor, in their order. NULL is allowed. */
void ask_approval_observe(struct ask_approval *ask, const struct executor_event *event);
/* Takes a question back that is not answered. NULL is allowed. */
void ask_approval_destroy(struct ask_approval *ask);

#endif
