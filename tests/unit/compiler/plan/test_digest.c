#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "compiler/plan/files.h"
#include "tests/unit/support/plan_fixture.h"
#include "tests/unit/support/scratch_folder.h"

static void digest(const struct scratch_folder *folder, const char *comment,
                   const struct variable *variables, size_t count, char out[65])
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_bind_with(
        arena_printf(arena,
                     "vars: {a: x, b: y}\n%safter: [{script: \"%s/a.sh\"}]\n"
                     "vms: {db: {source: /a, subnet: db, guest: {credentials: \"file:%s/s\"}}}\n%s",
                     fixture_head, folder->path, folder->path, comment),
        variables, count);
    assert_non_null(fixture.plan);
    assert_true(plan_digest(fixture.plan, variables, count, fixture.diagnostics));
    assert_int_equal(strlen(fixture.plan->digest), 64);
    memcpy(out, fixture.plan->digest, 65);
    fixture_free(&fixture);
    arena_destroy(arena);
}

static void whatever_is_reviewed_counts(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    scratch_write(&folder, "a.sh", "one", 0755);
    scratch_write(&folder, "s", "secret", 0600);
    char first[65], again[65];
    digest(&folder, "", NULL, 0, first);
    digest(&folder, "", NULL, 0, again);
    assert_string_equal(first, again);

    scratch_write(&folder, "s", "another secret", 0600); /* no part of it */
    digest(&folder, "", NULL, 0, again);
    assert_string_equal(first, again);

    digest(&folder, "# a comment\n", NULL, 0, again);
    assert_string_not_equal(first, again);
    struct variable a[] = {{"a", "1"}, {"b", "2"}}, b[] = {{"a", "2"}, {"b", "1"}};
    char other[65];
    digest(&folder, "", a, 2, again);
    assert_string_not_equal(first, again);
    digest(&folder, "", b, 2, other);
    assert_string_not_equal(again, other);
    scratch_write(&folder, "a.sh", "two", 0755);
    digest(&folder, "", NULL, 0, again);
    assert_string_not_equal(first, again);
    scratch_remove(&folder);
}

static void unreadable_files_are_told(void **state)
{
    (void)state;
    struct scratch_folder folder = scratch_create();
    struct arena *arena = arena_create();
    scratch_write_sparse(&folder, "big", PLAN_FILE_SIZE_MAX + 1, 0755);
    struct plan_fixture fixture = fixture_bind(
        arena_printf(arena,
                     "%safter: [{script: \"%s/big\"}, {script: \"%s/none\"}, {script: \"%s\"}]\n"
                     "vms: {db: {source: /a, subnet: db}}\n",
                     fixture_head, folder.path, folder.path, folder.path));
    assert_non_null(fixture.plan);
    assert_false(plan_digest(fixture.plan, NULL, 0, fixture.diagnostics));
    assert_int_equal(fixture_count(&fixture, DIAG_FILE_UNREADABLE), 3);
    fixture_free(&fixture);
    arena_destroy(arena);
    scratch_remove(&folder);
}

static void paths_count_from_the_plan(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms("  db: {source: /a, subnet: db}\n");
    assert_string_equal(plan_file_path(fixture.plan, "a.sh"), "a.sh");
    fixture.plan->directory = "plans/shop";
    assert_string_equal(plan_file_path(fixture.plan, "a.sh"), "plans/shop/a.sh");
    assert_string_equal(plan_file_path(fixture.plan, "/a.sh"), "/a.sh");
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_reviewed_counts),
        cmocka_unit_test(unreadable_files_are_told),
        cmocka_unit_test(paths_count_from_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
