#include "tests/unit/support/cmocka_all.h"

#include "tests/unit/support/plan_fixture.h"

/* fixture_head (and, if wanted, the test network) with one text replaced, and a VM. */
static struct plan_fixture with_change(bool test, const char *from, const char *to)
{
    struct arena *arena = arena_create();
    const char *text = arena_printf(arena, "%s%svms: {db: {source: /a, subnet: db}}\n",
                                    fixture_head, test ? fixture_test_network : "");
    struct plan_fixture fixture = fixture_check(fixture_replace(arena, text, from, to));
    arena_destroy(arena);
    return fixture;
}

static void sound_networks_pass(void **state)
{
    (void)state;
    static const char *const blocks[] = {"10.20.0.0/24", "10.20.2.0/28", "10.30.0.0/16"};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        struct plan_fixture fixture = with_change(true, "10.20.2.0/24", blocks[i]);
        fixture_clean(&fixture);
        fixture_free(&fixture);
    }
}

static void blocks_have_to_be_subnets(void **state)
{
    (void)state;
    static const char *const blocks[] = {"10.20.2.1/24", "10.20.2.0/29",   "10.0.0.0/15",
                                         "10.20.2.0/33", "10.20.300.0/24", "0.0.0.0/0"};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        struct plan_fixture fixture = with_change(false, "10.20.2.0/24", blocks[i]);
        assert_int_equal(fixture_count(&fixture, DIAG_INVALID_CIDR), 1);
        fixture_free(&fixture);
    }
}

static void overlapping_blocks_are_told(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_change(false, "10.20.2.0/24", "10.20.0.0/16");
    fixture_only(&fixture, DIAG_SUBNETS_OVERLAP);
    fixture_free(&fixture);
    fixture = with_change(false, "10.20.2.0/24", "10.20.1.128/25");
    fixture_only(&fixture, DIAG_SUBNETS_OVERLAP);
    fixture_free(&fixture);
}

static void zones_are_in_the_region(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        bool wrong;
    } zones[] = {{"eu-west-1a", false},
                 {"eu-west-1-lon-1a", false},
                 {"eu-west-2a", true},
                 {"eu-west-10a", true},
                 {"us-east-1a", true}};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        struct arena *arena = arena_create();
        struct plan_fixture fixture =
            with_change(false, "cidr: 10.20.1.0/24, zone: eu-west-1a",
                        arena_printf(arena, "cidr: 10.20.1.0/24, zone: %s", zones[i].zone));
        assert_int_equal(fixture_count(&fixture, DIAG_ZONE_OUTSIDE_REGION), zones[i].wrong);
        assert_int_equal(fixture.diagnostics->count, zones[i].wrong);
        fixture_free(&fixture);
        arena_destroy(arena);
    }
}

static void tests_stay_apart(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_change(true, "subnet-4", "subnet-2");
    fixture_only(&fixture, DIAG_NETWORKS_SHARE_SUBNET);
    fixture_free(&fixture);
    fixture = with_change(true, "subnet-4", "subnet-3");
    fixture_only(&fixture, DIAG_DUPLICATE_SUBNET_ID);
    fixture_free(&fixture);
    fixture = with_change(true, "vpc-2", "vpc-1");
    fixture_only(&fixture, DIAG_NETWORKS_SHARE_VPC);
    assert_int_equal(fixture.diagnostics->error_count, 0);
    fixture_free(&fixture);
}

static void each_zone_needs_a_conversion_instance(void **state)
{
    (void)state;
    static const char there[] = "{instances: {eu-west-1a: i-1}}";
    struct plan_fixture fixture = with_change(false, there, "{instances: {eu-west-1b: i-1}}");
    fixture_only(&fixture, DIAG_NO_CONVERSION_INSTANCE);
    fixture_free(&fixture);
    fixture = with_change(false, there, "{inject: never}");
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture = with_change(true, "10.99.2.0/24, zone: eu-west-1a", "10.99.2.0/24, zone: eu-west-1c");
    fixture_only(&fixture, DIAG_NO_CONVERSION_INSTANCE);
    fixture_free(&fixture);
    fixture = with_change(false, there, "{instances: {eu-west-1a: i-1, eu-west-1b: i-1}}");
    fixture_only(&fixture, DIAG_CONVERSION_IN_TWO_ZONES);
    fixture_free(&fixture);
    /* A subnet that no VM is in needs none. */
    fixture =
        with_change(false, "10.20.1.0/24, zone: eu-west-1a", "10.20.1.0/24, zone: eu-west-1c");
    fixture_clean(&fixture);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_networks_pass),
        cmocka_unit_test(blocks_have_to_be_subnets),
        cmocka_unit_test(overlapping_blocks_are_told),
        cmocka_unit_test(zones_are_in_the_region),
        cmocka_unit_test(tests_stay_apart),
        cmocka_unit_test(each_zone_needs_a_conversion_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
