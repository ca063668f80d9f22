/* Transfer line: how far a disk's import or export is, as one line. */
#ifndef DRC_CLI_TRANSFER_LINE_H
#define DRC_CLI_TRANSFER_LINE_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;

struct transfer_state {
    const char *what;       /* "disk 0  db.qcow2" */
    int64_t total, passed;  /* bytes of the disk, those gone by: holes count */
    int64_t moved;          /* bytes read or written in fact */
    int64_t elapsed_ms;     /* since the disk's beginning */
};

/* Appends it, without a line's end, as wide as `width` at most; with a bar where there is room and
 * `bar`. */
void transfer_line(const struct transfer_state *state, int width, bool bar, bool colour,
                   struct buffer *out);

#endif
