/* Repositories on directories and in memory: blocks, maps, recovery points, copies.
 * Covers: block.c block_map.c copies.c map_writer.c objects.c points.c writer.c */
#include "runtime/mover/repository.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/block_map.h"
#include "runtime/mover/repository_state.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/mover_place.h"

static const enum mover_kind KINDS[] = {MOVER_MEMORY, MOVER_DIRECTORY, MOVER_DIRECTORY_REAL};
#define EACH_KIND(place)                                                                           \
    for (size_t kind_ = 0; kind_ < 3; kind_++)                                                     \
        for (struct mover_place *place = mover_place_create(KINDS[kind_]); place;                  \
             mover_place_destroy(place), place = NULL)

static void test_blocks_come_back(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct repository_writer *writer = mover_place_write(place);
        for (int kind = 0; kind < 4; kind++) {
            char *block = mover_block(kind, 7), *back = calloc(1, BLOCK_BYTES);
            struct block_digest digest;
            block_digest(block, BLOCK_BYTES, &digest);
            assert_null(mover_put(place, writer, &digest, block));
            assert_null(mover_put(place, writer, &digest, block)); /* twice is once */
            assert_null(mover_get(place, &digest, back));
            assert_memory_equal(block, back, BLOCK_BYTES);
            free(block);
            free(back);
        }
        repository_writer_close(writer);
    }
}

static void test_missing_block_says_so(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct block_digest digest = {{1, 2, 3}};
        char *back = malloc(BLOCK_BYTES);
        char *said = mover_get(place, &digest, back);
        assert_string_equal(said, "reading blocks/01/01020300000000000000000000000000000000000000000000000000"
                                  "00000000 in test: it is missing");
        free(said);
        free(back);
    }
}

/* Another block, a packed one of which bits are gone, one that is cut off, one that is too long. */
static void test_damaged_blocks_are_told(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct repository_writer *writer = mover_place_write(place);
        struct store *store = mover_place_store(place);
        for (int kind = 0; kind < 2; kind++) {
            char *block = mover_block(kind, 7), *back = calloc(1, BLOCK_BYTES), key[OBJECT_KEY_MAX];
            struct block_digest digest;
            void *object;
            size_t length;
            struct error error = {0};
            block_digest(block, BLOCK_BYTES, &digest);
            assert_null(mover_put(place, writer, &digest, block));
            object_key(key, "blocks", &digest);
            assert_int_equal(store_get_now(store, place->world, key, &object, &length, NULL, &error), STORE_OK);
            char *longer = calloc(1, length + 100);
            memcpy(longer, object, length);
            longer[length / 2] ^= 1;
            const size_t lengths[] = {length, length / 2, 5, 0, length + 100};
            for (size_t i = 0; i < 5; i++) {
                assert_int_equal(store_put_now(store, place->world, key, longer, lengths[i], STORE_ALWAYS,
                                               NULL, &error), STORE_OK);
                bool too_long = lengths[i] > BLOCK_OBJECT_MAX;
                char *said = too_long ? NULL : mover_get(place, &digest, back);
                assert_true(too_long || strstr(said, "reading blocks/"));
                free(said);
            }
            free(longer);
            free(object);
            free(block);
            free(back);
        }
        store_destroy(store);
        repository_writer_close(writer);
    }
}

static void test_map_round_trip(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        const int64_t disk = INT64_C(40) << 30; /* five segments */
        const uint64_t indexes[] = {0, 5, 16383, 16384, 40000, 81919};
        struct repository_writer *writer = mover_place_write(place);
        struct block_digest root = mover_map(place, writer, disk, indexes, 6, 1);
        mover_expect_map(place, &root, NULL, disk, "0 5 16383 16384 40000 81919");
        uint64_t count;
        assert_true(map_difference_count(place->repository, &root, NULL, &count, NULL));
        assert_int_equal(count, 6);
        repository_writer_close(writer);
    }
}

static void test_difference_of_maps(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        const int64_t disk = INT64_C(40) << 30;
        const uint64_t before[] = {0, 5, 20000, 33000, 50000};
        const uint64_t after[] = {0, 6, 20000, 50000, 81000};
        struct repository_writer *writer = mover_place_write(place);
        struct block_digest old = mover_map(place, writer, disk, before, 5, 1);
        struct block_digest now = mover_map(place, writer, disk, after, 5, 1);
        mover_expect_map(place, &now, &old, disk, "-5 6 -33000 81000");
        mover_expect_map(place, &old, &now, disk, "5 -6 33000 -81000");
        mover_expect_map(place, &now, &now, disk, "");
        struct block_digest other = mover_map(place, writer, disk, after, 5, 2); /* other bytes */
        mover_expect_map(place, &other, &now, disk, "0 6 20000 50000 81000");
        struct block_digest small = mover_map(place, writer, INT64_C(16) << 30, before, 3, 1);
        mover_expect_map(place, &small, &now, 0, "5 -6"); /* what lies behind its end is no block */
        uint64_t count;
        assert_true(map_difference_count(place->repository, &now, &old, &count, NULL));
        assert_int_equal(count, 4);
        repository_writer_close(writer);
    }
}

static void test_map_of_another_disk(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct repository_writer *writer = mover_place_write(place);
        const uint64_t indexes[] = {3};
        struct block_digest root = mover_map(place, writer, 4 << 20, indexes, 1, 1);
        struct map_cursor *cursor = map_cursor_create(place->repository, &root, NULL, 5 << 20);
        assert_int_equal(mover_step(place, cursor, &(struct block_entry){0}), MAP_FAILED);
        assert_non_null(strstr(map_cursor_error(cursor)->message,
                               "it is the map of a disk of 4194304 bytes, and this one has 5242880"));
        map_cursor_destroy(cursor);
        repository_writer_close(writer);
    }
}

static void test_points(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct arena *arena = arena_create();
        struct repository_writer *writer = mover_place_write(place);
        mover_commit(place, writer, "shop", "db", "2026-11-22T10:00:00Z", 1);
        mover_commit(place, writer, "shop", "db", "2026-11-21T10:00:00Z", 2);
        mover_commit(place, writer, "shop", "web", "2026-11-22T11:00:00Z", 3);
        mover_commit(place, writer, "erp", "db", "2026-11-20T11:00:00Z", 4);
        repository_writer_close(writer);
        struct repository_points points;
        struct error error = {0};
        assert_true(repository_list(place->repository, arena, NULL, NULL, &points, &error));
        assert_int_equal(points.count, 4);
        assert_string_equal(points.items[0].plan, "erp");
        assert_string_equal(points.items[1].time, "2026-11-21T10:00:00Z");
        assert_string_equal(points.items[2].time, "2026-11-22T10:00:00Z");
        assert_string_equal(points.items[3].vm, "web");
        assert_true(repository_list(place->repository, arena, NULL, "db", &points, &error));
        assert_int_equal(points.count, 3);
        assert_true(repository_list(place->repository, arena, "shop", "d", &points, &error));
        assert_int_equal(points.count, 0);
        const struct repository_point *newest =
            repository_newest(place->repository, arena, "shop", "db", INT64_MAX, &error);
        assert_string_equal(newest->time, "2026-11-22T10:00:00Z");
        assert_int_equal(newest->disk_count, 1);
        assert_string_equal(newest->disks[0].controller, "pvscsi");
        newest = repository_newest(place->repository, arena, "shop", "db", newest->utc_ms - 1, &error);
        assert_string_equal(newest->time, "2026-11-21T10:00:00Z");
        assert_null(repository_newest(place->repository, arena, "shop", "db", 5, &error));
        assert_null(error.message);
        arena_destroy(arena);
    }
}

static void test_a_point_is_never_overwritten(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct repository_writer *writer = mover_place_write(place);
        mover_commit(place, writer, "shop", "db", "2026-11-22T10:00:00Z", 1);
        struct repository_disk disk = {.bytes = 1 << 20};
        struct repository_point point = {.plan = "shop", .vm = "db", .time = "2026-11-22T10:00:00Z",
                                         .utc_ms = parse_time("2026-11-22T10:00:00Z"), .disks = &disk,
                                         .disk_count = 1};
        struct error error = {0};
        assert_false(repository_commit(writer, &point, &error));
        assert_string_equal(error.message, "a recovery point of shop/db at 2026-11-22T10:00:00Z is in the "
                                           "repository test already");
        error_clear(&error);
        repository_writer_close(writer);
    }
}

static void break_object(struct mover_place *place, const char *folder,
                         const struct block_digest *digest)
{
    char key[OBJECT_KEY_MAX];
    object_key(key, folder, digest);
    assert_int_equal(store_put_now(repository_store(place->repository), place->world, key, "?", 1,
                                   STORE_ALWAYS, NULL, NULL),
                     STORE_OK);
}

/* As a power failure may leave it: there, and not what its name says. */
static void test_broken_objects_are_put_anew(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct repository_writer *writer = mover_place_write(place);
        char *block = mover_block(1, 7), *back = calloc(1, BLOCK_BYTES);
        struct block_digest digest;
        block_digest(block, BLOCK_BYTES, &digest);
        break_object(place, "blocks", &digest);
        assert_null(mover_put(place, writer, &digest, block));
        assert_null(mover_get(place, &digest, back));
        assert_memory_equal(block, back, BLOCK_BYTES);
        const uint64_t indexes[] = {3};
        struct block_digest root = mover_map(place, writer, 4 << 20, indexes, 1, 1);
        break_object(place, "maps", &root);
        mover_map(place, writer, 4 << 20, indexes, 1, 1);
        mover_expect_map(place, &root, NULL, 4 << 20, "3");
        free(block);
        free(back);
        repository_writer_close(writer);
    }
}

static void test_points_in_another_place(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct arena *arena = arena_create();
        struct repository_writer *writer = mover_place_write(place);
        mover_commit(place, writer, "shop", "db", "2026-11-22T10:00:00Z", 1);
        repository_writer_close(writer);
        struct store *store = repository_store(place->repository);
        struct repository_points points;
        struct error error = {0};
        void *bytes;
        size_t length;
        store_get_now(store, place->world, "points/shop/db/20261122T100000Z", &bytes, &length, NULL, NULL);
        store_put_now(store, place->world, "points/shop/web/20261122T100000Z", bytes, length, STORE_ALWAYS,
                      NULL, NULL);
        assert_true(repository_list(place->repository, arena, NULL, NULL, &points, NULL));
        assert_int_equal(points.count, 1);
        assert_int_equal(points.damaged_count, 1);
        assert_string_equal(points.damaged[0],
                            "reading the recovery point points/shop/web/20261122T100000Z in test: it is the "
                            "recovery point 2026-11-22T10:00:00Z of shop/db, and lies in another's place");
        assert_null(repository_newest(place->repository, arena, "shop", "web", INT64_MAX, &error));
        assert_string_equal(error.message, points.damaged[0]);
        assert_non_null(error.help);
        error_clear(&error);
        free(bytes);
        arena_destroy(arena);
    }
}

static void done_once(void *context, const struct error *error)
{
    assert_null(error);
    *(bool *)context = true;
}

static void test_copies(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct arena *arena = arena_create();
        struct repository_copy copy = {.snapshot_id = "snap-1", .plan = "shop", .vm = "db",
                                       .recovery_point = "2026-11-22T10:00:00Z", .disk = 1,
                                       .disk_bytes = 1 << 20, .map = {{9}}};
        bool done = false;
        repository_put_copy(place->repository, &copy, done_once, &done);
        assert_false(done);
        world_run(place->world, &done);
        struct repository_copies found;
        assert_true(repository_list_copies(place->repository, arena, "shop", &found, NULL));
        assert_int_equal(found.count, 1);
        assert_string_equal(found.copies[0].snapshot_id, "snap-1");
        assert_int_equal(found.copies[0].disk, 1);
        assert_true(block_digest_equal(&found.copies[0].map, &copy.map));
        assert_true(repository_list_copies(place->repository, arena, "erp", &found, NULL));
        assert_int_equal(found.count, 0);
        assert_true(repository_remove_copy(place->repository, "snap-1", NULL));
        assert_true(repository_remove_copy(place->repository, "snap-1", NULL));
        assert_true(repository_list_copies(place->repository, arena, NULL, &found, NULL));
        assert_int_equal(found.count + found.damaged_count, 0);
        arena_destroy(arena);
    }
}

static void test_open(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct error error = {0};
        char *id = strdup(repository_id(place->repository));
        mover_place_reopen(place, false, &error);
        assert_string_equal(repository_id(place->repository), id);
        free(id);
        assert_int_equal(store_remove_now(repository_store(place->repository), place->world, "repository",
                                          NULL),
                         STORE_OK);
        mover_place_reopen(place, false, &error);
        assert_null(place->repository);
        assert_string_equal(error.message, "opening the repository test: there is none");
        error_clear(&error);
    }
}

/* --- many at once: hashed two by two, and each has its own end --- */

enum { MANY = 12, DAMAGED = 6, MISSING = 8 };

struct reading {
    bool over;
    char *said;
    char *room;
    int *left;
    bool *all_over;
};

static void note_reading(void *context, const struct error *error)
{
    struct reading *reading = context;
    assert_false(reading->over);
    reading->over = true;
    reading->said = error ? base_strdup(error->message) : NULL;
    *reading->all_over = --*reading->left == 0;
}

static void damage(struct mover_place *place, const struct block_digest *digest)
{
    char key[OBJECT_KEY_MAX];
    char *object = base_alloc(BLOCK_OBJECT_MAX), *block = mover_block(0, 999);
    struct block_packer *packer = block_packer_create();
    struct error error = {0};
    size_t length = block_pack(packer, block, object); /* sound, but another one */
    object_key(key, "blocks", digest);
    struct store *store = mover_place_store(place);
    assert_int_equal(store_put_now(store, place->world, key, object, length, STORE_ALWAYS, NULL, &error),
                     STORE_OK);
    store_destroy(store);
    block_packer_destroy(packer);
    free(object);
    free(block);
}

/* Reads all of them, and takes off each `dropped`-th (0: none) while they are under way. */
static void read_many(struct mover_place *place, const struct block_digest *digests, char *const *blocks,
                      int dropped)
{
    struct reading readings[MANY] = {0};
    int left = MANY;
    bool all_over = false;
    for (int i = 0; i < MANY; i++) {
        readings[i] = (struct reading){
            .room = base_alloc(REPOSITORY_ROOM), .left = &left, .all_over = &all_over};
        repository_get_block_within(place->repository, &digests[i], readings[i].room, note_reading,
                                    &readings[i]);
    }
    for (int i = 0; dropped && i < MANY; i += dropped) {
        repository_forget(place->repository, &readings[i]);
        memset(readings[i].room, 0, REPOSITORY_ROOM); /* nobody looks there any more */
        left--;
    }
    world_run(place->world, &all_over);
    for (int i = 0; i < MANY; i++) {
        bool gone = dropped && i % dropped == 0;
        assert_int_equal(readings[i].over, !gone);
        if (!gone && (i == DAMAGED || i == MISSING)) {
            assert_non_null(strstr(readings[i].said, i == MISSING ? "it is missing" : "SHA-256"));
        } else if (!gone) {
            assert_null(readings[i].said);
            assert_memory_equal(readings[i].room + REPOSITORY_ROOM_AHEAD, blocks[i], BLOCK_BYTES);
        }
        free(readings[i].said);
        free(readings[i].room);
    }
}

static void test_many_at_once(void **state)
{
    (void)state;
    EACH_KIND(place)
    {
        struct repository_writer *writer = mover_place_write(place);
        struct block_digest digests[MANY];
        char *blocks[MANY];
        for (int i = 0; i < MANY; i++) {
            blocks[i] = mover_block(i % 4, (uint32_t)i + 50);
            block_digest(blocks[i], BLOCK_BYTES, &digests[i]);
            if (i != MISSING) {
                assert_null(mover_put(place, writer, &digests[i], blocks[i]));
            }
        }
        damage(place, &digests[DAMAGED]);
        for (int dropped = 0; dropped < 5; dropped++) {
            read_many(place, digests, blocks, dropped == 1 ? 0 : dropped);
        }
        for (int i = 0; i < MANY; i++) {
            free(blocks[i]);
        }
        repository_writer_close(writer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_come_back),
        cmocka_unit_test(test_missing_block_says_so),
        cmocka_unit_test(test_damaged_blocks_are_told),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_map_round_trip),
        cmocka_unit_test(test_difference_of_maps),
        cmocka_unit_test(test_map_of_another_disk),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_a_point_is_never_overwritten),
        cmocka_unit_test(test_broken_objects_are_put_anew),
        cmocka_unit_test(test_points_in_another_place),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
