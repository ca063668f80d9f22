#include "runtime/cli/repo_text.h"

#include "tests/unit/support/cmocka_all.h"

static void test_percentages(void **state)
{
    (void)state;
    double part = 0;
    assert_true(repo_percentage("10%", &part, NULL));
    assert_true(part > 0.0999 && part < 0.1001);
    assert_true(repo_percentage("0.5%", &part, NULL));
    assert_true(repo_percentage("100%", &part, NULL));
    assert_true(part >= 1);
    const char *wrong[] = {"", "10", "%", "0%", "-1%", "101%", "ten%", "10%%", "nan%"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(repo_percentage(wrong[i], &part, NULL));
    }
}

static void test_counts(void **state)
{
    (void)state;
    char out[64];
    assert_string_equal(repo_count(out, 1, "block"), "1 block");
    assert_string_equal(repo_count(out, 0, "block"), "0 blocks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentages),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
