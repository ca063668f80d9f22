/* What facts say of the VMs and their surroundings: taken over, or refused with the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/lower_fixture.h"

static const char one_vm[] = "  db: {source: /DC0/vm/db, subnet: db}\n";

#define DISK "[{\"size_gib\":8}]"
#define BIOS_VM                                                                                    \
    "{\"db\":{\"cpus\":2,\"memory_mib\":4096,\"firmware\":\"bios\",\"os\":\"linux\","              \
    "\"disks\":" DISK "}}"

/* Facts with an inventory of `vms` and what else is given (members, each with a comma before it).
 */
static const char *facts(struct arena *arena, const char *vms, const char *more)
{
    return arena_printf(arena,
                        "{\"format\":\"drc-facts/1\",\"observed_at\":\"2026-11-22T10:00:00Z\","
                        "\"inventory\":{\"vms\":%s%s}}",
                        vms, more);
}

static void expect_refused(const char *vms, const char *facts_json, enum diagnostic_code code,
                           const char *words)
{
    struct lower_fixture fixture = lower_vms(vms, facts_json);
    assert_null(fixture.graph);
    const struct diagnostic *found = fixture_only(&fixture.plan, code);
    assert_true(found->primary.span.line > 0 && found->help_count > 0);
    if (!strstr(found->message, words)) {
        fail_msg("\"%s\" does not say \"%s\"", found->message, words);
    }
    fixture_free(&fixture.plan);
}

static void test_facts_of_elsewhere(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct lower_fixture fixture =
        lower_vms(one_vm, facts(arena, BIOS_VM, ",\"account\":\"999999999999\",\"region\":\"x\""));
    assert_null(fixture.graph);
    assert_int_equal(fixture_count(&fixture.plan, DIAG_FACTS_OF_OTHER_SITE), 2);
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_copies_that_are_missing(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    expect_refused(one_vm, facts(arena, "{}", ""), DIAG_NO_RECOVERY_POINT, "db has no usable");
    expect_refused(one_vm, facts(arena, "{\"db\":{\"os\":\"linux\",\"disks\":" DISK "}}", ""),
                   DIAG_FIRMWARE_UNKNOWN, "BIOS or UEFI");
    const char *plan =
        arena_printf(arena, "%svms:\n%s",
                     fixture_replace(arena, fixture_head, "replication: {every: 10m}",
                                     "replication: {every: 10m, prepare: replication}"),
                     one_vm);
    struct lower_fixture fixture = lower_plan(plan, facts(arena, BIOS_VM, ""));
    assert_null(fixture.graph);
    assert_non_null(
        strstr(fixture_only(&fixture.plan, DIAG_NO_RECOVERY_POINT)->message, "no bootable copy"));
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_disks_that_are_not_there(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    static const char vms[] =
        "  db: {source: /DC0/vm/db, subnet: db, volumes: {1: {iops: 3000}}}\n";
    expect_refused(vms, facts(arena, BIOS_VM, ""), DIAG_UNKNOWN_DISK,
                   "db has 1 disk, and no disk 1");
    /* Without facts the plan's own settings tell how many there are. */
    struct lower_fixture fixture = lower_vms(vms, NULL);
    assert_true(lower_has(&fixture, "db/disk-1/create-volume"));
    assert_false(lower_has(&fixture, "db/disk-2/create-volume"));
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_many_disks_get_names(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    char *disks = arena_alloc(arena, 10000), *at = disks;
    for (int i = 0; i < 64; i++) {
        at += sprintf(at, "%s{\"size_gib\":1}", i ? "," : "");
    }
    const char *vms = arena_printf(
        arena, "{\"db\":{\"firmware\":\"bios\",\"os\":\"linux\",\"disks\":[%s]}}", disks);
    static const char plan_vms[] =
        "  db: {source: /DC0/vm/db, subnet: db, instance_type: m7i.48xlarge}\n";
    struct lower_fixture fixture = lower_vms(plan_vms, facts(arena, vms, ""));
    assert_string_equal(lower_input(&fixture, "db/disk-11/attach-volume", "device"),
                        "{\"value\": \"/dev/sdp\"}");
    assert_string_equal(lower_input(&fixture, "db/disk-12/attach-volume", "device"),
                        "{\"value\": \"/dev/xvdba\"}");
    assert_string_equal(lower_input(&fixture, "db/disk-38/attach-volume", "device"),
                        "{\"value\": \"/dev/xvdca\"}");
    assert_string_equal(lower_input(&fixture, "db/disk-63/attach-volume", "device"),
                        "{\"value\": \"/dev/xvdcz\"}");
    fixture_free(&fixture.plan);
    const char *more = arena_printf(
        arena, "{\"db\":{\"firmware\":\"bios\",\"os\":\"linux\",\"disks\":[%s,{\"size_gib\":1}]}}",
        disks);
    fixture = lower_vms(plan_vms, facts(arena, more, ""));
    assert_null(fixture.graph);
    assert_non_null(fixture_only(&fixture.plan, DIAG_INSTANCE_TYPE_UNFIT));
    fixture_free(&fixture.plan);
    expect_refused("  db: {source: /DC0/vm/db, subnet: db, instance_type: m6i.large}\n",
                   facts(arena, vms, ""), DIAG_INSTANCE_TYPE_UNFIT, "takes 27 volumes");
    arena_destroy(arena);
}

static void test_images_fit(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    static const struct {
        const char *image, *words;
    } wrong[] = {
        {",\"images\":{\"ami-9\":{\"id\":\"ami-9\"}}", "is not there"},
        {",\"images\":{\"ami-1\":{\"id\":\"ami-1\",\"boot_mode\":\"uefi\"}}", "boots by UEFI"},
        {",\"images\":{\"ami-1\":{\"id\":\"ami-1\",\"arch\":\"arm64\"}}", "architecture"},
        {",\"images\":{\"ami-1\":{\"id\":\"ami-1\",\"os\":\"windows\"}}", "billed as Windows"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect_refused(one_vm, facts(arena, BIOS_VM, wrong[i].image), DIAG_IMAGE_UNFIT,
                       wrong[i].words);
    }
    struct lower_fixture fixture = lower_vms(
        one_vm, facts(arena, BIOS_VM,
                      ",\"images\":{\"ami-1\":{\"id\":\"ami-77\",\"boot_mode\":\"legacy-bios\","
                      "\"os\":\"linux\",\"arch\":\"x86_64\",\"root_device\":\"/dev/sda1\"}}"));
    assert_string_equal(lower_input(&fixture, "db/run-instance", "image_id"),
                        "{\"value\": \"ami-77\"}");
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_licences(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    static const char vms[] = "  db: {source: /DC0/vm/db, subnet: db, licensing: aws}\n";
    const char *plan = arena_printf(
        arena, "%svms:\n%s",
        fixture_replace(arena, fixture_head, "uefi: ami-2", "uefi: ami-2, windows: \"ssm:/win\""),
        vms);
    struct lower_fixture fixture = lower_plan(plan, NULL);
    assert_string_equal(lower_input(&fixture, "db/run-instance", "image_id"),
                        "{\"value\": \"resolve:ssm:/win\"}");
    assert_string_equal(lower_input(&fixture, "db/disk-0/inject", "os"),
                        "{\"value\": \"windows\"}");
    fixture_free(&fixture.plan);
    fixture = lower_plan(plan, facts(arena, BIOS_VM, ""));
    assert_null(fixture.graph);
    assert_non_null(fixture_only(&fixture.plan, DIAG_LICENSING_UNSUPPORTED));
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

/* Copies of imported images may say little: what the plan says is enough where it decides. */
static void test_copies_that_say_little(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    static const char little[] = "{\"db\":{\"disks\":" DISK "}}";
    static const char typed[] = "  db: {source: /DC0/vm/db, subnet: db, instance_type: m6i.large}\n";
    expect_refused(one_vm, facts(arena, "{\"db\":{\"firmware\":\"bios\",\"disks\":" DISK "}}", ""),
                   DIAG_SIZE_UNKNOWN, "how many CPUs and how much memory db has is not known");
    expect_refused(one_vm,
                   facts(arena, "{\"db\":{\"cpus\":2,\"firmware\":\"bios\",\"disks\":" DISK "}}", ""),
                   DIAG_SIZE_UNKNOWN, "how much memory db has");
    expect_refused(typed, facts(arena, little, ""), DIAG_FIRMWARE_UNKNOWN, "BIOS or UEFI");
    const char *one_image = arena_printf(
        arena, "%svms:\n%s",
        fixture_replace(arena, fixture_head, "{bios: ami-1, uefi: ami-2}", "{uefi: ami-2}"), typed);
    struct lower_fixture fixture = lower_plan(one_image, facts(arena, little, ""));
    assert_non_null(fixture.graph);
    assert_string_equal(lower_input(&fixture, "db/disk-0/inject", "firmware"), "{\"value\": \"uefi\"}");
    assert_int_equal(fixture.graph->assumption_count, 4); /* firmware, architecture, system, conversion */
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_no_image_for_the_firmware(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *plan = arena_printf(
        arena, "%svms:\n%s",
        fixture_replace(arena, fixture_head, "{bios: ami-1, uefi: ami-2}", "{uefi: ami-2}"),
        one_vm);
    struct lower_fixture fixture = lower_plan(plan, facts(arena, BIOS_VM, ""));
    assert_null(fixture.graph);
    assert_non_null(fixture_only(&fixture.plan, DIAG_NO_PLACEHOLDER_IMAGE));
    fixture_free(&fixture.plan);
    fixture = lower_plan(plan, NULL); /* then UEFI is assumed */
    assert_string_equal(lower_input(&fixture, "db/disk-0/inject", "firmware"),
                        "{\"value\": \"uefi\"}");
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

#define TYPES                                                                                      \
    ",\"instance_types\":{\"m6i.large\":{\"vcpus\":2,\"memory_mib\":8192,\"arch\":\"x86_64\","     \
    "\"bios\":true,\"uefi\":true,\"max_cards\":3,\"max_volumes\":27,\"zones\":[\"eu-west-1b\"]},"  \
    "\"m5.large\":{\"vcpus\":2,\"memory_mib\":8192,\"arch\":\"x86_64\",\"bios\":true,\"uefi\":"    \
    "true,"                                                                                        \
    "\"max_cards\":3,\"max_volumes\":27,\"zones\":[\"eu-west-1a\"]},"                              \
    "\"m6g.large\":{\"vcpus\":2,\"memory_mib\":8192,\"arch\":\"arm64\",\"bios\":false,\"uefi\":"   \
    "true,\"max_cards\":3,\"max_volumes\":27}}"

static void test_types_by_facts(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *known = facts(arena, BIOS_VM, TYPES);
    expect_refused("  db: {source: /DC0/vm/db, subnet: db, instance_type: r5.large}\n", known,
                   DIAG_UNKNOWN_INSTANCE_TYPE, "r5.large is not offered in the region");
    expect_refused("  db: {source: /DC0/vm/db, subnet: db, instance_type: m6i.large}\n", known,
                   DIAG_TYPE_NOT_IN_ZONE, "m6i.large is not offered in eu-west-1a");
    expect_refused("  db: {source: /DC0/vm/db, subnet: db, instance_type: m6g.large}\n", known,
                   DIAG_INSTANCE_TYPE_UNFIT, "m6g.large is arm64");
    expect_refused(one_vm, known, DIAG_NO_INSTANCE_TYPE_FITS, "no type of instance_families fits");
    struct lower_fixture fixture = lower_vms(
        "  db: {source: /DC0/vm/db, subnet: db, instance_type: [m6i.large, m5.large]}\n", known);
    assert_string_equal(lower_input(&fixture, "db/run-instance", "instance_types"),
                        "{\"value\": [\"m5.large\"]}");
    assert_non_null(fixture_only(&fixture.plan, DIAG_INSTANCE_TYPE_LEFT_OUT));
    assert_int_equal(fixture.plan.diagnostics->error_count, 0);
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_subnets_by_facts(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    static const struct {
        const char *subnet, *words;
    } wrong[] = {
        {",\"subnets\":{\"subnet-2\":{\"zone\":\"eu-west-1b\"}}", "in eu-west-1b, not eu-west-1a"},
        {",\"subnets\":{\"subnet-2\":{\"cidr\":\"10.0.0.0/24\"}}", "in 10.0.0.0/24"},
        {",\"subnets\":{\"subnet-2\":{\"vpc\":\"vpc-9\"}}", "in vpc-9, not vpc-1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect_refused(one_vm, facts(arena, BIOS_VM, wrong[i].subnet), DIAG_SUBNET_DIFFERS,
                       wrong[i].words);
    }
    struct lower_fixture fixture =
        lower_vms(one_vm, facts(arena, BIOS_VM,
                                ",\"subnets\":{\"subnet-2\":{\"zone\":\"eu-west-1a\",\"cidr\":"
                                "\"10.20.2.0/24\",\"vpc\":\"vpc-1\"}}"));
    assert_non_null(fixture.graph);
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_conversion_instances_by_facts(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    static const struct {
        const char *conversion, *words;
    } wrong[] = {
        {"\"i-2\":{\"cpus\":1,\"slots\":1}", "is not there"},
        {"\"i-1\":{\"cpus\":1,\"slots\":1,\"zone\":\"eu-west-1b\"}", "is in eu-west-1b"},
        {"\"i-1\":{\"cpus\":1,\"slots\":1,\"state\":\"stopped\"}", "is stopped"},
        {"\"i-1\":{\"cpus\":1,\"slots\":0}", "no device name free"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *more = arena_printf(arena, ",\"conversions\":{%s}", wrong[i].conversion);
        expect_refused(one_vm, facts(arena, BIOS_VM, more), DIAG_CONVERSION_UNUSABLE,
                       wrong[i].words);
    }
    arena_destroy(arena);
}

static void test_cards_and_the_rest_of_a_launch(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(
        "  db:\n"
        "    source: /DC0/vm/db\n"
        "    nics:\n"
        "      - {subnet: db, security_groups: [db, web], private_ip: 10.20.2.10}\n"
        "      - {subnet: app}\n"
        "    instance_type: [r6i.xlarge, r5.xlarge]\n"
        "    key_name: dr\n"
        "    iam_profile: {production: dr-instance}\n"
        "    tenancy: dedicated\n"
        "    tags: {tier: data}\n"
        "  app: {source: /DC0/vm/app, subnet: app, tags: {Name: front}, tenancy: default}\n",
        NULL);
    assert_string_equal(
        lower_input(&fixture, "db/run-instance", "cards"),
        "{\"value\": [{\"subnet\": \"db\", \"subnet_id\": \"subnet-2\", \"group_ids\": [\"sg-2\", "
        "\"sg-1\"], \"private_ip\": \"10.20.2.10\"}, {\"subnet\": \"app\", \"subnet_id\": "
        "\"subnet-1\"}]}");
    assert_string_equal(lower_input(&fixture, "db/run-instance", "instance_types"),
                        "{\"value\": [\"r6i.xlarge\", \"r5.xlarge\"]}");
    assert_string_equal(lower_input(&fixture, "db/run-instance", "key_name"),
                        "{\"value\": \"dr\"}");
    assert_string_equal(lower_input(&fixture, "db/run-instance", "iam_profile"),
                        "{\"value\": \"dr-instance\"}");
    assert_string_equal(lower_input(&fixture, "db/run-instance", "tenancy"),
                        "{\"value\": \"dedicated\"}");
    assert_string_equal(lower_input(&fixture, "db/run-instance", "tags"),
                        "{\"value\": {\"tier\": \"data\", \"Name\": \"db\"}}");
    assert_string_equal(
        lower_input(&fixture, "app/run-instance", "cards"),
        "{\"value\": [{\"subnet\": \"app\", \"subnet_id\": \"subnet-1\", \"public_ip\": false}]}");
    assert_string_equal(lower_input(&fixture, "app/run-instance", "tags"),
                        "{\"value\": {\"Name\": \"front\"}}");
    assert_string_equal(lower_input(&fixture, "app/run-instance", "tenancy"), "");
    fixture_free(&fixture.plan);
}

static void test_timeouts_of_the_plan(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        lower_vms("  db:\n"
                  "    source: /DC0/vm/db\n"
                  "    subnet: db\n"
                  "    timeouts: {start: 11m, stop: 12m, volume: 13m, inject: 14m}\n",
                  NULL);
    assert_int_equal(lower_node(&fixture, "db/run-instance")->timeout_ms, 660000);
    assert_int_equal(lower_node(&fixture, "db/start-instance")->timeout_ms, 660000);
    assert_int_equal(lower_node(&fixture, "db/wait-running")->timeout_ms, 660000);
    assert_int_equal(lower_node(&fixture, "db/wait-stopped")->timeout_ms, 720000);
    assert_int_equal(lower_node(&fixture, "db/disk-0/create-volume")->timeout_ms, 780000);
    assert_int_equal(lower_node(&fixture, "db/placeholder/detach-volume")->timeout_ms, 780000);
    assert_int_equal(lower_node(&fixture, "db/disk-0/wait-injected")->timeout_ms, 840000);
    assert_string_equal(lower_input(&fixture, "db/disk-0/inject", "timeout_ms"),
                        "{\"value\": 840000}");
    assert_int_equal(lower_node(&fixture, "db/running")->timeout_ms, 60000);
    fixture_free(&fixture.plan);
}

static void test_volume_settings(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *plan = arena_printf(
        arena, "%svms:\n%s",
        fixture_replace(arena, fixture_head, "      account:",
                        "      kms_key: alias/dr\n      volume_type: gp2\n      account:"),
        "  db: {source: /DC0/vm/db, subnet: db, volumes: {1: {type: gp3, iops: 6000, throughput: "
        "250, initialization_rate: 200}}}\n");
    struct lower_fixture fixture = lower_plan(plan, NULL);
    assert_string_equal(lower_input(&fixture, "db/disk-0/create-volume", "type"),
                        "{\"value\": \"gp2\"}");
    assert_string_equal(lower_input(&fixture, "db/disk-0/create-volume", "iops"), "");
    assert_string_equal(lower_input(&fixture, "db/disk-0/create-volume", "kms_key"),
                        "{\"value\": \"alias/dr\"}");
    assert_string_equal(lower_input(&fixture, "db/disk-1/create-volume", "iops"),
                        "{\"value\": 6000}");
    assert_string_equal(lower_input(&fixture, "db/disk-1/create-volume", "throughput"),
                        "{\"value\": 250}");
    assert_string_equal(lower_input(&fixture, "db/disk-1/create-volume", "initialization_rate"),
                        "{\"value\": 200}");
    assert_string_equal(lower_input(&fixture, "db/disk-1/create-volume", "disk"), "{\"value\": 1}");
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts_of_elsewhere),
        cmocka_unit_test(test_copies_that_are_missing),
        cmocka_unit_test(test_disks_that_are_not_there),
        cmocka_unit_test(test_many_disks_get_names),
        cmocka_unit_test(test_images_fit),
        cmocka_unit_test(test_licences),
        cmocka_unit_test(test_copies_that_say_little),
        cmocka_unit_test(test_no_image_for_the_firmware),
        cmocka_unit_test(test_types_by_facts),
        cmocka_unit_test(test_subnets_by_facts),
        cmocka_unit_test(test_conversion_instances_by_facts),
        cmocka_unit_test(test_cards_and_the_rest_of_a_launch),
        cmocka_unit_test(test_timeouts_of_the_plan),
        cmocka_unit_test(test_volume_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
