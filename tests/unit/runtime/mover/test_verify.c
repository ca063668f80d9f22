/* Verify: everything that can be wrong is found, and named. */
#include "runtime/mover/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/repository_state.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/mover_place.h"

#define T1 "2026-11-22T10:00:00Z"
#define T2 "2026-11-22T11:00:00Z"

struct fixture {
    struct mover_place *place;
    struct arena *arena;
    struct verify_result result;
};

static struct fixture fixture_make(void)
{
    struct fixture fixture = {.place = mover_place_create(MOVER_MEMORY), .arena = arena_create()};
    struct repository_writer *writer = mover_place_write(fixture.place);
    mover_commit(fixture.place, writer, "shop", "db", T1, 1);
    mover_commit(fixture.place, writer, "shop", "db", T2, 1); /* the same blocks */
    mover_commit(fixture.place, writer, "shop", "web", T1, 2);
    repository_writer_close(writer);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    mover_place_destroy(fixture->place);
    arena_destroy(fixture->arena);
}

static void verify(struct fixture *fixture, struct verify_options options)
{
    struct error error = {0};
    options.sample = options.sample > 0 ? options.sample : 1;
    if (!repository_verify(fixture->place->repository, fixture->arena, &options, &fixture->result, &error)) {
        fail_msg("%s", error.message);
    }
}

/* Block `index` of what mover_commit made by `seed`. */
static const char *key_of_block(char key[OBJECT_KEY_MAX], uint32_t seed, uint32_t index)
{
    char *block = mover_block(0, seed * 100 + index);
    struct block_digest digest;
    block_digest(block, BLOCK_BYTES, &digest);
    object_key(key, "blocks", &digest);
    free(block);
    return key;
}

/* What lies there, changed by `alter`. */
static void alter(struct fixture *fixture, const char *key, void (*how)(char *bytes, size_t *length))
{
    struct store *store = repository_store(fixture->place->repository);
    void *bytes;
    size_t length;
    assert_int_equal(store_get_now(store, fixture->place->world, key, &bytes, &length, NULL, NULL), STORE_OK);
    how(bytes, &length);
    assert_int_equal(store_put_now(store, fixture->place->world, key, bytes, length, STORE_ALWAYS, NULL, NULL),
                     STORE_OK);
    free(bytes);
}

static void flip(char *bytes, size_t *length)
{
    bytes[*length / 2] ^= 1;
}

static void cut(char *bytes, size_t *length)
{
    (void)bytes;
    *length = *length / 2;
}

static void empty(char *bytes, size_t *length)
{
    (void)bytes;
    *length = 0;
}

static void of_a_later_version(char *bytes, size_t *length)
{
    (void)length;
    bytes[4] = 2;
}

static void foreign(char *bytes, size_t *length)
{
    (void)length;
    memcpy(bytes, "PK\3\4", 4);
}

static void test_sound(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    verify(&fixture, (struct verify_options){0});
    assert_int_equal(fixture.result.points, 3);
    assert_int_equal(fixture.result.disks, 3);
    assert_int_equal(fixture.result.blocks, 4);   /* each once */
    assert_int_equal(fixture.result.segments, 2); /* likewise */
    assert_int_equal(fixture.result.problem_count, 0);
    verify(&fixture, (struct verify_options){.vm = "web"});
    assert_int_equal(fixture.result.blocks, 2);
    verify(&fixture, (struct verify_options){.time = T2});
    assert_int_equal(fixture.result.points, 1);
    fixture_free(&fixture);
}

static void expect_block_problem(void (*how)(char *bytes, size_t *length), const char *text)
{
    char key[OBJECT_KEY_MAX];
    struct fixture fixture = fixture_make();
    alter(&fixture, key_of_block(key, 1, 2), how);
    verify(&fixture, (struct verify_options){0});
    assert_int_equal(fixture.result.problem_count, 2); /* both recovery points of db have it */
    const struct verify_problem *problem = &fixture.result.problems[1];
    assert_string_equal(problem->plan, "shop");
    assert_string_equal(problem->vm, "db");
    assert_string_equal(problem->time, T2);
    assert_int_equal(problem->disk, 0);
    assert_int_equal(problem->offset, 2 * BLOCK_BYTES);
    char expected[256];
    snprintf(expected, sizeof expected, "reading %s in test: %s", key, text);
    assert_string_equal(problem->text, expected);
    fixture_free(&fixture);
}

static void test_broken_blocks(void **state)
{
    (void)state;
    expect_block_problem(flip, "its bytes are not those that its name says (SHA-256)");
    expect_block_problem(cut, "it holds 262138 bytes, not 524288");
    expect_block_problem(empty, "it is cut off (0 bytes)");
    expect_block_problem(of_a_later_version,
                         "it is of a form that this drc does not know (version 2, codec 0)");
    expect_block_problem(foreign, "it is no block of a repository");
}

static void test_missing_block(void **state)
{
    (void)state;
    char key[OBJECT_KEY_MAX];
    struct fixture fixture = fixture_make();
    store_remove_now(repository_store(fixture.place->repository), fixture.place->world,
                     key_of_block(key, 2, 0), NULL);
    verify(&fixture, (struct verify_options){0});
    assert_int_equal(fixture.result.problem_count, 1);
    assert_string_equal(fixture.result.problems[0].vm, "web");
    assert_int_equal(fixture.result.problems[0].offset, 0);
    assert_non_null(strstr(fixture.result.problems[0].text, "it is missing"));
    fixture_free(&fixture);
}

/* The root, or the segment, of web's map. */
static void map_key(struct fixture *fixture, char key[OBJECT_KEY_MAX], bool root)
{
    struct repository_points points;
    assert_true(repository_list(fixture->place->repository, fixture->arena, "shop", "web", &points, NULL));
    const char **keys;
    size_t count;
    char root_key[OBJECT_KEY_MAX], db_root[OBJECT_KEY_MAX];
    object_key(root_key, "maps", &points.items[0].disks[0].map);
    object_key(key, "maps", &points.items[0].disks[0].map);
    if (root) {
        return;
    }
    assert_true(repository_list(fixture->place->repository, fixture->arena, "shop", "db", &points, NULL));
    object_key(db_root, "maps", &points.items[0].disks[0].map);
    assert_true(repository_list_keys(fixture->place->repository, fixture->arena, "maps/", &keys, &count, NULL));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        void *bytes;
        size_t length;
        store_get_now(repository_store(fixture->place->repository), fixture->place->world, keys[i], &bytes,
                      &length, NULL, NULL);
        if (memcmp(bytes, "DRCS", 4) == 0) {
            snprintf(key, OBJECT_KEY_MAX, "%s", keys[i]); /* of one of them */
        }
        free(bytes);
    }
}

static void test_broken_maps(void **state)
{
    (void)state;
    char key[OBJECT_KEY_MAX];
    struct fixture fixture = fixture_make();
    map_key(&fixture, key, true);
    alter(&fixture, key, cut);
    verify(&fixture, (struct verify_options){0});
    assert_int_equal(fixture.result.problem_count, 1);
    assert_string_equal(fixture.result.problems[0].vm, "web");
    assert_int_equal(fixture.result.problems[0].offset, -1);
    assert_int_equal(fixture.result.blocks, 2);
    map_key(&fixture, key, false);
    store_remove_now(repository_store(fixture.place->repository), fixture.place->world, key, NULL);
    verify(&fixture, (struct verify_options){0});
    assert_true(fixture.result.problem_count >= 1);
    fixture_free(&fixture);
}

static void test_damaged_point(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    alter(&fixture, "points/shop/db/20261122T100000Z", flip);
    verify(&fixture, (struct verify_options){0});
    assert_int_equal(fixture.result.points, 2);
    assert_int_equal(fixture.result.problem_count, 1);
    assert_null(fixture.result.problems[0].vm);
    assert_non_null(strstr(fixture.result.problems[0].text, "points/shop/db/20261122T100000Z in test: "));
    fixture_free(&fixture);
}

static void test_sample(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    uint64_t checked[2] = {0};
    struct repository_writer *writer = mover_place_write(fixture.place);
    for (uint32_t i = 10; i < 60; i++) {
        char time[32];
        mover_commit(fixture.place, writer, "shop", "many", format_time(time, INT64_C(86400000) * i), i);
    }
    repository_writer_close(writer);
    for (uint64_t seed = 0; seed < 2; seed++) {
        verify(&fixture, (struct verify_options){.sample = 0.3, .seed = seed, .vm = "many"});
        checked[seed] = fixture.result.blocks;
        assert_in_range(checked[seed], 15, 50); /* of 100 */
        verify(&fixture, (struct verify_options){.sample = 0.3, .seed = seed, .vm = "many"});
        assert_int_equal(fixture.result.blocks, checked[seed]);
    }
    fixture_free(&fixture);
}

static void test_in_rounds(void **state)
{
    (void)state;
    enum { BLOCKS = 3000 };
    struct fixture fixture = fixture_make();
    uint64_t *indexes = calloc(BLOCKS, sizeof *indexes);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        indexes[i] = i * 5;
    }
    struct repository_writer *writer = mover_place_write(fixture.place);
    struct repository_disk disk = {.bytes = INT64_C(40) << 30, .blocks = BLOCKS};
    disk.map = mover_map(fixture.place, writer, disk.bytes, indexes, BLOCKS, 3);
    struct repository_point point = {.plan = "shop", .vm = "big", .time = T1, .utc_ms = parse_time(T1),
                                     .disks = &disk, .disk_count = 1};
    assert_true(repository_commit(writer, &point, NULL));
    repository_writer_close(writer);
    verify(&fixture, (struct verify_options){.memory_bytes = 1});
    assert_int_equal(fixture.result.blocks, BLOCKS + 4);
    assert_int_equal(fixture.result.problems_in_all, BLOCKS); /* they were made up */
    assert_int_equal(fixture.result.problem_count, VERIFY_PROBLEMS_MAX);
    free(indexes);
    fixture_free(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),         cmocka_unit_test(test_broken_blocks),
        cmocka_unit_test(test_missing_block), cmocka_unit_test(test_broken_maps),
        cmocka_unit_test(test_damaged_point), cmocka_unit_test(test_sample),
        cmocka_unit_test(test_in_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
