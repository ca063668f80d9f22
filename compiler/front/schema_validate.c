/* The walk over a tree with a schema. A failed check either ends the walk (to decide whether a
 * form fits), is counted (to find the form that fits best), or is reported. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/front/schema_node.h"
#include "compiler/front/visible.h"

enum { MATCH_LIMIT = 100000, MATCH_DEPTH_LIMIT = 1000 };

static bool check(struct schema_run *run, const struct schema_node *node, const struct tree *tree);

const struct schema_node *schema_target(const struct schema_node *node)
{
    for (int i = 0; node->ref && i < SCHEMA_DEPTH_MAX; i++) {
        node = node->ref;
    }
    return node;
}

static unsigned own_type(const struct tree *tree)
{
    switch (tree->kind) {
    case TREE_NULL:
        return SCHEMA_NULL;
    case TREE_BOOL:
        return SCHEMA_BOOLEAN;
    case TREE_INT:
        return SCHEMA_INTEGER;
    case TREE_FLOAT:
        return isfinite(tree->number) && tree->number == floor(tree->number) ? SCHEMA_INTEGER
                                                                             : SCHEMA_NUMBER;
    case TREE_STRING:
        return SCHEMA_STRING;
    case TREE_SEQUENCE:
        return SCHEMA_ARRAY;
    case TREE_MAPPING:
        return SCHEMA_OBJECT;
    }
    return 0;
}

unsigned schema_type_of(const struct tree *tree)
{
    return own_type(tree) | (tree->filled_in ? SCHEMA_STRING : 0);
}

bool schema_matches(const struct schema_pattern *pattern, const char *text, pcre2_match_data *match,
                    pcre2_match_context *context)
{
    return pcre2_match(pattern->code, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0,
                       PCRE2_NO_UTF_CHECK, match, context) >= 0;
}

/* Counts a failure; true when the walk goes on all the same. */
static bool failed(struct schema_run *run)
{
    run->errors++;
    return run->mode != SCHEMA_MODE_FIRST;
}

static bool reports(const struct schema_run *run)
{
    return run->mode == SCHEMA_MODE_REPORT;
}

static bool matches(struct schema_run *run, const struct schema_pattern *pattern, const char *text)
{
    /* Texts are shared by the tree where they repeat lately, so that the pointer tells enough. */
    size_t slot = ((uintptr_t)text >> 4 ^ (uintptr_t)pattern >> 4) % SCHEMA_MEMOS;
    struct schema_memo *memo = &run->memos[slot];
    if (memo->text == text && memo->pattern == pattern) {
        return true;
    }
    if (!schema_matches(pattern, text, run->match, run->match_context)) {
        return false;
    }
    *memo = (struct schema_memo){pattern, text};
    return true;
}

static void enter(struct schema_run *run, const struct tree_pair *pair, size_t index)
{
    if (run->path_length < SCHEMA_PATH_MAX) {
        run->path[run->path_length] = (struct schema_step){pair, index};
    }
    run->path_length++;
}

/* The errors that a schema finds, without a report. */
static size_t count_errors(struct schema_run *run, const struct schema_node *node,
                           const struct tree *tree, enum schema_mode mode)
{
    enum schema_mode mode_before = run->mode;
    size_t errors_before = run->errors;
    run->mode = mode;
    check(run, node, tree);
    size_t errors = run->errors - errors_before;
    run->errors = errors_before;
    run->mode = mode_before;
    return errors;
}

static bool fits(struct schema_run *run, const struct schema_node *node, const struct tree *tree)
{
    return count_errors(run, node, tree, SCHEMA_MODE_FIRST) == 0;
}

/* ---- scalars; each returns whether to go on ---- */

static bool check_choices(struct schema_run *run, const struct schema_node *node,
                          const struct tree *tree)
{
    for (size_t i = 0; i < node->choice_count; i++) {
        if (schema_equal(node->choices[i], tree)) {
            return true;
        }
    }
    if (reports(run)) {
        schema_report_choice(run, node, tree);
    }
    return failed(run);
}

static bool check_number(struct schema_run *run, const struct schema_node *node,
                         const struct tree *tree)
{
    double number = tree->kind == TREE_INT ? (double)tree->integer : tree->number;
    if (number >= node->minimum && number <= node->maximum && number > node->exclusive_minimum &&
        number < node->exclusive_maximum) {
        return true;
    }
    if (reports(run)) {
        schema_report_value(run, node, tree, DIAG_OUT_OF_RANGE,
                            schema_expectation(run->diagnostics->arena, node));
    }
    return failed(run);
}

static const char *length_words(struct schema_run *run, int64_t least, int64_t most,
                                const char *what)
{
    struct arena *arena = run->diagnostics->arena;
    if (least >= 0 && most >= 0) {
        return arena_printf(arena, "%lld to %lld %s", (long long)least, (long long)most, what);
    }
    return least >= 0 ? arena_printf(arena, "at least %lld of %s", (long long)least, what)
                      : arena_printf(arena, "at most %lld %s", (long long)most, what);
}

static bool check_count(struct schema_run *run, const struct schema_node *node,
                        const struct tree *tree, int64_t least, int64_t most, size_t count,
                        const char *what)
{
    if ((least < 0 || count >= (size_t)least) && (most < 0 || count <= (size_t)most)) {
        return true;
    }
    if (reports(run)) {
        schema_report_value(run, node, tree, DIAG_WRONG_LENGTH,
                            length_words(run, least, most, what));
    }
    return failed(run);
}

static bool check_string(struct schema_run *run, const struct schema_node *node,
                         const struct tree *tree)
{
    if (node->min_length >= 0 || node->max_length >= 0) {
        size_t count = visible_count(tree->text, strlen(tree->text));
        if (!check_count(run, node, tree, node->min_length, node->max_length, count,
                         "characters")) {
            return false;
        }
    }
    if (!node->pattern || matches(run, node->pattern, tree->text)) {
        return true;
    }
    if (reports(run)) {
        schema_report_value(run, node, tree, DIAG_WRONG_VALUE,
                            schema_expectation(run->diagnostics->arena, node));
    }
    return failed(run);
}

/* ---- collections ---- */

static bool check_sequence(struct schema_run *run, const struct schema_node *node,
                           const struct tree *tree)
{
    if (!check_count(run, node, tree, node->min_items, node->max_items, tree->item_count,
                     "entries")) {
        return false;
    }
    for (size_t i = 0; i < tree->item_count; i++) {
        const struct schema_node *item =
            i < node->prefix_items.count ? node->prefix_items.items[i] : node->items;
        if (!item) {
            break;
        }
        enter(run, NULL, i);
        bool on = check(run, item, tree->items[i]);
        run->path_length--;
        if (!on) {
            return false;
        }
    }
    size_t first, second;
    if (node->unique_items && schema_find_equal(tree, &first, &second)) {
        if (reports(run)) {
            schema_report_duplicate(run, tree->items[first], tree->items[second]);
        }
        return failed(run);
    }
    return true;
}

/* Whether a key that is not known looks like `key`: then that one is not missing, but misspelt. */
static bool is_misspelt(const struct schema_node *node, const struct tree *mapping, const char *key)
{
    for (size_t i = 0; i < mapping->pair_count; i++) {
        const char *given = mapping->pairs[i].key->text;
        if (!map_get(&node->properties, given) && nearest_name(given, &key, 1)) {
            return true;
        }
    }
    return false;
}

static bool closes(const struct schema_node *node)
{
    return node->additional && node->additional->never;
}

static bool check_required(struct schema_run *run, const struct schema_node *node,
                           const struct tree *tree)
{
    for (size_t i = 0; i < node->required.count; i++) {
        const char *key = node->required.items[i];
        if (tree_pair(tree, key)) {
            continue;
        }
        if (reports(run) && !(closes(node) && is_misspelt(node, tree, key))) {
            schema_report_missing(run, node, tree, key);
        }
        if (!failed(run)) {
            return false;
        }
    }
    return true;
}

static bool check_dependencies(struct schema_run *run, const struct schema_node *node,
                               const struct tree *tree)
{
    for (size_t i = 0; i < node->dependency_count; i++) {
        const struct schema_dependency *dependency = &node->dependencies[i];
        bool given = tree_pair(tree, dependency->key) != NULL;
        for (size_t j = 0; given && j < dependency->needs.count; j++) {
            if (tree_pair(tree, dependency->needs.items[j])) {
                continue;
            }
            if (reports(run)) {
                schema_report_dependency(run, tree, dependency->key, dependency->needs.items[j]);
            }
            if (!failed(run)) {
                return false;
            }
        }
    }
    return true;
}

/* The key itself, as a text, against propertyNames. */
static bool check_name(struct schema_run *run, const struct schema_node *node,
                       const struct tree_pair *pair)
{
    return !node->property_names || check(run, node->property_names, pair->key);
}

static bool check_pair(struct schema_run *run, const struct schema_node *node,
                       const struct tree *mapping, const struct tree_pair *pair)
{
    const struct schema_property *property = schema_property(node, pair->key->text);
    bool known = property != NULL;
    if (property && !check(run, property->node, pair->value)) {
        return false;
    }
    for (size_t i = 0; i < node->pattern_property_count; i++) {
        const struct schema_pattern *pattern = &node->pattern_properties[i];
        if (matches(run, pattern, pair->key->text)) {
            known = true;
            if (!check(run, pattern->node, pair->value)) {
                return false;
            }
        }
    }
    if (known || !node->additional) {
        return true;
    }
    if (!node->additional->never) {
        return check(run, node->additional, pair->value);
    }
    if (reports(run)) {
        schema_report_unknown(run, node, mapping, pair);
    }
    return failed(run);
}

static bool check_pairs(struct schema_run *run, const struct schema_node *node,
                        const struct tree *tree)
{
    bool looks_at_pairs = node->properties.entries || node->pattern_property_count ||
                          node->additional || node->property_names;
    for (size_t i = 0; looks_at_pairs && i < tree->pair_count; i++) {
        const struct tree_pair *pair = &tree->pairs[i];
        enter(run, pair, i);
        bool on = check_name(run, node, pair) && check_pair(run, node, tree, pair);
        run->path_length--;
        if (!on) {
            return false;
        }
    }
    return true;
}

static bool check_mapping(struct schema_run *run, const struct schema_node *node,
                          const struct tree *tree)
{
    return check_required(run, node, tree) && check_dependencies(run, node, tree) &&
           check_count(run, node, tree, node->min_properties, node->max_properties,
                       tree->pair_count, "entries") &&
           check_pairs(run, node, tree);
}

/* ---- combinations ---- */

/* The types that a schema takes, as far as that can be told at once. */
static unsigned types_of(const struct schema_node *node)
{
    node = schema_target(node);
    if (!node->has_choices) {
        return node->types;
    }
    unsigned types = 0;
    for (size_t i = 0; i < node->choice_count; i++) {
        types |= schema_type_of(node->choices[i]);
    }
    return types & node->types;
}

/* Reports by the form that the value was most likely meant to have. */
static void report_branches(struct schema_run *run, const struct schema_nodes *branches,
                            const struct tree *tree)
{
    const struct schema_node *best = NULL;
    size_t least = 0;
    for (size_t i = 0; i < branches->count; i++) {
        const struct schema_node *branch = branches->items[i];
        if (!(types_of(branch) & schema_type_of(tree))) {
            continue;
        }
        size_t errors = count_errors(run, branch, tree, SCHEMA_MODE_COUNT);
        if (!best || errors < least) {
            best = branch;
            least = errors;
        }
    }
    if (best) {
        size_t errors = run->errors;
        check(run, best, tree);
        run->errors = errors;
    } else {
        schema_report_forms(run, branches, tree);
    }
}

static bool is_key_choice(const struct schema_nodes *branches)
{
    for (size_t i = 0; i < branches->count; i++) {
        if (!branches->items[i]->only_required) {
            return false;
        }
    }
    return true;
}

static bool check_any_of(struct schema_run *run, const struct schema_node *node,
                         const struct tree *tree)
{
    for (size_t i = 0; i < node->any_of.count; i++) {
        if (fits(run, node->any_of.items[i], tree)) {
            return true;
        }
    }
    if (reports(run) && tree->kind == TREE_MAPPING && is_key_choice(&node->any_of)) {
        schema_report_none_of(run, node, &node->any_of, tree);
    } else if (reports(run)) {
        report_branches(run, &node->any_of, tree);
    }
    return failed(run);
}

static bool misspells_one(const struct schema_node *node, const struct tree *tree)
{
    for (size_t i = 0; i < node->one_of.count; i++) {
        if (is_misspelt(node, tree, node->one_of.items[i]->required.items[0])) {
            return closes(node);
        }
    }
    return false;
}

static void report_one_of(struct schema_run *run, const struct schema_node *node,
                          const struct tree *tree, const struct schema_node *first,
                          const struct schema_node *second)
{
    if (tree->kind == TREE_MAPPING && is_key_choice(&node->one_of)) {
        if (second) {
            schema_report_exclusive(run, node, tree, first->required.items[0],
                                    second->required.items[0]);
        } else if (!misspells_one(node, tree)) {
            schema_report_none_of(run, node, &node->one_of, tree);
        }
    } else if (second) {
        schema_report_forms(run, &node->one_of, tree);
    } else {
        report_branches(run, &node->one_of, tree);
    }
}

static bool check_one_of(struct schema_run *run, const struct schema_node *node,
                         const struct tree *tree)
{
    const struct schema_node *first = NULL, *second = NULL;
    for (size_t i = 0; i < node->one_of.count && !second; i++) {
        if (fits(run, node->one_of.items[i], tree)) {
            second = first ? node->one_of.items[i] : NULL;
            first = first ? first : node->one_of.items[i];
        }
    }
    if (first && !second) {
        return true;
    }
    if (reports(run)) {
        report_one_of(run, node, tree, first, second);
    }
    return failed(run);
}

static bool check_not(struct schema_run *run, const struct schema_node *node,
                      const struct tree *tree)
{
    if (!fits(run, node->not_, tree)) {
        return true;
    }
    if (reports(run)) {
        const struct schema_names *keys = &node->not_->required;
        if (tree->kind == TREE_MAPPING && keys->count > 0) {
            schema_report_exclusive(run, node, tree, keys->items[0],
                                    keys->count > 1 ? keys->items[1] : keys->items[0]);
        } else {
            schema_report_value(run, node, tree, DIAG_NO_FORM_FITS,
                                schema_expectation(run->diagnostics->arena, node));
        }
    }
    return failed(run);
}

static bool check_condition(struct schema_run *run, const struct schema_node *node,
                            const struct tree *tree)
{
    const struct schema_node *branch = fits(run, node->if_, tree) ? node->then_ : node->else_;
    return !branch || check(run, branch, tree);
}

static bool check_combinations(struct schema_run *run, const struct schema_node *node,
                               const struct tree *tree)
{
    for (size_t i = 0; i < node->all_of.count; i++) {
        if (!check(run, node->all_of.items[i], tree)) {
            return false;
        }
    }
    return (!node->any_of.count || check_any_of(run, node, tree)) &&
           (!node->one_of.count || check_one_of(run, node, tree)) &&
           (!node->not_ || check_not(run, node, tree)) &&
           (!node->if_ || check_condition(run, node, tree));
}

static bool check_kind(struct schema_run *run, const struct schema_node *node,
                       const struct tree *tree)
{
    switch (tree->kind) {
    case TREE_INT:
    case TREE_FLOAT:
        return !node->checks_numbers || check_number(run, node, tree);
    case TREE_STRING:
        return check_string(run, node, tree);
    case TREE_SEQUENCE:
        return check_sequence(run, node, tree);
    case TREE_MAPPING:
        return check_mapping(run, node, tree);
    default:
        return true;
    }
}

static bool check_node(struct schema_run *run, const struct schema_node *node,
                       const struct tree *tree)
{
    if (node->ref && !check(run, node->ref, tree)) {
        return false;
    }
    unsigned type = schema_type_of(tree);
    if (node->never || !(node->types & type)) {
        if (reports(run)) {
            schema_report_type(run, node, tree);
        }
        return failed(run);
    }
    struct tree as_text;
    if (!(node->types & own_type(tree))) {
        as_text = *tree;
        as_text.kind = TREE_STRING;
        tree = &as_text;
    }
    if (node->has_choices && !check_choices(run, node, tree)) {
        return false;
    }
    return check_kind(run, node, tree) && check_combinations(run, node, tree);
}

/* Returns whether to go on; run->errors says whether anything was wrong. */
static bool check(struct schema_run *run, const struct schema_node *node, const struct tree *tree)
{
    if (run->depth == SCHEMA_DEPTH_MAX) { /* a $ref that comes back to itself */
        return failed(run);
    }
    run->depth++;
    bool on = check_node(run, node, tree);
    run->depth--;
    return on;
}

bool schema_validate(const struct schema *schema, const struct tree *tree,
                     struct diagnostics *diagnostics)
{
    struct schema_run *run = base_alloc(sizeof *run);
    run->diagnostics = diagnostics;
    run->mode = SCHEMA_MODE_REPORT;
    run->root = schema->root;
    run->match = pcre2_match_data_create(8, NULL);
    run->match_context = pcre2_match_context_create(NULL);
    if (!run->match || !run->match_context) {
        base_out_of_memory();
    }
    pcre2_set_match_limit(run->match_context, MATCH_LIMIT);
    pcre2_set_depth_limit(run->match_context, MATCH_DEPTH_LIMIT);
    check(run, schema->root, tree);
    bool valid = run->errors == 0;
    pcre2_match_data_free(run->match);
    pcre2_match_context_free(run->match_context);
    free(run);
    return valid;
}
