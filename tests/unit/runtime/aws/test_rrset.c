/* Record sets: names, values as plans and as Route 53 have them, `old`, changes. */
#include "runtime/aws/rrset.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/xml.h"
#include "tests/unit/support/cmocka_all.h"

static struct value texts(struct arena *arena, const char *const *items, uint32_t count)
{
    struct value *values = ARENA_ARRAY(arena, struct value, count);
    for (uint32_t i = 0; i < count; i++) {
        values[i] = (struct value){.kind = VALUE_TEXT, .text = items[i]};
    }
    return (struct value){.kind = VALUE_LIST, .items = values, .count = count};
}

static struct rrset wanted(struct arena *arena, const char *type, int64_t ttl, const char *value)
{
    const char *items[] = {value};
    struct value list = texts(arena, items, 1);
    return rrset_wanted(arena, "www.shop.example", type, ttl, &list);
}

static void test_names(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_string_equal(rrset_name(arena, "\\052.Shop.Example."), "*.shop.example");
    assert_string_equal(rrset_name(arena, "a\\056b.example"), "a\\056b.example");
    assert_string_equal(rrset_name(arena, "\\344.example"), "\\344.example");
    assert_string_equal(rrset_name(arena, "\\07"), "\\07");
    assert_string_equal(rrset_name_to_wire(arena, "*.shop.example"), "*.shop.example.");
    assert_string_equal(rrset_name_to_wire(arena, "a b.example."), "a\\040b.example.");
    assert_string_equal(rrset_name_to_wire(arena, "a\\056b.example"), "a\\056b.example.");
    assert_true(rrset_name_compare("shop.example", "www.shop.example") < 0);
    assert_true(rrset_name_compare("z.a.example", "a.b.example") < 0);
    assert_true(rrset_name_compare("b.example", "a.example") > 0);
    assert_true(rrset_name_compare("ab.example", "a.example") > 0);
    assert_int_equal(rrset_name_compare("a.example", "a.example"), 0);
    arena_destroy(arena);
}

static void test_values(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *wire = rrset_value_to_wire(arena, "TXT", "say \"hi\\\" \xc3\xa4");
    assert_string_equal(wire, "\"say \\\"hi\\\\\\\" \\303\\244\"");
    assert_string_equal(rrset_value_from_wire(arena, "TXT", "\"say \\\"hi\\\\\""), "say \"hi\\");
    assert_string_equal(rrset_value_from_wire(arena, "TXT", "\"a\" \"b\""), "ab");
    assert_string_equal(rrset_value_from_wire(arena, "TXT", "\"\\000x"), "\\000x");
    assert_string_equal(rrset_value_to_wire(arena, "CNAME", "Web.Example"), "Web.Example.");
    assert_string_equal(rrset_value_from_wire(arena, "CNAME", "Web.Example."), "web.example");
    assert_string_equal(rrset_value_to_wire(arena, "A", "192.0.2.1"), "192.0.2.1");

    char long_text[301];
    memset(long_text, 'x', 300);
    long_text[300] = '\0';
    wire = rrset_value_to_wire(arena, "TXT", long_text);
    assert_int_equal(strlen(wire), 300 + 2 + 3);
    assert_memory_equal(wire + 256, "\" \"", 3);
    assert_string_equal(rrset_value_from_wire(arena, "TXT", wire), long_text);
    arena_destroy(arena);
}

static void test_equal(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *ab[] = {"192.0.2.1", "192.0.2.2"}, *ba[] = {"192.0.2.2", "192.0.2.1"};
    struct value list_ab = texts(arena, ab, 2), list_ba = texts(arena, ba, 2);
    struct rrset one = rrset_wanted(arena, "www.shop.example", "A", 60, &list_ab);
    struct rrset two = rrset_wanted(arena, "www.shop.example", "A", 60, &list_ba);
    assert_true(rrset_equal(arena, &one, &two));
    two.ttl_s = 61;
    assert_false(rrset_equal(arena, &one, &two));
    assert_true(rrset_same_values(arena, &one, &two));
    struct rrset fewer = wanted(arena, "A", 60, "192.0.2.1"), none = {.type = "A"};
    assert_false(rrset_equal(arena, &one, &fewer));
    assert_false(rrset_equal(arena, &one, &none));
    assert_true(rrset_equal(arena, &none, &none));
    struct rrset long_form = wanted(arena, "AAAA", 60, "2001:DB8:0:0:0:0:0:1");
    struct rrset short_form = wanted(arena, "AAAA", 60, "2001:db8::1");
    assert_true(rrset_equal(arena, &long_form, &short_form));
    short_form.special = "a routing policy";
    assert_false(rrset_equal(arena, &long_form, &short_form));
    arena_destroy(arena);
}

static struct rrset of_xml(struct arena *arena, const char *text)
{
    struct error error = {0};
    const struct xml *root = xml_parse(arena, text, strlen(text), &error);
    assert_non_null(root);
    return rrset_of_xml(arena, root);
}

/* Kept, read again, and written as a change: what is deleted is exactly what was there. */
static void assert_round_trip(struct arena *arena, const char *xml, const char *json,
                              const char *change)
{
    struct rrset set = of_xml(arena, xml), again;
    struct buffer out = {0};
    assert_string_equal(rrset_to_json(arena, &set), json);
    assert_true(rrset_of_json(arena, set.name, set.type, json, &again, NULL));
    assert_true(rrset_equal(arena, &set, &again));
    rrset_write_change(&out, arena, "DELETE", &again);
    assert_non_null(strstr(buffer_text(&out), change));
    buffer_free(&out);
}

static void test_old(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_round_trip(
        arena,
        "<ResourceRecordSet><Name>WWW.shop.example.</Name><Type>A</Type><TTL>300</TTL>"
        "<ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord>"
        "<ResourceRecord><Value>192.0.2.2</Value></ResourceRecord></ResourceRecords>"
        "</ResourceRecordSet>",
        "{\"ttl\":300,\"values\":[\"192.0.2.1\",\"192.0.2.2\"]}",
        "<Name>www.shop.example.</Name><Type>A</Type><TTL>300</TTL><ResourceRecords>"
        "<ResourceRecord><Value>192.0.2.1</Value></ResourceRecord>"
        "<ResourceRecord><Value>192.0.2.2</Value></ResourceRecord></ResourceRecords>");
    assert_round_trip(arena,
                      "<ResourceRecordSet><Name>t.example.</Name><Type>TXT</Type><TTL>5</TTL>"
                      "<ResourceRecords><ResourceRecord><Value>\"a&amp;\" \"b\"</Value>"
                      "</ResourceRecord></ResourceRecords></ResourceRecordSet>",
                      "{\"ttl\":5,\"values\":[\"a&b\"],\"wire\":[\"\\\"a&\\\" \\\"b\\\"\"]}",
                      "<Value>&quot;a&amp;&quot; &quot;b&quot;</Value>");
    assert_round_trip(arena,
                      "<ResourceRecordSet><Name>www.example.</Name><Type>A</Type><AliasTarget>"
                      "<HostedZoneId>ZLB</HostedZoneId><DNSName>lb.example.</DNSName>"
                      "<EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>"
                      "</ResourceRecordSet>",
                      "{\"alias\":{\"zone_id\":\"ZLB\",\"name\":\"lb.example.\","
                      "\"evaluate_target_health\":true}}",
                      "<AliasTarget><HostedZoneId>ZLB</HostedZoneId><DNSName>lb.example.</DNSName>"
                      "<EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>");
    struct rrset none = {0};
    assert_string_equal(rrset_to_json(arena, &none), "");
    assert_true(rrset_of_json(arena, "a.example", "A", "", &none, NULL));
    assert_false(none.there);
    arena_destroy(arena);
}

static void test_damaged_old(void **state)
{
    (void)state;
    static const char *const damaged[] = {"{",
                                          "[]",
                                          "{}",
                                          "{\"ttl\":60}",
                                          "{\"ttl\":-1,\"values\":[\"x\"]}",
                                          "{\"ttl\":60,\"values\":[]}",
                                          "{\"ttl\":60,\"values\":[1]}",
                                          "{\"alias\":{\"zone_id\":\"Z\"}}",
                                          "{\"ttl\":60,\"values\":\"x\"}"};
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        struct error error = {0};
        struct rrset set;
        assert_false(rrset_of_json(arena, "a.example", "A", damaged[i], &set, &error));
        assert_non_null(strstr(error.message, "damaged"));
        error_clear(&error);
    }
    arena_destroy(arena);
}

static void test_special(void **state)
{
    (void)state;
    static const char *const sets[][2] = {
        {"<R><SetIdentifier>blue</SetIdentifier><Weight>1</Weight></R>", "SetIdentifier blue"},
        {"<R><Failover>PRIMARY</Failover></R>", "Failover"},
        {"<R><HealthCheckId>abc</HealthCheckId></R>", "health check (abc)"},
        {"<R><TrafficPolicyInstanceId>t1</TrafficPolicyInstanceId></R>", "traffic policy (t1)"}};
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        struct rrset set = of_xml(arena, sets[i][0]);
        assert_non_null(strstr(set.special, sets[i][1]));
        assert_string_equal(rrset_text(arena, &set), set.special);
    }
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),       cmocka_unit_test(test_values),
        cmocka_unit_test(test_equal),       cmocka_unit_test(test_old),
        cmocka_unit_test(test_damaged_old), cmocka_unit_test(test_special),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
