#include "compiler/plan/plan.h"

#include <string.h>

#include "compiler/plan/bind.h"

const char *network_name(enum site_network network)
{
    return network == NETWORK_PRODUCTION ? "production" : "test";
}

struct plan_vm *plan_vm_by_name(const struct plan *plan, const char *name)
{
    return map_get(&plan->vm_by_name, name);
}

/* Few zones: a walk is enough. */
const struct conversion_instance *plan_conversion_in(const struct plan *plan, const char *zone)
{
    for (size_t i = 0; i < plan->aws.conversion_count; i++) {
        if (strcmp(plan->aws.conversions[i].zone.value, zone) == 0) {
            return &plan->aws.conversions[i];
        }
    }
    return NULL;
}
