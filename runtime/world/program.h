/* Program: run to its end on the thread that asks (world_work), its output taken, bounded in size
 * and time: for credentials and secrets that a command yields. In a process group of its own,
 * killed whole when time is up; it gets no keys of drc's and reads nothing. */
#ifndef DRC_WORLD_PROGRAM_H
#define DRC_WORLD_PROGRAM_H

struct arena;
struct buffer;

enum { PROGRAM_OUTPUT_MAX = 1 << 16, PROGRAM_TIMEOUT_MS = 60000 };

/* words: the program (by PATH, unless there is a slash in it) and its arguments, then NULL. What it
 * prints is added to output. NULL: it ended with status 0; else why not, static or in the arena. */
const char *program_run(struct arena *arena, char **words, struct buffer *output);

#endif
