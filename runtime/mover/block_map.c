/* Reading block maps: one, or the difference of two. A side has its root, and the segment at hand.
 */
#include "runtime/mover/block_map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/map_form.h"
#include "runtime/mover/repository_locks.h"
#include "runtime/mover/repository_state.h"

struct side {
    struct map_cursor *cursor;
    struct block_digest digest;
    bool there; /* false: of an old map that there is not; it has no blocks */
    char *root, *segment;
    int64_t disk_bytes;
    uint32_t root_count, root_at;       /* entries of the root; the one at hand */
    uint32_t segment_count, segment_at; /* of its segment; 0 until it is read */
    bool under_way;
};

struct map_cursor {
    struct repository *repository;
    int64_t wanted_bytes;
    struct side now, old;
    struct error error;
    struct world_task *task;
    void (*ready)(void *context);
    void *context;
};

struct map_cursor *map_cursor_create(struct repository *repository, const struct block_digest *root,
                                     const struct block_digest *old, int64_t disk_bytes)
{
    struct map_cursor *cursor = base_alloc(sizeof *cursor);
    cursor->repository = repository;
    cursor->wanted_bytes = disk_bytes;
    cursor->now = (struct side){.cursor = cursor, .digest = *root, .there = true};
    cursor->old.cursor = cursor;
    if (old) {
        cursor->old.digest = *old;
        cursor->old.there = true;
    }
    return cursor;
}

void map_cursor_destroy(struct map_cursor *cursor)
{
    if (cursor) {
        repository_forget(cursor->repository, &cursor->now);
        repository_forget(cursor->repository, &cursor->old);
        free(cursor->now.root);
        free(cursor->now.segment);
        free(cursor->old.root);
        free(cursor->old.segment);
        error_clear(&cursor->error);
        free(cursor);
    }
}

const struct error *map_cursor_error(const struct map_cursor *cursor)
{
    return &cursor->error;
}

int64_t map_cursor_disk_bytes(const struct map_cursor *cursor)
{
    return cursor->now.disk_bytes;
}

/* --- reading objects --- */

static void fail(struct side *side, const struct block_digest *digest, struct error *problem)
{
    char key[OBJECT_KEY_MAX];
    object_key(key, "maps", digest);
    if (!side->cursor->error.message) {
        repository_object_error(side->cursor->repository, "reading", key, problem,
                                &side->cursor->error);
    }
    error_clear(problem);
}

static void arrived(struct side *side)
{
    struct map_cursor *cursor = side->cursor;
    side->under_way = false;
    void (*ready)(void *context) = cursor->ready;
    if (ready && !cursor->now.under_way && !cursor->old.under_way) {
        cursor->ready = NULL;
        ready(cursor->context);
    }
}

static void keep_error(struct side *side, const struct error *error)
{
    if (!side->cursor->error.message) {
        error_copy(&side->cursor->error, error);
    }
}

static void root_arrived(void *context, char *bytes, size_t length, const struct error *error)
{
    struct side *side = context;
    struct error problem = {0};
    int64_t wanted = side == &side->cursor->now ? side->cursor->wanted_bytes : 0;
    if (error) {
        keep_error(side, error);
    } else if (!root_check(bytes, length, &side->disk_bytes, &side->root_count, &problem)) {
        fail(side, &side->digest, &problem);
    } else if (wanted && side->disk_bytes != wanted) {
        error_set(&problem,
                  "it is the map of a disk of %" PRId64 " bytes, and this one has %" PRId64,
                  side->disk_bytes, wanted);
        fail(side, &side->digest, &problem);
    } else {
        side->root = bytes;
        bytes = NULL;
    }
    free(bytes);
    arrived(side);
}

static bool check_segment(const struct side *side, const char *bytes, size_t length,
                          struct error *problem)
{
    struct root_entry entry;
    struct segment_entry last;
    root_entry(side->root, side->root_at, &entry);
    if (!segment_check(bytes, length, entry.blocks, problem)) {
        return false;
    }
    segment_entry(bytes, entry.blocks - 1, &last);
    uint64_t index = (uint64_t)entry.segment * SEGMENT_BLOCKS + last.block;
    return index < block_count_of(side->disk_bytes) ||
           error_set(problem, "it has block %" PRIu64 ", which is behind the end of the disk",
                     index);
}

static void segment_arrived(void *context, char *bytes, size_t length, const struct error *error)
{
    struct side *side = context;
    struct error problem = {0};
    struct root_entry entry;
    root_entry(side->root, side->root_at, &entry);
    if (error) {
        keep_error(side, error);
    } else if (!check_segment(side, bytes, length, &problem)) {
        fail(side, &entry.digest, &problem);
    } else {
        side->segment = bytes;
        side->segment_count = entry.blocks;
        side->segment_at = 0;
        bytes = NULL;
    }
    free(bytes);
    arrived(side);
}

static void read_root(struct side *side)
{
    if (side->there && !side->root && !side->under_way) {
        side->under_way = true;
        repository_get_map(side->cursor->repository, &side->digest, root_arrived, side);
    }
}

static void read_segment(struct side *side, const struct root_entry *entry)
{
    if (!side->segment && !side->under_way) {
        side->under_way = true;
        repository_get_map(side->cursor->repository, &entry->digest, segment_arrived, side);
    }
}

/* --- going on --- */

static bool has_segment(const struct side *side)
{
    return side->root && side->root_at < side->root_count;
}

static void leave_segment(struct side *side)
{
    free(side->segment);
    side->segment = NULL;
    side->segment_count = side->segment_at = 0;
    side->root_at++;
}

/* Segments that both have are skipped. Which number comes next; UINT32_MAX: none. Fills which side
 * has one there. */
static uint32_t next_segment(struct map_cursor *cursor, bool *in_now, bool *in_old)
{
    struct root_entry now = {0}, old = {0};
    for (;;) {
        *in_now = has_segment(&cursor->now);
        *in_old = has_segment(&cursor->old);
        if (*in_now) {
            root_entry(cursor->now.root, cursor->now.root_at, &now);
        }
        if (*in_old) {
            root_entry(cursor->old.root, cursor->old.root_at, &old);
        }
        if (!*in_now || !*in_old || now.segment != old.segment ||
            !block_digest_equal(&now.digest, &old.digest)) {
            break;
        }
        leave_segment(&cursor->now);
        leave_segment(&cursor->old);
    }
    if (*in_now && *in_old && now.segment != old.segment) {
        *in_now = now.segment < old.segment;
        *in_old = !*in_now;
    }
    return *in_now ? now.segment : *in_old ? old.segment : UINT32_MAX;
}

/* The next difference within the segments at hand; false: there is none left. */
static bool step_within(struct side *now, struct side *old, uint32_t number,
                        struct block_entry *entry)
{
    uint64_t base = (uint64_t)number * SEGMENT_BLOCKS;
    struct segment_entry mine, theirs;
    while (now->segment_at < now->segment_count || old->segment_at < old->segment_count) {
        bool has_mine = now->segment_at < now->segment_count;
        bool has_theirs = old->segment_at < old->segment_count;
        if (has_mine) {
            segment_entry(now->segment, now->segment_at, &mine);
        }
        if (has_theirs) {
            segment_entry(old->segment, old->segment_at, &theirs);
        }
        bool take_mine = has_mine && (!has_theirs || mine.block <= theirs.block);
        bool take_theirs = has_theirs && (!has_mine || theirs.block <= mine.block);
        now->segment_at += take_mine;
        old->segment_at += take_theirs;
        if (take_mine && take_theirs && block_digest_equal(&mine.digest, &theirs.digest)) {
            continue;
        }
        entry->index = base + (take_mine ? mine.block : theirs.block);
        entry->zero = !take_mine;
        entry->digest = take_mine ? mine.digest : (struct block_digest){{0}};
        /* What the old disk had behind the end of this one is no block of it. */
        if (take_mine || entry->index < block_count_of(now->disk_bytes)) {
            return true;
        }
    }
    return false;
}

static enum map_step pending(struct map_cursor *cursor, void (*ready)(void *context), void *context)
{
    cursor->ready = ready;
    cursor->context = context;
    return MAP_PENDING;
}

enum map_step map_cursor_next(struct map_cursor *cursor, struct block_entry *entry,
                              void (*ready)(void *context), void *context)
{
    struct side *now = &cursor->now, *old = &cursor->old;
    while (!cursor->error.message) {
        read_root(now);
        read_root(old);
        if (now->under_way || old->under_way) {
            return pending(cursor, ready, context);
        }
        bool in_now, in_old;
        uint32_t number = next_segment(cursor, &in_now, &in_old);
        if (number == UINT32_MAX) {
            return MAP_END;
        }
        struct root_entry at;
        if (in_now && !now->segment) {
            root_entry(now->root, now->root_at, &at);
            read_segment(now, &at);
        }
        if (in_old && !old->segment) {
            root_entry(old->root, old->root_at, &at);
            read_segment(old, &at);
        }
        if (now->under_way || old->under_way) {
            return pending(cursor, ready, context);
        }
        if (step_within(now, old, number, entry)) {
            return MAP_ENTRY;
        }
        if (in_now) {
            leave_segment(now);
        }
        if (in_old) {
            leave_segment(old);
        }
    }
    return MAP_FAILED;
}

/* --- counting --- */

static bool count_entries(struct map_cursor *cursor, uint64_t *count, struct error *error)
{
    struct world *world = cursor->repository->world;
    struct block_entry entry;
    for (;;) {
        bool ready = false;
        enum map_step step = map_cursor_next(cursor, &entry, repository_set_flag, &ready);
        if (step == MAP_PENDING) {
            world_run(world, &ready);
        } else if (step == MAP_ENTRY) {
            ++*count;
        } else if (step == MAP_FAILED) {
            return error_move(error, &cursor->error);
        } else {
            return true;
        }
    }
}

/* A root says how many blocks all of it has. */
static bool count_all(struct map_cursor *cursor, uint64_t *count, struct error *error)
{
    bool ready = false;
    pending(cursor, repository_set_flag, &ready);
    read_root(&cursor->now);
    world_run(cursor->repository->world, &ready);
    if (cursor->error.message) {
        return error_move(error, &cursor->error);
    }
    *count = root_blocks(cursor->now.root);
    return true;
}

bool map_difference_count(struct repository *repository, const struct block_digest *root,
                          const struct block_digest *old, uint64_t *count, struct error *error)
{
    struct map_cursor *cursor = map_cursor_create(repository, root, old, 0);
    *count = 0;
    bool ok = old ? count_entries(cursor, count, error) : count_all(cursor, count, error);
    map_cursor_destroy(cursor);
    return ok;
}
