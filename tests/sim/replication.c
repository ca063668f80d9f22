#include "tests/sim/replication.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/sha256.h"
#include "runtime/world/world.h"
#include "tests/sim/copies.h"
#include "tests/sim/trial_state.h"

enum {
    EVENTS_MAX = 4000000,
    APART_MS = 900000, /* until the next recovery point: the day's weather is over */
    HEALINGS_MAX = 3,
    SLOWLY = 1 << 20,
};

struct replication {
    struct trial *trial;
    const struct plan *plan;
    struct disks *disks;
    struct copies copies;
    struct rehearsal *rehearsal;
    bool deaths;         /* a process has died or was interrupted in this run */
    size_t kills;
    int64_t dies_at; /* the process, once so many blocks have arrived; -1 */
};

/* --- what is seen on the wire --- */

static void tap(void *context, int64_t utc_ms, const struct http_request *request,
                const struct http_response *response)
{
    struct replication *replication = context;
    struct sha256 *hash = replication->trial->hash;
    sha256_update(hash, &utc_ms, sizeof utc_ms);
    sha256_update(hash, request->url, strlen(request->url));
    sha256_update(hash, &response->status, sizeof response->status);
    sha256_update(hash, response->body ? response->body : "", response->body_length);
    if (replication->trial->tell) {
        buffer_printf(&replication->trial->result->text, "  %" PRId64 " %s %s %.60s -> %d\n", utc_ms,
                      request->method, request->url,
                      request->body_length < 4096 && request->body ? (const char *)request->body : "",
                      response->status);
    }
    copies_exchange(&replication->copies, utc_ms, request, response);
    if (replication->dies_at >= 0 && replication->copies.puts >= replication->dies_at) {
        replication->dies_at = -1;
        world_simulated_stop_after(rehearsal_world(replication->rehearsal), 1);
    }
}

/* --- processes --- */

static void interrupt(void *context)
{
    struct replication *replication = context;
    replication->trial->counts->interrupted++;
    replication->deaths = true;
    world_simulated_raise(rehearsal_world(replication->rehearsal), SIGINT);
}

static enum rehearsal_end process(struct replication *replication, int64_t kill)
{
    struct trial *trial = replication->trial;
    struct error error = {0};
    bool later = kill >= 0 && kill % 2; /* in the middle of its disks */
    replication->dies_at = later ? replication->copies.puts + 4 + kill % 16 : -1;
    enum rehearsal_end end =
        rehearsal_process(replication->rehearsal, kill < 0 || later ? EVENTS_MAX : kill, &error);
    replication->dies_at = -1;
    if (end == REHEARSAL_KILLED && kill < 0) {
        trial_complain(trial, "replicate goes on for ever");
        end = REHEARSAL_BROKEN;
    } else if (end == REHEARSAL_BROKEN) {
        trial_complain(trial, "replicate is broken: %s", error.message);
    } else if (end == REHEARSAL_KILLED) {
        trial->counts->killed++;
        replication->deaths = true;
        copies_read_journal(&replication->copies, rehearsal_graph(replication->rehearsal),
                            rehearsal_journal_path(replication->rehearsal));
    }
    error_clear(&error);
    return end;
}

static void set_weather(struct replication *replication)
{
    const struct scenario *s = &replication->trial->scenario;
    struct world *world = rehearsal_world(replication->rehearsal);
    int64_t now = world_monotonic_ms(world);
    for (size_t i = 0; i < s->silence_count; i++) {
        world_simulated_silence(world, s->silences[i].host, now + s->silences[i].from_ms / 8,
                                now + s->silences[i].until_ms / 8);
    }
    for (size_t i = 0; i < s->jump_count; i++) {
        world_simulated_jump(world, now + s->jumps[i].at_ms / 8, s->jumps[i].by_ms);
    }
    if (s->interrupt_ms >= 0) {
        world_timer(world, s->interrupt_ms / 8, interrupt, replication);
    }
}

/* To an end that is one. Kills are dealt out over the three runs. */
static enum rehearsal_end to_an_end(struct replication *replication)
{
    const struct scenario *s = &replication->trial->scenario;
    enum rehearsal_end end = REHEARSAL_KILLED;
    int here = 0;
    for (bool first = true; end == REHEARSAL_KILLED || end == REHEARSAL_INTERRUPTED; first = false) {
        bool kill = replication->kills < s->kill_count && here < 2;
        replication->trial->counts->resumed += !first;
        end = process(replication, kill ? s->kills[replication->kills] : -1);
        if (end == REHEARSAL_KILLED) {
            rehearsal_pass(replication->rehearsal, s->away_ms[replication->kills++]);
            here++;
        }
    }
    return end;
}

static void end_faults(struct replication *replication)
{
    const struct scenario *s = &replication->trial->scenario;
    world_simulated_set_faults(rehearsal_world(replication->rehearsal), &(struct simulated_faults){0});
    for (size_t i = 0; i < s->fault_count; i++) {
        sandbox_set_fault(rehearsal_sandbox(replication->rehearsal), s->faults[i].name, 0, NULL);
    }
    rehearsal_pass(replication->rehearsal, APART_MS);
}

/* --- what has come of it --- */

/* Every copy that the cloud has is one that was seen to be made, and the other way round. */
static void check_cloud(struct replication *replication)
{
    struct trial *trial = replication->trial;
    const struct copies *copies = &replication->copies;
    struct sandbox_item *items = NULL;
    size_t there = 0, known = 0;
    size_t count = sandbox_list(rehearsal_sandbox(replication->rehearsal), trial->arena,
                                rehearsal_utc_ms(replication->rehearsal) + SETTLED_MS, SANDBOX_SNAPSHOT,
                                &items);
    for (size_t i = 0; i < count; i++) {
        bool copy = items[i].role && strcmp(items[i].role, "dr-copy") == 0;
        there += copy;
        if (copy && strcmp(items[i].state, "completed") != 0) {
            trial_complain(trial, "the DR copy %s is %s", items[i].id, items[i].state);
        }
    }
    for (size_t i = 0; i < copies->count; i++) {
        known += copies->items[i].tagged && !copies->items[i].deleted;
    }
    if (there != known) {
        trial_complain(trial, "%zu DR copies are in the cloud, %zu were seen", there, known);
    }
}

static void check_success(struct replication *replication, int generation)
{
    struct trial *trial = replication->trial;
    for (int i = 0; i < DISKS; i++) {
        const struct disk *disk = &replication->disks->disks[i];
        size_t count = copies_of(&replication->copies, disk, generation);
        size_t before = generation > 0 ? copies_of(&replication->copies, disk, generation - 1) : 0;
        if (count != 1) {
            trial_complain(trial, "replicate %d succeeded, and of %s disk %d there are %zu copies", generation,
                           disk->vm, disk->number, count);
        }
        if (before > 0 && trial->scenario.calm) {
            trial_complain(trial, "%s disk %d: what is over keep has not gone", disk->vm, disk->number);
        }
    }
    check_cloud(replication);
}

/* Once each, but for those of which nobody knew whether they had arrived. */
static void check_sent(struct replication *replication, const struct simulated_counts *before)
{
    struct simulated_counts now = world_simulated_counts(rehearsal_world(replication->rehearsal));
    int64_t doubts = now.lost_answers - before->lost_answers + now.errors_after - before->errors_after +
                     now.duplicated - before->duplicated + now.silenced - before->silenced;
    if (!replication->deaths && replication->copies.put_again > doubts) {
        trial_complain(replication->trial, "%" PRId64 " blocks were sent again, and only %" PRId64
                                           " answers were lost", replication->copies.put_again, doubts);
    }
}

/* --- cleaning up in place of going on --- */

static void check_cleaned(struct replication *replication, int generation)
{
    struct trial *trial = replication->trial;
    struct sandbox_item *items = NULL;
    size_t count = sandbox_list(rehearsal_sandbox(replication->rehearsal), trial->arena,
                                rehearsal_utc_ms(replication->rehearsal) + SETTLED_MS, SANDBOX_SNAPSHOT,
                                &items);
    for (size_t i = 0; i < count; i++) {
        bool ours = items[i].run && strcmp(items[i].run, replication->copies.run) == 0;
        if (ours && !(items[i].role && strcmp(items[i].role, "dr-copy") == 0)) {
            trial_complain(trial, "after the cleanup there is %s, which is no DR copy", items[i].id);
        }
    }
    if (copies_newest(&replication->copies, "db") < generation - 1 ||
        copies_newest(&replication->copies, "web") < generation - 1) {
        trial_complain(trial, "after the cleanup the copies of the run before are not whole any more");
    }
    check_cloud(replication);
}

static void clean_up(struct replication *replication, int generation)
{
    struct error error = {0};
    end_faults(replication);
    if (!rehearsal_begin_cleanup(replication->rehearsal, &error)) {
        trial_complain(replication->trial, "the cleanup cannot begin: %s", error.message);
        error_clear(&error);
        return;
    }
    if (rehearsal_graph(replication->rehearsal)->node_count > 0 &&
        process(replication, -1) != REHEARSAL_SUCCEEDED) {
        trial_complain(replication->trial, "the cleanup of a replicate has not succeeded");
    }
    replication->trial->counts->cleaned++;
    check_cleaned(replication, generation);
}

/* --- the whole --- */

/* On every second day requests die with their process: what is sent again then was sent by the next. */
static double ghosts_of(const struct scenario *s)
{
    return s->seed / REPLICATION_EACH % 2 ? 0 : s->ghosts;
}

static bool begin(struct replication *replication, int generation, const char *directory,
                  struct error *error)
{
    struct trial *trial = replication->trial;
    const struct scenario *s = &trial->scenario;
    if (!disks_import(replication->disks, replication->plan->name, generation, error)) {
        return false;
    }
    if (generation > 0) {
        end_faults(replication);
        return rehearsal_begin_again(replication->rehearsal, error);
    }
    struct rehearsal_options options = {
        .plan = replication->plan,
        .workflow = WORKFLOW_REPLICATE,
        .repository = replication->disks->memory,
        .bandwidth = SLOWLY, /* so that there is a middle of a disk */
        .seed = s->seed,
        .directory = directory,
        .limits = s->limits,
        .throttle = s->throttle,
        .link = s->link,
        .ghosts = ghosts_of(s),
        .faults = s->faults,
        .fault_count = s->fault_count,
        .tap = tap,
        .tap_context = replication,
    };
    replication->rehearsal = rehearsal_create(&options, error);
    return replication->rehearsal != NULL;
}

/* It has failed: for a fault of the day. When those are over it goes on to its end. */
static bool heal(struct replication *replication)
{
    struct trial *trial = replication->trial;
    enum rehearsal_end end = REHEARSAL_FAILED;
    trial->counts->failed++;
    if (trial->scenario.calm) {
        trial_complain(trial, "replicate failed, on a calm day");
    }
    for (int i = 0; i < HEALINGS_MAX && end == REHEARSAL_FAILED; i++) {
        end_faults(replication);
        replication->deaths = true; /* in doubt is what the failed ones were */
        end = process(replication, -1);
    }
    if (end != REHEARSAL_SUCCEEDED) {
        trial_complain(trial, "faults are over, and the resumed replicate has not succeeded");
    }
    trial->counts->healed += end == REHEARSAL_SUCCEEDED;
    return end == REHEARSAL_SUCCEEDED;
}

static bool replicate(struct replication *replication, int generation)
{
    struct trial *trial = replication->trial;
    struct simulated_counts before = world_simulated_counts(rehearsal_world(replication->rehearsal));
    bool abandon = generation == GENERATIONS - 1 && trial->scenario.cleanup && trial->scenario.kill_count > 0;
    replication->deaths = false;
    replication->copies.sandbox = rehearsal_sandbox(replication->rehearsal);
    copies_begin(&replication->copies, rehearsal_run_id(replication->rehearsal), generation);
    set_weather(replication);
    if (abandon && process(replication, trial->scenario.kills[0]) != REHEARSAL_SUCCEEDED) {
        clean_up(replication, generation);
        return true;
    }
    enum rehearsal_end end = abandon ? REHEARSAL_SUCCEEDED : to_an_end(replication);
    bool well = end == REHEARSAL_SUCCEEDED || (end == REHEARSAL_FAILED && heal(replication));
    if (well) {
        trial->counts->replicated++;
        check_sent(replication, &before);
        check_success(replication, generation);
    }
    return well;
}

void replication_run(struct trial *trial, const struct plan *plan, const char *directory)
{
    struct replication replication = {.trial = trial, .plan = plan, .dies_at = -1,
                                      .disks = disks_create(trial->scenario.seed)};
    struct error error = {0};
    const struct scenario *s = &trial->scenario;
    replication.copies = (struct copies){
        .trial = trial, .disks = replication.disks, .repeats = s->link.duplicated > 0 || ghosts_of(s) > 0};
    for (int g = 0; g < GENERATIONS; g++) {
        if (!begin(&replication, g, directory, &error)) {
            trial_complain(trial, "replicate %d cannot begin: %s", g, error.message);
            error_clear(&error);
            break;
        }
        if (!replicate(&replication, g)) {
            break;
        }
    }
    trial->counts->blocks_sent += replication.copies.puts;
    rehearsal_destroy(replication.rehearsal);
    disks_destroy(replication.disks);
}
