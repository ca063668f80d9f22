/* Copy: the blocks of one disk, from the repository into a snapshot. First the map is gone through
 * once, to know how much there is to do; then again, and each block is sent, as far as memory allows.
 * The checksum over all digests goes along with the map, so that what earlier attempts have put counts
 * without being sent again. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/sha256.h"
#include "compiler/emit/emit.h"
#include "runtime/mover/mover_state.h"
#include "runtime/world/world.h"

enum {
    NOTE_MS = 1000,
    INTERRUPT_MS = 5000, /* for what is on its way to arrive */
    AHEAD_NEAR = 4, /* as many as libuv has threads */
};

/* --- its end --- */

void copy_destroy(struct copy *copy)
{
    struct mover *mover = copy->mover;
    while (copy->slots) {
        slot_destroy(copy->slots);
    }
    if (copy->ending) {
        world_cancel(mover->world, copy->ending);
    }
    map_cursor_destroy(copy->cursor);
    if (copy->checksum) {
        uint8_t unused[SHA256_SIZE];
        sha256_finish(copy->checksum, unused);
    }
    DL_DELETE2(mover->copies, copy, prev_copy, next_copy);
    mover->copy_count--;
    copy->job->copy = NULL;
    free(copy->trouble);
    free(copy);
}

static void note(struct copy *copy);
static void break_off(struct copy *copy, const char *why);

static void end(struct copy *copy, struct call_result *result)
{
    struct job *job = copy->job;
    struct mover *mover = copy->mover;
    if (result->outcome != OUTCOME_OK) {
        note(copy);
    }
    result->requests = (int)(copy->requests < INT32_MAX ? copy->requests : INT32_MAX);
    copy_destroy(copy);
    job_done(job, result);
    mover_pump(mover);
}

void copy_failed(struct copy *copy, struct error *error, bool gone)
{
    const struct call *call = copy->job->call;
    int32_t vm = call->node->vm;
    const char *point = call_text(call, "recovery_point");
    error_prefix(error, "recovery point %s of %s%s%s, disk %" PRId64, point ? point : "?",
                 call->graph->plan_name, vm == NO_VM ? "" : "/",
                 vm == NO_VM ? "" : call->graph->vms[vm].name, call_int(call, "disk", 0));
    struct call_result result = {
        .outcome = mover_outcome(copy->mover, error),
        .error = {.message = error->message,
                  .help = error->help ? error->help
                                      : "drc run resume goes on from what is there; where that comes to "
                                        "the same, drc run cleanup deletes the snapshot, and a new run "
                                        "copies the disk anew",
                  .gone = gone}};
    end(copy, &result);
    error_clear(error);
}

static void finish(struct copy *copy)
{
    uint8_t digest[SHA256_SIZE];
    unsigned char checksum[SHA256_SIZE * 2];
    char blocks[24], bytes[24];
    sha256_finish(copy->checksum, digest);
    copy->checksum = NULL;
    EVP_EncodeBlock(checksum, digest, sizeof digest);
    snprintf(blocks, sizeof blocks, "%" PRIu64, copy->total);
    snprintf(bytes, sizeof bytes, "%" PRIu64, copy->total * BLOCK_BYTES);
    struct call_result result = {
        .outcome = OUTCOME_OK,
        .outputs = {{"changed_blocks", blocks}, {"checksum", (const char *)checksum}, {"bytes", bytes}},
        .output_count = 3};
    end(copy, &result);
}

/* --- what it tells --- */

static void put_size(struct buffer *out, uint64_t bytes)
{
    char size[32];
    buffer_puts(out, format_size(size, (int64_t)bytes));
}

static void put_state(struct copy *copy, struct buffer *out)
{
    uint64_t done = copy->reached.count * BLOCK_BYTES, total = copy->total * BLOCK_BYTES;
    if (copy->phase == COPY_COUNTING) {
        buffer_puts(out, "reads its block map");
        return;
    }
    put_size(out, done);
    buffer_puts(out, " of ");
    put_size(out, total);
    if (copy->rate > 0) {
        char left[32];
        buffer_puts(out, ", ");
        put_size(out, (uint64_t)copy->rate);
        double left_ms = (double)(total - done) / copy->rate * 1000;
        buffer_printf(out, "/s, %s left", format_duration(left, (int64_t)left_ms / 1000 * 1000));
    }
    if (copy->before > 0) {
        buffer_puts(out, " (");
        put_size(out, copy->before * BLOCK_BYTES);
        buffer_puts(out, " by an earlier attempt)");
    }
    if (copy->trouble) {
        buffer_printf(out, "; tries again: %s", copy->trouble);
    }
}

static void measure(struct copy *copy)
{
    int64_t now = world_monotonic_ms(copy->mover->world);
    int64_t passed = now - copy->noted_ms;
    if (passed < NOTE_MS / 2) {
        return;
    }
    double rate = (double)(copy->reached.count - copy->noted_count) * BLOCK_BYTES * 1000 / (double)passed;
    rate = copy->rate > 0 ? 0.7 * copy->rate + 0.3 * rate : rate;
    copy->rate = rate < 1 ? 0 : rate; /* it stands still: nobody knows how long */
    copy->noted_ms = now;
    copy->noted_count = copy->reached.count;
}

static void note(struct copy *copy)
{
    struct call *call = copy->job->call;
    char keep[REACHED_TEXT_MAX];
    struct buffer text = {0};
    if (!call->note) {
        return;
    }
    measure(copy);
    put_state(copy, &text);
    reached_text(&copy->reached, keep);
    call->note(call, &(struct call_note){.done = (int64_t)(copy->reached.count * BLOCK_BYTES),
                                         .total = (int64_t)(copy->total * BLOCK_BYTES),
                                         .requests = copy->requests,
                                         .text = buffer_text(&text),
                                         .keep = copy->reached.count > 0 ? keep : NULL});
    copy->requests = 0;
    buffer_free(&text);
}

static void on_note_timer(void *context)
{
    struct mover *mover = context;
    mover->note_timer = NULL;
    copy_note_all(mover);
}

/* To clang's analyser copy->mover may be another than the mover that lists the copy: what has ended would
 * be in the list for ever. Hence NOLINT, here and below. */
static struct copy *overdue(const struct mover *mover)
{
    struct copy *copy;
    int64_t now = world_monotonic_ms(mover->world);
    DL_FOREACH2(mover->copies, copy, next_copy) {
        int64_t deadline_ms = copy->job->call->deadline_ms; /* NOLINT(clang-analyzer-unix.Malloc) */
        if (deadline_ms > 0 && now >= deadline_ms) {
            return copy;
        }
    }
    return NULL;
}

/* The timer is there while there are copies. */
void copy_note_all(struct mover *mover)
{
    struct copy *copy;
    while ((copy = overdue(mover))) {
        break_off(copy, "its time is over");
    }
    DL_FOREACH2(mover->copies, copy, next_copy) {
        note(copy); /* NOLINT(clang-analyzer-unix.Malloc) */
    }
    if (mover->copies && !mover->note_timer) {
        mover->note_timer = world_timer(mover->world, NOTE_MS, on_note_timer, mover);
    }
}

/* --- its way --- */

/* Zeros are queued at once, with no read that would send them when it ends. */
static void on_map_ready(void *context)
{
    const struct copy *copy = context;
    mover_pump(copy->mover);
}

static void map_failed(struct copy *copy)
{
    struct error error = {0};
    error_copy(&error, map_cursor_error(copy->cursor));
    copy_failed(copy, &error, false);
}

static void open_map(struct copy *copy)
{
    map_cursor_destroy(copy->cursor);
    copy->cursor = map_cursor_create(copy->job->repository, &copy->map,
                                     copy->has_parent ? &copy->parent : NULL, 0);
}

static void begin_sending(struct copy *copy)
{
    const char *kept = copy->job->call->kept;
    copy->phase = COPY_SENDING;
    if (kept) {
        reached_parse(&copy->reached, kept);
    }
    if (copy->reached.count > copy->total) { /* not of this map: nothing of it can be relied on */
        copy->reached = (struct reached){0};
    }
    copy->before = copy->noted_count = copy->reached.count;
    copy->noted_ms = copy->moved_ms = world_monotonic_ms(copy->mover->world);
    copy->checksum = sha256_create();
    open_map(copy);
    note(copy);
}

/* True when it is done, and sending has begun. */
static bool count(struct copy *copy)
{
    struct block_entry entry;
    for (;;) {
        switch (map_cursor_next(copy->cursor, &entry, on_map_ready, copy)) {
        case MAP_ENTRY:
            copy->total++;
            break;
        case MAP_END:
            begin_sending(copy);
            return true;
        case MAP_PENDING:
            return false;
        case MAP_FAILED:
            map_failed(copy);
            return false;
        }
    }
}

/* How many are read ahead of what is sent. From near only what the threads are at: what lies about longer
 * has left the processor's caches when it is sent (a twelfth of a copy's CPU). */
static size_t ahead(const struct copy *copy)
{
    return repository_is_near(copy->job->repository) ? AHEAD_NEAR : width_now(&copy->mover->width);
}

/* Each disk gets its share of the memory, and at least one block; but not more of it than keeps all
 * connections busy. */
static bool may_take_another(const struct copy *copy)
{
    const struct mover *mover = copy->mover;
    if (mover->unsent >= ahead(copy)) {
        return false;
    }
    size_t useful = 2 * width_now(&mover->width);
    size_t most = mover->buffers_max < useful ? mover->buffers_max : useful;
    size_t share = most / (mover->copy_count ? mover->copy_count : 1);
    return copy->slot_count < (share > 1 ? share : 1) &&
           reached_in_window(&copy->reached, copy->next);
}

/* What is there already counts, and is not sent. */
static void take_entry(struct copy *copy, const struct block_entry *entry, void **buffer)
{
    const struct block_digest *digest = entry->zero ? &copy->mover->zero_digest : &entry->digest;
    sha256_update(copy->checksum, digest->bytes, BLOCK_DIGEST_BYTES);
    if (!reached_has(&copy->reached, copy->next)) {
        slot_begin(copy, entry, entry->zero ? NULL : *buffer);
        *buffer = entry->zero ? *buffer : NULL;
    }
    copy->next++;
}

/* False: nothing more can be taken now, or the copy has failed (and is gone). */
static bool take_next(struct copy *copy)
{
    struct mover *mover = copy->mover;
    struct block_entry entry;
    void *buffer = NULL;
    if (!reached_has(&copy->reached, copy->next)) {
        buffer = may_take_another(copy) ? buffer_take(mover) : NULL;
        if (!buffer) {
            return false;
        }
    }
    enum map_step step = map_cursor_next(copy->cursor, &entry, on_map_ready, copy);
    if (step == MAP_ENTRY) {
        take_entry(copy, &entry, &buffer);
    }
    buffer_give(mover, buffer);
    copy->at_end = step == MAP_END;
    if (step == MAP_FAILED) {
        map_failed(copy);
    }
    return step == MAP_ENTRY || step == MAP_END;
}

/* What has arrived is kept, and whoever resumes goes on behind it. */
static void break_off(struct copy *copy, const char *why)
{
    struct buffer text = {0};
    buffer_printf(&text, "%s: ", why);
    put_state(copy, &text);
    struct call_result result = {.outcome = OUTCOME_RETRY, .error = {.message = buffer_text(&text)}};
    end(copy, &result);
    buffer_free(&text);
}

void copy_pump(struct copy *copy)
{
    if (copy->mover->interrupted) {
        if (copy->ending && !copy->slots) {
            break_off(copy, "interrupted");
        }
        return;
    }
    if (copy->phase == COPY_COUNTING && !count(copy)) {
        return;
    }
    while (!copy->at_end) {
        if (!take_next(copy)) {
            return;
        }
    }
    if (!copy->slots) {
        finish(copy);
    }
}

static void on_patience_over(void *context)
{
    struct copy *copy = context;
    copy->ending = NULL;
    break_off(copy, "interrupted");
}

void copy_interrupt(struct copy *copy)
{
    struct slot *slot, *next;
    DL_FOREACH_SAFE(copy->slots, slot, next) {
        if (slot->state != SLOT_SENDING) {
            slot_destroy(slot);
        }
    }
    copy->ending = world_timer(copy->mover->world, copy->slots ? INTERRUPT_MS : 0, on_patience_over, copy);
}

/* --- its beginning --- */

static bool parse_map(const struct call *call, const char *input, struct block_digest *digest)
{
    const char *text = call_text(call, input);
    return text && block_digest_parse(text, digest);
}

void copy_begin(struct job *job)
{
    struct mover *mover = job->mover;
    struct copy *copy = base_alloc(sizeof *copy);
    copy->job = job;
    copy->mover = mover;
    job->copy = copy;
    copy->snapshot_id = call_text(job->call, "snapshot_id");
    copy->has_parent = call_text(job->call, "parent_map") != NULL;
    DL_APPEND2(mover->copies, copy, prev_copy, next_copy);
    mover->copy_count++;
    if (!copy->snapshot_id || !parse_map(job->call, "map", &copy->map) ||
        (copy->has_parent && !parse_map(job->call, "parent_map", &copy->parent))) {
        struct error error = {0};
        error_set(&error, "the graph names no block map that is one");
        error_help(&error, "the graph is not of this version of drc: compile it again");
        copy_failed(copy, &error, false);
        return;
    }
    copy->noted_ms = copy->moved_ms = world_monotonic_ms(mover->world);
    open_map(copy);
    copy_note_all(mover);
    mover_pump(mover);
}
