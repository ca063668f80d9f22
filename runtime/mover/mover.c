#include "runtime/mover/mover.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "runtime/mover/mover_state.h"
#include "runtime/world/world.h"

/* --- jobs --- */

static void job_destroy(struct job *job)
{
    struct mover *mover = job->mover;
    if (job->copy) {
        copy_destroy(job->copy);
    }
    if (job->repository) {
        repository_forget(job->repository, job);
    }
    map_cursor_destroy(job->cursor);
    if (job->task) {
        world_cancel(mover->world, job->task);
    }
    DL_DELETE(mover->jobs, job);
    free(job);
}

void job_done(struct job *job, const struct call_result *result)
{
    struct call *call = job->call;
    call_done done = job->done;
    void *context = job->context;
    struct call_result told = *result;
    if (told.outcome == OUTCOME_OK) {
        job->mover->unread_since_ms = -1;
    }
    job_destroy(job);
    done(context, call, &told);
}

/* put-blocks may take days: a store that answers nothing but 503 ends it sooner than its deadline. */
enum outcome mover_outcome(struct mover *mover, const struct error *error)
{
    int64_t now = world_monotonic_ms(mover->world);
    if (!error->passing) {
        return OUTCOME_FATAL;
    }
    if (mover->unread_since_ms < 0) {
        mover->unread_since_ms = now;
    }
    if (now - mover->unread_since_ms < MOVER_PATIENCE_MS) {
        return OUTCOME_RETRY;
    }
    mover->unread_since_ms = -1;
    return OUTCOME_FATAL;
}

void job_failed(struct job *job, const struct error *error, bool gone)
{
    struct call_result result = {
        .outcome = mover_outcome(job->mover, error),
        .error = {.message = error->message, .help = error->help, .gone = gone}};
    job_done(job, &result);
}

/* --- repositories, each opened once --- */

static struct repository *open_repository(struct mover *mover, const char *url, struct error *error)
{
    for (struct opened *opened = mover->repositories; opened; opened = opened->next) {
        if (strcmp(opened->url, url) == 0) {
            return opened->repository;
        }
    }
    const struct store_opener *stores = &mover->options.stores;
    struct store *store = stores->open(stores->context, url, false, error);
    struct repository *repository =
        store ? repository_open(store, mover->world, url, false, error) : NULL;
    if (repository) {
        struct opened *opened = base_alloc(sizeof *opened);
        *opened = (struct opened){base_strdup(url), repository, mover->repositories};
        mover->repositories = opened;
    }
    return repository;
}

static void begin_job(struct job *job)
{
    struct mover *mover = job->mover;
    const char *url = call_text(job->call, "repository");
    struct error error = {0};
    if (mover->interrupted) {
        job_done(job, &(struct call_result){.outcome = OUTCOME_RETRY,
                                            .error = {.message = "interrupted"}});
        return;
    }
    if (!url) {
        error_set(&error, "the graph names no repository");
    } else {
        job->repository = open_repository(mover, url, &error);
    }
    if (!job->repository) {
        job_failed(job, &error, false);
        error_clear(&error);
    } else if (job->call->node->action == ACTION_PUT_BLOCKS) {
        copy_begin(job);
    } else {
        record_begin(job);
    }
}

static void on_begin(void *context);

/* Opening a repository runs the loop, in which others may want to begin: they do when it is open. */
static void on_begin(void *context)
{
    struct job *job = context;
    struct mover *mover = job->mover;
    job->task = NULL;
    if (mover->opening) {
        job->task = world_timer(mover->world, 10, on_begin, job);
        return;
    }
    mover->opening = true;
    begin_job(job);
    mover->opening = false;
}

/* --- the provider --- */

static struct mover *mover_of(struct provider *provider)
{
    return (struct mover *)provider;
}

static void start(struct provider *provider, struct call **calls, size_t n, call_done done,
                  void *context)
{
    struct mover *mover = mover_of(provider);
    for (size_t i = 0; i < n; i++) {
        struct job *job = base_alloc(sizeof *job);
        *job = (struct job){.mover = mover, .call = calls[i], .done = done, .context = context};
        DL_APPEND(mover->jobs, job);
        job->task = world_timer(mover->world, 0, on_begin, job);
    }
}

/* What the mover does is done again without harm: the executor never asks. */
static void lookup(struct provider *provider, struct call *call, call_done done, void *context)
{
    (void)provider, (void)call, (void)done, (void)context;
    abort();
}

static void poll(struct provider *provider, struct call **calls, size_t n, call_done done,
                 void *context)
{
    (void)provider, (void)calls, (void)n, (void)done, (void)context;
    abort();
}

static void interrupt(struct provider *provider)
{
    struct mover *mover = mover_of(provider);
    struct copy *copy;
    mover->interrupted = true;
    DL_FOREACH2(mover->copies, copy, next_copy) {
        copy_interrupt(copy);
    }
}

static void close_repositories(struct mover *mover)
{
    while (mover->repositories) {
        struct opened *opened = mover->repositories;
        mover->repositories = opened->next;
        repository_close(opened->repository);
        free(opened->url);
        free(opened);
    }
}

static void destroy(struct provider *provider)
{
    struct mover *mover = mover_of(provider);
    struct job *job, *next;
    DL_FOREACH_SAFE(mover->jobs, job, next) {
        job_destroy(job);
    }
    if (mover->queue_timer) {
        world_cancel(mover->world, mover->queue_timer);
    }
    if (mover->note_timer) {
        world_cancel(mover->world, mover->note_timer);
    }
    close_repositories(mover);
    buffer_free_all(mover);
    free(mover->free_buffers);
    free(mover->zeros);
    free(mover);
}

struct provider *mover_provider_create(const struct mover_options *options)
{
    int64_t memory = options->memory_bytes > 0 ? options->memory_bytes
                                               : (int64_t)MOVER_MEMORY_MIB << 20;
    struct mover *mover = base_alloc(sizeof *mover);
    mover->provider = (struct provider){.name = "mover",
                                        .start = start,
                                        .lookup = lookup,
                                        .poll = poll,
                                        .interrupt = interrupt,
                                        .destroy = destroy};
    mover->options = *options;
    mover->world = options->world;
    mover->bandwidth.bytes_per_s = options->bandwidth;
    mover->buffers_max = memory > BLOCK_BYTES ? (size_t)(memory / BLOCK_BYTES) : 1;
    mover->free_buffers = base_alloc(mover->buffers_max * sizeof *mover->free_buffers);
    mover->zeros = base_alloc(BLOCK_BYTES);
    block_digest(mover->zeros, BLOCK_BYTES, &mover->zero_digest);
    mover->width = width_first();
    mover->unread_since_ms = -1;
    return &mover->provider;
}
