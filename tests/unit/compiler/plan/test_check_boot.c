#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static struct plan_fixture with_modes(const char *boot, const char *inject, const char *prepare)
{
    struct arena *arena = arena_create();
    const char *head = fixture_replace(arena, fixture_head, "      region",
                                       arena_printf(arena, "      boot: %s\n      region", boot));
    head = fixture_replace(arena, head, "conversion: {",
                           arena_printf(arena, "conversion: {inject: %s, ", inject));
    head = fixture_replace(arena, head, "replication: {",
                           arena_printf(arena, "replication: {prepare: %s, ", prepare));
    struct plan_fixture fixture =
        fixture_check(arena_printf(arena, "%svms: {db: {source: /a, subnet: db}}\n", head));
    arena_destroy(arena);
    return fixture;
}

/* All combinations of boot, inject and prepare: one cannot work. */
static void one_combination_cannot_work(void **state)
{
    (void)state;
    static const char *const boots[] = {"attach", "image"}, *const injects[] = {"auto", "never"};
    static const char *const prepares[] = {"failover", "replication"};
    for (int i = 0; i < 8; i++) {
        struct plan_fixture fixture =
            with_modes(boots[i & 1], injects[i >> 1 & 1], prepares[i >> 2]);
        if (i == 1) {
            fixture_only(&fixture, DIAG_IMAGE_BOOT_NEEDS_BOOTABLE_COPY);
        } else {
            fixture_clean(&fixture);
        }
        fixture_free(&fixture);
    }
}

static struct plan_fixture with_vm(const char *keys)
{
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        fixture_check_vms(arena_printf(arena, "  db: {source: /a, subnet: db, %s}\n", keys));
    arena_destroy(arena);
    return fixture;
}

static void known_types_pass(void **state)
{
    (void)state;
    static const char *const right[] = {
        "instance_type: auto", "instance_type: m6i.large", "instance_type: [r6i.xlarge, r5.xlarge]",
        "instance_type: z99.large", /* a family newer than the catalogue: facts decide */
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct plan_fixture fixture = with_vm(right[i]);
        fixture_clean(&fixture);
        fixture_free(&fixture);
    }
}

static void unknown_types_are_told_once(void **state)
{
    (void)state;
    struct plan_fixture fixture =
        fixture_check_vms("  a: {source: /a, subnet: db, instance_type: m6i.hugest}\n"
                          "  b: {source: /b, subnet: db, instance_type: m6i.hugest}\n");
    fixture_only(&fixture, DIAG_UNKNOWN_INSTANCE_TYPE);
    fixture_free(&fixture);
    fixture = with_vm("instance_type: [m6i.large, auto]");
    fixture_only(&fixture, DIAG_UNKNOWN_INSTANCE_TYPE);
    fixture_free(&fixture);
}

static void cards_have_to_fit(void **state)
{
    (void)state;
    static const char vm[] =
        "  a: {source: /a, instance_type: %s, nics: [{subnet: db}, {subnet: db}, {subnet: db}, "
        "{subnet: db}]}\n";
    struct arena *arena = arena_create();
    struct plan_fixture fixture = fixture_check_vms(fixture_replace(arena, vm, "%s", "m5.xlarge"));
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture = fixture_check_vms(fixture_replace(arena, vm, "%s", "m5.large"));
    fixture_only(&fixture, DIAG_INSTANCE_TYPE_UNFIT);
    fixture_free(&fixture);
    arena_destroy(arena);
}

static void licences_and_tenancy(void **state)
{
    (void)state;
    struct plan_fixture fixture = with_vm("licensing: byol, tenancy: host");
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture = with_vm("licensing: aws");
    fixture_only(&fixture, DIAG_LICENSING_UNSUPPORTED);
    fixture_free(&fixture);
    fixture = with_vm("tenancy: dedicated, capacity_reservation: cr-1");
    fixture_clean(&fixture);
    fixture_free(&fixture);
    fixture = with_vm("tenancy: host, capacity_reservation: cr-1");
    fixture_only(&fixture, DIAG_INVALID_TENANCY);
    fixture_free(&fixture);
}

static void arns_are_of_the_recovery_site(void **state)
{
    (void)state;
    static const struct {
        const char *arn;
        size_t wrong;
    } arns[] = {
        {"arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/0", 0},
        {"arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/web/0", 1},
        {"arn:aws:elasticloadbalancing:us-east-1:444455556666:targetgroup/web/0", 2},
        {"arn:aws", 0},
    };
    for (size_t i = 0; i < sizeof arns / sizeof *arns; i++) {
        struct arena *arena = arena_create();
        struct plan_fixture fixture =
            with_vm(arena_printf(arena, "target_groups: {production: [\"%s\"]}", arns[i].arn));
        assert_int_equal(fixture.diagnostics->count, arns[i].wrong);
        assert_int_equal(fixture_count(&fixture, DIAG_ARN_ELSEWHERE), arns[i].wrong);
        fixture_free(&fixture);
        arena_destroy(arena);
    }
}

static void placeholders_are_needed_to_attach(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *head = fixture_replace(arena, fixture_head,
                                       "      placeholder_image: {bios: ami-1, uefi: ami-2}\n", "");
    struct plan_fixture fixture =
        fixture_check(arena_printf(arena, "%svms: {db: {source: /a, subnet: db}}\n", head));
    fixture_only(&fixture, DIAG_NO_PLACEHOLDER_IMAGE);
    fixture_free(&fixture);
    arena_destroy(arena);
}

static void tags_have_room(void **state)
{
    (void)state;
    for (int count = 35; count <= 36; count++) {
        struct arena *arena = arena_create();
        const char *tags = "tags: {";
        for (int i = 0; i < count; i++) {
            tags = arena_printf(arena, "%st%d: x,", tags, i);
        }
        struct plan_fixture fixture = with_vm(arena_printf(arena, "%s}", tags));
        if (count == 35) {
            fixture_clean(&fixture);
        } else {
            fixture_only(&fixture, DIAG_TOO_MANY_TAGS);
        }
        fixture_free(&fixture);
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_combination_cannot_work),
        cmocka_unit_test(known_types_pass),
        cmocka_unit_test(unknown_types_are_told_once),
        cmocka_unit_test(cards_have_to_fit),
        cmocka_unit_test(licences_and_tenancy),
        cmocka_unit_test(arns_are_of_the_recovery_site),
        cmocka_unit_test(placeholders_are_needed_to_attach),
        cmocka_unit_test(tags_have_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
