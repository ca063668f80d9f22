/* Record copy: notes in the repository which map a snapshot holds, for the next increment. The size of
 * the disk is the map's. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/mover_state.h"

static void fail(struct job *job, const struct error *why)
{
    struct error error = {0};
    error_copy(&error, why);
    error_prefix(&error, "noting what %s holds", call_text(job->call, "snapshot_id"));
    job_failed(job, &error, false);
    error_clear(&error);
}

static void on_recorded(void *context, const struct error *error)
{
    struct job *job = context;
    if (error) {
        fail(job, error);
    } else {
        job_done(job, &(struct call_result){.outcome = OUTCOME_OK});
    }
}

static void put(struct job *job, const struct block_digest *map)
{
    const struct call *call = job->call;
    struct repository_copy copy = {
        .snapshot_id = call_text(call, "snapshot_id"),
        .plan = call->graph->plan_name,
        .vm = call->node->vm == NO_VM ? "" : call->graph->vms[call->node->vm].name,
        .recovery_point = call_text(call, "recovery_point"),
        .disk = call_int(call, "disk", 0),
        .disk_bytes = map_cursor_disk_bytes(job->cursor),
        .map = *map,
    };
    repository_put_copy(job->repository, &copy, on_recorded, job);
}

/* A map differs in nothing from itself: its root is all that is read. */
static void step(void *context)
{
    struct job *job = context;
    struct block_entry entry;
    struct block_digest map;
    switch (map_cursor_next(job->cursor, &entry, step, job)) {
    case MAP_ENTRY:
    case MAP_END:
        block_digest_parse(call_text(job->call, "map"), &map);
        put(job, &map);
        return;
    case MAP_PENDING:
        return;
    case MAP_FAILED:
        fail(job, map_cursor_error(job->cursor));
        return;
    }
}

void record_begin(struct job *job)
{
    const char *text = call_text(job->call, "map");
    struct block_digest map;
    if (!text || !block_digest_parse(text, &map) || !call_text(job->call, "snapshot_id") ||
        !call_text(job->call, "recovery_point")) {
        struct error error = {0};
        error_set(&error, "the graph names no block map that is one");
        error_help(&error, "the graph is not of this version of drc: compile it again");
        job_failed(job, &error, false);
        error_clear(&error);
        return;
    }
    job->cursor = map_cursor_create(job->repository, &map, &map, 0);
    step(job);
}
