/* Exposition: Prometheus' text format, as its textfile collector reads it. All metrics are drc's:
 * names come without "drc_". */
#ifndef DRC_REPORT_EXPOSITION_H
#define DRC_REPORT_EXPOSITION_H

struct buffer;

/* HELP and TYPE; before the first sample of that name, and once. */
void exposition_family(struct buffer *out, const char *name, const char *help);
/* A sample: begin, labels with "" before the first and "," before the others, end. */
void exposition_begin(struct buffer *out, const char *name);
void exposition_label(struct buffer *out, const char *key, const char *value, const char *comma);
void exposition_end(struct buffer *out, double value);

#endif
