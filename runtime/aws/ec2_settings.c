/* Instances: what is set on one: volumes that go with it, an elastic address. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/operation.h"

static void on_set(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome == OUTCOME_OK) {
        operation_ok(op);
    } else {
        operation_refused(op, answer);
    }
}

static void set_delete_on_termination(struct operation *op)
{
    const struct value *devices = call_input(op->calls[0], "devices");
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "ModifyInstanceAttribute");
    form_add(&form, call_text(op->calls[0], "instance_id"), "InstanceId");
    for (uint32_t i = 0; devices && devices->kind == VALUE_LIST && i < devices->count; i++) {
        form_add(&form, value_text(&devices->items[i]), "BlockDeviceMapping.%u.DeviceName", i + 1);
        form_add(&form, "true", "BlockDeviceMapping.%u.Ebs.DeleteOnTermination", i + 1);
    }
    operation_send(op, "ModifyInstanceAttribute", &form, true, BUCKET_NONE, on_set);
}

const struct aws_action set_delete_on_termination_action = {.start = set_delete_on_termination};

struct association {
    const char *public_ip;
};

static void on_associated(struct operation *op, const struct aws_answer *answer);

static void associate(struct operation *op, const char *interface)
{
    const struct call *call = op->calls[0];
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "AssociateAddress");
    form_add(&form, call_text(call, "allocation_id"), "AllocationId");
    form_add(&form, interface ? NULL : call_text(call, "instance_id"), "InstanceId");
    form_add(&form, interface, "NetworkInterfaceId");
    /* drc takes no address away from another instance. */
    form_add(&form, "false", "AllowReassociation");
    operation_send(op, "AssociateAddress", &form, true, BUCKET_NONE, on_associated);
}

static void on_cards(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    const struct xml *instance =
        xml_first(xml_first(answer->xml, "reservationSet"), "instancesSet");
    const struct xml *card = xml_first(instance, "networkInterfaceSet");
    for (; card; card = card->next) {
        const char *index = xml_text(card, "attachment/deviceIndex");
        if (index && strcmp(index, "0") == 0) {
            associate(op, xml_text(card, "networkInterfaceId"));
            return;
        }
    }
    operation_tell(op, 0, OUTCOME_RETRY, NULL, "%s has no primary network card yet",
                   call_text(op->calls[0], "instance_id"));
}

/* EC2 wants the card by its own id where there are several. */
static void ask_for_cards(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeInstances");
    form_add(&form, call_text(op->calls[0], "instance_id"), "InstanceId.1");
    operation_send(op, "DescribeInstances", &form, false, BUCKET_EC2_DESCRIBE_INSTANCES, on_cards);
}

static void on_associated(struct operation *op, const struct aws_answer *answer)
{
    const struct association *association = op->state;
    const char *code = answer->error.code;
    if (answer->outcome == OUTCOME_OK) {
        struct call_result result = {.outcome = OUTCOME_OK,
                                     .outputs = {{"public_ip", association->public_ip}},
                                     .output_count = 1};
        operation_result(op, 0, &result);
    } else if (code && strcmp(code, "InvalidInstanceID") == 0 &&
               strstr(answer->error.message, "interfaces")) {
        ask_for_cards(op);
    } else {
        operation_refused(op, answer);
    }
}

static void on_address(struct operation *op, const struct aws_answer *answer)
{
    struct association *association = op->state;
    const struct call *call = op->calls[0];
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    const struct xml *address = xml_first(answer->xml, "addressesSet");
    const char *ip = xml_text(address, "publicIp"), *holder = xml_text(address, "instanceId");
    const char *instance = call_text(call, "instance_id");
    if (!ip) {
        operation_tell(op, 0, OUTCOME_FATAL, "check elastic_ip in the plan, and the region",
                       "there is no elastic address %s", call_text(call, "allocation_id"));
        return;
    }
    if (xml_text(address, "associationId") && !(holder && strcmp(holder, instance) == 0)) {
        operation_tell(op, 0, OUTCOME_CONFLICT,
                       "drc takes no address away: disassociate it there first, then resume",
                       "elastic address %s (%s) belongs to %s", ip,
                       call_text(call, "allocation_id"), holder ? holder : "a network card");
        return;
    }
    association->public_ip = arena_strdup(op->arena, ip);
    associate(op, NULL);
}

/* AssociateAddress does not tell the address itself: it is asked for first. */
static void associate_address(struct operation *op)
{
    struct form form = {{0}};
    op->state = ARENA_NEW(op->arena, struct association);
    form_begin(&form, AWS_SERVICE_EC2, "DescribeAddresses");
    form_add(&form, call_text(op->calls[0], "allocation_id"), "AllocationId.1");
    operation_send(op, "DescribeAddresses", &form, false, BUCKET_EC2_DESCRIBE, on_address);
}

const struct aws_action associate_address_action = {.start = associate_address};
