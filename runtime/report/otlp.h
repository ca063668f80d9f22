/* OTLP: a run as an OpenTelemetry trace, in OTLP's JSON encoding: an ExportTraceServiceRequest on one
 * line (OTLP 1.x, "JSON Protobuf Encoding": ids in hex, 64-bit integers as decimal text, enums as
 * numbers, keys in lowerCamelCase). Attribute names are OpenTelemetry's semantic conventions where
 * there are some (cloud.*, host.*, rpc.*, aws.request_id, error.type, code.*), "drc.*" otherwise.
 *
 * The trace's id follows from the run's, so that a resume goes on with the same trace. Each process
 * that worked on the run is a span: the first is the root, each later one its child. Below it each VM
 * that it worked on, below that each action that ended in its time; links lead to what an action
 * waited for. Ids of spans follow from run, process and name: a span sent twice is the same one. */
#ifndef DRC_REPORT_OTLP_H
#define DRC_REPORT_OTLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/report/history.h"

struct buffer;

struct otlp_trace {
    const char *run_id;
    const struct history *history;
};

/* Which spans: these nodes (those of them that have not ended are left out) and, for the processes
 * from number `first_session` (0: the first) up to the last one, theirs and their VMs'; -1: none. */
struct otlp_part {
    const uint32_t *nodes;
    size_t count;
    int first_session;
};
/* Returns how many spans. Appends one line. */
size_t otlp_write(const struct otlp_trace *trace, const struct otlp_part *part, struct buffer *out);

/* All of the run. */
size_t otlp_write_run(const struct otlp_trace *trace, struct buffer *out);

#endif
