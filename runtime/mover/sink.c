#include "runtime/mover/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/fs.h>
#endif

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/mover/export_folder.h"
#include "runtime/mover/nbd_lanes.h"
#include "runtime/world/child.h"
#include "runtime/world/files.h"

enum {
    CREATE_MS = 60000, /* how long qemu-img may take to make an empty image */
    SECTOR = 512,
    ZERO_BYTES = 1 << 20,
};

struct sink {
    char *path;
    enum image_format format;
    int64_t bytes;
    bool force, is_device;
    atomic_bool stopped;
    struct export_folder folder; /* in which it is made; none yet, or a device: without path */
    char *temporary;             /* in that */
    int file;        /* -1: by qemu-nbd */
    struct nbd_lanes *lanes;
};

struct sink *sink_create(const char *path, const struct sink_options *options)
{
    struct sink *sink = base_alloc(sizeof *sink);
    sink->path = base_strdup(path);
    sink->format = options->format;
    sink->bytes = options->bytes;
    sink->force = options->force;
    sink->file = sink->folder.lock = -1;
    atomic_init(&sink->stopped, false);
    return sink;
}

void sink_destroy(struct sink *sink)
{
    if (!sink) {
        return;
    }
    nbd_lanes_close(sink->lanes);
    if (sink->file >= 0) {
        close(sink->file);
    }
    export_folder_remove(&sink->folder);
    free(sink->temporary);
    free(sink->path);
    free(sink);
}

void sink_stop(struct sink *sink)
{
    atomic_store(&sink->stopped, true);
}

int64_t sink_bytes(const struct sink *sink)
{
    return sink->lanes ? nbd_lanes_bytes(sink->lanes) : sink->bytes;
}

/* ---- opening ---- */

static bool failed(const struct sink *sink, const char *doing, int why, struct error *error)
{
    error_set(error, "%s %s: %s", doing, sink->path, strerror(why));
    switch (why) {
    case ENOSPC:
    case EDQUOT:
        return error_help(error, "make room there, or give a file elsewhere with -o; --format qcow2 takes "
                                 "less");
    case EFBIG:
        return error_help(error, "the file system, or a limit of this process (ulimit -f), takes no file of "
                                 "%" PRId64 " bytes: give a file elsewhere with -o, or --format qcow2",
                          sink->bytes);
    case EACCES:
    case EPERM:
    case EROFS:
        return error_help(error, "make that folder writable for this user, or give a file elsewhere with -o");
    default:
        return error_help(error, "give a file elsewhere with -o");
    }
}

static bool exists_already(const struct sink *sink, struct error *error)
{
    error_set(error, "%s: there is a file of that name already", sink->path);
    return error_help(error, "another name by -o, or --force to replace it");
}

static bool open_device(struct sink *sink, struct error *error)
{
    if (!sink->force) {
        error_set(error, "%s: is a block device, and what is on it would be overwritten",
                  sink->path);
        return error_help(error, "--force, if it is the right one: lsblk %s", sink->path);
    }
    if (sink->format != IMAGE_RAW) {
        error_set(error, "%s: onto a block device the disk is written as it is", sink->path);
        return error_help(error, "--format raw");
    }
    /* O_EXCL: not one that is mounted, or used otherwise (open(2)). */
    sink->file = open(sink->path, O_RDWR | O_EXCL | O_CLOEXEC | O_NOCTTY);
    if (sink->file < 0) {
        return failed(sink, "opening", errno, error);
    }
    sink->is_device = true;
    off_t there = lseek(sink->file, 0, SEEK_END);
    if ((int64_t)there < sink->bytes) {
        return error_set(error, "%s: the device has %" PRId64 " bytes, the disk %" PRId64,
                         sink->path, (int64_t)there, sink->bytes);
    }
    return true;
}

/* The file gets PATH's own name in it: VMDK and qcow2 know their names. */
static bool make_folder(struct sink *sink, struct error *error)
{
    struct buffer text = {0};
    const char *slash = strrchr(sink->path, '/');
    int why = export_folder_make(&sink->folder, sink->path);
    if (why != 0) {
        return failed(sink, "making a file beside", why, error);
    }
    buffer_printf(&text, "%s/%s", sink->folder.path, slash ? slash + 1 : sink->path);
    sink->temporary = buffer_steal(&text);
    return true;
}

static bool open_raw(struct sink *sink, struct error *error)
{
    sink->file = open(sink->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (sink->file < 0 || ftruncate(sink->file, (off_t)sink->bytes) != 0) {
        return failed(sink, "writing", errno, error);
    }
    return true;
}

static bool no_program(const struct sink *sink, const char *program, struct error *error)
{
    error_set(error, "%s: a %s image is written by %s, which is not installed", sink->path,
              image_format_name(sink->format), program);
    return error_help(error, "install it: apt-get install qemu-utils (Debian, Ubuntu), dnf install "
                             "qemu-img (Fedora, RHEL); or --format raw");
}

static char *block_node(const struct sink *sink)
{
    struct buffer text = {0};
    buffer_puts(&text, "json:");
    struct json_writer json = json_writer(&text, 0);
    json_begin_object(&json);
    json_key_string(&json, "driver", image_format_driver(sink->format));
    json_key(&json, "file");
    json_begin_object(&json);
    json_key_string(&json, "driver", "file");
    json_key_string(&json, "filename", sink->temporary);
    json_end_object(&json);
    json_end_object(&json);
    return buffer_steal(&text);
}

/* An empty image by qemu-img, filled through qemu-nbd. */
static bool open_image(struct sink *sink, struct arena *arena, struct error *error)
{
    const char *qemu_img = child_find(arena, "qemu-img");
    const char *qemu_nbd = child_find(arena, "qemu-nbd");
    if (!qemu_img || !qemu_nbd) {
        return no_program(sink, qemu_img ? "qemu-nbd" : "qemu-img", error);
    }
    int64_t whole = (sink->bytes + SECTOR - 1) / SECTOR * SECTOR;
    const char *const create[] = {qemu_img,
                                  "create",
                                  "-q",
                                  "-f",
                                  image_format_driver(sink->format),
                                  "--",
                                  sink->temporary,
                                  arena_printf(arena, "%" PRId64, whole),
                                  NULL};
    struct child *child = child_start(create, -1, error);
    if (!child || !child_end(child, CREATE_MS, sink->path, NULL, error)) {
        return false;
    }
    char *node = block_node(sink);
    const char *const serve[] = {qemu_nbd, "--shared=4", node, NULL};
    struct nbd_lanes_options options = {
        .name = sink->path, .server = serve, .writable = true, .stopped = &sink->stopped};
    sink->lanes = nbd_lanes_open(&options, error);
    free(node);
    return sink->lanes != NULL;
}

bool sink_open(struct sink *sink, struct error *error)
{
    struct stat there;
    if (stat(sink->path, &there) == 0) {
        if (S_ISBLK(there.st_mode)) {
            return open_device(sink, error);
        }
        if (!S_ISREG(there.st_mode)) {
            return error_set(error, "%s: is neither a file nor a block device", sink->path);
        }
        if (!sink->force) {
            return exists_already(sink, error);
        }
    }
    if (!make_folder(sink, error)) {
        return false;
    }
    if (sink->format == IMAGE_RAW) {
        return open_raw(sink, error);
    }
    struct arena *arena = arena_create();
    bool ok = open_image(sink, arena, error);
    arena_destroy(arena);
    return ok;
}

/* ---- writing ---- */

static bool write_file_at(const struct sink *sink, int64_t offset, const char *bytes,
                          size_t length, struct error *error)
{
    while (length > 0) {
        ssize_t n = pwrite(sink->file, bytes, length, (off_t)offset);
        if (n < 0 && errno != EINTR) {
            return failed(sink, "writing", errno, error);
        }
        if (n > 0) {
            bytes += n;
            offset += n;
            length -= (size_t)n;
        }
    }
    return true;
}

bool sink_write(struct sink *sink, int64_t offset, const void *bytes, size_t length,
                struct error *error)
{
    if (atomic_load(&sink->stopped)) {
        return error_set(error, "%s: stopped", sink->path);
    }
    return sink->lanes ? nbd_lanes_write(sink->lanes, offset, bytes, length, error)
                       : write_file_at(sink, offset, bytes, length, error);
}

static bool zero_device(struct sink *sink, int64_t offset, int64_t length, struct error *error)
{
#ifdef BLKZEROOUT
    uint64_t range[2] = {(uint64_t)offset, (uint64_t)length};
    if (offset % SECTOR == 0 && length % SECTOR == 0 &&
        ioctl(sink->file, BLKZEROOUT, range) == 0) {
        return true;
    }
#endif
    char *zeros = base_alloc(ZERO_BYTES);
    bool ok = true;
    while (ok && length > 0) {
        size_t part = length < ZERO_BYTES ? (size_t)length : ZERO_BYTES;
        ok = sink_write(sink, offset, zeros, part, error);
        offset += (int64_t)part;
        length -= (int64_t)part;
    }
    free(zeros);
    return ok;
}

/* What has just been made is zero where nothing is written. */
bool sink_zero(struct sink *sink, int64_t offset, int64_t length, struct error *error)
{
    return !sink->is_device || zero_device(sink, offset, length, error);
}

/* ---- the end ---- */

static bool sync_file(const struct sink *sink, struct error *error)
{
    int file = open(sink->temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int why = file < 0 || fsync(file) != 0 ? errno : 0;
    if (file >= 0) {
        close(file);
    }
    return why == 0 || failed(sink, "writing", why, error);
}

static bool move_into_place(struct sink *sink, struct error *error)
{
    /* link: nobody's file that has come meanwhile is replaced. */
    int why = sink->force ? (rename(sink->temporary, sink->path) == 0 ? 0 : errno)
                          : (link(sink->temporary, sink->path) == 0 ? 0 : errno);
    if (why == EPERM || why == EOPNOTSUPP) { /* a file system without links */
        why = access(sink->path, F_OK) == 0                   ? EEXIST
              : rename(sink->temporary, sink->path) == 0 ? 0
                                                              : errno;
    }
    if (why == EEXIST) {
        return exists_already(sink, error);
    }
    if (why != 0 || !files_sync_parent(sink->path)) {
        return failed(sink, "writing", why ? why : errno, error);
    }
    return true;
}

bool sink_finish(struct sink *sink, struct error *error)
{
    if (sink->lanes && !nbd_lanes_finish(sink->lanes, error)) {
        return false;
    }
    if (sink->is_device) {
        return fsync(sink->file) == 0 || failed(sink, "writing", errno, error);
    }
    return sync_file(sink, error) && move_into_place(sink, error);
}
