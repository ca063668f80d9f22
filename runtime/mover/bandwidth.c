#include "runtime/mover/bandwidth.h"

enum { BURST_US = 100000 }; /* timers are no finer than a few ms */

int64_t bandwidth_take(struct bandwidth *bandwidth, int64_t bytes, int64_t now_ms)
{
    if (bandwidth->bytes_per_s <= 0) {
        return 0;
    }
    int64_t now_us = now_ms * 1000;
    if (bandwidth->free_at_us < now_us) {
        bandwidth->free_at_us = now_us;
    }
    int64_t ahead_us = bandwidth->free_at_us - now_us;
    if (ahead_us > BURST_US) {
        return (ahead_us - BURST_US + 999) / 1000;
    }
    bandwidth->free_at_us += (int64_t)((double)bytes * 1e6 / (double)bandwidth->bytes_per_s);
    return 0;
}
