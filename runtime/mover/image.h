/* Image: a disk to be read: a raw file, a block device, an image of QEMU's kinds (by a qemu-nbd beside
 * drc), an NBD export. What is known to be zero is not read. All calls but those that say so block, and
 * are for threads (world_work); errors name the image and the offset. */
#ifndef DRC_MOVER_IMAGE_H
#define DRC_MOVER_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"

struct image;

struct image_options {
    const char *format; /* as image_format.h names them; NULL: by the first bytes of a file */
    bool backing;       /* an image whose data lie in other files too is taken */
};

/* A stretch that may hold data: [offset, end). */
struct image_extent {
    int64_t offset, end;
};

/* `name`: a path, or an URI (nbd:, nbds:, nbd+unix:, nbds+unix:). Does not block, touches nothing. */
struct image *image_create(const char *name, const struct image_options *options);
/* NULL is allowed. Ends a qemu-nbd; waits for a moment at most. */
void image_destroy(struct image *image);

bool image_open(struct image *image, struct error *error);
/* Any thread, does not block: what is under way fails soon, and everything from then on. */
void image_stop(struct image *image);

const char *image_name(const struct image *image);
/* Once it is open: "raw", "qcow2", … "nbd"; and whether only its first bytes say so. */
const char *image_form(const struct image *image);
bool image_form_was_guessed(const struct image *image);
int64_t image_bytes(const struct image *image);
/* Whether both are the same file or export. */
bool image_is_same(const struct image *a, const struct image *b);

/* Data at and behind `offset` (in the disk, not its end), by offset, up to *covered (> offset): between
 * them, and up to *covered, the disk is zero. One thread at a time. */
bool image_extents(struct image *image, int64_t offset, struct image_extent *extents, size_t max,
                   size_t *count, int64_t *covered, struct error *error);
/* `length` bytes at `offset`, which lie in the disk. Any threads. */
bool image_read(struct image *image, int64_t offset, void *bytes, size_t length,
                struct error *error);
/* After the last read: an error if a file has other times or another size than at the beginning. */
bool image_check_unchanged(struct image *image, struct error *error);

#endif
