/* Limits: token buckets for each row of bucket.def, learning from throttle answers; and the gate
 * through which providers send. One struct is one account and region. */
#ifndef DRC_ENGINE_LIMITS_H
#define DRC_ENGINE_LIMITS_H

#include <stdbool.h>

#include "runtime/world/provider.h"
#include "runtime/world/world.h"

struct limits;

enum limits_mode {
    LIMITS_AWS,  /* the real figures of bucket.def from the start, one request at once less */
    LIMITS_NONE, /* unlimited until a throttle answer teaches otherwise */
};

struct limits *limits_create(struct world *world, enum limits_mode mode);
void limits_destroy(struct limits *limits);
/* The limits of another account or region that the run reaches too, made when first asked for: buckets
 * of their own, in the same mode, which go with `limits`. */
struct limits *limits_elsewhere(struct limits *limits, const char *account, const char *region);
/* Changes the mode, elsewhere too; what was learnt so far is forgotten. */
void limits_set_mode(struct limits *limits, enum limits_mode mode);
/* The gate lives as long as the limits. `go` is never called from within `enter`. Priorities count
 * in milliseconds: one that is n ms more urgent passes those that have waited up to n ms longer, so
 * that nobody starves; more than 60,000 counts as that. */
struct gate *limits_gate(struct limits *limits);

/* For the executor: takes `cost` tokens now if they are there (true), else tells in *wait_ms when
 * they will be (and keeps them from the gate until then, when it is the executor's turn). More than
 * the bucket holds is granted when it is full, and paid back before anyone else is. */
bool limits_take(struct limits *limits, enum bucket bucket, double cost, int64_t *wait_ms);
/* Tokens there now (a large number when unlimited). */
double limits_available(struct limits *limits, enum bucket bucket);
/* A service refused for its rate: the bucket is empty after all, and its rate is halved (where none
 * was known: half of what was observed), to recover within a minute if nothing is refused again. */
void limits_throttled(struct limits *limits, enum bucket bucket);

#endif
