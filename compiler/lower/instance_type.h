/* Choosing and judging instance types, by facts or else by the built-in catalogue. */
#ifndef DRC_LOWER_INSTANCE_TYPE_H
#define DRC_LOWER_INSTANCE_TYPE_H

#include "compiler/graph/facts.h"
#include "compiler/plan/plan.h"

/* What a VM wants of its type. */
struct type_needs {
    const char *arch, *firmware; /* NULL: any */
    const char *zone;            /* NULL: any */
    int64_t cpus, memory_mib;    /* for choosing; a type named by the plan may be smaller */
    size_t cards, volumes;
};

/* The type of that name: from the facts where they list types, else from the catalogue. */
const struct fact_instance_type *known_type(const struct facts *facts, const char *name);

/* Whether there is any type of the family, in the facts or in the catalogue. */
bool family_is_known(const struct facts *facts, const char *family);

/* Why the type cannot run the VM, in the arena; NULL when it can. CPUs and memory do not count. */
const char *type_misfit(struct arena *arena, const struct fact_instance_type *type,
                        const struct type_needs *needs);
bool type_is_offered(const struct fact_instance_type *type, const char *zone);

/* The types of a list of families, small ones first: fewest CPUs, then least memory, then the order
 * of the families. Bare metal is not among them. Lies in the arena; facts may be NULL. */
struct type_candidates {
    const struct texts *families;
    const struct fact_instance_type **types;
    size_t count;
};
struct type_candidates type_candidates(struct arena *arena, const struct facts *facts,
                                       const struct texts *families);
/* Whether they were made for a list of the same families. */
bool type_candidates_are_of(const struct type_candidates *candidates, const struct texts *families);

/* The smallest that fits; NULL when none does. */
const struct fact_instance_type *choose_type(const struct type_candidates *candidates,
                                             const struct type_needs *needs);

#endif
