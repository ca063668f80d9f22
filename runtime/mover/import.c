/* Spans of some blocks are read and hashed on threads, several at once, and looked at in the order of
 * the disk: that gives the map its order, and lets the previous map be read beside it. A span is free
 * again when its new blocks are put. */
#include "runtime/mover/import.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/sha256_pair.h"
#include "runtime/mover/block_map.h"
#include "runtime/mover/image.h"
#include "runtime/world/world.h"

enum {
    SPAN_BLOCKS = 4,
    SPANS_MAX = 32,
    EXTENTS_MAX = 64,
    RECENT_COUNT = 1 << 14, /* digests that are remembered: 512 KiB */
};

struct span {
    struct import *import;
    unsigned char *bytes; /* SPAN_BLOCKS blocks */
    uint64_t first;
    unsigned count;
    struct block_digest digests[SPAN_BLOCKS];
    bool zero[SPAN_BLOCKS];
    struct world_task *task; /* being read */
    bool used;
    bool read;
    unsigned next; /* block to be looked at */
    unsigned puts; /* under way */
    struct error error;
};

struct scan {
    struct world_task *task;
    struct image_extent extents[EXTENTS_MAX];
    size_t count, next;
    int64_t from, covered;
    struct error error;
};

struct import {
    struct repository *repository;
    struct repository_writer *writer;
    struct world *world;
    struct image *image;
    sha256_pair pair; /* NULL: one after the other */
    int64_t bytes;
    struct map_writer *map;
    struct map_cursor *previous; /* NULL: none */
    struct block_entry entry;      /* of it, the next one */
    bool entry_valid;
    bool cursor_waits;
    char *previous_failure;
    struct block_digest *recent; /* some that the repository has, placed by their own bytes */
    bool *recent_used;
    struct scan scan;
    uint64_t next_block; /* the first that no span has taken yet */
    struct span spans[SPANS_MAX];
    size_t span_count;
    struct span *order[SPANS_MAX]; /* those that are used and not looked at yet, as the disk has them */
    size_t ordered;
    unsigned puts, puts_max;
    bool failed, done, running;
    struct error error;
    struct import_counts counts;
};

static void advance(struct import *import);

static void fail(struct import *import, struct error *error)
{
    if (!import->failed) {
        import->failed = true;
        error_move(&import->error, error);
        image_stop(import->image);
    } else {
        error_clear(error);
    }
}

/* ---- where data may be ---- */

static void scan_run(void *context)
{
    struct import *import = context;
    struct scan *scan = &import->scan;
    if (!image_extents(import->image, scan->from, scan->extents, EXTENTS_MAX, &scan->count,
                       &scan->covered, &scan->error)) {
        scan->count = 0;
    }
}

static void scan_done(void *context)
{
    struct import *import = context;
    import->scan.task = NULL;
    if (import->scan.error.message) {
        fail(import, &import->scan.error);
    }
    advance(import);
}

static uint64_t block_of(int64_t offset)
{
    return (uint64_t)offset / BLOCK_BYTES;
}

static uint64_t end_block_of(int64_t offset)
{
    return ((uint64_t)offset + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

/* The next blocks to be read, as many as a span takes. 0: none that are known. */
static unsigned carve(struct import *import, uint64_t *first)
{
    struct scan *scan = &import->scan;
    unsigned count = 0;
    while (scan->next < scan->count && count < SPAN_BLOCKS) {
        const struct image_extent *extent = &scan->extents[scan->next];
        uint64_t begin = block_of(extent->offset);
        uint64_t end = end_block_of(extent->end);
        begin = begin > import->next_block ? begin : import->next_block;
        if (begin >= end) {
            scan->next++;
            continue;
        }
        if (count > 0 && begin != import->next_block) {
            break;
        }
        *first = count > 0 ? *first : begin;
        uint64_t part = end - begin;
        part = part < SPAN_BLOCKS - count ? part : SPAN_BLOCKS - count;
        count += (unsigned)part;
        import->next_block = begin + part;
    }
    return count;
}

/* Whether there may be more than what is known. */
static bool scan_on(struct import *import)
{
    struct scan *scan = &import->scan;
    int64_t from = (int64_t)(import->next_block * BLOCK_BYTES);
    from = scan->covered > from ? scan->covered : from;
    if (scan->task || scan->next < scan->count || from >= import->bytes) {
        return scan->task != NULL;
    }
    scan->from = from;
    scan->next = scan->count = 0;
    scan->task = world_work(import->world, scan_run, scan_done, import);
    return true;
}

/* ---- reading and hashing, on threads ---- */

static void hash_two(struct span *span, sha256_pair pair, unsigned a, unsigned b)
{
    pair(span->bytes + (size_t)a * BLOCK_BYTES, span->bytes + (size_t)b * BLOCK_BYTES, BLOCK_BYTES,
         span->digests[a].bytes, span->digests[b].bytes);
}

/* What is not zero, two by two where the machine has a way to do that. */
static void hash_span(struct span *span, sha256_pair pair)
{
    unsigned waits = 0;
    bool one_waits = false;
    for (unsigned i = 0; i < span->count; i++) {
        if (span->zero[i]) {
            continue;
        }
        if (one_waits) {
            hash_two(span, pair, waits, i);
            one_waits = false;
        } else if (pair) {
            waits = i;
            one_waits = true;
        } else {
            block_digest(span->bytes + (size_t)i * BLOCK_BYTES, BLOCK_BYTES, &span->digests[i]);
        }
    }
    if (one_waits) {
        block_digest(span->bytes + (size_t)waits * BLOCK_BYTES, BLOCK_BYTES, &span->digests[waits]);
    }
}

static void span_run(void *context)
{
    struct span *span = context;
    const struct import *import = span->import;
    int64_t offset = (int64_t)(span->first * BLOCK_BYTES);
    size_t length = (size_t)span->count * BLOCK_BYTES;
    size_t there = import->bytes - offset < (int64_t)length ? (size_t)(import->bytes - offset)
                                                            : length;
    if (!image_read(import->image, offset, span->bytes, there, &span->error)) {
        return;
    }
    memset(span->bytes + there, 0, length - there);
    for (unsigned i = 0; i < span->count; i++) {
        span->zero[i] = block_is_zero(span->bytes + (size_t)i * BLOCK_BYTES, BLOCK_BYTES);
    }
    hash_span(span, import->pair);
}

static void span_done(void *context)
{
    struct span *span = context;
    span->task = NULL;
    span->read = true;
    if (span->error.message) {
        fail(span->import, &span->error);
    }
    advance(span->import);
}

static struct span *free_span(struct import *import)
{
    for (size_t i = 0; i < import->span_count; i++) {
        if (!import->spans[i].used) {
            return &import->spans[i];
        }
    }
    return NULL;
}

/* Whether anything is still to come. */
static bool launch(struct import *import)
{
    struct span *span;
    while ((span = free_span(import)) != NULL) {
        unsigned count = carve(import, &span->first);
        if (count == 0) {
            return scan_on(import);
        }
        if (!span->bytes) {
            span->bytes = base_alloc((size_t)SPAN_BLOCKS * BLOCK_BYTES);
        }
        span->count = count;
        span->used = true;
        span->read = false;
        span->next = 0;
        import->order[import->ordered++] = span;
        span->task = world_work(import->world, span_run, span_done, span);
    }
    return true;
}

/* ---- known or new ---- */

static void cursor_ready(void *context)
{
    struct import *import = context;
    import->cursor_waits = false;
    advance(import);
}

/* A previous map that cannot be read costs time alone: every block is put again. */
static void drop_previous(struct import *import)
{
    const struct error *why = map_cursor_error(import->previous);
    import->previous_failure = base_strdup(why && why->message ? why->message : "unreadable");
    map_cursor_destroy(import->previous);
    import->previous = NULL;
}

enum answer { YES, NO, LATER };

static enum answer is_in_previous(struct import *import, uint64_t index,
                                  const struct block_digest *digest)
{
    while (import->previous && (!import->entry_valid || import->entry.index < index)) {
        import->entry_valid = false;
        switch (map_cursor_next(import->previous, &import->entry, cursor_ready, import)) {
        case MAP_ENTRY:
            import->entry_valid = true;
            break;
        case MAP_END:
            map_cursor_destroy(import->previous);
            import->previous = NULL;
            break;
        case MAP_PENDING:
            import->cursor_waits = true;
            return LATER;
        case MAP_FAILED:
            drop_previous(import);
            break;
        }
    }
    bool same = import->entry_valid && import->entry.index == index &&
                block_digest_equal(&import->entry.digest, digest);
    return same ? YES : NO;
}

static size_t place_of(const struct block_digest *digest)
{
    return ((size_t)digest->bytes[0] << 8 | digest->bytes[1]) % RECENT_COUNT;
}

static bool is_recent(const struct import *import, const struct block_digest *digest)
{
    size_t place = place_of(digest);
    return import->recent_used[place] && block_digest_equal(&import->recent[place], digest);
}

static void remember(struct import *import, const struct block_digest *digest)
{
    size_t place = place_of(digest);
    import->recent[place] = *digest;
    import->recent_used[place] = true;
}

static void put_done(void *context, const struct error *error)
{
    struct span *span = context;
    struct import *import = span->import;
    span->puts--;
    import->puts--;
    if (error) {
        struct error copy = {0};
        error_copy(&copy, error);
        fail(import, &copy);
    }
    advance(import);
}

/* The next block of the span. False: not now. */
static bool look_at(struct import *import, struct span *span)
{
    unsigned i = span->next;
    uint64_t index = span->first + i;
    if (!span->zero[i]) {
        const struct block_digest *digest = &span->digests[i];
        enum answer known = is_in_previous(import, index, digest);
        if (known == LATER || (known == NO && import->puts >= import->puts_max)) {
            return false;
        }
        if (known == YES || is_recent(import, digest)) {
            import->counts.known++;
        } else {
            import->counts.fresh++;
            import->counts.bytes_put += BLOCK_BYTES;
            import->puts++;
            span->puts++;
            repository_put_block(import->writer, digest, span->bytes + (size_t)i * BLOCK_BYTES,
                                 put_done, span);
        }
        remember(import, digest);
        map_writer_add(import->map, index, digest);
    }
    span->next++;
    import->counts.read++;
    import->counts.passed = index + 1;
    return true;
}

static void look_at_spans(struct import *import)
{
    while (import->ordered > 0 && import->order[0]->read && !import->cursor_waits) {
        struct span *span = import->order[0];
        while (span->next < span->count) {
            if (!look_at(import, span)) {
                return;
            }
        }
        int64_t end = (int64_t)((span->first + span->count) * BLOCK_BYTES);
        import->counts.bytes_read += (end < import->bytes ? end : import->bytes) -
                                     (int64_t)(span->first * BLOCK_BYTES);
        import->ordered--;
        memmove(import->order, import->order + 1, import->ordered * sizeof *import->order);
    }
}

/* ---- all of it ---- */

static bool is_idle(const struct import *import)
{
    for (size_t i = 0; i < import->span_count; i++) {
        if (import->spans[i].task || import->spans[i].puts > 0) {
            return false;
        }
    }
    return !import->scan.task;
}

static void free_spans(struct import *import)
{
    for (size_t i = 0; i < import->span_count; i++) {
        struct span *span = &import->spans[i];
        bool looked_at = span->read && span->next == span->count;
        if (span->used && !span->task && span->puts == 0 && looked_at) {
            span->used = false;
        }
    }
}

static void advance(struct import *import)
{
    if (!import->running || import->done) {
        return;
    }
    bool more = false;
    if (!import->failed) {
        look_at_spans(import);
        free_spans(import);
        more = launch(import) || import->ordered > 0;
    }
    import->done = !more && is_idle(import);
}

static int cores_of(const struct import_options *options)
{
    long there = options->cores > 0 ? options->cores : sysconf(_SC_NPROCESSORS_ONLN);
    return there < 1 ? 1 : there > 64 ? 64 : (int)there;
}

struct import *import_create(const struct import_options *options)
{
    struct import *import = base_alloc(sizeof *import);
    int cores = cores_of(options);
    import->repository = options->repository;
    import->writer = options->writer;
    import->world = repository_world(options->repository);
    import->image = options->image;
    import->pair = sha256_pair_here();
    import->bytes = image_bytes(options->image);
    import->counts.blocks = block_count_of(import->bytes);
    import->map = map_writer_create(options->writer, import->bytes);
    if (options->previous) {
        import->previous = map_cursor_create(options->repository, options->previous, NULL, 0);
    }
    import->recent = base_calloc(RECENT_COUNT, sizeof *import->recent);
    import->recent_used = base_calloc(RECENT_COUNT, sizeof *import->recent_used);
    import->span_count = (size_t)(4 + 2 * cores < SPANS_MAX ? 4 + 2 * cores : SPANS_MAX);
    import->puts_max = (unsigned)(4 + 2 * cores);
    for (size_t i = 0; i < import->span_count; i++) {
        import->spans[i].import = import;
    }
    return import;
}

void import_destroy(struct import *import)
{
    if (!import) {
        return;
    }
    import->running = false;
    if (import->scan.task) {
        world_cancel(import->world, import->scan.task);
    }
    for (size_t i = 0; i < import->span_count; i++) {
        struct span *span = &import->spans[i];
        if (span->task) {
            world_cancel(import->world, span->task);
        }
        repository_forget(import->repository, span);
        error_clear(&span->error);
        free(span->bytes);
    }
    map_cursor_destroy(import->previous);
    map_writer_destroy(import->map);
    error_clear(&import->error);
    error_clear(&import->scan.error);
    free(import->previous_failure);
    free(import->recent);
    free(import->recent_used);
    free(import);
}

static bool read_all(struct import *import, struct error *error)
{
    import->running = true;
    advance(import);
    world_run(import->world, &import->done);
    import->running = false;
    if (!import->failed && !import->done) {
        return error_set(error, "%s: nothing happens any more", image_name(import->image));
    }
    return !import->failed || error_move(error, &import->error);
}

/* A moment for the file system to answer, on a thread like all of them. */
struct check {
    struct import *import;
    bool done, ok;
    struct error error;
};

static void check_run(void *context)
{
    struct check *check = context;
    check->ok = image_check_unchanged(check->import->image, &check->error);
}

static void check_done(void *context)
{
    ((struct check *)context)->done = true;
}

static bool check_unchanged(struct import *import, struct error *error)
{
    struct check check = {.import = import};
    world_work(import->world, check_run, check_done, &check);
    world_run(import->world, &check.done);
    return check.ok || error_move(error, &check.error);
}

bool import_run(struct import *import, struct block_digest *root, uint64_t *blocks,
                struct error *error)
{
    if (!read_all(import, error) || !check_unchanged(import, error) ||
        !map_writer_finish(import->map, root, blocks, error)) {
        return false;
    }
    import->counts.passed = import->counts.blocks;
    import->counts.zero = import->counts.blocks - import->counts.fresh - import->counts.known;
    return !import->failed || error_move(error, &import->error);
}

void import_stop(struct import *import)
{
    struct error stopped = {0};
    error_set(&stopped, "stopped");
    fail(import, &stopped);
    advance(import);
}

const struct import_counts *import_counts(const struct import *import)
{
    return &import->counts;
}

const char *import_previous_failure(const struct import *import)
{
    return import->previous_failure;
}
