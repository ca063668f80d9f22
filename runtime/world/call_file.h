/* Call file: how what is kept of a node in files is named: RUN/output/NAME.log, RUN/jobs/NAME. */
#ifndef DRC_WORLD_CALL_FILE_H
#define DRC_WORLD_CALL_FILE_H

struct buffer;

/* Appends the node's id with dots for slashes (no name in a plan has a dot), and behind the first
 * generation its number: "db.post-boot-1.run-script.2". Two nodes never share a name, and it is always
 * one that a file can have. */
void call_file_name(const char *node_id, int generation, struct buffer *out);

#endif
