/* The compiler as a pipeline: plan.yaml → tree → tree with its variables → valid tree → plan → sound
 * plan → graph. Pure: no clock, no network, no environment, no files but those that the plan names. */
#ifndef DRC_COMPILE_H
#define DRC_COMPILE_H

#include <stdbool.h>

#include "compiler/graph/facts.h"
#include "compiler/graph/graph.h"
#include "compiler/plan/plan.h"

struct arena;
struct diagnostics;

/* Source → sound plan. NULL when there was an error; all are in `diagnostics`. */
struct plan *compile_plan(struct arena *arena, const struct source *source,
                          const struct variable *variables, size_t variable_count,
                          struct diagnostics *diagnostics);

/* Sound plan → graph. NULL as above. */
struct graph *compile_graph(struct arena *arena, const struct plan *plan, enum workflow workflow,
                            const struct facts *facts, struct diagnostics *diagnostics);

/* Warns when the schedule that is predicted for a failover ends later than objectives.rto. facts may
 * be NULL. Says nothing where no graph can be compiled: compile_graph tells why. */
void compile_check_rto(struct arena *arena, const struct plan *plan, const struct facts *facts,
                       struct diagnostics *diagnostics);

/* Warns when, by the throughput that the facts hold as measured, more than objectives.rpo would be lost in
 * the worst case: just before a DR copy is completed. Says nothing without that; facts that do not
 * fit the plan are told as compile_graph tells them. facts may be NULL. */
void compile_check_rpo(struct arena *arena, const struct plan *plan, const struct facts *facts,
                       struct diagnostics *diagnostics);

/* Warns when the last test that the facts know of was too long ago, failed, or was of another plan, by
 * objectives.test_every; as of when the facts were gathered. facts may be NULL: then it is not known. */
void compile_check_test(const struct plan *plan, const struct facts *facts,
                        struct diagnostics *diagnostics);

/* "drc 0.1.0": in digests and `drc version`. */
const char *drc_version(void);

#endif
