/* Parts of a report that more than one of its forms has. */
#ifndef DRC_REPORT_REPORT_PARTS_H
#define DRC_REPORT_REPORT_PARTS_H

#include "runtime/report/report.h"

struct decision;
struct json_writer;

/* Whether its VMs were copied, not recovered. */
bool report_is_replicate(const struct report *report);
/* API requests that what was done takes at least: one for each batch of an action as large as the
 * service allows, one poll for each batch of waits, one for each block sent. */
int64_t report_calls_floor(const struct report *report);

/* "RTO 9m 58s of 20m (predicted 9m 40s, +3 %)"; of replicate "sent 103 blocks (51.5 MiB), 25 MiB/s" */
void report_put_rto(const struct report *report, struct buffer *out);
/* "loss 22m of 30m"; of replicate "a failover loses 22m of 30m" */
void report_put_loss(const struct report *report, struct buffer *out);
/* "ec2 InvalidVolume.NotFound (request …)" */
/* How long it took, for people; of a test until its verdict. */
int64_t report_work_ms(const struct report *report);
void report_put_answer(const struct node_status *status, struct buffer *out);
/* {"verb","target","who","comment","refused","at"}; without verb and target when verb is NULL. */
void report_put_decision(struct json_writer *json, const struct decision *decision,
                         const char *verb);

#endif
