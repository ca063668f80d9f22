#include "runtime/cli/import_facts.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

static struct invocation invocation_of(struct arena *arena)
{
    static const struct command COMMAND = {.words = "repo import"};
    return (struct invocation){.arena = arena, .command = &COMMAND};
}

static void flags_become_facts(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct invocation invocation = invocation_of(arena);
    struct repository_point point = {0};
    invocation.values[FLAG_CPUS] = "4";
    invocation.values[FLAG_MEMORY] = "16GiB";
    invocation.values[FLAG_FIRMWARE] = "uefi";
    invocation.values[FLAG_OS] = "windows";
    invocation.values[FLAG_ARCH] = "arm64";
    invocation.values[FLAG_GUEST_ID] = "windows2019srv_64Guest";
    invocation.values[FLAG_CONTROLLER] = "pvscsi,ide";
    assert_true(import_facts_from_flags(&invocation, 2, &point, NULL));
    assert_int_equal(point.cpus, 4);
    assert_int_equal(point.memory_mib, 16384);
    assert_string_equal(point.firmware, "uefi");
    assert_string_equal(point.os, "windows");
    assert_string_equal(point.arch, "arm64");
    assert_string_equal(point.guest_id, "windows2019srv_64Guest");
    assert_string_equal(point.disks[0].controller, "pvscsi");
    assert_string_equal(point.disks[1].controller, "ide");
    invocation.values[FLAG_CONTROLLER] = "nvme"; /* for all */
    assert_true(import_facts_from_flags(&invocation, 2, &point, NULL));
    assert_string_equal(point.disks[1].controller, "nvme");
    arena_destroy(arena);
}

static void what_is_not_given_is_unknown(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct invocation invocation = invocation_of(arena);
    struct repository_point point = {0};
    assert_true(import_facts_from_flags(&invocation, 3, &point, NULL));
    assert_int_equal(point.disk_count, 3);
    assert_int_equal(point.cpus, 0);
    assert_int_equal(point.memory_mib, 0);
    assert_null(point.firmware);
    assert_null(point.disks[2].controller);
    arena_destroy(arena);
}

static void wrong_flags_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum flag flag;
        const char *value, *message;
    } WRONG[] = {
        {FLAG_CPUS, "0", "--cpus wants a number from 1"},
        {FLAG_CPUS, "1.5", "--cpus wants a whole number"},
        {FLAG_MEMORY, "16", "--memory wants whole MiB"},
        {FLAG_MEMORY, "1KiB", "--memory wants whole MiB"},
        {FLAG_FIRMWARE, "efi", "--firmware \"efi\" is not known"},
        {FLAG_OS, "Linux", "--os \"Linux\" is not known"},
        {FLAG_ARCH, "amd64", "--arch \"amd64\" is not known"},
        {FLAG_GUEST_ID, "a b", "is no guest id"},
        {FLAG_CONTROLLER, "scsi", "--controller \"scsi\" is not known"},
        {FLAG_CONTROLLER, "", "--controller \"\" is not known"},
        {FLAG_CONTROLLER, "ide,ide,ide", "names 3 controllers, and there are 2 images"},
    };
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        struct invocation invocation = invocation_of(arena);
        struct repository_point point = {0};
        struct error error = {0};
        invocation.values[WRONG[i].flag] = WRONG[i].value;
        assert_false(import_facts_from_flags(&invocation, 2, &point, &error));
        if (!strstr(error.message, WRONG[i].message)) {
            fail_msg("no \"%s\" in: %s", WRONG[i].message, error.message);
        }
        error_clear(&error);
    }
    arena_destroy(arena);
}

static void flags_win_over_what_is_found(void **state)
{
    (void)state;
    struct buffer told = {0};
    struct repository_point point = {.firmware = "bios", .os = "linux"};
    struct disk_facts found = {.firmware = "uefi",
                               .firmware_why = "an ESP",
                               .os = "linux",
                               .os_why = "Linux partitions",
                               .arch = "arm64",
                               .arch_why = "its type"};
    import_facts_add_detected(&found, &point, &told);
    assert_string_equal(point.firmware, "bios");
    assert_string_equal(point.arch, "arm64");
    assert_string_equal(told.data,
                        "firmware bios, as the flag says, though disk 0 looks like uefi: it has an ESP\n"
                        "arch arm64: disk 0 has its type\n");
    buffer_free(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_become_facts),
        cmocka_unit_test(what_is_not_given_is_unknown),
        cmocka_unit_test(wrong_flags_are_refused),
        cmocka_unit_test(flags_win_over_what_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
