#include "runtime/mover/image_format.h"

#include <stdlib.h>
#include <string.h>
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

/* Lines such as: RW 4192256 SPARSE "disk-s001.vmdk" (VMware, Virtual Disk Format 5.0, "The Extent
 * Description"). Whatever stands in quotes behind one of these words is taken for a name. */
static bool check_extents(const char *text, struct error *error)
{
    static const char *const ACCESS[] = {"RW ", "RDONLY ", "NOACCESS "};
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *word = line + strspn(line, " \t\r");
        bool is_extent = false;
        for (size_t i = 0; i < sizeof ACCESS / sizeof *ACCESS; i++) {
            is_extent = is_extent || strncmp(word, ACCESS[i], strlen(ACCESS[i])) == 0;
        }
        size_t end = strcspn(word, "\n");
        const char *name = is_extent ? memchr(word, '"', end) : NULL;
        if (name) {
            name++;
            size_t length = strcspn(name, "\"\n");
            if (!is_plain_name(name, length)) {
                return needs_another(error, "a part outside of its folder,", name, length);
            }
        }
    }
    return true;
}

/* Sparse ones have the descriptor inside, or, where the capacity is 0, describe parts as a text does. */
static bool check_vmdk(int file, struct error *error)
{
    unsigned char header[512] = {0};
    read_at(file, 0, header, sizeof header);
    bool sparse = memcmp(header, "KDMV", 4) == 0;
    uint64_t offset = sparse ? number(header + 28, 8, false) : 0;
    bool has_parts = !sparse || number(header + 12, 8, false) == 0;
    if (offset > INT64_MAX / 512 || (sparse && offset == 0)) {
        return true; /* none, or QEMU will say so */
    }
    char *text = base_alloc(DESCRIPTOR_MAX + 1);
    /* As far as QEMU looks, and like it up to the first NUL: what comes behind is the guest's. */
    read_at(file, (int64_t)offset * 512, text, has_parts ? DESCRIPTOR_MAX : EMBEDDED_MAX);
    const char *parent = strstr(text, "parentFileNameHint");
    bool ok = true;
    if (parent) {
        const char *name = strchr(parent, '"');
        name = name ? name + 1 : "";
        ok = needs_another(error, "a parent", name, strcspn(name, "\"\n"));
    } else if (has_parts) {
        ok = check_extents(text, error);
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
