/* Bandwidth: so many bytes a second over all that is sent. */
#ifndef DRC_MOVER_BANDWIDTH_H
#define DRC_MOVER_BANDWIDTH_H

#include <stdint.h>

struct bandwidth {
    int64_t bytes_per_s; /* 0: no limit */
    int64_t free_at_us;  /* when what was let through is through, at that rate */
};

/* 0: `bytes` may be sent now, and count. Otherwise milliseconds until they may; nothing was taken. */
int64_t bandwidth_take(struct bandwidth *bandwidth, int64_t bytes, int64_t now_ms);

#endif
