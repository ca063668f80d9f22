#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static struct plan_fixture with_vms(const char *vms)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        fixture_check(arena_printf(arena, "%s%svms:\n%s", fixture_head, fixture_test_network, vms));
    arena_destroy(arena);
    return fixture;
}

static struct plan_fixture with_address(const char *address)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        with_vms(arena_printf(arena, "  db: {source: /a, subnet: db, private_ip: %s}\n", address));
    arena_destroy(arena);
    return fixture;
}

static void addresses_in_their_subnets_pass(void **state)
{
    (void)state;
    static const char *const right[] = {
        "10.20.2.4",
        "10.20.2.254",
        "10.99.2.10", /* used in a test, automatic in production */
        "{production: 10.20.2.10, test: 10.99.2.10}",
        "{test: 10.99.2.10}",
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct plan_fixture fixture = with_address(right[i]);
        fixture_clean(&fixture);
        fixture_free(&fixture);
    }
}

static void other_addresses_are_told_once(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        enum diagnostic_code code;
    } wrong[] = {
        {"10.20.9.10", DIAG_ADDRESS_OUTSIDE_SUBNET},
        {"{production: 10.99.2.10}", DIAG_ADDRESS_OUTSIDE_SUBNET},
        {"{test: 10.20.2.10}", DIAG_ADDRESS_OUTSIDE_SUBNET},
        {"10.20.2.0", DIAG_ADDRESS_RESERVED},
        {"10.20.2.3", DIAG_ADDRESS_RESERVED},
        {"10.20.2.255", DIAG_ADDRESS_RESERVED},
        {"10.20.2.256", DIAG_INVALID_ADDRESS},
        {"10.20.02.10", DIAG_INVALID_ADDRESS},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct plan_fixture fixture = with_address(wrong[i].address);
        fixture_only(&fixture, wrong[i].code);
        fixture_free(&fixture);
    }
}

static void an_address_is_given_once(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_vms(
        "  a: {source: /a, subnet: db, private_ip: 10.20.2.10}\n"
        "  b: {source: /b, nics: [{subnet: app}, {subnet: db, private_ip: 10.20.2.10}]}\n");
    const struct diagnostic *found = fixture_only(&fixture, DIAG_DUPLICATE_ADDRESS);
    assert_string_equal(found->primary.text, "by b here");
    fixture_free(&fixture);
    fixture = with_vms("  a: {source: /a, subnet: db, private_ip: {test: 10.99.2.10}}\n"
                       "  b: {source: /b, subnet: db, private_ip: {test: 10.99.2.10}}\n");
    fixture_only(&fixture, DIAG_DUPLICATE_ADDRESS);
    fixture_free(&fixture);
    fixture = with_vms("  a: {source: /a, subnet: db, private_ip: 10.20.2.10}\n"
                       "  b: {source: /b, subnet: db, private_ip: 10.20.2.11}\n");
    fixture_clean(&fixture);
    fixture_free(&fixture);
}

static void cards_share_a_zone(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    static const char vms[] = "vms: {a: {source: /a, nics: [{subnet: app}, {subnet: db}]}}\n";
    const char *head = arena_printf(arena, "%s%s", fixture_head, vms);
    struct plan_fixture fixture = fixture_check(head);
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture = fixture_check(fixture_replace(arena, head, "10.20.2.0/24, zone: eu-west-1a",
                                            "10.20.2.0/24, zone: eu-west-1b"));
    fixture_only(&fixture, DIAG_CARDS_IN_SEVERAL_ZONES);
    fixture_free(&fixture);
    arena_destroy(arena);
}

static void public_addresses_are_for_single_cards(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        with_vms("  a: {source: /a, public_ip: true, nics: [{subnet: app}, {subnet: db}]}\n");
    fixture_only(&fixture, DIAG_PUBLIC_IP_WITH_SEVERAL_CARDS);
    fixture_free(&fixture);
    fixture = with_vms("  a: {source: /a, public_ip: true, nics: [{subnet: app}]}\n");
    fixture_clean(&fixture);
    fixture_free(&fixture);
}

static void subnets_have_room(void **state)
{
    (void)state;
    for (int count = 11; count <= 12; count++) {
        struct arena *arena = arena_create();
        const char *text = fixture_replace(arena, fixture_head, "10.20.2.0/24", "10.20.2.0/28");
        text = arena_printf(arena, "%svms:\n", text);
        for (int i = 0; i < count; i++) {
            text = arena_printf(arena, "%s  vm-%d: {source: /%d, subnet: db}\n", text, i, i);
        }
        struct plan_fixture fixture = fixture_check(text);
        if (count == 11) {
            fixture_clean(&fixture);
        } else {
            fixture_only(&fixture, DIAG_SUBNET_TOO_SMALL);
        }
        fixture_free(&fixture);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_in_their_subnets_pass),
        cmocka_unit_test(other_addresses_are_told_once),
        cmocka_unit_test(an_address_is_given_once),
        cmocka_unit_test(cards_share_a_zone),
        cmocka_unit_test(public_addresses_are_for_single_cards),
        cmocka_unit_test(subnets_have_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
