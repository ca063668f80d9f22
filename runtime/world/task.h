/* What every implementation's tasks begin with; for the implementations only. */
#ifndef DRC_WORLD_TASK_H
#define DRC_WORLD_TASK_H

#include "runtime/world/world.h"

struct world_task {
    struct world *owner; /* who made it: a wrapper tells its own from its inner world's */
};

#endif
