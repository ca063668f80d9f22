/* Width: how many blocks are on their way at once: many, so that nobody waits for anybody; fewer where
 * answers do not come in time, which means that it is more than the line can take. */
#ifndef DRC_MOVER_WIDTH_H
#define DRC_MOVER_WIDTH_H

#include <stddef.h>
#include <stdint.h>

enum {
    WIDTH_MIN = 4,
    WIDTH_FIRST = 32,
    WIDTH_MAX = 64, /* as many connections go to a host at once */
    WIDTH_LATE_MS = 30000, /* what is late within that was sent before anything was learned of it */
};

struct width {
    double exact;
    int64_t late_ms; /* when it was made less; 0: never */
};

struct width width_first(void);
size_t width_now(const struct width *width);
/* A block has arrived. */
void width_arrived(struct width *width);
/* One has not, in time. */
void width_late(struct width *width, int64_t now_ms);

#endif
