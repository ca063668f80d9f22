/* History: what a journal says of a run, taken record by record, so that it can also be followed
 * while another process writes it. What reports, watching, explaining and traces all stand on. */
#ifndef DRC_REPORT_HISTORY_H
#define DRC_REPORT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/graph/graph.h"
#include "runtime/engine/decision.h"
#include "runtime/engine/executor.h"
#include "runtime/report/actual_path.h"
#include "runtime/report/ledger.h"
#include "runtime/state/run.h"

struct arena;

enum { HISTORY_NOTES_MAX = 64 }; /* kept of each node, the latest; what was before is counted */

/* Something on the way of a node. Texts are NULL where there are none. */
enum history_kind {
    HISTORY_SENT,  /* a request went out */
    HISTORY_RETRY, /* an attempt failed in passing */
    HISTORY_SEEN,  /* what a wait saw */
    HISTORY_NEXT,  /* another alternative is taken */
};
struct history_note {
    enum history_kind kind;
    int64_t utc_ms;
    int attempt;
    int64_t wait_ms;     /* RETRY: until the next attempt; -1: unknown */
    const char *outcome; /* RETRY: "throttled" */
    const char *text, *service, *code, *request_id;
};

struct history_node {
    struct node_status status; /* its texts lie in the arena */
    int64_t started_utc_ms, ended_utc_ms; /* -1 */
    int64_t due_ms;      /* RETRYING: when the next attempt is made, as `started_ms`; -1 */
    int64_t sent_utc_ms; /* its last request; -1 */
    int64_t seen_ms;     /* when `detail` was seen, as `started_ms`; -1 */
    bool doubtful;       /* FAILED, and its last request may have been carried out */
    bool forgiven;       /* FAILED, and on_failure: continue: stays so when the run is resumed */
    int slot;            /* of the pool that it acquired, while it is held; -1 */
    int retries;         /* attempts that failed in passing */
    int throttled;       /* of these, refused for their rate */
    const char *token;   /* of its last request; NULL */
    struct history_note *notes;
    size_t note_count, note_capacity, notes_dropped;
};

/* A process that worked on the run. */
struct history_session {
    int64_t from_utc_ms, until_utc_ms; /* until its last record */
};

struct history_decision {
    struct decision decision;
    int32_t node; /* NO_NODE: of the run, or refused */
};

/* Lies in an arena. Moments are alive time (milliseconds since the run's start in which a process
 * worked on it), or, with `wall`, what the clock on the wall counted since then. */
struct history {
    struct arena *arena;
    const struct graph *graph;
    bool wall;
    struct history_node *nodes; /* graph->node_count */
    bool *vm_failed;            /* graph->vm_count */
    struct ledger *ledger;
    const char *run_id; /* NULL: not told yet */
    enum run_status status;
    const char *result; /* how the last process ended it ("failed"); NULL: it has not */
    int64_t started_utc_ms, elapsed_ms;
    int64_t last_utc_ms; /* of the last record with a time */
    int sessions;        /* processes that worked on it: 1 + resumes */
    struct history_session *session_list; /* `sessions` of them */
    size_t session_capacity;
    int64_t session_utc_ms, session_t_ms; /* when the last one began, and the alive time then */
    int64_t dead_ms; /* in which no process worked on the run, so far */
    struct actual_outage *outages; /* the pieces of that, of the wall's time; one for each resume */
    size_t outage_count, outage_capacity;
    int64_t number;  /* of the last group taken */
    int64_t damaged; /* the number of a group that does not fit; 0: none */
    struct history_decision *decisions; /* what people decided, in order */
    size_t decision_count, decision_capacity;
    struct executor_counters counters; /* done, failed, skipped are kept up to date */
    executor_observer observer; /* NULL; is told what happened, as the executor's own are */
    void *observer_context;
};

struct history *history_create(struct arena *arena, const struct graph *graph, bool wall);

/* A record, in order; for journal_replay. False when it does not fit (see `damaged`). */
bool history_take(void *history, int64_t number, const char *record);

/* Everything before it has come to the end that it needs, and it has not begun: it waits for a place
 * in a pool, for a rate limit, for its turn. */
bool history_may_start(const struct history *history, uint32_t node);

/* The moment that `utc_ms` is, for a run that a process works on. */
int64_t history_moment(const struct history *history, int64_t utc_ms);
/* The last process that worked on it has come to its end. */
bool history_is_over(const struct history *history);

#endif
