/* Expand: fills ${vars.NAME} and ${plan.name} into a plan's tree before the schema sees it, so that
 * variables can stand wherever a value can, and what they make of it is checked like anything else.
 * A reference that stands alone gives the variable's own type: `tcp: ${vars.port}` is a number. */
#ifndef DRC_PLAN_EXPAND_H
#define DRC_PLAN_EXPAND_H

#include <stdbool.h>

#include "compiler/plan/plan.h"

struct arena;
struct diagnostics;
struct tree;

/* Changes the scalars of `root` in place, those of `vars` apart. Texts that also refer to values of
 * a run are left as they are: plan_bind takes them apart. False when a variable was unknown. */
bool plan_expand(struct arena *arena, const struct source *source, struct tree *root,
                 const struct variable *variables, size_t variable_count,
                 struct diagnostics *diagnostics);

#endif
