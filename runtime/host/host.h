/* Host: what the runner itself does: scripts, and checks by tcp, http and script.
 *
 * A poll asks each VM once. A check that does not hold is PENDING with what was seen, in one line
 * ("http :8080/healthz answers 503"); how long that may go on is the executor's to say. An https
 * check verifies no certificate: it asks a VM by its address, and certificates name hosts. It tells
 * that the service answers, not who answers, and sends no secret.
 *
 * A script is a job (runtime/world/job.h): begun once for each generation of its node, in a folder that
 * is named by both, and found there by a process that resumes the run. That of a check is begun anew for
 * each try and does not outlive drc. Both get the node's env and PATH, HOME, LANG and TMPDIR; what they
 * write goes to call->output. */
#ifndef DRC_HOST_HOST_H
#define DRC_HOST_HOST_H

#include "runtime/world/provider.h"
#include "runtime/world/script_source.h"
#include "runtime/world/world.h"

/* The provider of PROVIDER_HOST actions. Destroy with its destroy operation; what is under way then
 * is dropped, but for scripts that were begun: they go on. */
struct provider *host_provider_create(struct world *world);

/* Where scripts come from, and the run's folder, where its jobs are kept; until then scripts are
 * refused. */
void host_use_run(struct provider *host, struct script_source scripts, const char *folder);

#endif
