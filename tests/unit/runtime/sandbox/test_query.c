#include "runtime/sandbox/query.h"

#include <stdlib.h>
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

static void pairs_are_decoded(void **state)
{
    struct query query = {.arena = *state};
    const char *problem = NULL, text[] = "A=a+b%26%3d%C3%A9&Empty=&Alone&&Tag.1.Key=k";
    assert_true(query_parse(&query, text, strlen(text), &problem));
    assert_string_equal(query_get(&query, "A"), "a b&=é");
    assert_string_equal(query_get(&query, "Empty"), "");
    assert_string_equal(query_get(&query, "Alone"), "");
    assert_string_equal(query_get(&query, "Tag.%d.Key", 1), "k");
    assert_null(query_get(&query, "Tag.%d.Key", 2));
    assert_true(query_has(&query, "Tag"));
    assert_true(query_has(&query, "Tag.%d", 1));
    assert_false(query_has(&query, "Ta"));
    assert_false(query_has(&query, "Tag.%d", 11));
}

static void what_is_malformed_is_refused(void **state)
{
    static const char *const bad[] = {"A=%", "A=%4", "A=%zz", "%=1", "A=%00", "A=1&B=%g0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct query query = {.arena = *state};
        const char *problem = NULL;
        assert_false(query_parse(&query, bad[i], strlen(bad[i]), &problem));
        assert_non_null(strstr(problem, "not properly encoded"));
    }
    struct query query = {.arena = *state};
    const char *problem = NULL;
    assert_false(query_parse(&query, "A=\0", 3, &problem)); /* NUL as it is */
}

static void size_and_number_have_limits(void **state)
{
    char *text = calloc(1, QUERY_BYTES_MAX + 2);
    memset(text, 'a', QUERY_BYTES_MAX + 1);
    struct query query = {.arena = *state};
    const char *problem = NULL;
    assert_false(query_parse(&query, text, QUERY_BYTES_MAX + 1, &problem));
    assert_non_null(strstr(problem, "larger than 1 MiB"));
    for (size_t i = 1; i < 2 * QUERY_PAIRS_MAX + 2; i += 2) {
        text[i] = '&';
    }
    struct query many = {.arena = *state};
    assert_true(query_parse(&many, text, 2 * QUERY_PAIRS_MAX, &problem));
    struct query more = {.arena = *state};
    assert_false(query_parse(&more, text, 2 * QUERY_PAIRS_MAX + 1, &problem));
    assert_non_null(strstr(problem, "too many parameters"));
    free(text);
}

static void lists_end_at_a_gap(void **state)
{
    struct query query = {.arena = *state};
    const char *problem = NULL, text[] = "Id.2=b&Id.1=a&Id.4=d";
    assert_true(query_parse(&query, text, strlen(text), &problem));
    struct texts_list list = query_list(&query, "Id");
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0], "a");
    assert_string_equal(list.items[1], "b");
    assert_int_equal(query_list(&query, "None").count, 0);
}

static void integers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "-",  "--1", "1-", "+1",
                                      " 1", "1 ", "0x1", "1.", "9223372036854775808"};
    int64_t value = 42;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(parse_int(bad[i], &value));
    }
    assert_false(parse_int(NULL, &value));
    assert_int_equal(value, 42);
    assert_true(parse_int("-9223372036854775808", &value));
    assert_true(value == INT64_MIN);
    assert_true(parse_int("007", &value));
    assert_int_equal(value, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pairs_are_decoded),
        TEST(what_is_malformed_is_refused),
        TEST(size_and_number_have_limits),
        TEST(lists_end_at_a_gap),
        TEST(integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
