#include "runtime/mover/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/mover/block.h"
#include "runtime/mover/image_file.h"
#include "runtime/mover/image_format.h"
#include "runtime/mover/nbd_lanes.h"
#include "runtime/world/child.h"

struct image {
    char *name;
    char *format; /* asked for; NULL: none */
    bool backing;
    atomic_bool stopped;
    bool is_uri, guessed;
    enum image_format kind;
    struct image_file file;  /* .file -1: an NBD export */
    struct nbd_lanes *lanes; /* NULL: the file is read as it is */
};

static bool is_uri(const char *name)
{
    static const char *const SCHEMES[] = {"nbd://", "nbds://", "nbd+unix://", "nbds+unix://",
                                          "nbd:",   "nbds:"};
    for (size_t i = 0; i < sizeof SCHEMES / sizeof *SCHEMES; i++) {
        if (strncmp(name, SCHEMES[i], strlen(SCHEMES[i])) == 0) {
            return true;
        }
    }
    return false;
}

struct image *image_create(const char *name, const struct image_options *options)
{
    struct image *image = base_alloc(sizeof *image);
    image->name = base_strdup(name);
    image->format = options->format ? base_strdup(options->format) : NULL;
    image->backing = options->backing;
    image->is_uri = is_uri(name);
    image->file.file = -1;
    atomic_init(&image->stopped, false);
    return image;
}

void image_destroy(struct image *image)
{
    if (image) {
        nbd_lanes_close(image->lanes);
        image_file_close(&image->file);
        free(image->format);
        free(image->name);
        free(image);
    }
}

void image_stop(struct image *image)
{
    atomic_store(&image->stopped, true);
}

/* ---- opening ---- */

static bool choose_format(struct image *image, struct error *error)
{
    if (image->format) {
        if (image_format_parse(image->format, &image->kind)) {
            return true;
        }
        error_set(error, "%s: drc knows no image format \"%s\"", image->name, image->format);
        return error_help(error, "--format is " IMAGE_FORMAT_NAMES);
    }
    /* A disk's first bytes are the guest's to write: a device is what it is. */
    image->kind = image->file.is_device ? IMAGE_RAW
                                        : image_format_detect(image->file.file, image->file.bytes);
    image->guessed = image->kind != IMAGE_RAW;
    return true;
}

/* As JSON: a path with any characters in it is a path and nothing else, the format is not guessed, and
 * no other file is opened unless that is wished. */
static char *block_node(const struct image *image)
{
    struct buffer text = {0};
    buffer_puts(&text, "json:");
    struct json_writer json = json_writer(&text, 0);
    json_begin_object(&json);
    json_key_string(&json, "driver", image_format_driver(image->kind));
    if (!image->backing) {
        json_key(&json, "backing");
        json_null(&json);
    }
    json_key(&json, "file");
    json_begin_object(&json);
    json_key_string(&json, "driver", image->file.is_device ? "host_device" : "file");
    json_key_string(&json, "filename", image->name);
    json_end_object(&json);
    json_end_object(&json);
    return buffer_steal(&text);
}

static bool explain_qemu(struct error *error)
{
    if (!error->help && error->message && strstr(error->message, "lock")) {
        return error_help(error, "something writes to it, a VM that runs perhaps: import a snapshot, or "
                                 "stop what writes");
    }
    return error->help ? false
                       : error_help(error, "qemu-nbd, which reads such images, says so; qemu-img check "
                                           "tells what is wrong with one");
}

/* QEMU reads what lies behind the end of a file as zeros: without this, an image that was cut off would
 * be taken for a whole one. Status 3: what is too much, and harmless; 63: QEMU cannot check that format,
 * and looks when it opens it (block/vpc.c). */
static bool check(struct image *image, const char *qemu_img, const char *node, struct error *error)
{
    const char *const words[] = {qemu_img, "check", "-q", node, NULL};
    int status = 0;
    if (!image_format_check_whole(image->file.file, image->name, image->file.bytes, image->kind,
                                  error)) {
        return false;
    }
    struct child *child = child_start(words, -1, error);
    if (!child) {
        return false;
    }
    child_wait(child, &image->stopped);
    struct error why = {0};
    bool ok = child_end(child, 0, image->name, &status, &why) || status == 3 || status == 63;
    if (ok) {
        error_clear(&why);
        return true;
    }
    error_move(error, &why);
    if (status == 2) {
        error_help(error, "the image is damaged, or was cut off: copy it again, or see what qemu-img "
                          "check says");
    }
    return explain_qemu(error);
}

/* The image in a server of its own. */
static bool serve(struct image *image, struct error *error)
{
    struct arena *arena = arena_create();
    const char *program = child_find(arena, "qemu-nbd");
    const char *qemu_img = child_find(arena, "qemu-img");
    bool ok = program && qemu_img;
    if (!ok) {
        error_set(error, "%s: a %s image is read by qemu-nbd, which is not installed", image->name,
                  image_format_name(image->kind));
        error_help(error, "install it: apt-get install qemu-utils (Debian, Ubuntu), dnf install "
                          "qemu-img (Fedora, RHEL)%s",
                   image->guessed ? "; or --format raw, if it is a raw disk after all" : "");
    } else {
        char *node = block_node(image);
        const char *const words[] = {program, "--read-only", "--shared=4", node, NULL};
        struct nbd_lanes_options options = {
            .name = image->name, .server = words, .stopped = &image->stopped};
        ok = check(image, qemu_img, node, error);
        image->lanes = ok ? nbd_lanes_open(&options, error) : NULL;
        ok = ok && (image->lanes || explain_qemu(error));
        free(node);
    }
    arena_destroy(arena);
    return ok;
}

static bool open_file(struct image *image, struct error *error)
{
    if (!image_file_open(&image->file, image->name, error) || !choose_format(image, error)) {
        return false;
    }
    if (image->kind == IMAGE_RAW) {
        return true;
    }
    if (!image->backing &&
        !image_format_check_alone(image->file.file, image->kind, error)) {
        return error_prefix(error, "%s", image->name);
    }
    return serve(image, error);
}

static bool open_uri(struct image *image, struct error *error)
{
    if (image->format && strcmp(image->format, "raw") != 0) {
        error_set(error, "%s: an NBD export is a disk as it is, not %s", image->name,
                  image->format);
        return error_help(error, "leave --format away; its server reads the format");
    }
    struct nbd_lanes_options options = {
        .name = image->name, .uri = image->name, .stopped = &image->stopped};
    image->lanes = nbd_lanes_open(&options, error);
    if (!image->lanes) {
        return error->help ? false
                           : error_help(error, "nbdinfo tells what a server exports: nbdinfo %s",
                                        image->name);
    }
    return true;
}

bool image_open(struct image *image, struct error *error)
{
    struct error why = {0};
    bool ok = image->is_uri ? open_uri(image, &why) : open_file(image, &why);
    if (ok && image->lanes && image_bytes(image) <= 0) {
        ok = error_set(&why, "%s: it is empty, 0 bytes", image->name);
    } else if (ok && image->lanes && image_bytes(image) > DISK_BYTES_MAX) {
        ok = error_set(&why, "%s: %" PRId64 " bytes, more than the 64 TiB of the largest EBS volume",
                       image->name, image_bytes(image));
    }
    return ok || error_move(error, &why);
}

/* ---- what it is ---- */

const char *image_name(const struct image *image)
{
    return image->name;
}

const char *image_form(const struct image *image)
{
    return image->is_uri ? "nbd" : image_format_name(image->kind);
}

bool image_form_was_guessed(const struct image *image)
{
    return image->guessed;
}

int64_t image_bytes(const struct image *image)
{
    return image->lanes ? nbd_lanes_bytes(image->lanes) : image->file.bytes;
}

bool image_is_same(const struct image *a, const struct image *b)
{
    if (a->is_uri || b->is_uri) {
        return strcmp(a->name, b->name) == 0;
    }
    const struct stat *one = &a->file.at_first;
    const struct stat *other = &b->file.at_first;
    if (a->file.is_device && b->file.is_device) {
        return one->st_rdev == other->st_rdev;
    }
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* ---- reading ---- */

bool image_extents(struct image *image, int64_t offset, struct image_extent *extents, size_t max,
                   size_t *count, int64_t *covered, struct error *error)
{
    return image->lanes
               ? nbd_lanes_extents(image->lanes, offset, extents, max, count, covered, error)
               : image_file_extents(&image->file, offset, extents, max, count, covered, error);
}

bool image_read(struct image *image, int64_t offset, void *bytes, size_t length,
                struct error *error)
{
    if (atomic_load(&image->stopped)) {
        return error_set(error, "%s: stopped", image->name);
    }
    return image->lanes ? nbd_lanes_read(image->lanes, offset, bytes, length, error)
                        : image_file_read(&image->file, offset, bytes, length, error);
}

bool image_check_unchanged(struct image *image, struct error *error)
{
    return image->is_uri || image_file_check_unchanged(&image->file, error);
}
