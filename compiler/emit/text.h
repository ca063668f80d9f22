/* Text for people: columns, wrapping, and what comes from outside made harmless for a terminal. */
#ifndef DRC_EMIT_TEXT_H
#define DRC_EMIT_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct buffer;

/* "1:40", "1:02:03": a moment of the run. Returns text in the buffer given. */
const char *format_clock(char out[32], int64_t ms);

/* Columns that a terminal needs for UTF-8 text (control and invalid bytes: none). */
int text_columns(const char *text);

/* Appends text without its control characters and invalid bytes: a "?" for each. */
void text_put(struct buffer *out, const char *text);

/* Appends text padded with spaces to `columns`, on its right or its left. Longer text stays whole.
 */
void text_pad(struct buffer *out, const char *text, int columns);
void text_pad_left(struct buffer *out, const char *text, int columns);

/* Appends text with line breaks at spaces, so that no line is longer than `width` columns where
 * words allow it. The text begins in column `column`; further lines are indented to `indent`.
 * width <= 0: no limit. */
void text_wrap(struct buffer *out, const char *text, int column, int indent, int width);

#endif
