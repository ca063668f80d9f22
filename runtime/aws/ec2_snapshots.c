/* Snapshots as EC2 sees them: of a volume, awaited, tagged as DR copies, held, released, deleted. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/describe.h"
#include "runtime/aws/operation.h"

static const char *snapshot_of(const struct operation *op, size_t i)
{
    const char *id = call_text(op->calls[i], "snapshot_id");
    return id ? id : "";
}

static bool has_code(const struct aws_answer *answer, const char *code)
{
    return answer->error.code && strcmp(answer->error.code, code) == 0;
}

/* --- of a volume --- */

static void tell_snapshot(struct operation *op, const char *id)
{
    struct call_result result = {
        .outcome = OUTCOME_OK, .outputs = {{"snapshot_id", id}}, .output_count = 1};
    operation_result(op, 0, &result);
}

static void on_created(struct operation *op, const struct aws_answer *answer)
{
    const char *id = answer->outcome == OUTCOME_OK ? xml_text(answer->xml, "snapshotId") : NULL;
    if (id) {
        tell_snapshot(op, id);
    } else if (answer->outcome == OUTCOME_OK) {
        operation_tell(op, 0, OUTCOME_UNKNOWN, NULL, "ec2 CreateSnapshot: the answer has no snapshotId");
    } else {
        operation_refused(op, answer);
    }
}

/* CreateSnapshot takes no client token: the tags that it is given at once are how it is found again. */
static void create_snapshot(struct operation *op)
{
    const struct call *call = op->calls[0];
    int32_t vm = call->node->vm;
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "CreateSnapshot");
    form_add(&form, call_text(call, "volume_id"), "VolumeId");
    form_add(&form, arena_printf(op->arena, "drc: %s/%s, disk %" PRId64 ", drivers injected",
                                 call->graph->plan_name, vm == NO_VM ? "" : call->graph->vms[vm].name,
                                 call_int(call, "disk", 0)),
             "Description");
    form_add_tags(&form, call, "snapshot");
    operation_send(op, "CreateSnapshot", &form, true, BUCKET_NONE, on_created);
}

static void on_snapshot_found(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    for (const struct xml *one = xml_first(answer->xml, "snapshotSet"); one; one = one->next) {
        const char *id = xml_text(one, "snapshotId"), *state = xml_text(one, "status");
        if (id && state && strcmp(state, "error") != 0) {
            tell_snapshot(op, id);
            return;
        }
    }
    operation_tell(op, 0, OUTCOME_ABSENT, NULL, "there is no snapshot of %s", op->calls[0]->node->id);
}

/* Of this volume: where the node is done anew, the one before was of another. */
static void find_snapshot(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeSnapshots");
    form_add(&form, "self", "Owner.1");
    form_filter_made_by(&form, op->calls[0]);
    form_filter(&form, 3, "volume-id", call_text(op->calls[0], "volume_id"));
    operation_send(op, "DescribeSnapshots", &form, false, BUCKET_EC2_DESCRIBE_SNAPSHOTS,
                   on_snapshot_found);
}

const struct aws_action create_snapshot_action = {.start = create_snapshot, .lookup = find_snapshot};

/* --- awaited --- */

static void see_completed(struct operation *op, size_t i, const struct xml *snapshot)
{
    const char *state = xml_text(snapshot, "status"), *why = xml_text(snapshot, "statusMessage");
    const char *progress = xml_text(snapshot, "progress");
    struct call_result ok = {.outcome = OUTCOME_OK};
    if (state && strcmp(state, "completed") == 0) {
        operation_result(op, i, &ok);
    } else if (!state || strcmp(state, "pending") == 0) {
        operation_tell(op, i, OUTCOME_PENDING, NULL, "%s is %s%s%s", snapshot_of(op, i),
                       state ? state : "in no state that was told", progress ? ", " : "",
                       progress ? progress : "");
    } else {
        operation_tell_gone(op, i,
                            "drc run resume copies this disk anew; with a KMS key, check its policy "
                            "and grants for the role that drc uses",
                            "snapshot %s is in state %s: %s", snapshot_of(op, i), state,
                            why ? why : "EBS tells no reason");
    }
}

/* Absent for good is gone: it has to be made anew. */
static void absent_snapshot(struct operation *op, size_t i, const struct aws_answer *answer)
{
    (void)answer;
    struct call_result result = {
        .outcome = OUTCOME_ABSENT,
        .error = {.service = "ec2",
                  .message = arena_printf(op->arena, "snapshot %s is not there", snapshot_of(op, i)),
                  .help = "it was deleted meanwhile: drc run resume copies this disk anew",
                  .gone = true}};
    operation_result(op, i, &result);
}

static void poll_snapshots(struct operation *op)
{
    static const struct describe about = {.api = "DescribeSnapshots",
                                          .id_parameter = "SnapshotId",
                                          .input = "snapshot_id",
                                          .set = "snapshotSet",
                                          .id_element = "snapshotId",
                                          .absent_code = "InvalidSnapshot.NotFound"};
    describe_poll(op, &about);
}

const struct aws_action wait_snapshot_completed_action = {
    .poll = poll_snapshots, .see = see_completed, .absent = absent_snapshot};

/* --- tags --- */

static void tag(struct form *form, int *number, const char *key, const char *value)
{
    form_add(form, key, "Tag.%d.Key", *number);
    form_add(form, value, "Tag.%d.Value", *number);
    (*number)++;
}

static void on_tagged(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome == OUTCOME_OK) {
        operation_ok(op);
    } else {
        operation_refused_named(op, answer, "snapshot_id");
    }
}

/* drc:plan, drc:vm, drc:run and drc:node it has from its beginning; drc:disk too, but a copy is not
 * found without it. */
static void tag_copy(struct operation *op)
{
    const struct call *call = op->calls[0];
    const struct value *tags = call_input(call, "tags");
    struct form form = {{0}};
    int number = 1;
    form_begin(&form, AWS_SERVICE_EC2, "CreateTags");
    form_add(&form, snapshot_of(op, 0), "ResourceId.1");
    tag(&form, &number, "drc:disk", arena_printf(op->arena, "%" PRId64, call_int(call, "disk", 0)));
    for (uint32_t i = 0; tags && tags->kind == VALUE_MAP && i < tags->count; i++) {
        const char *value = value_text(&tags->items[i]);
        if (value) {
            tag(&form, &number, tags->keys[i], value);
        }
    }
    operation_send(op, "CreateTags", &form, true, BUCKET_NONE, on_tagged);
}

const struct aws_action tag_copy_action = {.start = tag_copy};

/* --- holds --- */

static const char HOLD[] = "drc:hold:";

/* Several calls of one batch may be about one snapshot: EC2 refuses an id given twice. */
static void add_snapshots(struct operation *op, struct form *form)
{
    int number = 1;
    for (size_t i = 0; i < op->n; i++) {
        bool again = false;
        for (size_t j = 0; j < i && !again; j++) {
            again = strcmp(snapshot_of(op, j), snapshot_of(op, i)) == 0;
        }
        if (!again) {
            form_add(form, snapshot_of(op, i), "ResourceId.%d", number++);
        }
    }
}

static void hold(struct operation *op)
{
    const struct call *call = op->calls[0];
    struct form form = {{0}};
    int number = 1;
    form_begin(&form, AWS_SERVICE_EC2, "CreateTags");
    add_snapshots(op, &form);
    tag(&form, &number, arena_printf(op->arena, "%s%s", HOLD, call->run_id),
        workflow_name(call->graph->workflow));
    operation_send(op, "CreateTags", &form, true, BUCKET_NONE, on_tagged);
}

const struct aws_action hold_copy_action = {.start = hold};

/* What is not there holds nothing. */
static void on_released(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome == OUTCOME_OK ||
        (op->n == 1 && has_code(answer, "InvalidSnapshot.NotFound"))) {
        operation_ok(op);
    } else {
        operation_refused(op, answer); /* a batch is halved then */
    }
}

static void release(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DeleteTags");
    add_snapshots(op, &form);
    form_add(&form, arena_printf(op->arena, "%s%s", HOLD, op->calls[0]->run_id), "Tag.1.Key");
    operation_send(op, "DeleteTags", &form, true, BUCKET_NONE, on_released);
}

const struct aws_action release_copy_action = {.start = release};

/* --- deleted --- */

/* It stays, and that is as it should be: the next replication finds it again. */
static void keep(struct operation *op, const char *why)
{
    struct call *call = op->calls[0];
    const char *text = arena_printf(op->arena, "%s is kept: %s", snapshot_of(op, 0), why);
    if (call->note) {
        call->note(call, &(struct call_note){.text = text});
    }
    struct call_result result = {.outcome = OUTCOME_OK, .outputs = {{"kept", why}}, .output_count = 1};
    operation_result(op, 0, &result);
}

static void on_deleted(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome == OUTCOME_OK || has_code(answer, "InvalidSnapshot.NotFound")) {
        operation_ok(op);
    } else if (has_code(answer, "InvalidSnapshot.InUse")) {
        keep(op, answer->error.message);
    } else {
        operation_refused(op, answer);
    }
}

/* The run that holds it, other than this one; NULL: none. */
static const char *other_holder(struct operation *op, const struct xml *snapshot)
{
    for (const struct xml *item = xml_first(snapshot, "tagSet"); item; item = item->next) {
        const char *key = xml_text(item, "key");
        if (key && strncmp(key, HOLD, sizeof HOLD - 1) == 0 &&
            strcmp(key + sizeof HOLD - 1, op->calls[0]->run_id) != 0) {
            return key + sizeof HOLD - 1;
        }
    }
    return NULL;
}

static void delete_now(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DeleteSnapshot");
    form_add(&form, snapshot_of(op, 0), "SnapshotId");
    operation_send(op, "DeleteSnapshot", &form, true, BUCKET_NONE, on_deleted);
}

/* Right before: a failover may have begun to use it since it was chosen. */
static void on_described(struct operation *op, const struct aws_answer *answer)
{
    const struct xml *one =
        answer->outcome == OUTCOME_OK ? xml_first(answer->xml, "snapshotSet") : NULL;
    const char *plan = one ? xml_tag(one, "drc:plan") : NULL;
    const char *holder = one ? other_holder(op, one) : NULL;
    if (has_code(answer, "InvalidSnapshot.NotFound") || (answer->outcome == OUTCOME_OK && !one)) {
        operation_ok(op);
    } else if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
    } else if (!plan || strcmp(plan, op->calls[0]->graph->plan_name) != 0) {
        operation_tell(op, 0, OUTCOME_FATAL, "drc deletes only what carries its plan's tag",
                       "%s is no snapshot of this plan (drc:plan is %s)", snapshot_of(op, 0),
                       plan ? plan : "not there");
    } else if (holder) {
        keep(op, arena_printf(op->arena, "run %s holds it", holder));
    } else {
        delete_now(op);
    }
}

static void delete_snapshot(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeSnapshots");
    form_add(&form, snapshot_of(op, 0), "SnapshotId.1");
    operation_send(op, "DescribeSnapshots", &form, false, BUCKET_EC2_DESCRIBE_SNAPSHOTS, on_described);
}

const struct aws_action delete_snapshot_action = {.start = delete_snapshot};
