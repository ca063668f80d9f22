#include "runtime/simulation/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "compiler/base/arena.h"

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

void sort_durations(int64_t *ms, size_t count)
{
    if (count > 0) {
        qsort(ms, count, sizeof *ms, compare);
    }
}

int64_t percentile(const int64_t *sorted_ms, size_t count, size_t total, double percent)
{
    /* A hair less, so that 95 % of 200 is the 190th and not, for want of bits, the 191st. */
    double rank = ceil(percent / 100 * (double)total - 1e-9);
    size_t index = rank < 1 ? 0 : (size_t)rank - 1;
    return index < count ? sorted_ms[index] : -1;
}

static int64_t bins_for(int64_t first_ms, int64_t last_ms, int64_t step_ms)
{
    return last_ms / step_ms - first_ms / step_ms + 1;
}

static int64_t choose_step(int64_t first_ms, int64_t last_ms, size_t bins_max)
{
    static const int64_t steps_s[] = {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600};
    size_t count = sizeof steps_s / sizeof *steps_s;
    for (size_t i = 0; i < count; i++) {
        if (bins_for(first_ms, last_ms, steps_s[i] * 1000) <= (int64_t)bins_max) {
            return steps_s[i] * 1000;
        }
    }
    int64_t step_ms = steps_s[count - 1] * 1000;
    while (bins_for(first_ms, last_ms, step_ms) > (int64_t)bins_max) {
        step_ms *= 2;
    }
    return step_ms;
}

struct histogram histogram_of(struct arena *arena, const int64_t *sorted_ms, size_t count,
                              size_t bins_max)
{
    struct histogram histogram = {0};
    if (count == 0) {
        return histogram;
    }
    int64_t first_ms = sorted_ms[0], last_ms = sorted_ms[count - 1];
    histogram.step_ms = choose_step(first_ms, last_ms, bins_max < 2 ? 2 : bins_max);
    histogram.from_ms = first_ms / histogram.step_ms * histogram.step_ms;
    histogram.bins = (size_t)bins_for(first_ms, last_ms, histogram.step_ms);
    histogram.counts = ARENA_ARRAY(arena, size_t, histogram.bins);
    for (size_t i = 0; i < count; i++) {
        histogram.counts[(sorted_ms[i] - histogram.from_ms) / histogram.step_ms]++;
    }
    return histogram;
}
