/* Bootable copies: when one is made, of what, where, in which order, and what is said where none can be. */
#include "compiler/lower/lower.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/lower_fixture.h"

#define PLAN_OF(boot, conversion)                                                                  \
    "version: 1\nname: shop\nobjectives: {rpo: 30m, rto: 30m}\n"                                   \
    "backup: {every: 10m, repository: \"dir:backup\"}\n"                                           \
    "replication: {every: 10m, keep: 2, prepare: replication}\n"                                   \
    "sites:\n  recovery:\n    aws:\n      region: eu-west-1\n      account: \"111122223333\"\n"     \
    "      " boot "\n      conversion: {" conversion "}\n"                                         \
    "networks:\n  production:\n    vpc: vpc-0a000000000000001\n    subnets:\n"                     \
    "      a: {id: subnet-0a00000000000000a, cidr: 10.20.1.0/24, zone: eu-west-1a}\n"              \
    "      b: {id: subnet-0a00000000000000b, cidr: 10.20.2.0/24, zone: eu-west-1b}\n"              \
    "vms:\n"                                                                                       \
    "  web: {source: /DC0/vm/web, subnet: a}\n"                                                    \
    "  db: {source: /DC0/vm/db, subnet: b}\n"
#define TWO  "instances: {eu-west-1b: i-0f00ba40000000001, eu-west-1c: i-0f00ba40000000002}"
#define PLAN PLAN_OF("boot: image", TWO)
#define FACTS(vms, conversions)                                                                    \
    "{\"format\":\"drc-facts/1\",\"observed_at\":\"2026-11-22T10:00:00Z\",\"inventory\":{\"vms\":{" \
    vms "},\"conversions\":{" conversions "}},\"bindings\":{}}"
#define DISK      "{\"bytes\":1,\"size_gib\":1}"
#define DB(more)  "\"db\":{\"firmware\":\"uefi\",\"os\":\"linux\",\"arch\":\"x86_64\"," more "}"
#define AT(id, zone, state)                                                                        \
    "\"" id "\":{\"zone\":\"" zone "\",\"state\":\"" state "\",\"cpus\":2,\"slots\":3}"
#define BOTH AT("i-0f00ba40000000001", "eu-west-1b", "running") ","                                \
             AT("i-0f00ba40000000002", "eu-west-1c", "running")

static struct lower_fixture replicate(const char *plan, const char *facts)
{
    struct lower_fixture fixture = lower_workflow(plan, facts, WORKFLOW_REPLICATE);
    struct error error = {0};
    if (fixture.graph && !graph_verify(fixture.graph, &error)) {
        fail_msg("%s", error.message);
    }
    return fixture;
}

#define B "db/disk-0/bootable/"

static void it_is_tagged_last_and_its_volume_goes_in_any_case(void **state)
{
    (void)state;
    struct lower_fixture f =
        replicate(PLAN, FACTS(DB("\"disks\":[" DISK "," DISK "],\"excess\":1"), BOTH));
    assert_true(lower_follows(&f, B "create-volume", "db/disk-0/tag-copy", WHEN_OK));
    assert_string_equal(lower_input(&f, B "create-volume", "snapshot_id"),
                        "{\"node\": \"db/disk-0/start-snapshot\", \"output\": \"snapshot_id\"}");
    assert_true(lower_needs(&f, B "inject", B "conversion/wait-volume-attached"));
    assert_true(lower_follows(&f, B "create-snapshot", B "wait-injected", WHEN_OK));
    assert_true(lower_follows(&f, B "create-snapshot", B "conversion/wait-volume-available", WHEN_OK));
    assert_true(lower_follows(&f, B "tag-copy", B "wait-snapshot-completed", WHEN_OK));
    assert_true(lower_follows(&f, B "tag-copy", "db/disk-1/tag-copy", WHEN_OK));
    assert_true(lower_follows(&f, "db/copied", B "tag-copy", WHEN_OK));
    assert_true(lower_follows(&f, "db/excess-0/delete-snapshot", "db/copied", WHEN_OK));
    const struct graph_node *gone = lower_node(&f, B "delete-volume");
    assert_int_equal(gone->guards, lower_node(&f, B "create-volume")->index);
    assert_true(lower_follows(&f, B "delete-volume", B "wait-snapshot-completed", WHEN_ENDED));
    assert_true(lower_follows(&f, B "delete-volume", B "conversion/wait-volume-available", WHEN_ENDED));
    assert_non_null(strstr(lower_input(&f, B "tag-copy", "tags"), "dr-copy-bootable"));
    assert_non_null(strstr(lower_input(&f, B "tag-copy", "tags"), "drc:firmware"));
    assert_null(strstr(lower_input(&f, B "create-snapshot", "tags"), "drc:role"));
    fixture_free(&f.plan);
}

static void what_is_copied_already_is_not_copied_again(void **state)
{
    (void)state;
    struct lower_fixture f =
        replicate(PLAN, FACTS(DB("\"disks\":[" DISK "],\"copied\":true,\"excess\":1"), BOTH));
    assert_false(lower_has(&f, "db/disk-0/start-snapshot"));
    assert_string_equal(lower_input(&f, B "create-volume", "snapshot_id"),
                        "{\"bind\": \"db/disk-0/snapshot\"}");
    assert_true(lower_follows(&f, "db/copied", B "tag-copy", WHEN_OK));
    assert_true(lower_has(&f, "db/excess-0/delete-snapshot"));
    fixture_free(&f.plan);
    f = replicate(PLAN, FACTS(DB("\"disks\":[{\"bytes\":1,\"size_gib\":1,\"bootable\":true}],"
                                 "\"copied\":true"), BOTH));
    assert_int_equal(f.graph->node_count, 0);
    fixture_free(&f.plan);
}

static const char *conversion_of(const char *facts)
{
    static char kept[64];
    struct lower_fixture f = replicate(PLAN, facts);
    snprintf(kept, sizeof kept, "%s %s",
             graph_input(lower_node(&f, B "inject"), "conversion_instance")->text,
             graph_input(lower_node(&f, B "create-volume"), "zone")->text);
    fixture_free(&f.plan);
    return kept;
}

static void where_it_is_made(void **state)
{
    (void)state;
    assert_string_equal(conversion_of(FACTS(DB("\"disks\":[" DISK "]"), BOTH)),
                        "i-0f00ba40000000001 eu-west-1b"); /* the VM's own zone */
    assert_string_equal(
        conversion_of(FACTS(DB("\"disks\":[" DISK "]"), AT("i-0f00ba40000000001", "eu-west-1b", "stopped") ","
                            AT("i-0f00ba40000000002", "eu-west-1c", "running"))),
        "i-0f00ba40000000002 eu-west-1c"); /* a snapshot is the region's: another zone does as well */
    struct lower_fixture f = replicate(PLAN, NULL);
    assert_string_equal(graph_input(lower_node(&f, B "create-volume"), "zone")->text, "eu-west-1b");
    assert_true(lower_has(&f, "web/disk-0/bootable/inject"));
    fixture_free(&f.plan);
}

/* The disks are copied all the same, and nothing goes before there is a bootable copy. */
static void what_is_said_where_none_can_be_made(void **state)
{
    (void)state;
    struct lower_fixture f = replicate(PLAN, FACTS("\"db\":{\"disks\":[" DISK "],\"excess\":1}", BOTH));
    assert_int_equal(fixture_count(&f.plan, DIAG_NOT_PREPARED), 1); /* no firmware */
    assert_true(lower_has(&f, "db/copied"));
    assert_false(lower_has(&f, B "create-volume"));
    assert_false(lower_has(&f, "db/excess-0/delete-snapshot"));
    fixture_free(&f.plan);

    f = replicate(PLAN, FACTS(DB("\"disks\":[" DISK "],\"excess\":1"),
                              AT("i-0f00ba40000000001", "eu-west-1b", "stopped") ","
                              AT("i-0f00ba40000000002", "eu-west-1a", "running"))); /* another zone */
    assert_int_equal(fixture_count(&f.plan, DIAG_NOT_PREPARED), 2); /* for each instance, not each VM */
    assert_true(lower_has(&f, "db/copied"));
    assert_false(lower_has(&f, B "create-volume"));
    fixture_free(&f.plan);

    f = replicate(PLAN_OF("boot: image", "inject: auto"), NULL);
    assert_null(f.graph);
    assert_int_equal(fixture_count(&f.plan, DIAG_NO_CONVERSION_INSTANCE), 1);
    fixture_free(&f.plan);
    f = replicate(PLAN_OF("boot: image", "inject: never"), NULL);
    assert_false(lower_has(&f, B "create-volume"));
    fixture_free(&f.plan);
}

static void the_only_placeholder_says_how_it_boots(void **state)
{
    (void)state;
    struct lower_fixture f =
        replicate(PLAN_OF("placeholder_image: {uefi: ami-0c000000000000002}", TWO),
                  FACTS("\"db\":{\"disks\":[" DISK "]}", BOTH));
    assert_int_equal(fixture_count(&f.plan, DIAG_NOT_PREPARED), 0);
    assert_string_equal(graph_input(lower_node(&f, B "inject"), "firmware")->text, "uefi");
    assert_string_equal(graph_input(lower_node(&f, B "inject"), "os")->text, "linux");
    assert_int_equal(f.graph->assumption_count > 0, 1);
    fixture_free(&f.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_tagged_last_and_its_volume_goes_in_any_case),
        cmocka_unit_test(what_is_copied_already_is_not_copied_again),
        cmocka_unit_test(where_it_is_made),
        cmocka_unit_test(what_is_said_where_none_can_be_made),
        cmocka_unit_test(the_only_placeholder_says_how_it_boots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
