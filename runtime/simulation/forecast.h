/* Forecast: what many simulated runs of a plan say together: how the RTO is distributed, what binds
 * it, why runs fail. Made from samples alone: equal samples give an equal forecast. */
#ifndef DRC_SIMULATION_FORECAST_H
#define DRC_SIMULATION_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/graph/estimate.h"
#include "compiler/graph/graph.h"
#include "runtime/simulation/sample.h"
#include "runtime/simulation/statistics.h"

struct arena;
struct buffer;

/* -1: not reached in as many runs as that percentile has to hold; estimate_ms -1: none. */
struct spread {
    int64_t p50_ms, p95_ms, p99_ms, worst_ms, estimate_ms;
};

struct forecast_vm {
    const char *name;
    bool critical;
    size_t recovered; /* in how many runs */
    struct spread spread;
};

/* Something that the end of runs hung on. */
struct forecast_binding {
    const char *what; /* "db inject", of many VMs "inject of a VM", "ec2:RunInstances rate limit" */
    enum piece_kind kind;
    enum action action; /* of the first node that had it */
    int32_t vm;         /* WORK, RETRIED, and few VMs; NO_VM */
    size_t runs;        /* in how many it took a second or more of the RTO */
    int64_t median_ms;  /* in those */
    int64_t p95_ms;     /* in the p95 run */
    int64_t total_ms;   /* in all */
};

struct forecast_cause {
    const struct graph_node *node;
    const char *code, *text; /* code NULL: none */
    size_t runs;
    uint64_t seeds[3]; /* the first ones, for replaying */
};

/* What it is made from; has to live as long as it. */
struct forecast_input {
    const struct graph *graph;
    const struct schedule *schedule;
    const struct scenario *scenario;
    uint64_t first_seed;
    struct sample *const *samples;       /* by run; NULL: not run */
    size_t asked;                        /* runs */
    const char *const *capacity_missing; /* as given, for telling */
    size_t capacity_missing_count;
};

/* Lies in the arena. */
struct forecast {
    struct forecast_input input;
    size_t runs;          /* that were run */
    size_t recovered;     /* of these, with all critical VMs back */
    size_t failed;        /* runs that failed, be it without a critical VM */
    size_t within;        /* of the objective; 0 without one */
    int64_t objective_ms; /* 0: none */
    struct spread rto;
    struct histogram histogram;
    struct forecast_vm *vms;   /* graph->vm_count, in the plan's order */
    const struct sample *slow; /* the p95 run; of the recovered ones, where that percentile is not
                                  reached, the slowest. NULL: none recovered */
    struct forecast_binding *bindings; /* what took most of the p95 run first */
    size_t binding_count;
    struct forecast_cause *causes; /* the most frequent first */
    size_t cause_count;
    const char **suggestions; /* what in the plan would help, a sentence each */
    size_t suggestion_count;
    int64_t requests, throttled, retries; /* median of a run */
};

struct forecast *forecast_make(struct arena *arena, const struct forecast_input *input);

/* forecast_advice.c: fills the suggestions. Called by forecast_make. */
void forecast_advise(struct arena *arena, struct forecast *forecast);

/* As a person reads it, as JSON (drc-simulation/1, schemas/simulation.schema.json), for a pull
 * request. */
void forecast_write_text(const struct forecast *forecast, int width, bool colour,
                         struct buffer *out);
void forecast_write_json(const struct forecast *forecast, struct buffer *out);
void forecast_write_markdown(const struct forecast *forecast, struct buffer *out);

#endif
