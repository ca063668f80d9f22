/* Width: how many blocks are on their way at once. As few as the throughput needs: more are only cold
 * memory, and answers that come too late. From time to time it is tried whether more of them bring more;
 * where they do not, it goes back. */
#ifndef DRC_MOVER_WIDTH_H
#define DRC_MOVER_WIDTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIDTH_MIN = 4,
    WIDTH_FIRST = 16,
    WIDTH_MAX = 64, /* as many connections go to a host at once */
    WIDTH_EPOCH_MS = 500,
    WIDTH_REST = 20, /* epochs between two tries */
};

struct width {
    size_t now;
    size_t good;        /* the one before the try */
    double good_rate;   /* blocks a second with it */
    int64_t epoch_ms;   /* when this one began; 0: not yet */
    int64_t arrived;    /* blocks in it */
    bool full;          /* all were on their way at some time in it */
    int rest;           /* epochs until it is tried again */
};

struct width width_first(void);
/* A block has arrived. all_busy: as many as may be were on their way. */
void width_arrived(struct width *width, int64_t now_ms, bool all_busy);
/* An answer did not come in time: that is more than the line can take. */
void width_late(struct width *width);

#endif
