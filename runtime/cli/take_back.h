/* Taking back: what cleanup and rollback share: what is there of a run, by ledger and by tags, is
 * shown, and once that is approved deleted, stopped, undone. */
#ifndef DRC_CLI_TAKE_BACK_H
#define DRC_CLI_TAKE_BACK_H

#include "runtime/cli/session.h"

struct take_back {
    const char *doing, *done; /* "cleanup", "cleaned up" */
    enum run_status ends;     /* what the run is then */
    bool undo;                /* in the reverse of the run's order, and its changes too */
    bool keep;                /* nothing is deleted, instances are stopped */
    bool agreed;              /* nobody is asked any more */
    bool verify;              /* looks by tags whether anything is left */
    /* Once it is approved, before anything is changed; NULL: nothing. */
    bool (*begin)(struct session *session, struct error *error);
};

/* The session has its run, options and world, and its lease; with its journal or (its state being
 * lost) with a graph that names the plan's VMs, and no journal. */
enum exit_status take_back(struct session *session, const struct take_back *way);

#endif
