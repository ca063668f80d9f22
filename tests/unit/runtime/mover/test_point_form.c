/* Recovery points and copies as text, and the seal on it.
 * Covers: sealed.c */
#include "runtime/mover/point_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/sealed.h"
#include "runtime/world/world.h"
#include "tests/unit/support/cmocka_all.h"

#define TIME "2026-11-22T10:00:00Z"
#define MAP  "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"

static struct repository_disk disks[2] = {{.bytes = 1 << 20, .controller = "pvscsi", .blocks = 2},
                                          {.bytes = 1, .map = {{1, 2, 0xff}}}};
static struct repository_card cards[1] = {{.network = "LAN \"1\"", .mac = "00:50:56:00:00:01"}};

static struct repository_point a_point(void)
{
    return (struct repository_point){
        .plan = "shop", .vm = "db", .time = TIME, .utc_ms = parse_time(TIME), .firmware = "uefi",
        .os = "linux", .cpus = 4, .memory_mib = 16384, .disks = disks, .disk_count = 2, .cards = cards,
        .card_count = 1, .made_by = "drc 0.1.0", .quiesced = true};
}

static void test_round_trip(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct buffer text = {0};
    struct repository_point point = a_point(), found;
    assert_true(point_check(&point, NULL));
    assert_true(point_write(&point, &text, NULL));
    assert_true(point_read(arena, text.data, text.length, &found, NULL));
    assert_string_equal(found.plan, "shop");
    assert_string_equal(found.vm, "db");
    assert_string_equal(found.time, TIME);
    assert_int_equal(found.utc_ms, point.utc_ms);
    assert_string_equal(found.firmware, "uefi");
    assert_null(found.arch);
    assert_int_equal(found.cpus, 4);
    assert_int_equal(found.memory_mib, 16384);
    assert_true(found.quiesced);
    assert_int_equal(found.disk_count, 2);
    assert_int_equal(found.disks[0].bytes, 1 << 20);
    assert_int_equal(found.disks[0].blocks, 2);
    assert_string_equal(found.disks[0].controller, "pvscsi");
    assert_null(found.disks[1].controller);
    assert_true(block_digest_equal(&found.disks[1].map, &disks[1].map));
    assert_string_equal(found.cards[0].network, "LAN \"1\"");
    char key[POINT_KEY_MAX];
    point_key(key, &found);
    assert_string_equal(key, "points/shop/db/20261122T100000Z");
    buffer_free(&text);
    arena_destroy(arena);
}

static void expect_refused(struct repository_point point, const char *message)
{
    struct error error = {0};
    assert_false(point_check(&point, &error));
    assert_string_equal(error.message, message);
    error_clear(&error);
}

static void test_points_that_are_none(void **state)
{
    (void)state;
    struct repository_point point = a_point();
    point.vm = "../web";
    expect_refused(point, "\"../web\" cannot be the name of a VM in a repository");
    point.vm = "";
    expect_refused(point, "\"\" cannot be the name of a VM in a repository");
    point = a_point();
    point.plan = "a/b";
    expect_refused(point, "\"a/b\" cannot be the name of a plan in a repository");
    point = a_point();
    point.utc_ms++;
    expect_refused(point, "\"" TIME "\" is no time of a recovery point");
    point = a_point();
    point.disk_count = 0;
    expect_refused(point, "0 disks, 1 cards: a VM has 1 to 60 disks and at most 64 cards");
    struct repository_disk disk = {.bytes = DISK_BYTES_MAX + 1};
    point = a_point();
    point.disks = &disk;
    point.disk_count = 1;
    expect_refused(point, "disk 0 has 70368744177665 bytes, and a disk has 1 byte to 64 TiB");
    disk = (struct repository_disk){.bytes = 1 << 20, .blocks = 3};
    expect_refused(point, "disk 0 of 1048576 bytes cannot have 3 blocks");
}

static void test_no_utf8_gets_in(void **state)
{
    (void)state;
    struct repository_point point = a_point();
    struct buffer text = {0};
    point.guest_id = "\xff\xfe";
    assert_false(point_write(&point, &text, NULL));
    buffer_free(&text);
}

/* Reads `text` with a seal made for it. */
static char *read_sealed(const char *json)
{
    struct arena *arena = arena_create();
    struct error error = {0};
    struct repository_point point;
    struct buffer text = {0};
    buffer_puts(&text, json);
    sealed_finish(&text);
    bool ok = point_read(arena, text.data, text.length, &point, &error);
    char *said = base_strdup(ok ? "" : error.message);
    error_clear(&error);
    buffer_free(&text);
    arena_destroy(arena);
    return said;
}

#define DISK  "{\"bytes\":10,\"blocks\":1,\"map\":\"" MAP "\"}"
#define POINT(more)                                                                                \
    "{\"format\":\"drc-point/1\",\"plan\":\"p\",\"vm\":\"v\",\"time\":\"" TIME "\"" more "}"

static void test_reading_what_is_wrong(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {POINT(",\"disks\":[" DISK "]"), ""},
        {POINT(",\"disks\":[" DISK "],\"later\":[1,{}]"), ""}, /* unknown members do not matter */
        {POINT(",\"disks\":[]"), "0 disks, 0 cards: a VM has 1 to 60 disks and at most 64 cards"},
        {POINT(""), "/disks: an array is expected"},
        {POINT(",\"disks\":[{\"bytes\":10,\"blocks\":1,\"map\":\"0A\"}]"),
         "/disks/0/map: no SHA-256 in hex"},
        {POINT(",\"disks\":[{\"bytes\":0,\"blocks\":1,\"map\":\"" MAP "\"}]"), NULL},
        {POINT(",\"disks\":[" DISK "],\"cpus\":\"four\""), NULL},
        {"{\"format\":\"drc-point/2\"}", "it is of the format drc-point/2, and this drc knows drc-point/1"},
        {"{\"format\":\"drc-copy/1\"}", "it is no drc-point/1"},
        {"[1]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *said = read_sealed(cases[i][0]);
        if (cases[i][1]) {
            assert_string_equal(said, cases[i][1]);
        }
        assert_int_equal(*said == '\0', cases[i][1] && !*cases[i][1]);
        free(said);
    }
}

static void test_every_altered_byte_is_seen(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct buffer text = {0};
    struct repository_point point = a_point(), found;
    assert_true(point_write(&point, &text, NULL));
    for (size_t i = 0; i + 1 < text.length; i++) { /* but for the line feed */
        struct error error = {0};
        text.data[i] ^= 1;
        assert_false(point_read(arena, text.data, text.length, &found, &error));
        assert_non_null(error.message);
        text.data[i] ^= 1;
        assert_false(point_read(arena, text.data, i, &found, &error)); /* cut off */
        error_clear(&error);
    }
    assert_true(point_read(arena, text.data, text.length, &found, NULL));
    buffer_free(&text);
    arena_destroy(arena);
}

static void test_copies(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct buffer text = {0};
    struct repository_copy copy = {.snapshot_id = "snap-0abc", .plan = "shop", .vm = "db",
                                   .recovery_point = TIME, .disk = 3, .disk_bytes = 5, .map = {{7}}};
    struct repository_copy found;
    assert_true(copy_write(&copy, &text, NULL));
    assert_true(copy_read(arena, text.data, text.length, &found, NULL));
    assert_string_equal(found.snapshot_id, "snap-0abc");
    assert_string_equal(found.recovery_point, TIME);
    assert_int_equal(found.disk, 3);
    assert_true(block_digest_equal(&found.map, &copy.map));
    assert_false(copy_read(arena, text.data, text.length / 2, &found, NULL));
    buffer_clear(&text);
    copy.snapshot_id = "../x";
    assert_false(copy_write(&copy, &text, NULL));
    buffer_free(&text);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_points_that_are_none),
        cmocka_unit_test(test_no_utf8_gets_in),
        cmocka_unit_test(test_reading_what_is_wrong),
        cmocka_unit_test(test_every_altered_byte_is_seen),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
