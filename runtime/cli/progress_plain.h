/* Plain progress: a line for each event, with the time, made to be grepped. */
#ifndef DRC_CLI_PROGRESS_PLAIN_H
#define DRC_CLI_PROGRESS_PLAIN_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct executor_event;
struct progress_state;

/* Appends the event's line, or nothing for events that say nothing new. The state has taken the
 * event already. */
void progress_plain_event(const struct progress_state *state, const struct executor_event *event,
                          int64_t alive_ms, bool colour, struct buffer *out);

#endif
