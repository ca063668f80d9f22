/* Progress state: what is known of a run from its events: for each VM what it is doing. No output,
 * no clock: moments are alive time (milliseconds since the run's start in which drc ran). */
#ifndef DRC_CLI_PROGRESS_STATE_H
#define DRC_CLI_PROGRESS_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"
#include "runtime/engine/executor.h"

enum lane_stage { LANE_WAITING, LANE_ACTIVE, LANE_RECOVERED, LANE_FAILED, LANE_SKIPPED };

struct node_progress {
    enum node_state state;
    int64_t started_ms, ended_ms;
    char *detail; /* last thing seen; NULL */
    int64_t done_bytes, total_bytes; /* of a transfer; total 0: none, or not known */
    int64_t told_ms;                 /* PROGRESS was written in a log; alive time */
};

/* A VM, or (the last one) what belongs to the plan as a whole. */
struct lane {
    const char *name;
    enum lane_stage stage;
    size_t active, done, total; /* nodes */
    int64_t ended_ms;           /* RECOVERED: that the VM is back, or all of it is done */
    bool recovers;              /* its milestone was reached; a cleanup has none */
    int32_t cause;              /* FAILED: the node; SKIPPED: the other VM's node; NO_NODE */
    uint32_t *nodes;            /* in topological order */
};

struct progress_state {
    const struct graph *graph;
    const struct schedule *schedule; /* NULL */
    const char *doing;               /* "failover": the graph's workflow, unless set */
    struct node_progress *nodes;
    uint32_t *lane_nodes;
    struct lane *lanes; /* lane_count: the VMs in the graph's order, then the plan's own */
    size_t lane_count;
    size_t done, failed, skipped; /* nodes */
    bool ended;
    int64_t alive_ms, at_ms; /* alive time at that moment of the monotonic clock */
};

struct progress_state *progress_state_create(const struct graph *graph,
                                             const struct schedule *schedule);
void progress_state_destroy(struct progress_state *state);

/* Takes an event at `now_ms` of the monotonic clock. */
void progress_state_take(struct progress_state *state, const struct executor_event *event,
                         int64_t now_ms);
/* Takes over what an executor knows already: after a resume. */
void progress_state_sync(struct progress_state *state, const struct executor *executor);

/* Alive time at `now_ms`. It stands still before the run has begun and after its end. */
int64_t progress_state_alive(const struct progress_state *state, int64_t now_ms);

/* For a run that is looked at late: what its alive time is at `now_ms`. */
void progress_state_set_alive(struct progress_state *state, int64_t alive_ms, int64_t now_ms);

/* What a lane is doing, for a person. Texts are borrowed from the state. */
struct activity {
    const char *phase;          /* "ready?"; "" when there is nothing to say */
    int64_t since_ms;           /* of the phase; -1: none */
    int32_t node;               /* the node that it is about; NO_NODE */
    const char *detail;         /* NULL */
    int64_t done_bytes, total_bytes; /* of all transfers that go on; total 0: none */
    int transfers;
    int64_t deadline_ms;        /* of a check that is being tried; -1 */
    const char *waits_for_vm;   /* WAITING: NULL, or another VM … */
    const char *waits_for_pool; /* … or a pool; both NULL: its turn */
};
struct activity progress_state_activity(const struct progress_state *state,
                                        const struct lane *lane);

/* "starting" for start-instance and the wait after it, and so on. */
const char *progress_phase(const struct graph *graph, const struct graph_node *node);

#endif
