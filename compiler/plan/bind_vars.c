#include "compiler/plan/bind.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"

/* vars and --var NAME=VALUE. The plan keeps texts; the types only have to stay the same. */

static const char *kind_name(enum tree_kind kind)
{
    switch (kind) {
    case TREE_BOOL:
        return "true or false";
    case TREE_INT:
        return "a whole number";
    case TREE_FLOAT:
        return "a number";
    default:
        return "text";
    }
}

static bool has_kind(const char *value, enum tree_kind kind)
{
    char *end = NULL;
    switch (kind) {
    case TREE_BOOL:
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
    case TREE_INT:
        (void)strtoll(value, &end, 10);
        return *value && *end == '\0';
    case TREE_FLOAT:
        (void)strtod(value, &end);
        return *value && *end == '\0';
    default:
        return true;
    }
}

static void bind_own(struct binder *binder, const struct tree *vars)
{
    for (size_t i = 0; vars && i < vars->pair_count; i++) {
        const struct tree *value = vars->pairs[i].value;
        if (value->text && strstr(value->text, "${")) {
            struct diagnostic *found =
                diagnose(binder->diagnostics, DIAG_REFERENCE_NOT_HERE, value->span,
                         "a variable cannot be made from references");
            diagnostic_help(binder->diagnostics, found,
                            "write its value out, or put the reference where it is used");
        }
        map_put(&binder->plan->vars, vars->pairs[i].key->text, (void *)value->text);
    }
}

static void override(struct binder *binder, const struct tree *vars, const struct variable *given)
{
    const struct tree_pair *own = vars ? tree_pair(vars, given->name) : NULL;
    if (!own) {
        struct diagnostic *found =
            diagnose(binder->diagnostics, DIAG_UNKNOWN_VARIABLE, (struct span){0},
                     "--var %s: the plan has no variable of that name", given->name);
        bind_suggest(binder, found, given->name, &binder->plan->vars);
        return;
    }
    if (!has_kind(given->value, own->value->kind)) {
        struct diagnostic *found = diagnose(binder->diagnostics, DIAG_VARIABLE_TYPE,
                                            own->value->span, "--var %s=%s: the variable is %s",
                                            given->name, given->value, kind_name(own->value->kind));
        diagnostic_label(binder->diagnostics, found, "its type comes from here");
        return;
    }
    map_put(&binder->plan->vars, own->key->text, arena_strdup(binder->arena, given->value));
}

void bind_vars(struct binder *binder, const struct tree *vars, const struct variable *variables,
               size_t variable_count)
{
    bind_own(binder, vars);
    for (size_t i = 0; i < variable_count; i++) {
        override(binder, vars, &variables[i]);
    }
}
