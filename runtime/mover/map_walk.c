#include "runtime/mover/map_walk.h"

#include <inttypes.h>
#include <stdlib.h>

#include "compiler/base/arena.h"
#include "runtime/mover/digest_set.h"
#include "runtime/mover/map_form.h"
#include "runtime/mover/repository_state.h"

enum { AHEAD = 6 };

/* An object that is being read, or is there. */
struct slot {
    bool used, there;
    size_t root;
    struct root_entry entry;
    char *bytes;
    size_t length;
    struct error error;
    bool *awaited;
};

struct map_walk {
    struct repository *repository;
    const struct map_walk_root *roots;
    size_t count, next_root; /* the one to read next */
    struct digest_set *seen;
    struct slot root; /* at hand; not used: none */
    uint32_t root_count, root_at;
    struct slot slots[AHEAD];
    size_t oldest; /* the slot that is handed out next */
    struct slot given;
};

struct map_walk *map_walk_create(struct repository *repository, const struct map_walk_root *roots,
                                 size_t count, struct digest_set *seen)
{
    struct map_walk *walk = base_alloc(sizeof *walk);
    walk->repository = repository;
    walk->roots = roots;
    walk->count = count;
    walk->seen = seen;
    return walk;
}

static void clear(struct slot *slot)
{
    free(slot->bytes);
    error_clear(&slot->error);
    *slot = (struct slot){0};
}

void map_walk_destroy(struct map_walk *walk)
{
    if (walk) {
        for (size_t i = 0; i < AHEAD; i++) {
            repository_forget(walk->repository, &walk->slots[i]);
            clear(&walk->slots[i]);
        }
        clear(&walk->root);
        clear(&walk->given);
        free(walk);
    }
}

static void arrived(void *context, char *bytes, size_t length, const struct error *error)
{
    struct slot *slot = context;
    slot->there = true;
    slot->bytes = bytes;
    slot->length = length;
    if (error) {
        error_copy(&slot->error, error);
    }
    if (slot->awaited) {
        *slot->awaited = true;
    }
}

static void await(struct map_walk *walk, struct slot *slot)
{
    bool there = slot->there;
    slot->awaited = &there;
    world_run(walk->repository->world, &there);
    slot->awaited = NULL;
}

static void name_problem(struct map_walk *walk, struct slot *slot,
                         const struct block_digest *digest)
{
    char key[OBJECT_KEY_MAX];
    struct error problem = slot->error;
    slot->error = (struct error){0};
    object_key(key, "maps", digest);
    repository_object_error(walk->repository, "reading", key, &problem, &slot->error);
    error_clear(&problem);
    free(slot->bytes);
    slot->bytes = NULL;
}

static void check_root(struct map_walk *walk, const struct map_walk_root *root)
{
    struct slot *slot = &walk->root;
    int64_t disk_bytes = 0;
    bool sound =
        root_check(slot->bytes, slot->length, &disk_bytes, &walk->root_count, &slot->error);
    if (sound && root->disk_bytes && disk_bytes != root->disk_bytes) {
        sound = error_set(&slot->error,
                          "it is the map of a disk of %" PRId64 " bytes, and this one has %" PRId64,
                          disk_bytes, root->disk_bytes);
    }
    if (!sound) {
        name_problem(walk, slot, &root->digest);
        walk->root_count = 0;
    }
}

/* The next root that was not seen, into walk->root. False: there is none. */
static bool read_root(struct map_walk *walk)
{
    clear(&walk->root);
    walk->root_at = walk->root_count = 0;
    while (walk->next_root < walk->count && walk->seen &&
           !digest_set_add(walk->seen, &walk->roots[walk->next_root].digest)) {
        walk->next_root++;
    }
    if (walk->next_root == walk->count) {
        return false;
    }
    const struct map_walk_root *root = &walk->roots[walk->next_root];
    walk->root.root = walk->next_root++;
    walk->root.used = true;
    repository_get_map(walk->repository, &root->digest, arrived, &walk->root);
    await(walk, &walk->root);
    if (!walk->root.error.message) {
        check_root(walk, root);
    }
    return true;
}

/* The next segment that was not seen. */
static bool advance(struct map_walk *walk, struct root_entry *entry)
{
    while (walk->root.bytes && walk->root_at < walk->root_count) {
        root_entry(walk->root.bytes, walk->root_at++, entry);
        if (!walk->seen || digest_set_add(walk->seen, &entry->digest)) {
            return true;
        }
    }
    return false;
}

/* A root that cannot be read takes a slot too: as a problem. */
static bool fill(struct map_walk *walk, struct slot *slot)
{
    struct root_entry entry;
    while (!advance(walk, &entry)) {
        if (!read_root(walk)) {
            return false;
        }
        if (walk->root.error.message) {
            slot->entry.digest = walk->roots[walk->root.root].digest;
            slot->root = walk->root.root;
            slot->error = walk->root.error;
            walk->root.error = (struct error){0};
            return slot->used = slot->there = true;
        }
    }
    slot->used = true;
    slot->root = walk->root.root;
    slot->entry = entry;
    repository_get_map(walk->repository, &entry.digest, arrived, slot);
    return true;
}

static bool check_segment(const struct map_walk *walk, struct slot *slot)
{
    int64_t disk_bytes = walk->roots[slot->root].disk_bytes;
    struct segment_entry last;
    if (!segment_check(slot->bytes, slot->length, slot->entry.blocks, &slot->error)) {
        return false;
    }
    segment_entry(slot->bytes, slot->entry.blocks - 1, &last);
    uint64_t index = (uint64_t)slot->entry.segment * SEGMENT_BLOCKS + last.block;
    return !disk_bytes || index < block_count_of(disk_bytes) ||
           error_set(&slot->error, "it has block %" PRIu64 ", which is behind the end of the disk",
                     index);
}

bool map_walk_next(struct map_walk *walk, struct map_walk_segment *segment)
{
    clear(&walk->given);
    for (size_t i = 0; i < AHEAD; i++) {
        struct slot *slot = &walk->slots[(walk->oldest + i) % AHEAD];
        if (!slot->used && !fill(walk, slot)) {
            break;
        }
    }
    struct slot *slot = &walk->slots[walk->oldest];
    if (!slot->used) {
        return false;
    }
    await(walk, slot);
    if (slot->bytes && !check_segment(walk, slot)) {
        name_problem(walk, slot, &slot->entry.digest);
    }
    walk->given = *slot;
    *slot = (struct slot){0};
    walk->oldest = (walk->oldest + 1) % AHEAD;
    *segment =
        (struct map_walk_segment){.root = walk->given.root,
                                  .number = walk->given.entry.segment,
                                  .digest = walk->given.entry.digest,
                                  .object = walk->given.bytes,
                                  .blocks = walk->given.entry.blocks,
                                  .problem = walk->given.error.message ? &walk->given.error : NULL};
    return true;
}
