/* What DR copies hold, as the repository knows it. */
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/point_form.h"
#include "runtime/mover/repository_state.h"

#define COPIES_FOLDER "copies/"

enum { SNAPSHOT_ID_MAX = 64 };

static bool copy_key(char key[OBJECT_KEY_MAX], const char *snapshot_id, struct error *error)
{
    if (strchr(snapshot_id, '/') || strlen(snapshot_id) > SNAPSHOT_ID_MAX ||
        !store_key_is_valid(snapshot_id)) {
        return error_set(error, "\"%.64s\" is no id of a snapshot", snapshot_id);
    }
    snprintf(key, OBJECT_KEY_MAX, COPIES_FOLDER "%s", snapshot_id);
    return true;
}

void repository_put_copy(struct repository *repository, const struct repository_copy *copy,
                         repository_done done, void *context)
{
    char key[OBJECT_KEY_MAX] = "";
    struct buffer text = {0};
    struct error problem = {0};
    bool ok = copy_key(key, copy->snapshot_id, &problem) && copy_write(copy, &text, &problem);
    if (!ok) {
        error_prefix(&problem, "noting in the repository %s what a DR copy holds",
                     repository->name);
    }
    repository_put_small(repository, key, &text, ok ? NULL : &problem, done, context);
    error_clear(&problem);
    buffer_free(&text);
}

struct listing {
    struct repository *repository;
    struct arena *arena;
    const char *plan;
    struct repository_copies *found;
    size_t capacity, damaged_capacity;
};

static void note_damaged(struct listing *listing, const struct error *why)
{
    struct repository_copies *found = listing->found;
    found->damaged = arena_grow(listing->arena, found->damaged, found->damaged_count,
                                &listing->damaged_capacity, sizeof *found->damaged);
    found->damaged[found->damaged_count++] = arena_strdup(listing->arena, why->message);
}

static bool add_copy(void *context, const char *key, const char *bytes, size_t length,
                     struct error *error)
{
    struct listing *listing = context;
    struct repository_copies *found = listing->found;
    struct error problem = {0};
    struct repository_copy copy;
    bool ok = length <= SMALL_OBJECT_MAX || error_set(&problem, "it is too large");
    ok = ok && copy_read(listing->arena, bytes, length, &copy, &problem);
    if (ok && strcmp(copy.snapshot_id, key + strlen(COPIES_FOLDER)) != 0) {
        ok = error_set(&problem, "it is of another snapshot, %.64s", copy.snapshot_id);
    }
    if (!ok) {
        struct error why = {0};
        repository_object_error(listing->repository, "reading", key, &problem, &why);
        note_damaged(listing, &why);
        error_clear(&why);
    } else if (!listing->plan || strcmp(copy.plan, listing->plan) == 0) {
        found->copies = arena_grow(listing->arena, found->copies, found->count,
                                   &listing->capacity, sizeof copy);
        found->copies[found->count++] = copy;
    }
    error_clear(&problem);
    (void)error;
    return true;
}

bool repository_list_copies(struct repository *repository, struct arena *arena, const char *plan,
                            struct repository_copies *found, struct error *error)
{
    struct listing listing = {
        .repository = repository, .arena = arena, .plan = plan, .found = found};
    const char **keys;
    size_t count = 0;
    *found = (struct repository_copies){0};
    return repository_list_keys(repository, arena, COPIES_FOLDER, &keys, &count, error) &&
           repository_read_each(repository, keys, count, add_copy, &listing, error);
}

bool repository_remove_copy(struct repository *repository, const char *snapshot_id,
                            struct error *error)
{
    char key[OBJECT_KEY_MAX];
    struct error reason = {0};
    if (!copy_key(key, snapshot_id, error)) {
        return false;
    }
    bool ok = store_remove_now(repository->store, repository->world, key, &reason) != STORE_FAILED;
    if (!ok) {
        repository_store_error(repository, &reason, error);
    }
    error_clear(&reason);
    return ok;
}
