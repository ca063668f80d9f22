/* Sample: one rehearsal, and what a forecast keeps of it: when each VM was back, what the time went
 * to on the path that the end really hung on, why it failed. Travels from process to process as
 * bytes. */
#ifndef DRC_SIMULATION_SAMPLE_H
#define DRC_SIMULATION_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "runtime/simulation/scenario.h"

struct arena;
struct buffer;
struct rehearsal;
struct report;

/* What a piece of the path was. */
enum piece_kind {
    PIECE_WORK,    /* the node's own time */
    PIECE_RETRIED, /* the same, where its first attempt did not get through */
    PIECE_POOL,    /* it waited for a place */
    PIECE_LIMIT,   /* it waited for a rate limit, or was refused for it */
    PIECE_TURN,    /* it waited for the runner */
    PIECE_AWAY,    /* nobody worked on the run */
};
const char *piece_kind_name(enum piece_kind kind); /* "work" */

struct sample_piece {
    uint32_t node;
    enum piece_kind kind;
    int64_t ms;
};

struct sample_cause {
    uint32_t node;
    const char *code, *text; /* code NULL: none */
};

/* Lies in an arena. */
struct sample {
    uint64_t seed;
    bool succeeded;        /* the run; critical VMs can be back without */
    int64_t rto_ms;        /* all critical VMs recovered; without such VMs: all done. -1: not */
    int64_t *recovered_ms; /* by VM; -1: not */
    size_t vm_count;
    int64_t requests, throttled, retries;
    int sessions;                /* processes that worked on it */
    struct sample_piece *pieces; /* of rto_ms: their sum; none where that is -1 */
    size_t piece_count;
    struct sample_cause *causes;
    size_t cause_count;
};

/* Makes the rehearsal of that seed, without running it. `directory` exists and is empty. */
struct rehearsal *scenario_rehearse(const struct scenario *scenario, uint64_t seed,
                                    const char *directory, struct error *error);
/* Runs it to its end. NULL: it could not be run at all. */
struct sample *sample_take(struct arena *arena, const struct scenario *scenario,
                           struct rehearsal *rehearsal, uint64_t seed, struct error *error);
/* What a report says of its run. */
struct sample *sample_of_report(struct arena *arena, const struct report *report, uint64_t seed);

void sample_write(const struct sample *sample, struct buffer *out);
/* Refuses what is not a whole sample of a graph with that many nodes and VMs. */
struct sample *sample_read(struct arena *arena, const void *bytes, size_t length, size_t node_count,
                           size_t vm_count, struct error *error);

#endif
