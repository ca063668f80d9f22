#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static void networks_and_zones(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_bind(
        arena_printf(arena,
                     "%s%s    dns: [shop.example]\n"
                     "dns:\n"
                     "  shop.example: {provider: route53, zone_id: Z1, role_arn: arn}\n"
                     "  corp.example:\n"
                     "    provider: rfc2136\n"
                     "    server: 127.0.0.1:53\n"
                     "    tsig: {name: key, algorithm: hmac-sha256, secret: env:S}\n"
                     "vms: {db: {source: /a, subnet: db}}\n",
                     fixture_head, fixture_test_network));
    fixture_clean(&fixture);
    const struct plan *plan = fixture.plan;
    const struct network *production = &plan->networks[NETWORK_PRODUCTION];
    assert_string_equal(production->vpc.value, "vpc-1");
    assert_int_equal(production->subnet_count, 2);
    assert_string_equal(production->subnets[1].name, "db");
    assert_int_equal(production->subnets[1].network, 0x0a140200);
    assert_int_equal(production->subnets[1].mask, 0xffffff00);
    assert_int_equal(production->group_count, 2);
    assert_int_equal(plan->networks[NETWORK_TEST].dns.count, 1);
    assert_int_equal(plan->zone_count, 2);
    assert_false(plan->zones[0].rfc2136);
    assert_string_equal(plan->zones[0].zone_id.value, "Z1");
    assert_true(plan->zones[1].rfc2136);
    assert_string_equal(plan->zones[1].tsig_secret.reference, "env:S");
    fixture_free(&fixture);
    arena_destroy(arena);
}

static void zones_of_a_test_are_the_plans(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        fixture_bind(arena_printf(arena,
                                  "%s%s    dns: [shop.exmaple]\n"
                                  "dns: {shop.example: {provider: route53}}\n"
                                  "vms: {db: {source: /a, subnet: db}}\n",
                                  fixture_head, fixture_test_network));
    fixture_only(&fixture, DIAG_UNKNOWN_DNS_ZONE);
    fixture_free(&fixture);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_and_zones),
        cmocka_unit_test(zones_of_a_test_are_the_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
