/* `drc explain KEY` and the reference page: the schema as documentation. */
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema_node.h"

enum { NESTING_MAX = 16, WIDTH = 80 };

/* A key of the language, with all that its own schema and those behind its $ref say of it. */
struct entry {
    const char *path; /* vms.NAME.ready[].tcp */
    const struct schema_node *node;
    bool required;
    unsigned level;
    const char *see; /* where the keys below are described, NULL: here */
};

struct entries {
    struct arena *arena;
    struct entry *items;
    size_t count, capacity;
};

/* ---- the list of all keys ---- */

static void collect(struct entries *entries, const struct schema_node *node, const char *path,
                    unsigned level, const char *see);

static const char *see_of(const struct schema_node *node)
{
    for (; node; node = node->ref) {
        if (node->see) {
            return node->see;
        }
    }
    return NULL;
}

static void add(struct entries *entries, const struct schema_node *node, const char *path,
                bool required, unsigned level, const char *see)
{
    entries->items = arena_grow(entries->arena, entries->items, entries->count, &entries->capacity,
                                sizeof *entries->items);
    const char *own_see = see_of(node);
    entries->items[entries->count++] =
        (struct entry){path, node, required, level, own_see ? own_see : see};
    collect(entries, node, path, level + 1, own_see ? own_see : see);
}

static const char *key_name_of(const struct schema_node *node)
{
    return node->key_name ? node->key_name : "NAME";
}

static void collect_mapping(struct entries *entries, const struct schema_node *node,
                            const char *path, unsigned level, const char *see)
{
    for (struct map_entry *at = map_first(&node->properties); at; at = map_next(at)) {
        const struct schema_property *property = at->value;
        const char *below = *path ? arena_printf(entries->arena, "%s.%s", path, at->key) : at->key;
        add(entries, property->node, below, property->required, level, see);
    }
    if (node->additional && !node->additional->never) {
        const char *below = arena_printf(entries->arena, "%s.%s", path, key_name_of(node));
        add(entries, node->additional, below, false, level, see);
    }
}

/* Adds what lies below `path`: keys, entries of a list, and those of each form. */
static void collect(struct entries *entries, const struct schema_node *node, const char *path,
                    unsigned level, const char *see)
{
    for (; node && level < NESTING_MAX; node = node->ref) {
        collect_mapping(entries, node, path, level, see);
        if (node->items) {
            collect(entries, node->items, arena_printf(entries->arena, "%s[]", path), level, see);
        }
        for (size_t i = 0; i < node->any_of.count; i++) {
            collect(entries, node->any_of.items[i], path, level, see);
        }
    }
}

/* ---- what is said of a key: the nearest schema that says it ---- */

#define NEAREST(node, member)                                                                      \
    for (; node; node = node->ref) {                                                               \
        if (node->member) {                                                                        \
            return node->member;                                                                   \
        }                                                                                          \
    }                                                                                              \
    return NULL

static const char *description_of(const struct schema_node *node)
{
    NEAREST(node, description);
}

static const char *default_of(const struct schema_node *node)
{
    NEAREST(node, default_text);
}

static const char *const *examples_of(const struct schema_node *node)
{
    NEAREST(node, examples);
}

static bool is_mapping(const struct schema_node *node)
{
    return schema_target(node)->types == SCHEMA_OBJECT;
}

/* ---- drc explain ---- */

static void explain_below(const struct entries *entries, const struct entry *entry,
                          struct buffer *out)
{
    size_t length = strlen(entry->path);
    bool first = true;
    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *below = &entries->items[i];
        if (below->level == entry->level + 1 && strncmp(below->path, entry->path, length) == 0 &&
            (below->path[length] == '.' || below->path[length] == '[')) {
            buffer_puts(out, first ? "\nBelow it: " : ", ");
            buffer_puts(out, strrchr(below->path, '.') + 1);
            first = false;
        }
    }
    buffer_puts(out, first ? "" : "\n");
}

static void explain_entry(struct schema_node const *node, const struct entries *entries,
                          const struct entry *entry, struct buffer *out)
{
    buffer_printf(out, "%s\n\n", entry->path);
    const char *description = description_of(node);
    if (description) {
        diagnostic_wrap(out, description, WIDTH);
        buffer_putc(out, '\n');
    }
    const char *value = schema_expectation(entries->arena, node);
    if (value) {
        buffer_printf(out, "Value:   %s\n", value);
    }
    const char *otherwise = default_of(node);
    if (entry->required) {
        buffer_puts(out, "Needed.\n");
    } else if (otherwise) {
        buffer_printf(out, "Default: %s\n", *otherwise ? otherwise : "empty");
    }
    const char *key = strrchr(entry->path, '.') ? strrchr(entry->path, '.') + 1 : entry->path;
    for (const char *const *example = examples_of(node); example && *example; example++) {
        buffer_printf(out, "Example: %s: %s\n", key, *example);
    }
    explain_below(entries, entry, out);
}

/* The path without names that the user chooses, and without brackets. */
static char *plain_path(struct arena *arena, const char *path)
{
    char *plain = arena_strdup(arena, path);
    char *to = plain;
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, ".[");
        bool free_name = length > 0 && strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == length;
        if (length > 0 && !free_name) {
            if (to > plain) {
                *to++ = '.';
            }
            memmove(to, at, length);
            to += length;
        }
        at += length;
        at += strspn(at, ".[]");
    }
    *to = '\0';
    return plain;
}

static bool ends_with_path(const char *path, const char *key)
{
    size_t length = strlen(path), tail = strlen(key);
    return length >= tail && strcmp(path + length - tail, key) == 0 &&
           (length == tail || path[length - tail - 1] == '.');
}

enum { FOUND_MAX = 64 };

/* Those whose path is `key`, else those whose path ends with it. */
static size_t find(const struct entries *entries, const char *key, const struct entry **found)
{
    size_t count = 0;
    for (int whole = 1; whole >= 0 && count == 0; whole--) {
        for (size_t i = 0; i < entries->count && count < FOUND_MAX; i++) {
            const struct entry *entry = &entries->items[i];
            const char *plain = plain_path(entries->arena, entry->path);
            bool is = strcmp(plain, key) == 0 || strcmp(entry->path, key) == 0;
            bool free_name =
                !ends_with_path(entry->path, strrchr(plain, '.') ? strrchr(plain, '.') + 1 : plain);
            if (!free_name && (whole ? is : ends_with_path(plain, key))) {
                found[count++] = entry;
            }
        }
    }
    return count;
}

/* Several that say the same are one; those that are described elsewhere come after. */
static size_t distinct(const struct entry **found, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool again = false;
        for (size_t j = 0; j < kept && !again; j++) {
            again = schema_target(found[j]->node) == schema_target(found[i]->node) &&
                    description_of(found[j]->node) == description_of(found[i]->node);
            if (again && found[j]->see && !found[i]->see) {
                found[j] = found[i];
            }
        }
        if (!again) {
            found[kept++] = found[i];
        }
    }
    return kept;
}

bool schema_explain(const struct schema *schema, const char *key, struct buffer *out)
{
    struct entries entries = {.arena = arena_create()};
    collect(&entries, schema->root, "", 0, NULL);
    const struct entry *found[FOUND_MAX];
    size_t count = distinct(found, find(&entries, key, found));
    if (count == 1) {
        explain_entry(found[0]->node, &entries, found[0], out);
    } else if (count > 1) {
        buffer_printf(out, "There are several keys \"%s\":\n\n", key);
        for (size_t i = 0; i < count; i++) {
            buffer_printf(out, "  drc explain %s\n", plain_path(entries.arena, found[i]->path));
        }
    }
    arena_destroy(entries.arena);
    return count > 0;
}

/* ---- the reference page ---- */

static void reference_entry(const struct entries *entries, const struct entry *entry,
                            struct buffer *out)
{
    const char *value =
        is_mapping(entry->node) ? NULL : schema_expectation(entries->arena, entry->node);
    const char *otherwise = default_of(entry->node);
    const char *description = description_of(entry->node);
    if (entry->level == 0) {
        buffer_printf(out, "\n## %s\n\n", entry->path);
    }
    buffer_printf(out, "- **`%s`**", entry->path);
    buffer_printf(out, "%s%s", value ? ": " : "", value ? value : "");
    if (entry->required) {
        buffer_puts(out, ". *Needed.*");
    } else if (otherwise) {
        buffer_printf(out, ". *Default: %s.*", *otherwise ? otherwise : "empty");
    }
    buffer_putc(out, '\n');
    if (description) {
        buffer_printf(out, "  %s\n", description);
    }
    for (const char *const *example = examples_of(entry->node); example && *example; example++) {
        buffer_printf(out, "  Example: `%s`\n", *example);
    }
    if (see_of(entry->node)) {
        buffer_printf(out, "  Its keys are those of `%s`.\n", see_of(entry->node));
    }
}

void schema_reference(const struct schema *schema, struct buffer *out)
{
    struct entries entries = {.arena = arena_create()};
    collect(&entries, schema->root, "", 0, NULL);
    buffer_puts(out, "# The keys of a plan\n\nGenerated from schemas/plan.schema.json. A name in "
                     "capitals stands for one that the plan's author chooses, `[]` for each entry "
                     "of a list.\n");
    for (size_t i = 0; i < entries.count; i++) {
        const struct entry *entry = &entries.items[i];
        bool told_elsewhere = entry->see && !see_of(entry->node);
        if (!told_elsewhere) {
            reference_entry(&entries, entry, out);
        }
    }
    arena_destroy(entries.arena);
}

/* ---- values as YAML in one line ---- */

static void write_collection(const struct tree *tree, struct buffer *out)
{
    bool sequence = tree->kind == TREE_SEQUENCE;
    size_t count = sequence ? tree->item_count : tree->pair_count;
    buffer_putc(out, sequence ? '[' : '{');
    for (size_t i = 0; i < count; i++) {
        buffer_puts(out, i > 0 ? ", " : "");
        if (!sequence) {
            buffer_printf(out, "%s: ", tree->pairs[i].key->text);
        }
        schema_write_value(sequence ? tree->items[i] : tree->pairs[i].value, out);
    }
    buffer_putc(out, sequence ? ']' : '}');
}

void schema_write_value(const struct tree *tree, struct buffer *out)
{
    if (tree->kind == TREE_SEQUENCE || tree->kind == TREE_MAPPING) {
        write_collection(tree, out);
    } else {
        buffer_puts(out, tree->text);
    }
}
