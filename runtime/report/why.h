/* Why: why a node of a run is where it is: what it waits for, and what that waits for, back to what
 * is under way, failed or held. Told from the run's history alone. */
#ifndef DRC_REPORT_WHY_H
#define DRC_REPORT_WHY_H

#include <stddef.h>
#include <stdint.h>

#include "compiler/graph/estimate.h"
#include "compiler/graph/facts.h"
#include "runtime/report/history.h"

struct arena;

enum why_kind {
    WHY_DONE,
    WHY_RUNNING,
    WHY_RETRYING,
    WHY_FAILED,
    WHY_SKIPPED,         /* other: the node that failed; NO_NODE: unknown */
    WHY_WAITS_FOR_NODE,  /* other: the predecessor that is expected last */
    WHY_WAITS_FOR_POOL,  /* every place in it is held */
    WHY_WAITS_FOR_LIMIT, /* nothing but its turn: rate limits, the engine */
    WHY_STOPPED,         /* could start, and no process works on the run */
};
const char *why_name(enum why_kind kind); /* "waits_for_pool" */

struct why_link {
    uint32_t node;
    enum why_kind kind;
    int32_t other;
};

/* Lies in the arena. The first link is about the node that was asked for. */
struct why {
    struct why_link *links;
    size_t count;
};

/* schedule may be NULL. `alive`: a process works on the run. */
struct why why_find(struct arena *arena, const struct history *history,
                    const struct schedule *schedule, uint32_t node, bool alive);

/* The nodes of a VM (NO_VM: of the plan itself) that come next: not done, and all of that VM before
 * them is; what failed among them. In the graph's order, in the arena. */
size_t why_frontier(struct arena *arena, const struct history *history, int32_t vm,
                    uint32_t **nodes);

/* The nodes that hold a place in the pool. */
size_t why_holders(struct arena *arena, const struct history *history, int32_t pool,
                   uint32_t **nodes);

/* An input as far as it is known: outputs of done nodes, bindings and slots filled in; secrets stay
 * references. */
struct value why_value(struct arena *arena, const struct history *history,
                       const struct facts *facts, uint32_t node, const struct value *value);

#endif
