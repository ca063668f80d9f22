/* Visible: text from outside made fit for a terminal: control and formatting characters become
 * visible, so that a plan can neither hide text nor command the terminal; widths in columns. */
#ifndef DRC_FRONT_VISIBLE_H
#define DRC_FRONT_VISIBLE_H

#include <stddef.h>

struct buffer;

enum { VISIBLE_TAB_WIDTH = 4 };

/* Appends the character at `at` (`length` > 0 bytes are left) as it can be shown. Returns the bytes
 * taken; *width becomes its columns: 0 for a combining one, 2 for a wide one. */
size_t visible_character(struct buffer *out, const char *at, size_t length, unsigned *width);

/* Appends text that belongs on one line. */
void visible_text(struct buffer *out, const char *text);

/* Appends text with U+FFFD in place of each byte that is not UTF-8, and of NUL. */
void visible_utf8(struct buffer *out, const char *text, size_t length);

/* The bytes of the first `count` characters of a line (a character begins with any byte that is no
 * continuation byte), `length` when it has fewer. */
size_t visible_offset(const char *line, size_t length, size_t count);

/* The characters in the first `length` bytes. */
size_t visible_count(const char *line, size_t length);

#endif
