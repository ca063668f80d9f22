#include "runtime/state/tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/state_directory.h"

static struct test_record record(const char *run, int64_t at_s, bool passed)
{
    return (struct test_record){.run = run,
                                .digest = "abc",
                                .network = "vpc-1",
                                .at_utc_ms = at_s * 1000,
                                .duration_ms = 60000,
                                .rto_ms = passed ? 50000 : -1,
                                .vms = 3,
                                .recovered = passed ? 3 : 1,
                                .passed = passed,
                                .whole = true};
}

static void put(struct arena *arena, struct tests *tests, const char *run, int64_t at_s, bool passed)
{
    struct test_record one = record(run, at_s, passed);
    tests_put(arena, tests, &one);
}

static void test_round_trip(void **state)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    struct tests *tests = tests_read(arena, *state, "shop", &error);
    assert_non_null(tests);
    assert_int_equal(tests->count, 0);
    assert_null(tests_last(tests));
    assert_null(tests_last_passed(tests));
    put(arena, tests, "older", 1763805600, true);
    put(arena, tests, "newer", 1763805700, false);
    assert_true(tests_write(tests, *state, "shop", &error));
    tests = tests_read(arena, *state, "shop", &error);
    assert_int_equal(tests->count, 2);
    const struct test_record *last = tests_last(tests), *passed = tests_last_passed(tests);
    assert_string_equal(last->run, "newer");
    assert_false(last->passed);
    assert_int_equal(last->rto_ms, -1);
    assert_string_equal(passed->run, "older");
    assert_string_equal(passed->digest, "abc");
    assert_string_equal(passed->network, "vpc-1");
    assert_int_equal(passed->at_utc_ms, INT64_C(1763805600000));
    assert_int_equal(passed->duration_ms, 60000);
    assert_int_equal(passed->rto_ms, 50000);
    assert_int_equal(passed->vms, 3);
    assert_int_equal(passed->recovered, 3);
    assert_true(passed->passed && passed->whole && !passed->cleaned);
    arena_destroy(arena);
}

static void test_one_for_each_run(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct tests tests = {0};
    put(arena, &tests, "a", 1, true);
    put(arena, &tests, "b", 2, true);
    struct test_record again = record("a", 1, true);
    again.cleaned = true;
    tests_put(arena, &tests, &again);
    tests_put(arena, &tests, &tests.items[1]); /* its own, in place */
    assert_int_equal(tests.count, 2);
    assert_string_equal(tests.items[0].run, "b");
    assert_string_equal(tests.items[1].run, "a");
    assert_true(tests.items[1].cleaned);
    arena_destroy(arena);
}

static void test_the_newest_are_kept(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct tests tests = {0};
    for (int i = 0; i < 3 * TESTS_KEPT; i++) {
        char run[16];
        snprintf(run, sizeof run, "r%d", i);
        put(arena, &tests, run, (i * 7) % (3 * TESTS_KEPT), true);
    }
    assert_int_equal(tests.count, TESTS_KEPT);
    for (size_t i = 0; i < tests.count; i++) {
        assert_int_equal(tests.items[i].at_utc_ms, (3 * TESTS_KEPT - 1 - (int64_t)i) * 1000);
    }
    put(arena, &tests, "old", 0, true); /* older than all that are kept */
    assert_int_equal(tests.count, TESTS_KEPT);
    assert_string_not_equal(tests.items[TESTS_KEPT - 1].run, "old");
    arena_destroy(arena);
}

static void test_a_part_says_nothing_of_the_plan(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct tests tests = {0};
    put(arena, &tests, "all", 1, true);
    struct test_record part = record("part", 2, true);
    part.whole = false;
    tests_put(arena, &tests, &part);
    assert_string_equal(tests_last(&tests)->run, "all");
    assert_string_equal(tests_last_passed(&tests)->run, "all");
    arena_destroy(arena);
}

static void test_damaged(void **state)
{
#define RECORDS(text) "{\"format\":\"drc-tests/1\",\"tests\":[{" text "}]}"
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"format\":\"drc-tests/2\",\"tests\":[]}",
        "{\"format\":\"drc-tests/1\",\"tests\":{}}",
        "{\"format\":\"drc-tests/1\",\"tests\":[]} and more",
        RECORDS(""),
        RECORDS("\"run\":\"a\",\"plan_digest\":\"d\",\"at\":\"yesterday\",\"verdict\":\"passed\""),
        RECORDS("\"run\":\"a\",\"plan_digest\":\"d\",\"at\":\"2026-11-22T10:00:00Z\",\"verdict\":\"fine\""),
        RECORDS("\"run\":\"a\",\"at\":\"2026-11-22T10:00:00Z\",\"verdict\":\"passed\""),
    };
    struct arena *arena = arena_create();
    char path[128];
    snprintf(path, sizeof path, "%s/shop", (const char *)*state);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/shop/tests.json", (const char *)*state);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        FILE *file = fopen(path, "w");
        fputs(texts[i], file);
        fclose(file);
        struct error error = {0};
        assert_null(tests_read(arena, *state, "shop", &error));
        assert_non_null(strstr(error.message, path));
        assert_non_null(error.help);
        error_clear(&error);
    }
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, state_directory_make,
                                        state_directory_remove),
        cmocka_unit_test(test_one_for_each_run),
        cmocka_unit_test(test_the_newest_are_kept),
        cmocka_unit_test(test_a_part_says_nothing_of_the_plan),
        cmocka_unit_test_setup_teardown(test_damaged, state_directory_make, state_directory_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
