#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/block_map.h"
#include "runtime/mover/map_form.h"
#include "runtime/mover/repository_state.h"

struct map_writer {
    struct repository_writer *writer;
    struct buffer root, segment;
    uint32_t number; /* of the segment that is being filled */
    uint64_t blocks, disk_blocks;
    int64_t last; /* index added last; -1: none */
    unsigned under_way;
    bool over; /* nothing is under way */
    struct error error;
};

struct map_writer *map_writer_create(struct repository_writer *writer, int64_t disk_bytes)
{
    struct map_writer *map = base_alloc(sizeof *map);
    map->writer = writer;
    map->disk_blocks = block_count_of(disk_bytes);
    map->last = -1;
    root_begin(&map->root, disk_bytes);
    segment_begin(&map->segment);
    return map;
}

static void is_put(void *context, const struct error *error)
{
    struct map_writer *map = context;
    map->over = --map->under_way == 0;
    if (error && !map->error.message) {
        error_copy(&map->error, error);
    }
}

static void put(struct map_writer *map, const struct buffer *object, struct block_digest *digest)
{
    block_digest(object->data, object->length, digest);
    map->under_way++;
    map->over = false;
    repository_put_map(map->writer, digest, object->data, object->length, is_put, map);
}

static void end_segment(struct map_writer *map)
{
    struct root_entry entry = {.segment = map->number, .blocks = segment_finish(&map->segment)};
    if (entry.blocks > 0) {
        put(map, &map->segment, &entry.digest);
        root_add(&map->root, &entry);
        map->blocks += entry.blocks;
        segment_begin(&map->segment);
    }
}

void map_writer_add(struct map_writer *map, uint64_t index, const struct block_digest *digest)
{
    if ((int64_t)index <= map->last || index >= map->disk_blocks) {
        abort(); /* a map that no reader would take */
    }
    map->last = (int64_t)index;
    uint32_t number = (uint32_t)(index / SEGMENT_BLOCKS);
    if (number != map->number) {
        end_segment(map);
        map->number = number;
    }
    segment_add(&map->segment, (uint32_t)(index % SEGMENT_BLOCKS), digest);
}

bool map_writer_finish(struct map_writer *map, struct block_digest *root, uint64_t *blocks,
                       struct error *error)
{
    end_segment(map);
    root_finish(&map->root);
    put(map, &map->root, root);
    world_run(map->writer->repository->world, &map->over);
    if (map->error.message) {
        return error_move(error, &map->error);
    }
    *blocks = map->blocks;
    return true;
}

void map_writer_destroy(struct map_writer *map)
{
    if (map) {
        repository_forget(map->writer->repository, map);
        buffer_free(&map->root);
        buffer_free(&map->segment);
        error_clear(&map->error);
        free(map);
    }
}
