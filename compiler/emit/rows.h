/* Rows: a schedule as people read it: in order of time, an action and the wait for it as one. */
#ifndef DRC_EMIT_ROWS_H
#define DRC_EMIT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct graph;
struct schedule;

struct row {
    uint32_t node;
    int32_t wait;             /* the wait that belongs to it; NO_NODE */
    int64_t start_ms, end_ms; /* of both */
    bool critical;            /* one of both is on the critical path */
    bool bookkeeping;         /* nothing that one would ask about */
};

/* All rows, by start and plan order. They lie in the arena. */
struct row *rows_by_time(struct arena *arena, const struct graph *graph,
                         const struct schedule *schedule, size_t *count);

/* For each node the wait that belongs to it and the node that a wait belongs to; NO_NODE. */
struct row_pairs {
    int32_t *wait_of, *subject_of;
};
struct row_pairs rows_pair(struct arena *arena, const struct graph *graph);

#endif
