/* Facts: written, read back, digested; anything else is refused with its place.
 * Covers: facts_read.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/graph/facts.h"

static struct facts *make_facts(struct arena *arena)
{
    static const char *zones[] = {"eu-west-1a", "eu-west-1b"};
    struct facts *facts = facts_create(arena);
    facts->observed_at = "2026-11-22T10:00:00Z";
    facts->source = "aws:eu-west-1/111122223333";
    facts->account = "111122223333";
    facts->region = "eu-west-1";
    struct fact_vm *db = ARENA_NEW(arena, struct fact_vm);
    *db = (struct fact_vm){.name = "db",
                           .cpus = 4,
                           .memory_mib = 16384,
                           .firmware = "uefi",
                           .os = "linux",
                           .arch = "x86_64",
                           .guest_id = "debian12_64Guest",
                           .disks = ARENA_ARRAY(arena, struct fact_disk, 2),
                           .disk_count = 2};
    db->disks[0] = (struct fact_disk){
        .bytes = 8589934592, .size_gib = 8, .controller = "pvscsi", .bootable = true};
    db->disks[1] = (struct fact_disk){.size_gib = 20};
    struct fact_vm *app = ARENA_NEW(arena, struct fact_vm);
    *app = (struct fact_vm){
        .name = "app", .disks = ARENA_NEW(arena, struct fact_disk), .disk_count = 1};
    app->disks[0].size_gib = 1;
    map_put(&facts->vms, "db", db);
    map_put(&facts->vms, "app", app);
    struct fact_instance_type *type = ARENA_NEW(arena, struct fact_instance_type);
    *type = (struct fact_instance_type){.name = "m6i.large",
                                        .vcpus = 2,
                                        .memory_mib = 8192,
                                        .arch = "x86_64",
                                        .bios = true,
                                        .max_cards = 3,
                                        .max_volumes = 27,
                                        .shared_attachments = true,
                                        .zones = zones,
                                        .zone_count = 2};
    map_put(&facts->instance_types, "m6i.large", type);
    struct fact_image *image = ARENA_NEW(arena, struct fact_image);
    *image = (struct fact_image){"ami-1", "/dev/xvda", "uefi-preferred", "linux", "x86_64"};
    map_put(&facts->images, "ssm:/image", image);
    struct fact_subnet *subnet = ARENA_NEW(arena, struct fact_subnet);
    *subnet = (struct fact_subnet){"subnet-1", "eu-west-1a", "10.0.0.0/24", "vpc-1"};
    map_put(&facts->subnets, "subnet-1", subnet);
    struct fact_conversion *conversion = ARENA_NEW(arena, struct fact_conversion);
    *conversion = (struct fact_conversion){"i-1", "eu-west-1a", "running", 4, 11};
    map_put(&facts->conversions, "i-1", conversion);
    map_put(&facts->bindings, "db/disk-0/snapshot", "snap-1");
    int64_t *ms = ARENA_NEW(arena, int64_t);
    *ms = 61000;
    map_put(&facts->durations, "wait-injected", ms);
    map_put(&facts->blocks, "db/disk-0", ms);
    facts->throughput.copy_bytes_per_s = 1 << 27;
    db->disks[0].whole = "key-changed";
    db->excess = 3;
    app->copied = true;
    facts->last_test.at = "2026-11-01T10:00:00Z";
    facts->last_test.digest = "abc";
    facts->last_test.passed = true;
    return facts;
}

static void test_writing_what_was_read_gives_the_same(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct buffer first = {0}, second = {0};
    struct error error = {0};
    facts_write(make_facts(arena), &first);
    struct facts *facts = facts_read(arena, "facts.json", first.data, first.length, &error);
    assert_non_null(facts);
    facts_write(facts, &second);
    assert_string_equal(first.data, second.data);
    const struct fact_vm *db = map_get(&facts->vms, "db");
    assert_int_equal(db->disks[0].bytes, 8589934592);
    assert_true(db->disks[0].bootable);
    assert_false(db->disks[1].bootable);
    assert_null(db->disks[1].controller);
    const struct fact_vm *app = map_get(&facts->vms, "app");
    assert_null(app->firmware);
    assert_int_equal(app->cpus, 0);
    const struct fact_instance_type *type = map_get(&facts->instance_types, "m6i.large");
    assert_true(type->bios && !type->uefi && type->shared_attachments);
    assert_string_equal(type->zones[1], "eu-west-1b");
    assert_string_equal(((struct fact_image *)map_get(&facts->images, "ssm:/image"))->id, "ami-1");
    assert_int_equal(*(int64_t *)map_get(&facts->durations, "wait-injected"), 61000);
    assert_int_equal(*(int64_t *)map_get(&facts->blocks, "db/disk-0"), 61000);
    assert_int_equal(facts->throughput.copy_bytes_per_s, 1 << 27);
    assert_int_equal(facts->throughput.backup_bytes_per_s, 0);
    assert_string_equal(db->disks[0].whole, "key-changed");
    assert_int_equal(db->excess, 3);
    assert_true(app->copied && !db->copied);
    assert_true(facts->last_test.passed);
    buffer_free(&first);
    buffer_free(&second);
    arena_destroy(arena);
}

/* The digest is of the inventory alone, in whatever order it was gathered. */
static void test_inventory_digest(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    char first[65], second[65];
    struct facts *facts = make_facts(arena);
    facts_inventory_digest(facts, first);
    facts->observed_at = "2027-01-01T00:00:00Z";
    map_put(&facts->bindings, "db/disk-0/snapshot", "snap-2");
    facts->last_test.at = NULL;
    void *db = map_get(&facts->vms, "db"), *app = map_get(&facts->vms, "app");
    facts->vms = (struct map){.arena = arena};
    map_put(&facts->vms, "app", app);
    map_put(&facts->vms, "db", db);
    facts_inventory_digest(facts, second);
    assert_string_equal(first, second);
    ((struct fact_vm *)db)->disks[1].size_gib++;
    facts_inventory_digest(facts, second);
    assert_string_not_equal(first, second);
    arena_destroy(arena);
}

#define HEAD "{\"format\":\"drc-facts/1\",\"observed_at\":\"t\",\"inventory\":"

static void expect_refused(const char *text, const char *words)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    if (facts_read(arena, "facts.json", text, strlen(text), &error)) {
        fail_msg("taken for facts: %s", text);
    }
    if (!strstr(error.message, words)) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    }
    assert_non_null(error.help);
    error_clear(&error);
    arena_destroy(arena);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    expect_refused("", "facts.json: not valid JSON");
    expect_refused("7", "an object is expected");
    expect_refused("{}", "\"format\" is missing");
    expect_refused("{\"format\":\"drc-facts/1\"}", "\"observed_at\" is missing");
    expect_refused("{\"format\":\"drc-facts/2\"}", "/format: \"drc-facts/2\" is no format");
    expect_refused("{\"what\":1}", "/what: there is no such key here");
    expect_refused("{\"source\":\"a\",\"source\":\"b\"}", "/source: the key is given twice");
    expect_refused(HEAD "{\"vms\":[]}}", "/inventory/vms: an object is expected");
    expect_refused(HEAD "{\"vm\":{}}}", "/inventory/vm: there is no such key here");
    expect_refused(HEAD "{\"vms\":{\"db\":{}}}}", "/inventory/vms/db: \"disks\" is missing");
    expect_refused(HEAD "{\"vms\":{\"db\":{\"disks\":[]}}}}", "from 1 to 128 disks");
    expect_refused(HEAD "{\"vms\":{\"db\":{\"disks\":[{}]}}}}",
                   "/inventory/vms/db/disks/0: \"size_gib\" is missing");
    expect_refused(HEAD "{\"vms\":{\"db\":{\"disks\":[{\"size_gib\":0}]}}}}", "from 1 to 65536");
    expect_refused(HEAD "{\"vms\":{\"db\":{\"firmware\":\"efi\",\"disks\":[{\"size_gib\":1}]}}}}",
                   "/inventory/vms/db/firmware: \"efi\" is not one of its values");
    expect_refused(HEAD "{\"vms\":{\"db\":{\"os\":7,\"disks\":[{\"size_gib\":1}]}}}}",
                   "/inventory/vms/db/os: a text is expected");
    expect_refused(HEAD
                   "{\"vms\":{\"a\":{\"disks\":[{\"size_gib\":1}]},\"a\":{\"disks\":[{\"size_gib\":"
                   "1}]}}}}",
                   "/inventory/vms/a: the key is given twice");
    expect_refused(HEAD "{\"instance_types\":{\"m\":{\"vcpus\":1}}}}", "\"memory_mib\" is missing");
    expect_refused(HEAD "{\"images\":{\"a\":{\"id\":\"x\",\"boot_mode\":\"bios\"}}}}", "boot_mode");
    expect_refused(HEAD "{\"conversions\":{\"i\":{\"cpus\":1}}}}", "\"slots\" is missing");
    expect_refused(HEAD "{\"subnets\":{\"s\":{\"id\":\"s\"}}}}", "/inventory/subnets/s/id");
    expect_refused(HEAD "{}, \"bindings\":{\"a\":1}}", "/bindings/a: a text is expected");
    expect_refused(HEAD "{}, \"durations\":{\"a\":-1}}", "/durations/a: a duration");
    expect_refused(HEAD "{}, \"durations\":{\"a\":1.5}}", "/durations/a: a duration");
    expect_refused(HEAD "{\"vms\":{\"db\":{\"disks\":[{\"size_gib\":1,\"whole\":\"why\"}]}}}}",
                   "/inventory/vms/db/disks/0/whole: \"why\" is not one of its values");
    expect_refused(HEAD "{}, \"blocks\":{\"a\":-1}}", "/blocks/a: a number of blocks");
    expect_refused(HEAD "{}, \"throughput\":{\"speed\":1}}", "/throughput");
    expect_refused(HEAD "{}, \"last_test\":{\"at\":\"t\"}}", "\"passed\" is missing");
}

static void test_mutations(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct buffer json = {0};
    facts_write(make_facts(arena), &json);
    arena_destroy(arena);
    uint64_t random = 7;
    for (int i = 0; i < 5000; i++) {
        char *copy = base_alloc(json.length);
        memcpy(copy, json.data, json.length);
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t at = (size_t)(random >> 20) % json.length, length = json.length;
        if (random >> 63) {
            copy[at] = json.data[(size_t)(random >> 40) % json.length];
        } else {
            length = at;
        }
        arena = arena_create();
        struct error error = {0};
        struct facts *facts = facts_read(arena, "f", copy, length, &error);
        assert_true(facts || error.message);
        if (facts) {
            struct buffer again = {0};
            facts_write(facts, &again);
            assert_non_null(facts_read(arena, "f", again.data, again.length, NULL));
            buffer_free(&again);
        }
        error_clear(&error);
        arena_destroy(arena);
        free(copy);
    }
    buffer_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writing_what_was_read_gives_the_same),
        cmocka_unit_test(test_inventory_digest),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
