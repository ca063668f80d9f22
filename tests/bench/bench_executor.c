/* How many actions a second the executor carries out durably, when they do nothing: a graph of
 * milestones, and one of requests to a provider that answers at once. The journal is on the disk that
 * holds the directory given (default: build/bench), with synchronous=FULL. The graph is written as
 * JSON first and read back, as a run of a compiled graph does it.
 * Prints NAME ACTIONS, seconds to read the graph, seconds to carry it out, ACTIONS/S, COMMITS, and MiB
 * that graph and executor take, tab-separated. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/graph/builder.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/limits.h"
#include "runtime/state/journal.h"

enum { NODES = 100000, WIDTH = 1000 };

struct null_provider {
    struct provider base;
    struct world *world;
    struct answer {
        struct call **calls;
        size_t count, capacity;
        call_done done;
        void *context;
    } pending, answering;
    struct world_task *task;
};

static void answer_all(void *context)
{
    struct null_provider *provider = context;
    struct answer answering = provider->pending;
    provider->pending = provider->answering;
    provider->pending.count = 0;
    provider->answering = answering;
    provider->task = NULL;
    struct call_result result = {.outcome = OUTCOME_OK, .requests = 1};
    for (size_t i = 0; i < answering.count; i++) {
        answering.done(answering.context, answering.calls[i], &result);
    }
}

static void null_start(struct provider *base, struct call **calls, size_t n, call_done done,
                       void *context)
{
    struct null_provider *provider = (struct null_provider *)base;
    struct answer *pending = &provider->pending;
    if (pending->count + n > pending->capacity) {
        pending->capacity = (pending->count + n) * 2;
        pending->calls = base_realloc(pending->calls, pending->capacity * sizeof *pending->calls);
    }
    memcpy(pending->calls + pending->count, calls, n * sizeof *calls);
    pending->count += n;
    pending->done = done;
    pending->context = context;
    if (!provider->task) {
        provider->task = world_defer(provider->world, answer_all, provider);
    }
}

static void null_lookup(struct provider *base, struct call *call, call_done done, void *context)
{
    null_start(base, &call, 1, done, context);
}

static void null_destroy(struct provider *base)
{
    (void)base;
}

/* Layers of WIDTH nodes; each node comes after two of the layer before. */
static struct graph *layers(struct arena *arena, enum action action)
{
    static const struct because because = {.rule = "bench"};
    struct graph *graph = ARENA_NEW(arena, struct graph);
    *graph = (struct graph){.arena = arena, .plan_name = "bench", .plan_digest = "",
                            .inventory_digest = "", .tool = "bench", .region = "eu-west-1",
                            .workflow = WORKFLOW_FAILOVER};
    struct graph_builder *builder = builder_create(arena, graph, NODES);
    for (uint32_t i = 0; i < NODES; i++) {
        builder_node(builder, action, arena_printf(arena, "n%" PRIu32, i), NO_VM, because);
        if (action == ACTION_ASSOCIATE_ADDRESS) {
            builder_input(builder, "allocation_id", text_value("eipalloc-0"));
            builder_input(builder, "instance_id", text_value("i-0"));
        }
        if (i >= WIDTH) {
            builder_after(builder, i - WIDTH, WHEN_OK);
            builder_after(builder, i / WIDTH * WIDTH - WIDTH + (i * 7 + 1) % WIDTH, WHEN_OK);
        }
    }
    builder_finish(builder);
    graph_index(graph);
    return graph;
}

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void give_up(struct error *error)
{
    fprintf(stderr, "bench_executor: %s\n", error->message ? error->message : "failed");
    exit(1);
}

static double memory_mib(void)
{
    struct mallinfo2 info = mallinfo2();
    return (double)(info.uordblks + info.hblkhd) / (1 << 20);
}

/* Through its text, as it comes from a file. */
static struct graph *reread(struct arena *arena, const struct graph *graph, double *seconds)
{
    struct error error = {0};
    struct buffer text = {0};
    graph_write_json(graph, &text);
    double begin = now_s();
    struct graph *read = graph_read(arena, "bench", buffer_text(&text), text.length, &error);
    *seconds = now_s() - begin;
    buffer_free(&text);
    if (!read) {
        give_up(&error);
    }
    return read;
}

static struct graph *make_graph(struct arena *arena, enum action action, double *seconds)
{
    struct arena *scratch = arena_create();
    struct graph *graph = layers(scratch, action);
    struct graph *read = reread(arena, graph, seconds);
    arena_destroy(scratch);
    malloc_trim(0);
    return read;
}

static void measure(const char *name, enum action action, const char *directory)
{
    struct error error = {0};
    struct arena *arena = arena_create();
    struct world *world = world_real_create(&error);
    const char *path = arena_printf(arena, "%s/executor.db", directory);
    unlink(path);
    struct journal *journal = world ? journal_create(path, &error) : NULL;
    if (!journal) {
        give_up(&error);
    }
    double reading_s, before_mib = memory_mib();
    struct graph *graph = make_graph(arena, action, &reading_s);
    struct limits *limits = limits_create(world, LIMITS_NONE);
    struct null_provider provider = {
        .base = {.name = "null", .start = null_start, .lookup = null_lookup, .poll = null_start,
                 .destroy = null_destroy},
        .world = world,
    };
    struct executor_options options = {
        .world = world, .graph = graph, .journal = journal, .limits = limits, .run_id = "bench001",
        .providers = {[PROVIDER_AWS] = &provider.base, [PROVIDER_HOST] = &provider.base}};
    double begin = now_s();
    struct executor *executor = executor_create(&options, &error);
    if (!executor || executor_run(executor, &error) != EXECUTOR_SUCCEEDED) {
        give_up(&error);
    }
    double seconds = now_s() - begin;
    printf("%s\t%d\t%.3f\t%.3f\t%.0f\t%" PRId64 "\t%.1f\n", name, NODES, reading_s, seconds,
           NODES / seconds, executor_counters(executor).commits, memory_mib() - before_mib);
    executor_destroy(executor);
    free(provider.pending.calls);
    free(provider.answering.calls);
    limits_destroy(limits);
    journal_close(journal);
    unlink(path);
    world_destroy(world);
    arena_destroy(arena);
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : "build/bench";
    mkdir(directory, 0755);
    measure("milestones", ACTION_READY, directory);
    measure("requests", ACTION_ASSOCIATE_ADDRESS, directory);
    return 0;
}
