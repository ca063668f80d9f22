/* Summary: what stands above and below the rows of `drc plan show` and of a dry run. */
#ifndef DRC_EMIT_SUMMARY_H
#define DRC_EMIT_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;
struct graph;
struct schedule;
struct table_options;

/* "shop · failover · 3 VMs · 47 actions · predicted RTO 9m 40s of 20m", and the assumptions. */
void summary_head(const struct graph *graph, const struct schedule *schedule,
                  const struct table_options *options, struct buffer *out);

/* The critical path in one sentence, and what would make it shorter. */
void summary_foot(const struct graph *graph, const struct schedule *schedule,
                  const struct table_options *options, struct buffer *out);

/* By how much the RTO would fall if drivers were injected ahead: estimated anew without the
 * injections. 0: nothing gained, or nothing is injected. */
int64_t summary_gain_of_prepare_ms(const struct graph *graph, const struct schedule *schedule);

/* Terminal colours; "" unless options->colour. */
enum ink { INK_PLAIN, INK_STRONG, INK_FAINT, INK_CRITICAL, INK_GOOD };
const char *ink(const struct table_options *options, enum ink ink);

#endif
