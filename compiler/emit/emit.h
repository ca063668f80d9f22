/* Emission: what people look at, made from a graph and its schedule. Every function appends to
 * `out`; equal input gives equal bytes. The compiled graph itself is graph_write_json (graph.h). */
#ifndef DRC_EMIT_EMIT_H
#define DRC_EMIT_EMIT_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct error;
struct facts;
struct graph;
struct plan;
struct schedule;

enum graph_detail { DETAIL_VM, DETAIL_ACTION };

/* DOT through libcgraph: a cluster for each VM, the critical path marked, edges transitively
 * reduced. */
bool emit_dot(const struct graph *graph, const struct schedule *schedule, enum graph_detail detail,
              struct buffer *out, struct error *error);

/* Mermaid flowchart, for GitHub. */
void emit_mermaid(const struct graph *graph, const struct schedule *schedule,
                  enum graph_detail detail, struct buffer *out);

struct table_options {
    bool colour;
    bool all;                  /* also instantaneous and bookkeeping nodes */
    int width;                 /* columns */
    int64_t rto_objective_ms;  /* 0: unknown */
    const struct facts *facts; /* whose bindings are filled in; NULL: they stay symbolic */
};
/* `drc plan show`: the ordered actions with predicted times. */
void emit_table(const struct graph *graph, const struct schedule *schedule,
                const struct table_options *options, struct buffer *out);
/* `drc plan show --json`, `--dry-run --json`. */
void emit_table_json(const struct graph *graph, const struct schedule *schedule,
                     const struct table_options *options, struct buffer *out);

/* `--dry-run`: every action in order with its inputs, predicted start and end, critical path, RTO,
 * assumptions. */
void emit_dry_run(const struct graph *graph, const struct schedule *schedule,
                  const struct table_options *options, struct buffer *out);

/* "9m 40s", "1h 05m", "450ms": for people. Returns text in the buffer given (32 bytes do). */
const char *format_duration(char out[32], int64_t ms);
/* "1.5 GiB", "512 KiB", "1 byte": the same for bytes, powers of 1024, three digits. */
const char *format_size(char out[32], int64_t bytes);

#endif
