/* What the schema has to say to a person: where in the plan, what stands there, what is wanted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/front/schema_node.h"

enum { SHOWN_TEXT_MAX = 60 };

/* ---- words ---- */

static void append_shortened(struct buffer *out, const char *text)
{
    size_t length = strlen(text);
    if (length <= SHOWN_TEXT_MAX) {
        buffer_puts(out, text);
        return;
    }
    size_t cut = SHOWN_TEXT_MAX;
    while (cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80) {
        cut--;
    }
    buffer_append(out, text, cut);
    buffer_puts(out, "…");
}

static bool is_plain_key(const char *key)
{
    return *key && strlen(key) <= SHOWN_TEXT_MAX &&
           key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ==
               0;
}

/* vms.db.ready[0].tcp: the first `length` steps of the path. */
static const char *path_text(const struct schema_run *run, size_t length)
{
    struct buffer text = {0};
    length = length < SCHEMA_PATH_MAX ? length : SCHEMA_PATH_MAX;
    for (size_t i = 0; i < length; i++) {
        const struct schema_step *step = &run->path[i];
        if (!step->pair) {
            buffer_printf(&text, "[%zu]", step->index);
            continue;
        }
        buffer_puts(&text, i > 0 ? "." : "");
        bool plain = is_plain_key(step->pair->key->text);
        buffer_puts(&text, plain ? "" : "\"");
        append_shortened(&text, step->pair->key->text);
        buffer_puts(&text, plain ? "" : "\"");
    }
    const char *copy =
        arena_strdup(run->diagnostics->arena, length > 0 ? buffer_text(&text) : "the plan");
    buffer_free(&text);
    return copy;
}

static const char *here(const struct schema_run *run)
{
    return path_text(run, run->path_length);
}

static const char *quoted(struct schema_run *run, const char *text)
{
    struct buffer out = {0};
    buffer_putc(&out, '"');
    append_shortened(&out, text);
    buffer_putc(&out, '"');
    const char *copy = arena_strdup(run->diagnostics->arena, buffer_text(&out));
    buffer_free(&out);
    return copy;
}

static const char *kind_words(const struct tree *tree)
{
    static const char *const words[] = {
        [TREE_NULL] = "empty",        [TREE_BOOL] = "a boolean", [TREE_INT] = "a number",
        [TREE_FLOAT] = "a number",    [TREE_STRING] = "text",    [TREE_SEQUENCE] = "a list",
        [TREE_MAPPING] = "a mapping",
    };
    return words[tree->kind];
}

/* "a", "a or b", "a, b or c". */
static void append_alternative(struct buffer *out, const char *text, size_t index, size_t count)
{
    if (index > 0) {
        buffer_puts(out, index + 1 == count ? " or " : ", ");
    }
    buffer_puts(out, text);
}

static void append_types(struct buffer *out, unsigned types)
{
    static const struct {
        unsigned bits;
        const char *words;
    } names[] = {{SCHEMA_STRING, "text"},
                 {SCHEMA_NUMBER, "a number"},
                 {SCHEMA_INTEGER, "a whole number"},
                 {SCHEMA_BOOLEAN, "true or false"},
                 {SCHEMA_ARRAY, "a list"},
                 {SCHEMA_OBJECT, "a mapping"},
                 {SCHEMA_NULL, "nothing"}};
    const char *words[sizeof names / sizeof *names];
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool covered = names[i].bits == SCHEMA_INTEGER && types & SCHEMA_NUMBER;
        if (types & names[i].bits && !covered) {
            words[count++] = names[i].words;
        }
    }
    for (size_t i = 0; i < count; i++) {
        append_alternative(out, words[i], i, count);
    }
}

static void append_choices(struct buffer *out, const struct schema_node *node)
{
    for (size_t i = 0; i < node->choice_count; i++) {
        struct buffer choice = {0};
        schema_write_value(node->choices[i], &choice);
        append_alternative(out, buffer_text(&choice), i, node->choice_count);
        buffer_free(&choice);
    }
}

static void append_range(struct buffer *out, const struct schema_node *node)
{
    buffer_puts(out, node->types & SCHEMA_NUMBER ? "a number" : "a whole number");
    if (isfinite(node->minimum) && isfinite(node->maximum)) {
        buffer_printf(out, " from %.15g to %.15g", node->minimum, node->maximum);
    } else if (isfinite(node->minimum)) {
        buffer_printf(out, ", %.15g or more", node->minimum);
    } else if (isfinite(node->maximum)) {
        buffer_printf(out, ", %.15g or less", node->maximum);
    }
}

static void append_expectation(struct arena *arena, const struct schema_node *node,
                               struct buffer *out)
{
    const struct schema_nodes *branches = node->any_of.count ? &node->any_of : &node->one_of;
    if (node->expect) {
        buffer_puts(out, node->expect);
    } else if (node->has_choices) {
        append_choices(out, node);
    } else if (node->checks_numbers) {
        append_range(out, node);
    } else if (node->types != SCHEMA_ANY) {
        append_types(out, node->types);
    } else if (node->ref) {
        append_expectation(arena, node->ref, out);
    } else {
        for (size_t i = 0; i < branches->count; i++) {
            const char *words = schema_expectation(arena, branches->items[i]);
            append_alternative(out, words ? words : "another form", i, branches->count);
        }
    }
}

const char *schema_expectation(struct arena *arena, const struct schema_node *node)
{
    struct buffer text = {0};
    append_expectation(arena, node, &text);
    const char *copy = text.length > 0 ? arena_strdup(arena, text.data) : NULL;
    buffer_free(&text);
    return copy;
}

/* ---- places ---- */

static enum diagnostic_code code_of(const struct schema_node *node, enum diagnostic_code usual)
{
    return node->code ? *node->code : usual;
}

/* Where something about the mapping as a whole is shown: its key, where it has one. */
static struct span mapping_span(const struct schema_run *run, const struct tree *mapping)
{
    if (run->path_length > 0 && run->path_length <= SCHEMA_PATH_MAX) {
        const struct tree_pair *pair = run->path[run->path_length - 1].pair;
        if (pair && pair->value == mapping) {
            return pair->key->span;
        }
    }
    return mapping->span;
}

/* A value whose text may be a secret is never shown. */
static void conceal(const struct schema_node *node, struct diagnostic *diagnostic)
{
    diagnostic->primary.concealed = node->secret;
}

/* ---- reports ---- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

static bool fits_with(struct schema_run *run, const struct schema_pattern *pattern,
                      const char *text, const char *unit)
{
    const char *whole = arena_printf(run->diagnostics->arena, "%s%s", text, unit);
    return schema_matches(pattern, whole, run->match, run->match_context);
}

/* Why people give a value of that type, and what they have to write instead. */
static void help_type(struct schema_run *run, unsigned types, const struct schema_pattern *pattern,
                      const struct tree *tree, struct diagnostic *diagnostic)
{
    static const char *const yes[] = {"yes", "Yes", "YES", "on", "On", "ON", "y", "Y", NULL};
    static const char *const no[] = {"no", "No", "NO", "off", "Off", "OFF", "n", "N", NULL};
    struct diagnostics *list = run->diagnostics;
    if (tree->kind == TREE_NULL) {
        diagnostic_help(list, diagnostic, "give it a value, or remove the key");
    } else if (types & SCHEMA_STRING && tree->text && tree->kind != TREE_STRING &&
               (!pattern || schema_matches(pattern, tree->text, run->match, run->match_context))) {
        diagnostic_help(list, diagnostic, "put it in quotes: \"%.80s\"", tree->text);
    } else if (types & SCHEMA_STRING && pattern && tree->kind == TREE_INT &&
               fits_with(run, pattern, tree->text, "m")) {
        diagnostic_help(list, diagnostic, "a time has its unit: %.20sm are minutes", tree->text);
    } else if (types & (SCHEMA_NUMBER | SCHEMA_INTEGER) && tree->kind == TREE_STRING &&
               tree->text && *tree->text && !tree->text[strspn(tree->text, "0123456789")]) {
        diagnostic_help(list, diagnostic, "write it without quotes: %.20s", tree->text);
    } else if (types & SCHEMA_BOOLEAN && tree->kind == TREE_STRING && is_one_of(tree->text, yes)) {
        diagnostic_help(list, diagnostic, "write true");
    } else if (types & SCHEMA_BOOLEAN && tree->kind == TREE_STRING && is_one_of(tree->text, no)) {
        diagnostic_help(list, diagnostic, "write false");
    } else if (types & SCHEMA_ARRAY && tree->text) {
        diagnostic_help(list, diagnostic, "a list with one entry is written [%.80s]", tree->text);
    }
}

static void report_wrong_type(struct schema_run *run, const struct tree *tree, unsigned types,
                              const struct schema_pattern *pattern, enum diagnostic_code code,
                              bool secret, const char *expected)
{
    struct diagnostic *diagnostic =
        diagnose(run->diagnostics, code, tree->span, "%s %s %s", here(run),
                 tree->kind == TREE_NULL ? "is" : "cannot be", kind_words(tree));
    diagnostic_label(run->diagnostics, diagnostic, "expected %s",
                     expected ? expected : "another form");
    diagnostic->primary.concealed = secret;
    if (!secret) {
        help_type(run, types, pattern, tree, diagnostic);
    }
}

void schema_report_type(struct schema_run *run, const struct schema_node *node,
                        const struct tree *tree)
{
    enum diagnostic_code code = code_of(node, DIAG_WRONG_TYPE);
    bool collection = tree->kind == TREE_SEQUENCE || tree->kind == TREE_MAPPING;
    if (collection || tree->kind == TREE_NULL) {
        code = DIAG_WRONG_TYPE; /* a code of its own is about the form of a text */
    }
    const char *expected =
        node->never ? "no value here" : schema_expectation(run->diagnostics->arena, node);
    report_wrong_type(run, tree, node->types, node->pattern, code, node->secret && !collection,
                      expected);
}

static const char *value_words(struct schema_run *run, const struct tree *tree)
{
    if (tree->kind == TREE_SEQUENCE || tree->kind == TREE_MAPPING) {
        size_t count = tree->kind == TREE_SEQUENCE ? tree->item_count : tree->pair_count;
        const char *what = count == 0 ? "an empty" : "this";
        return arena_printf(run->diagnostics->arena, "%s %s", what,
                            tree->kind == TREE_SEQUENCE ? "list" : "mapping");
    }
    return tree->kind == TREE_STRING ? quoted(run, tree->text)
                                     : arena_printf(run->diagnostics->arena, "%.80s", tree->text);
}

void schema_report_value(struct schema_run *run, const struct schema_node *node,
                         const struct tree *tree, enum diagnostic_code code, const char *expected)
{
    struct diagnostics *list = run->diagnostics;
    struct diagnostic *diagnostic;
    if (node->secret) {
        diagnostic = diagnose(list, code_of(node, code), tree->span,
                              "%s does not say where the secret is found", here(run));
        diagnostic_help(list, diagnostic,
                        "if the secret itself was committed, change it: git keeps it");
    } else if (node->message) {
        diagnostic =
            diagnose(list, code_of(node, code), tree->span, "%s: %s", here(run), node->message);
    } else {
        bool is_key = run->path_length > 0 && run->path_length <= SCHEMA_PATH_MAX &&
                      run->path[run->path_length - 1].pair &&
                      run->path[run->path_length - 1].pair->key == tree;
        diagnostic =
            is_key ? diagnose(list, code_of(node, code), tree->span, "%s cannot be a key of %s",
                              value_words(run, tree), path_text(run, run->path_length - 1))
                   : diagnose(list, code_of(node, code), tree->span, "%s cannot be %s", here(run),
                              value_words(run, tree));
    }
    if (expected) {
        diagnostic_label(list, diagnostic, "expected %s", expected);
    }
    conceal(node, diagnostic);
}

void schema_report_choice(struct schema_run *run, const struct schema_node *node,
                          const struct tree *tree)
{
    struct diagnostics *list = run->diagnostics;
    enum diagnostic_code code = code_of(node, DIAG_WRONG_CHOICE);
    struct diagnostic *diagnostic =
        diagnose(list, code, tree->span, "%s cannot be %s", here(run), value_words(run, tree));
    diagnostic_label(list, diagnostic, "expected %s", schema_expectation(list->arena, node));
    if (tree->kind != TREE_STRING) {
        return;
    }
    const char *words[SCHEMA_LISTED_MAX];
    size_t count = 0;
    for (size_t i = 0; i < node->choice_count && count < SCHEMA_LISTED_MAX; i++) {
        if (node->choices[i]->kind == TREE_STRING) {
            words[count++] = node->choices[i]->text;
        }
    }
    const char *nearest = nearest_name(tree->text, words, count);
    if (nearest) {
        diagnostic_help(list, diagnostic, "did you mean %s?", nearest);
    }
}

/* The keys of the schema that the mapping has not got yet. */
static const struct schema_free_keys *
free_keys(struct schema_run *run, const struct schema_node *node, const struct tree *mapping)
{
    struct schema_free_keys *known = &run->free_keys;
    if (known->node == node && known->mapping == mapping) {
        return known;
    }
    *known = (struct schema_free_keys){.node = node, .mapping = mapping};
    for (struct map_entry *entry = map_first(&node->properties);
         entry && known->count < SCHEMA_LISTED_MAX; entry = map_next(entry)) {
        if (!tree_pair(mapping, entry->key)) {
            known->keys[known->count++] = entry->key;
        }
    }
    return known;
}

/* Where a key belongs that is not known here: a slip of the indentation. */
static const struct schema_node *find_holder(const struct schema_node *node, const char *key,
                                             struct buffer *path, unsigned depth)
{
    node = schema_target(node);
    if (depth == 0) {
        return NULL;
    }
    size_t length = path->length;
    if (map_get(&node->properties, key)) {
        return node;
    }
    for (struct map_entry *entry = map_first(&node->properties); entry; entry = map_next(entry)) {
        const struct schema_property *property = entry->value;
        buffer_printf(path, "%s%s", path->length ? "." : "", entry->key);
        const struct schema_node *holder = find_holder(property->node, key, path, depth - 1);
        if (holder) {
            return holder;
        }
        path->length = length;
    }
    if (node->additional && !node->additional->never) {
        buffer_printf(path, "%s%s", path->length ? "." : "",
                      node->key_name ? node->key_name : "NAME");
        const struct schema_node *holder = find_holder(node->additional, key, path, depth - 1);
        if (holder) {
            return holder;
        }
        path->length = length;
    }
    return node->items ? find_holder(node->items, key, path, depth - 1) : NULL;
}

static void help_unknown(struct schema_run *run, const struct schema_node *node,
                         const struct tree *mapping, const char *key, struct diagnostic *diagnostic)
{
    struct diagnostics *list = run->diagnostics;
    const struct schema_free_keys *left = free_keys(run, node, mapping);
    const char *nearest = nearest_name(key, left->keys, left->count);
    if (nearest) {
        diagnostic_help(list, diagnostic, "did you mean \"%s\"?", nearest);
        return;
    }
    struct buffer text = {0};
    /* Below the mapping itself first: there it was meant to be. */
    buffer_puts(&text, run->path_length > 1 ? path_text(run, run->path_length - 1) : "");
    bool below = find_holder(node, key, &text, 3) != NULL;
    text.length = below ? text.length : 0;
    if (below || find_holder(run->root, key, &text, 8)) {
        buffer_append(&text, "", 1);
        diagnostic_help(list, diagnostic,
                        "\"%s\" is a key of %s; is the line indented as it should be?", key,
                        *text.data ? text.data : "the plan itself");
    } else if (left->count > 0) {
        text.length = 0;
        for (size_t i = 0; i < left->count; i++) {
            append_alternative(&text, left->keys[i], i, left->count);
        }
        diagnostic_help(list, diagnostic, "possible here: %s", buffer_text(&text));
    }
    buffer_free(&text);
}

void schema_report_unknown(struct schema_run *run, const struct schema_node *node,
                           const struct tree *mapping, const struct tree_pair *pair)
{
    struct diagnostic *diagnostic =
        diagnose(run->diagnostics, code_of(node->additional, DIAG_UNKNOWN_KEY), pair->key->span,
                 "there is no key %s in %s", quoted(run, pair->key->text),
                 path_text(run, run->path_length - 1));
    diagnostic_label(run->diagnostics, diagnostic, "not known here");
    if (diagnostic == &run->diagnostics->spare) {
        return;
    }
    help_unknown(run, node, mapping, pair->key->text, diagnostic);
}

static const char *first_sentence(struct arena *arena, const char *text)
{
    const char *end = strstr(text, ". ");
    return end ? arena_strndup(arena, text, (size_t)(end - text)) : text;
}

static const char *description_of(const struct schema_node *node)
{
    while (node && !node->description) {
        node = node->ref;
    }
    return node ? node->description : NULL;
}

void schema_report_missing(struct schema_run *run, const struct schema_node *node,
                           const struct tree *mapping, const char *key)
{
    struct diagnostics *list = run->diagnostics;
    struct diagnostic *diagnostic =
        diagnose(list, code_of(node, DIAG_MISSING_KEY), mapping_span(run, mapping),
                 "%s lacks the key \"%s\"", here(run), key);
    diagnostic_label(list, diagnostic, "needs \"%s\"", key);
    const struct schema_property *property = map_get(&node->properties, key);
    const char *description = property ? description_of(property->node) : NULL;
    if (description) {
        diagnostic_help(list, diagnostic, "%s: %s", key, first_sentence(list->arena, description));
    }
}

void schema_report_dependency(struct schema_run *run, const struct tree *mapping, const char *key,
                              const char *needed)
{
    const struct tree_pair *pair = tree_pair(mapping, key);
    struct diagnostic *diagnostic =
        diagnose(run->diagnostics, DIAG_KEY_NEEDS_KEY, pair->key->span,
                 "in %s, \"%s\" goes only with \"%s\"", here(run), key, needed);
    diagnostic_label(run->diagnostics, diagnostic, "needs \"%s\" beside it", needed);
}

void schema_report_none_of(struct schema_run *run, const struct schema_node *node,
                           const struct schema_nodes *branches, const struct tree *mapping)
{
    struct buffer keys = {0};
    for (size_t i = 0; i < branches->count; i++) {
        append_alternative(&keys, branches->items[i]->required.items[0], i, branches->count);
    }
    struct diagnostic *diagnostic =
        diagnose(run->diagnostics, code_of(node, DIAG_MISSING_KEY), mapping_span(run, mapping),
                 "%s needs one of the keys %s", here(run), buffer_text(&keys));
    diagnostic_label(run->diagnostics, diagnostic, "has none of them");
    buffer_free(&keys);
}

void schema_report_exclusive(struct schema_run *run, const struct schema_node *node,
                             const struct tree *mapping, const char *first, const char *second)
{
    const struct tree_pair *a = tree_pair(mapping, first), *b = tree_pair(mapping, second);
    if (a > b) { /* the one that comes later is shown as too much */
        const struct tree_pair *later = a;
        a = b;
        b = later;
    }
    if (!a || !b) {
        schema_report_value(run, node, mapping, DIAG_CONFLICTING_KEYS, NULL);
        return;
    }
    struct diagnostics *list = run->diagnostics;
    if (node->not_ && node->message) {
        diagnose(list, DIAG_CONFLICTING_KEYS, b->key->span, "%s: %s", here(run), node->message);
        return;
    }
    struct diagnostic *diagnostic = diagnose(list, DIAG_CONFLICTING_KEYS, b->key->span,
                                             "in %s, \"%s\" and \"%s\" exclude each other",
                                             here(run), a->key->text, b->key->text);
    diagnostic_label(list, diagnostic, "only one of the two can be given");
    diagnostic_secondary(list, diagnostic, a->key->span, "the other one");
}

void schema_report_forms(struct schema_run *run, const struct schema_nodes *branches,
                         const struct tree *tree)
{
    struct buffer forms = {0};
    unsigned types = 0;
    for (size_t i = 0; i < branches->count; i++) {
        const struct schema_node *branch = branches->items[i];
        const char *words =
            branch->title ? branch->title : schema_expectation(run->diagnostics->arena, branch);
        append_alternative(&forms, words ? words : "another form", i, branches->count);
        types |= schema_target(branch)->types;
    }
    const char *expected = arena_strdup(run->diagnostics->arena, buffer_text(&forms));
    buffer_free(&forms);
    report_wrong_type(run, tree, types, NULL,
                      types & schema_type_of(tree) ? DIAG_NO_FORM_FITS : DIAG_WRONG_TYPE, false,
                      expected);
}

void schema_report_duplicate(struct schema_run *run, const struct tree *first,
                             const struct tree *second)
{
    struct diagnostic *diagnostic =
        diagnose(run->diagnostics, DIAG_DUPLICATE_ITEM, second->span, "%s holds %s twice",
                 here(run), value_words(run, second));
    diagnostic_label(run->diagnostics, diagnostic, "again here");
    diagnostic_secondary(run->diagnostics, diagnostic, first->span, "first here");
}
