#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static struct plan_fixture with_rto(const char *rto)
{
    struct arena *arena = arena_create();
    const char *head =
        fixture_replace(arena, fixture_head, "rto: 20m", arena_printf(arena, "rto: %s", rto));
    struct plan_fixture fixture =
        fixture_bind(arena_printf(arena, "%svms: {db: {source: /a, subnet: db}}\n", head));
    arena_destroy(arena);
    return fixture;
}

static void durations_become_milliseconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } durations[] = {{"30s", 30000},      {"15m", 900000},         {"4h", 14400000},
                     {"30d", 2592000000}, {"3650d", 315360000000}, {"007s", 7000}};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        struct plan_fixture fixture = with_rto(durations[i].text);
        fixture_clean(&fixture);
        assert_int_equal(fixture.plan->objectives.rto.ms, durations[i].ms);
        assert_true(fixture.plan->objectives.rto.given);
        fixture_free(&fixture);
    }
}

static void unusable_durations_are_told(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0s", "3651d", "999999999d", "99999999999999999999d",
                                        "s",  "5",     "5 m"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct plan_fixture fixture = with_rto(wrong[i]);
        fixture_only(&fixture, DIAG_INVALID_DURATION);
        assert_null(fixture.plan);
        fixture_free(&fixture);
    }
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms("  db: {source: /a, subnet: db}\n");
    fixture_clean(&fixture);
    const struct plan *plan = fixture.plan;
    assert_string_equal(plan->description, "");
    assert_null(plan->state.value);
    assert_false(plan->objectives.test_every.given);
    assert_int_equal(plan->backup.keep.ms, 7 * INT64_C(86400000));
    assert_false(plan->backup.keep.given);
    assert_string_equal(plan->backup.quiesce, "auto");
    assert_int_equal(plan->replication.keep, 1);
    assert_false(plan->replication.prepare);
    assert_int_equal(plan->aws.boot, BOOT_ATTACH);
    assert_true(plan->aws.inject);
    assert_string_equal(plan->aws.volume_type.value, "gp3");
    assert_false(plan->vcenter.given);
    assert_false(plan->failback.given);
    assert_false(plan->networks[NETWORK_TEST].given);
    fixture_free(&fixture);
}

static void files_are_listed_once(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_bind(
        "version: 1\nname: shop\n"
        "networks: {production: {vpc: vpc-1, subnets: {db: {id: s, cidr: 10.0.0.0/24, zone: z}}}}\n"
        "sites: {primary: {vcenter: {ca_file: ca.pem, credentials: \"file:secret\"}}}\n"
        "after: [{script: a.sh}, {script: b.sh}, {script: a.sh}]\n"
        "vms: {db: {source: /a, subnet: db, post_boot: [{script: b.sh}]}}\n");
    assert_non_null(fixture.plan);
    assert_int_equal(fixture.plan->file_count, 3);
    assert_string_equal(fixture.plan->files[0], "ca.pem");
    assert_string_equal(fixture.plan->files[1], "b.sh");
    assert_string_equal(fixture.plan->files[2], "a.sh");
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_become_milliseconds),
        cmocka_unit_test(unusable_durations_are_told),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(files_are_listed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
