/* Transfer: what import and export of disks share: work on a thread that a Ctrl-C ends, and progress on
 * stderr: a line that is drawn anew on a terminal, elsewhere a line now and then. */
#ifndef DRC_CLI_TRANSFER_H
#define DRC_CLI_TRANSFER_H

#include <stdbool.h>

#include "runtime/cli/transfer_line.h"
#include "runtime/world/world.h"

struct transfer {
    struct world *world;
    bool stopped; /* Ctrl-C has come, or a terminal has gone; a second one ends the process */
    void (*on_stop)(void *context); /* called then, from the loop; NULL: nothing to end */
    void *stop_context;
    /* How far the disk is; NULL: no progress is shown. */
    void (*look)(void *context, struct transfer_state *state);
    void *look_context;
    struct world_task *signals[3], *timer;
    int64_t began_ms, told_ms;
    bool terminal, drawn;
};

void transfer_begin(struct transfer *transfer, struct world *world);
/* Takes its things out of the world again, and the line off the terminal. */
void transfer_end(struct transfer *transfer);

/* A disk begins (look, its context) or ends (NULL). */
void transfer_show(struct transfer *transfer,
                   void (*look)(void *context, struct transfer_state *state), void *context);

/* `run` on a thread, while the loop runs; `stop` (may be NULL) if a Ctrl-C comes meanwhile. */
void transfer_work(struct transfer *transfer, void (*run)(void *context),
                   void (*stop)(void *context), void *context);

#endif
