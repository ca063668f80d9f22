#include "tests/unit/support/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static void diamonds_are_no_circles(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        fixture_check_vms("  d: {source: /d, subnet: db, depends_on: [b, c]}\n"
                          "  b: {source: /b, subnet: db, depends_on: [a]}\n"
                          "  c: {source: /c, subnet: db, depends_on: [a]}\n"
                          "  a: {source: /a, subnet: db}\n");
    fixture_clean(&fixture);
    fixture_free(&fixture);
}

static void a_circle_is_shown_whole(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        fixture_check_vms("  a: {source: /a, subnet: db, depends_on: [b]}\n"
                          "  b: {source: /b, subnet: db, depends_on: {c: running}}\n"
                          "  c: {source: /c, subnet: db, depends_on: [x, a]}\n"
                          "  x: {source: /x, subnet: db}\n");
    const struct diagnostic *found = fixture_only(&fixture, DIAG_DEPENDENCY_CYCLE);
    assert_string_equal(found->message, "3 VMs depend on each other in a circle");
    assert_string_equal(found->primary.text, "1. a needs b");
    assert_int_equal(found->secondary_count, 2);
    assert_string_equal(found->secondary[0].text, "2. b needs c");
    assert_string_equal(found->secondary[1].text, "3. c needs a");
    fixture_free(&fixture);
}

static void each_circle_is_told_and_the_shortest_way(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        fixture_check_vms("  a: {source: /a, subnet: db, depends_on: [b, c]}\n"
                          "  b: {source: /b, subnet: db, depends_on: [c]}\n"
                          "  c: {source: /c, subnet: db, depends_on: [a]}\n"
                          "  d: {source: /d, subnet: db, depends_on: [e]}\n"
                          "  e: {source: /e, subnet: db, depends_on: [d, a]}\n");
    assert_int_equal(fixture_count(&fixture, DIAG_DEPENDENCY_CYCLE), 2);
    const struct diagnostic *found = fixture_find(&fixture, DIAG_DEPENDENCY_CYCLE);
    assert_string_equal(found->message, "two VMs depend on each other in a circle");
    assert_string_equal(found->primary.text, "1. a needs c");
    fixture_free(&fixture);
}

/* db's step uses a value of web, which waits for db: how far decides. */
static struct plan_fixture with_late_reference(const char *stage, const char *field)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_check_vms(
        arena_printf(arena,
                     "  db:\n    source: /a\n    subnet: db\n    post_boot:\n"
                     "      - {check: {dns: x.example, value: \"${vms.web.%s}\"}}\n"
                     "  web: {source: /b, subnet: db, depends_on: {db: %s}}\n",
                     field, stage));
    arena_destroy(arena);
    return fixture;
}

static void references_count_as_dependencies(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_late_reference("recovered", "address");
    const struct diagnostic *found = fixture_only(&fixture, DIAG_REFERENCE_TOO_LATE);
    assert_string_equal(found->primary.text, "1. db needs a value of web");
    assert_string_equal(found->secondary[0].text, "2. web needs db");
    fixture_free(&fixture);
    fixture = with_late_reference("ready", "address");
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture = with_late_reference("recovered", "name");
    fixture_clean(&fixture);
    fixture_free(&fixture);
}

/* A circle through ten thousand VMs: neither recursion nor a label for each. */
static void long_circles_are_cut(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    char *text = base_alloc(COUNT * 64);
    size_t length = 0;
    for (int i = 0; i < COUNT; i++) {
        length += (size_t)sprintf(text + length,
                                  "  vm-%d: {source: /%d, subnet: wide, depends_on: [vm-%d]}\n", i,
                                  i, (i + 1) % COUNT);
    }
    struct arena *arena = arena_create();
    const char *head = fixture_replace(
        arena, fixture_head,
        "      db:", "      wide: {id: subnet-9, cidr: 10.30.0.0/16, zone: eu-west-1a}\n      db:");
    struct plan_fixture fixture = fixture_check(arena_printf(arena, "%svms:\n%s", head, text));
    const struct diagnostic *found = fixture_only(&fixture, DIAG_DEPENDENCY_CYCLE);
    assert_string_equal(found->message, "10000 VMs depend on each other in a circle");
    assert_int_equal(found->secondary_count, 11);
    assert_string_equal(found->notes[0], "and 9988 more, back to vm-0");
    fixture_free(&fixture);
    arena_destroy(arena);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diamonds_are_no_circles),
        cmocka_unit_test(a_circle_is_shown_whole),
        cmocka_unit_test(each_circle_is_told_and_the_shortest_way),
        cmocka_unit_test(references_count_as_dependencies),
        cmocka_unit_test(long_circles_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
