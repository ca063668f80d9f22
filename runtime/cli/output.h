/* Output: results to stdout or -o FILE, errors to stderr, and whether to colour. */
#ifndef DRC_CLI_OUTPUT_H
#define DRC_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "runtime/cli/command.h"

struct buffer;

/* Tells the error and its help on stderr, without control characters; clears it, and returns
 * EXIT_ERROR. */
enum exit_status tell_error(struct error *error);

/* A warning on stderr, made harmless in the same way. */
void tell_warning(const char *text);

/* Writes a file beside the result (metrics, a trace; "-": standard output), with `mode` where it is a
 * plain file (0: as the umask has it). Never waits for long: what reads from a pipe may be stuck. */
bool write_aside(const char *path, mode_t mode, const void *bytes, size_t length,
                 struct error *error);

/* Writes the buffer to -o FILE (whole or not at all) or to stdout. */
bool write_result(const struct invocation *invocation, const struct buffer *text,
                  struct error *error);
/* Writes a file whole or not at all: to a temporary name beside it, then renamed. */
bool write_file(const char *path, const void *bytes, size_t length, struct error *error);

/* Asks on stderr; true when the answer on stdin is the word yes. */
bool ask_yes(void);

/* NO_COLOR, CLICOLOR_FORCE, and whether the stream is a terminal. */
bool wants_colour(FILE *stream);
/* Columns of the terminal behind the stream, 100 when it is none. */
int output_width(FILE *stream);

#endif
