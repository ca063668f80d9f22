#include "compiler/base/workflow.h"

#include <string.h>

static const char *const workflow_names[WORKFLOW_COUNT] = {
    [WORKFLOW_BACKUP] = "backup",     [WORKFLOW_REPLICATE] = "replicate",
    [WORKFLOW_FAILOVER] = "failover", [WORKFLOW_TEST] = "test",
    [WORKFLOW_FAILBACK] = "failback",
};

const char *workflow_name(enum workflow workflow)
{
    return workflow_names[workflow];
}

bool workflow_by_name(const char *name, enum workflow *workflow)
{
    for (int i = 0; i < WORKFLOW_COUNT; i++) {
        if (strcmp(name, workflow_names[i]) == 0) {
            *workflow = (enum workflow)i;
            return true;
        }
    }
    return false;
}
