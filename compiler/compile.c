#include "compiler/compile.h"

#include "compiler/base/arena.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/front/tree.h"
#include "compiler/lower/lower.h"
#include "compiler/plan/expand.h"
#include "compiler/plan/files.h"

struct plan *compile_plan(struct arena *arena, const struct source *source,
                          const struct variable *variables, size_t variable_count,
                          struct diagnostics *diagnostics)
{
    struct tree *tree = yaml_parse(arena, source, diagnostics);
    if (!tree || !plan_expand(arena, source, tree, variables, variable_count, diagnostics) ||
        !schema_validate(schema_plan(arena), tree, diagnostics)) {
        return NULL;
    }
    struct plan *plan = plan_bind(arena, source, tree, variables, variable_count, diagnostics);
    if (!plan || !plan_check(plan, diagnostics) ||
        !plan_digest(plan, variables, variable_count, diagnostics)) {
        return NULL;
    }
    return plan;
}

struct graph *compile_graph(struct arena *arena, const struct plan *plan, enum workflow workflow,
                            const struct facts *facts, struct diagnostics *diagnostics)
{
    return lower(arena, plan, workflow, facts, diagnostics);
}

const char *drc_version(void)
{
    return "drc " DRC_VERSION;
}
