/* Instances: stopped, started (perhaps as another type), terminated; many in one request. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/operation.h"

/* Adds InstanceId.N of the calls without a result; how many. */
static size_t add_ids(struct operation *op, struct form *form)
{
    size_t count = 0;
    for (size_t i = 0; i < op->n; i++) {
        if (!op->answered[i]) {
            form_add(form, call_text(op->calls[i], "instance_id"), "InstanceId.%zu", ++count);
        }
    }
    return count;
}

static void on_power(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome == OUTCOME_OK) {
        operation_ok(op);
    } else {
        operation_refused_named(op, answer, "instance_id");
    }
}

static void send_power(struct operation *op, const char *api, enum bucket bucket,
                       operation_step next)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, api);
    add_ids(op, &form);
    operation_send(op, api, &form, true, bucket, next);
}

static void stop_instances(struct operation *op)
{
    send_power(op, "StopInstances", BUCKET_NONE, on_power);
}

const struct aws_action stop_instance_action = {.start = stop_instances};

/* An instance that is gone is as terminated as one can be. */
static void on_terminated(struct operation *op, const struct aws_answer *answer)
{
    struct call_result ok = {.outcome = OUTCOME_OK};
    if (answer->outcome == OUTCOME_ABSENT) {
        for (size_t i = 0; i < op->n; i++) {
            const char *id = call_text(op->calls[i], "instance_id");
            if (op->n == 1 || (id && strstr(answer->error.message, id))) {
                operation_result(op, i, &ok);
            }
        }
    }
    on_power(op, answer);
}

static void terminate_instances(struct operation *op)
{
    send_power(op, "TerminateInstances", BUCKET_NONE, on_terminated);
}

const struct aws_action terminate_instance_action = {.start = terminate_instances};

/* Of a start: which instance gets its next type now. */
struct retyping {
    size_t at;
};

static const char *wanted_type(const struct call *call)
{
    const struct value *types = call_input(call, "instance_types");
    if (call->choice <= 0 || !types || types->kind != VALUE_LIST ||
        (uint32_t)call->choice >= types->count) {
        return NULL;
    }
    return value_text(&types->items[call->choice]);
}

static void on_start(struct operation *op, const struct aws_answer *answer)
{
    on_power(op, answer);
}

static void retype_next(struct operation *op);

static void on_retyped(struct operation *op, const struct aws_answer *answer)
{
    struct retyping *retyping = op->state;
    if (answer->outcome != OUTCOME_OK) {
        operation_refused_one(op, retyping->at, answer);
    }
    retyping->at++;
    if (op->open > 0) {
        retype_next(op);
    }
}

/* The capacity of the first type was short: each instance becomes the chosen one while it is
 * stopped; when all are, they are started together. */
static void retype_next(struct operation *op)
{
    struct retyping *retyping = op->state;
    while (retyping->at < op->n && !wanted_type(op->calls[retyping->at])) {
        retyping->at++;
    }
    if (retyping->at == op->n) {
        /* The executor has let the start through the gate already. */
        send_power(op, "StartInstances", BUCKET_NONE, on_start);
        return;
    }
    const struct call *call = op->calls[retyping->at];
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "ModifyInstanceAttribute");
    form_add(&form, call_text(call, "instance_id"), "InstanceId");
    form_add(&form, wanted_type(call), "InstanceType.Value");
    operation_send(op, "ModifyInstanceAttribute", &form, true, BUCKET_EC2_MODIFY_INSTANCE_ATTRIBUTE,
                   on_retyped);
}

static void start_instances(struct operation *op)
{
    op->state = ARENA_NEW(op->arena, struct retyping);
    retype_next(op);
}

const struct aws_action start_instance_action = {.start = start_instances};
