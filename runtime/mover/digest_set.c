#include "runtime/mover/digest_set.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

enum { FIRST_SLOTS = 1024 };

struct entry {
    unsigned char bytes[DIGEST_SET_ENTRY_BYTES]; /* all zero: free */
};

struct digest_set {
    unsigned first, end; /* of the first byte */
    size_t count, slots, slots_max;
    size_t counts[DIGEST_RANGES];
    struct entry *entries;
    bool has_zero; /* the one digest that a slot cannot hold */
};

struct digest_set *digest_set_create(unsigned first, size_t bytes_max)
{
    struct digest_set *set = base_alloc(sizeof *set);
    set->first = first;
    set->end = DIGEST_RANGES;
    set->slots = set->slots_max = FIRST_SLOTS;
    while (set->slots_max * 2 * sizeof *set->entries <= bytes_max) {
        set->slots_max *= 2;
    }
    set->entries = base_calloc(set->slots, sizeof *set->entries);
    return set;
}

void digest_set_limit(struct digest_set *set, unsigned end)
{
    set->end = end;
}

void digest_set_destroy(struct digest_set *set)
{
    if (set) {
        free(set->entries);
        free(set);
    }
}

unsigned digest_set_end(const struct digest_set *set)
{
    return set->end;
}

bool digest_set_covers(const struct digest_set *set, const struct block_digest *digest)
{
    return digest->bytes[0] >= set->first && digest->bytes[0] < set->end;
}

static bool is_free(const struct entry *entry)
{
    static const struct entry nothing = {{0}};
    return memcmp(entry, &nothing, sizeof nothing) == 0;
}

/* The slot where it is, or could be. The bytes are as good as random, but for the first ones where
 * the set is of a part: so others of them choose. */
static struct entry *slot_of(struct entry *entries, size_t slots, const unsigned char *bytes)
{
    uint64_t hash;
    memcpy(&hash, bytes + 8, sizeof hash);
    size_t at = (size_t)hash & (slots - 1);
    while (!is_free(&entries[at]) &&
           memcmp(entries[at].bytes, bytes, DIGEST_SET_ENTRY_BYTES) != 0) {
        at = (at + 1) & (slots - 1);
    }
    return &entries[at];
}

/* Moves what is still covered to a table of that size. */
static void rebuild(struct digest_set *set, size_t slots)
{
    struct entry *entries = base_calloc(slots, sizeof *entries);
    for (size_t i = 0; i < set->slots; i++) {
        if (!is_free(&set->entries[i]) && set->entries[i].bytes[0] < set->end) {
            *slot_of(entries, slots, set->entries[i].bytes) = set->entries[i];
        }
    }
    free(set->entries);
    set->entries = entries;
    set->slots = slots;
}

static void make_room(struct digest_set *set)
{
    if (set->slots >= set->slots_max && set->end - set->first > 1) {
        unsigned end = set->first + (set->end - set->first) / 2;
        for (unsigned i = end; i < set->end; i++) {
            set->count -= set->counts[i];
            set->counts[i] = 0;
        }
        set->end = end;
        rebuild(set, set->slots);
    } else {
        rebuild(set, set->slots * 2);
    }
}

bool digest_set_add(struct digest_set *set, const struct block_digest *digest)
{
    if (!digest_set_covers(set, digest)) {
        return false;
    }
    while ((set->count + 1) * 4 > set->slots * 3) {
        make_room(set);
        if (!digest_set_covers(set, digest)) {
            return false;
        }
    }
    struct entry entry;
    memcpy(entry.bytes, digest->bytes, sizeof entry.bytes);
    bool is_new;
    if (is_free(&entry)) {
        is_new = !set->has_zero;
        set->has_zero = true;
    } else {
        struct entry *slot = slot_of(set->entries, set->slots, entry.bytes);
        is_new = is_free(slot);
        *slot = entry;
    }
    set->count += is_new;
    set->counts[digest->bytes[0]] += is_new;
    return is_new;
}

bool digest_set_has(const struct digest_set *set, const struct block_digest *digest)
{
    struct entry entry;
    memcpy(entry.bytes, digest->bytes, sizeof entry.bytes);
    return is_free(&entry) ? set->has_zero
                           : !is_free(slot_of(set->entries, set->slots, entry.bytes));
}

size_t digest_set_count(const struct digest_set *set)
{
    return set->count;
}

size_t digest_set_count_of(const struct digest_set *set, unsigned first)
{
    return set->counts[first];
}
