#include "compiler/front/tree.h"

#include <string.h>

const struct tree_pair *tree_pair(const struct tree *tree, const char *key)
{
    if (!tree || tree->kind != TREE_MAPPING) {
        return NULL;
    }
    for (size_t i = 0; i < tree->pair_count; i++) {
        if (strcmp(tree->pairs[i].key->text, key) == 0) {
            return &tree->pairs[i];
        }
    }
    return NULL;
}

struct tree *tree_get(const struct tree *tree, const char *key)
{
    const struct tree_pair *pair = tree_pair(tree, key);
    return pair ? pair->value : NULL;
}
