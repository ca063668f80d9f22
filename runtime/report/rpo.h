/* RPO: whether the objective of plans holds now: for each VM what a failover would lose, from what was
 * found in the repository and among the DR copies. Judging is pure; the command (cli/rpo_command.c)
 * finds. */
#ifndef DRC_REPORT_RPO_H
#define DRC_REPORT_RPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/plan/test_due.h"
#include "runtime/state/production.h"

struct buffer;

enum {
    /* How far ahead of this clock a time may be and count as now: as much as AWS lets a signature be
     * off (Signature Version 4: 5 minutes). */
    RPO_SKEW_MS = 5 * 60 * 1000,
};

/* From best to worst, but for the last, which is no judgement. */
enum rpo_state {
    RPO_MET,
    RPO_UNKNOWN, /* its recovery point is from the future: some clock is wrong */
    RPO_MISSED,
    RPO_NEVER,       /* there is no usable DR copy */
    RPO_AT_RECOVERY, /* the VM runs at the recovery site: nothing is replicated */
    RPO_STATE_COUNT,
};
const char *rpo_state_name(enum rpo_state state); /* "met": as JSON has it */

/* Times are UTC in ms, -1: none. Texts are borrowed. */
struct rpo_vm {
    const char *name;
    enum production_place place;
    const char *place_run; /* that brought it there; NULL */
    /* the repository's newest recovery point */
    int64_t point_utc_ms;
    const char *point_damaged; /* NULL */
    /* the newest DR copy that a failover can use */
    int64_t copy_point_utc_ms; /* the recovery point that it holds */
    int64_t copied_utc_ms;     /* when it was made */
    int64_t disks;             /* 0: unknown */
    /* a newer one that cannot be used, or why there is none */
    int64_t flawed_point_utc_ms;
    const char *flaw;
    /* judged */
    enum rpo_state state;
    int64_t loss_ms;             /* of a failover now; -1: unknown, or everything */
    int64_t missed_since_utc_ms; /* -1 */
};

/* When something ran last, and when it has to run again. */
struct rpo_round {
    int64_t every_ms; /* 0: the plan does not say */
    int64_t last_utc_ms;
    int64_t next_utc_ms; /* judged; -1: unknown */
};

struct rpo_plan {
    const char *name, *file, *region, *account;
    const char *problem; /* AWS did not answer, and what it said: nothing is known; NULL */
    int64_t objective_ms;
    struct rpo_vm *vms;
    size_t vm_count;
    const char *repository;         /* as the plan names it; NULL: none */
    const char *repository_problem; /* what it holds is not known, and why; NULL */
    const char *repository_help;    /* what to do then; NULL */
    struct rpo_round backup, replicate;
    const char *run, *run_status; /* the last replicate run that the state knows; NULL: none */
    bool run_alive;
    int64_t run_started_utc_ms, run_ended_utc_ms; /* ended 0: not */
    const char *digest;     /* of the plan as it is */
    int64_t test_every_ms;  /* objectives.test_every; 0: none */
    struct last_test test;  /* the newest that the state knows of */
    const char *test_run;   /* its run; NULL */
    int64_t passed_utc_ms;  /* when one passed last; -1: never */
    const char *state_problem; /* the state cannot be read: NULL */
    const char **strangers;    /* VMs with DR copies that the plan does not name */
    size_t stranger_count;
    /* judged */
    enum test_due test_due;
    enum rpo_state state; /* the worst that counts */
    size_t counts[RPO_STATE_COUNT];
};

struct rpo_report {
    struct rpo_plan *plans;
    size_t plan_count;
    int64_t now_utc_ms; /* by AWS's clock */
    int64_t clock_ms;   /* how far this host's is ahead of it; 0: they agree */
    enum rpo_state state; /* the worst */
};

/* Fills what is judged, as of report->now_utc_ms. */
void rpo_judge(struct rpo_report *report);
/* Whether a person has to look: missed, never, unknown. */
bool rpo_is_bad(enum rpo_state state);

/* `width` in columns. */
void rpo_write_text(const struct rpo_report *report, int width, bool colour, struct buffer *out);
void rpo_write_json(const struct rpo_report *report, struct buffer *out);
/* Prometheus' exposition format, for node_exporter's textfile collector. */
void rpo_write_prometheus(const struct rpo_report *report, struct buffer *out);

#endif
