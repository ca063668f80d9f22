/* SSM: commands on instances, and parameters. What a command comes to is decided when it is sent
 * and shows as time passes. */
#ifndef DRC_SANDBOX_SSM_H
#define DRC_SANDBOX_SSM_H

#include "runtime/sandbox/ec2.h"

/* What running `script` on the instance comes to. */
struct command_result {
    int64_t duration_ms;
    /* As StatusDetails tells it: Success, Failed, ExecutionTimedOut, DeliveryTimedOut, Undeliverable,
     * Cancelled */
    const char *outcome;
    int exit_code;
    const char *output, *errors;
    const char *volume; /* whose drivers are injected when it ends well; NULL */
};
/* ssm_scripts.c: knows `drc inject ebs:VOLUME` and `drc version`; anything else ends well, without
 * output, unless the faults say otherwise (faults.h). comment: that of the command, by which drc's scripts
 * are told apart; NULL. */
struct command_result script_run(struct request *r, const struct instance *instance,
                                 const char *script, const char *comment);

/* Whether the SSM agent of the instance is connected. */
bool agent_online(struct request *r, const struct instance *instance);
/* When it registers (faults agent_ms:VM); false: never (agent:VM). */
bool agent_registers(struct request *r, const struct instance *instance, int64_t *at_ms);

/* Members of the JSON request; refused with ValidationException when of the wrong type. */
const char *member_text(const struct request *r, const char *name);

#endif
