/* Workflow: what a plan can be applied for. */
#ifndef DRC_BASE_WORKFLOW_H
#define DRC_BASE_WORKFLOW_H

#include <stdbool.h>

enum workflow {
    WORKFLOW_BACKUP,
    WORKFLOW_REPLICATE,
    WORKFLOW_FAILOVER,
    WORKFLOW_TEST,
    WORKFLOW_FAILBACK,
    WORKFLOW_COUNT
};
const char *workflow_name(enum workflow workflow);
/* False when there is no such workflow. */
bool workflow_by_name(const char *name, enum workflow *workflow);

#endif
