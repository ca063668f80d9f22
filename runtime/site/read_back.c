#include "runtime/site/read_back.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/ebs_read.h"
#include "runtime/mover/block_map.h"
#include "runtime/mover/verify.h"
#include "runtime/world/world.h"

enum {
    READS_AT_ONCE = 16,
    TRIES = 8,
    PAUSE_FIRST_MS = 250,
    PAUSE_MAX_MS = 10000,
    PROGRESS_BLOCKS = 64,
};

struct read_back;

/* One block on its way. */
struct slot {
    struct read_back *back;
    bool busy;
    uint64_t index;
    char *token;
    struct block_digest wanted, found;
    char *room; /* BLOCK_BYTES */
    int tries;
    struct ebs_read *read;
    struct world_task *pause;
};

/* The snapshot's own list of its blocks, page by page. */
struct listed {
    struct ebs_listing *listing;
    struct arena *arena; /* of the page */
    struct ebs_block *blocks;
    size_t count, at;
    bool last, there, absent;
};

struct read_back {
    struct repository *repository;
    struct world *world;
    struct aws *aws;
    struct arena *arena;
    const struct read_back_options *options;
    struct read_back_result *result;
    size_t problem_capacity, gone_capacity;
    const struct repository_copy *copy; /* that is being read */
    struct map_cursor *cursor;
    struct listed listed;
    struct slot slots[READS_AT_ONCE];
    size_t under_way;
    bool moved; /* a slot is free, or it has failed */
    bool failed;
    struct error *error;
    struct block_digest zeros;
};

static void set_flag(void *context)
{
    *(bool *)context = true;
}

static void note_problem(struct read_back *back, int64_t block, const char *text)
{
    struct read_back_result *result = back->result;
    const struct repository_copy *copy = back->copy;
    result->problems_in_all++;
    if (result->problem_count == READ_BACK_PROBLEMS_MAX) {
        return;
    }
    struct read_back_problem problem = {
        .disk = -1, .block = block, .text = arena_strdup(back->arena, text)};
    if (copy) {
        problem.snapshot_id = copy->snapshot_id;
        problem.plan = copy->plan;
        problem.vm = copy->vm;
        problem.recovery_point = copy->recovery_point;
        problem.disk = copy->disk;
    }
    result->problems = arena_grow(back->arena, result->problems, result->problem_count,
                                  &back->problem_capacity, sizeof problem);
    result->problems[result->problem_count++] = problem;
}

/* It cannot be done: access, or a service that does not answer. */
static void fail(struct read_back *back, const struct call_result *why)
{
    if (!back->failed) {
        error_set(back->error, "reading the DR copy %s back: %s", back->copy->snapshot_id,
                  why->error.message ? why->error.message : outcome_name(why->outcome));
        error_help(back->error, "%s",
                   why->error.help ? why->error.help
                                   : "it takes ebs:ListSnapshotBlocks and ebs:GetSnapshotBlock, and "
                                     "kms:Decrypt for encrypted copies; then do it again");
    }
    back->failed = true;
}

/* --- blocks --- */

static void start_read(struct slot *slot);

static void after_pause(void *context)
{
    struct slot *slot = context;
    slot->pause = NULL;
    start_read(slot);
}

static void slot_free(struct slot *slot)
{
    free(slot->token);
    slot->token = NULL;
    slot->busy = false;
    slot->back->under_way--;
    slot->back->moved = true;
}

static bool is_passing(enum outcome outcome)
{
    return outcome == OUTCOME_RETRY || outcome == OUTCOME_THROTTLED || outcome == OUTCOME_UNKNOWN;
}

static void read_again(struct slot *slot, int64_t at_least_ms)
{
    int64_t pause = (int64_t)PAUSE_FIRST_MS << slot->tries;
    pause = pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
    slot->pause = world_timer(slot->back->world, pause > at_least_ms ? pause : at_least_ms,
                              after_pause, slot);
}

static void compare(struct slot *slot)
{
    struct read_back *back = slot->back;
    bool zeros = block_digest_equal(&slot->wanted, &back->zeros);
    back->result->blocks++;
    if (!block_digest_equal(&slot->wanted, &slot->found)) {
        note_problem(back, (int64_t)slot->index,
                     zeros ? "it holds data, and the disk has none there"
                           : "it holds other bytes than the disk has there (SHA-256)");
    }
    if (back->options->progress && back->result->blocks % PROGRESS_BLOCKS == 0) {
        back->options->progress(back->options->context, back->result->blocks);
    }
}

static void on_read(void *context, const struct call_result *result)
{
    struct slot *slot = context;
    struct read_back *back = slot->back;
    slot->read = NULL;
    if (result->outcome == OUTCOME_OK) {
        compare(slot);
    } else if (is_passing(result->outcome) && slot->tries++ < TRIES && !back->failed) {
        read_again(slot, result->retry_after_ms);
        return;
    } else if (result->outcome == OUTCOME_RETRY && result->error.http_status == 200) {
        note_problem(back, (int64_t)slot->index, result->error.message); /* it came, and is unsound */
    } else {
        fail(back, result);
    }
    slot_free(slot);
}

static void start_read(struct slot *slot)
{
    struct ebs_block block = {.index = slot->index, .token = slot->token};
    slot->read = ebs_read_block(slot->back->aws, slot->back->copy->snapshot_id, &block, 0, slot->room,
                                &slot->found, on_read, slot);
}

static void await_moved(struct read_back *back)
{
    back->moved = false;
    world_run(back->world, &back->moved);
}

static void read_block(struct read_back *back, const struct ebs_block *block,
                       const struct block_digest *wanted)
{
    while (back->under_way == READS_AT_ONCE) {
        await_moved(back);
    }
    struct slot *slot = back->slots;
    while (slot->busy) {
        slot++;
    }
    slot->room = slot->room ? slot->room : base_realloc(NULL, BLOCK_BYTES);
    slot->back = back;
    slot->busy = true;
    slot->index = block->index;
    slot->token = base_strdup(block->token);
    slot->wanted = *wanted;
    slot->tries = 0;
    back->under_way++;
    start_read(slot);
}

/* --- which blocks there are --- */

static void on_page(void *context, const struct ebs_page *page, const struct call_result *why)
{
    struct read_back *back = context;
    struct listed *listed = &back->listed;
    listed->there = true;
    if (!page) {
        listed->absent = why->outcome == OUTCOME_ABSENT;
        listed->last = true;
        if (!listed->absent) {
            fail(back, why);
        }
        return;
    }
    listed->last = page->last;
    listed->count = page->count;
    listed->blocks = ARENA_ARRAY(listed->arena, struct ebs_block, page->count + 1);
    for (size_t i = 0; i < page->count; i++) {
        listed->blocks[i].index = page->blocks[i].index;
        listed->blocks[i].token = arena_strdup(listed->arena, page->blocks[i].token);
    }
}

/* NULL: there are no more, or it has failed. */
static const struct ebs_block *listed_block(struct read_back *back)
{
    struct listed *listed = &back->listed;
    while (listed->at == listed->count && !listed->last && !back->failed) {
        arena_destroy(listed->arena);
        listed->arena = arena_create();
        listed->at = listed->count = 0;
        listed->there = false;
        ebs_listing_next(listed->listing, on_page, back);
        world_run(back->world, &listed->there);
    }
    return listed->at < listed->count && !back->failed ? &listed->blocks[listed->at] : NULL;
}

/* False: there are no more, or the map cannot be read, which is a problem. */
static bool next_entry(struct read_back *back, struct block_entry *entry)
{
    for (;;) {
        bool ready = false;
        switch (map_cursor_next(back->cursor, entry, set_flag, &ready)) {
        case MAP_ENTRY:
            return true;
        case MAP_END:
            return false;
        case MAP_PENDING:
            world_run(back->world, &ready);
            break;
        case MAP_FAILED: {
            struct error why = {0};
            error_copy(&why, map_cursor_error(back->cursor));
            error_prefix(&why, "what it should hold is not known");
            note_problem(back, -1, why.message);
            error_clear(&why);
            back->listed.last = true; /* nor what else is wrong with it */
            back->listed.at = back->listed.count;
            return false;
        }
        }
    }
}

/* The seed picks others of them; zeros of different places are different ones. */
static bool is_wanted(const struct read_back *back, uint64_t index,
                      const struct block_digest *digest)
{
    return verify_is_sampled(back->options->sample, back->options->seed + index, digest);
}

static void take_block(struct read_back *back, const struct ebs_block *block,
                       const struct block_digest *wanted)
{
    if (is_wanted(back, block->index, wanted)) {
        read_block(back, block, wanted);
    }
    back->listed.at++;
}

/* Map and list side by side, both by index. */
static void compare_all(struct read_back *back)
{
    const struct ebs_block *block = listed_block(back);
    struct block_entry entry;
    bool more = !back->listed.absent && !back->failed && next_entry(back, &entry);
    while ((more || block) && !back->failed) {
        if (more && (!block || entry.index < block->index)) {
            note_problem(back, (int64_t)entry.index, "it is missing, and the disk has data there");
            more = next_entry(back, &entry);
        } else {
            bool named = more && entry.index == block->index;
            take_block(back, block, named ? &entry.digest : &back->zeros);
            more = named ? next_entry(back, &entry) : more;
        }
        block = listed_block(back);
    }
    while (back->under_way > 0 && !back->failed) {
        await_moved(back);
    }
}

static void give_up_reads(struct read_back *back)
{
    for (size_t i = 0; i < READS_AT_ONCE; i++) {
        struct slot *slot = &back->slots[i];
        if (slot->read) {
            ebs_read_cancel(slot->read);
            slot->read = NULL;
        }
        if (slot->pause) {
            world_cancel(back->world, slot->pause);
            slot->pause = NULL;
        }
        if (slot->busy) {
            slot_free(slot);
        }
    }
}

static void note_gone(struct read_back *back)
{
    struct read_back_result *result = back->result;
    result->gone = arena_grow(back->arena, result->gone, result->gone_count, &back->gone_capacity,
                              sizeof *result->gone);
    result->gone[result->gone_count++] = back->copy->snapshot_id;
}

static void read_copy(struct read_back *back, const struct repository_copy *copy)
{
    struct ebs_listing_options options = {.snapshot_id = copy->snapshot_id};
    back->copy = copy;
    back->cursor = map_cursor_create(back->repository, &copy->map, NULL, copy->disk_bytes);
    back->listed = (struct listed){.listing = ebs_listing_create(back->aws, &options)};
    compare_all(back);
    give_up_reads(back);
    if (back->listed.absent) {
        note_gone(back);
    } else {
        back->result->copies++;
    }
    ebs_listing_destroy(back->listed.listing);
    arena_destroy(back->listed.arena);
    map_cursor_destroy(back->cursor);
    back->copy = NULL;
}

/* --- which copies --- */

static bool is_meant(const struct read_back_options *options, const struct repository_copy *copy)
{
    return (!options->vm || strcmp(options->vm, copy->vm) == 0) &&
           (!options->time || parse_time(options->time) == parse_time(copy->recovery_point));
}

bool read_back_copies(struct repository *repository, struct aws *aws, struct arena *arena,
                      const struct read_back_options *options, struct read_back_result *result,
                      struct error *error)
{
    struct read_back back = {.repository = repository,
                             .world = repository_world(repository),
                             .aws = aws,
                             .arena = arena,
                             .options = options,
                             .result = result,
                             .error = error};
    struct repository_copies found;
    char *zeros = base_alloc(BLOCK_BYTES);
    block_digest(zeros, BLOCK_BYTES, &back.zeros);
    free(zeros);
    *result = (struct read_back_result){0};
    if (!repository_list_copies(repository, arena, options->plan, &found, error)) {
        return false;
    }
    for (size_t i = 0; i < found.damaged_count; i++) {
        note_problem(&back, -1, found.damaged[i]);
    }
    for (size_t i = 0; i < found.count && !back.failed; i++) {
        if (is_meant(options, &found.copies[i])) {
            read_copy(&back, &found.copies[i]);
        }
    }
    for (size_t i = 0; i < READS_AT_ONCE; i++) {
        free(back.slots[i].room);
    }
    return !back.failed;
}
