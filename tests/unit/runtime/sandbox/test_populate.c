/* The sandbox holds what the plan's failover needs, by DESIGN's tags.
 * Covers: populate_copies.c populate_images.c populate_network.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/graph/facts.h"

static void check_copies(struct sandbox_client *c, const char *vm, int disks_at_least)
{
    ec2_ok(c,
           "Action=DescribeSnapshots&Owner.1=self&Filter.1.Name=tag:drc:role&"
           "Filter.1.Value.1=dr-copy&Filter.2.Name=tag:drc:plan&Filter.2.Value.1=shop&"
           "Filter.3.Name=tag:drc:vm&Filter.3.Value.1=%s",
           vm);
    int count = 0, disks = 0;
    for (const struct xml *item = xml_first(c->xml, "snapshotSet"); item; item = item->next) {
        const char *disk = xml_tag(item, "drc:disk"), *point = xml_tag(item, "drc:recovery-point");
        assert_non_null(disk);
        assert_in_range(c->now_ms - parse_time(point), 3 * 60000, 20 * 60000);
        assert_string_equal(xml_text(item, "status"), "completed");
        int64_t gib = atoi(xml_text(item, "volumeSize"));
        assert_in_range(gib, 8, 64);
        assert_int_equal(atoll(xml_tag(item, "drc:disk-bytes")), gib << 30);
        assert_non_null(xml_tag(item, "drc:controller"));
        count++;
        if (strcmp(disk, "0") == 0) {
            disks = atoi(xml_tag(item, "drc:disks"));
            assert_non_null(xml_tag(item, "drc:firmware"));
            assert_string_equal(xml_tag(item, "drc:os"), "linux");
            assert_string_equal(xml_tag(item, "drc:arch"), "x86_64");
            assert_true(atoi(xml_tag(item, "drc:cpus")) > 0);
            assert_true(atoi(xml_tag(item, "drc:memory-mib")) > 0);
            assert_non_null(xml_tag(item, "drc:guest-id"));
        } else {
            assert_null(xml_tag(item, "drc:disks"));
        }
    }
    assert_in_range(disks, disks_at_least, 3);
    assert_int_equal(count, disks * 2); /* keep: 3 shows as two recovery points */
}

static void test_copies(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    check_copies(c, "db", 2); /* the plan speaks of its disk 1 */
    check_copies(c, "web", 1);
    client_destroy(c);
}

static void test_twice_is_once(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    struct error error = {0};
    ec2_ok(c, "Action=DescribeSnapshots");
    size_t before = got_count(c, "snapshotSet");
    assert_true(sandbox_populate(c->sandbox, client_plan_bound(c->arena), &error));
    ec2_ok(c, "Action=DescribeSnapshots");
    assert_int_equal(got_count(c, "snapshotSet"), before);
    client_destroy(c);
}

static void test_another_region_is_refused(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    struct plan plan = *client_plan_bound(c->arena);
    struct error error = {0};
    plan.aws.region.value = "us-east-1";
    assert_false(sandbox_populate(c->sandbox, &plan, &error));
    assert_non_null(strstr(error.message, "us-east-1"));
    error_clear(&error);
    client_destroy(c);
}

static void test_bootable_copies(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    struct plan plan = *client_plan_bound(c->arena);
    struct error error = {0};
    plan.name = "other";
    plan.replication.prepare = true;
    assert_true(sandbox_populate(c->sandbox, &plan, &error));
    ec2_ok(c, "Action=DescribeSnapshots&Filter.1.Name=tag:drc:role&"
              "Filter.1.Value.1=dr-copy-bootable&Filter.2.Name=tag:drc:disk&Filter.2.Value.1=0");
    assert_int_equal(got_count(c, "snapshotSet"), 4); /* two VMs, two recovery points */
    client_destroy(c);
}

static void test_hardware_by_facts(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    struct plan plan = *client_plan_bound(c->arena);
    plan.name = "known";
    struct fact_disk disks[] = {{.size_gib = 33}, {.size_gib = 44}, {.size_gib = 55}, {0}};
    struct fact_vm db = {
        .name = "db", .cpus = 6, .firmware = "uefi", .disks = disks, .disk_count = 4};
    struct facts *facts = facts_create(c->arena);
    map_put(&facts->vms, "db", &db);
    struct error error = {0};
    assert_true(sandbox_populate_as(c->sandbox, &plan, facts, &error));
    static const char find[] = "Action=DescribeSnapshots&Filter.1.Name=tag:drc:plan&"
                               "Filter.1.Value.1=known&Filter.2.Name=tag:drc:vm&"
                               "Filter.2.Value.1=%s&Filter.3.Name=tag:drc:disk&Filter.3.Value.1=%d";
    static const char *const sizes[] = {"33", "44", "55", "20"};
    for (int disk = 0; disk < 4; disk++) {
        ec2_ok(c, find, "db", disk);
        assert_string_equal(got(c, "snapshotSet/item/volumeSize"), sizes[disk]);
    }
    ec2_ok(c, find, "db", 0);
    const struct xml *item = xml_first(c->xml, "snapshotSet");
    assert_string_equal(xml_tag(item, "drc:disks"), "4");
    assert_string_equal(xml_tag(item, "drc:cpus"), "6");
    assert_string_equal(xml_tag(item, "drc:firmware"), "uefi");
    ec2_ok(c, find, "web", 0); /* they know nothing of it: one disk, as usual */
    item = xml_first(c->xml, "snapshotSet");
    assert_string_equal(xml_tag(item, "drc:disks"), "1");
    assert_string_equal(got(c, "snapshotSet/item/volumeSize"), "20");
    client_destroy(c);
}

/* What replicate starts from. */
static void test_without_copies(void **state)
{
    (void)state;
    struct sandbox_options options = {
        .seed = 7, .speed = 1, .utc_base_ms = SANDBOX_BEGIN_MS, .real_base_ms = SANDBOX_BEGIN_MS};
    struct error error = {0};
    struct sandbox *sandbox = sandbox_init(":memory:", &options, &error);
    assert_non_null(sandbox);
    struct sandbox_client *c = client_over(sandbox);
    assert_true(sandbox_populate_without_copies(sandbox, client_plan_bound(c->arena), &error));
    client_fault(c, "consistency", 0);
    ec2_ok(c, "Action=DescribeSnapshots&Filter.1.Name=tag:drc:role&Filter.1.Value.1=dr-copy");
    assert_int_equal(got_count(c, "snapshotSet"), 0);
    ec2_ok(c, "Action=DescribeImages&ImageId.1=ami-0c000000000000001");
    struct sandbox_item *buckets = NULL;
    assert_int_equal(sandbox_list(sandbox, c->arena, c->now_ms, SANDBOX_BUCKET, &buckets), 1);
    assert_string_equal(buckets[0].id, "dr-shop");
    assert_int_equal(buckets[0].parts, 0);
    const char *body = "{\"VolumeSize\":3}";
    assert_int_equal(client_rest(c, "ebs", "POST", "/snapshots", NULL, body, strlen(body)), 201);
    const char *id = got_json(c, "SnapshotId");
    struct sandbox_item *items = NULL;
    size_t count = sandbox_list(sandbox, c->arena, c->now_ms, SANDBOX_SNAPSHOT, &items);
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        found = found || (strcmp(items[i].id, id) == 0 && items[i].size_gib == 3 &&
                          items[i].parts == 0 && strcmp(items[i].state, "pending") == 0);
    }
    assert_true(found);
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),          cmocka_unit_test(test_without_copies),
        cmocka_unit_test(test_twice_is_once),   cmocka_unit_test(test_another_region_is_refused),
        cmocka_unit_test(test_bootable_copies), cmocka_unit_test(test_hardware_by_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
