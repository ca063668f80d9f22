#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "compiler/compile.h"
#include "tests/unit/support/plan_fixture.h"

static struct plan *compile(struct plan_fixture *fixture, const char *text, size_t length)
{
    fixture->arena = arena_create();
    fixture->diagnostics = diagnostics_create(fixture->arena);
    struct source *source = source_from_text(fixture->arena, "plan.yaml", text, length);
    fixture->plan = compile_plan(fixture->arena, source, NULL, 0, fixture->diagnostics);
    return fixture->plan;
}

static const char sound[] =
    "version: 1\nname: shop\nobjectives: {rpo: 30m, rto: 20m}\n"
    "sites: {recovery: {aws: {region: eu-west-1, account: \"111122223333\",\n"
    "  placeholder_image: ami-0c000000000000001, conversion: {inject: never}}}}\n"
    "networks: {production: {vpc: vpc-0a000000000000001, subnets: {app:\n"
    "  {id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}}}}\n"
    "vms: {web: {source: /DC0/vm/web01, subnet: app}}\n";

static void a_sound_plan_comes_through(void **state)
{
    (void)state;
    struct plan_fixture fixture;
    const struct plan *plan = compile(&fixture, sound, strlen(sound));
    fixture_clean(&fixture);
    assert_non_null(plan);
    assert_int_equal(strlen(plan->digest), 64);
    assert_string_equal(plan->vms[0].cards[0].subnet[NETWORK_PRODUCTION]->name, "app");
    fixture_free(&fixture);
}

/* Whatever a plan is cut off at, there is a plan or an error, and never both. */
static void every_prefix_is_a_plan_or_an_error(void **state)
{
    (void)state;
    for (size_t length = 0; length < strlen(sound); length++) {
        struct plan_fixture fixture;
        const struct plan *plan = compile(&fixture, sound, length);
        assert_int_equal(plan != NULL, fixture.diagnostics->error_count == 0);
        fixture_free(&fixture);
    }
}

/* The same with each byte changed: no crash, and nothing that is both sound and wrong. */
static void every_changed_byte_is_a_plan_or_an_error(void **state)
{
    (void)state;
    static const char others[] = {'\0', '\n', '$', '{', '}', '[', '&', '*', '"', ':', '\xff', '9'};
    char text[sizeof sound];
    for (size_t i = 0; i < strlen(sound); i++) {
        memcpy(text, sound, sizeof sound);
        text[i] = others[i % sizeof others];
        struct plan_fixture fixture;
        const struct plan *plan = compile(&fixture, text, strlen(sound));
        assert_int_equal(plan != NULL, fixture.diagnostics->error_count == 0);
        fixture_free(&fixture);
    }
}

static void the_version_is_known(void **state)
{
    (void)state;
    assert_string_equal(drc_version(), "drc " DRC_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_plan_comes_through),
        cmocka_unit_test(every_prefix_is_a_plan_or_an_error),
        cmocka_unit_test(every_changed_byte_is_a_plan_or_an_error),
        cmocka_unit_test(the_version_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
