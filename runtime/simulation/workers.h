/* Workers: processes that rehearse one seed after the other and send back what they saw. A process
 * each, so that all CPUs work and a rehearsal that crashes takes nobody along. */
#ifndef DRC_SIMULATION_WORKERS_H
#define DRC_SIMULATION_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "runtime/simulation/sample.h"

struct arena;

enum { WORKERS_MAX = 64, RUNS_MAX = 100000 };

struct workers_options {
    const struct scenario *scenario;
    uint64_t first_seed; /* run n has first_seed + n */
    size_t runs;
    int jobs;            /* processes at once; 1 to WORKERS_MAX */
    const char *scratch; /* a directory for journals: scratch_make */
    size_t node_count, vm_count;
    /* Called now and then, in this process; NULL. */
    void (*progress)(void *context, size_t done, size_t failed);
    void *progress_context;
};

/* Fills samples[0 … runs − 1], in the arena. SIGINT and SIGTERM end it early: then some are NULL
 * and *interrupted is true. False: a rehearsal could not be run at all; `error` names its seed. No
 * child is left in any case. */
bool workers_run(struct arena *arena, const struct workers_options *options,
                 struct sample **samples, bool *interrupted, struct error *error);

/* A new directory, in memory where the system has such a place: what is in it is needed for moments
 * only. Lies in the arena; NULL on failure. */
const char *scratch_make(struct arena *arena, struct error *error);
/* Removes it with all that is in it. */
void scratch_destroy(const char *path);

#endif
