#include "tests/unit/support/cmocka_all.h"

#include "tests/unit/support/plan_fixture.h"

static struct plan_fixture with_records(const char *head, const char *tail, const char *steps)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_check(
        arena_printf(arena,
                     "%s%sdns: {shop.example: {provider: route53}}\n"
                     "vms:\n  web:\n    source: /a\n    subnet: app\n    post_boot:\n%s",
                     head, tail, steps));
    arena_destroy(arena);
    return fixture;
}

static size_t count_of(enum diagnostic_code code, const char *tail, const char *step)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = with_records(
        fixture_head, tail, arena_printf(arena, "      - dns: {zone: shop.example, %s\n", step));
    size_t count = fixture_count(&fixture, code);
    assert_int_equal(fixture.diagnostics->count, count);
    fixture_free(&fixture);
    arena_destroy(arena);
    return count;
}

static void names_are_within_the_zone(void **state)
{
    (void)state;
    enum diagnostic_code code = DIAG_INVALID_DNS_RECORD;
#define RECORD(name, type, value)                                                                  \
    "record: \"" name "\", type: " type ", ttl: 60, values: [" value "]}"
    assert_int_equal(count_of(code, "", RECORD("www", "A", "192.0.2.1")), 0);
    assert_int_equal(count_of(code, "", RECORD("a.b", "A", "192.0.2.1")), 0);
    assert_int_equal(count_of(code, "", RECORD("shop", "A", "192.0.2.1")), 0);
    assert_int_equal(count_of(code, "", RECORD("xshop.example", "A", "192.0.2.1")), 0);
    assert_int_equal(count_of(code, "", RECORD("www.shop.example", "A", "192.0.2.1")), 1);
    assert_int_equal(count_of(code, "", RECORD("SHOP.example", "A", "192.0.2.1")), 1);
    assert_int_equal(count_of(code, "", RECORD("@", "A", "192.0.2.1")), 0);
    assert_int_equal(count_of(code, "", RECORD("@", "CNAME", "a.example")), 1);
}

static void values_are_of_the_type(void **state)
{
    (void)state;
    enum diagnostic_code code = DIAG_INVALID_DNS_VALUE;
    assert_int_equal(count_of(code, "", RECORD("a", "A", "\"${self.address}\"")), 0);
    assert_int_equal(count_of(code, "", RECORD("a", "A", "\"${self.address}.x\"")), 0);
    assert_int_equal(count_of(code, "", RECORD("a", "A", "a.example")), 1);
    assert_int_equal(count_of(code, "", RECORD("a", "A", "\"2001:db8::1\"")), 1);
    assert_int_equal(count_of(code, "", RECORD("a", "AAAA", "\"2001:db8::1\"")), 0);
    assert_int_equal(count_of(code, "", RECORD("a", "AAAA", "\"${self.private_ip}\"")), 1);
    assert_int_equal(count_of(code, "", RECORD("a", "CNAME", "b.example")), 0);
    assert_int_equal(count_of(code, "", RECORD("a", "CNAME", "192.0.2.1")), 1);
    assert_int_equal(count_of(code, "", RECORD("a", "CNAME", "b.example, c.example")), 1);
    assert_int_equal(count_of(code, "", RECORD("a", "TXT", "anything")), 0);
}

static void ttl_and_rto(void **state)
{
    (void)state;
    enum diagnostic_code code = DIAG_DNS_TTL_OVER_RTO;
    assert_int_equal(count_of(code, "", "record: a, type: TXT, ttl: 1200, values: [x]}"), 0);
    assert_int_equal(count_of(code, "", "record: a, type: TXT, ttl: 1201, values: [x]}"), 1);
}

static void tests_change_their_own_zones(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    enum diagnostic_code code = DIAG_DNS_NOT_FOR_TEST;
    static const char in_test[] = RECORD("a", "A", "192.0.2.1") "\n        during: [test]";
    const char *with_zone =
        arena_printf(arena, "%s    dns: [shop.example]\n", fixture_test_network);
    assert_int_equal(count_of(code, fixture_test_network, in_test), 1);
    assert_int_equal(count_of(code, with_zone, in_test), 0);
    assert_int_equal(count_of(code, fixture_test_network, RECORD("a", "A", "192.0.2.1")), 0);
    arena_destroy(arena);
}

static void records_are_set_once(void **state)
{
    (void)state;
    static const char twice[] =
        "      - dns: {zone: shop.example, record: a, type: A, ttl: 60, values: [192.0.2.1]}\n"
        "        during: [failover]\n"
        "      - dns: {zone: shop.example, record: A, type: A, ttl: 60, values: [192.0.2.2]}\n"
        "        during: [failover]\n";
    struct plan_fixture fixture = with_records(fixture_head, "", twice);
    fixture_only(&fixture, DIAG_DUPLICATE_DNS_RECORD);
    fixture_free(&fixture);

    struct arena *arena = arena_create();
    const char *apart = fixture_replace(arena, twice, "during: [failover]", "during: [failback]");
    const char *head = fixture_replace(
        arena, fixture_head, "  recovery:", "  primary: {failback: {datastore: D0}}\n  recovery:");
    fixture = with_records(head, "", apart);
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture =
        with_records(fixture_head, "",
                     fixture_replace(arena, twice, "record: A, type: A", "record: A, type: TXT"));
    fixture_clean(&fixture);
    fixture_free(&fixture);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_within_the_zone),
        cmocka_unit_test(values_are_of_the_type),
        cmocka_unit_test(ttl_and_rto),
        cmocka_unit_test(tests_change_their_own_zones),
        cmocka_unit_test(records_are_set_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
