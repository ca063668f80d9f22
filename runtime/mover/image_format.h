/* Image format: what kind of file a disk is in, by its own bytes. A guest can write any first bytes onto
 * a raw disk: what is found here is told to people, can be overruled, and never opens another file: what
 * refers to other files is found by image_format_check_alone. */
#ifndef DRC_MOVER_IMAGE_FORMAT_H
#define DRC_MOVER_IMAGE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/error.h"

enum image_format {
    IMAGE_RAW,
    IMAGE_QCOW2,
    IMAGE_VMDK,
    IMAGE_VHDX,
    IMAGE_VDI,
    IMAGE_VHD,
    IMAGE_FORMAT_COUNT,
};

/* "qcow2", and what QEMU calls it ("vpc" for vhd). */
const char *image_format_name(enum image_format format);
const char *image_format_driver(enum image_format format);
/* False: `name` is none. */
bool image_format_parse(const char *name, enum image_format *format);
#define IMAGE_FORMAT_NAMES "raw, qcow2, vmdk, vhdx, vdi or vhd"

/* By the first bytes of the file, for a fixed VHD its last ones. What cannot be read is taken for raw:
 * reading it as such then says why. */
enum image_format image_format_detect(int file, int64_t bytes);

/* An error if the image's data lie in other files as well (a backing file, a parent, a data file, extents
 * outside of its own folder): it names them. */
bool image_format_check_alone(int file, enum image_format format, struct error *error);

/* An error if the file, or a flat part of a VMDK beside it, is shorter than the image says: what QEMU would
 * read as zeros, and what qemu-img check does not see (VDI, flat VMDK). */
bool image_format_check_whole(int file, const char *path, int64_t bytes, enum image_format format,
                              struct error *error);

#endif
