/* Asking a run: a person's decision brought to a run that another process carries out, through its
 * inbox, and the answer awaited. */
#ifndef DRC_CLI_ASK_RUN_H
#define DRC_CLI_ASK_RUN_H

#include "runtime/cli/session.h"
#include "runtime/engine/decision.h"
#include "runtime/state/inbox.h"

enum ask_answer {
    ASK_DONE,
    ASK_REFUSED,    /* by the run: decision->refused says why (in the arena) */
    ASK_UNANSWERED, /* it lies in the inbox, and the run is busy */
    ASK_NOBODY,     /* no process works on the run (any more): nothing was left behind */
    ASK_FAILED,
};

/* The decision as the invocation says it: --as (or USER), --comment, now. */
struct decision ask_decision(struct session *session, const char *verb, const char *target);

/* Posts it and waits a while. */
enum ask_answer ask_run(struct session *session, enum inbox_verb verb, struct decision *decision,
                        struct error *error);

#endif
