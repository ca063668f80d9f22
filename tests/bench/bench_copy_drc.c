/* drc's side of bench_copy.py.
 *   fill DIR VM TIME BYTES DENSITY CHANGED [RAW]
 *            makes a recovery point in the repository DIR: a disk of BYTES, of which each DENSITY-th
 *            block holds random data, and of those each CHANGED-th (0: none) other data than before;
 *            RAW: the same as a file. Prints the root of its map and how many blocks it holds.
 *   put DIR MAP PARENT SNAPSHOT    put-blocks (PARENT "-": whole) to AWS_ENDPOINT_URL_EBS. Prints JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "compiler/base/arena.h"
#include "runtime/aws/aws.h"
#include "runtime/aws/ebs_target.h"
#include "runtime/cli/memory.h"
#include "runtime/mover/block_map.h"
#include "runtime/mover/mover.h"
#include "runtime/world/world.h"

enum { PUTS_MAX = 16 };

static void die(const struct error *error)
{
    fprintf(stderr, "bench_copy_drc: %s\n", error->message ? error->message : "failed");
    exit(1);
}

/* --- fill --- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void make_block(uint64_t *bytes, uint64_t seed)
{
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < BLOCK_BYTES / sizeof *bytes; i++) {
        bytes[i] = next_random(&state);
    }
}

struct filling {
    uint64_t *blocks;
    int under_way;
    bool free;
    struct error error;
};

static void on_put(void *context, const struct error *error)
{
    struct filling *filling = context;
    if (error) {
        die(error);
    }
    filling->under_way--;
    filling->free = true;
}

static void fill(char **argv, FILE *raw)
{
    struct error error = {0};
    struct world *world = world_real_create(&error);
    struct store *store = world ? store_directory_create_lazy(world, argv[2], &error) : NULL;
    struct repository *repository =
        store ? repository_open(store, world, "bench", true, &error) : NULL;
    struct repository_writer *writer =
        repository ? repository_write(repository, "bench", NULL, NULL, &error) : NULL;
    if (!writer) {
        die(&error);
    }
    struct repository_disk disk = {.bytes = atoll(argv[5])};
    uint64_t count = block_count_of(disk.bytes), density = strtoull(argv[6], NULL, 10);
    uint64_t changed = strtoull(argv[7], NULL, 10), held = 0;
    struct map_writer *map = map_writer_create(writer, disk.bytes);
    struct filling filling = {.blocks = malloc(BLOCK_BYTES)};
    for (uint64_t i = 0; i < count; i += density) {
        struct block_digest digest;
        bool other = changed && held % changed == 0;
        make_block(filling.blocks, i * 2 + other);
        if (raw) {
            fwrite(filling.blocks, BLOCK_BYTES, 1, raw);
        }
        block_digest(filling.blocks, BLOCK_BYTES, &digest);
        map_writer_add(map, i, &digest);
        filling.free = false;
        filling.under_way++;
        repository_put_block(writer, &digest, filling.blocks, on_put, &filling);
        world_run(world, &filling.free);
        held++;
    }
    if (!map_writer_finish(map, &disk.map, &disk.blocks, &error)) {
        die(&error);
    }
    map_writer_destroy(map);
    struct repository_point point = {.plan = "bench", .vm = argv[3], .time = argv[4],
                                     .utc_ms = parse_time(argv[4]), .disks = &disk,
                                     .disk_count = 1, .made_by = "bench"};
    if (!repository_commit(writer, &point, &error)) {
        die(&error);
    }
    char hex[65];
    block_digest_hex(&disk.map, hex);
    printf("%s %" PRIu64 "\n", hex, disk.blocks);
    repository_writer_close(writer);
    repository_close(repository);
    world_destroy(world);
    free(filling.blocks);
}

/* --- put --- */

static struct store *open_directory(void *world, const char *url, bool lazy, struct error *error)
{
    (void)lazy;
    return store_directory_create(world, url, error);
}

struct putting {
    bool over;
    double from;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void on_done(void *context, struct call *call, const struct call_result *result)
{
    struct putting *putting = context;
    struct rusage usage;
    double took = now_s() - putting->from;
    (void)call;
    if (result->outcome != OUTCOME_OK) {
        die(&(struct error){.message = (char *)result->error.message});
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"blocks\": %s, \"checksum\": \"%s\", \"seconds\": %.4f, \"cpu\": %.4f, \"rss_mib\": %.1f, "
           "\"requests\": %d}\n",
           result->outputs[0].value, result->outputs[1].value, took,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
           (double)usage.ru_maxrss / 1024, result->requests);
    putting->over = true;
}

static void put(char **argv)
{
    struct error error = {0};
    struct world *world = world_real_create(&error);
    struct aws_options options = {.world = world, .region = "eu-west-1"};
    struct aws *aws = world ? aws_create(&options, &error) : NULL;
    if (!aws) {
        die(&error);
    }
    struct block_target *target = ebs_target_create(aws);
    struct provider *mover = mover_provider_create(
        &(struct mover_options){.world = world, .stores = {world, open_directory}, .target = target});
    struct graph graph = {.plan_name = "bench"};
    struct graph_node node = {.id = "put", .action = ACTION_PUT_BLOCKS, .vm = NO_VM};
    struct input inputs[] = {{"repository", {.kind = VALUE_TEXT, .text = argv[2]}},
                             {"map", {.kind = VALUE_TEXT, .text = argv[3]}},
                             {"snapshot_id", {.kind = VALUE_TEXT, .text = argv[5]}},
                             {"parent_map", {.kind = VALUE_TEXT, .text = argv[4]}}};
    struct call call = {.graph = &graph, .node = &node, .inputs = inputs,
                        .input_count = strcmp(argv[4], "-") == 0 ? 3 : 4, .run_id = "r", .token = "t"};
    struct call *calls[] = {&call};
    struct putting putting = {.from = now_s()};
    mover->start(mover, calls, 1, on_done, &putting);
    world_run(world, &putting.over);
    mover->destroy(mover);
    ebs_target_destroy(target);
    aws_destroy(aws);
    world_destroy(world);
}

int main(int argc, char **argv)
{
    memory_keep_freed(); /* as drc does */
    if (argc >= 8 && strcmp(argv[1], "fill") == 0) {
        FILE *raw = argc > 8 ? fopen(argv[8], "w") : NULL;
        fill(argv, raw);
        if (raw) {
            fclose(raw);
        }
    } else if (argc == 6 && strcmp(argv[1], "put") == 0) {
        put(argv);
    }
    return 0; /* run by itself it has nothing to measure */
}
