/* Checks: what would go wrong with a plan that reads well. Each reports diagnostics and returns
 * nothing; plan_check (check.c) runs them all. None needs facts. */
#ifndef DRC_PLAN_CHECK_H
#define DRC_PLAN_CHECK_H

#include "compiler/front/diagnostic.h"
#include "compiler/plan/plan.h"

void check_names(const struct plan *plan, struct diagnostics *diagnostics);
void check_cycles(const struct plan *plan, struct diagnostics *diagnostics);
void check_files(const struct plan *plan, struct diagnostics *diagnostics);
void check_scripts(const struct plan *plan, struct diagnostics *diagnostics);
void check_network(const struct plan *plan, struct diagnostics *diagnostics);
void check_addresses(const struct plan *plan, struct diagnostics *diagnostics);
void check_objectives(const struct plan *plan, struct diagnostics *diagnostics);
void check_boot(const struct plan *plan, struct diagnostics *diagnostics);
void check_volumes(const struct plan *plan, struct diagnostics *diagnostics);
void check_steps(const struct plan *plan, struct diagnostics *diagnostics);
void check_dns(const struct plan *plan, struct diagnostics *diagnostics);

/* Whether `workflow` is one that the plan is set up for. */
bool plan_has_workflow(const struct plan *plan, enum workflow workflow);

/* Calls `visit` for each step of the plan, in the order of the file; vm NULL for the plan's own. */
typedef void step_visitor(const struct plan *plan, const struct plan_vm *vm,
                          const struct step *step, void *context);
void plan_each_step(const struct plan *plan, step_visitor *visit, void *context);

/* "90m" or "90s", as plans write durations. Lies in the plan's arena. */
const char *duration_text(const struct plan *plan, int64_t ms);

#endif
