#include "runtime/aws/operation.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "compiler/base/arena.h"

/* The SDKs wait 60 s for an answer. What is asked here is asked again without harm, or looked up
 * first, so half of that costs nothing but the doubt, and a lost answer half an RTO's minute. */
enum { TIMEOUT_MS = 30000 };

const struct aws_action *aws_action(enum action action)
{
    static const struct aws_action nothing = {NULL, NULL, NULL, NULL, NULL, NULL};
    static const struct aws_action *const table[ACTION_COUNT] = {
        [ACTION_CREATE_VOLUME] = &create_volume_action,
        [ACTION_WAIT_VOLUME_AVAILABLE] = &wait_volume_available_action,
        [ACTION_ATTACH_VOLUME] = &attach_volume_action,
        [ACTION_WAIT_VOLUME_ATTACHED] = &wait_volume_attached_action,
        [ACTION_DETACH_VOLUME] = &detach_volume_action,
        [ACTION_DELETE_VOLUME] = &delete_volume_action,
        [ACTION_RUN_INSTANCE] = &run_instance_action,
        [ACTION_WAIT_RUNNING] = &wait_running_action,
        [ACTION_STOP_INSTANCE] = &stop_instance_action,
        [ACTION_WAIT_STOPPED] = &wait_stopped_action,
        [ACTION_SET_DELETE_ON_TERMINATION] = &set_delete_on_termination_action,
        [ACTION_START_INSTANCE] = &start_instance_action,
        [ACTION_ASSOCIATE_ADDRESS] = &associate_address_action,
        [ACTION_CHECK_INSTANCE_STATUS] = &check_instance_status_action,
        [ACTION_TERMINATE_INSTANCE] = &terminate_instance_action,
        [ACTION_WAIT_TERMINATED] = &wait_terminated_action,
        [ACTION_REGISTER_IMAGE] = &register_image_action,
        [ACTION_WAIT_IMAGE_AVAILABLE] = &wait_image_available_action,
        [ACTION_DEREGISTER_IMAGE] = &deregister_image_action,
        [ACTION_START_SNAPSHOT] = &start_snapshot_action,
        [ACTION_COMPLETE_SNAPSHOT] = &complete_snapshot_action,
        [ACTION_WAIT_SNAPSHOT_COMPLETED] = &wait_snapshot_completed_action,
        [ACTION_CREATE_SNAPSHOT] = &create_snapshot_action,
        [ACTION_TAG_COPY] = &tag_copy_action,
        [ACTION_HOLD_COPY] = &hold_copy_action,
        [ACTION_RELEASE_COPY] = &release_copy_action,
        [ACTION_DELETE_SNAPSHOT] = &delete_snapshot_action,
        [ACTION_REGISTER_TARGET] = &register_target_action,
        [ACTION_WAIT_TARGET_HEALTHY] = &wait_target_healthy_action,
        [ACTION_DEREGISTER_TARGET] = &deregister_target_action,
        [ACTION_GET_RECORD_SET] = &get_record_set_action,
        [ACTION_CHANGE_RECORD_SET] = &change_record_set_action,
        [ACTION_RESTORE_RECORD_SET] = &restore_record_set_action,
        [ACTION_WAIT_RECORD_SET] = &wait_record_set_action,
        [ACTION_INJECT] = &inject_action,
        [ACTION_WAIT_INJECTED] = &wait_injected_action,
        [ACTION_WAIT_AGENT] = &wait_agent_action,
        [ACTION_SEND_SCRIPT] = &send_script_action,
        [ACTION_SEND_CHECK] = &send_check_action,
        [ACTION_WAIT_SCRIPT] = &wait_script_action,
    };
    return table[action] ? table[action] : &nothing;
}

struct operation *operation_create(struct aws_client *client, struct operation **list,
                                   struct call **calls, size_t n, call_done done, void *context)
{
    struct arena *arena = arena_create();
    struct operation *op = ARENA_NEW(arena, struct operation);
    op->client = client;
    op->arena = arena;
    op->calls = ARENA_ARRAY(arena, struct call *, n);
    op->priority = calls[0]->priority;
    for (size_t i = 0; i < n; i++) {
        op->calls[i] = calls[i];
        op->priority = calls[i]->priority < op->priority ? calls[i]->priority : op->priority;
    }
    op->n = op->open = n;
    op->answered = ARENA_ARRAY(arena, bool, n);
    op->done = done;
    op->context = context;
    op->list = list;
    DL_APPEND2(*list, op, prev, following);
    return op;
}

void operation_destroy(struct operation *op)
{
    if (op->sent) {
        aws_client_cancel(op->sent);
    }
    if (op->task) {
        world_cancel(aws_client_world(op->client), op->task);
    }
    DL_DELETE2(*op->list, op, prev, following);
    arena_destroy(op->arena);
}

static void on_answer(void *context, const struct aws_answer *answer)
{
    struct operation *op = context;
    op->sent = NULL;
    op->requests += answer->requests;
    op->next(op, answer);
    if (op->open == 0) {
        operation_destroy(op);
    }
}

static void send(struct operation *op, const struct aws_client_request *request,
                 operation_step next)
{
    op->next = next;
    op->service = request->service;
    op->gated = request->bucket != BUCKET_NONE;
    op->sent = aws_client_send(op->client, request, on_answer, op);
}

void operation_send(struct operation *op, const char *api, struct form *form, bool changes,
                    enum bucket bucket, operation_step next)
{
    operation_send_form(op, AWS_SERVICE_EC2, api, form, changes, bucket, next);
}

void operation_send_form(struct operation *op, enum aws_service service, const char *api,
                         struct form *form, bool changes, enum bucket bucket, operation_step next)
{
    struct aws_client_request request = {.service = service,
                                         .operation = api,
                                         .changes = changes,
                                         .body = buffer_text(&form->body),
                                         .body_length = form->body.length,
                                         .bucket = bucket,
                                         .priority = op->priority,
                                         .timeout_ms = TIMEOUT_MS};
    send(op, &request, next);
    buffer_free(&form->body);
}

void operation_send_json(struct operation *op, enum aws_service service, const char *api,
                         const char *json, bool changes, enum bucket bucket, operation_step next)
{
    struct aws_client_request request = {.service = service,
                                         .operation = api,
                                         .changes = changes,
                                         .body = json,
                                         .body_length = strlen(json),
                                         .bucket = bucket,
                                         .priority = op->priority,
                                         .timeout_ms = TIMEOUT_MS};
    send(op, &request, next);
}

void operation_send_rest(struct operation *op, const struct aws_client_request *request,
                         operation_step next)
{
    struct aws_client_request own = *request;
    own.priority = op->priority;
    own.timeout_ms = TIMEOUT_MS;
    send(op, &own, next);
}

void operation_result(struct operation *op, size_t i, const struct call_result *result)
{
    if (op->answered[i]) {
        return;
    }
    struct call_result told = *result;
    told.requests = op->requests;
    op->requests = 0;
    op->answered[i] = true;
    op->open--;
    op->done(op->context, op->calls[i], &told);
}

void operation_ok(struct operation *op)
{
    struct call_result result = {.outcome = OUTCOME_OK};
    for (size_t i = 0; i < op->n; i++) {
        operation_result(op, i, &result);
    }
}

void operation_refused_one(struct operation *op, size_t i, const struct aws_answer *answer)
{
    struct call_result result = {.outcome = answer->outcome,
                                 .error = answer->error,
                                 .retry_after_ms = answer->retry_after_ms,
                                 .told_gate = op->gated};
    operation_result(op, i, &result);
}

void operation_refused(struct operation *op, const struct aws_answer *answer)
{
    for (size_t i = 0; i < op->n; i++) {
        operation_refused_one(op, i, answer);
    }
}

static void tell(struct operation *op, size_t i, const struct call_result *result,
                 const char *format, va_list args)
{
    struct buffer message = {0};
    struct call_result told = *result;
    buffer_vprintf(&message, format, args);
    told.error.service = aws_service_info(op->service)->name;
    told.error.message = buffer_text(&message);
    operation_result(op, i, &told);
    buffer_free(&message);
}

void operation_tell(struct operation *op, size_t i, enum outcome outcome, const char *help,
                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(op, i, &(struct call_result){.outcome = outcome, .error = {.help = help}}, format, args);
    va_end(args);
}

void operation_tell_gone(struct operation *op, size_t i, const char *help, const char *format, ...)
{
    struct call_result result = {.outcome = OUTCOME_FATAL, .error = {.help = help, .gone = true}};
    va_list args;
    va_start(args, format);
    tell(op, i, &result, format, args);
    va_end(args);
}

void operation_refused_named(struct operation *op, const struct aws_answer *answer,
                             const char *name)
{
    const char *message = answer->error.message ? answer->error.message : "";
    bool any = false;
    for (size_t i = 0; i < op->n; i++) {
        const char *id = call_text(op->calls[i], name);
        if (op->n > 1 && id && strstr(message, id)) {
            any = true;
            operation_refused_one(op, i, answer);
        }
    }
    struct aws_answer again = *answer;
    again.outcome = any ? OUTCOME_RETRY : answer->outcome;
    operation_refused(op, &again);
}

static void add_tag(struct form *form, int specification, int *number, const char *key,
                    const char *value)
{
    form_add(form, key, "TagSpecification.%d.Tag.%d.Key", specification, *number);
    form_add(form, value, "TagSpecification.%d.Tag.%d.Value", specification, *number);
    (*number)++;
}

static void add_own_tags(struct form *form, const struct call *call, int specification, int *number)
{
    const struct graph_node *node = call->node;
    const struct graph *graph = call->graph;
    add_tag(form, specification, number, "drc:plan", graph->plan_name);
    if (node->vm != NO_VM) {
        add_tag(form, specification, number, "drc:vm", graph->vms[node->vm].name);
    }
    add_tag(form, specification, number, "drc:run", call->run_id);
    add_tag(form, specification, number, "drc:node", node->id);
    add_tag(form, specification, number, "drc:workflow", workflow_name(graph->workflow));
    int64_t disk = call_int(call, "disk", -1);
    if (disk >= 0) {
        form_add(form, "drc:disk", "TagSpecification.%d.Tag.%d.Key", specification, *number);
        form_add_int(form, disk, "TagSpecification.%d.Tag.%d.Value", specification, *number);
        (*number)++;
    }
}

void form_add_tags(struct form *form, const struct call *call, const char *types)
{
    const struct value *tags = call_input(call, "tags");
    for (int specification = 1; *types; specification++) {
        size_t length = strcspn(types, " ");
        int number = 1;
        buffer_printf(&form->body, "&TagSpecification.%d.ResourceType=%.*s", specification,
                      (int)length, types);
        add_own_tags(form, call, specification, &number);
        for (uint32_t i = 0; tags && tags->kind == VALUE_MAP && i < tags->count; i++) {
            const char *value = value_text(&tags->items[i]);
            if (value && strncmp(tags->keys[i], "drc:", 4) != 0) {
                add_tag(form, specification, &number, tags->keys[i], value);
            }
        }
        types += length + (types[length] == ' ');
    }
}

void form_filter_made_by(struct form *form, const struct call *call)
{
    form_filter(form, 1, "tag:drc:run", call->run_id);
    form_filter(form, 2, "tag:drc:node", call->node->id);
}
