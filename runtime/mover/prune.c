#include "runtime/mover/prune.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/digest_set.h"
#include "runtime/mover/map_form.h"
#include "runtime/mover/map_walk.h"
#include "runtime/mover/point_form.h"
#include "runtime/mover/repository_locks.h"
#include "runtime/mover/repository_state.h"

enum {
    REMOVES_AT_ONCE = 32,
    KEYS_AT_ONCE = 65536, /* about, that are listed into memory: some 8 MiB */
};

struct prune {
    struct repository *repository;
    struct arena *arena;
    const struct prune_options *options;
    struct prune_result *result;
    struct prune_lock *lock;              /* NULL: dry run */
    struct map_walk_root *roots;          /* of the points that stay */
    struct map_walk_root *copies;         /* of copies that stay */
    const struct repository_point **kept; /* of each root */
    size_t root_count, copy_count;
    const char **gone_copies; /* snapshots */
    struct error *error;
};

static void progress(struct prune *prune, const char *what, uint64_t done, uint64_t of)
{
    if (prune->options->progress) {
        prune->options->progress(prune->options->context, what, done, of);
    }
}

/* Asked to end. What is removed so far is removed; the rest is as sound as before. */
static bool is_stopped(struct prune *prune)
{
    if (!prune->options->stop || !*prune->options->stop) {
        return false;
    }
    error_set(prune->error, "pruning the repository %s: stopped", prune->repository->name);
    error_help(prune->error, "nothing is broken by that; the same command goes on");
    return true;
}

/* Before each removal. */
static bool may_remove(struct prune *prune)
{
    return !is_stopped(prune) && prune_lock_is_sure(prune->lock, prune->error);
}

/* --- which points go --- */

static bool is_meant(const struct prune_options *options, const struct repository_point *point)
{
    return (!options->plan || strcmp(options->plan, point->plan) == 0) &&
           (!options->vm || strcmp(options->vm, point->vm) == 0);
}

/* `younger`: how many of its VM are newer. */
static bool goes(const struct prune_options *options, const struct repository_point *point,
                 size_t younger, int64_t now_utc_ms)
{
    bool by_age = options->keep_ms > 0, by_count = options->keep_last > 0;
    if (younger == 0 || !is_meant(options, point) || (!by_age && !by_count)) {
        return false;
    }
    return !(by_age && now_utc_ms - point->utc_ms <= options->keep_ms) &&
           !(by_count && (int64_t)younger < options->keep_last);
}

static bool is_same_vm(const struct repository_point *a, const struct repository_point *b)
{
    return strcmp(a->plan, b->plan) == 0 && strcmp(a->vm, b->vm) == 0;
}

/* What it needs cannot be known, and must not be lost before somebody has looked. */
static void refuse_damaged(const struct repository *repository,
                           const struct repository_points *points, struct error *error)
{
    error_set(error, "pruning the repository %s: %s", repository->name, points->damaged[0]);
    error_help(error,
               "which blocks it needs cannot be known, so none is removed: bring that object "
               "back, or remove it when the recovery point is given up (%zu like that)",
               points->damaged_count);
}

static void add_roots(struct prune *prune, const struct repository_point *point)
{
    for (size_t i = 0; i < point->disk_count; i++) {
        prune->kept[prune->root_count] = point;
        prune->roots[prune->root_count++] =
            (struct map_walk_root){point->disks[i].map, point->disks[i].bytes};
    }
}

static bool choose_points(struct prune *prune)
{
    struct repository_points points;
    struct prune_result *result = prune->result;
    if (!repository_list(prune->repository, prune->arena, NULL, NULL, &points, prune->error)) {
        return false;
    }
    if (points.damaged_count) {
        refuse_damaged(prune->repository, &points, prune->error);
        return false;
    }
    size_t disks = 0;
    for (size_t i = 0; i < points.count; i++) {
        disks += points.items[i].disk_count;
    }
    struct repository_point *gone =
        ARENA_ARRAY(prune->arena, struct repository_point, points.count + 1);
    prune->roots = ARENA_ARRAY(prune->arena, struct map_walk_root, disks + 1);
    prune->kept = ARENA_ARRAY(prune->arena, const struct repository_point *, disks + 1);
    prune->root_count = result->point_count = 0;
    int64_t now = world_utc_ms(prune->repository->world);
    for (size_t i = points.count, younger = 0; i-- > 0;) {
        const struct repository_point *point = &points.items[i];
        younger = i + 1 < points.count && is_same_vm(point, &points.items[i + 1]) ? younger + 1 : 0;
        if (goes(prune->options, point, younger, now)) {
            gone[points.count - ++result->point_count] = *point;
        } else {
            add_roots(prune, point);
        }
    }
    result->points = gone + points.count - result->point_count;
    result->kept_count = points.count - result->point_count;
    return true;
}

static struct prune begin(struct repository *repository, struct arena *arena,
                          const struct prune_options *options, struct prune_result *result,
                          struct error *error)
{
    *result = (struct prune_result){0};
    return (struct prune){.repository = repository,
                          .arena = arena,
                          .options = options,
                          .result = result,
                          .error = error};
}

bool repository_prune_points(struct repository *repository, struct arena *arena,
                             const struct prune_options *options, struct prune_result *result,
                             struct error *error)
{
    struct prune prune = begin(repository, arena, options, result, error);
    return choose_points(&prune);
}

static bool is_live(const struct prune_options *options, const char *snapshot_id)
{
    for (size_t i = 0; i < options->live_snapshot_count; i++) {
        if (strcmp(options->live_snapshots[i], snapshot_id) == 0) {
            return true;
        }
    }
    return !options->live_snapshots;
}

static bool choose_copies(struct prune *prune)
{
    struct repository_copies found;
    if (!repository_list_copies(prune->repository, prune->arena, NULL, &found, prune->error)) {
        return false;
    }
    prune->result->damaged_copies = found.damaged;
    prune->result->damaged_copy_count = found.damaged_count;
    prune->copies = ARENA_ARRAY(prune->arena, struct map_walk_root, found.count + 1);
    prune->gone_copies = ARENA_ARRAY(prune->arena, const char *, found.count + 1);
    for (size_t i = 0; i < found.count; i++) {
        const struct repository_copy *copy = &found.copies[i];
        const char *plan = prune->options->plan;
        bool meant = !plan || strcmp(plan, copy->plan) == 0;
        if (!meant || is_live(prune->options, copy->snapshot_id)) {
            prune->copies[prune->copy_count++] = (struct map_walk_root){copy->map, copy->disk_bytes};
        } else {
            prune->gone_copies[prune->result->copies++] = copy->snapshot_id;
        }
    }
    return true;
}

/* --- removing --- */

struct removal {
    struct prune *prune;
    size_t under_way;
    bool over, failed;
};

static void removed(void *context, const struct store_result *result)
{
    struct removal *removal = context;
    removal->under_way--;
    if (result->outcome == STORE_FAILED && !removal->failed) {
        removal->failed = true;
        repository_store_error(removal->prune->repository, result->error, removal->prune->error);
    }
    removal->over = true; /* one more may go */
}

/* Of keys that nobody needs. */
static bool remove_all(struct prune *prune, const char *const *keys, size_t count)
{
    struct removal removal = {.prune = prune};
    struct store *store = prune->repository->store;
    size_t next = 0;
    while ((next < count && !removal.failed) || removal.under_way > 0) {
        while (next < count && !removal.failed && removal.under_way < REMOVES_AT_ONCE) {
            removal.failed = !may_remove(prune);
            if (!removal.failed) {
                removal.under_way++;
                store->remove(store, keys[next++], removed, &removal);
            }
        }
        removal.over = removal.under_way == 0;
        world_run(prune->repository->world, &removal.over);
    }
    return !removal.failed;
}

static bool remove_points(struct prune *prune)
{
    const struct prune_result *result = prune->result;
    const char **keys = ARENA_ARRAY(prune->arena, const char *, result->point_count + 1);
    for (size_t i = 0; i < result->point_count; i++) {
        char key[POINT_KEY_MAX];
        point_key(key, &result->points[i]);
        keys[i] = arena_strdup(prune->arena, key);
    }
    return remove_all(prune, keys, result->point_count);
}

static bool remove_copies(struct prune *prune)
{
    for (size_t i = 0; i < prune->result->copies; i++) {
        if (!may_remove(prune) ||
            !repository_remove_copy(prune->repository, prune->gone_copies[i], prune->error)) {
            return false;
        }
    }
    return true;
}

/* --- what is needed --- */

static bool refuse_map(struct prune *prune, const struct map_walk_segment *segment)
{
    const struct repository_point *point = prune->kept[segment->root];
    error_set(prune->error, "pruning the repository %s: the recovery point %s of %s/%s: %s",
              prune->repository->name, point->time, point->plan, point->vm,
              segment->problem->message);
    return error_help(
        prune->error,
        "which blocks it needs cannot be known, so none is removed: bring that object back, or "
        "remove the recovery point when it is given up (its object is points/%s/%s/…)",
        point->plan, point->vm);
}

/* The blocks that stay, of the set's part. */
static bool mark_blocks(struct prune *prune, struct digest_set *blocks)
{
    struct digest_set *seen = digest_set_create(0, SIZE_MAX / 4);
    struct map_walk *walk =
        map_walk_create(prune->repository, prune->roots, prune->root_count, seen);
    struct map_walk_segment segment;
    bool ok = true;
    while (ok && map_walk_next(walk, &segment)) {
        ok = !is_stopped(prune) && (segment.object || refuse_map(prune, &segment));
        for (uint32_t i = 0; ok && i < segment.blocks; i++) {
            struct segment_entry entry;
            segment_entry(segment.object, i, &entry);
            digest_set_add(blocks, &entry.digest);
        }
        progress(prune, "reading block maps", segment.root, prune->root_count);
    }
    map_walk_destroy(walk);
    digest_set_destroy(seen);
    return ok;
}

/* All maps that stay. Of a copy whose map is broken nothing is needed: its next is a whole one. */
static bool mark_maps(struct prune *prune, struct digest_set *maps)
{
    struct map_walk *walk =
        map_walk_create(prune->repository, prune->roots, prune->root_count, maps);
    struct map_walk_segment segment;
    bool ok = true;
    while (ok && map_walk_next(walk, &segment)) {
        ok = segment.object || refuse_map(prune, &segment);
    }
    map_walk_destroy(walk);
    walk = map_walk_create(prune->repository, prune->copies, prune->copy_count, maps);
    while (ok && map_walk_next(walk, &segment)) {
    }
    map_walk_destroy(walk);
    return ok;
}

/* --- what is there --- */

struct sweep {
    const char *folder;
    const struct digest_set *needed;
    uint64_t found; /* needed ones */
    uint64_t garbage;
};

/* The keys of some folders ("blocks/ab/") that are not needed are gathered at its beginning. What is
 * not named like an object is not ours. */
static size_t pick_garbage(struct sweep *sweep, const char **keys, size_t count)
{
    size_t garbage = 0;
    for (size_t i = 0; i < count; i++) {
        struct block_digest digest;
        char right[OBJECT_KEY_MAX];
        const char *name = strrchr(keys[i], '/') + 1;
        if (!block_digest_parse(name, &digest)) {
            continue;
        }
        object_key(right, sweep->folder, &digest);
        if (strcmp(right, keys[i]) != 0) {
            continue;
        }
        if (digest_set_has(sweep->needed, &digest)) {
            sweep->found++;
        } else {
            keys[garbage++] = keys[i];
        }
    }
    sweep->garbage += garbage;
    return garbage;
}

/* "blocks/", "blocks/a" or "blocks/ab/": all folders of a width of 256, 16 or 1 from there on. */
static const char *prefix_of(struct arena *arena, const char *folder, unsigned first, unsigned width)
{
    return width == DIGEST_RANGES ? arena_printf(arena, "%s/", folder)
           : width == 16          ? arena_printf(arena, "%s/%x", folder, first / 16)
                                  : arena_printf(arena, "%s/%02x/", folder, first);
}

/* Names are hashes: each folder has about as many objects as this one. As many folders at a time are
 * looked at as can be in memory. 0: error. */
static unsigned width_for(struct prune *prune, const struct sweep *sweep, unsigned first)
{
    struct arena *arena = arena_create();
    const char **keys;
    size_t count = 0;
    const char *prefix = prefix_of(arena, sweep->folder, first, 1);
    bool ok =
        repository_list_keys(prune->repository, arena, prefix, &keys, &count, prune->error);
    arena_destroy(arena);
    return !ok                                   ? 0
           : count <= KEYS_AT_ONCE / DIGEST_RANGES ? DIGEST_RANGES
           : count <= KEYS_AT_ONCE / 16          ? 16
                                                 : 1;
}

static bool sweep_some(struct prune *prune, struct sweep *sweep, unsigned first, unsigned width,
                       bool removing)
{
    struct arena *arena = arena_create();
    const char **keys;
    size_t count = 0;
    const char *prefix = prefix_of(arena, sweep->folder, first, width);
    bool ok = !is_stopped(prune) &&
              repository_list_keys(prune->repository, arena, prefix, &keys, &count, prune->error);
    count = ok ? pick_garbage(sweep, keys, count) : 0;
    ok = ok && (!removing || remove_all(prune, keys, count));
    arena_destroy(arena);
    return ok;
}

/* From first byte `first` to `end`. */
static bool sweep_folders(struct prune *prune, struct sweep *sweep, unsigned first, unsigned end,
                          bool removing)
{
    unsigned most = width_for(prune, sweep, first), width;
    bool ok = most > 0;
    for (unsigned at = first; ok && at < end; at += width) {
        width = most;
        while (at % width != 0 || at + width > end) {
            width /= 16;
        }
        ok = sweep_some(prune, sweep, at, width, removing);
        progress(prune, removing ? "removing what nothing needs" : "looking what is there", at + width,
                 DIGEST_RANGES);
    }
    return ok;
}

static bool sweep_maps(struct prune *prune)
{
    if (prune->result->damaged_copy_count) {
        return true; /* which maps they name cannot be known */
    }
    struct digest_set *maps = digest_set_create(0, SIZE_MAX / 4);
    struct sweep sweep = {.folder = "maps", .needed = maps};
    bool ok = mark_maps(prune, maps) &&
              sweep_folders(prune, &sweep, 0, DIGEST_RANGES, !prune->options->dry_run);
    prune->result->maps = sweep.garbage;
    digest_set_destroy(maps);
    return ok;
}

/* Round by round. Looking only: counts. */
static bool sweep_blocks(struct prune *prune, bool removing)
{
    struct prune_result *result = prune->result;
    size_t memory = prune->options->memory_bytes ? prune->options->memory_bytes
                                                 : (size_t)PRUNE_MEMORY_MIB << 20;
    bool ok = true;
    result->blocks = result->kept_blocks = result->missing_blocks = 0;
    for (unsigned first = 0, end; ok && first < DIGEST_RANGES; first = end) {
        struct digest_set *blocks = digest_set_create(first, memory);
        struct sweep sweep = {.folder = "blocks", .needed = blocks};
        ok = mark_blocks(prune, blocks);
        end = digest_set_end(blocks);
        ok = ok && sweep_folders(prune, &sweep, first, end, removing);
        result->blocks += sweep.garbage;
        result->kept_blocks += digest_set_count(blocks);
        result->missing_blocks += ok ? digest_set_count(blocks) - sweep.found : 0;
        digest_set_destroy(blocks);
    }
    return ok;
}

/* --- all of it --- */

/* What is kept has to be whole before anything goes that could stand in for it. */
static bool check_kept(struct prune *prune)
{
    if (!sweep_blocks(prune, false)) {
        return false;
    }
    if (prune->result->missing_blocks == 0 || prune->result->point_count == 0) {
        return true;
    }
    error_set(prune->error,
              "pruning the repository %s: %" PRIu64 " blocks are missing that recovery points "
              "which would stay need",
              prune->repository->name, prune->result->missing_blocks);
    return error_help(
        prune->error,
        "no recovery point is removed, because an older one may be the last that is whole: drc "
        "repo verify %s names what is missing",
        prune->repository->name);
}

static bool carry_out(struct prune *prune)
{
    return remove_points(prune) && remove_copies(prune) &&
           repository_make_durable(prune->repository, prune->error) && sweep_maps(prune) &&
           sweep_blocks(prune, true);
}

bool repository_prune(struct repository *repository, struct arena *arena,
                      const struct prune_options *options, struct prune_result *result,
                      struct error *error)
{
    struct prune prune = begin(repository, arena, options, result, error);
    if (!options->dry_run) {
        prune.lock = prune_lock_take(repository, options, error);
        if (!prune.lock) {
            return false;
        }
    }
    bool ok = choose_points(&prune) && choose_copies(&prune);
    if (ok && options->dry_run) {
        ok = sweep_maps(&prune) && sweep_blocks(&prune, false);
    } else if (ok) {
        ok = (result->point_count == 0 || check_kept(&prune)) && carry_out(&prune);
    }
    prune_lock_release(prune.lock);
    return ok;
}
