/* Replicate: the actions of each disk, who comes first, what is deleted, who is left out. */
#include "compiler/lower/lower.h"

#include "compiler/base/buffer.h"
#include "compiler/graph/estimate.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/lower_fixture.h"

#define PLAN(key)                                                                                  \
    "version: 1\nname: shop\nobjectives: {rpo: 30m, rto: 30m}\n"                                   \
    "backup: {every: 10m, repository: \"dir:backup\"}\n"                                           \
    "replication: {every: 10m, keep: 2}\n"                                                         \
    "sites:\n  recovery:\n    aws:\n      region: eu-west-1\n      account: \"111122223333\"\n" key \
    "      boot: image\n      conversion: {inject: never}\n"\
    "networks:\n  production:\n    vpc: vpc-0a000000000000001\n    subnets:\n"                     \
    "      db: {id: subnet-0a00000000000000b, cidr: 10.20.2.0/24, zone: eu-west-1a}\n"             \
    "vms:\n"                                                                                       \
    "  web: {source: /DC0/vm/web, subnet: db, depends_on: [db]}\n"                                 \
    "  db: {source: /DC0/vm/db, subnet: db}\n"

#define FACTS(vms, bindings, rest)                                                                 \
    "{\"format\":\"drc-facts/1\",\"observed_at\":\"2026-11-22T10:00:00Z\",\"inventory\":{\"vms\":{" \
    vms "}},\"bindings\":{" bindings "}" rest "}"

static const char *input_text(const struct graph_node *node, const char *name)
{
    const struct value *value = graph_input(node, name);
    return value ? value->text : NULL;
}

static struct lower_fixture replicate(const char *plan, const char *facts)
{
    struct lower_fixture fixture = lower_workflow(plan, facts, WORKFLOW_REPLICATE);
    struct error error = {0};
    assert_non_null(fixture.graph);
    if (!graph_verify(fixture.graph, &error)) {
        fail_msg("%s", error.message);
    }
    return fixture;
}

static void a_whole_copy_has_the_key_and_no_parent(void **state)
{
    (void)state;
    struct lower_fixture fixture = replicate(
        PLAN("      kms_key: alias/dr\n"),
        FACTS("\"db\":{\"disks\":[{\"bytes\":1073741825,\"size_gib\":2,\"whole\":\"first\"}]}", "", ""));
    const struct graph_node *start = lower_node(&fixture, "db/disk-0/start-snapshot");
    assert_int_equal(graph_input(start, "size_gib")->integer, 2);
    assert_string_equal(input_text(start, "kms_key"), "kms-key");
    assert_int_equal(graph_input(start, "kms_key")->kind, VALUE_BIND);
    assert_null(graph_input(start, "parent_snapshot_id"));
    assert_null(graph_input(lower_node(&fixture, "db/disk-0/put-blocks"), "parent_map"));
    fixture_free(&fixture.plan);
    fixture = replicate(
        PLAN("      kms_key: arn:aws:kms:eu-west-1:111122223333:key/1\n"),
        FACTS("\"db\":{\"disks\":[{\"bytes\":1,\"size_gib\":1,\"whole\":\"first\"}]}", "", ""));
    start = lower_node(&fixture, "db/disk-0/start-snapshot");
    assert_int_equal(graph_input(start, "kms_key")->kind, VALUE_TEXT); /* it is an ARN already */
    fixture_free(&fixture.plan);
}

static void an_increment_has_the_parent_and_no_key(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        replicate(PLAN("      kms_key: alias/dr\n"),
                  FACTS("\"db\":{\"disks\":[{\"bytes\":1,\"size_gib\":1}]}", "", ""));
    const struct graph_node *start = lower_node(&fixture, "db/disk-0/start-snapshot");
    assert_string_equal(input_text(start, "parent_snapshot_id"), "db/disk-0/parent-snapshot");
    assert_null(graph_input(start, "kms_key"));
    assert_string_equal(input_text(lower_node(&fixture, "db/disk-0/put-blocks"), "parent_map"),
                        "db/disk-0/parent-map");
    fixture_free(&fixture.plan);
}

/* Tags come last; excess goes only when all disks of the VM are tagged. */
static void nothing_is_deleted_before_the_new_copy_is_there(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        replicate(PLAN(""), FACTS("\"db\":{\"cpus\":2,\"disks\":[{\"bytes\":1,\"size_gib\":1},"
                                  "{\"bytes\":1,\"size_gib\":1}],\"excess\":1}",
                                  "", ""));
    for (int disk = 0; disk < 2; disk++) {
        const char *prefix = disk ? "db/disk-1" : "db/disk-0";
        const char *tagged = arena_printf(fixture.plan.arena, "%s/tag-copy", prefix);
        const char *waited =
            arena_printf(fixture.plan.arena, "%s/wait-snapshot-completed", prefix);
        const struct graph_node *tag = lower_node(&fixture, tagged);
        assert_true(lower_follows(&fixture, tagged, waited, WHEN_OK));
        assert_true(lower_follows(&fixture, "db/copied", tagged, WHEN_OK));
        bool machine = false;
        const struct value *tags = graph_input(tag, "tags");
        for (uint32_t i = 0; i < tags->count; i++) {
            machine = machine || strcmp(tags->keys[i], "drc:cpus") == 0;
        }
        assert_int_equal(machine, disk == 0);
    }
    assert_true(
        lower_follows(&fixture, "db/excess-0/delete-snapshot", "db/copied", WHEN_OK));
    assert_true(lower_node(&fixture, "db/excess-0/delete-snapshot")->continue_on_failure);
    fixture_free(&fixture.plan);
}

static void who_is_furthest_behind_comes_first(void **state)
{
    (void)state;
    static const char vms[] = "\"web\":{\"disks\":[{\"bytes\":1,\"size_gib\":1}]},"
                              "\"db\":{\"disks\":[{\"bytes\":1,\"size_gib\":1}]}";
    static const struct {
        const char *bindings, *first;
    } cases[] = {
        {"", "web/disk-0/start-snapshot"}, /* both never copied: plan order */
        {"\"web/last-copy\":\"2026-11-22T09:00:00Z\",\"db/last-copy\":\"2026-11-22T08:00:00Z\"",
         "db/disk-0/start-snapshot"},
        {"\"web/last-copy\":\"2026-11-22T09:00:00Z\"", "db/disk-0/start-snapshot"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_create();
        const char *facts = arena_printf(
            arena, "{\"format\":\"drc-facts/1\",\"observed_at\":\"t\",\"inventory\":{\"vms\":{%s}},"
                   "\"bindings\":{%s}}", vms, cases[i].bindings);
        struct lower_fixture fixture = replicate(PLAN(""), facts);
        assert_string_equal(fixture.graph->nodes[0].id, cases[i].first);
        fixture_free(&fixture.plan);
        arena_destroy(arena);
    }
}

static void the_time_is_that_of_the_bytes(void **state)
{
    (void)state;
    struct lower_fixture fixture =
        replicate(PLAN(""), FACTS("\"db\":{\"disks\":[{\"bytes\":1,\"size_gib\":1}]}", "",
                                  ",\"blocks\":{\"db/disk-0\":200},"
                                  "\"throughput\":{\"copy_bytes_per_s\":104857600}"));
    assert_int_equal(lower_node(&fixture, "db/disk-0/put-blocks")->expected_ms, 1000);
    fixture_free(&fixture.plan);
}

static int64_t expected_with_limit(int64_t limit_bytes_per_s)
{
    struct plan_fixture plan = fixture_check(PLAN(""));
    struct error error = {0};
    const char *text = FACTS("\"db\":{\"disks\":[{\"bytes\":1,\"size_gib\":1}]}", "",
                             ",\"blocks\":{\"db/disk-0\":200},"
                             "\"throughput\":{\"copy_bytes_per_s\":104857600}");
    struct facts *facts = facts_read(plan.arena, "facts.json", text, strlen(text), &error);
    assert_non_null(facts);
    facts->copy_limit_bytes_per_s = limit_bytes_per_s;
    struct lower_fixture fixture = {
        .plan = plan,
        .graph = lower(plan.arena, plan.plan, WORKFLOW_REPLICATE, facts, plan.diagnostics)};
    assert_non_null(fixture.graph);
    graph_index(fixture.graph);
    int64_t expected_ms = lower_node(&fixture, "db/disk-0/put-blocks")->expected_ms;
    fixture_free(&plan);
    return expected_ms;
}

/* No faster than the run may be, and no faster than copies ever were. */
static void a_limit_is_part_of_the_time(void **state)
{
    (void)state;
    assert_int_equal(expected_with_limit(0), 1000);
    assert_int_equal(expected_with_limit(10485760), 10000);
    assert_int_equal(expected_with_limit(1048576000), 1000);
}

static void a_damaged_recovery_point_is_told_as_such(void **state)
{
    (void)state;
    struct lower_fixture fixture = replicate(
        PLAN(""), FACTS("\"db\":{\"copied\":true,\"disks\":[{\"bytes\":1,\"size_gib\":1}]}",
                        "\"web/damaged\":\"its map is cut short\"", ""));
    struct buffer text = {0};
    diagnostics_write(fixture.plan.diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &text);
    assert_non_null(strstr(buffer_text(&text), "the recovery point of web in dir:backup is damaged"));
    assert_non_null(strstr(buffer_text(&text), "its map is cut short"));
    assert_non_null(strstr(buffer_text(&text), "drc repo verify dir:backup"));
    assert_null(strstr(buffer_text(&text), "has no recovery point"));
    buffer_free(&text);
    fixture_free(&fixture.plan);
}

static void a_vm_without_a_recovery_point_is_left_out_and_told(void **state)
{
    (void)state;
    struct lower_fixture fixture = replicate(
        PLAN(""), FACTS("\"db\":{\"copied\":true,\"disks\":[{\"bytes\":1,\"size_gib\":1}]}", "", ""));
    assert_int_equal(fixture.graph->node_count, 0); /* db has its copy already */
    assert_int_equal(fixture_count(&fixture.plan, DIAG_NOTHING_TO_COPY), 1);
    fixture_free(&fixture.plan);
}

/* Whoever waits for a place takes it in the graph's order, however long the rest of its path is. */
static void places_are_taken_in_order(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct buffer disks = {0}, blocks = {0};
    for (int i = 0; i < 40; i++) {
        buffer_printf(&disks, "%s{\"bytes\":1,\"size_gib\":1}", i ? "," : "");
        buffer_printf(&blocks, "%s\"db/disk-%d\":%d", i ? "," : "", i, 100 + i);
    }
    const char *facts = arena_printf(arena, "{\"format\":\"drc-facts/1\",\"observed_at\":\"t\","
                                            "\"inventory\":{\"vms\":{\"db\":{\"disks\":[%s]}}},"
                                            "\"bindings\":{},\"blocks\":{%s}}",
                                     buffer_text(&disks), buffer_text(&blocks));
    struct lower_fixture fixture = replicate(PLAN(""), facts);
    struct schedule *schedule = estimate(arena, fixture.graph, NULL, true);
    int64_t before_ms = 0;
    for (int i = 0; i < 40; i++) {
        const struct graph_node *node =
            lower_node(&fixture, arena_printf(arena, "db/disk-%d/start-snapshot", i));
        assert_true(schedule->entries[node->index].start_ms >= before_ms);
        before_ms = schedule->entries[node->index].start_ms;
    }
    assert_true(before_ms > 0);
    fixture_free(&fixture.plan);
    buffer_free(&disks);
    buffer_free(&blocks);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_copy_has_the_key_and_no_parent),
        cmocka_unit_test(an_increment_has_the_parent_and_no_key),
        cmocka_unit_test(nothing_is_deleted_before_the_new_copy_is_there),
        cmocka_unit_test(who_is_furthest_behind_comes_first),
        cmocka_unit_test(the_time_is_that_of_the_bytes),
        cmocka_unit_test(a_limit_is_part_of_the_time),
        cmocka_unit_test(a_damaged_recovery_point_is_told_as_such),
        cmocka_unit_test(a_vm_without_a_recovery_point_is_left_out_and_told),
        cmocka_unit_test(places_are_taken_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
