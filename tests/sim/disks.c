#include "tests/sim/disks.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/block_map.h"
#include "runtime/world/prng.h"
#include "runtime/world/world.h"

enum { BEYOND_A_SEGMENT = SEGMENT_BLOCKS + 3 };

static void draw_indexes(struct disk *disk, struct prng *prng)
{
    uint64_t blocks = block_count_of(disk->bytes), at = 0;
    while (disk->count + 1 < DISK_BLOCKS_MAX && at + 1 < blocks && at < 40) {
        disk->indexes[disk->count++] = at;
        at += (uint64_t)prng_range(prng, 1, 4);
    }
    disk->indexes[disk->count++] = blocks - 1;
}

static void draw_values(struct disk *disk, struct prng *prng)
{
    for (int g = 0; g < GENERATIONS; g++) {
        for (size_t i = 0; i < disk->count; i++) {
            uint32_t before = g ? disk->values[g - 1][i] : 0;
            double fate = prng_fraction(prng);
            bool anew = g == 0 ? fate < 0.8 : fate < 0.25;
            bool gone = g > 0 && fate > 0.85;
            disk->values[g][i] = anew ? (uint32_t)(g + 1) : gone ? 0 : before;
        }
    }
}

static void make_block(const struct disk *disk, size_t i, uint32_t value, char *block)
{
    memset(block, 0, BLOCK_BYTES);
    if (value > 0) {
        uint64_t header[4] = {(uint64_t)disk->number, disk->indexes[i], value, (uint64_t)*disk->vm};
        memcpy(block, header, sizeof header);
    }
}

static void hash_blocks(struct disk *disk)
{
    char *block = base_alloc(BLOCK_BYTES);
    for (int g = 0; g < GENERATIONS; g++) {
        for (size_t i = 0; i < disk->count; i++) {
            if (g > 0 && disk->values[g][i] == disk->values[g - 1][i]) {
                disk->digests[g][i] = disk->digests[g - 1][i];
                continue;
            }
            make_block(disk, i, disk->values[g][i], block);
            block_digest(block, BLOCK_BYTES, &disk->digests[g][i]);
        }
    }
    free(block);
}

struct disks *disks_create(uint64_t seed)
{
    struct disks *disks = base_alloc(sizeof *disks);
    struct prng prng = prng_seeded(seed ^ 0xd15c5);
    int64_t odd = prng_range(&prng, 1, BLOCK_BYTES);
    disks->disks[0] = (struct disk){.vm = "db", .number = 0, .bytes = 20 * (int64_t)BLOCK_BYTES + odd};
    disks->disks[1] = (struct disk){
        .vm = "db", .number = 1, .bytes = BEYOND_A_SEGMENT * (int64_t)BLOCK_BYTES};
    disks->disks[2] = (struct disk){.vm = "web", .number = 0, .bytes = 5 * (int64_t)BLOCK_BYTES};
    for (int i = 0; i < DISKS; i++) {
        draw_indexes(&disks->disks[i], &prng);
        draw_values(&disks->disks[i], &prng);
        hash_blocks(&disks->disks[i]);
    }
    disks->memory = store_memory_create();
    return disks;
}

void disks_destroy(struct disks *disks)
{
    if (disks) {
        store_memory_destroy(disks->memory);
        free(disks);
    }
}

const char *disks_time(int generation)
{
    static const char *const times[GENERATIONS] = {"2025-12-31T10:00:00Z", "2025-12-31T11:00:00Z",
                                                   "2025-12-31T12:00:00Z"};
    return times[generation];
}

const struct disk *disks_find(const struct disks *disks, const char *vm, int number)
{
    for (int i = 0; i < DISKS; i++) {
        if (vm && strcmp(disks->disks[i].vm, vm) == 0 && disks->disks[i].number == number) {
            return &disks->disks[i];
        }
    }
    return NULL;
}

/* --- the repository --- */

struct awaited {
    bool over;
    struct error *error;
};

static void put_over(void *context, const struct error *error)
{
    struct awaited *awaited = context;
    awaited->over = true;
    if (error) {
        error_set(awaited->error, "%s", error->message);
    }
}

static bool put_blocks(const struct disk *disk, int g, struct world *world,
                       struct repository_writer *writer, struct map_writer *map, struct error *error)
{
    char *block = base_alloc(BLOCK_BYTES);
    bool ok = true;
    for (size_t i = 0; ok && i < disk->count; i++) {
        struct awaited awaited = {false, error};
        if (disk->values[g][i] > 0) {
            make_block(disk, i, disk->values[g][i], block);
            repository_put_block(writer, &disk->digests[g][i], block, put_over, &awaited);
            world_run(world, &awaited.over);
            map_writer_add(map, disk->indexes[i], &disk->digests[g][i]);
            ok = !error->message;
        }
    }
    free(block);
    return ok;
}

static bool import_disk(const struct disk *disk, int g, struct world *world,
                        struct repository_writer *writer, struct repository_disk *out,
                        struct error *error)
{
    struct map_writer *map = map_writer_create(writer, disk->bytes);
    *out = (struct repository_disk){.bytes = disk->bytes, .controller = "pvscsi"};
    bool ok = put_blocks(disk, g, world, writer, map, error) &&
              map_writer_finish(map, &out->map, &out->blocks, error);
    map_writer_destroy(map);
    return ok;
}

static bool import_vm(struct disks *disks, const char *plan, const char *vm, int g,
                      struct repository *repository, struct error *error)
{
    struct world *world = repository_world(repository);
    struct repository_disk held[DISKS];
    struct repository_point point = {.plan = plan,
                                     .vm = vm,
                                     .time = disks_time(g),
                                     .utc_ms = parse_time(disks_time(g)),
                                     .disks = held,
                                     .made_by = "sim"};
    struct repository_writer *writer = repository_write(repository, "sim", NULL, NULL, error);
    bool ok = writer != NULL;
    for (int i = 0; ok && i < DISKS; i++) {
        if (strcmp(disks->disks[i].vm, vm) == 0) {
            ok = import_disk(&disks->disks[i], g, world, writer, &held[point.disk_count++], error);
        }
    }
    ok = ok && repository_commit(writer, &point, error);
    repository_writer_close(writer);
    return ok;
}

bool disks_import(struct disks *disks, const char *plan, int generation, struct error *error)
{
    struct world *world =
        world_simulated_create(1, parse_time(disks_time(generation)), (struct world_responder){0});
    struct repository *repository =
        repository_open(store_memory_open(world, disks->memory), world, "sim", true, error);
    bool ok = repository && import_vm(disks, plan, "db", generation, repository, error) &&
              import_vm(disks, plan, "web", generation, repository, error);
    repository_close(repository);
    world_destroy(world);
    return ok;
}
