/* Actual path: what a run's end really hung on, from when its nodes started and ended: backwards from
 * the last milestone, each time to the predecessor that ended last. Where the estimate says what will
 * bind, this says what did; its pieces add up to the whole time without a gap. For the report and
 * for simulations. */
#ifndef DRC_REPORT_ACTUAL_PATH_H
#define DRC_REPORT_ACTUAL_PATH_H

#include <stddef.h>
#include <stdint.h>

#include "compiler/graph/graph.h"
#include "runtime/engine/executor.h"

struct arena;
struct schedule;

/* Why a node on the path did not start when the last of its predecessors had ended. */
enum actual_wait {
    WAITED_FOR_NOTHING,
    WAITED_FOR_POOL,   /* for a place in the pool that it acquires */
    WAITED_FOR_LIMIT,  /* for its turn at a rate limit (its action's bucket or resource) */
    WAITED_FOR_TURN,   /* for the engine, which was about something else */
};

struct actual_link {
    uint32_t node;
    enum actual_wait waited_for;
    int64_t wait_ms; /* before it started */
    int64_t work_ms; /* until it ended, the next one's start apart from its wait */
    int64_t away_ms; /* beside these: the part in which no process worked on the run, and which took
                        it beyond what it was expected to take */
};

/* A time in which no process worked on the run, since the run's start. */
struct actual_outage {
    int64_t from_ms, until_ms;
};

/* Lies in the arena. */
struct actual_path {
    struct actual_link *links; /* in order of time */
    size_t count;
    int64_t total_ms; /* the sum of all of them: when the last one ended */
};

/* What a path is found in. nodes: graph->node_count of them, times on the wall since the run's start,
 * as a report has them. */
struct actual_run {
    const struct graph *graph;
    const struct node_status *nodes;
    const struct schedule *schedule; /* predicted; NULL: the graph's expected durations */
    const struct actual_outage *outages;
    size_t outage_count;
};

/* The milestone that the RTO hangs on: of the critical VMs' recovered ones the last that was
 * reached; where there is none, the node that ended last. NO_NODE: nothing has ended. */
int32_t actual_end(const struct actual_run *run);

/* The path to `end`, a node that has ended (NO_NODE: an empty path). */
struct actual_path *actual_path_find(struct arena *arena, const struct actual_run *run,
                                     int32_t end);

#endif
