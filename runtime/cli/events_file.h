/* Events file: where --events goes: a file, a FIFO, standard output. Whatever is at the other end,
 * the run does not wait for it: what cannot be written at once is kept up to a bound and then lost. */
#ifndef DRC_CLI_EVENTS_FILE_H
#define DRC_CLI_EVENTS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct events_file;

/* Whether it could be opened, as far as can be seen without doing it: before somebody is asked, and a
 * run begun. NULL is allowed. */
bool events_file_check(const char *path, struct error *error);
/* "-" is standard output. A file is appended to; `*first` is the number that follows the last line of
 * the same run in it (0: there is none). A FIFO that nobody reads is refused. */
struct events_file *events_file_open(const char *path, const char *run_id, int64_t *first,
                                     struct error *error);
/* An events_write. */
bool events_file_write(void *file, const char *line, size_t length);
/* Gives a reader that is behind a moment to take the rest. False: not all was written. NULL is
 * allowed. */
bool events_file_close(struct events_file *file);

#endif
