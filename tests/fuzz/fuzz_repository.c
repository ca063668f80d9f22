/* Hostile objects of a repository: what lies in a bucket may be anybody's. The first byte says what the
 * rest is: a block, a segment, a root, a recovery point, a copy (as it is, or with a seal made for it, so
 * that what stands behind the seal is reached), or a segment under a sound root that is gone over. Refused
 * with a reason, or read; what was read is written and read again, and is the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/mover/block_form.h"
#include "runtime/mover/map_form.h"
#include "runtime/mover/map_walk.h"
#include "runtime/mover/point_form.h"
#include "runtime/mover/repository_state.h"
#include "runtime/mover/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Refused: with a reason. */
static void expect_reason(bool ok, struct error *error)
{
    expect(ok || error->message);
    error_clear(error);
}

static void block(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct block_digest digest = {{0}};
    struct block_packer *packer = block_packer_create();
    char *into = base_alloc(BLOCK_BYTES), *out = base_alloc(BLOCK_OBJECT_MAX);
    expect_reason(block_unpack(packer, data, size, &digest, into, &error), &error);
    block_digest(into, BLOCK_BYTES, &digest); /* of whatever it unpacked to */
    size_t length = block_pack(packer, into, out);
    expect(length <= BLOCK_OBJECT_MAX && block_unpack(packer, out, length, &digest, into, NULL));
    block_packer_destroy(packer);
    free(into);
    free(out);
}

static void segment(const uint8_t *data, size_t size)
{
    struct error error = {0};
    uint32_t blocks = size >= SEGMENT_HEADER_BYTES ? (uint32_t)(size - SEGMENT_HEADER_BYTES) / SEGMENT_ENTRY_BYTES : 1;
    struct segment_entry entry, last = {0};
    bool ok = segment_check(data, size, blocks, &error);
    for (uint32_t i = 0; ok && i < blocks; i++) {
        segment_entry(data, i, &entry);
        expect(entry.block < SEGMENT_BLOCKS && (i == 0 || entry.block > last.block));
        last = entry;
    }
    expect_reason(ok, &error);
}

static void root(const uint8_t *data, size_t size)
{
    struct error error = {0};
    int64_t bytes = 0;
    uint32_t count = 0;
    bool ok = root_check(data, size, &bytes, &count, &error);
    uint64_t blocks = 0;
    for (uint32_t i = 0; ok && i < count; i++) {
        struct root_entry entry;
        root_entry(data, i, &entry);
        blocks += entry.blocks;
    }
    expect(!ok || (blocks <= block_count_of(bytes) && bytes <= DISK_BYTES_MAX && blocks == root_blocks(data)));
    expect_reason(ok, &error);
}

static void point(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct arena *arena = arena_create();
    struct repository_point found, again;
    struct buffer text = {0};
    bool ok = point_read(arena, (const char *)data, size, &found, &error);
    if (ok) {
        expect(point_write(&found, &text, NULL));
        expect(point_read(arena, text.data, text.length, &again, NULL));
        expect(found.disk_count == again.disk_count && found.utc_ms == again.utc_ms);
        expect(strcmp(found.vm, again.vm) == 0 && !strchr(found.vm, '/') && !strchr(found.plan, '/'));
    }
    expect_reason(ok, &error);
    buffer_free(&text);
    arena_destroy(arena);
}

static void copy(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct arena *arena = arena_create();
    struct repository_copy found;
    expect_reason(copy_read(arena, (const char *)data, size, &found, &error), &error);
    arena_destroy(arena);
}

static void sealed(const uint8_t *data, size_t size, void (*of)(const uint8_t *data, size_t size))
{
    struct buffer text = {0};
    buffer_append(&text, data, size);
    if (size > 0) {
        sealed_finish(&text);
        of((const uint8_t *)text.data, text.length);
    }
    buffer_free(&text);
}

static void nobody(void *context, int64_t utc_ms, const struct http_request *request,
                   struct http_response *response, int64_t *latency_ms)
{
    (void)context;
    (void)utc_ms;
    (void)request;
    (void)response;
    *latency_ms = 0;
}

/* Under its right name, in a root that says what its length says. */
static void walk(const uint8_t *data, size_t size)
{
    struct world *world = world_simulated_create(1, 1, (struct world_responder){.http = nobody});
    struct store_memory *memory = store_memory_create();
    struct repository *repository =
        repository_open(store_memory_open(world, memory), world, "fuzz", true, NULL);
    struct store *store = repository_store(repository);
    struct root_entry entry = {.segment = 0, .blocks = size < 46 ? 1 : (uint32_t)(size - 12) / 34};
    entry.blocks = entry.blocks > SEGMENT_BLOCKS ? SEGMENT_BLOCKS : entry.blocks;
    struct map_walk_root top = {.disk_bytes = INT64_C(9) << 30};
    struct buffer text = {0};
    char key[OBJECT_KEY_MAX];
    block_digest(data, size, &entry.digest);
    object_key(key, "maps", &entry.digest);
    store_put_now(store, world, key, data, size, STORE_ALWAYS, NULL, NULL);
    root_begin(&text, top.disk_bytes);
    root_add(&text, &entry);
    root_finish(&text);
    block_digest(text.data, text.length, &top.digest);
    object_key(key, "maps", &top.digest);
    store_put_now(store, world, key, text.data, text.length, STORE_ALWAYS, NULL, NULL);
    struct map_walk *walk = map_walk_create(repository, &top, 1, NULL);
    struct map_walk_segment found;
    expect(map_walk_next(walk, &found));
    expect(!found.object == (found.problem && found.problem->message));
    expect(!map_walk_next(walk, &found));
    map_walk_destroy(walk);
    buffer_free(&text);
    repository_close(repository);
    store_memory_destroy(memory);
    world_destroy(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(const uint8_t *data, size_t size) = {block, segment, root,
                                                                     point, copy,    walk};
    if (size < 1) {
        return 0;
    }
    if (data[0] == 's') {
        sealed(data + 1, size - 1, point);
        sealed(data + 1, size - 1, copy);
    } else {
        kinds[data[0] % 6](data + 1, size - 1);
    }
    return 0;
}
