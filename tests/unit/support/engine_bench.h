/* A place to run graphs in: a simulated world, a journal in a directory of its own, a fake provider;
 * and runs of the executor over them, also ones that are killed and resumed. */
#ifndef DRC_TESTS_ENGINE_BENCH_H
#define DRC_TESTS_ENGINE_BENCH_H

#include "compiler/base/error.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/limits.h"
#include "runtime/state/journal.h"
#include "tests/unit/support/fake_provider.h"

struct bench {
    struct graph *graph;
    struct world *world;
    struct fake_cloud *cloud;
    struct fake_provider fake;
    struct journal *journal;
    struct limits *limits;
    struct lease *lease; /* NULL; the caller's */
    struct executor *executor;
    struct provider *mover, *host; /* NULL: the fake cloud's; the caller's */
    const struct facts *facts;
    const struct schedule *schedule;
    const char *place; /* NULL */
    const char *const *again; /* retry: what is taken up; NULL: all */
    size_t again_count;
    bool no_wait;
    executor_observer observer;
    void *observer_context;
    void (*output)(void *context, const struct graph_node *node, int generation, bool first,
                   const void *bytes, size_t length);
    void *output_context;
    struct error error;
    char directory[64];
    char path[96];
};

/* The graph is the caller's. */
void bench_open(struct bench *bench, struct graph *graph, uint64_t seed);
void bench_close(struct bench *bench);

/* Makes executor and provider over journal and cloud; bench_finish takes them away again and closes
 * the journal, as the end of a process does. */
void bench_begin(struct bench *bench);
/* The same, where it may be refused. */
bool bench_try(struct bench *bench, struct error *error);
enum executor_result bench_run(struct bench *bench);
void bench_finish(struct bench *bench);
/* All three. */
enum executor_result bench_session(struct bench *bench);

/* State of a node after bench_run. */
const struct node_status *bench_status(const struct bench *bench, const char *node_id);

#endif
