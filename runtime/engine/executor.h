/* Executor: carries out a graph. Counters of blockers, ready nodes by slack, intents journalled
 * before requests go out and results before dependants are released; one loop, no threads. */
#ifndef DRC_ENGINE_EXECUTOR_H
#define DRC_ENGINE_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "runtime/state/run.h"
#include "runtime/world/provider.h"
#include "runtime/world/world.h"

struct decision;
struct executor;
struct journal;
struct lease;
struct limits;

enum node_state {
    NODE_BLOCKED,  /* predecessors are not done */
    NODE_READY,    /* waits for a pool, a limit, its turn */
    NODE_RUNNING,  /* request sent, or being polled */
    NODE_RETRYING, /* waits before the next attempt */
    NODE_DONE,
    NODE_FAILED,
    NODE_SKIPPED,  /* something before it failed: see cause */
};
const char *node_state_name(enum node_state state);

/* What is known of a node while and after it runs; owned by the executor. */
struct node_status {
    enum node_state state;
    int64_t started_ms, ended_ms; /* monotonic ms since the run's start, alive time; -1: not yet */
    int attempts, generation, choice;
    const char *detail;   /* last thing seen ("pending", "503 …"), or why it failed; NULL */
    const char *help;     /* NULL */
    const char *code, *service, *request_id;
    int64_t done_bytes, total_bytes; /* of a call that tells its progress; total 0: unknown */
    int32_t cause;        /* SKIPPED: the node that failed; NO_NODE */
    bool unneeded;        /* DONE without having been begun: it was for a failure that did not come */
    const struct decision *waived; /* DONE because a person went on without it; NULL */
};

enum executor_event_type {
    EVENT_RUN_STARTED, EVENT_RUN_RESUMED, EVENT_NODE_STARTED, EVENT_NODE_RETRY, EVENT_NODE_DETAIL,
    EVENT_NODE_DONE, EVENT_NODE_FAILED, EVENT_NODE_SKIPPED, EVENT_VM_FAILED, EVENT_INTERRUPTED,
    EVENT_HEARTBEAT, EVENT_RUN_ENDED,
    EVENT_STATE_WAITS, /* the shared state does not take a commit (text: why); it is asked again */
    EVENT_STATE_LOST,  /* the run goes no further in this process (text: why) */
    EVENT_DECISION,   /* a person has decided something, or tried to */
    EVENT_NODE_PROGRESS, /* a call that takes long tells how far it is */
    EVENT_APPROVAL_NEEDED, /* a node waits for a person */
    EVENT_NODE_AGAIN, /* it had failed or was skipped, and is taken up again */
};
struct executor_event {
    enum executor_event_type type;
    int64_t utc_ms;
    const struct graph_node *node; /* NULL: of the run */
    const struct node_status *status;
    const char *text;
    const struct decision *decision; /* EVENT_DECISION; NULL */
};
typedef void (*executor_observer)(void *context, const struct executor_event *event);

enum executor_result {
    EXECUTOR_SUCCEEDED,
    EXECUTOR_FAILED,
    EXECUTOR_INTERRUPTED,
    EXECUTOR_BROKEN,  /* the journal cannot be written */
    EXECUTOR_LOST,    /* another process has the run now: it is that one's to go on with */
    EXECUTOR_DAMAGED, /* the journal cannot be read back: nothing was sent */
    EXECUTOR_CANCELLED, /* by a person: not to be resumed */
    EXECUTOR_WAITING,   /* no_wait: only approvals are missing; to be resumed */
};

/* What a run is whose executor ended like that. */
enum run_status run_status_after(enum executor_result result);

struct executor_options {
    struct world *world;
    const struct graph *graph;
    const struct schedule *schedule; /* for slack */
    const struct facts *facts;       /* for bindings; may be NULL */
    struct journal *journal;         /* with the graph in it; may hold records: then it resumes */
    struct limits *limits;
    struct provider *providers[PROVIDER_COUNT]; /* ENGINE's own is built in */
    const char *run_id;
    const char *place;   /* which folder for the run this process has (state/place.h); NULL: not known */
    struct lease *lease; /* the run's, where it may be lost; NULL: it cannot be */
    /* Resuming: the VMs and node ids that are taken up again, with what was skipped because of them;
     * what else failed stays so. None: everything. */
    const char *const *again;
    size_t again_count;
    bool no_wait; /* ends where only approvals are missing */
    executor_observer observer;
    void *observer_context;
    /* What scripts write; NULL: nobody keeps it. `first`: what was told of that node and generation
     * before is not worth keeping; length 0: that was all. */
    void (*output)(void *context, const struct graph_node *node, int generation, bool first,
                   const void *bytes, size_t length);
    void *output_context;
};

struct executor *executor_create(const struct executor_options *options, struct error *error);
/* Runs the loop until the run ends. SIGINT is the caller's: see executor_interrupt. */
enum executor_result executor_run(struct executor *executor, struct error *error);
/* First call: start nothing new, wait for what is under way, persist. Second: stop now. */
void executor_interrupt(struct executor *executor);

/* What people decide while it runs. Each is journalled with who, when and why, also when it cannot
 * be done (then with the reason), and told as EVENT_DECISION once that is durable. False: too late,
 * the run has ended, and nothing was journalled. */
/* decision->target counts as done, and what was skipped because of it is taken up again. */
bool executor_skip(struct executor *executor, const struct decision *decision);
/* As an interrupt, but for good: the result is EXECUTOR_CANCELLED. */
bool executor_cancel(struct executor *executor, const struct decision *decision);
/* The step decision->target (NULL: the only one) that waits for approval goes on. */
bool executor_approve(struct executor *executor, const struct decision *decision);
/* Journals what could not even be understood (decision->refused says why). */
bool executor_refuse(struct executor *executor, const struct decision *decision);
/* The id of a node of its graph. */
const char *executor_node_id(const struct executor *executor, uint32_t node);
const struct node_status *executor_status(const struct executor *executor, uint32_t node);
/* Counters for the report. */
struct executor_counters {
    int64_t requests, throttled, retries, lookups, commits;
    size_t done, failed, skipped, total;
};
struct executor_counters executor_counters(const struct executor *executor);
/* After a second interrupt, or when the run ended as BROKEN, calls may still be under way: destroy
 * their providers first. NULL is allowed. */
void executor_destroy(struct executor *executor);

#endif
