/* Progress screen: the state of a run as lines for a terminal: a bar, a line for each VM (or for
 * those that matter most, when there are more than rows), a status line. */
#ifndef DRC_CLI_PROGRESS_SCREEN_H
#define DRC_CLI_PROGRESS_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct executor_counters;
struct progress_state;

struct screen {
    int width, rows; /* of the terminal */
    bool colour;
    int64_t alive_ms;
    const struct executor_counters *counters; /* NULL: unknown */
};

/* Appends the lines, each ended by "\n" and none wider than the terminal; returns how many. Escape
 * sequences are for colours alone. */
int progress_screen_draw(const struct progress_state *state, const struct screen *screen,
                         struct buffer *out);

#endif
