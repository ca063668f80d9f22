/* Scripts: there, executable, with an interpreter, and small enough for an instance. */
#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "compiler/plan/files.h"
#include "tests/unit/support/plan_fixture.h"
#include "tests/unit/support/scratch_folder.h"

/* One step of a VM runs the script `name` of the folder; `more` behind it, in its braces. */
static struct plan_fixture with_script(const struct scratch_folder *folder, const char *name,
                                       const char *more)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_check(arena_printf(
        arena,
        "%svms: {db: {source: /a, subnet: db, iam_profile: dr, post_boot: [{script: \"%s/%s\"%s}, "
        "{script: \"%s/%s\"%s}]}}\n",
        fixture_head, folder->path, name, more, folder->path, name, more));
    arena_destroy(arena);
    return fixture;
}

static void expect(const struct scratch_folder *folder, const char *name, const char *more,
                   enum diagnostic_code code)
{
    struct plan_fixture fixture = with_script(folder, name, more);
    if (code == DIAGNOSTIC_CODE_COUNT) {
        fixture_clean(&fixture);
    } else {
        fixture_only(&fixture, code);
    }
    fixture_free(&fixture);
}

static const char on_runner[] = ", run_on: runner";

static void scripts_are_there_and_executable(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    scratch_write(&folder, "a.sh", "#!/bin/sh\n", 0755);
    scratch_write(&folder, "b.sh", "#!/bin/sh\n", 0644);
    scratch_write_sparse(&folder, "c.sh", PLAN_FILE_SIZE_MAX + 1, 0755);
    expect(&folder, "a.sh", on_runner, DIAGNOSTIC_CODE_COUNT);
    expect(&folder, "a.sh", "", DIAGNOSTIC_CODE_COUNT);
    expect(&folder, "b.sh", on_runner, DIAG_SCRIPT_NOT_EXECUTABLE);
    expect(&folder, "c.sh", on_runner, DIAG_FILE_TOO_LARGE);
    expect(&folder, "e.sh", "", DIAG_SCRIPT_MISSING);
    expect(&folder, ".", "", DIAG_SCRIPT_MISSING);
    scratch_remove(&folder);
}

static void something_has_to_run_them(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    scratch_write(&folder, "program", "\177ELF and more", 0755);
    scratch_write(&folder, "none.sh", "echo hello\n", 0755);
    scratch_write(&folder, "empty.sh", "", 0755);
    scratch_write(&folder, "windows.sh", "#!/bin/sh\r\n", 0755);
    scratch_write(&folder, "a.ps1", "Write-Output\r\n", 0644);
    expect(&folder, "program", on_runner, DIAGNOSTIC_CODE_COUNT);
    expect(&folder, "none.sh", on_runner, DIAG_SCRIPT_WITHOUT_INTERPRETER);
    expect(&folder, "empty.sh", "", DIAG_SCRIPT_WITHOUT_INTERPRETER);
    expect(&folder, "windows.sh", "", DIAG_SCRIPT_WITHOUT_INTERPRETER);
    expect(&folder, "a.ps1", "", DIAGNOSTIC_CODE_COUNT);
    expect(&folder, "a.ps1", on_runner, DIAG_SCRIPT_NOT_EXECUTABLE);
    scratch_remove(&folder);
}

/* Letters that gzip makes three quarters of, as they hold six bits each. */
static void write_noise(const struct scratch_folder *folder, const char *name, size_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = base_alloc(size + 1);
    uint64_t random = 0x9e3779b97f4a7c15;
    for (size_t i = 0; i < size; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        text[i] = letters[random >> 58];
    }
    memcpy(text, "#!/bin/sh\n", 10);
    scratch_write(folder, name, text, 0755);
    free(text);
}

static void what_goes_to_an_instance_has_to_fit(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    write_noise(&folder, "large.sh", 52 << 10);
    write_noise(&folder, "small.sh", 44 << 10);
    expect(&folder, "large.sh", "", DIAG_SCRIPT_TOO_LARGE_TO_SEND);
    expect(&folder, "large.sh", on_runner, DIAGNOSTIC_CODE_COUNT);
    expect(&folder, "small.sh", "", DIAGNOSTIC_CODE_COUNT);
    scratch_remove(&folder);
}

/* Also where a check is the first to name it. */
static void scripts_of_checks_are_looked_at(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms(
        "  db: {source: /a, subnet: db, ready: [{script: none.sh}], post_boot: [{check: {script: "
        "none.sh}}, {check: {script: none-2.sh}}]}\n");
    assert_int_equal(fixture_count(&fixture, DIAG_SCRIPT_MISSING), 2);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_are_there_and_executable),
        cmocka_unit_test(something_has_to_run_them),
        cmocka_unit_test(what_goes_to_an_instance_has_to_fit),
        cmocka_unit_test(scripts_of_checks_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
