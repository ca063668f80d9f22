/* Scratch folder: a directory of one test, with files, removed at its end. */
#ifndef DRC_TESTS_SCRATCH_FOLDER_H
#define DRC_TESTS_SCRATCH_FOLDER_H

#include <stddef.h>

struct scratch_folder {
    char path[64];
};

struct scratch_folder scratch_create(void);
/* Writes `name` (no subdirectories) with a mode such as 0755. */
void scratch_write(const struct scratch_folder *folder, const char *name, const char *text,
                   unsigned mode);
/* A file of `length` zero bytes that takes no room. */
void scratch_write_sparse(const struct scratch_folder *folder, const char *name, size_t length,
                          unsigned mode);
/* Removes the folder and the files in it. */
void scratch_remove(const struct scratch_folder *folder);

#endif
