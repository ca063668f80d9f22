/* EBS direct APIs: snapshots begun and sealed. (Their blocks: ebs_target.c.)
 * Source: "EBS direct APIs" reference, StartSnapshot, CompleteSnapshot. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/json_writer.h"
#include "runtime/aws/operation.h"

enum { TIMEOUT_MIN = 4320 }; /* the most: a run may be resumed days later */

/* --- start --- */

static void tell_snapshot(struct operation *op, const char *id)
{
    struct call_result result = {
        .outcome = OUTCOME_OK, .outputs = {{"snapshot_id", id}}, .output_count = 1};
    operation_result(op, 0, &result);
}

static bool has_reason(const struct aws_answer *answer, const char *word)
{
    return answer->reason && strcmp(answer->reason, word) == 0;
}

/* What a refused snapshot mostly means. */
static const char *help_for(const struct call *call, const struct aws_answer *answer)
{
    const char *message = answer->error.message ? answer->error.message : "";
    if (call_text(call, "parent_snapshot_id") &&
        (strstr(message, "ncrypt") || strstr(message, "arent") ||
         has_reason(answer, "SNAPSHOT_NOT_FOUND"))) {
        return "the last DR copy cannot be built upon (it is gone, not completed, or encrypted "
               "otherwise): start a new run with drc plan apply, which copies the whole disk then";
    }
    if (has_reason(answer, "INVALID_CUSTOMER_KEY") || has_reason(answer, "DEPENDENCY_ACCESS_DENIED") ||
        has_reason(answer, "GRANT_NOT_FOUND")) {
        return "check the KMS key's state, policy and grants for the role that drc uses";
    }
    return answer->error.help;
}

static void on_started(struct operation *op, const struct aws_answer *answer)
{
    const char *id = answer->outcome == OUTCOME_OK ? json_text(answer->json, "SnapshotId") : NULL;
    struct aws_answer told = *answer;
    if (id) {
        tell_snapshot(op, id);
    } else if (answer->outcome == OUTCOME_OK) {
        operation_tell(op, 0, OUTCOME_UNKNOWN, NULL, "ebs StartSnapshot: the answer has no SnapshotId");
    } else {
        told.error.help = help_for(op->calls[0], answer);
        if (has_reason(answer, "DEPENDENCY_SERVICE_QUOTA_EXCEEDED")) {
            told.outcome = OUTCOME_THROTTLED;
        }
        operation_refused(op, &told);
    }
}

static void put_tag(struct json_writer *json, const char *key, const char *value)
{
    json_begin_object(json);
    json_key_string(json, "Key", key);
    json_key(json, "Value");
    json_string(json, value);
    json_end_object(json);
}

static void put_tags(struct json_writer *json, const struct call *call)
{
    const struct value *tags = call_input(call, "tags");
    int32_t vm = call->node->vm;
    char number[24];
    json_key(json, "Tags");
    json_begin_array(json);
    put_tag(json, "drc:plan", call->graph->plan_name);
    if (vm != NO_VM) {
        put_tag(json, "drc:vm", call->graph->vms[vm].name);
    }
    put_tag(json, "drc:run", call->run_id);
    put_tag(json, "drc:node", call->node->id);
    put_tag(json, "drc:workflow", workflow_name(call->graph->workflow));
    snprintf(number, sizeof number, "%" PRId64, call_int(call, "disk", 0));
    put_tag(json, "drc:disk", number);
    if (call->generation > 0) { /* so that a lookup does not find the one before */
        snprintf(number, sizeof number, "%d", call->generation);
        put_tag(json, "drc:generation", number);
    }
    for (uint32_t i = 0; tags && tags->kind == VALUE_MAP && i < tags->count; i++) {
        const char *value = value_text(&tags->items[i]);
        if (value && strncmp(tags->keys[i], "drc:", 4) != 0) {
            put_tag(json, tags->keys[i], value);
        }
    }
    json_end_array(json);
}

static const char *description(struct operation *op)
{
    const struct call *call = op->calls[0];
    int32_t vm = call->node->vm;
    return arena_printf(op->arena, "drc: %s/%s, disk %" PRId64, call->graph->plan_name,
                        vm == NO_VM ? "" : call->graph->vms[vm].name, call_int(call, "disk", 0));
}

/* A parent's key is inherited: Encrypted or KmsKeyArn beside it is a ValidationException. */
static void put_request(struct operation *op, struct buffer *out)
{
    const struct call *call = op->calls[0];
    const char *parent = call_text(call, "parent_snapshot_id"), *key = call_text(call, "kms_key");
    struct json_writer json = json_writer(out, 0);
    json_begin_object(&json);
    json_key_int(&json, "VolumeSize", call_int(call, "size_gib", 0));
    json_key_string(&json, "ParentSnapshotId", parent);
    json_key_string(&json, "ClientToken", call->token);
    json_key_string(&json, "Description", description(op));
    json_key_int(&json, "Timeout", TIMEOUT_MIN);
    if (key && !parent) {
        json_key_bool(&json, "Encrypted", true);
        json_key_string(&json, "KmsKeyArn", key);
    }
    put_tags(&json, call);
    json_end_object(&json);
}

static void no_arn(void *context)
{
    struct operation *op = context;
    op->task = NULL;
    op->service = AWS_SERVICE_EBS;
    operation_tell(op, 0, OUTCOME_FATAL, "name the key by its ARN (arn:…:key/…)",
                   "StartSnapshot takes the ARN of a KMS key, not \"%s\"",
                   call_text(op->calls[0], "kms_key"));
    operation_destroy(op);
}

static void start_snapshot(struct operation *op)
{
    const char *key = call_text(op->calls[0], "kms_key");
    if (key && (strncmp(key, "arn:", 4) != 0 || !strstr(key, ":key/"))) {
        op->task = world_timer(aws_client_world(op->client), 0, no_arn, op);
        return;
    }
    struct buffer body = {0};
    put_request(op, &body);
    static const struct http_header headers[] = {{"Content-Type", "application/json"}};
    struct aws_client_request request = {.service = AWS_SERVICE_EBS,
                                         .operation = "StartSnapshot",
                                         .changes = true,
                                         .rest = {.method = "POST",
                                                  .path = "/snapshots",
                                                  .headers = headers,
                                                  .header_count = 1},
                                         .body = buffer_text(&body),
                                         .body_length = body.length};
    operation_send_rest(op, &request, on_started);
    buffer_free(&body);
}

/* --- what became of it --- */

static bool is_of_generation(const struct call *call, const struct xml *snapshot)
{
    const char *tag = xml_tag(snapshot, "drc:generation");
    char number[24];
    snprintf(number, sizeof number, "%d", call->generation);
    return strcmp(tag ? tag : "0", number) == 0;
}

static void on_found(struct operation *op, const struct aws_answer *answer)
{
    const struct call *call = op->calls[0];
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    for (const struct xml *one = xml_first(answer->xml, "snapshotSet"); one; one = one->next) {
        const char *id = xml_text(one, "snapshotId"), *state = xml_text(one, "status");
        if (id && state && strcmp(state, "error") != 0 && is_of_generation(call, one)) {
            tell_snapshot(op, id);
            return;
        }
    }
    operation_tell(op, 0, OUTCOME_ABSENT, NULL, "there is no snapshot of %s", call->node->id);
}

static void find_snapshot(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "DescribeSnapshots");
    form_add(&form, "self", "Owner.1");
    form_filter_made_by(&form, op->calls[0]);
    operation_send(op, "DescribeSnapshots", &form, false, BUCKET_EC2_DESCRIBE_SNAPSHOTS, on_found);
}

const struct aws_action start_snapshot_action = {.start = start_snapshot, .lookup = find_snapshot};

/* --- complete --- */

struct sealing {
    struct aws_answer refusal; /* why it could not be; texts in the operation's arena */
};

static const char *copied(struct operation *op, const char *text)
{
    return text ? arena_strdup(op->arena, text) : NULL;
}

/* One that is completed already was completed by an earlier try of this very call. */
static void on_looked_at(struct operation *op, const struct aws_answer *answer)
{
    struct sealing *sealing = op->state;
    const struct xml *one =
        answer->outcome == OUTCOME_OK ? xml_first(answer->xml, "snapshotSet") : NULL;
    const char *state = xml_text(one, "status"), *why = xml_text(one, "statusMessage");
    const char *id = call_text(op->calls[0], "snapshot_id");
    if (state && strcmp(state, "completed") == 0) {
        operation_ok(op);
    } else if (state && strcmp(state, "error") == 0) {
        operation_tell_gone(op, 0, "drc run resume copies this disk anew",
                            "snapshot %s is in state error: %s", id, why ? why : "EBS tells no reason");
    } else if (answer->outcome == OUTCOME_OK || answer->error.code) {
        sealing->refusal.error.gone = !state;
        operation_refused(op, &sealing->refusal);
    } else {
        operation_refused(op, answer);
    }
}

static void look_at(struct operation *op, const struct aws_answer *refusal)
{
    struct sealing *sealing = ARENA_NEW(op->arena, struct sealing);
    struct form form = {{0}};
    sealing->refusal = (struct aws_answer){.outcome = refusal->outcome, .error = refusal->error};
    struct call_error *error = &sealing->refusal.error;
    error->message = copied(op, error->message);
    error->code = copied(op, error->code);
    error->request_id = copied(op, error->request_id);
    bool differs =
        error->code && strcmp(error->code, "ValidationException") == 0 && !error->help;
    error->help = differs ? "EBS holds other blocks than were sent: drc run cleanup deletes the snapshot, "
                            "and a new run copies the disk anew"
                          : copied(op, error->help);
    op->state = sealing;
    form_begin(&form, AWS_SERVICE_EC2, "DescribeSnapshots");
    form_add(&form, call_text(op->calls[0], "snapshot_id"), "SnapshotId.1");
    operation_send(op, "DescribeSnapshots", &form, false, BUCKET_EC2_DESCRIBE_SNAPSHOTS, on_looked_at);
}

static void on_sealed(struct operation *op, const struct aws_answer *answer)
{
    bool refused = answer->outcome == OUTCOME_FATAL || answer->outcome == OUTCOME_ABSENT ||
                   answer->outcome == OUTCOME_CONFLICT || answer->outcome == OUTCOME_UNKNOWN;
    if (answer->outcome == OUTCOME_OK) {
        operation_ok(op);
    } else if (refused && answer->error.code) {
        look_at(op, answer);
    } else {
        operation_refused(op, answer);
    }
}

static void complete_snapshot(struct operation *op)
{
    const struct call *call = op->calls[0];
    struct buffer path = {0};
    buffer_puts(&path, "/snapshots/completion/");
    uri_encode(&path, call_text(call, "snapshot_id"), false);
    const struct http_header headers[] = {
        {"x-amz-ChangedBlocksCount", call_text(call, "changed_blocks")},
        {"x-amz-Checksum", call_text(call, "checksum")},
        {"x-amz-Checksum-Algorithm", "SHA256"},
        {"x-amz-Checksum-Aggregation-Method", "LINEAR"},
    };
    struct aws_client_request request = {
        .service = AWS_SERVICE_EBS,
        .operation = "CompleteSnapshot",
        .changes = true,
        .rest = {.method = "POST",
                 .path = buffer_text(&path),
                 .headers = headers,
                 .header_count = 4}};
    operation_send_rest(op, &request, on_sealed);
    buffer_free(&path);
}

const struct aws_action complete_snapshot_action = {.start = complete_snapshot};
