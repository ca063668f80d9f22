/* Lowering: from a sound plan and facts to a graph; one file for each workflow. */
#ifndef DRC_LOWER_LOWER_H
#define DRC_LOWER_LOWER_H

#include "compiler/graph/action.h"
#include "compiler/plan/plan.h"

struct arena;
struct diagnostics;
struct facts;
struct graph;

/* facts may be NULL (then: one boot disk for each VM, the built-in catalogue, snapshots symbolic,
 * and the graph lists these assumptions). NULL when the workflow cannot be compiled: a step kind
 * that is not built yet, a type that does not fit the facts …; the reasons are diagnostics. */
struct graph *lower(struct arena *arena, const struct plan *plan, enum workflow workflow,
                    const struct facts *facts, struct diagnostics *diagnostics);

/* Which of the plan's timeouts counts for an action; TIMEOUT_COUNT: none. */
enum timeout_kind lower_timeout_of(enum action action);

#endif
