/* Tree: a YAML document as nodes with places, what yaml.c makes and schema.c and plan/ read. */
#ifndef DRC_FRONT_TREE_H
#define DRC_FRONT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/front/source.h"

enum tree_kind {
    TREE_NULL,
    TREE_BOOL,
    TREE_INT,
    TREE_FLOAT,
    TREE_STRING,
    TREE_SEQUENCE,
    TREE_MAPPING
};

struct tree_pair {
    struct tree *key; /* always TREE_STRING, whatever it looked like */
    struct tree *value;
};

/* Lies in the arena it was parsed into; not changed any more once plan_expand has filled in the
 * variables. Kinds of plain scalars follow YAML 1.2's core schema. `text` is what was written
 * (unescaped) for every scalar. */
struct tree {
    enum tree_kind kind;
    bool filled_in; /* a number or truth value by a variable: text as well, where text is wanted */
    struct span span;
    const char *text;
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct {
            struct tree **items;
            size_t item_count;
        };
        struct {
            struct tree_pair *pairs; /* in the order of the file; keys are unique */
            size_t pair_count;
        };
    };
};

struct diagnostics;
struct arena;

/* Limits: nesting 64, anchors 64, nodes after alias expansion 4,000,000. Parses exactly one
 * document. NULL when there was an error, which is in `diagnostics`. */
struct tree *yaml_parse(struct arena *arena, const struct source *source,
                        struct diagnostics *diagnostics);

/* The value of `key` in a mapping, NULL when absent or when `tree` is NULL or no mapping. */
struct tree *tree_get(const struct tree *tree, const char *key);
/* The pair, for the place of the key. */
const struct tree_pair *tree_pair(const struct tree *tree, const char *key);

#endif
