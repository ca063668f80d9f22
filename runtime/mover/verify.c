#include "runtime/mover/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/digest_set.h"
#include "runtime/mover/map_form.h"
#include "runtime/mover/map_walk.h"
#include "runtime/mover/repository_state.h"

enum { CHECKS_AT_ONCE = 32 };

/* A block that is not what it should be. */
struct bad {
    struct block_digest digest;
    const char *text;
};

struct check {
    struct verify *verify;
    bool busy;
    struct block_digest digest;
    char *room; /* BLOCK_BYTES */
};

struct verify {
    struct repository *repository;
    struct arena *arena;
    const struct verify_options *options;
    struct verify_result *result;
    struct map_walk_root *roots;
    const struct repository_point **points; /* of each root */
    size_t *disks;                          /* of each root */
    size_t root_count, problem_capacity;
    struct check checks[CHECKS_AT_ONCE];
    size_t under_way;
    bool one_is_free;
    struct bad *bad;
    size_t bad_count, bad_capacity;
    struct digest_set *all_bad; /* more of them than have a text */
    bool broken_map;
};

/* --- checking blocks --- */

static void note_bad(struct verify *verify, const struct block_digest *digest, const char *text)
{
    if (digest_set_add(verify->all_bad, digest) && verify->bad_count < VERIFY_PROBLEMS_MAX) {
        verify->bad = arena_grow(verify->arena, verify->bad, verify->bad_count,
                                 &verify->bad_capacity, sizeof *verify->bad);
        verify->bad[verify->bad_count++] =
            (struct bad){.digest = *digest, .text = arena_strdup(verify->arena, text)};
    }
}

static void checked(void *context, const struct error *error)
{
    struct check *check = context;
    struct verify *verify = check->verify;
    check->busy = false;
    verify->under_way--;
    verify->one_is_free = true;
    if (error) {
        note_bad(verify, &check->digest, error->message);
    }
    verify->result->blocks++;
    if (verify->options->progress && verify->result->blocks % 256 == 0) {
        verify->options->progress(verify->options->context, verify->result->blocks);
    }
}

static void await_free(struct verify *verify)
{
    verify->one_is_free = false;
    world_run(verify->repository->world, &verify->one_is_free);
}

static void begin_check(struct verify *verify, const struct block_digest *digest)
{
    if (verify->under_way == CHECKS_AT_ONCE) {
        await_free(verify);
    }
    struct check *check = verify->checks;
    while (check->busy) {
        check++;
    }
    if (!check->room) {
        check->room = base_realloc(NULL, BLOCK_BYTES);
    }
    check->verify = verify;
    check->busy = true;
    check->digest = *digest;
    verify->under_way++;
    repository_get_block(verify->repository, digest, check->room, checked, check);
}

/* A digest's bytes are as good as random; the seed picks others of them. */
bool verify_is_sampled(double sample, uint64_t seed, const struct block_digest *digest)
{
    uint64_t x;
    memcpy(&x, digest->bytes + 24, sizeof x);
    x = (x ^ seed) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return sample >= 1 || (double)(x >> 11) < sample * 9007199254740992.0;
}

static void check_segment(struct verify *verify, struct digest_set *blocks, bool checking,
                          const struct map_walk_segment *segment)
{
    for (uint32_t i = 0; i < segment->blocks; i++) {
        struct segment_entry entry;
        segment_entry(segment->object, i, &entry);
        if (digest_set_add(blocks, &entry.digest) && checking &&
            verify_is_sampled(verify->options->sample, verify->options->seed, &entry.digest)) {
            begin_check(verify, &entry.digest);
        }
    }
}

/* Over all maps: checks the blocks of the set's part that are not in it yet, or only adds them. */
static void go_over(struct verify *verify, struct digest_set *blocks, bool checking)
{
    struct digest_set *seen = digest_set_create(0, SIZE_MAX / 4);
    struct map_walk *walk =
        map_walk_create(verify->repository, verify->roots, verify->root_count, seen);
    struct map_walk_segment segment;
    verify->result->segments = 0;
    while (map_walk_next(walk, &segment)) {
        if (segment.object) {
            verify->result->segments++;
            check_segment(verify, blocks, checking, &segment);
        } else {
            verify->broken_map = true;
        }
    }
    while (verify->under_way > 0) {
        await_free(verify);
    }
    map_walk_destroy(walk);
    digest_set_destroy(seen);
}

/* How far one round's memory goes is known when all maps were gone over. */
static void check_all(struct verify *verify)
{
    size_t memory = verify->options->memory_bytes ? verify->options->memory_bytes
                                                  : (size_t)VERIFY_MEMORY_MIB << 20;
    for (unsigned first = 0, end; first < DIGEST_RANGES; first = end) {
        struct digest_set *blocks = digest_set_create(first, memory);
        go_over(verify, blocks, false);
        end = digest_set_end(blocks);
        digest_set_destroy(blocks);
        blocks = digest_set_create(first, memory);
        digest_set_limit(blocks, end);
        go_over(verify, blocks, true);
        digest_set_destroy(blocks);
    }
}

/* --- naming what is broken --- */

static void add_problem(struct verify *verify, const struct repository_point *point, size_t disk,
                        int64_t offset, const char *text)
{
    struct verify_result *result = verify->result;
    result->problems_in_all++;
    if (result->problem_count == VERIFY_PROBLEMS_MAX) {
        return;
    }
    result->problems = arena_grow(verify->arena, result->problems, result->problem_count,
                                  &verify->problem_capacity, sizeof *result->problems);
    result->problems[result->problem_count++] =
        (struct verify_problem){.plan = point ? point->plan : NULL,
                                .vm = point ? point->vm : NULL,
                                .time = point ? point->time : NULL,
                                .disk = disk,
                                .offset = offset,
                                .text = arena_strdup(verify->arena, text)};
}

static const char *text_of(const struct verify *verify, const struct block_digest *digest)
{
    for (size_t i = 0; i < verify->bad_count; i++) {
        if (block_digest_equal(&verify->bad[i].digest, digest)) {
            return verify->bad[i].text;
        }
    }
    return "a block is missing or broken";
}

static void name_segment(struct verify *verify, const struct map_walk_segment *segment)
{
    const struct repository_point *point = verify->points[segment->root];
    size_t disk = verify->disks[segment->root];
    int64_t base = (int64_t)segment->number * SEGMENT_BLOCKS * BLOCK_BYTES;
    if (!segment->object) {
        bool all = block_digest_equal(&segment->digest, &verify->roots[segment->root].digest);
        add_problem(verify, point, disk, all ? -1 : base, segment->problem->message);
        return;
    }
    for (uint32_t i = 0; i < segment->blocks; i++) {
        struct segment_entry entry;
        segment_entry(segment->object, i, &entry);
        if (digest_set_has(verify->all_bad, &entry.digest)) {
            add_problem(verify, point, disk, base + (int64_t)entry.block * BLOCK_BYTES,
                        text_of(verify, &entry.digest));
        }
    }
}

/* Every recovery point that has something broken: once more over all maps, now each in every one.
 */
static void name_all(struct verify *verify)
{
    struct map_walk *walk =
        map_walk_create(verify->repository, verify->roots, verify->root_count, NULL);
    struct map_walk_segment segment;
    while (map_walk_next(walk, &segment)) {
        name_segment(verify, &segment);
    }
    map_walk_destroy(walk);
}

/* --- all of it --- */

static bool choose(struct verify *verify, struct error *error)
{
    struct repository_points points;
    const struct verify_options *options = verify->options;
    if (!repository_list(verify->repository, verify->arena, options->plan, options->vm, &points,
                         error)) {
        return false;
    }
    int64_t wanted_utc_ms = options->time ? parse_time(options->time) : 0;
    size_t disks = 0;
    for (size_t i = 0; i < points.count; i++) {
        disks += points.items[i].disk_count;
    }
    verify->roots = ARENA_ARRAY(verify->arena, struct map_walk_root, disks + 1);
    verify->points = ARENA_ARRAY(verify->arena, const struct repository_point *, disks + 1);
    verify->disks = ARENA_ARRAY(verify->arena, size_t, disks + 1);
    for (size_t i = 0; i < points.count; i++) {
        const struct repository_point *point = &points.items[i];
        bool meant = !options->time || point->utc_ms == wanted_utc_ms;
        verify->result->points += meant;
        for (size_t disk = 0; meant && disk < point->disk_count; disk++) {
            verify->points[verify->root_count] = point;
            verify->disks[verify->root_count] = disk;
            verify->roots[verify->root_count++] =
                (struct map_walk_root){point->disks[disk].map, point->disks[disk].bytes};
        }
    }
    verify->result->disks = verify->root_count;
    for (size_t i = 0; i < points.damaged_count; i++) {
        add_problem(verify, NULL, 0, -1, points.damaged[i]);
    }
    return true;
}

bool repository_verify(struct repository *repository, struct arena *arena,
                       const struct verify_options *options, struct verify_result *result,
                       struct error *error)
{
    struct verify verify = {
        .repository = repository, .arena = arena, .options = options, .result = result};
    *result = (struct verify_result){0};
    if (!choose(&verify, error)) {
        return false;
    }
    verify.all_bad = digest_set_create(0, SIZE_MAX / 4);
    check_all(&verify);
    if (verify.broken_map || digest_set_count(verify.all_bad) > 0) {
        name_all(&verify);
    }
    for (size_t i = 0; i < CHECKS_AT_ONCE; i++) {
        free(verify.checks[i].room);
    }
    digest_set_destroy(verify.all_bad);
    return true;
}
