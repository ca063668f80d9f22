/* Last lines: the end of what a program wrote, as one line for a person: errors mostly stand there. */
#ifndef DRC_WORLD_LAST_LINES_H
#define DRC_WORLD_LAST_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct redactor;

enum {
    LAST_LINES_MAX = 3,
    LAST_LINES_BYTES = 400, /* of all of them together */
    LAST_LINES_KEPT = 8192, /* as much of the end has to be kept for them */
};

/* Appends the last lines of the text that are not empty, the first of them first, with " | " between,
 * without secrets, control characters and what is no UTF-8; nothing when it has none. `cut`: the text's
 * own first line lacks its beginning. */
void last_lines(struct buffer *out, const struct redactor *redactor, const char *text, size_t length,
                bool cut);

#endif
