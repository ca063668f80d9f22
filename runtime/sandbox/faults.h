/* Faults: what makes the sandbox as unpleasant as the real service, all from its seed: latency,
 * throttling, eventual consistency, and the faults of the faults table:
 *   latency                 1 (default): answers take as long as the real service's; 0: no time
 *   consistency, consistency_ms   probability, and how long at most, that something new is not seen
 *   error                   probability of a 500 InternalError before anything happened (S3: or
 * SlowDown) conflict                probability that S3 refuses a write on conditions with a 409
 *   lost                    probability that the request is carried out and its answer lost
 *   unavailable             1: no answer at all, to anything
 *   inject                  probability that a driver injection fails
 *   boot                    probability that an instance does not boot
 *   prior                   probability that Route 53 is still at an earlier change of the zone
 *   unhealthy, unhealthy/VM 1: health checks of target groups get HTTP 503
 *   spread                  how far what takes time spreads around its middle (timing.def); 0:
 * little time:NAME, time:NAME/VM milliseconds in the middle, for a row of timing.def; with `spread`
 *   busy                    the part of the request rates that others of the account use up, 0 to 1
 *   agent:VM                1: the SSM agent of the VM never registers
 *   agent_ms:VM             it registers so much later
 *   script:STEP             the exit status of a script or check on an instance; STEP is "VM/post-boot-N",
 *                           or a VM for all of its steps, here and below
 *   script_ms:STEP          how long it takes (default: one to three seconds)
 *   script_bytes:STEP       how much it writes
 *   undelivered:STEP        1: no agent takes it: DeliveryTimedOut, when its time is up
 *   undeliverable:STEP, cancelled:STEP   1: it ends as that
 *   capacity:TYPE, capacity:TYPE/ZONE, capacity:/ZONE   1: no capacity there */
#ifndef DRC_SANDBOX_FAULTS_H
#define DRC_SANDBOX_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/sandbox/request.h"

/* How long the answer of an operation takes. */
int64_t fault_latency_ms(struct request *r, const struct operation *operation);

/* Takes tokens from the operation's buckets (`resources` for its resource bucket); refused with
 * RequestLimitExceeded (EC2, 503), Throttling (STS) or ThrottlingException (SSM, 400). */
bool throttle(struct request *r, const struct operation *operation, double resources);

#endif
