#include "compiler/compile.h"

#include "compiler/base/arena.h"
#include "compiler/emit/emit.h"
#include "compiler/front/diagnostic.h"
#include "compiler/front/schema.h"
#include "compiler/front/tree.h"
#include "compiler/graph/estimate.h"
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

/* The VM whose recovery ends the critical path. */
static const char *last_vm(const struct graph *graph, const struct schedule *schedule)
{
    for (size_t i = schedule->critical_path_count; i > 0; i--) {
        int32_t vm = graph->nodes[schedule->critical_path[i - 1]].vm;
        if (vm != NO_VM) {
            return graph->vms[vm].name;
        }
    }
    return NULL;
}

void compile_check_rto(struct arena *arena, const struct plan *plan, const struct facts *facts,
                       struct diagnostics *diagnostics)
{
    const struct duration *rto = &plan->objectives.rto;
    struct diagnostics *unheard = diagnostics_create(arena);
    struct graph *graph = compile_graph(arena, plan, WORKFLOW_FAILOVER, facts, unheard);
    const struct schedule *schedule = graph ? estimate(arena, graph, facts, true) : NULL;
    char predicted[32];
    if (!schedule || !rto->given || schedule->rto_ms <= rto->ms) {
        return;
    }
    struct diagnostic *found = diagnose(diagnostics, DIAG_RTO_EXCEEDED, rto->at,
                                        "a failover is predicted to take %s, longer than the rto",
                                        format_duration(predicted, schedule->rto_ms));
    const char *vm = last_vm(graph, schedule);
    if (vm) {
        diagnostic_label(diagnostics, found, "%s is recovered last", vm);
    }
    diagnostic_help(diagnostics, found,
                    "drc plan show %s failover lists the critical path and what would shorten it",
                    plan->source->path);
}

const char *drc_version(void)
{
    return "drc " DRC_VERSION;
}
