/* Progress line: one line of a terminal, cut where the terminal ends. */
#ifndef DRC_CLI_PROGRESS_LINE_H
#define DRC_CLI_PROGRESS_LINE_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;

enum ink { INK_PLAIN, INK_BOLD, INK_DIM, INK_GREEN, INK_CYAN, INK_RED, INK_YELLOW };

struct line {
    struct buffer *out;
    int width;  /* columns that there are */
    int column; /* columns used */
    int next;   /* column that the next text begins at, when past that */
    bool colour;
    bool full; /* something was cut off */
};

/* Appends text as far as there is room; what is cut ends in "…". Control characters, invalid bytes
 * and characters that turn the direction of text are shown as "?". */
void line_put(struct line *line, enum ink ink, const char *text);
void line_printf(struct line *line, enum ink ink, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What comes next begins at that column (or at once, when the line is past it). */
void line_to_column(struct line *line, int column);
/* Ends it: "\n". */
void line_end(struct line *line);

/* "04:12", "1:02:03". Returns text in the buffer given. */
const char *line_clock(char out[32], int64_t ms);

#endif
