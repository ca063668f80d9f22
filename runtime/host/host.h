/* Host: what the runner itself does: checks by tcp and http (scripts come with the runbook). */
#ifndef DRC_HOST_HOST_H
#define DRC_HOST_HOST_H

#include "runtime/world/provider.h"
#include "runtime/world/world.h"

/* The provider of PROVIDER_HOST actions. Destroy with its destroy operation. */
struct provider *host_provider_create(struct world *world);

#endif
