#include "runtime/mover/disk_facts.h"

#include <string.h>

enum {
    SECTOR = 512,
    MBR_TABLE = 446,
    MBR_ENTRIES = 4,
    MBR_ENTRY = 16,
    TYPE_GPT = 0xEE,
    TYPE_ESP = 0xEF,
    GPT_ENTRY_MIN = 128,
    GPT_ENTRIES_MAX = 128,
};

static uint64_t little(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; i--) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* Partition types of GPT, as they lie on the disk (UEFI 2.10, "GUID Partition Table"; the UAPI Group's
 * Discoverable Partitions Specification). */
enum kind { ESP, BIOS_BOOT, MS_RESERVED, LINUX_DATA, LINUX_ROOT_X86_64, LINUX_ROOT_ARM64, LINUX_LVM,
            KIND_COUNT };
static const unsigned char TYPES[KIND_COUNT][16] = {
    [ESP] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
             0xc9, 0x3b},
    [BIOS_BOOT] = {0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e, 0x74, 0x4e, 0x65, 0x65, 0x64,
                   0x45, 0x46, 0x49},
    [MS_RESERVED] = {0x16, 0xe3, 0xc9, 0xe3, 0x5c, 0x0b, 0xb8, 0x4d, 0x81, 0x7d, 0xf9, 0x2d, 0xf0,
                     0x02, 0x15, 0xae},
    [LINUX_DATA] = {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8,
                    0x47, 0x7d, 0xe4},
    [LINUX_ROOT_X86_64] = {0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d, 0x96, 0xe7, 0xfb, 0xca,
                           0xf9, 0x84, 0xb7, 0x09},
    [LINUX_ROOT_ARM64] = {0x45, 0xb0, 0x21, 0xb9, 0xf0, 0x1d, 0xc3, 0x41, 0xaf, 0x44, 0x4c, 0x6f,
                          0x28, 0x0d, 0x3f, 0xae},
    [LINUX_LVM] = {0x79, 0xd3, 0xd6, 0xe6, 0x07, 0xf5, 0xc2, 0x44, 0xa2, 0x3c, 0x23, 0x8f, 0x2a,
                   0x3d, 0xf9, 0x28},
};

static struct disk_facts of_gpt(const unsigned char *bytes, size_t length)
{
    const unsigned char *header = bytes + SECTOR;
    struct disk_facts facts = {0};
    bool found[KIND_COUNT] = {false};
    uint64_t at = little(header + 72, 8);
    uint64_t count = little(header + 80, 4);
    uint64_t size = little(header + 84, 4);
    if (size < GPT_ENTRY_MIN || size > SECTOR || at < 2 || at > length / SECTOR) {
        return facts;
    }
    count = count < GPT_ENTRIES_MAX ? count : GPT_ENTRIES_MAX;
    for (uint64_t i = 0; i < count && at * SECTOR + (i + 1) * size <= length; i++) {
        for (int kind = 0; kind < KIND_COUNT; kind++) {
            found[kind] =
                found[kind] || memcmp(bytes + at * SECTOR + i * size, TYPES[kind], 16) == 0;
        }
    }
    if (found[ESP] && !found[BIOS_BOOT]) {
        facts.firmware = "uefi";
        facts.firmware_why = "GPT with an EFI system partition, none for BIOS";
    } else if (found[BIOS_BOOT] && !found[ESP]) {
        facts.firmware = "bios";
        facts.firmware_why = "GPT with a BIOS boot partition, no EFI system partition";
    }
    bool linux_root = found[LINUX_ROOT_X86_64] || found[LINUX_ROOT_ARM64];
    if (found[MS_RESERVED] && !found[LINUX_DATA] && !linux_root) {
        facts.os = "windows";
        facts.os_why = "a Microsoft reserved partition";
    } else if ((found[LINUX_DATA] || linux_root || found[LINUX_LVM]) && !found[MS_RESERVED]) {
        facts.os = "linux";
        facts.os_why = "Linux partitions";
    }
    if (found[LINUX_ROOT_X86_64] != found[LINUX_ROOT_ARM64]) {
        facts.arch = found[LINUX_ROOT_X86_64] ? "x86_64" : "arm64";
        facts.arch_why = "the type of its root partition";
    }
    return facts;
}

/* Old partition tables: what has an active partition and code to start it is made for BIOS. */
static struct disk_facts of_mbr(const unsigned char *bytes)
{
    struct disk_facts facts = {0};
    bool active = false, esp = false, linux_type = false, other = false, code = false;
    for (int i = 0; i < MBR_TABLE - 6; i++) {
        code = code || bytes[i];
    }
    for (int i = 0; i < MBR_ENTRIES; i++) {
        const unsigned char *entry = bytes + MBR_TABLE + i * MBR_ENTRY;
        if (entry[0] & 0x7f) {
            return facts; /* no partition table: the boot sector of a file system */
        }
        active = active || entry[0] == 0x80;
        esp = esp || entry[4] == TYPE_ESP;
        linux_type = linux_type || entry[4] == 0x83 || entry[4] == 0x8e;
        other = other || entry[4] == 0x07;
    }
    if (active && code && !esp) {
        facts.firmware = "bios";
        facts.firmware_why = "an MBR with an active partition, no EFI system partition";
    }
    if (linux_type && !other) {
        facts.os = "linux";
        facts.os_why = "Linux partitions";
    }
    return facts;
}

struct disk_facts disk_facts(const unsigned char *bytes, size_t length)
{
    struct disk_facts facts = {0};
    if (length < SECTOR || bytes[510] != 0x55 || bytes[511] != 0xaa) {
        return facts;
    }
    bool protective = false;
    for (int i = 0; i < MBR_ENTRIES; i++) {
        protective = protective || bytes[MBR_TABLE + i * MBR_ENTRY + 4] == TYPE_GPT;
    }
    if (!protective) {
        return of_mbr(bytes);
    }
    if (length >= (size_t)2 * SECTOR && memcmp(bytes + SECTOR, "EFI PART", 8) == 0) {
        return of_gpt(bytes, length);
    }
    return facts;
}
