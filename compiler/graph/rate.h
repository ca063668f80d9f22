/* Rate: a token bucket of bucket.def in simulated time. Whole numbers throughout, so that equal
 * input gives equal output on every machine. */
#ifndef DRC_GRAPH_RATE_H
#define DRC_GRAPH_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct bucket_info;

struct rate {
    bool limited;
    int64_t level, capacity; /* in millionths of a token */
    int64_t refill;          /* the same, each millisecond */
    int64_t at_ms;           /* when `level` was that */
    int32_t last_taker;      /* node; NO_NODE */
};

/* A full bucket at time 0. */
struct rate rate_full(const struct bucket_info *info);

/* When a token is there: `now_ms` or later (the bucket's last change, when that is later). */
int64_t rate_ready_ms(const struct rate *rate, int64_t now_ms);

/* Takes a token for `node`; there has to be one. */
void rate_take(struct rate *rate, int64_t now_ms, uint32_t node);

#endif
