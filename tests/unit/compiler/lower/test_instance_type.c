/* Choosing instance types: the smallest fit, ties by the order of the families. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/lower/instance_type.h"

static struct text usual[] = {{.value = "m6i"}, {.value = "r6i"}, {.value = "c6i"}};
static const struct texts families = {.items = usual, .count = 3};

static const struct fact_instance_type *
choose_of(const struct facts *facts, const struct texts *list, const struct type_needs *needs)
{
    struct arena *arena = arena_create();
    struct type_candidates candidates = type_candidates(arena, facts, list);
    const struct fact_instance_type *type = choose_type(&candidates, needs);
    arena_destroy(arena);
    return type;
}

static const char *choose(struct type_needs needs)
{
    const struct fact_instance_type *type = choose_of(NULL, &families, &needs);
    return type ? type->name : "none";
}

static void test_smallest_fit(void **state)
{
    (void)state;
    static const struct {
        int64_t cpus, memory_mib;
        const char *type;
    } cases[] = {
        {1, 512, "c6i.large"},         {2, 4096, "c6i.large"},         {2, 4097, "m6i.large"},
        {2, 8192, "m6i.large"},        {2, 16384, "r6i.large"},        {2, 16385, "r6i.xlarge"},
        {4, 8192, "c6i.xlarge"},       {3, 9000, "m6i.xlarge"},        {8, 16384, "c6i.2xlarge"},
        {128, 262144, "c6i.32xlarge"}, {128, 1048576, "r6i.32xlarge"}, {129, 1, "none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(
            choose((struct type_needs){.cpus = cases[i].cpus, .memory_mib = cases[i].memory_mib}),
            cases[i].type);
    }
}

static void test_other_needs(void **state)
{
    (void)state;
    assert_string_equal(choose((struct type_needs){.cpus = 2, .memory_mib = 8193, .cards = 4}),
                        "m6i.xlarge");
    assert_string_equal(choose((struct type_needs){.cpus = 2, .cards = 3, .volumes = 25}),
                        "c6i.large");
    assert_string_equal(choose((struct type_needs){.cpus = 2, .cards = 3, .volumes = 26}), "none");
    assert_string_equal(choose((struct type_needs){.cpus = 2, .arch = "arm64"}), "none");
    assert_string_equal(choose((struct type_needs){.cpus = 2, .firmware = "uefi"}), "c6i.large");
    struct text graviton[] = {{.value = "m6g"}};
    struct texts only = {.items = graviton, .count = 1};
    struct type_needs needs = {.cpus = 2, .firmware = "bios"};
    assert_null(choose_of(NULL, &only, &needs));
    needs.firmware = "uefi";
    assert_string_equal(choose_of(NULL, &only, &needs)->name, "m6g.large");
}

/* Ties go by the order of the families, whatever order the types are in. */
static void test_order_of_families(void **state)
{
    (void)state;
    struct text order[] = {{.value = "m6a"}, {.value = "m6i"}, {.value = "m5"}};
    struct texts list = {.items = order, .count = 3};
    struct type_needs needs = {.cpus = 2, .memory_mib = 8192};
    assert_string_equal(choose_of(NULL, &list, &needs)->name, "m6a.large");
    order[0].value = "m5";
    order[2].value = "m6a";
    assert_string_equal(choose_of(NULL, &list, &needs)->name, "m5.large");
    order[0].value = "m6"; /* no prefix of a family is one */
    assert_string_equal(choose_of(NULL, &list, &needs)->name, "m6i.large");
}

static void test_candidates_know_their_families(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct text same[] = {{.value = "m6i"}, {.value = "r6i"}, {.value = "c6i"}};
    struct text other[] = {{.value = "r6i"}, {.value = "m6i"}, {.value = "c6i"}};
    struct type_candidates candidates = {0};
    assert_false(type_candidates_are_of(&candidates, &families));
    candidates = type_candidates(arena, NULL, &families);
    assert_true(type_candidates_are_of(&candidates, &(struct texts){.items = same, .count = 3}));
    assert_false(type_candidates_are_of(&candidates, &(struct texts){.items = other, .count = 3}));
    assert_false(type_candidates_are_of(&candidates, &(struct texts){.items = same, .count = 2}));
    arena_destroy(arena);
}

static void test_facts_win_over_the_catalogue(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct facts *facts = facts_create(arena);
    static const char *zones[] = {"a"};
    struct fact_instance_type here = {.name = "m6i.xlarge",
                                      .vcpus = 4,
                                      .memory_mib = 16384,
                                      .arch = "x86_64",
                                      .bios = true,
                                      .max_cards = 4,
                                      .max_volumes = 27,
                                      .zones = zones,
                                      .zone_count = 1};
    map_put(&facts->instance_types, here.name, &here);
    struct type_needs needs = {.cpus = 2, .zone = "a"};
    assert_ptr_equal(choose_of(facts, &families, &needs), &here);
    needs.zone = "b";
    assert_null(choose_of(facts, &families, &needs));
    assert_null(known_type(facts, "m6i.large"));
    assert_ptr_equal(known_type(facts, "m6i.xlarge"), &here);
    assert_non_null(known_type(NULL, "m6i.large"));
    needs.firmware = "uefi";
    assert_non_null(strstr(type_misfit(arena, &here, &needs), "does not boot by UEFI"));
    needs.firmware = NULL;
    assert_null(type_misfit(arena, &here, &needs));
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest_fit),
        cmocka_unit_test(test_other_needs),
        cmocka_unit_test(test_order_of_families),
        cmocka_unit_test(test_candidates_know_their_families),
        cmocka_unit_test(test_facts_win_over_the_catalogue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
