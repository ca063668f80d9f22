/* Recovery points and copies of a repository: listing and reading them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/point_form.h"
#include "runtime/mover/repository_state.h"

enum { READS_AT_ONCE = 16 };

/* --- many small objects --- */

struct reading {
    struct repository *repository;
    const char *const *keys;
    size_t count, next, under_way;
    repository_small_read read;
    void *context;
    struct error *error;
    bool failed, over;
};

struct one_read {
    struct reading *reading;
    const char *key;
};

static void read_more(struct reading *reading);

static void small_arrived(void *context, const struct store_result *result)
{
    struct one_read *one = context;
    struct reading *reading = one->reading;
    reading->under_way--;
    if (reading->failed || result->outcome == STORE_ABSENT) {
        /* nothing: it is over, or the object has gone since it was listed */
    } else if (result->outcome == STORE_OK) {
        reading->failed = !reading->read(reading->context, one->key, result->bytes, result->length,
                                         reading->error);
    } else {
        reading->failed = true;
        repository_store_error(reading->repository, result->error, reading->error);
    }
    free(one);
    read_more(reading);
}

static void read_more(struct reading *reading)
{
    struct store *store = reading->repository->store;
    while (!reading->failed && reading->next < reading->count &&
           reading->under_way < READS_AT_ONCE) {
        struct one_read *one = base_alloc(sizeof *one);
        one->reading = reading;
        one->key = reading->keys[reading->next++];
        reading->under_way++;
        store_fetch(store, one->key, small_arrived, one);
    }
    reading->over = reading->under_way == 0;
}

bool repository_read_each(struct repository *repository, const char *const *keys, size_t count,
                          repository_small_read read, void *context, struct error *error)
{
    struct reading reading = {.repository = repository,
                              .keys = keys,
                              .count = count,
                              .read = read,
                              .context = context,
                              .error = error};
    read_more(&reading);
    world_run(repository->world, &reading.over);
    return !reading.failed;
}

/* --- recovery points --- */

struct listing {
    struct repository *repository;
    struct arena *arena;
    struct repository_points *points;
    size_t capacity, damaged_capacity;
};

static bool read_point(struct arena *arena, const char *key, const char *bytes, size_t length,
                       struct repository_point *point, struct error *error)
{
    char right[POINT_KEY_MAX];
    if (length > SMALL_OBJECT_MAX) {
        return error_set(error, "it is too large (%zu bytes)", length);
    }
    if (!point_read(arena, bytes, length, point, error)) {
        return false;
    }
    point_key(right, point);
    return strcmp(right, key) == 0 ||
           error_set(error, "it is the recovery point %s of %s/%s, and lies in another's place",
                     point->time, point->plan, point->vm);
}

/* "the recovery point points/shop/db/20261122T100000Z in dir:backup: …" */
static void name_point(const struct repository *repository, const char *key, struct error *problem,
                       struct error *error)
{
    error_set(error, "reading the recovery point %s in %s: %s", key, repository->name,
              problem->message ? problem->message : "failed");
    error_help(error, "%s",
               problem->help ? problem->help
                             : "the others are not touched by that; when it cannot be brought "
                               "back, remove that object");
}

static bool add_point(void *context, const char *key, const char *bytes, size_t length,
                      struct error *error)
{
    (void)error; /* damaged ones are told, and not fatal */
    struct listing *listing = context;
    struct repository_points *points = listing->points;
    struct error problem = {0}, named = {0};
    struct repository_point point;
    if (read_point(listing->arena, key, bytes, length, &point, &problem)) {
        points->items = arena_grow(listing->arena, points->items, points->count, &listing->capacity,
                                   sizeof *points->items);
        points->items[points->count++] = point;
        return true;
    }
    name_point(listing->repository, key, &problem, &named);
    error_clear(&problem);
    points->damaged = arena_grow(listing->arena, points->damaged, points->damaged_count,
                                 &listing->damaged_capacity, sizeof *points->damaged);
    points->damaged[points->damaged_count++] = arena_strdup(listing->arena, named.message);
    error_clear(&named);
    return true;
}

static int compare_points(const void *a, const void *b)
{
    const struct repository_point *p = a, *q = b;
    int order = strcmp(p->plan, q->plan);
    order = order ? order : strcmp(p->vm, q->vm);
    return order ? order : (p->utc_ms > q->utc_ms) - (p->utc_ms < q->utc_ms);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool repository_list_keys(struct repository *repository, struct arena *arena, const char *prefix,
                          const char ***keys, size_t *count, struct error *error)
{
    struct error reason = {0};
    bool ok = store_list_now(repository->store, repository->world, prefix, "", arena, keys, count,
                             &reason) == STORE_OK;
    if (!ok) {
        repository_store_error(repository, &reason, error);
        error_prefix(error, "listing %s in the repository %s", prefix, repository->name);
    }
    error_clear(&reason);
    return ok;
}

/* points/PLAN/VM/TIME, or all of a plan, or all. Where only the VM is known, it is picked from all.
 */
static const char *prefix_of(struct arena *arena, const char *plan, const char *vm)
{
    return !plan ? "points/"
           : !vm ? arena_printf(arena, "points/%s/", plan)
                 : arena_printf(arena, "points/%s/%s/", plan, vm);
}

static bool is_of_vm(const char *key, const char *vm)
{
    const char *plan = strchr(key, '/');
    const char *name = plan ? strchr(plan + 1, '/') : NULL;
    size_t length = strlen(vm);
    return name && strncmp(name + 1, vm, length) == 0 && name[1 + length] == '/';
}

static size_t pick_vm(const char **keys, size_t count, const char *vm)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_of_vm(keys[i], vm)) {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}

bool repository_list(struct repository *repository, struct arena *arena, const char *plan,
                     const char *vm, struct repository_points *points, struct error *error)
{
    const char **keys;
    size_t count = 0;
    *points = (struct repository_points){0};
    struct listing listing = {.repository = repository, .arena = arena, .points = points};
    if (!repository_list_keys(repository, arena, prefix_of(arena, plan, vm), &keys, &count,
                              error)) {
        return false;
    }
    count = vm && !plan ? pick_vm(keys, count, vm) : count;
    if (!repository_read_each(repository, keys, count, add_point, &listing, error)) {
        return false;
    }
    if (points->count) {
        qsort(points->items, points->count, sizeof *points->items, compare_points);
    }
    if (points->damaged_count) {
        qsort(points->damaged, points->damaged_count, sizeof *points->damaged, compare_texts);
    }
    return true;
}

/* --- the newest --- */

struct newest {
    struct repository *repository;
    struct arena *arena;
    struct repository_point *point;
};

static bool take_newest(void *context, const char *key, const char *bytes, size_t length,
                        struct error *error)
{
    struct newest *newest = context;
    struct error problem = {0};
    struct repository_point *point = ARENA_NEW(newest->arena, struct repository_point);
    if (!read_point(newest->arena, key, bytes, length, point, &problem)) {
        name_point(newest->repository, key, &problem, error);
        error_clear(&problem);
        return false;
    }
    newest->point = point;
    return true;
}

const struct repository_point *repository_newest(struct repository *repository, struct arena *arena,
                                                 const char *plan, const char *vm,
                                                 int64_t until_utc_ms, struct error *error)
{
    const char **keys;
    size_t count = 0;
    char stamp[32];
    struct newest newest = {.repository = repository, .arena = arena};
    const char *prefix = prefix_of(arena, plan, vm);
    if (!repository_list_keys(repository, arena, prefix, &keys, &count, error)) {
        return NULL;
    }
    const int64_t year_9999_ms = INT64_C(253402300799000);
    int64_t until = until_utc_ms < 0              ? 0
                    : until_utc_ms > year_9999_ms ? year_9999_ms
                                                  : until_utc_ms;
    point_stamp(stamp, until);
    while (count > 0 && !newest.point) {
        count--;
        if (strcmp(keys[count] + strlen(prefix), stamp) > 0) {
            continue;
        }
        if (!repository_read_each(repository, keys + count, 1, take_newest, &newest, error)) {
            return NULL;
        }
    }
    return newest.point;
}
