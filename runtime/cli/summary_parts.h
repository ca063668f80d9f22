/* What the summaries of the workflows share. Not for others. */
#ifndef DRC_CLI_SUMMARY_PARTS_H
#define DRC_CLI_SUMMARY_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/cli/summary.h"

struct arena;

enum { SUMMARY_COLUMNS = 6 };

/* The binding VM/NAME; NULL without one. */
const char *summary_binding(const struct facts *facts, const char *vm, const char *name);
/* "2026-11-22 10:00 UTC" from RFC 3339. */
const char *summary_time(struct arena *arena, const char *time);
/* A table; the first row is its heading, the last column is broken where it is too long. */
void summary_rows(const char *(*rows)[SUMMARY_COLUMNS], size_t count, int width, bool colour,
                  struct buffer *out);
/* "3 volumes", with a comma before it unless it is the first; nothing for 0. */
void summary_count(struct buffer *out, size_t count, const char *word, bool *first);

/* summary_steps.c: how many DNS records are changed, and which; scripts, approvals. */
size_t summary_count_records(const struct graph *graph);
void summary_write_steps(const struct summary *summary, struct buffer *out);

/* summary_replicate.c */
void summary_write_replicate(const struct summary *summary, struct buffer *out);

#endif
