/* Image file: a raw file or a block device, for image.c. */
#ifndef DRC_MOVER_IMAGE_FILE_H
#define DRC_MOVER_IMAGE_FILE_H

#include <sys/stat.h>

#include "runtime/mover/image.h"

struct image_file {
    const char *name; /* borrowed */
    int file;
    int64_t bytes;
    bool is_device;
    struct stat at_first;
};

/* False: it is not there, may not be read, is empty, a folder, a pipe; nothing is open then. */
bool image_file_open(struct image_file *image, const char *name, struct error *error);
void image_file_close(struct image_file *image);
/* As image.h has them. */
bool image_file_extents(struct image_file *image, int64_t offset, struct image_extent *extents,
                        size_t max, size_t *count, int64_t *covered, struct error *error);
bool image_file_read(struct image_file *image, int64_t offset, void *bytes, size_t length,
                     struct error *error);
bool image_file_check_unchanged(struct image_file *image, struct error *error);

#endif
