/* Files of the state directory: directories made on the way, small files read whole and written
 * atomically, errors that say what to do. */
#ifndef DRC_WORLD_FILES_H
#define DRC_WORLD_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler/base/error.h"

struct arena;

/* "DOING PATH: reason", with help that fits the reason (an errno). Returns false. */
bool files_error(struct error *error, int reason, const char *doing, const char *path);

/* Whether what is at `path` (if anything) can only have been written by this user or root: whose file
 * it is, and that others may not write it, as ssh and git ask. What is in the state directory decides
 * what drc does with the user's account. A symbolic link is refused unless follow. */
bool files_check_private(const char *path, bool follow, struct error *error);

/* Makes the directory and those above it (0700); it may be there already. */
bool files_make_directory(const char *path, struct error *error);
/* The same for the directory that `path` is in. */
bool files_make_parents(const char *path, struct error *error);
bool files_make_parents_unsynced(const char *path, struct error *error); /* they may not be on the disk */

/* Writes beside it, syncs, renames over it, syncs the directory: a reader sees the old file or the
 * new one. 0600. */
bool files_write_atomically(const char *path, const void *bytes, size_t length,
                            struct error *error);

/* Its parts, for those that do it otherwise: a file (0600) whose bytes are on the disk when this
 * returns 0, else an errno, and the file is gone again; and a name that is (false: errno). */
int files_write_synced(const char *path, const void *bytes, size_t length);
int files_write_unsynced(const char *path, const void *bytes, size_t length); /* they may not be */
bool files_sync_parent(const char *path);

/* The whole of a file of at most `max` bytes, in the arena, NUL behind; NULL with an empty error
 * when there is none. */
char *files_read(struct arena *arena, const char *path, size_t max, size_t *length,
                 struct error *error);

#endif
