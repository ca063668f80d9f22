/* Failover: what happens to a VM, in both boot modes.
 * Covers: conversion.c instance.c volume.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/lower_fixture.h"

static const char one_vm[] = "  db: {source: /DC0/vm/db, subnet: db}\n";

static const char two_disks[] =
    "{\"format\":\"drc-facts/1\",\"observed_at\":\"2026-11-22T10:00:00Z\",\"inventory\":{"
    "\"account\":\"111122223333\",\"region\":\"eu-west-1\",\"vms\":{\"db\":{\"cpus\":4,"
    "\"memory_mib\":20000,\"firmware\":\"uefi\",\"os\":\"linux\",\"arch\":\"x86_64\",\"disks\":["
    "{\"size_gib\":8,\"bootable\":true},{\"size_gib\":20}]}},"
    "\"images\":{\"ami-2\":{\"id\":\"ami-2\",\"root_device\":\"/dev/sda1\",\"boot_mode\":"
    "\"uefi-preferred\"}},\"conversions\":{\"i-1\":{\"zone\":\"eu-west-1a\",\"state\":\"running\","
    "\"cpus\":2,\"slots\":9}}},\"bindings\":{\"db/disk-0/snapshot\":\"snap-1\"}}";

static void expect_ids(const struct lower_fixture *fixture, const char *const *ids, size_t count)
{
    for (size_t i = 0; i < fixture->graph->node_count && i < count; i++) {
        assert_string_equal(fixture->graph->nodes[i].id, ids[i]);
    }
    assert_int_equal(fixture->graph->node_count, count);
}

static void test_attach_is_the_whole_list(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "db/disk-0/hold-copy",
        "db/disk-0/create-volume",
        "db/disk-0/wait-volume-available",
        "db/run-instance",
        "db/placeholder/wait-running",
        "db/stop-instance",
        "db/wait-stopped",
        "db/placeholder/detach-volume",
        "db/placeholder/wait-volume-available",
        "db/placeholder/delete-volume",
        "db/disk-0/conversion/attach-volume",
        "db/disk-0/conversion/wait-volume-attached",
        "db/disk-0/inject",
        "db/disk-0/wait-injected",
        "db/disk-0/conversion/detach-volume",
        "db/disk-0/conversion/wait-volume-available",
        "db/disk-0/attach-volume",
        "db/disk-0/wait-volume-attached",
        "db/set-delete-on-termination",
        "db/start-instance",
        "db/wait-running",
        "db/running",
        "db/ready",
        "db/recovered",
    };
    struct lower_fixture fixture = lower_vms(one_vm, NULL);
    expect_ids(&fixture, ids, sizeof ids / sizeof *ids);
    fixture_free(&fixture.plan);
}

/* The root's place has to be free and the drivers in before the boot disk goes there. */
static void test_attach_waits_for_what_it_needs(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(one_vm, two_disks);
    static const char *const needed[] = {"db/wait-stopped", "db/placeholder/wait-volume-available",
                                         "db/disk-0/wait-injected",
                                         "db/disk-0/conversion/wait-volume-available"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        assert_true(lower_follows(&fixture, "db/disk-0/attach-volume", needed[i], WHEN_OK));
    }
    assert_true(lower_needs(&fixture, "db/disk-1/attach-volume", "db/wait-stopped"));
    assert_false(lower_needs(&fixture, "db/disk-1/attach-volume", "db/disk-0/inject"));
    assert_true(lower_needs(&fixture, "db/start-instance", "db/disk-0/wait-volume-attached"));
    assert_true(lower_needs(&fixture, "db/start-instance", "db/disk-1/wait-volume-attached"));
    fixture_free(&fixture.plan);
}

/* The slot of the conversion instance is given back though the injection failed. */
static void test_conversion_is_guarded(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(one_vm, two_disks);
    const struct graph_node *attach = lower_node(&fixture, "db/disk-0/conversion/attach-volume");
    const struct graph_node *detach = lower_node(&fixture, "db/disk-0/conversion/detach-volume");
    const struct graph_node *freed =
        lower_node(&fixture, "db/disk-0/conversion/wait-volume-available");
    assert_int_equal(attach->acquire, 0);
    assert_int_equal(detach->guards, attach->index);
    assert_int_equal(freed->guards, attach->index);
    assert_int_equal(freed->release, 0);
    assert_true(lower_follows(&fixture, detach->id, "db/disk-0/wait-injected", WHEN_ENDED));
    assert_true(lower_follows(&fixture, detach->id, attach->id, WHEN_ENDED));
    assert_true(lower_follows(&fixture, freed->id, detach->id, WHEN_ENDED));
    assert_string_equal(lower_input(&fixture, "db/disk-0/inject", "device"),
                        "{\"slot\": \"conversion/i-1\"}");
    assert_string_equal(lower_input(&fixture, "db/disk-0/inject", "firmware"),
                        "{\"value\": \"uefi\"}");
    fixture_free(&fixture.plan);
}

static void test_facts_fill_the_graph(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(one_vm, two_disks);
    assert_int_equal(fixture.graph->node_count, 29); /* 5 for the second disk */
    assert_int_equal(fixture.graph->assumption_count, 0);
    assert_int_equal(strlen(fixture.graph->inventory_digest), 64);
    assert_string_equal(lower_input(&fixture, "db/run-instance", "image_id"),
                        "{\"value\": \"ami-2\"}");
    assert_string_equal(lower_input(&fixture, "db/run-instance", "instance_types"),
                        "{\"value\": [\"r6i.xlarge\"]}");
    assert_string_equal(lower_input(&fixture, "db/disk-0/attach-volume", "device"),
                        "{\"value\": \"/dev/sda1\"}");
    assert_string_equal(lower_input(&fixture, "db/disk-1/attach-volume", "device"),
                        "{\"value\": \"/dev/sdf\"}");
    assert_string_equal(lower_input(&fixture, "db/set-delete-on-termination", "devices"),
                        "{\"value\": [\"/dev/sda1\", \"/dev/sdf\"]}");
    assert_string_equal(lower_input(&fixture, "db/disk-1/create-volume", "size_gib"),
                        "{\"value\": 20}");
    assert_string_equal(lower_input(&fixture, "db/disk-1/create-volume", "snapshot_id"),
                        "{\"bind\": \"db/disk-1/snapshot\"}");
    const struct graph_pool *pool = &fixture.graph->pools[0];
    assert_int_equal(pool->capacity, 2); /* CPUs */
    assert_string_equal(pool->slots[0], "/dev/sdp");
    fixture_free(&fixture.plan);
}

static void test_without_facts_it_says_what_it_assumes(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(one_vm, NULL);
    assert_true(fixture.graph->assumption_count >= 5);
    assert_non_null(strstr(fixture.graph->assumptions[0], "Each VM has the disks"));
    assert_string_equal(fixture.graph->inventory_digest, "");
    assert_string_equal(lower_input(&fixture, "db/disk-0/create-volume", "size_gib"), "");
    assert_string_equal(lower_input(&fixture, "db/run-instance", "instance_types"),
                        "{\"value\": [\"m6i.large\"]}");
    assert_string_equal(lower_input(&fixture, "db/disk-0/attach-volume", "device"),
                        "{\"value\": \"/dev/xvda\"}");
    assert_int_equal(fixture.graph->pools[0].capacity, 5);
    fixture_free(&fixture.plan);
}

static const char *with_head(struct arena *arena, const char *from, const char *to, const char *vms)
{
    return arena_printf(arena, "%svms:\n%s", fixture_replace(arena, fixture_head, from, to), vms);
}

static void test_prepared_and_bootable_disks_visit_nobody(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *prepare = with_head(arena, "replication: {every: 10m}",
                                    "replication: {every: 10m, prepare: replication}", one_vm);
    struct lower_fixture fixture = lower_plan(prepare, two_disks);
    assert_false(lower_has(&fixture, "db/disk-0/inject"));
    assert_false(lower_has(&fixture, "db/disk-0/conversion/attach-volume"));
    assert_int_equal(fixture.graph->pool_count, 0);
    assert_string_equal(lower_input(&fixture, "db/disk-0/create-volume", "snapshot_id"),
                        "{\"bind\": \"db/disk-0/bootable-snapshot\"}");
    assert_string_equal(lower_input(&fixture, "db/disk-1/create-volume", "snapshot_id"),
                        "{\"bind\": \"db/disk-1/snapshot\"}");
    assert_true(lower_follows(&fixture, "db/disk-0/attach-volume",
                              "db/disk-0/wait-volume-available", WHEN_OK));
    fixture_free(&fixture.plan);

    const char *never = with_head(arena, "conversion: {instances: {eu-west-1a: i-1}}",
                                  "conversion: {inject: never}", one_vm);
    fixture = lower_plan(never, two_disks);
    assert_false(lower_has(&fixture, "db/disk-0/inject"));
    assert_string_equal(lower_input(&fixture, "db/disk-0/create-volume", "snapshot_id"),
                        "{\"bind\": \"db/disk-0/snapshot\"}");
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_image_is_registered_ahead_and_launched_late(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *plan =
        with_head(arena, "      conversion: {instances: {eu-west-1a: i-1}}\n",
                  "      boot: image\n      conversion: {inject: never}\n",
                  "  app: {source: /DC0/vm/app, subnet: app, depends_on: [db]}\n"
                  "  db:\n"
                  "    source: /DC0/vm/db\n"
                  "    subnet: db\n"
                  "    volumes: {1: {type: io2, iops: 4000, initialization_rate: 200}}\n");
    static const char facts[] =
        "{\"format\":\"drc-facts/1\",\"observed_at\":\"2026-11-22T10:00:00Z\",\"inventory\":{"
        "\"vms\":{\"db\":{\"cpus\":2,\"memory_mib\":8192,\"firmware\":\"bios\",\"os\":\"linux\","
        "\"disks\":[{\"size_gib\":8},{\"size_gib\":9}]},\"app\":{\"cpus\":2,\"memory_mib\":8192,"
        "\"firmware\":\"uefi\",\"os\":\"linux\",\"disks\":["
        "{\"size_gib\":8}]}}}}";
    static const char *const ids[] = {"app/disk-0/hold-copy",
                                      "db/disk-0/hold-copy", "db/disk-1/hold-copy",
                                      "app/register-image", "app/wait-image-available",
                                      "db/register-image",  "db/wait-image-available",
                                      "db/run-instance",    "db/wait-running",
                                      "db/running",         "db/ready",
                                      "db/recovered",       "app/run-instance",
                                      "app/wait-running",   "app/running",
                                      "app/ready",          "app/recovered"};
    struct lower_fixture fixture = lower_plan(plan, facts);
    expect_ids(&fixture, ids, sizeof ids / sizeof *ids);
    assert_true(lower_follows(&fixture, "app/run-instance", "db/recovered", WHEN_OK));
    assert_true(lower_follows(&fixture, "app/run-instance", "app/wait-image-available", WHEN_OK));
    assert_string_equal(lower_input(&fixture, "db/register-image", "name"),
                        "{\"value\": \"drc-shop-db\"}");
    assert_string_equal(lower_input(&fixture, "db/register-image", "boot_mode"),
                        "{\"value\": \"legacy-bios\"}");
    assert_string_equal(lower_input(&fixture, "app/register-image", "boot_mode"),
                        "{\"value\": \"uefi\"}");
    assert_string_equal(
        lower_input(&fixture, "db/register-image", "block_devices"),
        "{\"list\": [{\"map\": {\"device\": {\"value\": \"/dev/sda1\"}, \"snapshot_id\": "
        "{\"bind\": "
        "\"db/disk-0/snapshot\"}, \"type\": {\"value\": \"gp3\"}, \"size_gib\": {\"value\": 8}}}, "
        "{\"map\": {\"device\": {\"value\": \"/dev/sdf\"}, \"snapshot_id\": {\"bind\": "
        "\"db/disk-1/snapshot\"}, \"type\": {\"value\": \"io2\"}, \"size_gib\": {\"value\": 9}, "
        "\"iops\": {\"value\": 4000}}}]}");
    assert_string_equal(lower_input(&fixture, "db/run-instance", "block_devices"),
                        "{\"value\": [{\"device\": \"/dev/sda1\", \"type\": \"gp3\", \"size_gib\": "
                        "8}, {\"device\": "
                        "\"/dev/sdf\", \"type\": \"io2\", \"size_gib\": 9, \"iops\": 4000, "
                        "\"initialization_rate\": 200}]}");
    assert_string_equal(lower_input(&fixture, "db/run-instance", "image_id"),
                        "{\"node\": \"db/register-image\", \"output\": \"image_id\"}");
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

static void test_dependencies_bite_at_the_start(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(
        "  web: {source: /DC0/vm/web, subnet: app, depends_on: {app: running, db: ready}}\n"
        "  app: {source: /DC0/vm/app, subnet: app, depends_on: [db], delay: 10s}\n"
        "  db: {source: /DC0/vm/db, subnet: db}\n",
        NULL);
    assert_true(lower_follows(&fixture, "web/start-instance", "app/running", WHEN_OK));
    assert_true(lower_follows(&fixture, "web/start-instance", "db/ready", WHEN_OK));
    assert_false(lower_needs(&fixture, "web/start-instance", "app/recovered"));
    assert_true(lower_follows(&fixture, "app/delay", "db/recovered", WHEN_OK));
    assert_true(lower_follows(&fixture, "app/start-instance", "app/delay", WHEN_OK));
    assert_int_equal(lower_node(&fixture, "app/delay")->expected_ms, 10000);
    assert_int_equal(lower_node(&fixture, "app/delay")->timeout_ms, 70000);
    /* Everything before is prepared at once. */
    assert_int_equal(lower_node(&fixture, "web/run-instance")->after_count, 0);
    assert_int_equal(lower_node(&fixture, "web/disk-0/hold-copy")->after_count, 0);
    assert_true(lower_node(&fixture, "db/start-instance")->index <
                lower_node(&fixture, "app/start-instance")->index);
    fixture_free(&fixture.plan);
}

/* A replication that runs beside it may prune; but a hold that cannot be set stops no failover. */
static void test_copies_are_held_before_they_are_used(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms(one_vm, two_disks);
    for (int disk = 0; disk < 2; disk++) {
        const char *prefix = disk ? "db/disk-1" : "db/disk-0";
        struct arena *arena = fixture.plan.arena;
        const char *hold = arena_printf(arena, "%s/hold-copy", prefix);
        const char *create = arena_printf(arena, "%s/create-volume", prefix);
        assert_true(lower_follows(&fixture, create, hold, WHEN_ENDED));
        assert_false(lower_follows(&fixture, create, hold, WHEN_OK));
        assert_true(lower_node(&fixture, hold)->continue_on_failure);
        assert_string_equal(lower_input(&fixture, hold, "snapshot_id"),
                            lower_input(&fixture, create, "snapshot_id"));
    }
    fixture_free(&fixture.plan);
}

static void test_nodes_say_why(void **state)
{
    (void)state;
    struct lower_fixture fixture = lower_vms("  db:\n"
                                             "    source: /DC0/vm/db\n"
                                             "    subnet: db\n"
                                             "    ready:\n"
                                             "      - tcp: 5432\n",
                                             NULL);
    for (size_t i = 0; i < fixture.graph->node_count; i++) {
        const struct because *because = &fixture.graph->nodes[i].because;
        assert_string_equal(because->file, "plan.yaml");
        assert_true(because->line > 0 && because->rule && *because->rule);
    }
    assert_int_equal(lower_node(&fixture, "db/run-instance")->because.line, 21);
    assert_int_equal(lower_node(&fixture, "db/ready/5432/check-tcp")->because.line, 25);
    fixture_free(&fixture.plan);
}

static void test_equal_input_gives_equal_bytes(void **state)
{
    (void)state;
    char first[65], second[65];
    struct lower_fixture fixture = lower_vms(one_vm, two_disks);
    graph_digest(fixture.graph, first);
    fixture_free(&fixture.plan);
    fixture = lower_vms(one_vm, two_disks);
    graph_digest(fixture.graph, second);
    fixture_free(&fixture.plan);
    assert_string_equal(first, second);
    fixture = lower_vms(one_vm, NULL);
    graph_digest(fixture.graph, second);
    fixture_free(&fixture.plan);
    assert_string_not_equal(first, second);
}

/* A chain as long as the plan allows; it must not overflow any stack. */
static void test_long_chains(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct arena *arena = arena_create();
    char *vms = arena_alloc(arena, COUNT * 100), *at = vms;
    for (int i = 0; i < COUNT; i++) {
        at += i + 1 < COUNT
                  ? sprintf(at, "  v%d: {source: /DC0/vm/v%d, subnet: db, depends_on: [v%d]}\n", i,
                            i, i + 1)
                  : sprintf(at, "  v%d: {source: /DC0/vm/v%d, subnet: app}\n", i, i);
    }
    struct lower_fixture fixture =
        lower_plan(with_head(arena, "10.20.2.0/24", "10.20.128.0/17", vms), NULL);
    assert_int_equal(fixture.graph->node_count, COUNT * 24);
    assert_true(lower_follows(&fixture, "v0/start-instance", "v1/recovered", WHEN_OK));
    assert_true(lower_needs(&fixture, "v0/start-instance", "v2999/recovered"));
    fixture_free(&fixture.plan);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attach_is_the_whole_list),
        cmocka_unit_test(test_attach_waits_for_what_it_needs),
        cmocka_unit_test(test_conversion_is_guarded),
        cmocka_unit_test(test_facts_fill_the_graph),
        cmocka_unit_test(test_without_facts_it_says_what_it_assumes),
        cmocka_unit_test(test_prepared_and_bootable_disks_visit_nobody),
        cmocka_unit_test(test_image_is_registered_ahead_and_launched_late),
        cmocka_unit_test(test_dependencies_bite_at_the_start),
        cmocka_unit_test(test_copies_are_held_before_they_are_used),
        cmocka_unit_test(test_nodes_say_why),
        cmocka_unit_test(test_equal_input_gives_equal_bytes),
        cmocka_unit_test(test_long_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
