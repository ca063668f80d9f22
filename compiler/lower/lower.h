/* Lowering: from a sound plan and facts to a graph; one file for each workflow. */
#ifndef DRC_LOWER_LOWER_H
#define DRC_LOWER_LOWER_H

#include "compiler/graph/action.h"
#include "compiler/plan/plan.h"

struct arena;
struct diagnostics;
struct facts;
struct fact_vm;
struct graph;

/* facts may be NULL (then: one boot disk for each VM, the built-in catalogue, snapshots symbolic,
 * and the graph lists these assumptions). NULL when the workflow cannot be compiled: a step kind
 * that is not built yet, a type that does not fit the facts …; the reasons are diagnostics. */
struct graph *lower(struct arena *arena, const struct plan *plan, enum workflow workflow,
                    const struct facts *facts, struct diagnostics *diagnostics);

/* Whether replicate is to make a bootable copy of a VM: the plan wants it, and by the facts its recovery
 * point has none. *why: why it cannot be made all the same; NULL: it can. In the arena. */
bool lower_wants_bootable(struct arena *arena, const struct plan *plan, const struct facts *facts,
                          const struct fact_vm *vm, const char **why);

/* The cleanup of a compiled test comes by itself after so long: gives the node plan/cleanup/approve its
 * approved_after_ms. False: the graph is of no test. */
bool lower_auto_cleanup(struct graph *graph, int64_t after_ms);
/* Every approval of a compiled graph comes by itself, at once: where nobody is there to be asked, in a
 * simulation. */
void lower_approve_all(struct graph *graph);

/* Which of the plan's timeouts counts for an action; TIMEOUT_COUNT: none. */
enum timeout_kind lower_timeout_of(enum action action);

#endif
