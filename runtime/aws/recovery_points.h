/* Recovery points: DR copies found by tag, sorted into what can be recovered. */
#ifndef DRC_AWS_RECOVERY_POINTS_H
#define DRC_AWS_RECOVERY_POINTS_H

#include "compiler/base/error.h"
#include "compiler/base/map.h"
#include "runtime/aws/ask.h"

struct arena;

enum { DR_DISKS_MAX = 64 };

struct dr_copy { /* a snapshot */
    const char *id;
    bool completed;
    int64_t started_utc_ms; /* when the snapshot was begun; 0: not told */
    int64_t size_gib, disk_bytes; /* disk_bytes 0: not told */
    const char *controller;
    /* of disk 0 */
    int64_t disks, cpus, memory_mib; /* 0: not told */
    const char *firmware, *os, *arch, *guest_id;
    bool encrypted;
    const char *kms_key;   /* its ARN; NULL: not encrypted */
    const char *held_by;   /* a run that holds it (drc:hold:RUN); NULL: nobody */
    struct dr_copy *other; /* one more of the same disk and time, which counts for nothing */
};

struct recovery_point {
    const char *time; /* as in its tag */
    int64_t utc_ms;
    struct dr_copy *copies[DR_DISKS_MAX]; /* by disk; NULL: none */
    struct dr_copy *bootable;             /* of disk 0, drivers injected; NULL: none */
    struct recovery_point *next;          /* the one before it in time */
};

/* Zero-initialise with an arena and the plan's name. */
struct recovery_points {
    struct arena *arena;
    const char *plan;
    struct map by_vm; /* -> struct recovery_point *, the newest first */
};

/* Asks for all DR copies of the plan. The object lives until the asks have run. */
void recovery_points_ask(struct recovery_points *points, struct asks *asks);

/* Why it cannot be used, as recovery_points_choose sees it ("lacks a copy of disk 1 of 2", in the
 * arena); NULL: it can. */
const char *recovery_point_flaw(struct arena *arena, const struct recovery_point *point,
                                bool bootable);

/* The newest usable one of a VM at or before `until_utc_ms`: disk 0 tells their number N, and disks
 * 0 … N-1 are completed. bootable: disk 0 needs its injected copy. NULL: none; *why (in the arena)
 * tells what was found. */
const struct recovery_point *recovery_points_choose(const struct recovery_points *points,
                                                    const char *vm, int64_t until_utc_ms,
                                                    bool bootable, const char **why);

#endif
