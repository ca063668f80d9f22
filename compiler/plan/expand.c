#include "compiler/plan/expand.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/plan/bind.h"

struct expansion {
    struct binder binder; /* with the variables only: for references and their places */
    const struct tree *vars;
    struct map overrides; /* name -> const char * */
};

/* ---- One text ---- */

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Whether each reference in a text can be filled in now. */
static bool is_fixed(const char *text)
{
    bool any = false;
    for (const char *at = strchr(text, '$'); at; at = strchr(at, '$')) {
        if (at[1] != '{') {
            at += at[1] == '$' ? 2 : 1;
            continue;
        }
        if (!begins(at, "${vars.") && !begins(at, "${plan.name}")) {
            return false;
        }
        any = true;
        at += 2;
    }
    return any;
}

/* A value is no reference itself: its dollar signs are meant as such. */
static void append_literal(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '$') {
            buffer_putc(out, '$');
        }
        buffer_putc(out, *text);
    }
}

static const char *fill_in(struct binder *binder, const struct template *template)
{
    struct buffer text = {0};
    for (size_t i = 0; i < template->part_count; i++) {
        append_literal(&text, template->parts[i].text);
    }
    const char *filled = arena_strdup(binder->arena, buffer_text(&text));
    buffer_free(&text);
    return filled;
}

/* ---- Types ---- */

/* The variable that a text consists of; NULL when there is more to it. */
static const struct tree *whole_variable(const struct expansion *expansion, const char *text,
                                         const char **name)
{
    size_t length = strlen(text);
    if (!begins(text, "${vars.") || strchr(text, '}') != text + length - 1) {
        return NULL;
    }
    *name = arena_strndup(expansion->binder.arena, text + 7, length - 8);
    return tree_get(expansion->vars, *name);
}

static void take_type(const struct expansion *expansion, const struct tree *variable,
                      const char *name, struct tree *scalar)
{
    const char *override = map_get(&expansion->overrides, name);
    scalar->kind = variable->kind;
    scalar->filled_in = variable->kind != TREE_STRING;
    switch (variable->kind) {
    case TREE_INT:
        scalar->integer = override ? strtoll(override, NULL, 10) : variable->integer;
        break;
    case TREE_FLOAT:
        scalar->number = override ? strtod(override, NULL) : variable->number;
        break;
    case TREE_BOOL:
        scalar->boolean = override ? strcmp(override, "true") == 0 : variable->boolean;
        break;
    default:
        break;
    }
}

/* ---- The tree ---- */

static void expand_scalar(struct expansion *expansion, struct tree *scalar)
{
    if (scalar->kind != TREE_STRING || !is_fixed(scalar->text)) {
        return;
    }
    struct binder *binder = &expansion->binder;
    size_t errors_before = binder->diagnostics->error_count;
    struct template template = reference_parse(binder, scalar);
    if (binder->diagnostics->error_count != errors_before) {
        return;
    }
    const char *name;
    const struct tree *variable = whole_variable(expansion, scalar->text, &name);
    scalar->text = fill_in(binder, &template);
    if (variable) {
        take_type(expansion, variable, name, scalar);
    }
}

/* The depth is that of the file, which the parser limits. */
static void expand_tree(struct expansion *expansion, struct tree *tree)
{
    if (tree == expansion->vars) {
        return;
    }
    if (tree->kind == TREE_SEQUENCE) {
        for (size_t i = 0; i < tree->item_count; i++) {
            expand_tree(expansion, tree->items[i]);
        }
    } else if (tree->kind == TREE_MAPPING) {
        for (size_t i = 0; i < tree->pair_count; i++) {
            expand_tree(expansion, tree->pairs[i].value);
        }
    } else {
        expand_scalar(expansion, tree);
    }
}

bool plan_expand(struct arena *arena, const struct source *source, struct tree *root,
                 const struct variable *variables, size_t variable_count,
                 struct diagnostics *diagnostics)
{
    size_t errors_before = diagnostics->error_count;
    struct plan *plan = ARENA_NEW(arena, struct plan);
    struct tree *name = tree_get(root, "name");
    const struct tree *vars = tree_get(root, "vars");
    plan->vars.arena = plan->vm_by_name.arena = arena;
    plan->name = "";
    struct expansion expansion = {
        .binder = {.arena = arena,
                   .plan = plan,
                   .diagnostics = diagnostics,
                   .comparisons_left = BIND_COMPARISONS_MAX},
        .vars = vars && vars->kind == TREE_MAPPING ? vars : NULL,
        .overrides.arena = arena,
    };
    bind_vars(&expansion.binder, expansion.vars, variables, variable_count);
    for (size_t i = 0; i < variable_count; i++) {
        map_put(&expansion.overrides, variables[i].name, (void *)variables[i].value);
    }
    if (diagnostics->error_count == errors_before && strstr(source->text, "${")) {
        if (name && name->text) {
            expand_scalar(&expansion, name);
            plan->name = name->text;
        }
        expand_tree(&expansion, root);
    }
    return diagnostics->error_count == errors_before;
}
