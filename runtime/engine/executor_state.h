/* What the parts of the executor share: its state, and what each part does for the others. Included
 * by the executor's own files and their tests only. */
#ifndef DRC_ENGINE_EXECUTOR_STATE_H
#define DRC_ENGINE_EXECUTOR_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/heap.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/retry.h"

enum {
    REQUESTS_MAX = 512,             /* on their way at once */
    CONSISTENCY_MS = 60000,         /* until absence can be trusted (EC2 API Reference, "Eventual
                                       consistency": seconds; 60 s is on the safe side) */
    INTERRUPT_PATIENCE_MS = 60000,  /* what is under way may take that long after an interrupt */
    HEARTBEAT_MS = 10000,
    SEEN_MS = 10000,                /* what waits see is journalled as often, also unchanged */
    NOTES_APART_MS = 2000,          /* how far calls are is journalled as often: lost when killed … */
    NOTES_APART_SHARED_MS = 10000,  /* … and there each group is an object in a store */
    DETAIL_MAX = 2000,              /* bytes kept of what a service said */
    BUSY_REQUESTS = 8,              /* on their way: then polls and batches may wait for company */
    BATCH_APART_MS = 500,           /* between batches of one action */
    BATCH_APART_BUSY_MS = 1000,
};

enum flight_kind { FLIGHT_START, FLIGHT_LOOKUP, FLIGHT_POLL };

/* A call on its way to a provider, or a wait between its polls. */
struct flight {
    struct call call; /* first: a call is its flight */
    enum flight_kind kind;
    uint32_t node;
    uint32_t batch_size;  /* calls that shared its request */
    uint64_t batch;       /* the request's number; 0: it had one call */
    bool follows;         /* in a batch, behind the first */
    bool said;            /* it has told output, and not its end */
    char token[65];
    struct flight *next;  /* free list */
};

/* A node's state, beside what is shown of it. */
struct node_run {
    struct node_status status;
    uint32_t blockers;      /* predecessors that have not ended */
    int32_t guarded;        /* the node that it guards; NO_NODE */
    int32_t holder;         /* whose slot it names or gives back; NO_NODE */
    int32_t slot;           /* held in the pool that it acquires; -1 */
    uint32_t batch_limit;   /* after a batch failed; 0: the action's */
    bool attempted;         /* something may have happened because of it */
    bool in_doubt;          /* a request went out and its answer is not known */
    bool resends;           /* an earlier request is in doubt: its token makes it safe to send again */
    bool polling;           /* asked about right now */
    bool exhausted;         /* failed for want of capacity, with no alternative left */
    bool gone;              /* a wait failed, and what it waits for has to be made anew */
    bool forgiven;          /* failed, and on_failure: continue: counts as done */
    int refusals;           /* answers FATAL so far: the plan's `retries` */
    int64_t due_ms;         /* monotonic: next attempt, next poll, end of a delay */
    int64_t absent_since_ms;/* monotonic; -1: never seen absent */
    int64_t sent_utc_ms;    /* its last request; -1 */
    int64_t sent_ms;        /* monotonic: since when this process knows of it; -1 */
    bool elsewhere;         /* by a process with another folder for the run */
    bool sent_before;       /* by an earlier process: only UTC tells how long ago */
    int64_t seen_ms;        /* monotonic: of a wait: what it has seen was journalled; 0: never */
    uint64_t digest;        /* of the request of this generation; 0: none yet */
    const struct input *inputs; /* resolved; NULL: not yet */
    uint32_t input_count;
    uint32_t output_count;
    struct call_output *outputs;
    struct flight *flight;  /* of a wait */
    uint32_t poller_index;  /* of a wait: its place in the poller */
    char *kept;             /* what its call told to keep, of this generation; NULL */
    bool noted;             /* it has told something that is not journalled yet */
    int poll_failures;      /* of a wait: polls in a row without an answer */
    char *detail, *help, *code, *service, *request_id; /* what status points to */
};

struct pool_run {
    bool *taken; /* by slot */
    int free;
    struct heap waiting;
};

/* All waits about one kind of object. */
struct poller {
    uint32_t *nodes;
    size_t count, capacity;
    size_t in_flight;
    int64_t next_ms;      /* the earliest due; INT64_MAX: none. Monotonic, like last_ms */
    int64_t last_ms;      /* the last poll; -1: none */
};

/* What was learned of the waits of one action. */
struct lesson {
    int64_t count;        /* how many have ended */
    int64_t took_ms;      /* how long they took */
    int64_t spread_ms;    /* how far from that */
    int in_vain;          /* questions that came too early, counted up to EARLY_LOOKS */
};

struct queued_event {
    enum executor_event_type type;
    int32_t node;
    const char *text; /* in the executor's arena, or static */
    const struct decision *decision; /* in the executor's arena */
};

struct outgoing {
    struct flight *flight;
    bool last_of_batch;
};

struct successor {
    uint32_t node;
    enum edge_when when;
};

struct executor {
    struct executor_options options;
    const struct graph *graph;
    struct world *world;
    struct arena *arena;
    struct node_run *nodes;
    uint32_t *successor_start; /* node_count + 1 */
    struct successor *successors;
    uint32_t *vm_start;        /* vm_count + 1 */
    uint32_t *vm_nodes;        /* by VM, in order */
    int32_t *vm_failed;        /* the node that failed it; NO_NODE */
    uint32_t *rank;            /* smaller goes first: by latest start */
    struct heap ready[ACTION_COUNT];
    struct heap wakes;         /* retries and delays, by due_ms */
    int64_t batch_sent_ms[ACTION_COUNT]; /* the last batch of each; monotonic; -1: none */
    struct pool_run *pools;
    struct poller pollers[POLL_COUNT];
    struct lesson lessons[ACTION_COUNT];
    uint32_t *ended;           /* nodes whose end has not been told to their successors */
    size_t ended_count, ended_capacity;
    struct outgoing *outgoing; /* admitted in this turn; sent after the commit */
    size_t outgoing_count, outgoing_capacity;
    struct queued_event *events;
    size_t event_count, event_capacity;
    size_t event_committed;    /* of them: told when the group under way is durable */
    struct call **call_scratch;
    size_t call_scratch_capacity;
    struct flight *free_flights;
    struct retry_budget budget;
    uint64_t batches;          /* requests of several calls so far */
    uint64_t answering;        /* that whose answer is being looked at; 0: none */
    uint64_t delayed_batch;    /* that whose calls wait delay_ms; 0: none */
    int64_t delay_ms;
    struct executor_counters counters;
    size_t unfinished;         /* nodes that have not ended */
    size_t recovered;
    size_t noted_count;        /* nodes that are `noted` */
    int64_t notes_due_ms;      /* when that is journalled; monotonic */
    size_t requests_in_flight; /* a batch is one */
    size_t calls_in_flight;    /* starts and lookups */
    size_t polls_in_flight;
    const char *place_replayed; /* of the session that is being read back; NULL */
    int64_t base_ms, session_start_ms; /* alive time = base + monotonic - session_start */
    int64_t committing_ms; /* since when a group is on its way; monotonic */
    int64_t stalled_ms;    /* since when the state holds everything up: no deadline runs; -1 */
    int64_t limits_wake_ms;    /* when a bucket has tokens again; -1 */
    int64_t heartbeat_ms;
    int64_t patience_ms;       /* after an interrupt: stop then; -1 */
    int interrupts;
    bool starved;              /* something ready waits for a limit */
    bool resumed, running, turn_scheduled, finished, broken;
    bool concluded;   /* the last group is made; finished once it is durable */
    bool lost;        /* another process has the run now */
    bool committing;  /* a group is on its way to a shared state */
    bool awaits_people;        /* approvals are all that is missing */
    bool cancelled;            /* by a person: it is not to be resumed */
    struct world_task *turn_task, *timer;
    int64_t timer_due_ms;
    struct error error;
};

/* --- executor.c --- */
int64_t executor_alive_ms(const struct executor *executor);
void executor_schedule_turn(struct executor *executor);
void executor_queue_event(struct executor *executor, enum executor_event_type type, int32_t node,
                          const char *text);

/* Those of the group that is durable now. */
void executor_tell_events(struct executor *executor);

/* --- commit.c --- */
void commit_turn(struct executor *executor);
void commit_wait(struct executor *executor);
void commit_lease_lost(void *executor, const struct error *lost);

/* --- edges.c: who follows whom, VMs, slots' holders, order by slack --- */
void edges_build(struct executor *executor);

/* --- ready.c: admission --- */
void ready_push(struct executor *executor, uint32_t node);
/* Starts what limits, pools and REQUESTS_MAX allow: journals intents, fills `outgoing`. */
void ready_start(struct executor *executor);
void ready_send(struct executor *executor);
/* Gives a slot back and lets the next waiter try. */
void pool_release(struct executor *executor, uint32_t acquirer);
/* Nothing can ever free the slots that these wait for: fails them. True when there were any. */
bool pool_fail_stuck(struct executor *executor);

/* --- values.c --- */
/* Fills inputs; false: `error` says why a value is missing. */
bool values_resolve(struct executor *executor, uint32_t node, struct error *error);
uint64_t values_digest(const struct input *inputs, uint32_t count, int choice);
void token_make(const char *run_id, const char *node_id, int generation, char out[65]);

/* --- flights (batch.c) --- */
struct flight *flight_create(struct executor *executor, uint32_t node, enum flight_kind kind);
void flight_free(struct executor *executor, struct flight *flight);
/* A request for several was refused: they are asked for again in halves. False when it was for one
 * only. */
bool batch_halve(struct executor *executor, struct flight *flight);

/* --- results.c --- */
void results_started(void *executor, struct call *call, const struct call_result *result);
void results_looked_up(void *executor, struct call *call, const struct call_result *result);
void node_done(struct executor *executor, uint32_t node, const struct call_result *result);
void node_failed(struct executor *executor, uint32_t node, const struct call_error *error);
void node_retry(struct executor *executor, uint32_t node, const struct call_result *result);
/* The object is not there. True when that is settled: the node has ended then, one way or the other;
 * false: it may only not be visible yet. */
bool node_absent(struct executor *executor, uint32_t node, const struct call_error *error);
/* `text` NULL: as before. Tells EVENT_NODE_PROGRESS. */
void node_set_progress(struct executor *executor, uint32_t node, const char *text);
/* True when it is another one than before. */
bool node_set_detail(struct executor *executor, uint32_t node, const struct call_error *error);
int64_t node_deadline_ms(const struct executor *executor, uint32_t node); /* monotonic */
/* "…", within the deadline's words: what is told when time is up. */
void node_failed_late(struct executor *executor, uint32_t node, const struct call_error *last);

/* --- waits.c --- */
void waits_start(struct executor *executor, uint32_t node);
/* The end of a wait that asks nobody has come. */
void waits_over(struct executor *executor, uint32_t node);
void waits_poll_due(struct executor *executor);
/* When the next poll is due; INT64_MAX: none. */
int64_t waits_next_ms(const struct executor *executor);
void waits_leave(struct executor *executor, uint32_t node);

/* --- approve.c: nodes that wait for a person --- */
void approve_start(struct executor *executor, uint32_t node);
/* Its time has come: approved by itself, or nobody has approved it in time. */
void approve_due(struct executor *executor, uint32_t node);
bool approve_waits(const struct executor *executor, uint32_t node);
/* Nothing else is under way or will come by itself. */
bool approve_is_all(const struct executor *executor);
/* What the run's status is to be, where that has changed: waiting, or running. */
void approve_note_status(struct executor *executor);
/* The node that an approval is for (target NULL: the only one); NO_NODE: `error` says why not. */
int32_t approve_find(const struct executor *executor, const char *target, struct error *error);

/* --- notes.c: how far calls are that take long --- */
void notes_take(struct call *call, const struct call_note *note);
/* What its script writes, to options.output. */
void notes_output(struct call *call, const void *bytes, size_t length);
/* What has been told and is due. */
void notes_journal(struct executor *executor);
/* What this one has told, at once: its call has ended. */
void notes_landed(struct executor *executor, uint32_t node);
/* When the next are due; INT64_MAX: none. */
int64_t notes_next_ms(const struct executor *executor);
/* Another generation begins from nothing. */
void notes_forget(struct node_run *run);

/* --- policy.c --- */
/* Tells the ends of nodes to their successors until nothing more follows. */
void policy_propagate(struct executor *executor);
void policy_ended(struct executor *executor, uint32_t node);
void policy_fail_vm(struct executor *executor, uint32_t node, int32_t cause);
bool policy_vm_failed(const struct executor *executor, uint32_t node);
/* A node whose VM has failed meanwhile, and of which nothing can have happened: skips it. */
bool policy_give_up(struct executor *executor, uint32_t node);
/* What a step that may fail (on_failure: continue) would need, and has failed: an earlier node of the step,
 * or what another VM was to yield. The node is not tried, and fails. NO_NODE: none. */
int32_t policy_ended_with(const struct executor *executor, uint32_t node);
/* It is for the case that something fails which has ended well. */
bool policy_not_needed(const struct executor *executor, uint32_t node);
bool policy_run_failed(const struct executor *executor);
bool node_is_final(enum node_state state);
/* Its request carries a token, or a name that is unique: sent twice it is done once. */
bool node_has_token(const struct executor *executor, uint32_t node);

/* --- record.c: the journal's lines --- */
void record_session(struct executor *executor);
void record_intent(struct executor *executor, const struct flight *flight);
void record_wait(struct executor *executor, uint32_t node);
void record_done(struct executor *executor, uint32_t node);
void record_failed(struct executor *executor, uint32_t node);
void record_skipped(struct executor *executor, uint32_t node);
void record_retry(struct executor *executor, uint32_t node, enum outcome outcome);
void record_note(struct executor *executor, uint32_t node);
void record_seen(struct executor *executor, uint32_t node);
void record_next(struct executor *executor, uint32_t node, const char *kind);
void record_again(struct executor *executor, uint32_t node);
void record_tick(struct executor *executor);
void record_end(struct executor *executor, const char *result);
/* A copy without what is no valid UTF-8, cut at DETAIL_MAX; NULL for NULL. The caller frees. */
char *text_clean(const char *text);

/* --- resume.c --- */
bool resume_replay(struct executor *executor, struct error *error);

/* --- again.c: what has ended is taken up again --- */
/* At the beginning: all that failed or was skipped, or what options.again names, with what follows
 * from it. False: a name is wrong, or there is nothing to take up. */
bool again_begin(struct executor *executor, struct error *error);
/* Counters of blockers from the states; what can start is made ready. */
void again_count_blockers(struct executor *executor);
/* What a wait waits for has come to its end in failure (error->gone), and the plan allows retries: both the
 * wait and what made its object begin anew, as another generation. False: it has failed. */
bool again_try_anew(struct executor *executor, uint32_t wait, const struct call_error *error);
/* The same for what runs on the runner and has come to its end in failure. */
bool again_run_anew(struct executor *executor, uint32_t node, const struct call_error *error);
/* While it runs: what was skipped for a reason that is gone. Nothing may be left to propagate. */
void again_freed(struct executor *executor);

#endif
