#include "tests/unit/support/mover_place.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/state_directory.h"

struct store *mover_place_store(struct mover_place *place)
{
    return place->kind == MOVER_MEMORY
               ? store_memory_open(place->world, place->memory)
               : store_directory_create_lazy(place->world, place->directory, NULL);
}

struct mover_place *mover_place_create(enum mover_kind kind)
{
    struct mover_place *place = base_alloc(sizeof *place);
    place->kind = kind;
    place->world = kind == MOVER_DIRECTORY_REAL ? world_real_create(NULL) : quiet_world(1);
    place->memory = store_memory_create();
    assert_int_equal(state_directory_make(&place->directory), 0);
    struct error error = {0};
    mover_place_reopen(place, true, &error);
    assert_null(error.message);
    return place;
}

void mover_place_reopen(struct mover_place *place, bool create, struct error *error)
{
    repository_close(place->repository);
    place->repository =
        repository_open(mover_place_store(place), place->world, "test", create, error);
}

void mover_place_destroy(struct mover_place *place)
{
    repository_close(place->repository);
    store_memory_destroy(place->memory);
    world_destroy(place->world);
    state_directory_remove(&place->directory);
    free(place);
}

struct repository_writer *mover_place_write(struct mover_place *place)
{
    struct error error = {0};
    struct repository_writer *writer =
        repository_write(place->repository, "a test", NULL, NULL, &error);
    assert_null(error.message);
    assert_non_null(writer);
    return writer;
}

char *mover_block(int kind, uint32_t seed)
{
    unsigned char *block = base_alloc(BLOCK_BYTES);
    uint32_t x = seed * 2654435761u + 12345;
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        x = x * 1664525u + 1013904223u;
        bool random = kind == 0 || (kind == 2 && i < BLOCK_BYTES / 2);
        block[i] = random ? (unsigned char)(x >> 24) : kind == 1 ? (unsigned char)("drc\n"[i % 4]) : 0;
    }
    if (kind == 3) {
        block[seed % BLOCK_BYTES] = 1;
    }
    return (char *)block;
}

size_t mover_count(struct mover_place *place, const char *prefix)
{
    struct arena *arena = arena_create();
    const char **keys;
    size_t count = 0;
    assert_int_equal(store_list_now(repository_store(place->repository), place->world, prefix, "",
                                    arena, &keys, &count, NULL),
                     STORE_OK);
    arena_destroy(arena);
    return count;
}

static void set(void *context)
{
    *(bool *)context = true;
}

void mover_sleep(struct mover_place *place, int64_t ms)
{
    bool over = false;
    world_timer(place->world, ms, set, &over);
    world_run(place->world, &over);
}

const char *mover_ago(struct mover_place *place, char out[32], int64_t ms)
{
    return format_time(out, world_utc_ms(place->world) - ms);
}

struct outcome {
    bool over;
    char *said;
};

static void note(void *context, const struct error *error)
{
    struct outcome *outcome = context;
    assert_false(outcome->over);
    outcome->over = true;
    outcome->said = error ? base_strdup(error->message) : NULL;
}

char *mover_put(struct mover_place *place, struct repository_writer *writer,
                const struct block_digest *digest, const void *bytes)
{
    struct outcome outcome = {0};
    repository_put_block(writer, digest, bytes, note, &outcome);
    assert_false(outcome.over);
    world_run(place->world, &outcome.over);
    assert_true(outcome.over);
    return outcome.said;
}

/* The other way says the same. */
static void check_within(struct mover_place *place, const struct block_digest *digest,
                         const void *expected, const char *said)
{
    struct outcome outcome = {0};
    char *room = base_alloc(REPOSITORY_ROOM);
    repository_get_block_within(place->repository, digest, room, note, &outcome);
    assert_false(outcome.over);
    world_run(place->world, &outcome.over);
    assert_true(outcome.over);
    if (said) {
        assert_string_equal(outcome.said, said);
    } else {
        assert_null(outcome.said);
        assert_memory_equal(room + REPOSITORY_ROOM_AHEAD, expected, BLOCK_BYTES);
    }
    free(outcome.said);
    free(room);
}

char *mover_get(struct mover_place *place, const struct block_digest *digest, void *into)
{
    struct outcome outcome = {0};
    repository_get_block(place->repository, digest, into, note, &outcome);
    assert_false(outcome.over);
    world_run(place->world, &outcome.over);
    assert_true(outcome.over);
    check_within(place, digest, into, outcome.said);
    return outcome.said;
}

struct block_digest mover_map(struct mover_place *place, struct repository_writer *writer,
                              int64_t disk_bytes, const uint64_t *indexes, size_t count, int seed)
{
    (void)place;
    struct map_writer *map = map_writer_create(writer, disk_bytes);
    struct block_digest root;
    uint64_t blocks;
    struct error error = {0};
    for (size_t i = 0; i < count; i++) {
        struct block_digest digest;
        uint64_t made_of[2] = {indexes[i], (uint64_t)seed};
        block_digest(made_of, sizeof made_of, &digest);
        map_writer_add(map, indexes[i], &digest);
    }
    assert_true(map_writer_finish(map, &root, &blocks, &error));
    assert_int_equal(blocks, count);
    map_writer_destroy(map);
    return root;
}

enum map_step mover_step(struct mover_place *place, struct map_cursor *cursor,
                         struct block_entry *entry)
{
    for (;;) {
        bool ready = false;
        enum map_step step = map_cursor_next(cursor, entry, set, &ready);
        if (step != MAP_PENDING) {
            return step;
        }
        assert_false(ready);
        world_run(place->world, &ready);
        assert_true(ready);
    }
}

void mover_expect_map(struct mover_place *place, const struct block_digest *root,
                      const struct block_digest *old, int64_t disk_bytes, const char *expected)
{
    struct map_cursor *cursor = map_cursor_create(place->repository, root, old, disk_bytes);
    struct block_entry entry;
    struct buffer text = {0};
    enum map_step step;
    while ((step = mover_step(place, cursor, &entry)) == MAP_ENTRY) {
        buffer_printf(&text, "%s%s%" PRIu64, text.length ? " " : "", entry.zero ? "-" : "", entry.index);
    }
    assert_int_equal(step, MAP_END);
    assert_string_equal(buffer_text(&text), expected);
    buffer_free(&text);
    map_cursor_destroy(cursor);
}

struct block_digest mover_commit(struct mover_place *place, struct repository_writer *writer,
                                 const char *plan, const char *vm, const char *time, uint32_t seed)
{
    struct repository_disk disk = {.bytes = 2 << 20, .controller = "pvscsi"};
    struct map_writer *map = map_writer_create(writer, disk.bytes);
    struct error error = {0};
    for (uint32_t i = 0; i < 4; i += 2) {
        char *block = mover_block(0, seed * 100 + i);
        struct block_digest digest;
        block_digest(block, BLOCK_BYTES, &digest);
        assert_null(mover_put(place, writer, &digest, block));
        map_writer_add(map, i, &digest);
        free(block);
    }
    assert_true(map_writer_finish(map, &disk.map, &disk.blocks, &error));
    map_writer_destroy(map);
    struct repository_point point = {.plan = plan, .vm = vm, .time = time, .utc_ms = parse_time(time),
                                     .disks = &disk, .disk_count = 1, .made_by = "test"};
    if (!repository_commit(writer, &point, &error)) {
        fail_msg("%s", error.message);
    }
    return disk.map;
}
