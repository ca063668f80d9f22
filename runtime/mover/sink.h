/* Sink: a disk to be written: a raw file with holes, a qcow2 or VMDK (by a qemu-nbd beside drc), a block
 * device. A file is made in a folder of its own beside its place (".drc-export-…") and moved there
 * whole and durable, or not at all; the folder of one that was killed goes with the next. Calls but those
 * that say so block, and are for threads. */
#ifndef DRC_MOVER_SINK_H
#define DRC_MOVER_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/error.h"
#include "runtime/mover/image_format.h"

struct sink;

struct sink_options {
    enum image_format format; /* RAW, QCOW2 or VMDK */
    int64_t bytes;            /* of the disk */
    bool force;               /* an old file is replaced, a block device is overwritten */
};

/* Does not block, touches nothing. */
struct sink *sink_create(const char *path, const struct sink_options *options);
/* NULL is allowed. Without sink_finish nothing is left of it (of a device: what has been written). */
void sink_destroy(struct sink *sink);

bool sink_open(struct sink *sink, struct error *error);
/* What qcow2 and VMDK round the disk up to; else the disk's own. */
int64_t sink_bytes(const struct sink *sink);
/* Any threads, in any order, within the disk. */
bool sink_write(struct sink *sink, int64_t offset, const void *bytes, size_t length,
                struct error *error);
/* Makes sure that zeros are read there. */
bool sink_zero(struct sink *sink, int64_t offset, int64_t length, struct error *error);
/* Durable, and in its place. */
bool sink_finish(struct sink *sink, struct error *error);
/* Any thread, does not block: what is under way fails soon. */
void sink_stop(struct sink *sink);

#endif
