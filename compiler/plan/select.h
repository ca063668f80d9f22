/* Selection: a part of a plan's VMs (--only), with what they depend on. Pure: what is at the recovery
 * site already is the caller's to say. */
#ifndef DRC_PLAN_SELECT_H
#define DRC_PLAN_SELECT_H

#include "compiler/base/error.h"
#include "compiler/plan/plan.h"

struct selection {
    bool *chosen;       /* by VM of the plan */
    size_t count;       /* of those chosen */
    const char **added; /* what was not named, and has to come along */
    const char **added_by; /* for each: the VM that depends on it */
    size_t added_count;
    const char **over;  /* named, and there already */
    size_t over_count;
};

/* Names, in a text ("db,app"). An empty or unknown one is an error that says what may have been
 * meant. `there` (NULL: none): by VM, what runs at the recovery site already: it is left out, and what
 * depends on it does not wait for it. Lies in the arena. */
bool plan_choose(struct arena *arena, const struct plan *plan, const char *names,
                 const bool *there, struct selection *selection, struct error *error);

/* The plan with the chosen VMs only, in its order; dependencies on others are gone. Digest, name and
 * all else stay the plan's. False (NULL): a VM that is chosen uses a value of one that is not. */
struct plan *plan_restrict(struct arena *arena, const struct plan *plan, const bool *chosen,
                           struct error *error);
/* The same, to exactly the VMs that the text names ("db,app"). */
struct plan *plan_restrict_to(struct arena *arena, const struct plan *plan, const char *names,
                              struct error *error);
/* The names of the plan's VMs in such a text. */
const char *plan_vm_names(struct arena *arena, const struct plan *plan);

#endif
