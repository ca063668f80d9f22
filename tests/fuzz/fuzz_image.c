/* Hostile disks: their first sectors and headers are a guest's, or somebody's who sends an image. The first
 * byte says as what they are taken. Nothing but a verdict may come of them: a refusal has its reason, and a
 * VMDK that stands alone names no path. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/mover/disk_facts.h"
#include "runtime/mover/image_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void formats(const uint8_t *data, size_t size, enum image_format format)
{
    int file = memfd_create("image", MFD_CLOEXEC);
    struct error error = {0};
    expect(file >= 0 && write(file, data, size) == (ssize_t)size);
    (void)image_format_detect(file, (int64_t)size);
    expect(image_format_check_alone(file, format, &error) == (error.message == NULL));
    error_clear(&error);
    expect(image_format_check_whole(file, "/nowhere/image", (int64_t)size, format, &error) ==
           (error.message == NULL));
    error_clear(&error);
    close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 1 << 17) {
        return 0;
    }
    unsigned kind = data[0] % (IMAGE_FORMAT_COUNT + 1);
    data++;
    size--;
    if (kind < IMAGE_FORMAT_COUNT) {
        formats(data, size, (enum image_format)kind);
        return 0;
    }
    struct disk_facts facts = disk_facts(data, size < DISK_FACTS_BYTES ? size : DISK_FACTS_BYTES);
    expect(!facts.firmware == !facts.firmware_why && !facts.os == !facts.os_why &&
           !facts.arch == !facts.arch_why);
    return 0;
}
