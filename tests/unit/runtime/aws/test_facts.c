/* Facts of a failover, from the answers of a whole account.
 * Covers: site_facts.c */
#include <string.h>

#include "compiler/graph/facts.h"
#include "tests/unit/support/canned_site.h"
#include "tests/unit/support/cmocka_all.h"

struct gathered {
    struct canned *canned;
    struct plan_fixture plan;
    struct facts *facts;
    struct error error;
};

static struct gathered gather(const char *expect, int status, const char *body, const char *until)
{
    struct gathered g = {.canned = canned_create(NULL, 0), .plan = canned_site_plan()};
    size_t count;
    fixture_clean(&g.plan);
    struct canned_answer *site = canned_site(g.canned->arena, expect, status, body, &count);
    canned_script(g.canned, site, count);
    struct aws *aws = canned_aws(g.canned);
    g.facts =
        aws_gather_facts(aws, g.canned->arena, g.plan.plan, WORKFLOW_FAILOVER, until, &g.error);
    aws_destroy(aws);
    return g;
}

static void drop(struct gathered *g)
{
    error_clear(&g->error);
    fixture_free(&g->plan);
    canned_destroy(g->canned);
}

static void test_everything(void **state)
{
    (void)state;
    struct gathered g = gather(NULL, 0, NULL, "latest");
    if (!g.facts) {
        fail_msg("%s", g.error.message);
    }
    assert_string_equal(g.facts->source, "aws:eu-west-1/111122223333");
    assert_string_equal(g.facts->observed_at, "2026-11-22T10:00:00Z");
    const struct fact_vm *db = map_get(&g.facts->vms, "db");
    assert_int_equal(db->disk_count, 2);
    assert_int_equal(db->disks[1].size_gib, 8);
    assert_int_equal(db->disks[1].bytes, INT64_C(8) << 30);
    assert_int_equal(db->cpus, 2);
    assert_string_equal(db->firmware, "bios");
    assert_string_equal(map_get(&g.facts->bindings, "db/disk-1/snapshot"), "snap-2");
    assert_string_equal(map_get(&g.facts->bindings, "web/recovery-point"), "2026-11-22T09:45:00Z");
    assert_null(map_get(&g.facts->bindings, "db/disk-0/bootable-snapshot"));
    const struct fact_instance_type *type = map_get(&g.facts->instance_types, "m6i.large");
    assert_int_equal(type->memory_mib, 8192);
    assert_true(type->bios && type->uefi);
    assert_int_equal(type->zone_count, 2);
    assert_string_equal(type->zones[0], "eu-west-1a");
    const struct fact_image *image = map_get(&g.facts->images, "ami-1");
    assert_string_equal(image->root_device, "/dev/xvda");
    assert_string_equal(image->boot_mode, "legacy-bios");
    assert_null(map_get(&g.facts->images, "ami-2"));
    const struct fact_subnet *subnet = map_get(&g.facts->subnets, "subnet-2");
    assert_string_equal(subnet->cidr, "10.20.2.0/24");
    const struct fact_conversion *conversion = map_get(&g.facts->conversions, "i-1");
    assert_string_equal(conversion->state, "running");
    assert_int_equal(conversion->slots, 3); /* sdp, sdo, sdn; sdm is taken */
    assert_int_equal(conversion->cpus, 4);
    drop(&g);
}

static void test_no_copies(void **state)
{
    (void)state;
    struct gathered g =
        gather("DescribeSnapshots", 200,
               "<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>", "latest");
    assert_null(g.facts);
    assert_non_null(strstr(g.error.message,
                           "no usable DR copy in eu-west-1 of VM db (there is no snapshot with its "
                           "tags), web (there is no snapshot with its tags)"));
    assert_non_null(strstr(g.error.message, "drc:plan=shop"));
    assert_non_null(strstr(g.error.help, "replicate"));
    drop(&g);
}

static void test_before_any_copy(void **state)
{
    (void)state;
    struct gathered g = gather(NULL, 0, NULL, "2026-11-22T09:00:00Z");
    assert_null(g.facts);
    assert_non_null(strstr(g.error.message, "that of 2026-11-22T09:45:00Z is too new"));
    drop(&g);
    g = gather(NULL, 0, NULL, "2026-11-22T09:45:00Z");
    assert_non_null(g.facts);
    drop(&g);
}

static void test_not_a_time(void **state)
{
    (void)state;
    struct gathered g = gather(NULL, 0, NULL, "yesterday");
    assert_null(g.facts);
    assert_string_equal(g.error.message, "\"yesterday\" is not a recovery point");
    drop(&g);
}

static void test_refused(void **state)
{
    (void)state;
    struct gathered g = gather(
        "DescribeSubnets", 403,
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized"
        "</Message></Error></Errors><RequestID>q-7</RequestID></Response>",
        "latest");
    assert_null(g.facts);
    assert_non_null(strstr(g.error.message, "gathering facts from eu-west-1: ec2 DescribeSubnets: "
                                            "UnauthorizedOperation: You are not authorized"));
    assert_non_null(strstr(g.error.message, "HTTP 403, request q-7"));
    drop(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),      cmocka_unit_test(test_no_copies),
        cmocka_unit_test(test_before_any_copy), cmocka_unit_test(test_not_a_time),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
