#include "runtime/cli/transfer_line.h"

#include <string.h>

#include "compiler/base/buffer.h"
#include "compiler/emit/text.h"
#include "tests/unit/support/cmocka_all.h"

static void it_says_how_far_and_how_fast(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct transfer_state half = {.what = "disk 0  db.raw",
                                  .total = INT64_C(40) << 30,
                                  .passed = INT64_C(20) << 30,
                                  .moved = INT64_C(10) << 30,
                                  .elapsed_ms = 10000};
    transfer_line(&half, 200, false, false, &out);
    assert_string_equal(out.data, "disk 0  db.raw   50 %  20 GiB of 40 GiB  1 GiB/s  00:10 left");
    buffer_clear(&out);
    half.elapsed_ms = 100; /* too early for a rate */
    transfer_line(&half, 200, false, false, &out);
    assert_string_equal(out.data, "disk 0  db.raw   50 %  20 GiB of 40 GiB");
    buffer_free(&out);
}

static void it_fits_the_terminal(void **state)
{
    (void)state;
    struct transfer_state done = {.what = "disk 12  a-very-long-name-of-an-image.qcow2",
                                  .total = 1,
                                  .passed = 1,
                                  .moved = 1,
                                  .elapsed_ms = 5000};
    for (int width = 5; width < 140; width++) {
        struct buffer out = {0};
        transfer_line(&done, width, true, false, &out);
        assert_true(text_columns(buffer_text(&out)) <= width);
        buffer_free(&out);
    }
}

/* The bar gives way to what the line says. */
static void the_bar_hides_nothing(void **state)
{
    (void)state;
    struct transfer_state half = {.what = "disk 0  db.raw",
                                  .total = INT64_C(3) << 40,
                                  .passed = INT64_C(5) << 38,
                                  .moved = INT64_C(5) << 37,
                                  .elapsed_ms = 10000000};
    for (int width = 74; width < 140; width++) {
        struct buffer out = {0};
        transfer_line(&half, width, true, false, &out);
        assert_non_null(strstr(buffer_text(&out), " left"));
        assert_int_equal(strstr(buffer_text(&out), "━") != NULL, width >= 90);
        buffer_free(&out);
    }
}

static void an_empty_disk_is_done(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct transfer_state none = {.what = "disk 0", .elapsed_ms = 5};
    transfer_line(&none, 100, true, false, &out);
    assert_non_null(strstr(out.data, "100 %"));
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_how_far_and_how_fast),
        cmocka_unit_test(it_fits_the_terminal),
        cmocka_unit_test(the_bar_hides_nothing),
        cmocka_unit_test(an_empty_disk_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
