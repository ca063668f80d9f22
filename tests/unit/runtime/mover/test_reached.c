#include "runtime/mover/reached.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"

static void in_order(void **state)
{
    (void)state;
    struct reached reached = {0};
    char text[REACHED_TEXT_MAX];
    for (uint64_t i = 0; i < 3 * REACHED_WINDOW; i++) {
        assert_false(reached_has(&reached, i));
        reached_add(&reached, i);
        assert_true(reached_has(&reached, i));
    }
    assert_int_equal(reached.mark, 3 * REACHED_WINDOW);
    reached_text(&reached, text);
    assert_string_equal(text, "blocks 24576:");
}

static void with_gaps(void **state)
{
    (void)state;
    struct reached reached = {0}, again;
    char text[REACHED_TEXT_MAX];
    reached_add(&reached, 0);
    reached_add(&reached, 2);
    reached_add(&reached, 6);
    reached_add(&reached, 6); /* twice is once */
    reached_text(&reached, text);
    assert_string_equal(text, "blocks 1:22");
    assert_true(reached_parse(&again, text));
    assert_int_equal(again.count, 3);
    assert_true(reached_has(&again, 0) && reached_has(&again, 2) && reached_has(&again, 6));
    assert_false(reached_has(&again, 1) || reached_has(&again, 3) || reached_has(&again, 7));
    reached_add(&again, 1);
    assert_int_equal(again.mark, 3);
}

/* Any order within the window, written down and read back at each step. */
static void at_random(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct reached reached = {0};
    bool *there = calloc(COUNT, 1);
    char text[REACHED_TEXT_MAX];
    uint32_t x = 1;
    for (uint64_t done = 0; done < COUNT;) {
        x = x * 1664525u + 1013904223u;
        uint64_t number = reached.mark + (x >> 8) % REACHED_WINDOW;
        if (number >= COUNT || there[number]) {
            number = reached.mark;
        }
        assert_true(reached_in_window(&reached, number));
        reached_add(&reached, number);
        there[number] = true;
        assert_int_equal(reached.count, ++done);
        if (done % 1000 == 0) {
            struct reached again;
            reached_text(&reached, text);
            assert_true(strlen(text) < REACHED_TEXT_MAX && strlen(text) <= 4096);
            assert_true(reached_parse(&again, text));
            assert_memory_equal(&again, &reached, sizeof again);
            for (uint64_t i = 0; i < COUNT; i++) {
                assert_int_equal(reached_has(&again, i), there[i]);
            }
        }
    }
    assert_false(reached_in_window(&reached, reached.mark + REACHED_WINDOW));
    reached_add(&reached, reached.mark + REACHED_WINDOW); /* is ignored */
    assert_int_equal(reached.count, COUNT);
    free(there);
}

static void what_is_no_such_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "blocks",       "blocks 5",   "blocks -1:",
                                      "blocks 5:g", "blocks 5: 1",  "block 5:1",  "blocks :1",
                                      "blocks 99999999999999999999:"};
    struct reached reached;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        reached.count = 7;
        assert_false(reached_parse(&reached, bad[i]));
        assert_int_equal(reached.count, 0);
    }
    char *longer = calloc(1, REACHED_WINDOW);
    strcpy(longer, "blocks 0:");
    memset(longer + strlen(longer), '2', REACHED_WINDOW / 4 + 1);
    assert_false(reached_parse(&reached, longer));
    free(longer);
    assert_true(reached_parse(&reached, "blocks 4:3")); /* the mark's own */
    assert_int_equal(reached.mark, 6);
    assert_int_equal(reached.count, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(with_gaps),
        cmocka_unit_test(at_random),
        cmocka_unit_test(what_is_no_such_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
