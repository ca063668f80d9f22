/* Host: what the runner itself does: checks by tcp and http (scripts come with the runbook).
 *
 * A poll asks each VM once. A check that does not hold is PENDING with what was seen, in one line
 * ("http :8080/healthz answers 503"); how long that may go on is the executor's to say. An https
 * check verifies no certificate: it asks a VM by its address, and certificates name hosts. It tells
 * that the service answers, not who answers, and sends no secret. */
#ifndef DRC_HOST_HOST_H
#define DRC_HOST_HOST_H

#include "runtime/world/provider.h"
#include "runtime/world/world.h"

/* The provider of PROVIDER_HOST actions. Destroy with its destroy operation; what is under way then
 * is dropped. */
struct provider *host_provider_create(struct world *world);

#endif
