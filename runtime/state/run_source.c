#include "runtime/state/run_source.h"

#include <stdlib.h>

#include "compiler/base/arena.h"
#include "runtime/state/journal.h"
#include "runtime/state/shared.h"
#include "runtime/world/world.h"

enum { FETCH_MS = 2000 };

struct journal_source {
    struct run_source base; /* first */
    const char *state;
    const struct run_info *run;
    struct journal *journal;
    struct world *world;   /* NULL: nothing is fetched */
    struct shared *shared; /* NULL: a local state */
    int64_t fetched_ms;    /* monotonic */
};

/* This host's copy is brought up to date, and may be another file then. */
static bool fetch(struct journal_source *self, struct error *error)
{
    int64_t now = self->shared ? world_monotonic_ms(self->world) : 0;
    if (!self->shared || now < self->fetched_ms + FETCH_MS) {
        return true;
    }
    self->fetched_ms = now;
    if (!shared_refresh(self->shared, error)) {
        return false;
    }
    struct journal *journal = run_open(self->run, NULL, true, error);
    if (!journal) {
        return false;
    }
    journal_close(self->journal);
    self->journal = journal;
    return true;
}

static bool read_journal(struct run_source *source, int64_t after,
                         bool (*each)(void *context, int64_t number, const char *record),
                         void *context, struct error *error)
{
    struct journal_source *self = (struct journal_source *)source;
    return fetch(self, error) && journal_replay_after(self->journal, after, each, context, error);
}

static bool read_blob(struct run_source *source, const char *name, void **bytes, size_t *length,
                      struct error *error)
{
    struct journal_source *self = (struct journal_source *)source;
    return journal_get_blob(self->journal, name, bytes, length, error);
}

static bool is_alive(struct run_source *source)
{
    struct journal_source *self = (struct journal_source *)source;
    struct arena *arena = arena_create();
    bool alive = run_is_alive(arena, self->state, self->run);
    arena_destroy(arena);
    return alive;
}

static void close_journal(struct run_source *source)
{
    struct journal_source *self = (struct journal_source *)source;
    shared_close(self->shared);
    journal_close(self->journal);
    free(self);
}

static void leave_journal(struct run_source *source)
{
    free(source);
}

static struct run_source *make(struct journal *journal)
{
    struct journal_source *source = base_alloc(sizeof *source);
    source->base = (struct run_source){
        .read = read_journal, .blob = read_blob, .is_alive = is_alive, .close = close_journal};
    source->journal = journal;
    return &source->base;
}

static bool is_nobody(struct run_source *source)
{
    (void)source;
    return false;
}

struct run_source *run_source_over(struct journal *journal)
{
    struct run_source *source = make(journal);
    source->close = leave_journal;
    source->is_alive = is_nobody;
    return source;
}

struct run_source *run_source_journal(struct world *world, const char *state,
                                      const struct run_info *run, struct error *error)
{
    struct error failure = {0};
    struct journal *journal = run_open(run, NULL, true, error);
    if (!journal) {
        return NULL;
    }
    struct journal_source *source = (struct journal_source *)make(journal);
    source->state = state;
    source->run = run;
    source->world = world;
    source->shared = world ? shared_open(world, state, &failure) : NULL;
    if (failure.message) {
        run_source_close(&source->base);
        error_move(error, &failure);
        return NULL;
    }
    return &source->base;
}

void run_source_close(struct run_source *source)
{
    if (source) {
        source->close(source);
    }
}
