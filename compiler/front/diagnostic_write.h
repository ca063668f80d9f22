/* What the writers of diagnostics share; each format is a file of its own. */
#ifndef DRC_FRONT_DIAGNOSTIC_WRITE_H
#define DRC_FRONT_DIAGNOSTIC_WRITE_H

#include "compiler/front/diagnostic.h"

/* Lines longer than these bytes are not shown, nor are bytes counted in them (a thousand
 * diagnostics on one line have to end) / not put into JSON. */
enum { SHOWN_LINE_MAX = 1 << 20, JSON_LINE_MAX = 4096 };

/* One diagnostic in rustc's layout, with a line end behind it. `all` knows what is concealed. */
void diagnostic_write_human(const struct diagnostics *all, const struct diagnostic *diagnostic,
                            bool colour, struct buffer *out);
void diagnostic_write_json(const struct diagnostics *all, const struct diagnostic *diagnostic,
                           struct buffer *out);
void diagnostic_write_github(const struct diagnostic *diagnostic, struct buffer *out);

/* `items` are those of `all`, sorted. */
void diagnostics_write_sarif(const struct diagnostics *all, struct diagnostic *const *items,
                             struct buffer *out);
/* "2 errors, 1 warning in plan.yaml". */
void diagnostics_write_summary(const struct diagnostics *all, bool colour, struct buffer *out);

/* Appends bytes of a line, starting at its character `first` (from 1), with concealed places as
 * asterisks. */
void diagnostic_line(const struct diagnostics *all, const struct source *source, uint32_t line,
                     uint32_t first, const char *bytes, size_t length, struct buffer *out);

/* The exclusive end column of what `span` covers of its first line; at least one more than the
 * start. */
uint32_t diagnostic_end_column(const struct span *span);

const char *diagnostic_severity_name(enum diagnostic_severity severity);

#endif
