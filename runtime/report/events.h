/* Events as NDJSON, for --events (schemas/events.schema.json): a version line first, then a line for
 * each event: {"v":1,"seq","t","run","type","node","vm","data"}. */
#ifndef DRC_REPORT_EVENTS_H
#define DRC_REPORT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/engine/executor.h"

struct events;
struct history;

/* Takes one line, its newline included; false: it is lost. Must not block. */
typedef bool (*events_write)(void *context, const char *line, size_t length);

/* Writes the version line, with the number `first`: 0, or what follows the last number of an earlier
 * part of the same run. */
struct events *events_create(events_write write, void *context, const struct graph *graph,
                             const char *run_id, int64_t first);
/* Where heartbeats count: the executor that tells the events, or the history that does. */
void events_attach(struct events *events, const struct executor *executor);
void events_follow(struct events *events, const struct history *history);
/* An executor_observer; its context is the events. */
void events_observe(void *events, const struct executor_event *event);
/* A write failed (disk full, reader gone or too slow): events are lost, the run is not. */
bool events_failed(const struct events *events);
void events_destroy(struct events *events);

const char *executor_event_name(enum executor_event_type type); /* "node_done" */

#endif
