#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static struct plan_fixture with_variable(const char *name, const char *value)
{
    struct arena *arena = arena_create();
    struct variable variable = {name, value};
    struct plan_fixture fixture = fixture_bind_with(
        arena_printf(arena,
                     "vars: {domain: shop.example, port: 8080, share: 0.5, live: true}\n"
                     "description: ${vars.domain} ${vars.port} ${vars.share} ${vars.live}\n"
                     "%svms: {db: {source: /a, subnet: db}}\n",
                     fixture_head),
        &variable, name ? 1 : 0);
    arena_destroy(arena);
    return fixture;
}

static void variables_are_used(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_variable(NULL, NULL);
    fixture_clean(&fixture);
    assert_string_equal(fixture.plan->description, "shop.example 8080 0.5 true");
    fixture_free(&fixture);
}

static void overrides_of_the_same_type_win(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *description;
    } overrides[] = {
        {"domain", "other.example", "other.example 8080 0.5 true"},
        {"domain", "", " 8080 0.5 true"},
        {"port", "-1", "shop.example -1 0.5 true"},
        {"share", "1e3", "shop.example 8080 1e3 true"},
        {"live", "false", "shop.example 8080 0.5 false"},
    };
    for (size_t i = 0; i < sizeof overrides / sizeof *overrides; i++) {
        struct plan_fixture fixture = with_variable(overrides[i].name, overrides[i].value);
        fixture_clean(&fixture);
        assert_string_equal(fixture.plan->description, overrides[i].description);
        fixture_free(&fixture);
    }
}

static void overrides_of_another_type_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } overrides[] = {{"port", "http"},  {"port", ""},    {"port", "1.5"},
                     {"share", "half"}, {"live", "yes"}, {"live", "TRUE"}};
    for (size_t i = 0; i < sizeof overrides / sizeof *overrides; i++) {
        struct plan_fixture fixture = with_variable(overrides[i].name, overrides[i].value);
        fixture_only(&fixture, DIAG_VARIABLE_TYPE);
        fixture_free(&fixture);
    }
}

static void unknown_ones_are_refused(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_variable("domian", "shop.example");
    const struct diagnostic *found = fixture_only(&fixture, DIAG_UNKNOWN_VARIABLE);
    assert_null(found->primary.span.source);
    assert_string_equal(found->helps[0], "did you mean \"domain\"?");
    fixture_free(&fixture);
}

static void variables_hold_no_references(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        fixture_bind("vars: {a: \"${plan.name}\"}\nname: shop\nvms: {}\n");
    fixture_only(&fixture, DIAG_REFERENCE_NOT_HERE);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_used),
        cmocka_unit_test(overrides_of_the_same_type_win),
        cmocka_unit_test(overrides_of_another_type_are_refused),
        cmocka_unit_test(unknown_ones_are_refused),
        cmocka_unit_test(variables_hold_no_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
