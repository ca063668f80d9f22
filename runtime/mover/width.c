#include "runtime/mover/width.h"

/* What counts as more: less may be chance. */
#define GAIN 1.08

struct width width_first(void)
{
    return (struct width){.now = WIDTH_FIRST, .good = WIDTH_FIRST};
}

static void try_more(struct width *width, double rate)
{
    width->good = width->now;
    width->good_rate = rate;
    width->now = width->now * 3 / 2 < WIDTH_MAX ? width->now * 3 / 2 : WIDTH_MAX;
}

static void go_back(struct width *width)
{
    width->now = width->good;
    width->good_rate = 0;
    width->rest = WIDTH_REST;
}

static void end_epoch(struct width *width, double rate)
{
    bool trying = width->good_rate > 0;
    if (width->rest > 0) {
        width->rest--;
    } else if (trying && rate < width->good_rate * GAIN) {
        go_back(width);
    } else if (width->full && width->now < WIDTH_MAX) {
        try_more(width, rate);
    }
}

void width_arrived(struct width *width, int64_t now_ms, bool all_busy)
{
    if (width->epoch_ms == 0) {
        width->epoch_ms = now_ms;
    }
    width->arrived++;
    width->full = width->full || all_busy;
    int64_t passed = now_ms - width->epoch_ms;
    if (passed >= WIDTH_EPOCH_MS) {
        end_epoch(width, (double)width->arrived * 1000 / (double)passed);
        width->epoch_ms = now_ms;
        width->arrived = 0;
        width->full = false;
    }
}

void width_late(struct width *width)
{
    width->now = width->now / 2 > WIDTH_MIN ? width->now / 2 : WIDTH_MIN;
    width->good = width->now;
    width->good_rate = 0;
    width->rest = WIDTH_REST;
}
