/* Disk facts: what the boot disk's first sectors say of the VM: how it boots, what runs on it. Only what
 * is certain is said; everything on a disk is the guest's own claim. */
#ifndef DRC_MOVER_DISK_FACTS_H
#define DRC_MOVER_DISK_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_FACTS_BYTES = 64 << 10 }; /* of the disk's beginning that are looked at */

/* NULL: not known. Static texts. */
struct disk_facts {
    const char *firmware, *firmware_why;
    const char *os, *os_why;
    const char *arch, *arch_why;
};

/* `bytes`: the first DISK_FACTS_BYTES of the disk, or all of a smaller one. */
struct disk_facts disk_facts(const unsigned char *bytes, size_t length);

#endif
