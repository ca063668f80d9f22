/* A block target in memory, for tests: keeps which blocks came, holds each against its digest, and
 * fails as it is told. */
#ifndef DRC_TESTS_SINK_TARGET_H
#define DRC_TESTS_SINK_TARGET_H

#include "runtime/mover/block_target.h"
#include "runtime/world/world.h"

enum { SINK_BLOCKS_MAX = 20000 };

struct sink_put;
struct sink_target {
    struct block_target base; /* first */
    struct world *world;
    struct block_digest digests[SINK_BLOCKS_MAX];
    int puts[SINK_BLOCKS_MAX]; /* that were carried out */
    int arrived;               /* puts carried out, in all */
    int asked;                 /* puts asked for */
    int under_way, most_under_way;
    int last_percent;
    int64_t latency_ms;        /* and up to as much more */
    /* Faults. */
    int every;                 /* each such ask fails … */
    enum outcome outcome;      /* … like this (UNKNOWN: every other one is carried out all the same) */
    int from;                  /* from this ask on all fail like that; 0: never */
    const char *message;
    struct sink_put *list;
};

void sink_init(struct sink_target *sink, struct world *world);
/* Ends what is under way without a word. */
void sink_drop(struct sink_target *sink);
/* Blocks that are there. */
int sink_count(const struct sink_target *sink);

#endif
