#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static struct plan_fixture in_both_networks(const char *vms)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        fixture_bind(arena_printf(arena, "%s%svms:\n%s", fixture_head, fixture_test_network, vms));
    arena_destroy(arena);
    return fixture;
}

static void one_card_from_the_short_form(void **state)
{
    (void)state;
    struct plan_fixture fixture = in_both_networks(
        "  db: {source: /a, subnet: db, security_groups: [db, web], private_ip: 10.20.2.10}\n");
    fixture_clean(&fixture);
    const struct plan_vm *vm = &fixture.plan->vms[0];
    assert_int_equal(vm->card_count, 1);
    const struct card *card = &vm->cards[0];
    assert_string_equal(card->subnet[NETWORK_PRODUCTION]->id.value, "subnet-2");
    assert_string_equal(card->subnet[NETWORK_TEST]->id.value, "subnet-4");
    assert_int_equal(card->group_names.count, 2);
    assert_string_equal(card->groups[NETWORK_PRODUCTION][0]->id.value, "sg-2");
    assert_string_equal(card->groups[NETWORK_TEST][1]->id.value, "sg-3");
    assert_true(card->private_ip_shared);
    assert_string_equal(card->private_ip[NETWORK_TEST].value, "10.20.2.10");
    fixture_free(&fixture);
}

static void several_cards_from_the_long_form(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        in_both_networks("  app:\n"
                         "    source: /a\n"
                         "    nics:\n"
                         "      - {subnet: app}\n"
                         "      - {subnet: db, private_ip: {production: 10.20.2.11}}\n");
    fixture_clean(&fixture);
    const struct plan_vm *vm = &fixture.plan->vms[0];
    assert_int_equal(vm->card_count, 2);
    assert_int_equal(vm->cards[0].group_names.count, 0);
    assert_null(vm->cards[0].private_ip[NETWORK_PRODUCTION].value);
    assert_false(vm->cards[1].private_ip_shared);
    assert_string_equal(vm->cards[1].private_ip[NETWORK_PRODUCTION].value, "10.20.2.11");
    assert_null(vm->cards[1].private_ip[NETWORK_TEST].value);
    fixture_free(&fixture);
}

static void a_vm_needs_a_card(void **state)
{
    (void)state;
    struct plan_fixture fixture = in_both_networks("  db: {source: /a}\n");
    fixture_only(&fixture, DIAG_MISSING_KEY);
    fixture_free(&fixture);
}

static void names_have_to_be_in_both_networks(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *test = fixture_replace(arena, fixture_test_network, "      db:", "      bd:");
    test = fixture_replace(arena, test, "db: sg-4", "bd: sg-4");
    struct plan_fixture fixture = fixture_bind(
        arena_printf(arena, "%s%svms: {db: {source: /a, subnet: db, security_groups: [db]}}\n",
                     fixture_head, test));
    assert_int_equal(fixture_count(&fixture, DIAG_SUBNET_MISSING_IN_TEST), 1);
    assert_int_equal(fixture_count(&fixture, DIAG_SECURITY_GROUP_MISSING_IN_TEST), 1);
    assert_int_equal(fixture.diagnostics->count, 2);
    fixture_free(&fixture);
    arena_destroy(arena);
}

static void defaults_give_cards_too(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        fixture_bind(arena_printf(arena,
                                  "%sdefaults: {subnet: app, security_groups: [web]}\n"
                                  "vms:\n"
                                  "  one: {source: /a}\n"
                                  "  two: {source: /b, subnet: db}\n"
                                  "  three: {source: /c, nics: [{subnet: db}]}\n",
                                  fixture_head));
    fixture_clean(&fixture);
    const struct plan_vm *vms = fixture.plan->vms;
    assert_string_equal(vms[0].cards[0].subnet_name.value, "app");
    assert_string_equal(vms[1].cards[0].subnet_name.value, "db");
    assert_string_equal(vms[1].cards[0].group_names.items[0].value, "web");
    assert_int_equal(vms[2].cards[0].group_names.count, 0);
    fixture_free(&fixture);

    fixture = fixture_bind(arena_printf(arena,
                                        "%sdefaults: {nics: [{subnet: app}, {subnet: db}]}\n"
                                        "vms:\n"
                                        "  one: {source: /a}\n"
                                        "  two: {source: /b, subnet: db}\n",
                                        fixture_head));
    fixture_clean(&fixture);
    assert_int_equal(fixture.plan->vms[0].card_count, 2);
    assert_int_equal(fixture.plan->vms[1].card_count, 1);
    fixture_free(&fixture);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_card_from_the_short_form),
        cmocka_unit_test(several_cards_from_the_long_form),
        cmocka_unit_test(a_vm_needs_a_card),
        cmocka_unit_test(names_have_to_be_in_both_networks),
        cmocka_unit_test(defaults_give_cards_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
