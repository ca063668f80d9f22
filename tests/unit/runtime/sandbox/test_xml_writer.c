#include "runtime/sandbox/xml_writer.h"

#include "tests/unit/support/cmocka_all.h"

static void elements(void **state)
{
    (void)state;
    struct xml_writer xml = {0};
    xml_open(&xml, "set");
    xml_put(&xml, "id", "vol<1");
    xml_put(&xml, "nothing", NULL);
    xml_put(&xml, "empty", "");
    xml_int(&xml, "size", -8);
    xml_bool(&xml, "encrypted", false);
    xml_time(&xml, "at", 1795341600123);
    xml_close(&xml, "set");
    assert_string_equal(buffer_text(&xml.out),
                        "<set><id>vol&lt;1</id><empty></empty><size>-8</size>"
                        "<encrypted>false</encrypted><at>2026-11-22T10:00:00.000Z</at></set>");
    buffer_free(&xml.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
