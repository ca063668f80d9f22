#include "tests/unit/support/engine_bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/arena.h"
#include "compiler/graph/facts.h"
#include "tests/unit/support/state_directory.h"

static void must(bool ok, struct error *error)
{
    if (!ok) {
        fprintf(stderr, "bench: %s\n", error->message ? error->message : "failed");
        abort();
    }
}

/* Everything that a graph leaves to facts gets a value. */
static void bind_all(struct bench *bench)
{
    struct graph *graph = bench->graph;
    struct facts *facts = facts_create(graph->arena);
    for (size_t i = 0; i < graph->node_count; i++) {
        for (uint32_t j = 0; j < graph->nodes[i].input_count; j++) {
            const struct value *value = &graph->nodes[i].inputs[j].value;
            if (value->kind == VALUE_BIND) {
                map_put(&facts->bindings, value->text, arena_strdup(graph->arena, "snap-1"));
            }
        }
    }
    for (size_t i = 0; i < graph->pool_count; i++) {
        size_t capacity = (size_t)graph->pools[i].capacity;
        graph->pools[i].slots = ARENA_ARRAY(graph->arena, const char *, capacity);
        for (size_t slot = 0; slot < capacity; slot++) {
            graph->pools[i].slots[slot] =
                arena_printf(graph->arena, "/dev/sd%c", (int)('f' + slot));
        }
    }
    bench->facts = facts;
}

void bench_open(struct bench *bench, struct graph *graph, uint64_t seed)
{
    *bench = (struct bench){.graph = graph};
    graph_index(graph);
    bind_all(bench);
    /* In memory where that is possible: what is tried here is order, not the disk. */
    bool memory = access("/dev/shm", W_OK) == 0;
    strcpy(bench->directory, memory ? "/dev/shm/drc-engine-XXXXXX" : "/tmp/drc-engine-XXXXXX");
    must(mkdtemp(bench->directory) != NULL, &bench->error);
    snprintf(bench->path, sizeof bench->path, "%s/journal.db", bench->directory);
    bench->world = quiet_world(seed);
    bench->cloud = fake_cloud_create(graph, seed);
    bench->limits = limits_create(bench->world, LIMITS_NONE);
    bench->journal = journal_create(bench->path, &bench->error);
    must(bench->journal != NULL, &bench->error);
    journal_use_clock(bench->journal, bench->world);
}

static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char file[512];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.') {
            unlink(file);
        }
    }
    if (directory) {
        closedir(directory);
    }
    rmdir(path);
}

void bench_close(struct bench *bench)
{
    bench_finish(bench);
    limits_destroy(bench->limits);
    fake_cloud_destroy(bench->cloud);
    world_destroy(bench->world);
    error_clear(&bench->error);
    remove_directory(bench->directory);
}

bool bench_try(struct bench *bench, struct error *error)
{
    if (!bench->journal) {
        bench->journal = journal_open(bench->path, false, &bench->error);
        must(bench->journal != NULL, &bench->error);
        journal_use_clock(bench->journal, bench->world);
    }
    fake_provider_init(&bench->fake, bench->cloud, bench->world, bench->journal);
    struct executor_options options = {
        .world = bench->world,
        .graph = bench->graph,
        .schedule = bench->schedule,
        .facts = bench->facts,
        .journal = bench->journal,
        .limits = bench->limits,
        .lease = bench->lease,
        .providers = {[PROVIDER_AWS] = &bench->fake.base,
                      [PROVIDER_HOST] = bench->host ? bench->host : &bench->fake.base,
                      [PROVIDER_MOVER] = bench->mover ? bench->mover : &bench->fake.base,
                      [PROVIDER_DNS] = &bench->fake.base},
        .run_id = "run00001",
        .place = bench->place,
        .again = bench->again,
        .again_count = bench->again_count,
        .no_wait = bench->no_wait,
        .observer = bench->observer,
        .observer_context = bench->observer_context,
        .output = bench->output,
        .output_context = bench->output_context,
    };
    bench->executor = executor_create(&options, error);
    return bench->executor != NULL;
}

void bench_begin(struct bench *bench)
{
    must(bench_try(bench, &bench->error), &bench->error);
}

enum executor_result bench_run(struct bench *bench)
{
    error_clear(&bench->error);
    return executor_run(bench->executor, &bench->error);
}

void bench_finish(struct bench *bench)
{
    if (bench->executor) {
        fake_provider_drop(&bench->fake);
        executor_destroy(bench->executor);
        bench->executor = NULL;
    }
    journal_close(bench->journal);
    bench->journal = NULL;
}

enum executor_result bench_session(struct bench *bench)
{
    bench_begin(bench);
    enum executor_result result = bench_run(bench);
    bench_finish(bench);
    return result;
}

const struct node_status *bench_status(const struct bench *bench, const char *node_id)
{
    const struct graph_node *node = graph_node_by_id(bench->graph, node_id);
    if (!node) {
        fprintf(stderr, "no node %s\n", node_id);
        abort();
    }
    return executor_status(bench->executor, node->index);
}
