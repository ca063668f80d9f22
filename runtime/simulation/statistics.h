/* Statistics of durations: percentiles and histograms, of sorted values. */
#ifndef DRC_SIMULATION_STATISTICS_H
#define DRC_SIMULATION_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

struct arena;

void sort_durations(int64_t *ms, size_t count);

/* The value of which `percent` of all `total` are at or under it (nearest rank: always one that
 * occurred). count < total: the other values are endless, as of runs that never came through. -1:
 * that percentile is one of these, or there is none at all. */
int64_t percentile(const int64_t *sorted_ms, size_t count, size_t total, double percent);

/* Bins of equal width, from `from_ms` on; a value on a border is in the later one. */
struct histogram {
    int64_t from_ms, step_ms;
    size_t *counts;
    size_t bins;
};

/* With borders and a width that read well (5 s, 1 min, …) and at most `bins_max` bins, 2 at least;
 * none when there are no values. */
struct histogram histogram_of(struct arena *arena, const int64_t *sorted_ms, size_t count,
                              size_t bins_max);

#endif
