#include "runtime/mover/export.h"

#include <stdlib.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "runtime/mover/block_map.h"
#include "runtime/mover/sink.h"
#include "runtime/world/world.h"

enum { SLOTS_MAX = 64 };

/* One block, or a stretch of zeros. */
struct slot {
    struct export *export;
    unsigned char *bytes;
    int64_t offset, length;
    bool used, zero;
    bool reading;            /* from the repository */
    struct world_task *task; /* writing */
    struct error error;
};

struct export {
    struct repository *repository;
    struct world *world;
    struct sink *sink;
    int64_t bytes;
    struct map_cursor *map;
    struct block_entry entry; /* that waits for a slot */
    bool entry_valid, ended, waits;
    int64_t position; /* everything before is written, or on its way */
    struct slot slots[SLOTS_MAX];
    size_t slot_count;
    bool failed, done, running;
    struct error error;
    struct export_counts counts;
};

static void advance(struct export *export);

static void fail(struct export *export, struct error *error)
{
    if (!export->failed) {
        export->failed = true;
        error_move(&export->error, error);
        sink_stop(export->sink);
    } else {
        error_clear(error);
    }
}

/* ---- a slot ---- */

static void slot_run(void *context)
{
    struct slot *slot = context;
    if (slot->zero) {
        sink_zero(slot->export->sink, slot->offset, slot->length, &slot->error);
    } else {
        sink_write(slot->export->sink, slot->offset, slot->bytes, (size_t)slot->length,
                   &slot->error);
    }
}

static void slot_done(void *context)
{
    struct slot *slot = context;
    struct export *export = slot->export;
    slot->task = NULL;
    slot->used = false;
    if (slot->error.message) {
        fail(export, &slot->error);
    } else if (!slot->zero) {
        export->counts.written++;
        export->counts.bytes_written += slot->length;
    }
    advance(export);
}

static void block_read(void *context, const struct error *error)
{
    struct slot *slot = context;
    struct export *export = slot->export;
    slot->reading = false;
    if (error || export->failed) {
        struct error copy = {0};
        slot->used = false;
        if (error) {
            error_copy(&copy, error);
            fail(export, &copy);
        }
    } else {
        export->counts.read++;
        slot->task = world_work(export->world, slot_run, slot_done, slot);
    }
    advance(export);
}

static struct slot *free_slot(struct export *export)
{
    for (size_t i = 0; i < export->slot_count; i++) {
        if (!export->slots[i].used) {
            return &export->slots[i];
        }
    }
    return NULL;
}

/* ---- the map ---- */

static void cursor_ready(void *context)
{
    struct export *export = context;
    export->waits = false;
    advance(export);
}

/* The next entry, or the end, or a failure; false: not yet. */
static bool step(struct export *export)
{
    if (export->entry_valid || export->ended) {
        return true;
    }
    if (export->waits) {
        return false;
    }
    struct error copy = {0};
    switch (map_cursor_next(export->map, &export->entry, cursor_ready, export)) {
    case MAP_ENTRY:
        if (export->entry.index >= block_count_of(export->bytes) ||
            (int64_t)export->entry.index * BLOCK_BYTES < export->position) {
            error_set(&copy, "the block map is not in order");
            fail(export, &copy);
            return false;
        }
        export->entry_valid = true;
        return true;
    case MAP_END:
        export->ended = true;
        return true;
    case MAP_PENDING:
        export->waits = true;
        return false;
    case MAP_FAILED:
        error_copy(&copy, map_cursor_error(export->map));
        fail(export, &copy);
        return false;
    }
    return false;
}

/* What comes next: zeros up to a block, or the block. */
static void fill_slot(struct export *export, struct slot *slot)
{
    int64_t next = export->ended ? export->bytes : (int64_t)export->entry.index * BLOCK_BYTES;
    slot->used = true;
    slot->offset = export->position;
    slot->zero = export->position < next;
    if (slot->zero) {
        slot->length = next - export->position;
        export->position = next;
        slot->task = world_work(export->world, slot_run, slot_done, slot);
        return;
    }
    int64_t left = export->bytes - export->position;
    slot->length = left < BLOCK_BYTES ? left : BLOCK_BYTES;
    export->position += slot->length;
    export->entry_valid = false;
    if (!slot->bytes) {
        slot->bytes = base_alloc(BLOCK_BYTES);
    }
    slot->reading = true;
    repository_get_block(export->repository, &export->entry.digest, slot->bytes, block_read, slot);
}

static bool is_idle(const struct export *export)
{
    for (size_t i = 0; i < export->slot_count; i++) {
        if (export->slots[i].used) {
            return false;
        }
    }
    return !export->waits;
}

static void advance(struct export *export)
{
    if (!export->running || export->done) {
        return;
    }
    struct slot *slot;
    while (!export->failed && (slot = free_slot(export)) != NULL && step(export) &&
           !(export->ended && export->position >= export->bytes)) {
        fill_slot(export, slot);
    }
    bool through = export->ended && export->position >= export->bytes;
    export->done = (through || export->failed) && is_idle(export);
}

/* ---- */

struct export *export_create(const struct export_options *options)
{
    struct export *export = base_alloc(sizeof *export);
    long cores = options->cores > 0 ? options->cores : sysconf(_SC_NPROCESSORS_ONLN);
    export->repository = options->repository;
    export->world = repository_world(options->repository);
    export->sink = options->sink;
    export->bytes = options->disk->bytes;
    export->counts.blocks = options->disk->blocks;
    export->map = map_cursor_create(options->repository, &options->disk->map, NULL,
                                    options->disk->bytes);
    export->slot_count = cores < 1 ? 8 : cores > 14 ? SLOTS_MAX : 8 + 4 * (size_t)cores;
    for (size_t i = 0; i < export->slot_count; i++) {
        export->slots[i].export = export;
    }
    return export;
}

void export_destroy(struct export *export)
{
    if (!export) {
        return;
    }
    export->running = false;
    for (size_t i = 0; i < export->slot_count; i++) {
        struct slot *slot = &export->slots[i];
        repository_forget(export->repository, slot);
        if (slot->task) {
            world_cancel(export->world, slot->task);
        }
        error_clear(&slot->error);
        free(slot->bytes);
    }
    map_cursor_destroy(export->map);
    error_clear(&export->error);
    free(export);
}

bool export_run(struct export *export, struct error *error)
{
    export->running = true;
    advance(export);
    world_run(export->world, &export->done);
    export->running = false;
    if (!export->failed && !export->done) {
        return error_set(error, "nothing happens any more");
    }
    return !export->failed || error_move(error, &export->error);
}

void export_stop(struct export *export)
{
    struct error stopped = {0};
    error_set(&stopped, "stopped");
    fail(export, &stopped);
    advance(export);
}

const struct export_counts *export_counts(const struct export *export)
{
    return &export->counts;
}
