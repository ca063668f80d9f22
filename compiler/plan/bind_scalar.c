#include "compiler/plan/bind.h"

#include <string.h>

#include "compiler/base/arena.h"

enum { DURATION_DAYS_MAX = 3650 };
static const int64_t day_ms = 86400000;

struct span bind_span(const struct tree *tree, struct span fallback)
{
    return tree ? tree->span : fallback;
}

struct text bind_text(struct binder *binder, const struct tree *tree)
{
    if (!tree || tree->kind == TREE_NULL) {
        return (struct text){0};
    }
    return (struct text){reference_expand(binder, tree), tree->span};
}

const char *bind_string(struct binder *binder, const struct tree *tree, const char *fallback)
{
    const char *value = bind_text(binder, tree).value;
    return value ? value : fallback;
}

struct texts bind_texts(struct binder *binder, const struct tree *tree)
{
    struct texts texts = {0};
    if (!tree) {
        return texts;
    }
    texts.at = tree->span;
    if (tree->kind != TREE_SEQUENCE) {
        texts.items = ARENA_NEW(binder->arena, struct text);
        texts.items[0] = bind_text(binder, tree);
        texts.count = 1;
        return texts;
    }
    texts.items = ARENA_ARRAY(binder->arena, struct text, tree->item_count);
    for (size_t i = 0; i < tree->item_count; i++) {
        texts.items[texts.count++] = bind_text(binder, tree->items[i]);
    }
    return texts;
}

static int64_t unit_ms(char unit)
{
    switch (unit) {
    case 's':
        return 1000;
    case 'm':
        return 60000;
    case 'h':
        return 3600000;
    case 'd':
        return day_ms;
    default:
        return 0;
    }
}

int64_t duration_parse(const char *text)
{
    int64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (*at - '0');
        if (number > (int64_t)DURATION_DAYS_MAX * 86400) {
            return -1;
        }
    }
    int64_t unit = at > text && at[0] && !at[1] ? unit_ms(at[0]) : 0;
    if (!unit || number > DURATION_DAYS_MAX * day_ms / unit) {
        return -1;
    }
    return number * unit;
}

struct duration bind_duration(struct binder *binder, const struct tree *tree, int64_t fallback_ms)
{
    if (!tree) {
        return (struct duration){.ms = fallback_ms};
    }
    struct duration duration = {.given = true, .at = tree->span};
    duration.ms = duration_parse(tree->text ? tree->text : "");
    if (duration.ms < 0) {
        struct diagnostic *found =
            diagnose(binder->diagnostics, DIAG_INVALID_DURATION, tree->span,
                     "\"%s\" is no duration that drc can keep to", tree->text ? tree->text : "");
        diagnostic_help(binder->diagnostics, found,
                        "a whole number and s, m, h or d, up to %dd: 30s, 15m, 4h, 30d",
                        DURATION_DAYS_MAX);
        duration.ms = fallback_ms;
    }
    return duration;
}

struct duration bind_positive_duration(struct binder *binder, const struct tree *tree,
                                       int64_t fallback_ms)
{
    struct duration duration = bind_duration(binder, tree, fallback_ms);
    if (duration.given && duration_parse(tree->text ? tree->text : "") == 0) {
        struct diagnostic *found = diagnose(binder->diagnostics, DIAG_INVALID_DURATION, tree->span,
                                            "this duration must not be zero");
        diagnostic_help(binder->diagnostics, found, "the shortest is 1s");
    }
    return duration;
}

int64_t bind_int(const struct tree *tree, int64_t fallback)
{
    if (!tree) {
        return fallback;
    }
    return tree->kind == TREE_INT     ? tree->integer
           : tree->kind == TREE_FLOAT ? (int64_t)tree->number
                                      : fallback;
}

bool bind_bool(const struct tree *tree, bool fallback)
{
    return tree && tree->kind == TREE_BOOL ? tree->boolean : fallback;
}

bool bind_is(const struct tree *tree, const char *word)
{
    return tree && tree->text && strcmp(tree->text, word) == 0;
}

struct secret bind_secret(struct binder *binder, const struct tree *tree)
{
    struct text text = bind_text(binder, tree);
    return (struct secret){text.value, text.at};
}

void bind_file(struct binder *binder, const char *path)
{
    struct plan *plan = binder->plan;
    if (!map_put(&binder->files, path, (void *)path)) {
        return;
    }
    plan->files = arena_grow(binder->arena, plan->files, plan->file_count, &binder->file_capacity,
                             sizeof *plan->files);
    plan->files[plan->file_count++] = path;
}

void bind_suggest(struct binder *binder, struct diagnostic *diagnostic, const char *word,
                  const struct map *names)
{
    size_t count = map_count(names);
    if (count == 0 || count > binder->comparisons_left) {
        return;
    }
    binder->comparisons_left -= count;
    const char **candidates = ARENA_ARRAY(binder->arena, const char *, count);
    size_t i = 0;
    for (const struct map_entry *entry = map_first(names); entry; entry = map_next(entry)) {
        candidates[i++] = entry->key;
    }
    const char *near = nearest_name(word, candidates, count);
    if (near) {
        diagnostic_help(binder->diagnostics, diagnostic, "did you mean \"%s\"?", near);
    } else if (count <= 8) {
        const char *list = candidates[0];
        for (i = 1; i < count; i++) {
            list = arena_printf(binder->arena, "%s, %s", list, candidates[i]);
        }
        diagnostic_help(binder->diagnostics, diagnostic, "there %s: %s", count > 1 ? "are" : "is",
                        list);
    }
}
