#include "compiler/graph/rate.h"

#include <assert.h>
#include <math.h>

#include "compiler/graph/action.h"
#include "compiler/graph/graph.h"

static const int64_t TOKEN = 1000000;

struct rate rate_full(const struct bucket_info *info)
{
    struct rate rate = {
        .limited = info->capacity > 0 && info->refill_per_s > 0,
        .capacity = llround(info->capacity * (double)TOKEN),
        .refill = llround(info->refill_per_s * (double)TOKEN / 1000.0),
        .last_taker = NO_NODE,
    };
    rate.level = rate.capacity;
    return rate;
}

/* Up to a year ahead and a thousand requests a second the product is far from overflow. */
static int64_t level_at(const struct rate *rate, int64_t now_ms)
{
    if (now_ms <= rate->at_ms) {
        return rate->level;
    }
    int64_t level = rate->level + (now_ms - rate->at_ms) * rate->refill;
    return level < rate->capacity ? level : rate->capacity;
}

int64_t rate_ready_ms(const struct rate *rate, int64_t now_ms)
{
    int64_t missing = rate->limited ? TOKEN - level_at(rate, now_ms) : 0;
    if (missing <= 0) {
        return now_ms;
    }
    int64_t from_ms = now_ms > rate->at_ms ? now_ms : rate->at_ms;
    return from_ms + (missing + rate->refill - 1) / rate->refill;
}

void rate_take(struct rate *rate, int64_t now_ms, uint32_t node)
{
    rate->last_taker = (int32_t)node;
    if (!rate->limited) {
        return;
    }
    rate->level = level_at(rate, now_ms) - TOKEN;
    rate->at_ms = now_ms;
    assert(rate->level >= 0);
}
