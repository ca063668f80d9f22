/* Metrics: the last run in Prometheus' text format, for node_exporter's textfile collector. All are
 * gauges: what they count belongs to one run, and the next one begins again. */
#ifndef DRC_REPORT_METRICS_H
#define DRC_REPORT_METRICS_H

#include "runtime/report/report.h"

void metrics_write(const struct report *report, struct buffer *out);

#endif
