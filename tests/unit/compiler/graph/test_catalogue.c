/* The catalogue is in order; its figures are held against EC2's by tests/e2e/test_catalogue.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/graph/facts.h"

static void test_rows_are_plausible_and_found(void **state)
{
    (void)state;
    assert_true(catalogue_count() > 500);
    for (size_t i = 0; i < catalogue_count(); i++) {
        const struct fact_instance_type *type = catalogue_at(i);
        assert_ptr_equal(catalogue_type(type->name), type); /* so there is one of each name */
        assert_non_null(strchr(type->name, '.'));
        assert_true(type->vcpus > 0 && type->memory_mib > 0);
        assert_true(type->bios || type->uefi);
        assert_true(type->max_cards > 0 && type->max_volumes > 1);
        assert_true(strcmp(type->arch, "x86_64") == 0 || strcmp(type->arch, "arm64") == 0);
        assert_int_equal(type->zone_count, 0);
    }
    assert_null(catalogue_at(catalogue_count()));
    assert_null(catalogue_type("m6i.enormous"));
}

static void test_families_stand_together(void **state)
{
    (void)state;
    for (size_t i = 1; i < catalogue_count(); i++) {
        const char *before = catalogue_at(i - 1)->name, *name = catalogue_at(i)->name;
        size_t length = strcspn(name, ".") + 1;
        if (strncmp(before, name, length) == 0) {
            assert_true(catalogue_at(i - 1)->vcpus <= catalogue_at(i)->vcpus);
            continue;
        }
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(strncmp(catalogue_at(j)->name, name, length), 0);
        }
    }
}

static void test_known_figures(void **state)
{
    (void)state;
    const struct fact_instance_type *type = catalogue_type("r6i.xlarge");
    assert_int_equal(type->vcpus, 4);
    assert_int_equal(type->memory_mib, 32768);
    assert_true(type->bios && type->uefi && type->shared_attachments);
    assert_false(catalogue_type("m6g.large")->bios);
    assert_string_equal(catalogue_type("m6g.large")->arch, "arm64");
    assert_false(catalogue_type("m7i.large")->shared_attachments);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_plausible_and_found),
        cmocka_unit_test(test_families_stand_together),
        cmocka_unit_test(test_known_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
