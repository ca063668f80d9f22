#include "tests/unit/support/cmocka_all.h"

#include "tests/unit/support/plan_fixture.h"

static void sources_are_claimed_once(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms("  a: {source: /x, subnet: db}\n"
                                                    "  b: {source: /y, subnet: db}\n");
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture = fixture_check_vms("  a: {source: /x, subnet: db}\n"
                                "  b: {source: /x, subnet: db}\n"
                                "  c: {source: /x, subnet: db}\n");
    assert_int_equal(fixture_count(&fixture, DIAG_DUPLICATE_SOURCE), 2);
    assert_int_equal(fixture_find(&fixture, DIAG_DUPLICATE_SOURCE)->secondary_count, 1);
    fixture_free(&fixture);
}

static void elastic_addresses_are_claimed_once(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms(
        "  a: {source: /x, subnet: db, elastic_ip: {production: eipalloc-1, test: eipalloc-2}}\n"
        "  b: {source: /y, subnet: db, elastic_ip: {production: eipalloc-3}}\n");
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture =
        fixture_check_vms("  a: {source: /x, subnet: db, elastic_ip: {production: eipalloc-1}}\n"
                          "  b: {source: /y, subnet: db, elastic_ip: {production: eipalloc-1}}\n");
    fixture_only(&fixture, DIAG_DUPLICATE_ELASTIC_ADDRESS);
    fixture_free(&fixture);
    fixture = fixture_check_vms(
        "  a: {source: /x, subnet: db, elastic_ip: {production: eipalloc-1, test: eipalloc-1}}\n");
    fixture_only(&fixture, DIAG_DUPLICATE_ELASTIC_ADDRESS);
    fixture_free(&fixture);
}

static void critical_needs_critical(void **state)
{
    (void)state;
    static const struct {
        const char *db, *web;
        bool wrong;
    } cases[] = {{"true", "true", false},
                 {"false", "true", true},
                 {"true", "false", false},
                 {"false", "false", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_create();
        struct plan_fixture fixture = fixture_check_vms(
            arena_printf(arena,
                         "  db: {source: /x, subnet: db, critical: %s}\n"
                         "  web: {source: /y, subnet: db, critical: %s, depends_on: [db]}\n",
                         cases[i].db, cases[i].web));
        if (cases[i].wrong) {
            fixture_only(&fixture, DIAG_CRITICAL_DEPENDS_ON_NONCRITICAL);
        } else {
            fixture_clean(&fixture);
        }
        fixture_free(&fixture);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_claimed_once),
        cmocka_unit_test(elastic_addresses_are_claimed_once),
        cmocka_unit_test(critical_needs_critical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
