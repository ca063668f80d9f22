/* Prune: what goes and what stays, beside writers, broken off anywhere.
 * Covers: prune_lock.c digest_set.c map_walk.c */
#include "runtime/mover/prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/digest_set.h"
#include "runtime/mover/repository_locks.h"
#include "runtime/mover/repository_state.h"
#include "runtime/mover/verify.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/flaky_store.h"
#include "tests/unit/support/mover_place.h"

enum { HOUR_MS = 3600 * 1000 };

/* Five recovery points of db, an hour apart, and an old one of web. */
static void fill(struct mover_place *place)
{
    char time[32];
    struct repository_writer *writer = mover_place_write(place);
    for (uint32_t i = 0; i < 5; i++) {
        mover_commit(place, writer, "shop", "db", mover_ago(place, time, i * HOUR_MS), i + 1);
    }
    mover_commit(place, writer, "shop", "web", mover_ago(place, time, (int64_t)999 * HOUR_MS), 9);
    repository_writer_close(writer);
}

static struct mover_place *filled(enum mover_kind kind)
{
    struct mover_place *place = mover_place_create(kind);
    fill(place);
    return place;
}

static struct prune_result prune(struct mover_place *place, struct prune_options options)
{
    struct arena *arena = arena_create();
    struct prune_result result;
    struct error error = {0};
    if (!repository_prune(place->repository, arena, &options, &result, &error)) {
        fail_msg("%s", error.message);
    }
    arena_destroy(arena); /* result.points go with it: only counts are used */
    return result;
}

/* Fails with this; frees nothing but the arena. */
static char *refused(struct mover_place *place, struct prune_options options)
{
    struct arena *arena = arena_create();
    struct prune_result result;
    struct error error = {0};
    assert_false(repository_prune(place->repository, arena, &options, &result, &error));
    assert_non_null(error.help);
    char *message = strdup(error.message);
    error_clear(&error);
    arena_destroy(arena);
    return message;
}

static void expect_sound(struct mover_place *place, size_t points)
{
    struct arena *arena = arena_create();
    struct verify_result result;
    assert_true(repository_verify(place->repository, arena, &(struct verify_options){.sample = 1}, &result,
                                  NULL));
    if (result.problem_count) {
        fail_msg("%s", result.problems[0].text);
    }
    assert_int_equal(result.points, points);
    arena_destroy(arena);
}

static void expect_objects(struct mover_place *place, size_t points, size_t maps, size_t blocks)
{
    assert_int_equal(mover_count(place, "points/"), points);
    assert_int_equal(mover_count(place, "maps/"), maps);
    assert_int_equal(mover_count(place, "blocks/"), blocks);
}

static void test_by_count(void **state)
{
    (void)state;
    for (int kind = MOVER_MEMORY; kind <= MOVER_DIRECTORY_REAL; kind++) {
        struct mover_place *place = filled((enum mover_kind)kind);
        expect_objects(place, 6, 12, 12);
        struct prune_result result = prune(place, (struct prune_options){.keep_last = 2});
        assert_int_equal(result.point_count, 3);
        assert_int_equal(result.kept_count, 3);
        assert_int_equal(result.blocks, 6);
        assert_int_equal(result.maps, 6);
        assert_int_equal(result.kept_blocks, 6);
        expect_objects(place, 3, 6, 6);
        expect_sound(place, 3);
        mover_place_destroy(place);
    }
}

static void test_by_age(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    prune(place, (struct prune_options){.keep_ms = 5 * HOUR_MS / 2});
    expect_objects(place, 4, 8, 8); /* web's only one stays, however old */
    prune(place, (struct prune_options){.keep_ms = 1, .keep_last = 2});
    expect_objects(place, 3, 6, 6); /* what any rule keeps stays */
    prune(place, (struct prune_options){0});
    expect_objects(place, 3, 6, 6);
    expect_sound(place, 3);
    mover_place_destroy(place);
}

static void test_one_vm(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    assert_int_equal(prune(place, (struct prune_options){.vm = "web", .keep_last = 1}).point_count, 0);
    assert_int_equal(prune(place, (struct prune_options){.plan = "erp", .keep_last = 1}).point_count, 0);
    assert_int_equal(
        prune(place, (struct prune_options){.plan = "shop", .vm = "db", .keep_last = 1}).point_count, 4);
    mover_place_destroy(place);
}

static void test_dry_run_changes_nothing(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct prune_result result = prune(place, (struct prune_options){.keep_last = 2, .dry_run = true});
    assert_int_equal(result.point_count, 3);
    assert_int_equal(result.blocks, 6);
    assert_int_equal(result.maps, 6);
    expect_objects(place, 6, 12, 12);
    assert_int_equal(mover_count(place, "locks/"), 0);
    mover_place_destroy(place);
}

static void test_garbage_goes(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct repository_writer *writer = mover_place_write(place);
    char *block = mover_block(1, 0);
    struct block_digest digest;
    block_digest(block, BLOCK_BYTES, &digest);
    assert_null(mover_put(place, writer, &digest, block));
    mover_map(place, writer, 1 << 20, (const uint64_t[]){1}, 1, 5);
    repository_writer_close(writer);
    expect_objects(place, 6, 14, 13);
    assert_int_equal(prune(place, (struct prune_options){0}).blocks, 1);
    expect_objects(place, 6, 12, 12);
    free(block);
    mover_place_destroy(place);
}

static void test_foreign_things_stay(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct store *store = repository_store(place->repository);
    store_put_now(store, place->world, "blocks/00/readme.txt", "x", 1, STORE_ALWAYS, NULL, NULL);
    store_put_now(store, place->world,
                  "blocks/01/0000000000000000000000000000000000000000000000000000000000000000", "x", 1,
                  STORE_ALWAYS, NULL, NULL);
    prune(place, (struct prune_options){.keep_last = 1});
    assert_int_equal(mover_count(place, "blocks/00/readme"), 1);
    assert_int_equal(mover_count(place, "blocks/01/0000"), 1);
    mover_place_destroy(place);
}

/* --- copies --- */

static void set_done(void *context, const struct error *error)
{
    assert_null(error);
    *(bool *)context = true;
}

static void put_copy(struct mover_place *place, const char *snapshot, const struct block_digest *map)
{
    bool done = false;
    struct repository_copy copy = {.snapshot_id = snapshot, .plan = "shop", .vm = "db",
                                   .recovery_point = "2026-11-22T10:00:00Z", .disk_bytes = 2 << 20,
                                   .map = *map};
    repository_put_copy(place->repository, &copy, set_done, &done);
    world_run(place->world, &done);
}

static void test_maps_of_copies_stay(void **state)
{
    (void)state;
    char time[32];
    struct mover_place *place = mover_place_create(MOVER_MEMORY);
    struct repository_writer *writer = mover_place_write(place);
    struct block_digest map =
        mover_commit(place, writer, "shop", "db", mover_ago(place, time, HOUR_MS), 1);
    mover_commit(place, writer, "shop", "db", mover_ago(place, time, 0), 2);
    repository_writer_close(writer);
    put_copy(place, "snap-old", &map);
    put_copy(place, "snap-gone", &map);
    const char *live[] = {"snap-old"};
    struct prune_result result = prune(place, (struct prune_options){
                                                  .keep_last = 1, .live_snapshots = live,
                                                  .live_snapshot_count = 1});
    assert_int_equal(result.copies, 1);
    expect_objects(place, 1, 4, 2); /* its map stays, its blocks do not */
    assert_int_equal(mover_count(place, "copies/"), 1);
    result = prune(place, (struct prune_options){.live_snapshots = live});
    assert_int_equal(mover_count(place, "copies/"), 0);
    expect_objects(place, 1, 2, 2);
    mover_place_destroy(place);
}

/* --- what is damaged --- */

static void put_text(struct mover_place *place, const char *key, const char *text)
{
    store_put_now(repository_store(place->repository), place->world, key, text, strlen(text),
                  STORE_ALWAYS, NULL, NULL);
}

/* A DR copy needs its map, and nobody can tell which it is: all of them stay. What else is to go does. */
static void test_unreadable_copy_keeps_maps(void **state)
{
    (void)state;
    char time[32];
    struct mover_place *place = mover_place_create(MOVER_MEMORY);
    struct repository_writer *writer = mover_place_write(place);
    struct block_digest map =
        mover_commit(place, writer, "shop", "db", mover_ago(place, time, HOUR_MS), 1);
    mover_commit(place, writer, "shop", "db", mover_ago(place, time, 0), 2);
    repository_writer_close(writer);
    put_copy(place, "snap-sound", &map);
    put_text(place, "copies/snap-torn", "{\"format\":");
    struct arena *arena = arena_create();
    struct prune_result result;
    const bool dry[] = {true, false};
    for (size_t i = 0; i < 2; i++) {
        struct prune_options options = {.keep_last = 1, .dry_run = dry[i]};
        assert_true(repository_prune(place->repository, arena, &options, &result, NULL));
        assert_int_equal(result.damaged_copy_count, 1);
        assert_non_null(strstr(result.damaged_copies[0], "copies/snap-torn in test: "));
        assert_int_equal(result.point_count, 1);
        assert_int_equal(result.blocks, 2);
        assert_int_equal(result.maps, 0);
    }
    arena_destroy(arena);
    expect_objects(place, 1, 4, 2);
    assert_int_equal(mover_count(place, "copies/"), 2); /* it stays, to be looked at */
    expect_sound(place, 1);

    /* Given up: its map may go. */
    assert_int_equal(store_remove_now(repository_store(place->repository), place->world,
                                      "copies/snap-torn", NULL), STORE_OK);
    assert_true(repository_remove_copy(place->repository, "snap-sound", NULL));
    assert_int_equal(prune(place, (struct prune_options){.keep_last = 1}).maps, 2);
    mover_place_destroy(place);
}

static void test_newest_that_is_broken_keeps_older(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    char *block = mover_block(0, 100); /* of the newest */
    struct block_digest digest;
    char key[OBJECT_KEY_MAX];
    block_digest(block, BLOCK_BYTES, &digest);
    object_key(key, "blocks", &digest);
    assert_int_equal(store_remove_now(repository_store(place->repository), place->world, key, NULL), STORE_OK);
    char *message = refused(place, (struct prune_options){.keep_last = 1});
    assert_string_equal(message, "pruning the repository test: 1 blocks are missing that recovery points "
                                 "which would stay need");
    expect_objects(place, 6, 12, 11);
    free(message);
    free(block);
    mover_place_destroy(place);
}

static void test_unreadable_point_stops_it(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    store_put_now(repository_store(place->repository), place->world, "points/shop/db/20200101T000000Z",
                  "{\"form", 6, STORE_ALWAYS, NULL, NULL);
    char *message = refused(place, (struct prune_options){.keep_last = 1});
    assert_non_null(strstr(message, "points/shop/db/20200101T000000Z in test: "));
    expect_objects(place, 7, 12, 12);
    free(message);
    mover_place_destroy(place);
}

static void test_unreadable_map_stops_it(void **state)
{
    (void)state;
    char time[32];
    struct mover_place *place = filled(MOVER_MEMORY);
    struct repository_writer *writer = mover_place_write(place);
    struct block_digest map = mover_commit(place, writer, "shop", "app", mover_ago(place, time, 0), 77);
    char key[OBJECT_KEY_MAX];
    object_key(key, "maps", &map);
    store_put_now(repository_store(place->repository), place->world, key, "x", 1, STORE_ALWAYS, NULL, NULL);
    repository_writer_close(writer);
    char *message = refused(place, (struct prune_options){0});
    assert_non_null(strstr(message, "of shop/app: reading maps/"));
    expect_objects(place, 7, 14, 14);
    free(message);
    mover_place_destroy(place);
}

/* --- beside writers --- */

static void test_writer_under_way_is_named(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct repository_writer *writer = mover_place_write(place);
    char *message = refused(place, (struct prune_options){.keep_last = 1, .wait_ms = 10000});
    assert_non_null(strstr(message, "pruning the repository test: it is being written to: a test (process "));
    free(message);
    repository_writer_close(writer);
    prune(place, (struct prune_options){.keep_last = 1});
    mover_place_destroy(place);
}

struct waiting {
    struct repository_writer *writer;
    int told;
};

static void end_writer(void *context, const char *why)
{
    struct waiting *waiting = context;
    assert_non_null(strstr(why, "waiting for what writes to test: a test (process "));
    waiting->told++;
    repository_writer_close(waiting->writer);
}

static void test_waits_for_a_writer(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct waiting waiting = {.writer = mover_place_write(place)};
    prune(place, (struct prune_options){.keep_last = 1, .wait_ms = 60000, .waiting = end_writer,
                                        .context = &waiting});
    assert_int_equal(waiting.told, 1);
    mover_place_destroy(place);
}

static void end_prune(void *context, const char *why)
{
    assert_non_null(strstr(why, "a prune of test is under way (process "));
    assert_non_null(strstr(why, "should it have been killed, 75 s until its lease has run out"));
    prune_lock_release(*(struct prune_lock **)context);
    *(struct prune_lock **)context = NULL;
}

static void test_writer_waits_for_prune(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct prune_lock *lock = prune_lock_take(place->repository, &(struct prune_options){0}, NULL);
    assert_non_null(lock);
    struct repository_writer *writer =
        repository_write(place->repository, "late", end_prune, &lock, NULL);
    assert_non_null(writer);
    assert_null(lock); /* it was told, and waited */
    repository_writer_close(writer);
    mover_place_destroy(place);
}

static void test_only_one_prune(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct prune_lock *lock = prune_lock_take(place->repository, &(struct prune_options){0}, NULL);
    char *message = refused(place, (struct prune_options){.keep_last = 1});
    assert_non_null(strstr(message, "another prune is under way"));
    free(message);
    prune_lock_release(lock);
    mover_place_destroy(place);
}

/* Another machine's, as it would lie there. */
static void put_dead_writer(struct mover_place *place, int64_t expires_utc_ms)
{
    char text[256];
    int length = snprintf(text, sizeof text,
                          "{\"format\":\"drc-lease/1\",\"run\":\"import of shop/db\",\"host\":\"h\","
                          "\"pid\":7,\"writer\":\"w\",\"since\":1,\"renewed\":1,\"expires\":%lld}",
                          (long long)expires_utc_ms);
    store_put_now(repository_store(place->repository), place->world, "locks/leases/writer-dead", text,
                  (size_t)length, STORE_ALWAYS, NULL, NULL);
}

static void test_lease_of_the_dead(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    put_dead_writer(place, world_utc_ms(place->world) + 30000);
    char *message = refused(place, (struct prune_options){.keep_last = 1});
    assert_non_null(strstr(message, "import of shop/db (process 7 on h, since "));
    free(message);
    mover_sleep(place, 60000);
    prune(place, (struct prune_options){.keep_last = 1});
    assert_int_equal(mover_count(place, "locks/leases/writer-dead"), 0);
    mover_place_destroy(place);
}

/* It slept; a prune cleared its lease away meanwhile. */
static void test_writer_that_lost_its_lease(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct repository_writer *writer = mover_place_write(place);
    assert_int_equal(store_remove_now(repository_store(place->repository), place->world, writer->key, NULL),
                     STORE_OK);
    struct repository_disk disk = {.bytes = 1 << 20};
    struct repository_point point = {.plan = "shop", .vm = "db", .time = "2000-01-01T00:00:00Z",
                                     .utc_ms = parse_time("2000-01-01T00:00:00Z"), .disks = &disk,
                                     .disk_count = 1};
    struct error error = {0};
    assert_false(repository_commit(writer, &point, &error));
    assert_non_null(strstr(error.message, "writing to the repository test: this process (a test) lost its "
                                          "lease there"));
    error_clear(&error);
    assert_int_equal(mover_count(place, "points/shop/db/2000"), 0);
    char *block = mover_block(0, 1);
    struct block_digest digest;
    block_digest(block, BLOCK_BYTES, &digest);
    char *said = mover_put(place, writer, &digest, block);
    assert_non_null(strstr(said, "lost its lease"));
    free(said);
    free(block);
    repository_writer_close(writer);
    mover_place_destroy(place);
}

static struct flaky_store *on_flaky(struct mover_place *place);

static void ignore(void *context, const struct store_result *result)
{
    (void)context;
    (void)result;
}

struct thief {
    struct mover_place *place;
    struct repository_writer *writer;
};

static void steal_lease(void *context)
{
    struct thief *thief = context;
    struct store *store = repository_store(thief->place->repository);
    store->remove(store, thief->writer->key, ignore, thief);
}

/* The lease goes while the recovery point is on its way: it may not stay. */
static void test_point_that_came_too_late(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct flaky_store *flaky = on_flaky(place);
    struct thief thief = {.place = place, .writer = mover_place_write(place)};
    struct repository_disk disk = {.bytes = 1 << 20};
    struct repository_point point = {.plan = "shop", .vm = "late", .time = "2000-01-01T00:00:00Z",
                                     .utc_ms = parse_time("2000-01-01T00:00:00Z"), .disks = &disk,
                                     .disk_count = 1};
    struct error error = {0};
    flaky->only = "points/";
    flaky->latency_ms = 80000;
    world_timer(place->world, 20000, steal_lease, &thief);
    assert_false(repository_commit(thief.writer, &point, &error));
    assert_non_null(strstr(error.message, "lost its lease"));
    error_clear(&error);
    assert_int_equal(mover_count(place, "points/shop/late"), 0);
    repository_writer_close(thief.writer);
    mover_place_destroy(place);
}

/* --- broken off --- */

static struct flaky_store *on_flaky(struct mover_place *place)
{
    repository_close(place->repository);
    struct flaky_store *flaky = flaky_store_create(place->world, mover_place_store(place));
    place->repository = repository_open(&flaky->store, place->world, "test", true, NULL);
    assert_non_null(place->repository);
    return flaky;
}

/* As an importer does; ends at the first thing that fails. */
static bool import(struct mover_place *place, uint32_t seed)
{
    struct repository_writer *writer = repository_write(place->repository, "import", NULL, NULL, NULL);
    if (!writer) {
        return false;
    }
    struct map_writer *map = map_writer_create(writer, 2 << 20);
    struct repository_disk disk = {.bytes = 2 << 20};
    bool ok = true;
    for (uint32_t i = 0; ok && i < 3; i++) {
        char *block = mover_block(0, seed * 100 + i);
        struct block_digest digest;
        block_digest(block, BLOCK_BYTES, &digest);
        char *said = mover_put(place, writer, &digest, block);
        ok = !said;
        free(said);
        map_writer_add(map, i, &digest);
        free(block);
    }
    struct repository_point point = {.plan = "shop", .vm = "new", .time = "2026-01-01T00:00:00Z",
                                     .utc_ms = parse_time("2026-01-01T00:00:00Z"), .disks = &disk,
                                     .disk_count = 1};
    ok = ok && map_writer_finish(map, &disk.map, &disk.blocks, NULL) &&
         repository_commit(writer, &point, NULL);
    map_writer_destroy(map);
    repository_writer_close(writer);
    return ok;
}

/* The writer's connection breaks at its Nth put, before or after that has happened, for every N. */
static void test_import_broken_off_anywhere(void **state)
{
    (void)state;
    for (int flaw = FLAW_LOST_REQUEST; flaw <= FLAW_LOST_ANSWER; flaw++) {
        bool done = false;
        int n = 0;
        for (; !done; n++) {
            struct mover_place *place = filled(MOVER_MEMORY);
            struct flaky_store *flaky = on_flaky(place);
            flaky->flaw = (enum flaw)flaw;
            flaky->puts = 0;
            flaky->after = n;
            flaky->next = -1;
            done = import(place, 50);
            mover_place_reopen(place, false, NULL);
            size_t there = mover_count(place, "points/shop/new/");
            assert_true(!done || there == 1);
            expect_sound(place, 6 + there); /* not there, or whole */
            mover_sleep(place, 120000);     /* its lease runs out */
            prune(place, (struct prune_options){0});
            expect_objects(place, 6 + there, 12 + 2 * there, 12 + 3 * there);
            expect_sound(place, 6 + there);
            assert_true(there || import(place, 50));
            expect_sound(place, 7);
            mover_place_destroy(place);
        }
        assert_true(n > 6); /* lease, three blocks, two maps, point */
    }
}

static void test_prune_broken_off_anywhere(void **state)
{
    (void)state;
    bool done = false;
    int n = 0;
    for (; !done; n++) {
        struct mover_place *place = filled(MOVER_MEMORY);
        struct flaky_store *flaky = on_flaky(place);
        struct arena *arena = arena_create();
        struct prune_result result;
        flaky->breaks = true;
        flaky->removals = n;
        done = repository_prune(place->repository, arena, &(struct prune_options){.keep_last = 2}, &result,
                                NULL);
        mover_place_reopen(place, false, NULL);
        expect_sound(place, mover_count(place, "points/"));
        prune(place, (struct prune_options){.keep_last = 2});
        expect_objects(place, 3, 6, 6);
        expect_sound(place, 3);
        arena_destroy(arena);
        mover_place_destroy(place);
    }
    assert_int_equal(n - 1, 3 + 6 + 6); /* points, maps, blocks */
}

static void stop_it(void *context, const char *what, uint64_t done, uint64_t of)
{
    (void)of;
    *(bool *)context = strcmp(what, "removing what nothing needs") == 0 && done > 20;
}

static void test_stopped(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    bool stop = false;
    char *message = refused(place, (struct prune_options){.keep_last = 2, .progress = stop_it,
                                                          .stop = &stop, .context = &stop});
    assert_string_equal(message, "pruning the repository test: stopped");
    free(message);
    expect_sound(place, 3);
    struct repository_writer *writer = mover_place_write(place); /* waits for nobody */
    repository_writer_close(writer);
    prune(place, (struct prune_options){.keep_last = 2});
    expect_objects(place, 3, 6, 6);
    mover_place_destroy(place);
}

/* --- memory --- */

static struct block_digest numbered(uint32_t i)
{
    struct block_digest digest;
    block_digest(&i, sizeof i, &digest);
    return digest;
}

static void test_digest_set(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    size_t covered = 0;
    int rounds = 0;
    for (unsigned first = 0, end; first < DIGEST_RANGES; first = end, rounds++) {
        struct digest_set *set = digest_set_create(first, 1 << 16); /* of 320 KB that all would take */
        for (uint32_t i = 0; i < MANY; i++) {
            struct block_digest digest = numbered(i);
            digest_set_add(set, &digest);
        }
        end = digest_set_end(set);
        for (uint32_t i = 0; i < MANY; i++) {
            struct block_digest digest = numbered(i), other = numbered(i + MANY);
            assert_int_equal(digest_set_has(set, &digest), digest_set_covers(set, &digest));
            assert_int_equal(digest_set_covers(set, &digest), digest.bytes[0] >= first && digest.bytes[0] < end);
            assert_false(digest_set_has(set, &other));
            assert_false(digest_set_add(set, &digest));
        }
        covered += digest_set_count(set);
        digest_set_destroy(set);
    }
    assert_int_equal(covered, MANY);
    assert_true(rounds > 4);
    struct digest_set *set = digest_set_create(0, 0);
    struct block_digest zero = {{0}};
    assert_false(digest_set_has(set, &zero));
    assert_true(digest_set_add(set, &zero));
    assert_false(digest_set_add(set, &zero));
    assert_true(digest_set_has(set, &zero));
    digest_set_destroy(set);
}

static void test_prune_in_rounds(void **state)
{
    (void)state;
    enum { BLOCKS = 5000 };
    char time[32];
    struct mover_place *place = filled(MOVER_MEMORY);
    uint64_t *indexes = calloc(BLOCKS, sizeof *indexes);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        indexes[i] = i * 7;
    }
    struct repository_writer *writer = mover_place_write(place);
    struct repository_disk disk = {.bytes = INT64_C(40) << 30, .blocks = BLOCKS};
    disk.map = mover_map(place, writer, disk.bytes, indexes, BLOCKS, 3);
    struct repository_point point = {.plan = "shop", .vm = "big", .disks = &disk, .disk_count = 1};
    point.time = mover_ago(place, time, 0);
    point.utc_ms = parse_time(time);
    assert_true(repository_commit(writer, &point, NULL));
    char *block = mover_block(1, 0);
    struct block_digest digest;
    block_digest(block, BLOCK_BYTES, &digest);
    assert_null(mover_put(place, writer, &digest, block));
    repository_writer_close(writer);
    struct prune_result result = prune(place, (struct prune_options){.memory_bytes = 1});
    assert_int_equal(result.kept_blocks, BLOCKS + 12);
    assert_int_equal(result.missing_blocks, BLOCKS); /* they were made up */
    assert_int_equal(result.blocks, 1);
    free(block);
    free(indexes);
    mover_place_destroy(place);
}

/* --- how often it asks --- */

/* Of 16 hexadecimal digits behind the folder's two, so that they are names of objects. */
static void put_garbage(struct mover_place *place, unsigned folder, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char key[128], name[65];
        snprintf(name, sizeof name, "%02x%062x", folder, i);
        snprintf(key, sizeof key, "blocks/%02x/%s", folder, name);
        put_text(place, key, "x");
    }
}

/* The lists that it asks for, of blocks and of maps. */
static int lists_of(struct mover_place *place, struct flaky_store *flaky, struct prune_options options)
{
    int before = flaky->lists;
    prune(place, options);
    return flaky->lists - before;
}

static struct flaky_store *counted(struct mover_place *place)
{
    struct flaky_store *flaky =
        flaky_store_create(place->world, mover_place_store(place));
    repository_close(place->repository);
    struct error error = {0};
    place->repository = repository_open(&flaky->store, place->world, "test", false, &error);
    assert_non_null(place->repository);
    return flaky;
}

static void test_few_lists(void **state)
{
    (void)state;
    struct mover_place *place = filled(MOVER_MEMORY);
    struct flaky_store *flaky = counted(place);
    /* Points, copies, writers; maps, blocks before and blocks after: each one probed, and listed. */
    assert_int_equal(lists_of(place, flaky, (struct prune_options){.keep_last = 2}), 3 + 3 * 2);
    expect_objects(place, 3, 6, 6);
    /* Where a folder has many, each sixteen of them, or each alone, are asked for. */
    put_garbage(place, 0, 300);
    assert_int_equal(lists_of(place, flaky, (struct prune_options){0}), 3 + 2 + 1 + 16);
    expect_objects(place, 3, 6, 6);
    put_garbage(place, 0, 4097);
    put_garbage(place, 255, 1);
    assert_int_equal(lists_of(place, flaky, (struct prune_options){0}), 3 + 2 + 1 + 256);
    expect_objects(place, 3, 6, 6);
    expect_sound(place, 3);
    mover_place_destroy(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_count),
        cmocka_unit_test(test_by_age),
        cmocka_unit_test(test_one_vm),
        cmocka_unit_test(test_dry_run_changes_nothing),
        cmocka_unit_test(test_garbage_goes),
        cmocka_unit_test(test_foreign_things_stay),
        cmocka_unit_test(test_maps_of_copies_stay),
        cmocka_unit_test(test_unreadable_copy_keeps_maps),
        cmocka_unit_test(test_newest_that_is_broken_keeps_older),
        cmocka_unit_test(test_unreadable_point_stops_it),
        cmocka_unit_test(test_unreadable_map_stops_it),
        cmocka_unit_test(test_writer_under_way_is_named),
        cmocka_unit_test(test_waits_for_a_writer),
        cmocka_unit_test(test_writer_waits_for_prune),
        cmocka_unit_test(test_only_one_prune),
        cmocka_unit_test(test_lease_of_the_dead),
        cmocka_unit_test(test_writer_that_lost_its_lease),
        cmocka_unit_test(test_point_that_came_too_late),
        cmocka_unit_test(test_import_broken_off_anywhere),
        cmocka_unit_test(test_prune_broken_off_anywhere),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_digest_set),
        cmocka_unit_test(test_prune_in_rounds),
        cmocka_unit_test(test_few_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
