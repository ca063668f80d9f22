#include "runtime/dns/record_set.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"

static int set_up(void **state)
{
    *state = arena_create();
    return 0;
}

static int tear_down(void **state)
{
    arena_destroy(*state);
    return 0;
}

/* A value as a record, and back. */
static const char *there_and_back(struct arena *arena, ldns_rr_type type, const char *value)
{
    ldns_rdf *owner = ldns_dname_new_frm_str("www.example");
    ldns_rr *rr = record_rr(owner, type, 60, value, NULL);
    const char *back = rr ? record_value(arena, rr) : NULL;
    ldns_rr_free(rr);
    ldns_rdf_deep_free(owner);
    return back;
}

static void values_come_back(void **state)
{
    struct arena *arena = *state;
    char longest[801];
    memset(longest, 'x', sizeof longest);
    longest[800] = '\0';
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_A, "192.0.2.1"), "192.0.2.1");
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_AAAA, "2001:DB8:0:0::1"), "2001:db8::1");
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_CNAME, "WWW.shop.example."),
                        "WWW.shop.example");
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_CNAME, "xn--bcher-kva.example"),
                        "xn--bcher-kva.example");
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_TXT, "v=spf1 -all; \\ grüße"),
                        "v=spf1 -all; \\ grüße");
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_TXT, longest), longest);
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_TXT, "\"one\"  \"two \\\"x\\\" \\007\""),
                        "\"one\" \"two \\\"x\\\" \\007\"");
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_TXT, "\"one\""), "one");
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_TXT, "\"\""), "\"\"");
    assert_string_equal(there_and_back(arena, LDNS_RR_TYPE_TXT, "\"\\\"quoted\""),
                        "\"\\\"quoted\"");
}

static void what_is_no_value_is_none(void **state)
{
    static const struct {
        ldns_rr_type type;
        const char *value;
    } bad[] = {
        {LDNS_RR_TYPE_A, "192.0.2"},      {LDNS_RR_TYPE_A, "2001:db8::1"},
        {LDNS_RR_TYPE_AAAA, "192.0.2.1"}, {LDNS_RR_TYPE_CNAME, "a..b"},
        {LDNS_RR_TYPE_TXT, "\"open"},     {LDNS_RR_TYPE_TXT, "\"a\" b"},
        {LDNS_RR_TYPE_TXT, "\"\\300\""},  {LDNS_RR_TYPE_TXT, "\"\\1x\""},
        {LDNS_RR_TYPE_TXT, "\"one\\"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(there_and_back(*state, bad[i].type, bad[i].value));
    }
}

static struct record_set set_of(struct arena *arena, size_t count, const char **values)
{
    (void)arena;
    return (struct record_set){.ttl = 60, .values = values, .count = count};
}

static bool same(struct arena *arena, ldns_rr_type type, const char *a, const char *b)
{
    struct record_set first = set_of(arena, 1, &a), second = set_of(arena, 1, &b);
    return record_set_same(arena, type, &first, &second);
}

static void sets_are_compared_by_what_they_mean(void **state)
{
    struct arena *arena = *state;
    const char *ab[] = {"192.0.2.1", "192.0.2.2"}, *ba[] = {"192.0.2.2", "192.0.2.1", "192.0.2.1"};
    struct record_set first = set_of(arena, 2, ab), second = set_of(arena, 3, ba);
    struct record_set one = set_of(arena, 1, ab), none = {0};
    assert_true(record_set_same(arena, LDNS_RR_TYPE_A, &first, &second));
    assert_false(record_set_same(arena, LDNS_RR_TYPE_A, &first, &one));
    assert_false(record_set_same(arena, LDNS_RR_TYPE_A, &one, &first));
    assert_false(record_set_same(arena, LDNS_RR_TYPE_A, &none, &one));
    assert_true(record_set_same(arena, LDNS_RR_TYPE_A, &none, &none));
    assert_true(same(arena, LDNS_RR_TYPE_AAAA, "2001:db8::1", "2001:DB8:0:0:0:0:0:1"));
    assert_true(same(arena, LDNS_RR_TYPE_CNAME, "WWW.example.", "www.example"));
    assert_false(same(arena, LDNS_RR_TYPE_TXT, "A", "a"));
    assert_true(same(arena, LDNS_RR_TYPE_TXT, "\"a\"", "a"));
}

static void old_values_are_kept_as_json(void **state)
{
    struct arena *arena = *state;
    const char *values[] = {"v=\"1\"", "two"};
    struct record_set set = set_of(arena, 2, values), read, none = {0};
    const char *text = record_set_write(arena, &set);
    assert_string_equal(text, "{\"ttl\":60,\"values\":[\"v=\\\"1\\\"\",\"two\"]}");
    assert_true(record_set_read(arena, text, &read, NULL));
    assert_int_equal(read.ttl, 60);
    assert_int_equal(read.count, 2);
    assert_string_equal(read.values[0], values[0]);
    assert_string_equal(record_set_write(arena, &none), "");
    assert_true(record_set_read(arena, "", &read, NULL));
    assert_int_equal(read.count, 0);
    static const char *const bad[] = {"x",
                                      "{}",
                                      "[]",
                                      "{\"ttl\":-1,\"values\":[\"a\"]}",
                                      "{\"ttl\":1,\"values\":[]}",
                                      "{\"ttl\":1,\"values\":[1]}",
                                      "{\"ttl\":1,\"values\":[\"a\"]} x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error error = {0};
        assert_false(record_set_read(arena, bad[i], &read, &error));
        error_clear(&error);
    }
    assert_false(record_set_read(arena, NULL, &read, NULL));
}

static void sets_are_told(void **state)
{
    const char *values[] = {"1", "2", "3", "4", "5", "6", "7"};
    struct record_set set = set_of(*state, 7, values), none = {0};
    assert_string_equal(record_set_text(*state, LDNS_RR_TYPE_A, &set),
                        "1, 2, 3, 4 and 3 more (ttl 60)");
    set.count = 2;
    assert_string_equal(record_set_text(*state, LDNS_RR_TYPE_A, &set), "1, 2 (ttl 60)");
    set.ttl = -1;
    assert_string_equal(record_set_text(*state, LDNS_RR_TYPE_A, &set), "1, 2");
    assert_string_equal(record_set_text(*state, LDNS_RR_TYPE_CNAME, &none), "no CNAME record");
    assert_int_equal(record_type("TXT"), LDNS_RR_TYPE_TXT);
    assert_int_equal(record_type("MX"), 0);
    assert_int_equal(record_type(NULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(values_come_back),
        TEST(what_is_no_value_is_none),
        TEST(sets_are_compared_by_what_they_mean),
        TEST(old_values_are_kept_as_json),
        TEST(sets_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
