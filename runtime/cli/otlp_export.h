/* OTLP export: sends a run's spans to a collector while it goes on and at its end: POST of OTLP JSON
 * to a URL ending in /v1/traces (OTLP 1.x, "OTLP/HTTP"). It reads the journal as anybody does, asks
 * nothing of the run and never holds it up: what cannot be sent is counted and told at the end. */
#ifndef DRC_CLI_OTLP_EXPORT_H
#define DRC_CLI_OTLP_EXPORT_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct graph;
struct otlp_export;
struct run_source;
struct world;

/* Whether --otlp names a collector; otherwise it is a file. */
bool otlp_is_url(const char *target);

struct otlp_export_options {
    const char *url;      /* without a path: /v1/traces is added */
    struct world *world;  /* the real one, also beside a sandbox */
    struct run_source *source;
    const struct graph *graph;
    const char *run_id;
};
/* Before the run goes on: what the journal holds by then was sent by the process before, unless that
 * one was killed. Everything in the options has to outlive it. */
struct otlp_export *otlp_export_start(const struct otlp_export_options *options);

/* Sends the whole of a run that is over, as otlp_export_finish does. */
struct otlp_trace;
void otlp_export_all(const char *url, struct world *world, const struct otlp_trace *trace,
                     struct buffer *problem);

/* Sends the rest, with the spans of VMs and run, for at most some seconds; appends to `problem` what
 * could not be sent and why (nothing: all was), and frees. NULL is allowed. */
void otlp_export_finish(struct otlp_export *exporter, struct buffer *problem);

#endif
