/* Images: registered over DR copies, awaited, deregistered. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/describe.h"
#include "runtime/aws/operation.h"
#include "runtime/aws/block_devices.h"

static void tell_image_id(struct operation *op, const char *id)
{
    struct call_result result = {
        .outcome = OUTCOME_OK, .outputs = {{"image_id", id}}, .output_count = 1};
    operation_result(op, 0, &result);
}

static void on_registered(struct operation *op, const struct aws_answer *answer)
{
    const char *id = answer->outcome == OUTCOME_OK ? xml_text(answer->xml, "imageId") : NULL;
    struct aws_answer told = *answer;
    if (id) {
        tell_image_id(op, id);
    } else if (answer->outcome == OUTCOME_OK) {
        operation_tell(op, 0, OUTCOME_UNKNOWN, NULL,
                       "ec2 RegisterImage: the answer has no imageId");
    } else {
        /* The name is the run's own: perhaps this very request made it. */
        if (answer->error.code && strcmp(answer->error.code, "InvalidAMIName.Duplicate") == 0) {
            told.outcome = OUTCOME_UNKNOWN;
        }
        operation_refused(op, &told);
    }
}

/* Unique in the account and region: what the graph calls the image, and the run's id. */
static const char *image_name(struct operation *op)
{
    const struct call *call = op->calls[0];
    return arena_printf(op->arena, "%s-%s", call_text(call, "name"), call->run_id);
}

static void register_image(struct operation *op)
{
    const struct call *call = op->calls[0];
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "RegisterImage");
    form_add(&form, image_name(op), "Name");
    form_add(&form, call_text(call, "architecture"), "Architecture");
    form_add(&form, call_text(call, "boot_mode"), "BootMode");
    form_add(&form, call_text(call, "root_device"), "RootDeviceName");
    form_add(&form, "hvm", "VirtualizationType");
    form_add(&form, "true", "EnaSupport");
    form_add_block_devices(&form, call_input(call, "block_devices"));
    form_add_tags(&form, call, "image");
    operation_send(op, "RegisterImage", &form, true, BUCKET_NONE, on_registered);
}

/* By its name, which is unique in the account and ends in the run's id. */
static void on_image_found(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    const struct call *call = op->calls[0];
    const struct xml *image = xml_first(answer->xml, "imagesSet");
    const char *id = xml_text(image, "imageId"), *run = image ? xml_tag(image, "drc:run") : NULL;
    const char *name = image_name(op);
    /* moto keeps no tags of images: then the name tells, which holds the run's id. */
    bool ours = !run || strcmp(run, call->run_id) == 0;
    if (!id) {
        operation_tell(op, 0, OUTCOME_ABSENT, NULL, "there is no image %s", name);
    } else if (ours) {
        tell_image_id(op, id);
    } else {
        operation_tell(op, 0, OUTCOME_FATAL, "deregister it if it is not needed any more",
                       "the image %s has the name %s already, and this run did not make it", id,
                       name);
    }
}

static void find_image(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeImages");
    form_add(&form, "self", "Owner.1");
    form_filter(&form, 1, "name", image_name(op));
    operation_send(op, "DescribeImages", &form, false, BUCKET_EC2_DESCRIBE_IMAGES, on_image_found);
}

const struct aws_action register_image_action = {.start = register_image, .lookup = find_image};

static void see_image(struct operation *op, size_t i, const struct xml *image)
{
    const char *id = call_text(op->calls[i], "image_id"), *state = xml_text(image, "imageState");
    struct call_result ok = {.outcome = OUTCOME_OK};
    if (state && strcmp(state, "available") == 0) {
        operation_result(op, i, &ok);
    } else if (!state || strcmp(state, "pending") == 0) {
        operation_tell(op, i, OUTCOME_PENDING, NULL, "%s is pending", id);
    } else {
        const char *reason = xml_text(image, "stateReason/message");
        operation_tell(op, i, OUTCOME_FATAL, "look at its snapshots, then resume",
                       "image %s is %s%s%s", id, state, reason ? ": " : "", reason ? reason : "");
    }
}

static void poll_image(struct operation *op)
{
    static const struct describe about = {.api = "DescribeImages",
                                          .id_parameter = "ImageId",
                                          .input = "image_id",
                                          .set = "imagesSet",
                                          .id_element = "imageId"};
    describe_poll(op, &about);
}

const struct aws_action wait_image_available_action = {.poll = poll_image, .see = see_image};

static void on_deregistered(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome == OUTCOME_OK || answer->outcome == OUTCOME_ABSENT) {
        operation_ok(op);
    } else {
        operation_refused(op, answer);
    }
}

static void deregister_image(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DeregisterImage");
    form_add(&form, call_text(op->calls[0], "image_id"), "ImageId");
    operation_send(op, "DeregisterImage", &form, true, BUCKET_NONE, on_deregistered);
}

const struct aws_action deregister_image_action = {.start = deregister_image};
