/* Target groups of load balancers. */
#ifndef DRC_SANDBOX_ELB_H
#define DRC_SANDBOX_ELB_H

#include "runtime/sandbox/request.h"

struct target_health {
    const char *group, *id, *state, *reason,
        *description; /* group: its name; reason NULL: healthy */
    int64_t port;
};
/* All targets of all groups, in the request's arena; the number of them. */
size_t targets_list(struct request *r, struct target_health **targets);

#endif
