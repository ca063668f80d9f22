#include "runtime/mover/image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/fs.h>
#endif

#include "compiler/base/arena.h"
#include "runtime/mover/block.h"

enum { SECTOR = 512, PROBE_BYTES = 16 << 10 };

static bool cannot_open(const char *name, int why, struct error *error)
{
    error_set(error, "%s: %s", name, strerror(why));
    if (why == EACCES || why == EPERM) {
        return error_help(error, "disk images and block devices often belong to root, or to the group "
                                 "disk or libvirt-qemu: run drc as somebody who may read it");
    }
    if (why == ENOENT) {
        return error_help(error, "an IMAGE is a file, a block device, or an NBD export such as "
                                 "nbd://host/name");
    }
    return false;
}

/* 0: it cannot be told. */
static int64_t device_bytes(int file)
{
#ifdef BLKGETSIZE64
    uint64_t bytes = 0;
    if (ioctl(file, BLKGETSIZE64, &bytes) == 0 && bytes <= INT64_MAX) {
        return (int64_t)bytes;
    }
#endif
    off_t end = lseek(file, 0, SEEK_END);
    return end > 0 ? (int64_t)end : 0;
}

static bool check_kind(struct image_file *image, struct error *error)
{
    mode_t mode = image->at_first.st_mode;
    if (S_ISDIR(mode)) {
        error_set(error, "%s: a folder is no disk image", image->name);
        return error_help(error, "name the files in it, the boot disk first");
    }
    image->is_device = S_ISBLK(mode);
    if (!image->is_device && !S_ISREG(mode)) {
        error_set(error, "%s: neither a file nor a block device", image->name);
        return error_help(error, "what comes through a pipe has to be put into a file first: a "
                                 "disk is read in parts, in any order");
    }
    image->bytes = image->is_device ? device_bytes(image->file) : image->at_first.st_size;
    if (image->bytes <= 0) {
        error_set(error, "%s: it is empty, 0 bytes", image->name);
        return error_help(error, "no VM has such a disk: look whether what wrote it has ended well");
    }
    if (image->bytes > DISK_BYTES_MAX) {
        error_set(error, "%s: %" PRId64 " bytes, more than the 64 TiB of the largest EBS volume",
                  image->name, image->bytes);
        return false;
    }
    return true;
}

bool image_file_open(struct image_file *image, const char *name, struct error *error)
{
    *image = (struct image_file){.name = name};
    image->file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (image->file < 0) {
        return cannot_open(name, errno, error);
    }
    if (fstat(image->file, &image->at_first) != 0) {
        int why = errno;
        image_file_close(image);
        return cannot_open(name, why, error);
    }
    if (!check_kind(image, error)) {
        image_file_close(image);
        return false;
    }
    (void)posix_fadvise(image->file, 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

void image_file_close(struct image_file *image)
{
    if (image->file >= 0) {
        close(image->file);
        image->file = -1;
    }
}

static bool has_shrunk(const struct image_file *image, int64_t offset, struct error *error)
{
    error_set(error,
              "%s: it ends at offset %" PRId64 ", and had %" PRId64
              " bytes when the import began: it became shorter while it was read",
              image->name, offset, image->bytes);
    return error_help(error, "a disk has to stand still while it is read: import a snapshot, or stop "
                             "what writes to it");
}

/* Data from `offset` on: false with errno ENXIO: none. */
static bool next_data(const struct image_file *image, int64_t offset, struct image_extent *extent)
{
    off_t data = lseek(image->file, (off_t)offset, SEEK_DATA);
    if (data < 0) {
        return false;
    }
    off_t hole = lseek(image->file, data, SEEK_HOLE);
    extent->offset = (int64_t)data;
    extent->end = hole > data && (int64_t)hole < image->bytes ? (int64_t)hole : image->bytes;
    return true;
}

bool image_file_extents(struct image_file *image, int64_t offset, struct image_extent *extents,
                        size_t max, size_t *count, int64_t *covered, struct error *error)
{
    *count = 0;
    *covered = offset;
    while (*covered < image->bytes && *count < max) {
        struct image_extent extent;
        if (!image->is_device && next_data(image, *covered, &extent)) {
            if (extent.offset >= image->bytes) {
                *covered = image->bytes; /* it grew, which is told at the end */
                break;
            }
            extents[(*count)++] = extent;
            *covered = extent.end;
            continue;
        }
        struct stat now;
        if (image->is_device || errno != ENXIO) { /* who cannot tell holes: all may be data */
            extents[(*count)++] = (struct image_extent){*covered, image->bytes};
        } else if (fstat(image->file, &now) != 0 || now.st_size < image->bytes) {
            return has_shrunk(image, (int64_t)now.st_size, error);
        }
        *covered = image->bytes;
    }
    return true;
}

/* The first sector from there on that cannot be read. */
static int64_t narrow(const struct image_file *image, int64_t offset, size_t length)
{
    char scrap[PROBE_BYTES];
    size_t step = PROBE_BYTES;
    for (size_t at = 0; at < length; at += step) {
        size_t part = length - at < step ? length - at : step;
        if (pread(image->file, scrap, part, (off_t)offset + (off_t)at) < 0) {
            if (step == SECTOR) {
                return offset + (int64_t)at;
            }
            offset += (int64_t)at;
            length = part;
            step = SECTOR;
            at = 0 - step; /* begins again at 0 */
        }
    }
    return offset;
}

bool image_file_read(struct image_file *image, int64_t offset, void *bytes, size_t length,
                     struct error *error)
{
    size_t got = 0;
    while (got < length) {
        ssize_t n =
            pread(image->file, (char *)bytes + got, length - got, (off_t)offset + (off_t)got);
        if (n > 0) {
            got += (size_t)n;
        } else if (n == 0) {
            return has_shrunk(image, offset + (int64_t)got, error);
        } else if (errno != EINTR) {
            int why = errno;
            int64_t bad = narrow(image, offset + (int64_t)got, length - got);
            error_set(error, "%s: reading at offset %" PRId64 " (sector %" PRId64 "): %s",
                      image->name, bad, bad / SECTOR, strerror(why));
            return why == EIO ? error_help(error, "the disk has sectors that cannot be read: copy "
                                                  "it with ddrescue first, and import the copy")
                              : false;
        }
    }
    return true;
}

/* Of a device only the size tells anything. */
bool image_file_check_unchanged(struct image_file *image, struct error *error)
{
    struct stat now;
    if (image->is_device) {
        return device_bytes(image->file) == image->bytes ||
               error_set(error, "%s: the device has another size now than at the beginning",
                         image->name);
    }
    if (fstat(image->file, &now) != 0) {
        return error_set(error, "%s: %s", image->name, strerror(errno));
    }
    const struct stat *then = &image->at_first;
    if (now.st_size < then->st_size) {
        return has_shrunk(image, (int64_t)now.st_size, error);
    }
    if (now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != then->st_mtim.tv_nsec) {
        error_set(error, "%s: it was written to while it was read", image->name);
        return error_help(error, "what was read is of no one moment, and no recovery point: import a "
                                 "snapshot, or stop what writes to it (a VM that runs?)");
    }
    return true;
}
