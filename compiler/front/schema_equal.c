/* Equality of values, and equal items of a list without comparing each with each. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/front/schema_node.h"

enum { FEW_ITEMS = 16 };

static bool is_number(const struct tree *tree)
{
    return tree->kind == TREE_INT || tree->kind == TREE_FLOAT;
}

static double as_double(const struct tree *tree)
{
    return tree->kind == TREE_INT ? (double)tree->integer : tree->number;
}

static bool equal_sequences(const struct tree *a, const struct tree *b)
{
    bool equal = a->item_count == b->item_count;
    for (size_t i = 0; equal && i < a->item_count; i++) {
        equal = schema_equal(a->items[i], b->items[i]);
    }
    return equal;
}

static bool equal_mappings(const struct tree *a, const struct tree *b)
{
    bool equal = a->pair_count == b->pair_count;
    for (size_t i = 0; equal && i < a->pair_count; i++) {
        const struct tree *other = tree_get(b, a->pairs[i].key->text);
        equal = other && schema_equal(a->pairs[i].value, other);
    }
    return equal;
}

bool schema_equal(const struct tree *a, const struct tree *b)
{
    if (a == b) {
        return true;
    }
    if (is_number(a) && is_number(b)) {
        return a->kind == TREE_INT && b->kind == TREE_INT ? a->integer == b->integer
                                                          : as_double(a) == as_double(b);
    }
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case TREE_BOOL:
        return a->boolean == b->boolean;
    case TREE_STRING:
        return strcmp(a->text, b->text) == 0;
    case TREE_SEQUENCE:
        return equal_sequences(a, b);
    case TREE_MAPPING:
        return equal_mappings(a, b);
    default:
        return true;
    }
}

static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 33);
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return mix(hash);
}

/* Equal values have equal hashes; a mapping's does not depend on the order of its keys. */
static uint64_t hash_tree(const struct tree *tree)
{
    uint64_t hash = is_number(tree) ? TREE_FLOAT : tree->kind;
    if (is_number(tree)) {
        double number = as_double(tree) == 0 ? 0 : as_double(tree);
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        hash += mix(bits);
    } else if (tree->kind == TREE_BOOL) {
        hash += mix(tree->boolean);
    } else if (tree->kind == TREE_STRING) {
        hash += hash_text(tree->text);
    } else if (tree->kind == TREE_SEQUENCE) {
        for (size_t i = 0; i < tree->item_count; i++) {
            hash = mix(hash + hash_tree(tree->items[i]));
        }
    } else if (tree->kind == TREE_MAPPING) {
        for (size_t i = 0; i < tree->pair_count; i++) {
            hash += mix(hash_text(tree->pairs[i].key->text) * 3 + hash_tree(tree->pairs[i].value));
        }
    }
    return mix(hash);
}

struct hashed {
    uint64_t hash;
    size_t index;
};

static int compare_hashed(const void *a, const void *b)
{
    const struct hashed *left = a, *right = b;
    if (left->hash != right->hash) {
        return left->hash < right->hash ? -1 : 1;
    }
    return (left->index > right->index) - (left->index < right->index);
}

static bool find_among_many(const struct tree *sequence, size_t *first, size_t *second)
{
    size_t count = sequence->item_count;
    struct hashed *items = base_alloc(count * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct hashed){hash_tree(sequence->items[i]), i};
    }
    qsort(items, count, sizeof *items, compare_hashed);
    bool found = false;
    for (size_t i = 0; !found && i < count; i++) {
        for (size_t j = i + 1; !found && j < count && items[j].hash == items[i].hash; j++) {
            *first = items[i].index;
            *second = items[j].index;
            found = schema_equal(sequence->items[*first], sequence->items[*second]);
        }
    }
    free(items);
    return found;
}

bool schema_find_equal(const struct tree *sequence, size_t *first, size_t *second)
{
    if (sequence->item_count > FEW_ITEMS) {
        return find_among_many(sequence, first, second);
    }
    for (*second = 1; *second < sequence->item_count; ++*second) {
        for (*first = 0; *first < *second; ++*first) {
            if (schema_equal(sequence->items[*first], sequence->items[*second])) {
                return true;
            }
        }
    }
    return false;
}
