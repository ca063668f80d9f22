/* Child: a program that runs beside drc for a while (qemu-nbd, qemu-img), and never longer than drc: in
 * a process group of its own (a Ctrl-C for drc is not one for it), killed when drc dies, reaped when it
 * is ended. It gets no keys of drc's, reads nothing, and what it writes to standard error is kept for
 * the message of a failure. Nothing here needs the world's loop: child_start and child_end may block. */
#ifndef DRC_WORLD_CHILD_H
#define DRC_WORLD_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "compiler/base/error.h"

struct arena;
struct child;

/* Where the program is, by PATH; NULL: nowhere. In the arena. */
const char *child_find(struct arena *arena, const char *program);

/* The environment but for keys and tokens of drc's own: what a process does not have it cannot leak.
 * The proxies' variables stay, which it may need. In the arena, the strings are environ's. */
char **child_environment(struct arena *arena);

/* words: the path of a program (child_find), then its arguments, then NULL. listening: a socket that it
 * gets as systemd would hand it over (sd_listen_fds(3)), -1: none; stays the caller's. Any thread that
 * lives as long as the child may. */
struct child *child_start(const char *const *words, int listening, struct error *error);
/* Any thread, more than once: it dies now, with what it started. */
void child_kill(struct child *child);
/* Waits for its end, or until *stopped. */
void child_wait(const struct child *child, const atomic_bool *stopped);
/* Waits for its end for so long (0: not at all), then kills it; reaps it and frees. True: it ended by
 * itself with status 0. Otherwise `error` has its last words, with `doing` before them. *status
 * (may be NULL): that it ended with; -1: it was killed. */
bool child_end(struct child *child, int patience_ms, const char *doing, int *status,
               struct error *error);

#endif
