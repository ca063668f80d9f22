/* Instances: launched, and found again. */
#include <string.h>

#include "runtime/aws/block_devices.h"
#include "runtime/aws/operation.h"

static void tell_instance(struct operation *op, const struct xml *instance)
{
    const char *type = xml_text(instance, "instanceType");
    struct call_result result = {.outcome = OUTCOME_OK,
                                 .outputs = {{"instance_id", xml_text(instance, "instanceId")},
                                             {"instance_type", type ? type : ""}},
                                 .output_count = 2};
    operation_result(op, 0, &result);
}

static void on_run(struct operation *op, const struct aws_answer *answer)
{
    const struct xml *instance =
        answer->outcome == OUTCOME_OK ? xml_first(answer->xml, "instancesSet") : NULL;
    if (xml_text(instance, "instanceId")) {
        tell_instance(op, instance);
    } else if (answer->outcome == OUTCOME_OK) {
        operation_tell(op, 0, OUTCOME_UNKNOWN, NULL,
                       "ec2 RunInstances: the answer has no instanceId");
    } else {
        operation_refused(op, answer);
    }
}

static const char *chosen_type(const struct call *call)
{
    const struct value *types = call_input(call, "instance_types");
    if (!types || types->kind != VALUE_LIST || types->count == 0) {
        return NULL;
    }
    uint32_t choice = call->choice < 0 ? 0 : (uint32_t)call->choice;
    return value_text(&types->items[choice < types->count ? choice : types->count - 1]);
}

static void add_card(struct form *form, const struct value *card, uint32_t index, bool only)
{
    const struct value *groups = value_member(card, "group_ids");
    const struct value *public = value_member(card, "public_ip");
    uint32_t number = index + 1;
    form_add_int(form, index, "NetworkInterface.%u.DeviceIndex", number);
    form_add(form, value_text(value_member(card, "subnet_id")), "NetworkInterface.%u.SubnetId",
             number);
    for (uint32_t i = 0; groups && groups->kind == VALUE_LIST && i < groups->count; i++) {
        form_add(form, value_text(&groups->items[i]), "NetworkInterface.%u.SecurityGroupId.%u",
                 number, i + 1);
    }
    form_add(form, value_text(value_member(card, "private_ip")),
             "NetworkInterface.%u.PrivateIpAddress", number);
    /* EC2 takes this parameter for a single card only, whatever its value. */
    if (only && public && public->kind == VALUE_BOOL) {
        form_add(form, public->boolean ? "true" : "false",
                 "NetworkInterface.%u.AssociatePublicIpAddress", number);
    }
    form_add(form, "true", "NetworkInterface.%u.DeleteOnTermination", number);
}

static void add_cards(struct form *form, const struct value *cards)
{
    for (uint32_t i = 0; cards && cards->kind == VALUE_LIST && i < cards->count; i++) {
        add_card(form, &cards->items[i], i, cards->count == 1);
    }
}

static void add_profile(struct form *form, const char *profile)
{
    if (profile) {
        bool arn = strncmp(profile, "arn:", 4) == 0;
        form_add(form, profile, "IamInstanceProfile.%s", arn ? "Arn" : "Name");
    }
}

void form_run_instance(struct form *form, const struct call *call)
{
    const char *tenancy = call_text(call, "tenancy");
    form_begin(form, AWS_SERVICE_EC2, "RunInstances");
    form_add(form, call_text(call, "image_id"), "ImageId");
    form_add(form, chosen_type(call), "InstanceType");
    form_add(form, "1", "MinCount");
    form_add(form, "1", "MaxCount");
    form_add(form, call->token, "ClientToken");
    form_add(form, call_text(call, "key_name"), "KeyName");
    add_profile(form, call_text(call, "iam_profile"));
    form_add(form, tenancy && strcmp(tenancy, "default") != 0 ? tenancy : NULL,
             "Placement.Tenancy");
    form_add(form, call_text(call, "capacity_reservation"),
             "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId");
    add_cards(form, call_input(call, "cards"));
    form_add_block_devices(form, call_input(call, "block_devices"));
    form_add_tags(form, call, "instance volume network-interface");
}

static void run_instance(struct operation *op)
{
    struct form form = {{0}};
    form_run_instance(&form, op->calls[0]);
    operation_send(op, "RunInstances", &form, true, BUCKET_NONE, on_run);
}

static bool is_over(const char *state)
{
    return strcmp(state, "terminated") == 0 || strcmp(state, "shutting-down") == 0;
}

struct search { /* the best of what is found: that of this very token, else any that lives */
    const struct call *call;
    const struct xml *best;
};

static void consider(struct search *search, const struct xml *instance)
{
    const char *state = xml_text(instance, "instanceState/name");
    const char *token = xml_text(instance, "clientToken");
    bool exact = token && search->call->token && strcmp(token, search->call->token) == 0;
    if (state && xml_text(instance, "instanceId") && !is_over(state) && (exact || !search->best)) {
        search->best = instance;
    }
}

static void on_instance_found(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    struct search search = {.call = op->calls[0]};
    for (const struct xml *one = xml_first(answer->xml, "reservationSet"); one; one = one->next) {
        for (const struct xml *item = xml_first(one, "instancesSet"); item; item = item->next) {
            consider(&search, item);
        }
    }
    if (search.best) {
        tell_instance(op, search.best);
    } else {
        operation_tell(op, 0, OUTCOME_ABSENT, NULL, "there is no instance of %s",
                       op->calls[0]->node->id);
    }
}

/* By tags: they are given with the very request, so they are there as soon as the instance is. */
static void find_instance(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeInstances");
    form_filter_made_by(&form, op->calls[0]);
    operation_send(op, "DescribeInstances", &form, false, BUCKET_EC2_DESCRIBE_INSTANCES,
                   on_instance_found);
}

const struct aws_action run_instance_action = {.start = run_instance, .lookup = find_instance};
