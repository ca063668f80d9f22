#include "runtime/mover/repository.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_reader.h"
#include "compiler/base/json_writer.h"
#include "runtime/mover/repository_state.h"
#include "runtime/mover/sealed.h"

#define REPOSITORY_KEY    "repository"
#define REPOSITORY_FORMAT "drc-repository/1"

struct spare_packer {
    struct block_packer *packer;
    struct spare_packer *next;
};

const char *repository_name(const struct repository *repository)
{
    return repository->name;
}

const char *repository_id(const struct repository *repository)
{
    return repository->id;
}

struct store *repository_store(struct repository *repository)
{
    return repository->store;
}

struct world *repository_world(struct repository *repository)
{
    return repository->world;
}

bool repository_is_near(const struct repository *repository)
{
    return repository->store->fetch_into != NULL;
}

void object_key(char key[OBJECT_KEY_MAX], const char *folder, const struct block_digest *digest)
{
    char hex[65];
    block_digest_hex(digest, hex);
    snprintf(key, OBJECT_KEY_MAX, "%s/%.2s/%s", folder, hex, hex);
}

void repository_store_error(const struct repository *repository, const struct error *reason,
                            struct error *error)
{
    const char *message = reason && reason->message ? reason->message : "the store failed";
    error_set(error, "%s", message);
    if (error) {
        error->passing = reason && reason->passing;
    }
    bool of_state = strcmp(repository->store->name, "directory") == 0; /* whose help is of --state */
    if (strstr(message, strerror(ENOSPC)) || strstr(message, strerror(EDQUOT))) {
        error_help(error,
                   "make room for the repository %s (drc repo prune removes what is old), then do "
                   "it again: what is there already is not written twice",
                   repository->name);
    } else if (reason && reason->help && !of_state) {
        error_help(error, "%s", reason->help);
    } else {
        error_help(
            error,
            "see that the repository %s can be reached, read and written, then do it again",
            repository->name);
    }
}

bool repository_object_error(const struct repository *repository, const char *doing,
                             const char *key, struct error *problem, struct error *error)
{
    error_set(error, "%s %s in %s: %s", doing, key, repository->name,
              problem->message ? problem->message : "failed");
    if (error) {
        error->passing = problem->passing;
    }
    return problem->help
               ? error_help(error, "%s", problem->help)
               : error_help(error, "drc repo verify %s tells which recovery points need it",
                            repository->name);
}

struct block_packer *repository_take_packer(struct repository *repository)
{
    pthread_mutex_lock(&repository->mutex);
    struct spare_packer *spare = repository->spare;
    if (spare) {
        repository->spare = spare->next;
    }
    pthread_mutex_unlock(&repository->mutex);
    struct block_packer *packer = spare ? spare->packer : block_packer_create();
    free(spare);
    return packer;
}

void repository_give_packer(struct repository *repository, struct block_packer *packer)
{
    struct spare_packer *spare = base_alloc(sizeof *spare);
    spare->packer = packer;
    pthread_mutex_lock(&repository->mutex);
    spare->next = repository->spare;
    repository->spare = spare;
    pthread_mutex_unlock(&repository->mutex);
}

/* --- opening --- */

static bool read_identity(struct repository *repository, const char *text, size_t length,
                          struct error *error)
{
    struct error problem = {0};
    const char *id = NULL;
    struct arena *arena = arena_create();
    cJSON *tree =
        length > SMALL_OBJECT_MAX ? NULL : sealed_read(text, length, REPOSITORY_FORMAT, &problem);
    if (tree && json_get_text(tree, "id", JSON_NEEDED, arena, &id, NULL, &problem)) {
        repository->id = base_strdup(id);
    } else {
        error_set(error, "opening the repository %s: its object \"" REPOSITORY_KEY "\": %s",
                  repository->name, problem.message ? problem.message : "it is too large");
        error_help(error, "%s",
                   problem.help ? problem.help
                                : "is that a repository of drc's? Another "
                                  "program's things are left alone");
    }
    cJSON_Delete(tree);
    arena_destroy(arena);
    error_clear(&problem);
    return repository->id;
}

/* Where points lie without "repository", making a new one would only hide that something is lost.
 */
static bool is_empty(struct repository *repository, struct error *error)
{
    struct arena *arena = arena_create();
    const char **keys;
    size_t count = 0;
    struct error reason = {0};
    bool ok = store_list_now(repository->store, repository->world, "points/", "", arena, &keys,
                             &count, &reason) == STORE_OK;
    if (!ok) {
        repository_store_error(repository, &reason, error);
    } else if (count > 0) {
        ok = error_set(error,
                       "opening the repository %s: its object \"" REPOSITORY_KEY
                       "\" is missing, and %zu recovery points are there",
                       repository->name, count);
        error_help(error, "put it back, as docs/reference/repository-format.md tells");
    }
    error_clear(&reason);
    arena_destroy(arena);
    return ok;
}

static char *identity_text(struct repository *repository)
{
    struct buffer text = {0};
    unsigned char random[16];
    char id[33], made[32];
    world_random(repository->world, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(id + 2 * i, 3, "%02x", random[i]);
    }
    struct json_writer json = json_writer(&text, 0);
    json_begin_object(&json);
    json_key_string(&json, "format", REPOSITORY_FORMAT);
    json_key_string(&json, "id", id);
    json_key_string(&json, "made", format_time(made, world_utc_ms(repository->world)));
    json_key_int(&json, "block_bytes", BLOCK_BYTES);
    json_end_object(&json);
    sealed_finish(&text);
    return buffer_steal(&text);
}

/* CONFLICT: somebody else made it just now. */
static bool make_identity(struct repository *repository, struct error *error)
{
    struct error reason = {0};
    if (!is_empty(repository, error)) {
        return false;
    }
    char *text = identity_text(repository);
    bool ok = store_put_now(repository->store, repository->world, REPOSITORY_KEY, text,
                            strlen(text), STORE_IF_ABSENT, NULL, &reason) != STORE_FAILED;
    if (!ok) {
        repository_store_error(repository, &reason, error);
        error_prefix(error, "making the repository %s", repository->name);
    }
    error_clear(&reason);
    free(text);
    return ok;
}

static bool is_missing(const struct repository *repository, struct error *error)
{
    error_set(error, "opening the repository %s: there is none", repository->name);
    return error_help(error, "see that the place is right; drc repo import makes a new one");
}

static bool open_it(struct repository *repository, bool create, struct error *error)
{
    struct error reason = {0};
    void *text = NULL;
    size_t length = 0;
    bool ok = true;
    for (int i = 0; ok && !repository->id; i++) {
        enum store_outcome outcome = store_get_now(repository->store, repository->world,
                                                   REPOSITORY_KEY, &text, &length, NULL, &reason);
        if (outcome == STORE_OK) {
            ok = read_identity(repository, text, length, error);
        } else if (outcome == STORE_ABSENT) {
            ok =
                create && i == 0 ? make_identity(repository, error) : is_missing(repository, error);
        } else {
            repository_store_error(repository, &reason, error);
            ok = error_prefix(error, "opening the repository %s", repository->name);
        }
        free(text);
        text = NULL;
    }
    error_clear(&reason);
    return ok;
}

struct repository *repository_open(struct store *store, struct world *world, const char *name,
                                   bool create, struct error *error)
{
    struct repository *repository = base_alloc(sizeof *repository);
    repository->store = store;
    repository->world = world;
    repository->name = base_strdup(name);
    pthread_mutex_init(&repository->mutex, NULL);
    pairing_init(&repository->pairing);
    if (!open_it(repository, create, error)) {
        repository_close(repository);
        return NULL;
    }
    return repository;
}

void repository_close(struct repository *repository)
{
    if (!repository) {
        return;
    }
    repository_end_calls(repository);
    store_destroy(repository->store);
    for (struct spare_packer *spare = repository->spare, *next; spare; spare = next) {
        next = spare->next;
        block_packer_destroy(spare->packer);
        free(spare);
    }
    pairing_free(&repository->pairing);
    pthread_mutex_destroy(&repository->mutex);
    free(repository->name);
    free(repository->id);
    free(repository);
}
