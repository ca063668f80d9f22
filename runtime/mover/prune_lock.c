/* Prune keeps writers away, and waits for those under way. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/repository_locks.h"
#include "runtime/mover/repository_state.h"
#include "runtime/state/lease.h"

enum { WRITERS_POLL_MS = 2000, NAMED_MAX = 5 };

struct prune_lock {
    struct repository *repository;
    struct lease *lease;
};

static void tell(struct buffer *who, const struct lease_holder *holder, size_t count)
{
    char since[32];
    if (count < NAMED_MAX) {
        buffer_printf(who, "%s%s (process %" PRId64 " on %s, since %s)", count ? ", " : "",
                      holder->run, holder->pid, holder->host,
                      format_time(since, holder->since_utc_ms));
    } else if (count == NAMED_MAX) {
        buffer_puts(who, " and others");
    }
}

/* How many live, and who; -1: error. Leases of the dead are cleared away. */
static int look_for_writers(struct repository *repository, struct buffer *who, struct error *error)
{
    struct arena *arena = arena_create();
    const char **keys;
    size_t count = 0;
    int live = 0;
    bool ok =
        repository_list_keys(repository, arena, LEASES_FOLDER WRITER_LEASE, &keys, &count, error);
    buffer_clear(who);
    for (size_t i = 0; ok && i < count; i++) {
        struct lease_holder holder;
        struct error reason = {0};
        const char *name = keys[i] + strlen(LEASES_FOLDER);
        if (lease_holder_shared(arena, repository->store, repository->world, LOCKS_PLAN, name,
                                &holder, &reason)) {
            tell(who, &holder, (size_t)live++);
        } else if (reason.message) {
            repository_store_error(repository, &reason, error);
            ok = error_prefix(error, "looking for writers of the repository %s", repository->name);
        } else {
            store_remove_now(repository->store, repository->world, keys[i], NULL);
        }
        error_clear(&reason);
    }
    arena_destroy(arena);
    return ok ? live : -1;
}

static bool await_writers(struct prune_lock *lock, const struct prune_options *options,
                          struct error *error)
{
    struct repository *repository = lock->repository;
    struct buffer who = {0}, why = {0};
    int64_t until_ms = world_monotonic_ms(repository->world) + options->wait_ms;
    bool told = false;
    int live;
    while ((live = look_for_writers(repository, &who, error)) > 0 &&
           world_monotonic_ms(repository->world) < until_ms && !(options->stop && *options->stop)) {
        if (!told && options->waiting) {
            buffer_printf(&why,
                          "waiting for what writes to %s: %s; for what was killed, %d s at most",
                          repository->name, buffer_text(&who), (LEASE_MS + LEASE_SKEW_MS) / 1000);
            options->waiting(options->context, buffer_text(&why));
        }
        told = true;
        repository_pause(repository, WRITERS_POLL_MS);
    }
    if (live > 0) {
        error_set(error, "pruning the repository %s: it is being written to: %s", repository->name,
                  buffer_text(&who));
        error_help(error,
                   "do it again when that has ended; of a process that died the lease runs out "
                   "within %d s",
                   (LEASE_MS + LEASE_SKEW_MS) / 1000);
    }
    buffer_free(&who);
    buffer_free(&why);
    return live == 0;
}

static void refuse(struct repository *repository, const struct error *reason, struct error *error)
{
    error_set(error, "pruning the repository %s: another prune is under way, or died just now (%s)",
              repository->name, reason->message ? reason->message : "its lease is held");
    error_help(error,
               "do it again when that has ended; of a process that died the lease runs out within "
               "%d s",
               (LEASE_MS + LEASE_SKEW_MS) / 1000);
}

struct prune_lock *prune_lock_take(struct repository *repository,
                                   const struct prune_options *options, struct error *error)
{
    struct prune_lock *lock = base_alloc(sizeof *lock);
    struct error reason = {0};
    lock->repository = repository;
    lock->lease = lease_take_shared(repository->store, repository->world, LOCKS_PLAN, PRUNE_LEASE,
                                    "prune", false, &reason);
    if (!lock->lease) {
        refuse(repository, &reason, error);
    } else if (await_writers(lock, options, error)) {
        return lock;
    }
    error_clear(&reason);
    prune_lock_release(lock);
    return NULL;
}

bool prune_lock_is_sure(const struct prune_lock *lock, struct error *error)
{
    if (!lock || lease_is_sure(lock->lease)) {
        return true;
    }
    error_set(error,
              "pruning the repository %s: this process slept, or did not reach the repository, for "
              "longer than its lease is good for",
              lock->repository->name);
    return error_help(error,
                      "nothing more is removed, so that nothing is that somebody writes by now; do "
                      "it again");
}

void prune_lock_release(struct prune_lock *lock)
{
    if (lock) {
        lease_release(lock->lease);
        free(lock);
    }
}
