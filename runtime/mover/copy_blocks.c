/* Blocks on their way: read from the repository (verified there, by the digest that is their name and
 * their checksum), queued for bandwidth and width, put, and put again where that failed in passing. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "runtime/mover/mover_state.h"
#include "runtime/world/world.h"

enum {
    READ_TRIES = 4,
    PAUSE_FIRST_MS = 100,
    PAUSE_MAX_MS = 10000,
    BUFFER_AHEAD = 48,    /* so that the block begins as malloc aligns, and its header has room */
    BUFFER_BYTES = BUFFER_AHEAD + BLOCK_BYTES,
};

/* --- buffers --- */

void *buffer_take(struct mover *mover)
{
    if (mover->free_count > 0) {
        return mover->free_buffers[--mover->free_count];
    }
    if (mover->buffers_made == mover->buffers_max) {
        return NULL;
    }
    mover->buffers_made++;
    return (char *)base_realloc(NULL, BUFFER_BYTES) + BUFFER_AHEAD; /* zeroing costs */
}

void buffer_free_all(struct mover *mover)
{
    while (mover->free_count > 0) {
        free((char *)mover->free_buffers[--mover->free_count] - BUFFER_AHEAD);
    }
}

void buffer_give(struct mover *mover, void *buffer)
{
    if (buffer) {
        mover->free_buffers[mover->free_count++] = buffer;
    }
}

/* --- slots --- */

static bool is_unsent(enum slot_state state)
{
    return state == SLOT_READING || state == SLOT_QUEUED;
}

static void set_state(struct slot *slot, enum slot_state state)
{
    struct mover *mover = slot->copy->mover;
    mover->unsent -= is_unsent(slot->state);
    mover->unsent += is_unsent(state);
    slot->state = state;
}

static void leave_queue(struct slot *slot)
{
    DL_DELETE2(slot->copy->queue, slot, queue_prev, queue_next);
}

void slot_destroy(struct slot *slot)
{
    struct copy *copy = slot->copy;
    struct mover *mover = copy->mover;
    if (slot->state == SLOT_READING) {
        repository_forget(copy->job->repository, slot);
    } else if (slot->state == SLOT_SENDING) {
        mover->options.target->forget(mover->options.target, slot);
        mover->sending--;
    } else if (slot->state == SLOT_QUEUED) {
        leave_queue(slot);
    }
    set_state(slot, SLOT_PAUSING);
    if (slot->timer) {
        world_cancel(mover->world, slot->timer);
    }
    buffer_give(mover, slot->bytes);
    DL_DELETE(copy->slots, slot);
    copy->slot_count--;
    free(slot);
}

/* What failed, at which block, and into what. Takes the error. */
static void fail_by(struct slot *slot, struct error *error, bool gone)
{
    error_prefix(error, "block %" PRIu64 " (at %" PRIu64 " of the disk) into %s", slot->index,
                 slot->index * BLOCK_BYTES, slot->copy->snapshot_id);
    copy_failed(slot->copy, error, gone);
}

static void fail(struct slot *slot, const char *message, const char *help, bool gone)
{
    struct error error = {0};
    error_set(&error, "%s", message ? message : "no reason given");
    if (help) {
        error_help(&error, "%s", help);
    }
    fail_by(slot, &error, gone);
}

static int64_t pause_ms(struct mover *mover, int attempts, int64_t at_least_ms)
{
    uint32_t random;
    int doublings = attempts < 8 ? attempts : 8;
    int64_t most = (int64_t)PAUSE_FIRST_MS << doublings;
    most = most < PAUSE_MAX_MS ? most : PAUSE_MAX_MS;
    world_random(mover->world, &random, sizeof random);
    int64_t pause = most / 2 + random % (most / 2 + 1);
    return pause > at_least_ms ? pause : at_least_ms;
}

static void read_block(struct slot *slot);

static void enqueue(struct slot *slot)
{
    set_state(slot, SLOT_QUEUED);
    DL_APPEND2(slot->copy->queue, slot, queue_prev, queue_next);
}

static void after_pause(void *context)
{
    struct slot *slot = context;
    slot->timer = NULL;
    struct mover *mover = slot->copy->mover;
    enqueue(slot);
    mover_pump(mover);
}

static void after_read_pause(void *context)
{
    struct slot *slot = context;
    slot->timer = NULL;
    read_block(slot);
}

static void pause_slot(struct slot *slot, int64_t at_least_ms, world_callback then)
{
    struct mover *mover = slot->copy->mover;
    set_state(slot, SLOT_PAUSING);
    if (mover->interrupted) {
        slot_destroy(slot);
        return;
    }
    slot->timer = world_timer(mover->world, pause_ms(mover, slot->attempts++, at_least_ms), then, slot);
}

/* --- reading --- */

static void on_read(void *context, const struct error *error)
{
    struct slot *slot = context;
    struct mover *mover = slot->copy->mover;
    if (!error) {
        mover->unread_since_ms = -1;
        slot->attempts = 0;
        enqueue(slot);
        mover_pump(mover);
    } else if (slot->attempts + 1 < READ_TRIES) {
        pause_slot(slot, 0, after_read_pause);
    } else {
        struct error problem = {0};
        set_state(slot, SLOT_PAUSING); /* its read is over */
        error_copy(&problem, error);
        fail_by(slot, &problem, false);
    }
}

static void read_block(struct slot *slot)
{
    set_state(slot, SLOT_READING);
    repository_get_block_within(slot->copy->job->repository, &slot->digest,
                                (char *)slot->bytes - REPOSITORY_ROOM_AHEAD, on_read, slot);
}

void slot_begin(struct copy *copy, const struct block_entry *entry, void *bytes)
{
    struct slot *slot = base_alloc(sizeof *slot);
    slot->copy = copy;
    slot->state = SLOT_PAUSING;
    slot->number = copy->next;
    slot->index = entry->index;
    slot->digest = entry->zero ? copy->mover->zero_digest : entry->digest;
    slot->bytes = bytes;
    DL_APPEND(copy->slots, slot);
    copy->slot_count++;
    if (entry->zero) {
        enqueue(slot);
    } else {
        read_block(slot);
    }
}

/* --- sending --- */

static void adjust_width(struct mover *mover, enum outcome outcome)
{
    if (outcome == OUTCOME_OK) {
        width_arrived(&mover->width);
    } else if (outcome == OUTCOME_UNKNOWN) {
        width_late(&mover->width, world_monotonic_ms(mover->world));
    }
}

static void set_trouble(struct copy *copy, const char *message)
{
    free(copy->trouble);
    copy->trouble = message ? base_strdup(message) : NULL;
}

static void put_done(struct slot *slot)
{
    struct copy *copy = slot->copy;
    reached_add(&copy->reached, slot->number);
    copy->moved_ms = world_monotonic_ms(copy->mover->world);
    if (copy->trouble) {
        set_trouble(copy, NULL);
    }
    slot_destroy(slot);
}

static void put_again(struct slot *slot, const struct call_result *result)
{
    struct copy *copy = slot->copy;
    int64_t now = world_monotonic_ms(copy->mover->world);
    const char *message = result->error.message ? result->error.message : outcome_name(result->outcome);
    set_trouble(copy, message);
    if (now - copy->moved_ms >= MOVER_PATIENCE_MS) {
        struct error error = {0};
        error_set(&error, "no block could be put for %d minutes; at last: %s",
                  MOVER_PATIENCE_MS / 60000, message);
        fail(slot, error.message, result->error.help, false);
        error_clear(&error);
        return;
    }
    pause_slot(slot, result->retry_after_ms, after_pause);
}

static void on_put(void *context, const struct call_result *result)
{
    struct slot *slot = context;
    struct copy *copy = slot->copy;
    struct mover *mover = copy->mover;
    mover->sending--;
    set_state(slot, SLOT_PAUSING); /* nothing of it is under way */
    copy->requests++;
    adjust_width(mover, result->outcome);
    switch (result->outcome) {
    case OUTCOME_OK:
        put_done(slot);
        break;
    case OUTCOME_ABSENT:
        fail(slot, result->error.message,
             "the snapshot was deleted while it was written: resume, then this disk is copied anew",
             true);
        break;
    case OUTCOME_FATAL:
    case OUTCOME_EXHAUSTED:
        fail(slot, result->error.message, result->error.help, result->error.gone);
        break;
    default:
        put_again(slot, result);
        break;
    }
    mover_pump(mover);
}

static int percent_of(const struct copy *copy)
{
    return copy->total ? (int)(100 * copy->reached.count / copy->total) : 100;
}

static void put_block(struct slot *slot)
{
    struct mover *mover = slot->copy->mover;
    struct block_put put = {.snapshot_id = slot->copy->snapshot_id,
                            .bytes = slot->bytes ? slot->bytes : mover->zeros,
                            .digest = &slot->digest,
                            .index = slot->index,
                            .priority = slot->copy->job->call->priority,
                            .percent = percent_of(slot->copy)};
    set_state(slot, SLOT_SENDING);
    mover->sending++;
    mover->pump_again = true; /* another may be read */
    mover->options.target->put(mover->options.target, &put, on_put, slot);
}

static void on_queue_timer(void *context)
{
    struct mover *mover = context;
    mover->queue_timer = NULL;
    mover_pump(mover);
}

/* The copies take turns. NULL: nothing is queued. */
static struct slot *next_in_turn(struct mover *mover)
{
    struct copy *copy;
    DL_FOREACH2(mover->copies, copy, next_copy) {
        if (copy->queue) {
            DL_DELETE2(mover->copies, copy, prev_copy, next_copy);
            DL_APPEND2(mover->copies, copy, prev_copy, next_copy);
            return copy->queue;
        }
    }
    return NULL;
}

static bool any_queued(const struct mover *mover)
{
    const struct copy *copy;
    DL_FOREACH2(mover->copies, copy, next_copy) {
        if (copy->queue) {
            return true;
        }
    }
    return false;
}

/* What is read is sent, as bandwidth and width allow. */
static void queue_send(struct mover *mover)
{
    while (mover->sending < width_now(&mover->width) && !mover->queue_timer && any_queued(mover)) {
        int64_t wait_ms = bandwidth_take(&mover->bandwidth, BLOCK_BYTES, world_monotonic_ms(mover->world));
        if (wait_ms > 0) {
            mover->queue_timer = world_timer(mover->world, wait_ms, on_queue_timer, mover);
            return;
        }
        struct slot *slot = next_in_turn(mover);
        leave_queue(slot);
        put_block(slot);
    }
}

/* --- all copies --- */

void mover_pump(struct mover *mover)
{
    if (mover->pumping) {
        mover->pump_again = true;
        return;
    }
    mover->pumping = true;
    do {
        struct copy *copy, *next;
        mover->pump_again = false;
        DL_FOREACH_SAFE2(mover->copies, copy, next, next_copy) {
            copy_pump(copy);
        }
        queue_send(mover);
    } while (mover->pump_again);
    mover->pumping = false;
}
