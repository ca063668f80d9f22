#include "tests/unit/support/cmocka_all.h"

#include "tests/unit/support/plan_fixture.h"

static struct plan_fixture with_volume(const char *disk)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_check_vms(
        arena_printf(arena, "  db: {source: /a, subnet: db, volumes: {%s}}\n", disk));
    arena_destroy(arena);
    return fixture;
}

static void what_ebs_offers_passes(void **state)
{
    (void)state;
    static const char *const right[] = {
        "0: {}",
        "0: {iops: 3000}",
        "0: {iops: 16000, throughput: 1000}",
        "0: {throughput: 750}",
        "0: {type: gp2}",
        "0: {type: io1, iops: 100}",
        "0: {type: io2, iops: 256000}",
        "1: {type: st1}",
        "0: {type: standard}",
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct plan_fixture fixture = with_volume(right[i]);
        fixture_clean(&fixture);
        fixture_free(&fixture);
    }
}

static void the_rest_is_told(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "0: {iops: 2999}",
        "0: {iops: 16001}",
        "0: {throughput: 124}",
        "0: {iops: 16000, throughput: 1001}",
        "0: {throughput: 751}",
        "0: {iops: 3999, throughput: 1000}",
        "0: {type: gp2, iops: 3000}",
        "0: {type: gp2, throughput: 125}",
        "0: {type: io1}",
        "0: {type: io1, iops: 64001}",
        "0: {type: st1}",
        "1: {type: sc1, iops: 500}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct plan_fixture fixture = with_volume(wrong[i]);
        fixture_only(&fixture, DIAG_INVALID_VOLUME_SETTINGS);
        fixture_free(&fixture);
    }
}

static void the_default_has_to_serve_boot_disks(void **state)
{
    (void)state;
    static const struct {
        const char *type, *volumes;
        bool wrong;
    } cases[] = {
        {"gp2", "{}", false},     {"sc1", "{}", true},
        {"sc1", "{1: {}}", true}, {"sc1", "{0: {type: gp3}}", false},
        {"io2", "{}", true},      {"io2", "{0: {iops: 500}}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_create();
        const char *head = fixture_replace(
            arena, fixture_head, "      region",
            arena_printf(arena, "      volume_type: %s\n      region", cases[i].type));
        struct plan_fixture fixture = fixture_check(arena_printf(
            arena, "%svms: {db: {source: /a, subnet: db, volumes: %s}}\n", head, cases[i].volumes));
        if (cases[i].wrong) {
            fixture_only(&fixture, DIAG_INVALID_VOLUME_SETTINGS);
        } else {
            fixture_clean(&fixture);
        }
        fixture_free(&fixture);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ebs_offers_passes),
        cmocka_unit_test(the_rest_is_told),
        cmocka_unit_test(the_default_has_to_serve_boot_disks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
