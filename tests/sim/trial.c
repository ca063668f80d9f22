#include "tests/sim/trial.h"

#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/sha256.h"
#include "tests/sim/replication.h"
#include "tests/sim/trial_state.h"
#include "tests/sim/verdict.h"

enum {
    EVENTS_MAX = 4000000,         /* of one process: a run that goes on for ever */
    VIRTUAL_MAX_MS = 6 * 3600000, /* alive time of one process */
    CLEANUPS_MAX = 12,
    PASS_MS = 60000,
};

/* --- complaints --- */

void trial_complain(struct trial *trial, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    trial->result->violated = true;
    buffer_puts(&trial->result->text, "  ");
    buffer_vprintf(&trial->result->text, format, args);
    buffer_puts(&trial->result->text, "\n");
    va_end(args);
}

static void take_complaints(struct trial *trial)
{
    struct witness *witness = &trial->watching;
    if (witness->violation_count > 0) {
        trial->result->violated = true;
        buffer_append(&trial->result->text, witness->violations.data, witness->violations.length);
        buffer_clear(&witness->violations);
    }
}

/* --- what is seen on the wire --- */

static void count_codes(struct trial *trial, const struct exchange_seen *seen)
{
    struct trial_counts *counts = trial->counts;
    const char *code = seen->code;
    if (!code) {
        return;
    }
    counts->throttled += is(code, "RequestLimitExceeded") || strncmp(code, "Throttling", 10) == 0;
    counts->internal_errors += seen->status >= 500 && !is(code, "RequestLimitExceeded") &&
                               !is(code, "InsufficientInstanceCapacity");
    counts->no_capacity += is(code, "InsufficientInstanceCapacity");
    counts->not_found += strstr(code, "NotFound") != NULL;
}

static void check_rates(struct trial *trial, const struct exchange_seen *seen)
{
    const char *bucket = "";
    double over = tariff_count(&trial->tariff, seen, &bucket);
    bool refused = seen->code && (is(seen->code, "RequestLimitExceeded") ||
                                  strncmp(seen->code, "Throttling", 10) == 0);
    if (!trial->scenario.exact || !trial->witness) {
        return;
    }
    if (over > 0) {
        witness_complain(trial->witness, seen->utc_ms, NO_NODE, seen,
                         "%.3f requests more than %s allows", over, bucket);
    }
    if (refused) {
        witness_complain(trial->witness, seen->utc_ms, NO_NODE, seen, "throttled");
    }
}

/* Without any fault there is nothing to refuse, but for what is asked about too early or has gone
 * with its instance. */
static void check_calm(struct trial *trial, const struct exchange_seen *seen)
{
    bool too_early = seen->code && (is(seen->code, "InvocationDoesNotExist") ||
                                    (trial->cleaning && is(seen->code, "InvalidVolume.NotFound")));
    if (trial->scenario.calm && trial->witness && seen->code && !too_early &&
        trial->scenario.limits == LIMITS_AWS) {
        witness_complain(trial->witness, seen->utc_ms, NO_NODE, seen, "refused, on a calm day");
    }
}

static void tell_exchange(struct trial *trial, const struct exchange_seen *seen)
{
    struct buffer *out = &trial->result->text;
    char time[32];
    buffer_printf(out, "  %s.%03d %s %s", format_time(time, seen->utc_ms),
                  (int)(seen->utc_ms % 1000), seen->service, seen->operation);
    for (size_t i = 0; i < seen->parameter_count && i < 8; i++) {
        const char *name = seen->parameters[i].name;
        if (!is(name, "Action") && !is(name, "Version")) {
            buffer_printf(out, " %s=%.40s", name, seen->parameters[i].value);
        }
    }
    const char *told[] = {cloud_json_text(seen->json, "Comment"),
                          cloud_json_text(seen->json, "CommandId"),
                          cloud_json_text(seen->answer_json, "Status")};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        buffer_printf(out, "%s%s", told[i] ? " " : "", told[i] ? told[i] : "");
    }
    const char *node = cloud_tag(seen, "drc:node");
    buffer_printf(out, "%s%s -> %d %s\n", node ? " for " : "", node ? node : "", seen->status,
                  seen->code ? seen->code : "");
}

static void tap(void *context, int64_t utc_ms, const struct http_request *request,
                const struct http_response *response)
{
    struct trial *trial = context;
    sha256_update(trial->hash, &utc_ms, sizeof utc_ms);
    sha256_update(trial->hash, request->url, strlen(request->url));
    sha256_update(trial->hash, request->body ? request->body : "", request->body_length);
    sha256_update(trial->hash, &response->status, sizeof response->status);
    sha256_update(trial->hash, response->body ? response->body : "", response->body_length);
    struct exchange_seen seen = cloud_read(trial->arena, utc_ms, request, response);
    count_codes(trial, &seen);
    check_rates(trial, &seen);
    check_calm(trial, &seen);
    if (trial->tell && trial->witness) {
        tell_exchange(trial, &seen);
    }
    if (trial->witness) {
        witness_exchange(trial->witness, &seen);
    }
    cloud_forget(&seen);
}

static void dial_tap(void *context, int64_t utc_ms, const char *host, int port, const char *failure)
{
    struct trial *trial = context;
    sha256_update(trial->hash, &utc_ms, sizeof utc_ms);
    sha256_update(trial->hash, host, strlen(host));
    if (trial->witness) {
        witness_dial(trial->witness, utc_ms, host, port, failure);
    }
}

/* --- processes --- */

static void interrupt(void *context)
{
    struct trial *trial = context;
    trial->counts->interrupted++;
    world_simulated_raise(rehearsal_world(trial->rehearsal), SIGINT);
}

static void end_faults(struct trial *trial)
{
    static const char *const names[] = {"inject", "boot", "error"};
    struct sandbox *sandbox = rehearsal_sandbox(trial->rehearsal);
    world_simulated_set_faults(rehearsal_world(trial->rehearsal), &(struct simulated_faults){0});
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        sandbox_set_fault(sandbox, names[i], 0, NULL);
    }
    for (size_t i = 0; i < trial->scenario.fault_count; i++) {
        sandbox_set_fault(sandbox, trial->scenario.faults[i].name, 0, NULL);
    }
}

static const char *const end_names[] = {
    [REHEARSAL_SUCCEEDED] = "succeeded",     [REHEARSAL_FAILED] = "failed",
    [REHEARSAL_INTERRUPTED] = "interrupted", [REHEARSAL_KILLED] = "killed",
    [REHEARSAL_BROKEN] = "broken",
};

/* A process: to its end, or killed after so many events (negative: a bound that is never met). */
static enum rehearsal_end process(struct trial *trial, int64_t kill)
{
    struct error error = {0};
    int64_t before_ms = rehearsal_utc_ms(trial->rehearsal);
    enum rehearsal_end end =
        rehearsal_process(trial->rehearsal, kill < 0 ? EVENTS_MAX : kill, &error);
    if (end == REHEARSAL_KILLED && kill < 0) {
        trial_complain(trial, "the process goes on for ever");
        end = REHEARSAL_BROKEN;
    } else if (end == REHEARSAL_BROKEN) {
        trial_complain(trial, "broken: %s", error.message);
    } else if (rehearsal_utc_ms(trial->rehearsal) - before_ms > VIRTUAL_MAX_MS) {
        trial_complain(trial, "the process took more than six hours");
    }
    error_clear(&error);
    trial->counts->killed += end == REHEARSAL_KILLED;
    witness_catch_up(trial->witness, rehearsal_utc_ms(trial->rehearsal));
    if (trial->tell) {
        buffer_printf(&trial->result->text, "  -- the process was %s\n", end_names[end]);
    }
    return end;
}

/* To an end that is one: killed, interrupted and resumed as the seed says. */
static enum rehearsal_end run_processes(struct trial *trial)
{
    const struct scenario *s = &trial->scenario;
    struct world *world = rehearsal_world(trial->rehearsal);
    enum rehearsal_end end = REHEARSAL_KILLED;
    size_t kills = 0;
    if (s->interrupt_ms >= 0) {
        world_timer(world, s->interrupt_ms, interrupt, trial);
    }
    for (bool first = true; end == REHEARSAL_KILLED || end == REHEARSAL_INTERRUPTED;
         first = false) {
        trial->counts->resumed += !first;
        end = process(trial, kills < s->kill_count ? s->kills[kills] : -1);
        if (end == REHEARSAL_KILLED) {
            trial->watching.killed = true;
            rehearsal_pass(trial->rehearsal, s->away_ms[kills++]);
        }
    }
    return end;
}

static void run_heal(struct trial *trial)
{
    end_faults(trial);
    trial->scenario.rough = false;
    rehearsal_pass(trial->rehearsal, PASS_MS * 5);
    trial->counts->resumed++;
    enum rehearsal_end end = process(trial, -1);
    if (end != REHEARSAL_SUCCEEDED && verdict_lost_its_address(trial)) {
        trial->counts->addresses++;
        return;
    }
    if (end != REHEARSAL_SUCCEEDED) {
        trial_complain(trial, "faults are over, and the resumed run has not succeeded but %s",
                       end_names[end]);
        for (uint32_t i = 0; i < trial->watching.graph->node_count; i++) {
            const struct diary_node *node = &trial->watching.diary.nodes[i];
            if (node->state != DIARY_DONE) {
                trial_complain(trial, "%s: state %d, cause %d: %s",
                               trial->watching.graph->nodes[i].id, (int)node->state, node->cause,
                               node->message ? node->message : "not done");
            }
        }
        return;
    }
    trial->counts->healed++;
    verdict_success(trial);
    verdict_ledger(trial, true);
    verdict_made(trial);
}

/* --- cleaning up --- */

static void keep_own(struct trial *trial, struct witness *before)
{
    for (size_t i = 0; i < before->own_count; i++) {
        witness_own(&trial->watching, before->own[i]);
    }
}

/* One attempt. True: it is over, well or not. */
static bool clean_once(struct trial *trial, int64_t kill)
{
    struct error error = {0};
    struct witness before = trial->watching;
    trial->witness = NULL;
    trial->cleaning = true;
    rehearsal_pass(trial->rehearsal, PASS_MS); /* what has been sent has arrived */
    if (!rehearsal_begin_cleanup(trial->rehearsal, &error)) {
        error_clear(&error); /* no answers now: once more */
        return false;
    }
    const struct graph *graph = rehearsal_graph(trial->rehearsal);
    if (graph->node_count == 0) {
        return true;
    }
    take_complaints(trial);
    witness_close(&trial->watching);
    if (!witness_open(&trial->watching, trial->arena, graph, rehearsal_run_id(trial->rehearsal),
                      rehearsal_journal_path(trial->rehearsal), &error)) {
        trial_complain(trial, "the cleanup's journal: %s", error.message);
        error_clear(&error);
        return true;
    }
    trial->watching.diary.tell = before.diary.tell;
    keep_own(trial, &before);
    trial->watching.killed = true; /* earlier ones may have deleted it */
    trial->watching.duplicates = before.duplicates;
    trial->witness = &trial->watching;
    enum rehearsal_end end = process(trial, kill);
    return end == REHEARSAL_SUCCEEDED || end == REHEARSAL_BROKEN;
}

/* Things of the run that the witness has not heard of by name may be found by their tags. */
static void own_all(struct trial *trial)
{
    static const enum sandbox_kind kinds[] = {SANDBOX_INSTANCE, SANDBOX_VOLUME, SANDBOX_IMAGE};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct sandbox_item *items = NULL;
        size_t count =
            sandbox_list(rehearsal_sandbox(trial->rehearsal), trial->arena,
                         rehearsal_utc_ms(trial->rehearsal) + SETTLED_MS, kinds[k], &items);
        for (size_t i = 0; i < count; i++) {
            if (is(items[i].run, rehearsal_run_id(trial->rehearsal))) {
                witness_own(&trial->watching, items[i].id);
            }
        }
    }
}

static void run_cleanup(struct trial *trial)
{
    bool over = false;
    own_all(trial);
    for (int i = 0; i < CLEANUPS_MAX && !over; i++) {
        over = clean_once(trial, i == 0 ? trial->scenario.cleanup_kill : -1);
    }
    if (!over) {
        trial_complain(trial, "the cleanup does not come to an end");
    }
    /* Once more when all is quiet: what was seen too late by eventual consistency. */
    end_faults(trial);
    clean_once(trial, -1);
    trial->witness = NULL;
    rehearsal_pass(trial->rehearsal, PASS_MS);
    trial->counts->cleaned++;
    verdict_cleaned(trial);
}

/* --- the whole --- */

static void check_end(struct trial *trial, enum rehearsal_end end)
{
    struct trial_counts *counts = trial->counts;
    bool succeeded = end == REHEARSAL_SUCCEEDED;
    counts->succeeded += succeeded;
    counts->failed += end == REHEARSAL_FAILED;
    if (end == REHEARSAL_BROKEN) {
        return;
    }
    verdict_causes(trial);
    verdict_ledger(trial, succeeded);
    verdict_made(trial);
    if (succeeded) {
        verdict_success(trial);
    } else {
        verdict_failure(trial);
    }
    for (uint32_t i = 0; i < trial->watching.graph->node_count; i++) {
        counts->no_injection += trial->watching.nodes[i].command_failed;
    }
}

static void note_world(struct trial *trial)
{
    struct simulated_counts seen = world_simulated_counts(rehearsal_world(trial->rehearsal));
    struct trial_counts *counts = trial->counts;
    counts->requests += seen.requests;
    counts->unreachable += seen.unreachable;
    counts->lost_requests += seen.lost_requests;
    counts->errors_before += seen.errors_before;
    counts->lost_answers += seen.lost_answers;
    counts->errors_after += seen.errors_after;
    counts->refused_dials += seen.refused_dials;
    counts->duplicated += seen.duplicated;
    counts->silenced += seen.silenced;
    counts->ghosts += seen.ghosts;
    counts->jumps += (int64_t)trial->scenario.jump_count;
}

static void hash_journal(struct trial *trial)
{
    struct error error = {0};
    if (!diary_hash(&trial->watching.diary, trial->hash, &error)) {
        trial_complain(trial, "%s", error.message);
        error_clear(&error);
    }
}

static void set_weather(struct trial *trial)
{
    const struct scenario *s = &trial->scenario;
    struct world *world = rehearsal_world(trial->rehearsal);
    int64_t now = world_monotonic_ms(world);
    for (size_t i = 0; i < s->silence_count; i++) {
        world_simulated_silence(world, s->silences[i].host, now + s->silences[i].from_ms,
                                now + s->silences[i].until_ms);
    }
    for (size_t i = 0; i < s->jump_count; i++) {
        world_simulated_jump(world, now + s->jumps[i].at_ms, s->jumps[i].by_ms);
    }
}

static bool open_trial(struct trial *trial, const struct trial_plans *plans, const char *directory)
{
    const struct scenario *s = &trial->scenario;
    struct error error = {0};
    struct rehearsal_options options = {
        .plan = plans->plans[s->plan],
        .workflow = WORKFLOW_FAILOVER,
        .seed = s->seed,
        .directory = directory,
        .limits = s->limits,
        .throttle = s->throttle,
        .link = s->link,
        .ghosts = s->ghosts,
        .faults = s->faults,
        .fault_count = s->fault_count,
        .tap = tap,
        .dial_tap = dial_tap,
        .tap_context = trial,
    };
    trial->rehearsal = rehearsal_create(&options, &error);
    if (!trial->rehearsal ||
        !witness_open(&trial->watching, trial->arena, rehearsal_graph(trial->rehearsal),
                      rehearsal_run_id(trial->rehearsal), rehearsal_journal_path(trial->rehearsal),
                      &error)) {
        trial_complain(trial, "cannot begin: %s", error.message);
        error_clear(&error);
        return false;
    }
    graph_index((struct graph *)rehearsal_graph(trial->rehearsal));
    trial->watching.facts = rehearsal_facts(trial->rehearsal);
    trial->watching.duplicates = s->link.duplicated > 0;
    trial->watching.diary.tell = trial->tell ? &trial->result->text : NULL;
    trial->witness = &trial->watching;
    set_weather(trial);
    return true;
}

static void carry_through(struct trial *trial)
{
    enum rehearsal_end end = run_processes(trial);
    take_complaints(trial);
    trial->end_ms = world_monotonic_ms(rehearsal_world(trial->rehearsal));
    check_end(trial, end);
    hash_journal(trial);
    if (end == REHEARSAL_FAILED && trial->scenario.heal) {
        run_heal(trial);
    }
    take_complaints(trial);
    if (end != REHEARSAL_BROKEN && trial->scenario.cleanup) {
        run_cleanup(trial);
    }
    take_complaints(trial);
    note_world(trial);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    return at->level > 0 ? remove(path) : 0;
}

static void empty(const char *directory)
{
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void count_trial(struct trial *trial, int64_t took_us)
{
    struct trial_counts *counts = trial->counts;
    counts->seeds++;
    counts->violated += trial->result->violated;
    counts->calm += trial->scenario.calm;
    counts->exact += trial->scenario.exact;
    if (took_us > counts->slowest_us) {
        counts->slowest_us = took_us;
        counts->slowest_seed = (int64_t)trial->scenario.seed;
    }
    if (trial->end_ms > counts->longest_virtual_ms) {
        counts->longest_virtual_ms = trial->end_ms;
        counts->longest_seed = (int64_t)trial->scenario.seed;
    }
}

void trial_run(const struct trial_plans *plans, uint64_t seed, const char *directory, bool tell,
               struct trial_counts *counts, struct trial_result *result)
{
    struct trial trial = {
        .scenario = scenario_draw(seed, plans->count),
        .arena = arena_create(),
        .hash = sha256_create(),
        .counts = counts,
        .result = result,
        .tell = tell,
    };
    int64_t began_us = now_us();
    if (tell) {
        scenario_describe(&trial.scenario, plans->names[trial.scenario.plan], &result->text);
    }
    if (open_trial(&trial, plans, directory)) {
        carry_through(&trial);
    }
    witness_close(&trial.watching);
    rehearsal_destroy(trial.rehearsal);
    if (seed % REPLICATION_EACH == 0) {
        empty(directory);
        replication_run(&trial, plans->replicate, directory);
    }
    uint8_t digest[SHA256_SIZE];
    sha256_finish(trial.hash, digest);
    sha256_to_hex(digest, result->hash);
    count_trial(&trial, now_us() - began_us);
    arena_destroy(trial.arena);
    empty(directory);
}

void trial_counts_add(struct trial_counts *sum, const struct trial_counts *more)
{
    bool slower = more->slowest_us > sum->slowest_us;
    bool longer = more->longest_virtual_ms > sum->longest_virtual_ms;
    struct trial_counts kept = {
        .slowest_us = slower ? more->slowest_us : sum->slowest_us,
        .slowest_seed = slower ? more->slowest_seed : sum->slowest_seed,
        .longest_virtual_ms = longer ? more->longest_virtual_ms : sum->longest_virtual_ms,
        .longest_seed = longer ? more->longest_seed : sum->longest_seed,
    };
    const int64_t *from = (const int64_t *)more;
    int64_t *to = (int64_t *)sum;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) {
        to[i] += from[i];
    }
    sum->slowest_us = kept.slowest_us;
    sum->slowest_seed = kept.slowest_seed;
    sum->longest_virtual_ms = kept.longest_virtual_ms;
    sum->longest_seed = kept.longest_seed;
}
