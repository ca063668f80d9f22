/* Instances started, stopped, terminated, changed. Each call is all or nothing, as EC2's are. */
#include <stdlib.h>
#include <string.h>

#include "runtime/sandbox/ec2.h"

static bool named_instances(struct request *r, struct objects *instances)
{
    struct texts_list ids = query_list(&r->query, "InstanceId");
    if (!ids.count) {
        return fail(r, 400, "MissingParameter",
                    "The request must contain the parameter InstanceId");
    }
    if (ids.count > 1000) {
        return fail(r, 400, "InvalidParameterValue", "The request names more than 1000 instances");
    }
    return select_objects(r, &instance_kind, instances);
}

static void write_change(struct request *r, const struct instance *before)
{
    const struct instance *after = instance_load(r, before->resource.id);
    xml_open(&r->xml, "item");
    xml_put(&r->xml, "instanceId", before->resource.id);
    xml_open(&r->xml, "currentState");
    xml_int(&r->xml, "code", after->state_code);
    xml_put(&r->xml, "name", after->state);
    xml_close(&r->xml, "currentState");
    xml_open(&r->xml, "previousState");
    xml_int(&r->xml, "code", before->state_code);
    xml_put(&r->xml, "name", before->state);
    xml_close(&r->xml, "previousState");
    xml_close(&r->xml, "item");
}

/* Applies `change` to each instance, when `check` lets all of them through. */
static bool change_all(struct request *r, bool (*check)(struct request *, const struct instance *),
                       void (*change)(struct request *, const struct instance *))
{
    struct objects instances = {0};
    if (!named_instances(r, &instances)) {
        return false;
    }
    for (size_t i = 0; i < instances.count; i++) {
        if (!check(r, instances.items[i])) {
            return false;
        }
    }
    xml_open(&r->xml, "instancesSet");
    for (size_t i = 0; i < instances.count; i++) {
        change(r, instances.items[i]);
        write_change(r, instances.items[i]);
    }
    xml_close(&r->xml, "instancesSet");
    return true;
}

static void move(struct request *r, const struct instance *instance, const char *transition,
                 int64_t settle_ms, const char *code, const char *message)
{
    state_run(r->state,
              "UPDATE instances SET transition = ?, transition_ms = ?, settle_ms = ?, "
              "reason_code = ?, reason_message = ? WHERE id = ?",
              "siisss", transition, r->now_ms, settle_ms, code, message, instance->resource.id);
}

bool capacity_check(struct request *r, const char *type, const char *zone)
{
    const char *dry = query_get(&r->query, "DryRun");
    if (dry && strcmp(dry, "true") == 0) {
        return true; /* a dry run asks for permissions and parameters: capacity shows at launch */
    }
    if (fault(r, "capacity:%s", type) > 0 || fault(r, "capacity:%s/%s", type, zone) > 0 ||
        fault(r, "capacity:/%s", zone) > 0) {
        return fail(r, 500, "InsufficientInstanceCapacity",
                    "We currently do not have sufficient %s capacity in the Availability Zone you "
                    "requested (%s).",
                    type, zone);
    }
    return true;
}

static bool can_start(struct request *r, const struct instance *instance)
{
    if (strcmp(instance->state, "running") == 0 || strcmp(instance->state, "pending") == 0) {
        return true;
    }
    if (strcmp(instance->state, "stopped") != 0) {
        return fail(r, 400, "IncorrectInstanceState",
                    "The instance '%s' is not in a state from which it can be started.",
                    instance->resource.id);
    }
    if (!instance_root_volume(instance)) {
        return fail(
            r, 400, "InvalidParameterValue",
            "Invalid value '%s' for instanceId. Instance does not have a volume attached at "
            "root (%s)",
            instance->resource.id, instance->root_device);
    }
    return capacity_check(r, instance->type, instance->zone);
}

static void give_public_address(struct request *r, const struct instance *instance)
{
    if (instance->interface_count && !instance->interfaces[0]->allocation) {
        state_run(r->state, "UPDATE interfaces SET public_ip = ? WHERE id = ? AND wants_public",
                  "ss", public_address(r), instance->interfaces[0]->resource.id);
    }
}

static void start(struct request *r, const struct instance *instance)
{
    if (strcmp(instance->state, "stopped") != 0) {
        return;
    }
    const char *vm = tag_value(&instance->resource.tags, "drc:vm");
    move(r, instance, "pending", r->now_ms + timing_draw(r, TIMING_PENDING, vm), NULL, NULL);
    state_run(r->state, "UPDATE instances SET launched_ms = ? WHERE id = ?", "is", r->now_ms,
              instance->resource.id);
    give_public_address(r, instance);
}

bool ec2_start_instances(struct request *r)
{
    return change_all(r, can_start, start);
}

static bool can_stop(struct request *r, const struct instance *instance)
{
    if (strcmp(instance->state, "terminated") == 0 ||
        strcmp(instance->state, "shutting-down") == 0 || strcmp(instance->state, "pending") == 0) {
        return fail(r, 400, "IncorrectInstanceState",
                    "This instance '%s' is not in a state from which it can be stopped.",
                    instance->resource.id);
    }
    return true;
}

static void stop(struct request *r, const struct instance *instance)
{
    if (strcmp(instance->state, "running") != 0) {
        return;
    }
    const char *vm = tag_value(&instance->resource.tags, "drc:vm");
    move(r, instance, "stopping", r->now_ms + timing_draw(r, TIMING_STOPPING, vm),
         "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown");
    /* The automatic public address goes with the stop; elastic ones stay. */
    state_run(r->state, "UPDATE interfaces SET public_ip = NULL WHERE instance = ?", "s",
              instance->resource.id);
    commands_instance_gone(r, instance->resource.id);
}

bool ec2_stop_instances(struct request *r)
{
    return change_all(r, can_stop, stop);
}

static bool can_terminate(struct request *r, const struct instance *instance)
{
    return !instance->is_protected ||
           fail(r, 400, "OperationNotPermitted",
                "The instance '%s' may not be terminated. Modify its 'disableApiTermination' "
                "instance attribute and try again.",
                instance->resource.id);
}

/* What happens when the machine is gone is written down now, with the time at which it is so. */
static void terminate(struct request *r, const struct instance *instance)
{
    const char *id = instance->resource.id;
    if (strcmp(instance->state, "terminated") == 0 ||
        strcmp(instance->state, "shutting-down") == 0) {
        return;
    }
    bool runs = strcmp(instance->state, "stopped") != 0;
    int64_t end_ms = r->now_ms + (runs ? timing_draw(r, TIMING_SHUTTING_DOWN, NULL) : 1000);
    move(r, instance, "shutting-down", end_ms, "Client.UserInitiatedShutdown",
         "Client.UserInitiatedShutdown: User initiated shutdown");
    state_run(
        r->state,
        "UPDATE volumes SET deleted_ms = ?1 WHERE instance = ?2 AND delete_on_termination AND "
        "deleted_ms IS NULL AND (detached_ms IS NULL OR detached_ms > ?3)",
        "isi", end_ms, id, r->now_ms);
    state_run(r->state,
              "UPDATE volumes SET detached_ms = ?1 WHERE instance = ?2 AND detached_ms IS NULL",
              "is", end_ms, id);
    state_run(r->state, "UPDATE interfaces SET deleted_ms = ? WHERE instance = ?", "is", end_ms,
              id);
    state_run(r->state,
              "UPDATE addresses SET association = NULL, instance = NULL, interface = NULL "
              "WHERE instance = ?",
              "s", id);
    commands_instance_gone(r, id);
}

bool ec2_terminate_instances(struct request *r)
{
    return change_all(r, can_terminate, terminate);
}

static struct volume *volume_at(const struct instance *instance, const char *device)
{
    for (size_t i = 0; i < instance->volume_count; i++) {
        if (strcmp(instance->volumes[i]->device, device) == 0) {
            return instance->volumes[i];
        }
    }
    return NULL;
}

static bool set_devices(struct request *r, const struct instance *instance)
{
    for (size_t n = 1; query_has(&r->query, "BlockDeviceMapping.%zu", n); n++) {
        const char *device = query_get(&r->query, "BlockDeviceMapping.%zu.DeviceName", n);
        struct volume *volume = device ? volume_at(instance, device) : NULL;
        if (!volume) {
            return fail(r, 400, "InvalidInstanceAttributeValue",
                        "No device is currently mapped at %s", device ? device : "(none given)");
        }
        bool flag = volume->delete_on_termination;
        if (!optional_bool(
                r, arena_printf(r->arena, "BlockDeviceMapping.%zu.Ebs.DeleteOnTermination", n),
                &flag)) {
            return false;
        }
        state_run(r->state, "UPDATE volumes SET delete_on_termination = ? WHERE id = ?", "ds",
                  (int)flag, volume->resource.id);
    }
    return true;
}

static bool set_type(struct request *r, const struct instance *instance, const char *type)
{
    const struct fact_instance_type *info = catalogue_type(type);
    if (strcmp(instance->state, "stopped") != 0) {
        return fail(r, 400, "IncorrectInstanceState",
                    "The instance '%s' is not in the 'stopped' state.", instance->resource.id);
    }
    if (!info) {
        return fail(r, 400, "InvalidInstanceAttributeValue",
                    "The instance type '%s' is not supported.", type);
    }
    if (strcmp(info->arch, instance->architecture) != 0) {
        return fail(r, 400, "InvalidParameterCombination",
                    "The architecture '%s' of the instance type '%s' does not match the instance's "
                    "'%s'",
                    info->arch, type, instance->architecture);
    }
    if (instance->interface_count > (size_t)info->max_cards) {
        return fail(r, 400, "AttachmentLimitExceeded",
                    "Interface count %zu exceeds the limit for %s", instance->interface_count,
                    type);
    }
    return state_run(r->state, "UPDATE instances SET type = ? WHERE id = ?", "ss", type,
                     instance->resource.id);
}

static bool set_protection(struct request *r, const struct instance *instance)
{
    bool flag = instance->is_protected;
    if (!optional_bool(r, "DisableApiTermination.Value", &flag)) {
        return false;
    }
    return state_run(r->state, "UPDATE instances SET protected = ? WHERE id = ?", "ds", (int)flag,
                     instance->resource.id);
}

bool ec2_modify_instance_attribute(struct request *r)
{
    const char *id;
    struct instance *instance =
        need(r, "InstanceId", &id) ? find_object(r, &instance_kind, id) : NULL;
    if (!instance) {
        return false;
    }
    const char *attribute = query_get(&r->query, "Attribute");
    const char *type = query_get(&r->query, "InstanceType.Value");
    if (!type && attribute && strcmp(attribute, "instanceType") == 0) {
        type = query_get(&r->query, "Value");
    }
    bool devices = query_has(&r->query, "BlockDeviceMapping");
    bool protection = query_has(&r->query, "DisableApiTermination");
    if (!type && !devices && !protection) {
        return fail(
            r, 400, "InvalidParameterCombination",
            "No attributes specified (the sandbox knows InstanceType, BlockDeviceMapping and "
            "DisableApiTermination).");
    }
    if ((type != NULL) + devices + protection > 1) {
        return fail(r, 400, "InvalidParameterCombination",
                    "Fields for multiple attribute types specified");
    }
    bool done = type      ? set_type(r, instance, type)
                : devices ? set_devices(r, instance)
                          : set_protection(r, instance);
    if (done) {
        xml_bool(&r->xml, "return", true);
    }
    return done;
}

static void write_value(struct request *r, const char *element, const char *value)
{
    xml_open(&r->xml, element);
    xml_put(&r->xml, "value", value);
    xml_close(&r->xml, element);
}

bool ec2_describe_instance_attribute(struct request *r)
{
    const char *id, *attribute;
    struct instance *instance = need(r, "InstanceId", &id) && need(r, "Attribute", &attribute)
                                    ? find_object(r, &instance_kind, id)
                                    : NULL;
    if (!instance) {
        return false;
    }
    xml_put(&r->xml, "instanceId", id);
    if (strcmp(attribute, "instanceType") == 0) {
        write_value(r, attribute, instance->type);
    } else if (strcmp(attribute, "rootDeviceName") == 0) {
        write_value(r, attribute, instance->root_device);
    } else if (strcmp(attribute, "disableApiTermination") == 0) {
        write_value(r, attribute, instance->is_protected ? "true" : "false");
    } else {
        return fail(r, 400, "InvalidParameterValue",
                    "Value (%s) for parameter attribute is invalid or not held by the sandbox",
                    attribute);
    }
    return true;
}
