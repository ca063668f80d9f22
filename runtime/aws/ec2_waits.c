/* Instances: awaited. Each wait names the states that mean failure, and tells the reason. */
#include <string.h>

#include "runtime/aws/describe.h"
#include "runtime/aws/operation.h"

static const char *instance_of(const struct operation *op, size_t i)
{
    const char *id = call_text(op->calls[i], "instance_id");
    return id ? id : "";
}

static const char *state_of(const struct xml *instance)
{
    const char *state = xml_text(instance, "instanceState/name");
    return state ? state : "in no state that was told";
}

static bool is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

static void pending(struct operation *op, size_t i, const char *state)
{
    operation_tell(op, i, OUTCOME_PENDING, NULL, "%s is %s", instance_of(op, i), state);
}

static const char *help_for(const char *code)
{
    if (strstr(code, "InternalError")) {
        return "Client.InternalError mostly means that the role may not use the KMS key of a "
               "volume: check the key's policy and grants";
    }
    if (strstr(code, "InvalidSnapshot")) {
        return "a snapshot of the image is gone or may not be read";
    }
    if (strstr(code, "VolumeLimitExceeded")) {
        return "ask for a higher quota of volume storage in Service Quotas";
    }
    if (strstr(code, "Shutdown")) {
        return "the guest, or someone else, shut it down: look at its console output";
    }
    return NULL;
}

static bool is_over(const char *state)
{
    return is(state, "terminated") || is(state, "shutting-down");
}

static void ended(struct operation *op, size_t i, const struct xml *instance, const char *wanted)
{
    const char *code = xml_text(instance, "stateReason/code");
    const char *message = xml_text(instance, "stateReason/message");
    const char *said = message ? message : code ? code : "EC2 tells no reason";
    const char *help = code ? help_for(code) : NULL;
    if (is_over(state_of(instance))) {
        operation_tell_gone(op, i, help, "%s is %s instead of %s: %s", instance_of(op, i),
                            state_of(instance), wanted, said);
    } else {
        operation_tell(op, i, OUTCOME_FATAL, help, "%s is %s instead of %s: %s",
                       instance_of(op, i), state_of(instance), wanted, said);
    }
}

/* The volume under the root device's name; where no name fits, the only volume there is. */
static const char *root_volume(const struct xml *instance)
{
    const char *root = xml_text(instance, "rootDeviceName");
    const struct xml *first = xml_first(instance, "blockDeviceMapping");
    for (const struct xml *item = first; root && item; item = item->next) {
        const char *device = xml_text(item, "deviceName");
        if (device && is(device, root)) {
            return xml_text(item, "ebs/volumeId");
        }
    }
    return first && !first->next ? xml_text(first, "ebs/volumeId") : NULL;
}

static void add_output(struct call_result *result, const char *name, const char *value)
{
    if (value) {
        result->outputs[result->output_count++] = (struct call_output){name, value};
    }
}

/* Stopped although it was started: a stop of drc's own before that (Client.UserInitiatedShutdown)
 * is what EC2 still shows until the start is through. */
static bool stopped_by_itself(const struct xml *instance)
{
    const char *code = xml_text(instance, "stateReason/code");
    return code && !is(code, "Client.UserInitiatedShutdown");
}

static void see_running(struct operation *op, size_t i, const struct xml *instance)
{
    const char *state = state_of(instance);
    struct call_result result = {.outcome = OUTCOME_OK};
    bool stopping = is(state, "stopping") || is(state, "stopped");
    if (is(state, "running") && xml_text(instance, "privateIpAddress")) {
        add_output(&result, "private_ip", xml_text(instance, "privateIpAddress"));
        add_output(&result, "public_ip", xml_text(instance, "ipAddress"));
        add_output(&result, "root_volume_id", root_volume(instance));
        operation_result(op, i, &result);
    } else if (is_over(state) || (stopping && stopped_by_itself(instance))) {
        ended(op, i, instance, "running");
    } else {
        pending(op, i, state);
    }
}

static void see_stopped(struct operation *op, size_t i, const struct xml *instance)
{
    const char *state = state_of(instance);
    struct call_result result = {.outcome = OUTCOME_OK};
    if (is(state, "stopped")) {
        operation_result(op, i, &result);
    } else if (is_over(state)) {
        ended(op, i, instance, "stopped");
    } else {
        pending(op, i, state);
    }
}

static void see_terminated(struct operation *op, size_t i, const struct xml *instance)
{
    struct call_result result = {.outcome = OUTCOME_OK};
    if (is(state_of(instance), "terminated")) {
        operation_result(op, i, &result);
    } else {
        pending(op, i, state_of(instance));
    }
}

/* EC2 forgets an instance about an hour after its end. */
static void forgotten(struct operation *op, size_t i, const struct aws_answer *answer)
{
    (void)answer;
    struct call_result result = {.outcome = OUTCOME_OK};
    operation_result(op, i, &result);
}

static void poll_instances(struct operation *op)
{
    static const struct describe about = {.api = "DescribeInstances",
                                          .id_parameter = "InstanceId",
                                          .input = "instance_id",
                                          .set = "instancesSet",
                                          .reservations = true,
                                          .id_element = "instanceId"};
    describe_poll(op, &about);
}

const struct aws_action wait_running_action = {.poll = poll_instances, .see = see_running};
const struct aws_action wait_stopped_action = {.poll = poll_instances, .see = see_stopped};
const struct aws_action wait_terminated_action = {
    .poll = poll_instances, .see = see_terminated, .absent = forgotten};

/* "impaired" is not the end: a guest that checks its disks for minutes recovers. The deadline is.
 */
static void see_status(struct operation *op, size_t i, const struct xml *status)
{
    const char *instance = xml_text(status, "instanceStatus/status");
    const char *system = xml_text(status, "systemStatus/status");
    struct call_result result = {.outcome = OUTCOME_OK};
    if (instance && system && is(instance, "ok") && is(system, "ok")) {
        operation_result(op, i, &result);
    } else {
        operation_tell(op, i, OUTCOME_PENDING, NULL, "%s: instance check %s, system check %s",
                       instance_of(op, i), instance ? instance : "not there yet",
                       system ? system : "not there yet");
    }
}

static void poll_status(struct operation *op)
{
    static const struct describe about = {.api = "DescribeInstanceStatus",
                                          .id_parameter = "InstanceId",
                                          .extra = "&IncludeAllInstances=true",
                                          .input = "instance_id",
                                          .set = "instanceStatusSet",
                                          .id_element = "instanceId"};
    describe_poll(op, &about);
}

const struct aws_action check_instance_status_action = {.poll = poll_status, .see = see_status};
