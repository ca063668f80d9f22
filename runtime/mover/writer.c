/* Writers of a repository: each has a lease of its own, locks/leases/writer-…, taken before it
 * looks for a prune; prune takes locks/leases/prune before it looks for writers. So at least one of
 * the two sees the other: then the writer gives way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/point_form.h"
#include "runtime/mover/repository_locks.h"
#include "runtime/mover/repository_state.h"
#include "runtime/state/lease.h"

enum {
    PRUNE_POLL_MS = 2000,
    ASSURE_MS = 60000, /* that long a commit waits for the store to answer about the lease */
};

static void is_lost(void *context, const struct error *error)
{
    struct repository_writer *writer = context;
    writer->lost = true;
    error_set(&writer->loss,
              "writing to the repository %s: this process (%s) lost its lease there: %s",
              writer->repository->name, writer->what,
              error && error->message ? error->message : "it ran out");
    error_help(&writer->loss,
               "it slept or did not reach the repository for over %d s, so that a prune "
               "may have run: nothing was committed; do it again",
               LEASE_MS / 1000);
}

static bool take(struct repository_writer *writer, struct error *error)
{
    struct repository *repository = writer->repository;
    unsigned char random[8];
    char name[32];
    world_random(repository->world, random, sizeof random);
    snprintf(name, sizeof name, WRITER_LEASE "%02x%02x%02x%02x%02x%02x%02x%02x", random[0],
             random[1], random[2], random[3], random[4], random[5], random[6], random[7]);
    snprintf(writer->key, sizeof writer->key, LEASES_FOLDER "%s", name);
    struct error reason = {0};
    writer->lease = lease_take_shared(repository->store, repository->world, LOCKS_PLAN, name,
                                      writer->what, false, &reason);
    if (!writer->lease) {
        repository_store_error(repository, &reason, error);
        error_prefix(error, "announcing a writer in the repository %s", repository->name);
        error_clear(&reason);
        return false;
    }
    lease_watch(writer->lease, is_lost, writer);
    return true;
}

static void give_back(struct repository_writer *writer)
{
    if (writer->lease) {
        lease_watch(writer->lease, NULL, NULL);
        lease_release(writer->lease);
        writer->lease = NULL;
        /* Its name was for this once. What cannot be removed runs out, and prune clears it. */
        store_remove_now(writer->repository->store, writer->repository->world, writer->key, NULL);
    }
}

void repository_pause(struct repository *repository, int64_t delay_ms)
{
    bool over = false;
    world_timer(repository->world, delay_ms, repository_set_flag, &over);
    world_run(repository->world, &over);
}

void repository_set_flag(void *context)
{
    *(bool *)context = true;
}

/* 1: a prune is under way, `why` says whose; 0: none; -1: error. */
static int look_for_prune(struct repository *repository, struct buffer *why, struct error *error)
{
    struct arena *arena = arena_create();
    struct lease_holder holder;
    struct error reason = {0};
    int found = lease_holder_shared(arena, repository->store, repository->world, LOCKS_PLAN,
                                    PRUNE_LEASE, &holder, &reason);
    if (found) {
        buffer_clear(why);
        buffer_printf(why,
                      "a prune of %s is under way (process %lld on %s): waiting until it has ended, or, "
                      "should it have been killed, %d s until its lease has run out",
                      repository->name, (long long)holder.pid, holder.host,
                      lease_runs_out_s(&holder, world_utc_ms(repository->world)));
    } else if (reason.message) {
        repository_store_error(repository, &reason, error);
        error_prefix(error, "looking for a prune of the repository %s", repository->name);
        found = -1;
    }
    error_clear(&reason);
    arena_destroy(arena);
    return found;
}

struct repository_writer *repository_write(struct repository *repository, const char *what,
                                           void (*waiting)(void *context, const char *why),
                                           void *context, struct error *error)
{
    struct repository_writer *writer = base_alloc(sizeof *writer);
    struct buffer why = {0};
    writer->repository = repository;
    writer->what = base_strdup(what);
    bool told = false;
    int prune = 1;
    while (prune == 1) {
        prune = take(writer, error) ? look_for_prune(repository, &why, error) : -1;
        if (prune != 0) {
            give_back(writer);
        }
        if (prune == 1 && waiting && !told) {
            told = true;
            waiting(context, buffer_text(&why));
        }
        while (prune == 1 && (repository_pause(repository, PRUNE_POLL_MS),
                              (prune = look_for_prune(repository, &why, error)) == 1)) {
        }
        /* 0 without a lease: it has ended; once more from the start. */
        prune = prune == 0 && !writer->lease ? 1 : prune;
    }
    buffer_free(&why);
    if (prune < 0) {
        repository_writer_close(writer);
        return NULL;
    }
    return writer;
}

void repository_writer_close(struct repository_writer *writer)
{
    if (!writer) {
        return;
    }
    give_back(writer);
    error_clear(&writer->loss);
    free(writer->what);
    free(writer);
}

/* --- committing --- */

static bool fail_lost(const struct repository_writer *writer, struct error *error)
{
    return error_copy(error, &writer->loss);
}

struct assurance {
    struct repository_writer *writer;
    bool over, sure;
};

static void is_sure(void *context)
{
    struct assurance *assurance = context;
    assurance->sure = assurance->over = true;
}

static void is_lost_now(void *context, const struct error *error)
{
    struct assurance *assurance = context;
    is_lost(assurance->writer, error);
    assurance->over = true;
}

/* Renewed just now: nobody has it, and nobody can have it for LEASE_MS. */
static bool assure(struct repository_writer *writer, struct error *error)
{
    struct world *world = writer->repository->world;
    struct assurance assurance = {.writer = writer, .over = writer->lost};
    if (!assurance.over) {
        lease_watch(writer->lease, is_lost_now, &assurance);
        lease_assure(writer->lease, is_sure, &assurance);
        struct world_task *limit =
            world_timer(world, ASSURE_MS, repository_set_flag, &assurance.over);
        world_run(world, &assurance.over);
        if (assurance.sure || writer->lost) {
            world_cancel(world, limit);
        }
        lease_watch(writer->lease, writer->lost ? NULL : is_lost, writer);
    }
    if (writer->lost) {
        return fail_lost(writer, error);
    }
    if (!assurance.sure) {
        error_set(error,
                  "committing to the repository %s: this process (%s) could not renew its lease "
                  "there within %d s, so that it is not known whether a prune has begun",
                  writer->repository->name, writer->what, ASSURE_MS / 1000);
        return error_help(error, "see that it can be reached and written, then do it again");
    }
    return true;
}

/* Whether the object is what was to be put: this one, whose answer was lost. */
static bool is_there(struct repository *repository, const char *key, const struct buffer *text)
{
    void *found = NULL;
    size_t length = 0;
    bool same = store_get_now(repository->store, repository->world, key, &found, &length, NULL,
                              NULL) == STORE_OK &&
                length == text->length && memcmp(found, text->data, length) == 0;
    free(found);
    return same;
}

static bool put_point(struct repository *repository, const struct repository_point *point,
                      const char *key, const struct buffer *text, struct error *error)
{
    struct error reason = {0};
    enum store_outcome outcome =
        store_put_now(repository->store, repository->world, key, text->data, text->length,
                      STORE_IF_ABSENT, NULL, &reason);
    bool ok = outcome == STORE_OK || is_there(repository, key, text);
    if (!ok && outcome == STORE_CONFLICT) {
        error_set(error, "a recovery point of %s/%s at %s is in the repository %s already",
                  point->plan, point->vm, point->time, repository->name);
        error_help(error,
                   "drc repo list shows it; a recovery point is never overwritten: give this one "
                   "another time");
    } else if (!ok) {
        repository_store_error(repository, &reason, error);
        error_prefix(error, "committing the recovery point %s of %s/%s to the repository %s",
                     point->time, point->plan, point->vm, repository->name);
    }
    error_clear(&reason);
    return ok;
}

/* The put took so long that the lease may have run out meanwhile: a prune that has begun since does
 * not count this point. */
static bool still_held(struct repository_writer *writer, const char *key, struct error *error)
{
    struct repository *repository = writer->repository;
    if (lease_is_sure(writer->lease) || assure(writer, error)) {
        return true;
    }
    store_remove_now(repository->store, repository->world, key, NULL);
    return false;
}

bool repository_make_durable(struct repository *repository, struct error *error)
{
    struct error reason = {0};
    bool ok = store_sync_now(repository->store, repository->world, &reason) == STORE_OK;
    if (!ok) {
        repository_store_error(repository, &reason, error);
        error_prefix(error, "making it durable in the repository %s", repository->name);
    }
    error_clear(&reason);
    return ok;
}

bool repository_commit(struct repository_writer *writer, const struct repository_point *point,
                       struct error *error)
{
    struct repository *repository = writer->repository;
    struct buffer text = {0};
    char key[POINT_KEY_MAX];
    bool ok = point_check(point, error) && point_write(point, &text, error);
    if (!ok) {
        error_prefix(error, "committing a recovery point to the repository %s", repository->name);
    } else {
        point_key(key, point);
        ok = repository_make_durable(repository, error) && assure(writer, error) &&
             put_point(repository, point, key, &text, error) && still_held(writer, key, error);
    }
    buffer_free(&text);
    return ok;
}
