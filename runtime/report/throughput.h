/* Throughput: how fast earlier runs have sent the blocks of DR copies, from their journals. */
#ifndef DRC_REPORT_THROUGHPUT_H
#define DRC_REPORT_THROUGHPUT_H

#include <stdint.h>

struct history;
struct world;

/* Zero-initialise. */
struct throughput {
    int64_t bytes;   /* of blocks sent */
    int64_t busy_ms; /* in which at least one disk was being sent */
};
/* Adds what a run that no outage interrupted has sent, by put-blocks that came to their end. */
void throughput_add(struct throughput *throughput, const struct history *history);
/* Over all disks at once; 0: nothing was measured. */
int64_t throughput_bytes_per_s(const struct throughput *throughput);

/* Of the newest replicate runs of the plan in a state directory that succeeded. What cannot be read is
 * not counted: a prediction is no reason to fail. */
struct throughput throughput_of_runs(const char *state, const char *plan, struct world *world);

#endif
