/* Statement: one statement of a policy, from its row of permission.def and the names that it is
 * about. */
#ifndef DRC_PERMISSIONS_STATEMENT_H
#define DRC_PERMISSIONS_STATEMENT_H

#include <stdbool.h>

#include "compiler/permissions/names.h"
#include "compiler/permissions/policy.h"

/* What templates and conditions are filled in with. */
struct statement_terms {
    struct arena *arena;
    const struct plan *plan;
    const struct holder *holder;
    struct names create_actions; /* of EC2, sorted: "RunInstances" */
    const char *partition, *region, *account;
    const char *state, *repository; /* s3://…; NULL */
    bool drops_records;             /* too many to be named */
};

/* Fills all but the actions. False: the plan names nothing that the statement is about. */
bool statement_fill(const struct statement_terms *terms, enum statement statement,
                    struct policy_statement *to);

#endif
