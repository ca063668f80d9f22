/* Report: what became of a run, told from its journal alone: root causes first, timeline, actual
 * against predicted and objective, loss, API calls, things left, and what to do now. */
#ifndef DRC_REPORT_REPORT_H
#define DRC_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "compiler/graph/estimate.h"
#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "runtime/engine/executor.h"
#include "runtime/report/actual_path.h"
#include "runtime/report/verdict.h"
#include "runtime/state/run.h"
#include "runtime/state/run_options.h"

struct arena;
struct buffer;
struct journal;

/* UNCHANGED: of replicate, there was nothing to do for it. */
enum vm_outcome {
    VM_UNFINISHED,
    VM_RECOVERED,
    VM_FAILED,
    VM_SKIPPED,
    VM_COPIED,
    VM_UNCHANGED,
    VM_OUTCOMES
};

struct report_vm {
    const char *name;
    enum vm_outcome outcome;
    bool critical;
    int64_t recovered_ms;       /* or copied, since the run's start; -1: not */
    int64_t predicted_ms;       /* -1: unknown */
    const char *recovery_point; /* NULL: unknown */
    int64_t loss_ms;            /* -1: unknown */
    int32_t cause;              /* the node that failed it; NO_NODE */
    int32_t cause_vm;           /* SKIPPED: the VM that it depends on and that failed; NO_VM */
    int64_t waited_ms;          /* ready to start, for a VM that it depends on; 0 */
    int32_t waited_for;         /* that VM; NO_VM */
    int64_t waited_from_ms, waited_until_ms; /* since the run's start */
    int64_t inject_from_ms, inject_to_ms, boot_from_ms, running_ms, ready_ms; /* -1: not */
    int64_t began_ms, last_ms; /* its first action, its last end; -1 */
    int64_t send_from_ms, send_to_ms; /* of blocks of its DR copies; -1: not */
    int64_t blocks_sent, bytes_sent;
    const char *instance_id;   /* NULL */
    const char *instance_type; /* NULL */
};

/* Something made in the cloud that is still there, by the journal. */
struct report_thing {
    const char *kind, *id, *vm, *node; /* "volume", "vol-0a…", "db", node id; vm NULL: the plan's */
    bool in_use;                       /* by a VM that is recovered */
};

struct history;

/* Lies in an arena. */
struct report {
    struct arena *arena;
    const struct graph *graph;
    const struct facts *facts;       /* NULL */
    const struct schedule *schedule; /* predicted */
    struct run_options options;
    const char *run_id;
    const char *folder; /* of the run, on this machine; NULL: its files are not told of. The caller's */
    enum run_status status;
    int64_t started_utc_ms, elapsed_ms; /* until the last record; with the time in which no process
                                           worked on it, as all times here: an outage goes on */
    int sessions;                       /* processes that worked on it: 1 + resumes */
    struct node_status *nodes;          /* graph->node_count */
    struct report_vm *vms;              /* graph->vm_count */
    size_t recovered; /* or copied */
    int64_t blocks_sent, bytes_sent, bytes_per_s; /* of replicate; bytes_per_s 0: not known */
    size_t deleted;                               /* of replicate: snapshots over keep */
    enum verdict verdict;   /* of a test */
    int64_t verdict_ms;     /* when it was reached, since the run's start; -1: not (yet) */
    int64_t rto_ms;   /* all critical VMs recovered, without approval_ms; -1: not (yet) */
    int64_t approval_ms; /* of the path: what people took to approve */
    int64_t loss_ms;  /* the worst; -1: unknown */
    struct actual_path *path; /* what rto_ms hung on; before that is known, what came last */
    uint32_t *causes; /* nodes that failed for reasons of their own */
    size_t cause_count;
    struct report_thing *things;   /* made, and by the journal not deleted; by VM */
    size_t thing_count, left_over; /* left over: not in use */
    struct executor_counters counters;
    const struct history *history; /* what all this was told from; wall time */
};

/* What is already known of a run, so that it need not be read again: all of it or, with `graph` NULL,
 * nothing. It has to live as long as the report. */
struct report_known {
    const struct graph *graph;
    const struct facts *facts;
    const struct schedule *schedule;
};

struct run_source;
/* Graph, facts and prediction. False: the run has no graph yet, or (`error` set) it cannot be read. */
bool report_known_read(struct arena *arena, struct run_source *source, struct report_known *known,
                       struct error *error);

/* `known` may be NULL. */
struct report *report_load(struct arena *arena, struct journal *journal,
                           const struct report_known *known, struct error *error);

/* The file with what the node's script wrote; NULL: there is none here. */
const char *report_output(const struct report *report, uint32_t node);

const char *report_outcome_name(enum vm_outcome outcome); /* "recovered" */
/* "inject 1:08, boot 0:31, ready 0:58"; of replicate "sent 0:40, 200 blocks (100 MiB)" */
void report_put_phases(const struct report *report, const struct report_vm *vm, struct buffer *out);

/* As a person reads it: ends with commands that can be given now. `width` in columns. */
void report_write_text(const struct report *report, int width, bool colour, struct buffer *out);
void report_write_json(const struct report *report, struct buffer *out);
/* The timeline alone, as a picture. */
void report_write_svg(const struct report *report, struct buffer *out);
void report_write_markdown(const struct report *report, struct buffer *out);

#endif
