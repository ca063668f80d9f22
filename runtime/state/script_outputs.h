/* Script outputs: what the scripts of a run wrote, kept with it: RUN/output/NODE.log (call_file.h), 0600,
 * without the secrets that drc knows. Another attempt of a node has a file of its own; a process that
 * resumes a run writes the file of an attempt that it awaits anew. */
#ifndef DRC_STATE_SCRIPT_OUTPUTS_H
#define DRC_STATE_SCRIPT_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct redactor;
struct script_outputs;

/* The redactor is borrowed. Nothing is made until a script writes. */
struct script_outputs *script_outputs_open(const char *run_directory,
                                           const struct redactor *redactor);
/* In order; `first`: from the beginning; length 0: that was all, and it is on the disk when this returns. */
void script_outputs_take(struct script_outputs *outputs, const char *node_id, int generation,
                         bool first, const void *bytes, size_t length);
/* Something could not be written; the name of the first such file, for the user to be told; NULL: all
 * is there. */
const char *script_outputs_failed(const struct script_outputs *outputs);
/* NULL is allowed. */
void script_outputs_close(struct script_outputs *outputs);

/* Where the output of that attempt is, in the arena; NULL: there is none here. */
const char *script_outputs_find(struct arena *arena, const char *run_directory, const char *node_id,
                                int generation);

#endif
