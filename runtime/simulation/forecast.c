#include "runtime/simulation/forecast.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/map.h"
#include "compiler/emit/rows.h"

enum { NOTICEABLE_MS = 1000, BINS_MAX = 14, VMS_BY_NAME = 12 };

struct making {
    struct arena *arena;
    struct forecast *forecast;
    int64_t *durations; /* as many as runs */
};

/* --- spreads --- */

static struct spread spread_of(int64_t *ms, size_t count, size_t total, int64_t estimate_ms)
{
    sort_durations(ms, count);
    return (struct spread){
        .p50_ms = percentile(ms, count, total, 50),
        .p95_ms = percentile(ms, count, total, 95),
        .p99_ms = percentile(ms, count, total, 99),
        .worst_ms = percentile(ms, count, total, 100),
        .estimate_ms = estimate_ms,
    };
}

static const struct sample *sample_at(const struct forecast *forecast, size_t run)
{
    return forecast->input.samples[run];
}

static void spread_vm(struct making *making, size_t vm)
{
    struct forecast *forecast = making->forecast;
    const struct graph *graph = forecast->input.graph;
    struct forecast_vm *told = &forecast->vms[vm];
    int64_t estimate_ms = -1;
    for (size_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].action == ACTION_RECOVERED && graph->nodes[i].vm == (int32_t)vm) {
            estimate_ms = forecast->input.schedule->entries[i].end_ms;
        }
    }
    *told = (struct forecast_vm){.name = graph->vms[vm].name, .critical = graph->vms[vm].critical};
    for (size_t i = 0; i < forecast->input.asked; i++) {
        const struct sample *sample = sample_at(forecast, i);
        if (sample && sample->recovered_ms[vm] >= 0) {
            making->durations[told->recovered++] = sample->recovered_ms[vm];
        }
    }
    told->spread = spread_of(making->durations, told->recovered, forecast->runs, estimate_ms);
}

static void spread_rto(struct making *making)
{
    struct forecast *forecast = making->forecast;
    const struct schedule *schedule = forecast->input.schedule;
    for (size_t i = 0; i < forecast->input.asked; i++) {
        const struct sample *sample = sample_at(forecast, i);
        if (!sample) {
            continue;
        }
        forecast->runs++;
        forecast->failed += !sample->succeeded;
        if (sample->rto_ms >= 0) {
            making->durations[forecast->recovered++] = sample->rto_ms;
            forecast->within += sample->rto_ms <= forecast->objective_ms;
        }
    }
    forecast->rto = spread_of(making->durations, forecast->recovered, forecast->runs,
                              schedule->rto_ms > 0 ? schedule->rto_ms : schedule->makespan_ms);
    /* More bins for more values, by their square root. */
    size_t bins_max = 2;
    while (bins_max < BINS_MAX && bins_max * bins_max < 3 * forecast->recovered) {
        bins_max++;
    }
    forecast->histogram =
        histogram_of(making->arena, making->durations, forecast->recovered, bins_max);
}

/* Of the recovered runs the one at p95 of all, or the slowest. */
static void find_slow(struct making *making)
{
    struct forecast *forecast = making->forecast;
    int64_t wanted_ms = forecast->rto.p95_ms;
    if (wanted_ms < 0 && forecast->recovered > 0) {
        wanted_ms = making->durations[forecast->recovered - 1];
    }
    for (size_t i = 0; i < forecast->input.asked && !forecast->slow; i++) {
        const struct sample *sample = sample_at(forecast, i);
        if (sample && sample->rto_ms >= 0 && sample->rto_ms == wanted_ms) {
            forecast->slow = sample;
        }
    }
}

static int64_t median_of(struct making *making, int64_t (*number)(const struct sample *))
{
    size_t count = 0;
    for (size_t i = 0; i < making->forecast->input.asked; i++) {
        const struct sample *sample = sample_at(making->forecast, i);
        if (sample) {
            making->durations[count++] = number(sample);
        }
    }
    sort_durations(making->durations, count);
    return percentile(making->durations, count, count, 50);
}

static int64_t requests_of(const struct sample *sample)
{
    return sample->requests;
}

static int64_t throttled_of(const struct sample *sample)
{
    return sample->throttled;
}

static int64_t retries_of(const struct sample *sample)
{
    return sample->retries;
}

/* --- what binds --- */

/* A binding while it is counted: its time in each run that has it. */
struct tally {
    struct forecast_binding binding;
    int64_t *ms;
    size_t count, capacity;
    size_t last_run; /* + 1 */
};

struct tallies {
    struct making *making;
    struct map by_name; /* -> struct tally * */
    const int32_t *subject_of;
};

/* With many VMs it is another one in each run: then what they all do is one thing. */
static bool is_told_by_vm(const struct graph *graph, const struct graph_node *node)
{
    return node->vm != NO_VM && graph->vm_count <= VMS_BY_NAME;
}

static const char *name_piece(const struct tallies *tallies, const struct sample_piece *piece)
{
    struct arena *arena = tallies->making->arena;
    const struct graph *graph = tallies->making->forecast->input.graph;
    const struct graph_node *node = &graph->nodes[piece->node];
    const struct action_info *info = action_info(node->action);
    int32_t subject = tallies->subject_of[piece->node];
    switch (piece->kind) {
    case PIECE_POOL:
        return arena_printf(arena, "a place at %s", graph->pools[node->acquire].id);
    case PIECE_LIMIT:
        return arena_printf(arena, "%s rate limit", info->permission);
    case PIECE_TURN:
        return "the runner itself";
    case PIECE_AWAY:
        return "no runner at work";
    case PIECE_WORK:
    case PIECE_RETRIED:
        break;
    }
    /* A wait is told with the request that it belongs to. */
    info = subject == NO_NODE ? info : action_info(graph->nodes[subject].action);
    const char *again = piece->kind == PIECE_RETRIED ? " (tried again)" : "";
    if (!is_told_by_vm(graph, node)) {
        return arena_printf(arena, "%s%s%s", info->name, node->vm == NO_VM ? "" : " of a VM",
                            again);
    }
    return arena_printf(arena, "%s %s%s", graph->vms[node->vm].name, info->name, again);
}

static struct tally *tally_of(struct tallies *tallies, const struct sample_piece *piece)
{
    const char *name = name_piece(tallies, piece);
    struct tally *tally = map_get(&tallies->by_name, name);
    if (!tally) {
        const struct graph *graph = tallies->making->forecast->input.graph;
        bool own = (piece->kind == PIECE_WORK || piece->kind == PIECE_RETRIED) &&
                   is_told_by_vm(graph, &graph->nodes[piece->node]);
        tally = ARENA_NEW(tallies->making->arena, struct tally);
        tally->binding = (struct forecast_binding){
            .what = name,
            .kind = piece->kind,
            .action = graph->nodes[piece->node].action,
            .vm = own ? graph->nodes[piece->node].vm : NO_VM,
        };
        map_put(&tallies->by_name, name, tally);
    }
    return tally;
}

static void tally_sample(struct tallies *tallies, const struct sample *sample, size_t run)
{
    struct making *making = tallies->making;
    for (size_t i = 0; i < sample->piece_count; i++) {
        const struct sample_piece *piece = &sample->pieces[i];
        struct tally *tally = tally_of(tallies, piece);
        if (tally->last_run != run + 1) {
            tally->ms = arena_grow(making->arena, tally->ms, tally->count, &tally->capacity,
                                   sizeof *tally->ms);
            tally->ms[tally->count++] = 0;
            tally->last_run = run + 1;
        }
        tally->ms[tally->count - 1] += piece->ms;
        tally->binding.total_ms += piece->ms;
        tally->binding.p95_ms += sample == making->forecast->slow ? piece->ms : 0;
    }
}

static void finish_tally(struct tally *tally)
{
    sort_durations(tally->ms, tally->count);
    size_t first = 0;
    while (first < tally->count && tally->ms[first] < NOTICEABLE_MS) {
        first++;
    }
    size_t runs = tally->count - first;
    tally->binding.runs = runs;
    tally->binding.median_ms = runs ? percentile(tally->ms + first, runs, runs, 50) : 0;
}

static int compare_bindings(const void *left, const void *right)
{
    const struct forecast_binding *a = left, *b = right;
    if (a->p95_ms != b->p95_ms) {
        return a->p95_ms > b->p95_ms ? -1 : 1;
    }
    if (a->total_ms != b->total_ms) {
        return a->total_ms > b->total_ms ? -1 : 1;
    }
    return strcmp(a->what, b->what);
}

static void find_bindings(struct making *making)
{
    struct forecast *forecast = making->forecast;
    struct tallies tallies = {
        .making = making,
        .by_name = {.arena = making->arena},
        .subject_of = rows_pair(making->arena, forecast->input.graph).subject_of,
    };
    for (size_t i = 0; i < forecast->input.asked; i++) {
        if (sample_at(forecast, i)) {
            tally_sample(&tallies, sample_at(forecast, i), i);
        }
    }
    forecast->bindings =
        ARENA_ARRAY(making->arena, struct forecast_binding, map_count(&tallies.by_name) + 1);
    for (struct map_entry *entry = map_first(&tallies.by_name); entry; entry = map_next(entry)) {
        struct tally *tally = entry->value;
        finish_tally(tally);
        if (tally->binding.runs > 0) {
            forecast->bindings[forecast->binding_count++] = tally->binding;
        }
    }
    if (forecast->binding_count > 0) {
        qsort(forecast->bindings, forecast->binding_count, sizeof *forecast->bindings,
              compare_bindings);
    }
}

/* --- why runs fail --- */

static void count_cause(struct making *making, struct map *causes, const struct sample *sample,
                        const struct sample_cause *cause)
{
    const struct graph_node *node = &making->forecast->input.graph->nodes[cause->node];
    /* Texts name things of a run, such as ids: the code is what runs have in common. */
    const char *key =
        arena_printf(making->arena, "%s %s", node->id, cause->code ? cause->code : "");
    struct forecast_cause *told = map_get(causes, key);
    if (!told) {
        told = ARENA_NEW(making->arena, struct forecast_cause);
        *told = (struct forecast_cause){.node = node, .code = cause->code, .text = cause->text};
        map_put(causes, key, told);
    }
    if (told->runs < sizeof told->seeds / sizeof *told->seeds) {
        told->seeds[told->runs] = sample->seed;
    }
    told->runs++;
}

static int compare_causes(const void *left, const void *right)
{
    const struct forecast_cause *a = left, *b = right;
    return a->runs != b->runs ? (a->runs > b->runs ? -1 : 1) : strcmp(a->node->id, b->node->id);
}

static void find_causes(struct making *making)
{
    struct forecast *forecast = making->forecast;
    struct map causes = {.arena = making->arena};
    for (size_t i = 0; i < forecast->input.asked; i++) {
        const struct sample *sample = sample_at(forecast, i);
        for (size_t c = 0; sample && c < sample->cause_count; c++) {
            count_cause(making, &causes, sample, &sample->causes[c]);
        }
    }
    forecast->causes = ARENA_ARRAY(making->arena, struct forecast_cause, map_count(&causes) + 1);
    for (struct map_entry *entry = map_first(&causes); entry; entry = map_next(entry)) {
        forecast->causes[forecast->cause_count++] = *(struct forecast_cause *)entry->value;
    }
    if (forecast->cause_count > 0) {
        qsort(forecast->causes, forecast->cause_count, sizeof *forecast->causes, compare_causes);
    }
}

struct forecast *forecast_make(struct arena *arena, const struct forecast_input *input)
{
    struct forecast *forecast = ARENA_NEW(arena, struct forecast);
    forecast->input = *input;
    forecast->objective_ms = input->scenario->plan->objectives.rto.ms;
    forecast->vms = ARENA_ARRAY(arena, struct forecast_vm, input->graph->vm_count + 1);
    struct making making = {
        .arena = arena,
        .forecast = forecast,
        .durations = ARENA_ARRAY(arena, int64_t, input->asked + 1),
    };
    spread_rto(&making);
    find_slow(&making);
    for (size_t vm = 0; vm < input->graph->vm_count; vm++) {
        spread_vm(&making, vm);
    }
    find_bindings(&making);
    find_causes(&making);
    forecast->requests = median_of(&making, requests_of);
    forecast->throttled = median_of(&making, throttled_of);
    forecast->retries = median_of(&making, retries_of);
    forecast_advise(arena, forecast);
    return forecast;
}
