#include "runtime/aws/ini.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"

static struct arena *arena;

static struct ini *parse(const char *text)
{
    struct error error = {0};
    struct ini *ini = ini_parse(arena, "config", text, strlen(text), &error);
    if (!ini) {
        fail_msg("%s", error.message);
    }
    return ini;
}

static void assert_refused(const char *text, size_t length, const char *message)
{
    struct error error = {0};
    assert_null(ini_parse(arena, "config", text, length, &error));
    assert_string_equal(error.message, message);
    error_clear(&error);
}

static void test_sections(void **state)
{
    (void)state;
    struct ini *ini =
        parse("\xef\xbb\xbf# c\r\n[ profile \t x ]\r\n Not_a_key = \r\nKey=a = b \r\n;c\n"
              "[default]\nkey = 1\nkey = 2\n[profile x]\nother =\nlast = z");
    assert_string_equal(ini_get(ini, "profile x", "key"), "a = b");
    assert_string_equal(ini_get(ini, "profile x", "last"), "z");
    assert_string_equal(ini_get(ini, "profile x", "other"), "");
    assert_string_equal(ini_get(ini, "default", "key"), "2");
    assert_null(ini_get(ini, "default", "other"));
    assert_null(ini_get(ini, "nobody", "key"));
    assert_null(ini_section(ini, "nobody"));
}

static void test_sub_keys(void **state)
{
    (void)state;
    struct ini *ini =
        parse("[services dr]\nec2 =\n  endpoint_url = http://127.0.0.1:1\n\n"
              "s3 =\n\tendpoint_url = http://127.0.0.1:2\nplain = 1\n  ignored = 2\n");
    assert_string_equal(ini_get(ini, "services dr", "ec2.endpoint_url"), "http://127.0.0.1:1");
    assert_string_equal(ini_get(ini, "services dr", "s3.endpoint_url"), "http://127.0.0.1:2");
    assert_null(ini_get(ini, "services dr", "plain.ignored"));
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused("key = 1\n", 8, "config:1: expected a [section]");
    assert_refused("[a]\n\nnonsense\n", 14, "config:3: expected \"key = value\"");
    assert_refused("[a\n", 3, "config:1: a section has no closing bracket");
    assert_refused("[a]\0\n", 5, "config: not a config file: it has NUL bytes");
}

static void test_files(void **state)
{
    (void)state;
    struct error error = {0};
    struct ini *ini = ini_read(arena, "/nonexistent/config", &error);
    assert_non_null(ini);
    assert_int_equal(map_count(&ini->sections), 0);
    assert_null(ini_read(arena, "/proc/self", &error));
    assert_non_null(strstr(error.message, "cannot read /proc/self: "));
    assert_null(read_small_file(arena, "/proc/self/maps", 16, NULL, NULL, &error));
    assert_non_null(strstr(error.message, "larger than 16 bytes"));
    assert_null(read_small_file(arena, "/dev/zero", 1 << 20, NULL, NULL, &error));
    assert_non_null(strstr(error.message, "larger than"));
    error_clear(&error);
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sub_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
