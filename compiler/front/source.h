/* Source: the text of one file, and places in it. */
#ifndef DRC_FRONT_SOURCE_H
#define DRC_FRONT_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct arena;

/* Lives in an arena, with a copy of the text (without a byte order mark). */
struct source {
    const char *path; /* as the user wrote it */
    const char *text; /* `length` bytes and a NUL */
    size_t length;
    const uint32_t *line_starts; /* byte offset of each line; lines end with LF, CRLF or CR */
    uint32_t line_count;
};

/* A place: lines and columns count from 1, columns in code points (a TAB is one); the end is
 * exclusive. source NULL: nowhere in particular. */
struct span {
    const struct source *source;
    uint32_t line, column, end_line, end_column;
};

enum { SOURCE_SIZE_MAX = 64 << 20 }; /* bytes; larger files are refused, unread */

/* Takes text that is in memory already. */
struct source *source_from_text(struct arena *arena, const char *path, const char *text,
                                size_t length);

/* Reads a regular file (or a pipe) of at most SOURCE_SIZE_MAX bytes. "-" is standard input. */
struct source *source_read(struct arena *arena, const char *path, struct error *error);

/* The bytes of line `line` without its line end. */
const char *source_line(const struct source *source, uint32_t line, size_t *length);

#endif
