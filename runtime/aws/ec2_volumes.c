/* EBS volumes: created, attached, detached, deleted, and awaited. */
#include <string.h>

#include "runtime/aws/describe.h"
#include "runtime/aws/operation.h"

#define KMS_HELP                                                                                   \
    "a volume that fails or vanishes right after its creation mostly means no access to its KMS "  \
    "key: check the key's policy and grants for the role that drc uses"

static void tell_volume_id(struct operation *op, size_t i, const char *id)
{
    struct call_result result = {
        .outcome = OUTCOME_OK, .outputs = {{"volume_id", id}}, .output_count = 1};
    operation_result(op, i, &result);
}

/* An answer that should have carried an id, and did not: what became of it has to be looked up. */
static void on_created(struct operation *op, const struct aws_answer *answer)
{
    const char *id = answer->outcome == OUTCOME_OK ? xml_text(answer->xml, "volumeId") : NULL;
    if (id) {
        tell_volume_id(op, 0, id);
    } else if (answer->outcome == OUTCOME_OK) {
        operation_tell(op, 0, OUTCOME_UNKNOWN, NULL,
                       "ec2 CreateVolume: the answer has no volumeId");
    } else {
        operation_refused(op, answer);
    }
}

static void add_number(struct form *form, const struct call *call, const char *input,
                       const char *parameter)
{
    int64_t number = call_int(call, input, 0);
    if (number > 0) {
        form_add_int(form, number, "%s", parameter);
    }
}

void form_create_volume(struct form *form, const struct call *call)
{
    const char *key = call_text(call, "kms_key");
    form_begin(form, AWS_SERVICE_EC2, "CreateVolume");
    form_add(form, call_text(call, "snapshot_id"), "SnapshotId");
    form_add(form, call_text(call, "zone"), "AvailabilityZone");
    form_add(form, call_text(call, "type"), "VolumeType");
    add_number(form, call, "size_gib", "Size");
    add_number(form, call, "iops", "Iops");
    add_number(form, call, "throughput", "Throughput");
    add_number(form, call, "initialization_rate", "VolumeInitializationRate");
    form_add(form, key ? "true" : NULL, "Encrypted");
    form_add(form, key, "KmsKeyId");
    form_add(form, call->token, "ClientToken");
    form_add_tags(form, call, "volume");
}

static void create_volume(struct operation *op)
{
    struct form form = {{0}};
    form_create_volume(&form, op->calls[0]);
    operation_send(op, "CreateVolume", &form, true, BUCKET_NONE, on_created);
}

static void on_volume_found(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    for (const struct xml *volume = xml_first(answer->xml, "volumeSet"); volume;
         volume = volume->next) {
        const char *state = xml_text(volume, "status"), *id = xml_text(volume, "volumeId");
        if (id && state && strcmp(state, "deleting") != 0 && strcmp(state, "deleted") != 0 &&
            strcmp(state, "error") != 0) {
            tell_volume_id(op, 0, id);
            return;
        }
    }
    operation_tell(op, 0, OUTCOME_ABSENT, NULL, "there is no volume of %s", op->calls[0]->node->id);
}

static void find_volume(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeVolumes");
    form_filter_made_by(&form, op->calls[0]);
    operation_send(op, "DescribeVolumes", &form, false, BUCKET_EC2_DESCRIBE_VOLUMES,
                   on_volume_found);
}

const struct aws_action create_volume_action = {.start = create_volume, .lookup = find_volume};

static const char *or_unknown(const char *text)
{
    return text ? text : "in no state that was told";
}

/* The attachment to the call's instance; NULL: none. */
static const struct xml *own_attachment(const struct call *call, const struct xml *volume)
{
    const char *instance = call_text(call, "instance_id");
    for (const struct xml *item = xml_first(volume, "attachmentSet"); item; item = item->next) {
        const char *id = xml_text(item, "instanceId");
        if (id && instance && strcmp(id, instance) == 0) {
            return item;
        }
    }
    return NULL;
}

static void see_available(struct operation *op, size_t i, const struct xml *volume)
{
    const char *id = call_text(op->calls[i], "volume_id");
    const char *state = or_unknown(xml_text(volume, "status"));
    struct call_result ok = {.outcome = OUTCOME_OK};
    if (strcmp(state, "available") == 0) {
        operation_result(op, i, &ok);
    } else if (strcmp(state, "creating") == 0 || strcmp(state, "in-use") == 0) {
        operation_tell(op, i, OUTCOME_PENDING, NULL, "%s is %s", id, state);
    } else {
        const char *reason = xml_text(volume, "statusMessage");
        operation_tell(op, i, OUTCOME_FATAL, KMS_HELP, "volume %s is %s%s%s", id, state,
                       reason ? ": " : "", reason ? reason : "");
    }
}

static void absent_volume(struct operation *op, size_t i, const struct aws_answer *answer)
{
    (void)answer;
    operation_tell(op, i, OUTCOME_ABSENT, KMS_HELP, "volume %s is not there",
                   call_text(op->calls[i], "volume_id"));
}

static void see_attached(struct operation *op, size_t i, const struct xml *volume)
{
    const struct call *call = op->calls[i];
    const struct xml *attachment = own_attachment(call, volume);
    const char *state = attachment ? xml_text(attachment, "status") : NULL;
    const char *status = or_unknown(xml_text(volume, "status"));
    struct call_result ok = {.outcome = OUTCOME_OK};
    if (state && strcmp(state, "attached") == 0) {
        operation_result(op, i, &ok);
    } else if (strncmp(status, "delet", 5) == 0 || strcmp(status, "error") == 0) {
        operation_tell_gone(op, i, KMS_HELP, "volume %s is %s", call_text(call, "volume_id"),
                            status);
    } else {
        operation_tell(op, i, OUTCOME_PENDING, NULL, "%s is %s", call_text(call, "volume_id"),
                       state ? state : status);
    }
}

#define ABOUT_VOLUMES                                                                              \
    .api = "DescribeVolumes", .id_parameter = "VolumeId", .input = "volume_id",                    \
    .set = "volumeSet", .id_element = "volumeId"

static void poll_volumes(struct operation *op)
{
    static const struct describe about = {ABOUT_VOLUMES};
    describe_poll(op, &about);
}

const struct aws_action wait_volume_available_action = {
    .poll = poll_volumes, .see = see_available, .absent = absent_volume};
const struct aws_action wait_volume_attached_action = {
    .poll = poll_volumes, .see = see_attached, .absent = absent_volume};

static bool has_code(const struct aws_answer *answer, const char *code)
{
    return answer->error.code && strcmp(answer->error.code, code) == 0;
}

static void on_attach(struct operation *op, const struct aws_answer *answer)
{
    struct aws_answer told = *answer;
    /* "Invalid value '/dev/sdf' for unixDevice. Attachment point /dev/sdf is already in use": its
     * last volume may still be on its way off. */
    if (has_code(answer, "InvalidParameterValue") &&
        strstr(answer->error.message, "already in use")) {
        told.outcome = OUTCOME_CONFLICT;
        told.error.help = "another volume has that device of the instance: detach it";
    }
    if (told.outcome == OUTCOME_OK) {
        operation_ok(op);
    } else {
        operation_refused(op, &told);
    }
}

static void attach_volume(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "AttachVolume");
    form_add(&form, call_text(op->calls[0], "volume_id"), "VolumeId");
    form_add(&form, call_text(op->calls[0], "instance_id"), "InstanceId");
    form_add(&form, call_text(op->calls[0], "device"), "Device");
    operation_send(op, "AttachVolume", &form, true, BUCKET_NONE, on_attach);
}

static void see_attachment(struct operation *op, size_t i, const struct xml *volume)
{
    const struct call *call = op->calls[i];
    const struct xml *attachment = own_attachment(call, volume);
    const char *state = attachment ? xml_text(attachment, "status") : NULL;
    const char *device = attachment ? xml_text(attachment, "device") : NULL;
    const char *wanted = call_text(call, "device");
    struct call_result ok = {.outcome = OUTCOME_OK};
    if (!state || strncmp(state, "detach", 6) == 0) {
        operation_tell(op, i, OUTCOME_ABSENT, NULL, "%s is not attached to %s",
                       call_text(call, "volume_id"), call_text(call, "instance_id"));
    } else if (device && wanted && strcmp(device, wanted) != 0) {
        operation_tell(op, i, OUTCOME_FATAL, "detach it, then resume",
                       "volume %s is attached to %s as %s, not as %s", call_text(call, "volume_id"),
                       call_text(call, "instance_id"), device, wanted);
    } else {
        operation_result(op, i, &ok);
    }
}

static void find_attachment(struct operation *op)
{
    static const struct describe about = {ABOUT_VOLUMES, .see = see_attachment};
    describe_poll(op, &about);
}

const struct aws_action attach_volume_action = {
    .start = attach_volume, .lookup = find_attachment, .absent = absent_volume};

/* What is gone already, or off already, is as it should be. */
static void on_detach(struct operation *op, const struct aws_answer *answer)
{
    bool off = answer->outcome == OUTCOME_ABSENT ||
               (has_code(answer, "IncorrectState") && strstr(answer->error.message, "available"));
    if (answer->outcome == OUTCOME_OK || off) {
        operation_ok(op);
    } else {
        operation_refused(op, answer);
    }
}

static void detach_volume(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DetachVolume");
    form_add(&form, call_text(op->calls[0], "volume_id"), "VolumeId");
    form_add(&form, call_text(op->calls[0], "instance_id"), "InstanceId");
    operation_send(op, "DetachVolume", &form, true, BUCKET_NONE, on_detach);
}

const struct aws_action detach_volume_action = {.start = detach_volume};

static void on_unauthorized_looked_at(struct operation *op, const struct aws_answer *answer)
{
    const char *id = call_text(op->calls[0], "volume_id");
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
    } else if (!xml_first(answer->xml, "volumeSet")) {
        operation_ok(op);
    } else {
        operation_tell(op, 0, OUTCOME_FATAL,
                       "allow that action for what has the plan's tag: \"drc plan permissions PLAN "
                       "WORKFLOW\" prints the policy",
                       "ec2 DeleteVolume: UnauthorizedOperation: %s may not be deleted", id);
    }
}

/* A policy that goes by the tags of things refuses what has gone, because it has no tags any more. By a
 * filter, because an id that is unknown is no error then. */
static void look_whether_gone(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeVolumes");
    form_filter(&form, 1, "volume-id", call_text(op->calls[0], "volume_id"));
    operation_send(op, "DescribeVolumes", &form, false, BUCKET_EC2_DESCRIBE_VOLUMES,
                   on_unauthorized_looked_at);
}

static void on_delete(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome == OUTCOME_OK || has_code(answer, "InvalidVolume.NotFound")) {
        operation_ok(op);
    } else if (has_code(answer, "UnauthorizedOperation")) {
        look_whether_gone(op);
    } else {
        operation_refused(op, answer);
    }
}

static void delete_volume(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DeleteVolume");
    form_add(&form, call_text(op->calls[0], "volume_id"), "VolumeId");
    operation_send(op, "DeleteVolume", &form, true, BUCKET_NONE, on_delete);
}

const struct aws_action delete_volume_action = {.start = delete_volume};
