#include "runtime/simulation/sample.h"

#include "compiler/base/arena.h"
#include "runtime/report/history.h"
#include "runtime/report/report.h"
#include "runtime/simulation/rehearsal.h"
#include "runtime/state/journal.h"
#include "runtime/world/prng.h"
#include "runtime/world/world.h"

const char *piece_kind_name(enum piece_kind kind)
{
    static const char *const names[] = {"work", "retried", "pool", "limit", "turn", "away"};
    return names[kind];
}

/* --- a rehearsal --- */

struct rehearsal *scenario_rehearse(const struct scenario *scenario, uint64_t seed,
                                    const char *directory, struct error *error)
{
    struct rehearsal_options options = {
        .plan = scenario->plan,
        .workflow = scenario->workflow,
        .facts = scenario->facts,
        .seed = seed,
        .directory = directory,
        .limits = LIMITS_AWS,
        .throttle = true,
        .link = scenario->profile->link,
        .faults = scenario->faults,
        .fault_count = scenario->fault_count,
    };
    return rehearsal_create(&options, error);
}

static void stand_still(void *world)
{
    world_simulated_stop_after(world, 0);
}

/* Some time in what the run is predicted to take, a process dies. */
static void plan_death(const struct scenario *scenario, struct rehearsal *rehearsal, uint64_t seed)
{
    if (scenario->outage_ms < 0) {
        return;
    }
    const struct schedule *schedule = rehearsal_schedule(rehearsal);
    int64_t until_ms = schedule->rto_ms > 0 ? schedule->rto_ms : schedule->makespan_ms;
    struct prng random = prng_seeded(seed ^ UINT64_C(0x6b696c6c)); /* apart from the run's own */
    struct world *world = rehearsal_world(rehearsal);
    world_timer(world, prng_range(&random, 1, until_ms > 1 ? until_ms : 1), stand_still, world);
}

static bool run_to_end(const struct scenario *scenario, struct rehearsal *rehearsal, uint64_t seed,
                       struct error *error)
{
    plan_death(scenario, rehearsal, seed);
    enum rehearsal_end end = rehearsal_process(rehearsal, -1, error);
    while (end == REHEARSAL_KILLED) {
        rehearsal_pass(rehearsal, scenario->outage_ms);
        end = rehearsal_process(rehearsal, -1, error);
    }
    return end != REHEARSAL_BROKEN;
}

struct sample *sample_take(struct arena *arena, const struct scenario *scenario,
                           struct rehearsal *rehearsal, uint64_t seed, struct error *error)
{
    if (!run_to_end(scenario, rehearsal, seed, error)) {
        return NULL;
    }
    struct journal *journal = journal_open(rehearsal_journal_path(rehearsal), true, error);
    if (!journal) {
        return NULL;
    }
    struct report_known known = {
        .graph = rehearsal_graph(rehearsal),
        .facts = rehearsal_facts(rehearsal),
        .schedule = rehearsal_schedule(rehearsal),
    };
    struct report *report = report_load(arena, journal, &known, error);
    struct sample *sample = report ? sample_of_report(arena, report, seed) : NULL;
    journal_close(journal);
    return sample;
}

/* --- what is kept of it --- */

struct pieces {
    struct arena *arena;
    struct sample *sample;
    size_t capacity;
};

static void add_piece(struct pieces *pieces, uint32_t node, enum piece_kind kind, int64_t ms)
{
    struct sample *sample = pieces->sample;
    if (ms <= 0) {
        return;
    }
    sample->pieces = arena_grow(pieces->arena, sample->pieces, sample->piece_count,
                                &pieces->capacity, sizeof *sample->pieces);
    sample->pieces[sample->piece_count++] = (struct sample_piece){node, kind, ms};
}

static enum piece_kind kind_of_work(const struct report *report, uint32_t node)
{
    const struct history_node *seen = &report->history->nodes[node];
    bool waits = action_info(report->graph->nodes[node].action)->effect == EFFECT_WAIT;
    if (waits || seen->retries == 0) {
        return PIECE_WORK;
    }
    return seen->throttled > 0 ? PIECE_LIMIT : PIECE_RETRIED;
}

static enum piece_kind kind_of_wait(enum actual_wait wait)
{
    switch (wait) {
    case WAITED_FOR_POOL:
        return PIECE_POOL;
    case WAITED_FOR_LIMIT:
        return PIECE_LIMIT;
    default:
        return PIECE_TURN;
    }
}

static void keep_path(struct arena *arena, const struct report *report, struct sample *sample)
{
    struct pieces pieces = {.arena = arena, .sample = sample};
    for (size_t i = 0; i < report->path->count; i++) {
        const struct actual_link *link = &report->path->links[i];
        add_piece(&pieces, link->node, PIECE_AWAY, link->away_ms);
        add_piece(&pieces, link->node, kind_of_wait(link->waited_for), link->wait_ms);
        add_piece(&pieces, link->node, kind_of_work(report, link->node), link->work_ms);
    }
}

static void keep_causes(struct arena *arena, const struct report *report, struct sample *sample)
{
    sample->cause_count = report->cause_count;
    sample->causes = ARENA_ARRAY(arena, struct sample_cause, report->cause_count + 1);
    for (size_t i = 0; i < report->cause_count; i++) {
        const struct node_status *status = &report->nodes[report->causes[i]];
        sample->causes[i] = (struct sample_cause){
            .node = report->causes[i],
            .code = status->code,
            .text = status->detail ? status->detail : "failed",
        };
    }
}

static bool recovers_any(const struct graph *graph)
{
    for (size_t i = 0; i < graph->vm_count; i++) {
        if (graph->vms[i].critical) {
            return true;
        }
    }
    return false;
}

struct sample *sample_of_report(struct arena *arena, const struct report *report, uint64_t seed)
{
    struct sample *sample = ARENA_NEW(arena, struct sample);
    const struct graph *graph = report->graph;
    bool succeeded = report->status == RUN_SUCCEEDED;
    *sample = (struct sample){
        .seed = seed,
        .succeeded = succeeded,
        .rto_ms = recovers_any(graph) ? report->rto_ms
                  : succeeded         ? report->elapsed_ms
                                      : -1,
        .recovered_ms = ARENA_ARRAY(arena, int64_t, graph->vm_count + 1),
        .vm_count = graph->vm_count,
        .requests = report->counters.requests,
        .throttled = report->counters.throttled,
        .retries = report->counters.retries,
        .sessions = report->sessions,
    };
    for (size_t i = 0; i < graph->vm_count; i++) {
        sample->recovered_ms[i] = report->vms[i].recovered_ms;
    }
    if (sample->rto_ms >= 0) {
        keep_path(arena, report, sample);
    }
    keep_causes(arena, report, sample);
    return sample;
}
