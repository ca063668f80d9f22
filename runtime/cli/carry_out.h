/* Carrying out: a graph with its journal through the executor, with progress, events and signals;
 * shared by apply, resume and cleanup. */
#ifndef DRC_CLI_CARRY_OUT_H
#define DRC_CLI_CARRY_OUT_H

#include "compiler/base/error.h"
#include "runtime/cli/command.h"
#include "runtime/engine/executor.h"
#include "runtime/state/run.h"

struct site;
struct journal;
struct lease;

struct carriage {
    const struct invocation *invocation; /* --events */
    struct site *site;
    struct journal *journal;
    const struct graph *graph;
    const struct schedule *schedule;
    const struct facts *facts; /* NULL: nothing is bound */
    const char *run_id;
    const char *place;  /* state/place.h; NULL: not known */
    const char *folder; /* of the run, where what scripts write is kept; NULL: nowhere */
    struct lease *lease; /* the run's; NULL: it cannot be lost */
    const char *state; /* where its inbox is; NULL: nobody can ask anything of it */
    const char *const *again; /* retry: what is taken up again; see executor_options */
    size_t again_count;
    const char *doing; /* what is shown: "cleanup"; NULL: the graph's workflow */
};

/* Runs it to its end. The journal's status is the caller's. EXECUTOR_BROKEN fills `error`. */
enum executor_result carry_out(const struct carriage *carriage, struct error *error);

#endif
