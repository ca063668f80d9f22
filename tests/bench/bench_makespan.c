/* How long the executor takes, in simulated time, for what cannot be done faster: against the
 * schedule of a cloud whose every duration is known. Two parts:
 *   known cloud: a provider that takes for each node a time drawn from a seed; the ideal is the
 *     estimate that is told these times (without limits: the critical path; with: list scheduling
 *     over the same buckets). Only the executor's own losses are left: polls, company, fairness.
 *   sandbox: the whole of it, rehearsed: facts, AWS client, sandbox that throttles as EC2 does,
 *     against what was expected before.
 * Requests are held against those that cannot be batched. `bench_makespan [VMS …]`; figures are
 * exact and the same on every machine (but for CPU).
 * With WHY set it tells which actions of the path cost how much. Exits with 1 when a budget of
 * DESIGN.md is not held. */
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/compile.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/source.h"
#include "compiler/graph/estimate.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/limits.h"
#include "runtime/simulation/rehearsal.h"
#include "runtime/state/journal.h"
#include "runtime/world/prng.h"
#include "tests/bench/budget.h"

static const double MAKESPAN_MAX = 1.05;
enum { ANSWER_MS = 120, REQUEST_MS = 300 };

static double worst; /* of the makespans that have a budget, over the ideal */

static void give_up(const struct error *error)
{
    fprintf(stderr, "bench_makespan: %s\n", error->message ? error->message : "failed");
    exit(1);
}

/* ---- plans ---- */

static const struct plan *bind_plan(struct arena *arena, struct source *source)
{
    struct diagnostics *diagnostics = diagnostics_create(arena);
    struct plan *plan = source ? compile_plan(arena, source, NULL, 0, diagnostics) : NULL;
    if (!plan) {
        struct buffer out = {0};
        diagnostics_write(diagnostics, DIAGNOSTIC_FORMAT_HUMAN, false, &out);
        fprintf(stderr, "%s\n", buffer_text(&out));
        exit(1);
    }
    return plan;
}

static const struct plan *plan_from(struct arena *arena, const char *path)
{
    struct error error = {0};
    struct source *source = source_read(arena, path, &error);
    if (!source) {
        give_up(&error);
    }
    return bind_plan(arena, source);
}

/* As bench_failover.py has it, in chains of three. */
static const struct plan *plan_of(struct arena *arena, int vms)
{
    struct buffer out = {0};
    buffer_puts(&out, "version: 1\nname: fleet\nobjectives: {rpo: 1h, rto: 8h}\n"
                      "replication: {every: 10m}\n"
                      "sites:\n  recovery:\n    aws:\n      region: eu-west-1\n"
                      "      account: \"111122223333\"\n"
                      "      placeholder_image: {bios: ami-0c000000000000001}\n"
                      "      conversion: {inject: never}\n"
                      "networks:\n  production:\n    vpc: vpc-0a000000000000001\n    subnets:\n"
                      "      app: {id: subnet-0a00000000000000a, cidr: 10.20.0.0/20, "
                      "zone: eu-west-1a}\n"
                      "    security_groups: {app: sg-0a000000000000001}\n"
                      "defaults: {instance_type: m6i.large, subnet: app, security_groups: [app]}\n"
                      "vms:\n");
    for (int i = 0; i < vms; i++) {
        buffer_printf(&out, "  vm-%04d:\n    source: /DC0/vm/fleet/vm-%04d\n", i, i);
        if (i % 3 != 0) {
            buffer_printf(&out, "    depends_on: [vm-%04d]\n", i - 1);
        }
        buffer_puts(&out, "    ready:\n      - {tcp: 5432, interval: 1s}\n");
    }
    struct source *source = source_from_text(arena, "fleet.yaml", out.data, out.length);
    const struct plan *plan = bind_plan(arena, source);
    buffer_free(&out);
    return plan;
}

/* Requests that cannot be batched, and one for each kind that can. */
static int64_t floor_of(const struct graph *graph)
{
    bool batched[ACTION_COUNT] = {false};
    int64_t floor = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct action_info *info = action_info(graph->nodes[i].action);
        if (info->effect == EFFECT_WAIT || info->effect == EFFECT_LOCAL) {
            continue;
        }
        floor += info->batch_max == 1 || !batched[graph->nodes[i].action];
        batched[graph->nodes[i].action] = true;
    }
    return floor;
}

/* ---- the known cloud ---- */

struct cloud {
    struct provider base; /* first */
    struct world *world;
    const struct graph *graph;
    int64_t *duration_ms, *ended_ms; /* by node; ended: -1 before */
    int64_t starts, polls, checks;
};

struct answer {
    struct cloud *cloud;
    struct call **calls;
    size_t n;
    enum outcome *outcomes;
    call_done done;
    void *context;
};

static void give_answer(void *context)
{
    struct answer *answer = context;
    for (size_t i = 0; i < answer->n; i++) {
        struct call *call = answer->calls[i];
        const struct action_info *info = action_info(call->node->action);
        struct call_result result = {.outcome = answer->outcomes[i], .requests = i == 0};
        result.error.message = result.outcome == OUTCOME_OK ? NULL : "not yet";
        for (size_t j = 0; result.outcome == OUTCOME_OK && j < info->output_count; j++) {
            result.outputs[result.output_count++] =
                (struct call_output){info->outputs[j].name, "id-1"};
        }
        if (result.outcome == OUTCOME_OK) {
            answer->cloud->ended_ms[call->node->index] = world_monotonic_ms(answer->cloud->world);
        }
        answer->done(answer->context, call, &result);
    }
    free(answer->calls);
    free(answer->outcomes);
    free(answer);
}

static struct answer *new_answer(struct cloud *cloud, struct call **calls, size_t n, call_done done,
                                 void *context)
{
    struct answer *answer = base_alloc(sizeof *answer);
    *answer = (struct answer){cloud, base_alloc(n * sizeof *calls), n, NULL, done, context};
    memcpy(answer->calls, calls, n * sizeof *calls);
    answer->outcomes = base_alloc(n * sizeof *answer->outcomes);
    return answer;
}

static void cloud_start(struct provider *base, struct call **calls, size_t n, call_done done,
                        void *context)
{
    struct cloud *cloud = (struct cloud *)base;
    struct answer *answer = new_answer(cloud, calls, n, done, context);
    cloud->starts++;
    for (size_t i = 0; i < n; i++) {
        answer->outcomes[i] = OUTCOME_OK;
    }
    world_timer(cloud->world, cloud->duration_ms[calls[0]->node->index], give_answer, answer);
}

static void cloud_lookup(struct provider *base, struct call *call, call_done done, void *context)
{
    cloud_start(base, &call, 1, done, context);
}

/* When what is awaited began: when the last of what comes before it had ended. */
static int64_t began_ms(const struct cloud *cloud, const struct graph_node *node)
{
    int64_t began = 0;
    for (uint32_t e = 0; e < node->after_count; e++) {
        const struct graph_node *before = &cloud->graph->nodes[node->after[e].node];
        int64_t ended = cloud->ended_ms[before->index] >= 0 ? cloud->ended_ms[before->index]
                                                            : began_ms(cloud, before);
        began = ended > began ? ended : began;
    }
    return began;
}

static void cloud_poll(struct provider *base, struct call **calls, size_t n, call_done done,
                       void *context)
{
    struct cloud *cloud = (struct cloud *)base;
    struct answer *answer = new_answer(cloud, calls, n, done, context);
    int64_t now_ms = world_monotonic_ms(cloud->world);
    bool from_runner = action_info(calls[0]->node->action)->provider == PROVIDER_HOST;
    int64_t *counter = from_runner ? &cloud->checks : &cloud->polls;
    *counter += 1;
    for (size_t i = 0; i < n; i++) {
        const struct graph_node *node = calls[i]->node;
        bool over = now_ms >= began_ms(cloud, node) + cloud->duration_ms[node->index];
        answer->outcomes[i] = over ? OUTCOME_OK : OUTCOME_PENDING;
    }
    world_timer(cloud->world, ANSWER_MS, give_answer, answer);
}

static void cloud_destroy(struct provider *base)
{
    (void)base;
}

/* Waits take 0.7 to 1.3 of what is expected; requests what they take in truth. */
static struct facts *draw_durations(struct arena *arena, struct cloud *cloud, uint64_t seed)
{
    const struct graph *graph = cloud->graph;
    struct prng prng = prng_seeded(seed);
    struct facts *facts = facts_create(arena);
    cloud->duration_ms = ARENA_ARRAY(arena, int64_t, graph->node_count);
    cloud->ended_ms = ARENA_ARRAY(arena, int64_t, graph->node_count);
    for (size_t i = 0; i < graph->node_count; i++) {
        const struct graph_node *node = &graph->nodes[i];
        const struct action_info *info = action_info(node->action);
        int64_t ms = node->expected_ms;
        if (info->effect != EFFECT_LOCAL && info->effect != EFFECT_WAIT) {
            ms = REQUEST_MS;
        } else if (info->provider != PROVIDER_ENGINE) {
            ms = ms * prng_range(&prng, 700, 1300) / 1000;
        }
        cloud->duration_ms[i] = ms;
        cloud->ended_ms[i] = -1;
        map_put(&facts->durations, node->id, &cloud->duration_ms[i]);
        for (uint32_t j = 0; j < node->input_count; j++) {
            if (node->inputs[j].value.kind == VALUE_BIND) {
                map_put(&facts->bindings, node->inputs[j].value.text,
                        arena_strdup(arena, "snap-1"));
            }
        }
    }
    return facts;
}

static void nothing_answers(void *context, int64_t utc_ms, const struct http_request *request,
                            struct http_response *response, int64_t *latency_ms)
{
    (void)context;
    (void)utc_ms;
    (void)request;
    (void)latency_ms;
    response->failure = HTTP_UNREACHABLE;
}

static void name_slots(struct graph *graph)
{
    for (size_t i = 0; i < graph->pool_count; i++) {
        size_t capacity = (size_t)graph->pools[i].capacity;
        graph->pools[i].slots = ARENA_ARRAY(graph->arena, const char *, capacity);
        for (size_t slot = 0; slot < capacity; slot++) {
            graph->pools[i].slots[slot] =
                arena_printf(graph->arena, "/dev/xvdb%c", (int)('a' + slot));
        }
    }
}

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void tell(const char *name, bool limits, double took_s, double ideal_s, double requests,
                 double floor, double cpu, bool makespan_counts)
{
    bool good = !makespan_counts || took_s <= ideal_s * MAKESPAN_MAX;
    printf("  %-10s %-7s %9.1f s %9.1f s %6.3f %8.0f %8.0f %6.3f %7.2f%s\n", name,
           limits ? "aws" : "none", took_s, ideal_s, took_s / ideal_s, requests, floor,
           requests / floor, cpu, good ? "" : "  NOT HELD");
    worst = makespan_counts && took_s / ideal_s > worst ? took_s / ideal_s : worst;
}

/* Along the path that the run took: how much later than they could nodes began, and how much longer
 * than they had to they took, action by action. */
static void tell_losses(const struct executor *executor, const struct cloud *cloud)
{
    const struct graph *graph = cloud->graph;
    int64_t waited[ACTION_COUNT] = {0}, over[ACTION_COUNT] = {0};
    uint32_t at = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        at = executor_status(executor, i)->ended_ms > executor_status(executor, at)->ended_ms ? i
                                                                                              : at;
    }
    for (;;) {
        const struct graph_node *node = &graph->nodes[at];
        const struct node_status *status = executor_status(executor, at);
        int64_t before_ms = 0;
        uint32_t before = at;
        for (uint32_t e = 0; e < node->after_count; e++) {
            int64_t ended = executor_status(executor, node->after[e].node)->ended_ms;
            if (before == at || ended > before_ms) {
                before = node->after[e].node;
                before_ms = ended;
            }
        }
        waited[node->action] += status->started_ms - before_ms;
        over[node->action] += status->ended_ms - status->started_ms - cloud->duration_ms[at];
        if (before == at) {
            break;
        }
        at = before;
    }
    for (int action = 1; action < ACTION_COUNT; action++) {
        if (waited[action] + over[action] > 0) {
            printf("      %-26s began %6.1f s late, took %5.1f s too long\n",
                   action_info((enum action)action)->name, (double)waited[action] / 1000,
                   (double)over[action] / 1000);
        }
    }
}

static void run_known(struct arena *arena, const char *name, const struct plan *plan,
                      const char *directory, bool limits)
{
    struct error error = {0};
    struct diagnostics *diagnostics = diagnostics_create(arena);
    struct graph *graph = compile_graph(arena, plan, WORKFLOW_FAILOVER, NULL, diagnostics);
    graph_index(graph);
    name_slots(graph);
    struct world *world =
        world_simulated_create(1, 1000000000000, (struct world_responder){.http = nothing_answers});
    struct cloud cloud = {.base = {.name = "known",
                                   .start = cloud_start,
                                   .lookup = cloud_lookup,
                                   .poll = cloud_poll,
                                   .destroy = cloud_destroy},
                          .world = world,
                          .graph = graph};
    struct facts *facts = draw_durations(arena, &cloud, 42);
    const struct schedule *ideal = estimate(arena, graph, facts, limits);
    const char *path = arena_printf(arena, "%s/known.db", directory);
    unlink(path);
    struct journal *journal = journal_create(path, &error);
    if (!journal) {
        give_up(&error);
    }
    struct limits *buckets = limits_create(world, limits ? LIMITS_AWS : LIMITS_NONE);
    struct executor_options options = {
        .world = world,
        .graph = graph,
        .journal = journal,
        .limits = buckets,
        .run_id = "bench001",
        .schedule = estimate(arena, graph, NULL, limits),
        .facts = facts,
        .providers = {[PROVIDER_AWS] = &cloud.base, [PROVIDER_HOST] = &cloud.base}};
    double cpu = cpu_s();
    int64_t began = world_monotonic_ms(world);
    struct executor *executor = executor_create(&options, &error);
    if (!executor || executor_run(executor, &error) != EXECUTOR_SUCCEEDED) {
        give_up(&error);
    }
    double took_s = (double)(world_monotonic_ms(world) - began) / 1000;
    tell(name, limits, took_s, (double)ideal->makespan_ms / 1000,
         (double)(cloud.starts + cloud.polls), (double)floor_of(graph), cpu_s() - cpu, !limits);
    if (getenv("WHY")) {
        tell_losses(executor, &cloud);
    }
    executor_destroy(executor);
    limits_destroy(buckets);
    journal_close(journal);
    unlink(path);
    world_destroy(world);
}

/* ---- the sandbox ---- */

static void run_sandbox(struct arena *arena, const char *name, const struct plan *plan,
                        const char *directory, bool limits)
{
    struct error error = {0};
    char *place = arena_printf(arena, "%s/sandbox-XXXXXX", directory);
    if (!mkdtemp(place)) {
        perror(place);
        exit(1);
    }
    struct rehearsal_options options = {.plan = plan,
                                        .workflow = WORKFLOW_FAILOVER,
                                        .seed = 7,
                                        .directory = place,
                                        .limits = limits ? LIMITS_AWS : LIMITS_NONE,
                                        .throttle = limits};
    struct rehearsal *rehearsal = rehearsal_create(&options, &error);
    if (!rehearsal) {
        give_up(&error);
    }
    double cpu = cpu_s();
    int64_t began = world_monotonic_ms(rehearsal_world(rehearsal));
    if (rehearsal_process(rehearsal, -1, &error) != REHEARSAL_SUCCEEDED) {
        give_up(&error);
    }
    double took_s = (double)(world_monotonic_ms(rehearsal_world(rehearsal)) - began) / 1000;
    struct executor_counters counters = executor_counters(rehearsal_executor(rehearsal));
    const struct graph *graph = rehearsal_graph(rehearsal);
    const struct schedule *ideal = estimate(arena, graph, rehearsal_facts(rehearsal), limits);
    tell(name, limits, took_s, (double)ideal->makespan_ms / 1000, (double)counters.requests,
         (double)floor_of(graph), cpu_s() - cpu, false);
    if (counters.throttled > 0) {
        printf("  %36" PRId64 " requests were throttled\n", counters.throttled);
    }
    rehearsal_destroy(rehearsal);
}

typedef void (*runner)(struct arena *arena, const char *name, const struct plan *plan,
                       const char *directory, bool limits);

static void run_all(const char *title, const char *against, runner run, const char *directory,
                    int count, char **vms)
{
    printf("%s\n  %-10s %-7s %11s %11s %6s %8s %8s %6s %7s\n", title, "plan", "limits", "took",
           against, "ratio", "requests", "floor", "ratio", "CPU s");
    static const char *const demos[] = {"shop", "erp"};
    for (int limits = 0; limits < 2; limits++) {
        for (size_t i = 0; i < sizeof demos / sizeof *demos; i++) {
            struct arena *arena = arena_create();
            const char *path = arena_printf(arena, "plans/%s/plan.yaml", demos[i]);
            run(arena, demos[i], plan_from(arena, path), directory, limits);
            arena_destroy(arena);
        }
        for (int i = 0; i < count; i++) {
            struct arena *arena = arena_create();
            run(arena, arena_printf(arena, "%s VMs", vms[i]), plan_of(arena, atoi(vms[i])),
                directory, limits);
            arena_destroy(arena);
        }
    }
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

int main(int argc, char **argv)
{
    static char *usual[] = {"100", "500"};
    char directory[] = "/tmp/drc-makespan-XXXXXX";
    if (!mkdtemp(directory)) {
        perror(directory);
        return 1;
    }
    int count = argc > 1 ? argc - 1 : 2;
    char **vms = argc > 1 ? argv + 1 : usual;
    run_all("known cloud", "ideal", run_known, directory, count, vms);
    run_all("sandbox", "expected", run_sandbox, directory, count, vms);
    bool held = budget_at_most("makespan over the critical path, no limit", worst, MAKESPAN_MAX);
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return held ? 0 : 1;
}
