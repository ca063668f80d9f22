/* Names: which things of AWS a plan and its compiled graph name, by who has to reach them. */
#ifndef DRC_PERMISSIONS_NAMES_H
#define DRC_PERMISSIONS_NAMES_H

#include <stddef.h>

#include "compiler/graph/graph.h"
#include "compiler/permissions/permission.h"
#include "compiler/plan/plan.h"

struct arena;

/* Texts, each once; sorted by names_gather. */
struct names {
    const char **items;
    size_t count, capacity;
};
void names_add(struct arena *arena, struct names *names, const char *text); /* NULL adds nothing */

/* Who needs permissions: the runner itself, or a role that is assumed. */
struct holder {
    const char *role; /* NULL: the runner */
    struct names resources[RESOURCE_COUNT];
    struct names record_names, record_types; /* of Route 53 */
};

struct holders {
    struct arena *arena;
    struct holder *items; /* [0] is the runner */
    size_t count, capacity;
    size_t recovery; /* who works at the recovery site: the runner, or its role */
};

/* graph: NULL where the workflow does nothing in AWS but with its repository. state: where runs are
 * kept; NULL: not in AWS. */
void names_gather(struct holders *holders, const struct plan *plan, const struct graph *graph,
                  enum workflow workflow, const char *state);

/* Whether the statement is for that holder. */
bool holder_has(const struct holders *holders, size_t holder, enum permission_holder kind);

#endif
