/* Run outputs: what a run leaves for other programs beside its report: --metrics FILE and --otlp
 * FILE|URL. None of them can fail the run: what goes wrong is a warning. */
#ifndef DRC_CLI_RUN_OUTPUTS_H
#define DRC_CLI_RUN_OUTPUTS_H

#include <stdbool.h>

#include "compiler/base/error.h"

struct invocation;
struct otlp_export;
struct report;
struct run_source;
struct session;

struct run_outputs {
    struct session *session;
    struct run_source *source;
    struct otlp_export *exporter;
};

/* Begins to send to a collector, if one is named. Before the run goes on. */
void run_outputs_begin(struct run_outputs *outputs, struct session *session);
/* At the end, after people have been told. report may be NULL: there is none. */
void run_outputs_end(struct run_outputs *outputs, const struct report *report);

/* The metrics of a report into FILE, whole or not at all, readable for a collector. */
bool run_outputs_metrics(const char *path, const struct report *report, struct error *error);
/* The whole trace, into a file or to a collector. */
bool run_outputs_trace(const char *target, const struct report *report, struct error *error);

#endif
