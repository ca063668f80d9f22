#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "compiler/plan/files.h"
#include "tests/unit/support/plan_fixture.h"
#include "tests/unit/support/scratch_folder.h"

/* A plan whose one step runs the script `name` of the folder, and whose login is in `secret`. */
static struct plan_fixture with_files(const struct scratch_folder *folder, const char *name,
                                      const char *secret)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_check(
        arena_printf(arena,
                     "%safter: [{script: \"%s/%s\"}, {script: \"%s/%s\"}]\n"
                     "vms: {db: {source: /a, subnet: db, guest: {credentials: \"file:%s/%s\"}}}\n",
                     fixture_head, folder->path, name, folder->path, name, folder->path, secret));
    arena_destroy(arena);
    return fixture;
}

static void secrets_are_their_owners(void **state)
{
    (void)state;
    static const struct {
        unsigned mode;
        bool wrong;
    } modes[] = {{0600, false}, {0400, false}, {0640, true}, {0604, true}, {0610, true}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct scratch_folder folder = scratch_create();
        scratch_write(&folder, "a.sh", "#!/bin/sh\n", 0755);
        scratch_write(&folder, "secret", "x", modes[i].mode);
        struct plan_fixture fixture = with_files(&folder, "a.sh", "secret");
        if (modes[i].wrong) {
            fixture_only(&fixture, DIAG_SECRET_FILE_OPEN);
        } else {
            fixture_clean(&fixture);
        }
        fixture_free(&fixture);
        scratch_remove(&folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_their_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
