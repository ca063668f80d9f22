/* Events as NDJSON, for --events (schemas/events.schema.json): a version line first, then a line for
 * each event: {"v":1,"seq","t","run","type","node","vm","data"}. */
#ifndef DRC_ENGINE_EVENTS_H
#define DRC_ENGINE_EVENTS_H

#include <stdio.h>

#include "runtime/engine/executor.h"

struct events;

/* Writes the version line. `out` is borrowed; each line is flushed. */
struct events *events_create(FILE *out, const struct graph *graph, const char *run_id);
/* An executor_observer; its context is the events. */
void events_observe(void *events, const struct executor_event *event);
/* A write failed (disk full, reader gone): events are lost, the run is not. */
bool events_failed(const struct events *events);
void events_destroy(struct events *events);

const char *executor_event_name(enum executor_event_type type); /* "node_done" */

#endif
