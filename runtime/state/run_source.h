/* Run source: where a run is read from by those who only look on, while another process, maybe on
 * another host, is writing it. */
#ifndef DRC_STATE_RUN_SOURCE_H
#define DRC_STATE_RUN_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "runtime/state/run.h"

struct run_source {
    /* Every record of the groups behind number `after`, in order; stops when `each` returns false. */
    bool (*read)(struct run_source *source, int64_t after,
                 bool (*each)(void *context, int64_t number, const char *record), void *context,
                 struct error *error);
    /* As journal_get_blob. */
    bool (*blob)(struct run_source *source, const char *name, void **bytes, size_t *length,
                 struct error *error);
    /* Whether a process works on the run now. */
    bool (*is_alive)(struct run_source *source);
    void (*close)(struct run_source *source);
};

struct world;

/* The run's journal, read-only. `state` and `run` have to live as long. With a world, what other hosts
 * have written into a shared state is fetched now and then (running the world's loop). */
struct run_source *run_source_journal(struct world *world, const char *state,
                                      const struct run_info *run, struct error *error);
/* A journal that is open already, and stays the caller's; nobody is said to work on it. */
struct journal;
struct run_source *run_source_over(struct journal *journal);
/* NULL is allowed. */
void run_source_close(struct run_source *source);

#endif
