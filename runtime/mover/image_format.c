#include "runtime/mover/image_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/base/arena.h"

enum {
    DESCRIPTOR_MAX = 1 << 20, /* bytes that QEMU reads of one (block/vmdk.c) */
    EMBEDDED_MAX = 20 * 512,  /* and of one inside an image */
    NAME_SHOWN = 200,
};

static const struct {
    const char *name, *driver;
} FORMATS[IMAGE_FORMAT_COUNT] = {
    [IMAGE_RAW] = {"raw", "raw"},    [IMAGE_QCOW2] = {"qcow2", "qcow2"},
    [IMAGE_VMDK] = {"vmdk", "vmdk"}, [IMAGE_VHDX] = {"vhdx", "vhdx"},
    [IMAGE_VDI] = {"vdi", "vdi"},    [IMAGE_VHD] = {"vhd", "vpc"},
};

const char *image_format_name(enum image_format format)
{
    return FORMATS[format].name;
}

const char *image_format_driver(enum image_format format)
{
    return FORMATS[format].driver;
}

bool image_format_parse(const char *name, enum image_format *format)
{
    for (int i = 0; i < IMAGE_FORMAT_COUNT; i++) {
        if (strcmp(name, FORMATS[i].name) == 0 || strcmp(name, FORMATS[i].driver) == 0) {
            *format = (enum image_format)i;
            return true;
        }
    }
    return false;
}

/* As many as there are. */
static size_t read_at(int file, int64_t offset, void *bytes, size_t length)
{
    size_t got = 0;
    ssize_t n = 1;
    while (got < length && n > 0) {
        n = pread(file, (char *)bytes + got, length - got, (off_t)offset + (off_t)got);
        got += n > 0 ? (size_t)n : 0;
    }
    return got;
}

enum image_format image_format_detect(int file, int64_t bytes)
{
    static const struct {
        enum image_format format;
        size_t offset;
        const char *magic;
    } MAGICS[] = {
        {IMAGE_QCOW2, 0, "QFI\xfb"},
        {IMAGE_VMDK, 0, "KDMV"},
        {IMAGE_VMDK, 0, "COWD"},
        {IMAGE_VMDK, 0, "# Disk DescriptorFile"},
        {IMAGE_VHDX, 0, "vhdxfile"},
        {IMAGE_VDI, 64, "\x7f\x10\xda\xbe"},
        {IMAGE_VHD, 0, "conectix"},
    };
    char head[512] = {0};
    char tail[8] = {0};
    read_at(file, 0, head, sizeof head);
    for (size_t i = 0; i < sizeof MAGICS / sizeof *MAGICS; i++) {
        if (memcmp(head + MAGICS[i].offset, MAGICS[i].magic, strlen(MAGICS[i].magic)) == 0) {
            return MAGICS[i].format;
        }
    }
    if (bytes > 512 && read_at(file, bytes - 512, tail, sizeof tail) == sizeof tail &&
        memcmp(tail, "conectix", sizeof tail) == 0) {
        return IMAGE_VHD;
    }
    return IMAGE_RAW;
}

static uint64_t number(const unsigned char *bytes, int count, bool big_endian)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++) {
        value = value << 8 | bytes[big_endian ? i : count - 1 - i];
    }
    return value;
}

static bool needs_another(struct error *error, const char *what, const char *name, size_t length)
{
    length = length > NAME_SHOWN ? NAME_SHOWN : length;
    error_set(error, "its data are not all in it: it has %s%s%.*s%s", what, length ? " \"" : "",
              (int)length, name, length ? "\"" : "");
    return error_help(error, "where the file comes from somebody else, the other one could be any file "
                             "of this host; if that is right, give --backing, or make one file "
                             "of it: qemu-img convert");
}

/* QEMU, docs/interop/qcow2.txt: header, incompatible features. */
static bool check_qcow2(int file, struct error *error)
{
    unsigned char header[104] = {0};
    char name[NAME_SHOWN];
    read_at(file, 0, header, sizeof header);
    uint64_t version = number(header + 4, 4, true);
    uint64_t backing = number(header + 8, 8, true);
    uint64_t length = number(header + 16, 4, true);
    if (backing != 0) {
        size_t shown = length < sizeof name ? (size_t)length : sizeof name;
        shown = backing < INT64_MAX ? read_at(file, (int64_t)backing, name, shown) : 0;
        return needs_another(error, "a backing file", name, shown);
    }
    if (version >= 3 && number(header + 72, 8, true) & 4) {
        return needs_another(error, "an external data file", "", 0);
    }
    return true;
}

/* A name in the same folder, without anything that QEMU would take for a protocol. */
static bool is_plain_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (strchr("/\\:", name[i])) {
            return false;
        }
    }
    return length > 0;
}

/* One line such as: RW 4192256 FLAT "disk-flat.vmdk" 0 (VMware, Virtual Disk Format 5.0, "The Extent
 * Description"). */
struct part {
    uint64_t sectors, offset;
    const char *kind, *name; /* not ended by a NUL */
    size_t kind_length, name_length;
};

/* The next one that names a file; false: no more. */
static bool next_part(const char **text, struct part *part)
{
    static const char *const ACCESS[] = {"RW ", "RDONLY ", "NOACCESS "};
    while (**text) {
        const char *line = *text + strspn(*text, " \t\r");
        const char *end = line + strcspn(line, "\n");
        const char *at = NULL;
        *text = *end ? end + 1 : end;
        for (size_t i = 0; i < sizeof ACCESS / sizeof *ACCESS && !at; i++) {
            at = strncmp(line, ACCESS[i], strlen(ACCESS[i])) == 0 ? line + strlen(ACCESS[i]) : NULL;
        }
        const char *name = at ? memchr(at, '"', (size_t)(end - at)) : NULL;
        if (name) {
            char *rest = NULL;
            part->sectors = strtoull(at, &rest, 10);
            part->kind = rest + strspn(rest, " \t");
            part->kind_length = strcspn(part->kind, " \t\n\"");
            part->name = name + 1;
            part->name_length = strcspn(part->name, "\"\n");
            const char *behind = part->name + part->name_length;
            part->offset = *behind == '"' ? strtoull(behind + 1, NULL, 10) : 0;
            return true;
        }
    }
    return false;
}

static bool check_parts(const char *text, struct error *error)
{
    struct part part;
    while (next_part(&text, &part)) {
        if (!is_plain_name(part.name, part.name_length)) {
            return needs_another(error, "a part outside of its folder,", part.name,
                                 part.name_length);
        }
    }
    return true;
}

/* Sparse ones have the descriptor inside; where their capacity is 0, it describes parts as a text does:
 * *has_parts. The caller frees it; NULL: there is none, or QEMU will say so. */
static char *read_descriptor(int file, bool *has_parts)
{
    unsigned char header[512] = {0};
    read_at(file, 0, header, sizeof header);
    bool sparse = memcmp(header, "KDMV", 4) == 0;
    uint64_t offset = sparse ? number(header + 28, 8, false) : 0;
    *has_parts = !sparse || number(header + 12, 8, false) == 0;
    if (offset > INT64_MAX / 512 || (sparse && offset == 0)) {
        return NULL;
    }
    /* As far as QEMU looks, and like it up to the first NUL: what comes behind is the guest's. */
    char *text = base_alloc(DESCRIPTOR_MAX + 1);
    read_at(file, (int64_t)offset * 512, text, *has_parts ? DESCRIPTOR_MAX : EMBEDDED_MAX);
    return text;
}

static bool check_vmdk(int file, struct error *error)
{
    bool has_parts = false, ok = true;
    char *text = read_descriptor(file, &has_parts);
    const char *parent = text ? strstr(text, "parentFileNameHint") : NULL;
    if (parent) {
        const char *name = strchr(parent, '"');
        name = name ? name + 1 : "";
        ok = needs_another(error, "a parent", name, strcspn(name, "\"\n"));
    } else if (text && has_parts) {
        ok = check_parts(text, error);
    }
    free(text);
    return ok;
}

bool image_format_check_alone(int file, enum image_format format, struct error *error)
{
    switch (format) {
    case IMAGE_QCOW2:
        return check_qcow2(file, error);
    case IMAGE_VMDK:
        return check_vmdk(file, error);
    default: /* QEMU's drivers of the others know no other file */
        return true;
    }
}

static bool is_cut(struct error *error, const char *name, size_t length, int64_t bytes,
                   uint64_t wanted)
{
    error_set(error, "%.*s has %" PRId64 " bytes, and should have %" PRIu64 " at least: it was cut off",
              (int)(length > NAME_SHOWN ? NAME_SHOWN : length), name, bytes, wanted);
    return error_help(error, "copy it again, and see that the copy ends well");
}

/* VirtualBox, VDICore.h: VDIHEADER1. */
static bool check_vdi(int file, const char *path, int64_t bytes, struct error *error)
{
    unsigned char header[512] = {0};
    read_at(file, 0, header, sizeof header);
    uint64_t data = number(header + 0x158, 4, false);
    uint64_t block = number(header + 0x178, 4, false);
    uint64_t allocated = number(header + 0x184, 4, false);
    uint64_t wanted = data + block * allocated;
    return (uint64_t)bytes >= wanted || is_cut(error, path, strlen(path), bytes, wanted);
}

/* A part without data of its own is not there (ZERO), a sparse one is for qemu-img to check. */
static bool check_flat_parts(const char *text, const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    struct arena *arena = arena_create();
    struct part part;
    bool ok = true;
    while (ok && next_part(&text, &part)) {
        struct stat there;
        bool flat = (part.kind_length == 4 && strncmp(part.kind, "FLAT", 4) == 0) ||
                    (part.kind_length == 4 && strncmp(part.kind, "VMFS", 4) == 0);
        const char *name =
            arena_printf(arena, "%.*s%.*s", slash ? (int)(slash - path + 1) : 0, path,
                         (int)part.name_length, part.name);
        if (flat && part.sectors < INT64_MAX / 1024 && part.offset < INT64_MAX / 1024 &&
            stat(name, &there) == 0 && S_ISREG(there.st_mode)) {
            uint64_t wanted = (part.sectors + part.offset) * 512;
            ok = (uint64_t)there.st_size >= wanted ||
                 is_cut(error, name, strlen(name), (int64_t)there.st_size, wanted);
        }
    }
    arena_destroy(arena);
    return ok;
}

bool image_format_check_whole(int file, const char *path, int64_t bytes, enum image_format format,
                              struct error *error)
{
    bool has_parts = false, ok = true;
    char *text = format == IMAGE_VMDK ? read_descriptor(file, &has_parts) : NULL;
    if (format == IMAGE_VDI) {
        ok = check_vdi(file, path, bytes, error);
    } else if (text && has_parts) {
        ok = check_flat_parts(text, path, error);
    }
    free(text);
    return ok;
}
