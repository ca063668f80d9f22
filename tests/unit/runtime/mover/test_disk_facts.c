#include "runtime/mover/disk_facts.h"

#include <string.h>

#include "tests/unit/support/cmocka_all.h"

enum { ENTRIES_AT = 1024 };

static const unsigned char ESP[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                      0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const unsigned char BIOS_BOOT[16] = "Hah!IdontNeedEFI"; /* spelt like that on the disk */
static const unsigned char MSR[16] = {0x16, 0xe3, 0xc9, 0xe3, 0x5c, 0x0b, 0xb8, 0x4d,
                                      0x81, 0x7d, 0xf9, 0x2d, 0xf0, 0x02, 0x15, 0xae};
static const unsigned char LINUX[16] = {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
                                        0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4};
static const unsigned char ROOT_ARM64[16] = {0x45, 0xb0, 0x21, 0xb9, 0xf0, 0x1d, 0xc3, 0x41,
                                             0xaf, 0x44, 0x4c, 0x6f, 0x28, 0x0d, 0x3f, 0xae};

struct disk {
    unsigned char bytes[DISK_FACTS_BYTES];
};

static void begin(struct disk *disk)
{
    memset(disk, 0, sizeof *disk);
    disk->bytes[510] = 0x55;
    disk->bytes[511] = 0xaa;
}

static struct disk_facts gpt(const unsigned char *first, const unsigned char *second)
{
    struct disk disk;
    begin(&disk);
    disk.bytes[446 + 4] = 0xee;
    memcpy(disk.bytes + 512, "EFI PART", 8);
    disk.bytes[512 + 72] = ENTRIES_AT / 512;
    disk.bytes[512 + 80] = 128;
    disk.bytes[512 + 84] = 128;
    memcpy(disk.bytes + ENTRIES_AT, first, 16);
    memcpy(disk.bytes + ENTRIES_AT + 5 * 128, second, 16);
    return disk_facts(disk.bytes, sizeof disk.bytes);
}

static void gpt_tells_firmware_and_system(void **state)
{
    (void)state;
    struct disk_facts facts = gpt(ESP, LINUX);
    assert_string_equal(facts.firmware, "uefi");
    assert_string_equal(facts.os, "linux");
    assert_null(facts.arch);
    facts = gpt(BIOS_BOOT, LINUX);
    assert_string_equal(facts.firmware, "bios");
    facts = gpt(BIOS_BOOT, ESP); /* boots either way: nobody knows how it did */
    assert_null(facts.firmware);
    assert_null(facts.os);
    facts = gpt(ESP, MSR);
    assert_string_equal(facts.os, "windows");
    facts = gpt(LINUX, MSR); /* both */
    assert_null(facts.os);
    assert_null(facts.firmware);
    facts = gpt(ESP, ROOT_ARM64);
    assert_string_equal(facts.arch, "arm64");
    assert_string_equal(facts.os, "linux");
}

static struct disk_facts mbr(unsigned char active, unsigned char type, bool code)
{
    struct disk disk;
    begin(&disk);
    disk.bytes[0] = code ? 0xeb : 0;
    disk.bytes[446] = active;
    disk.bytes[450] = type;
    return disk_facts(disk.bytes, sizeof disk.bytes);
}

static void an_old_table_tells_bios_only_where_it_can_boot(void **state)
{
    (void)state;
    assert_string_equal(mbr(0x80, 0x83, true).firmware, "bios");
    assert_string_equal(mbr(0x80, 0x83, true).os, "linux");
    assert_null(mbr(0, 0x83, true).firmware);
    assert_null(mbr(0x80, 0x83, false).firmware);
    assert_null(mbr(0x80, 0xef, true).firmware);
    assert_string_equal(mbr(0x80, 0x07, true).firmware, "bios");
    assert_null(mbr(0x80, 0x07, true).os); /* NTFS, or exFAT */
    assert_null(mbr(0x41, 0x83, true).firmware); /* no table at all */
}

static void nothing_certain_says_nothing(void **state)
{
    (void)state;
    struct disk disk;
    memset(&disk, 0, sizeof disk);
    assert_null(disk_facts(disk.bytes, sizeof disk.bytes).firmware);
    assert_null(disk_facts(disk.bytes, 1).firmware);
    assert_null(disk_facts(disk.bytes, 0).firmware);
    begin(&disk);
    assert_null(disk_facts(disk.bytes, 512).firmware);
}

/* Whatever a guest writes there. */
static void forged_tables_are_read_within_bounds(void **state)
{
    (void)state;
    struct disk disk;
    uint32_t chance = 1;
    for (int round = 0; round < 20000; round++) {
        begin(&disk);
        disk.bytes[450] = 0xee;
        memcpy(disk.bytes + 512, "EFI PART", 8);
        for (int i = 72; i < 92; i++) {
            chance = chance * 1664525 + 1013904223;
            disk.bytes[512 + i] = (chance >> 16) & 3 ? 0 : (unsigned char)(chance >> 24);
        }
        size_t length = round % 2 ? sizeof disk.bytes : 512 + (size_t)(chance >> 20);
        struct disk_facts facts = disk_facts(disk.bytes, length);
        assert_null(facts.os);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt_tells_firmware_and_system),
        cmocka_unit_test(an_old_table_tells_bios_only_where_it_can_boot),
        cmocka_unit_test(nothing_certain_says_nothing),
        cmocka_unit_test(forged_tables_are_read_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
