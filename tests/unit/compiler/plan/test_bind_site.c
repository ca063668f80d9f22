#include "tests/unit/support/cmocka_all.h"

#include <string.h>

#include "tests/unit/support/plan_fixture.h"

static const char whole[] =
    "version: 1\n"
    "name: shop\n"
    "state: s3://acme/state\n"
    "objectives: {rpo: 30m, rto: 20m, test_every: 30d, on_miss: refuse}\n"
    "backup: {every: 10m, keep: 30d, quiesce: never, repository: dir:repo}\n"
    "replication: {every: 5m, keep: 3, prepare: replication}\n"
    "sites:\n"
    "  primary:\n"
    "    vcenter: {url: \"https://v/sdk\", credentials: env:V, datacenter: DC0}\n"
    "    failback:\n"
    "      datastore: D0\n"
    "      port_groups: {app: VM Network}\n"
    "      proxy: {vm: p, nbd: \"nbd://h\", psk: file:p.psk}\n"
    "  recovery:\n"
    "    aws:\n"
    "      region: eu-west-1\n"
    "      account: \"111122223333\"\n"
    "      boot: image\n"
    "      volume_type: gp2\n"
    "      placeholder_image: ami-1\n"
    "      conversion: {inject: never, instances: {eu-west-1a: i-1, eu-west-1b: i-2}}\n"
    "networks:\n"
    "  production:\n"
    "    vpc: vpc-1\n"
    "    subnets: {app: {id: subnet-1, cidr: 10.20.1.0/24, zone: eu-west-1a}}\n"
    "vms:\n"
    "  one: {source: /a, subnet: app}\n"
    "  two: {source: /b, subnet: app, failback: {datastore: D1, existing: replace}}\n";

static void everything_is_bound(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_bind(whole);
    fixture_clean(&fixture);
    const struct plan *plan = fixture.plan;
    assert_string_equal(plan->state.value, "s3://acme/state");
    assert_true(plan->objectives.refuse_on_miss);
    assert_int_equal(plan->objectives.test_every.ms, 30 * INT64_C(86400000));
    assert_int_equal(plan->backup.every.ms, 600000);
    assert_string_equal(plan->backup.quiesce, "never");
    assert_int_equal(plan->replication.keep, 3);
    assert_true(plan->replication.prepare);
    assert_string_equal(plan->vcenter.url.value, "https://v/sdk");
    assert_string_equal(plan->vcenter.credentials.reference, "env:V");
    assert_int_equal(plan->aws.boot, BOOT_IMAGE);
    assert_false(plan->aws.inject);
    assert_string_equal(plan->aws.volume_type.value, "gp2");
    assert_string_equal(plan->aws.image_windows.value, "ami-1");
    assert_int_equal(plan->aws.conversion_count, 2);
    assert_string_equal(plan_conversion_in(plan, "eu-west-1b")->id.value, "i-2");
    assert_null(plan_conversion_in(plan, "eu-west-1c"));
    fixture_free(&fixture);
}

static void failback_of_a_vm_overrides_the_site(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_bind(whole);
    fixture_clean(&fixture);
    const struct failback_settings *one = &fixture.plan->vms[0].failback;
    const struct failback_settings *two = &fixture.plan->vms[1].failback;
    assert_string_equal(one->datastore.value, "D0");
    assert_null(one->existing.value);
    assert_string_equal(two->datastore.value, "D1");
    assert_string_equal(two->existing.value, "replace");
    assert_string_equal(two->proxy_psk.reference, "file:p.psk");
    assert_string_equal(((struct text *)map_get(&two->port_groups, "app"))->value, "VM Network");
    fixture_free(&fixture);
}

static void port_groups_name_subnets(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct plan_fixture fixture =
        fixture_bind(fixture_replace(arena, whole, "{app: VM Network}", "{apps: VM Network}"));
    fixture_only(&fixture, DIAG_UNKNOWN_SUBNET);
    fixture_free(&fixture);
    arena_destroy(arena);
}

static void images_by_kind_of_guest(void **state)
{
    (void)state;
    struct plan_fixture fixture = fixture_check_vms("  db: {source: /a, subnet: db}\n");
    assert_string_equal(fixture.plan->aws.image_bios.value, "ami-1");
    assert_string_equal(fixture.plan->aws.image_uefi.value, "ami-2");
    assert_null(fixture.plan->aws.image_windows.value);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_bound),
        cmocka_unit_test(failback_of_a_vm_overrides_the_site),
        cmocka_unit_test(port_groups_name_subnets),
        cmocka_unit_test(images_by_kind_of_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
