/* Target groups: instances put in, awaited, taken out. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/operation.h"

static const char *input_of(const struct operation *op, size_t i, const char *name)
{
    const char *text = call_text(op->calls[i], name);
    return text ? text : "";
}

static bool same_group(const struct call *a, const struct call *b)
{
    const char *of_a = call_text(a, "target_group"), *of_b = call_text(b, "target_group");
    return of_a && of_b && strcmp(of_a, of_b) == 0;
}

static bool is(const char *text, const char *other)
{
    return text && strcmp(text, other) == 0;
}

static bool registers(const struct operation *op)
{
    return op->calls[0]->node->action == ACTION_REGISTER_TARGET;
}

/* --- in and out --- */

struct targets {
    const char *input; /* what the group knows its targets by: instance_id or private_ip */
};

/* "The following targets are not in a running state": EC2 says it earlier than load balancers see
 * it. */
static bool is_too_early(const struct aws_answer *answer)
{
    return is(answer->error.code, "InvalidTarget") &&
           strstr(answer->error.message, "running state");
}

static void on_changed(struct operation *op, const struct aws_answer *answer)
{
    const struct targets *targets = op->state;
    bool gone =
        is(answer->error.code, "TargetGroupNotFound") || is(answer->error.code, "InvalidTarget");
    if (answer->outcome == OUTCOME_OK || (!registers(op) && gone && op->n == 1)) {
        operation_ok(op); /* what is not there is taken out already */
        return;
    }
    struct aws_answer told = *answer;
    told.outcome = is_too_early(answer) ? OUTCOME_CONFLICT : answer->outcome;
    operation_refused_named(op, &told, targets->input);
}

static void send_targets(struct operation *op)
{
    const struct targets *targets = op->state;
    const char *api = registers(op) ? "RegisterTargets" : "DeregisterTargets";
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_ELB, api);
    form_add(&form, input_of(op, 0, "target_group"), "TargetGroupArn");
    for (size_t i = 0; i < op->n; i++) {
        form_add(&form, input_of(op, i, targets->input), "Targets.member.%zu.Id", i + 1);
    }
    /* The executor has let this one through the gate already. */
    operation_send_form(op, AWS_SERVICE_ELB, api, &form, true, BUCKET_NONE, on_changed);
}

static void on_group(struct operation *op, const struct aws_answer *answer)
{
    struct targets *targets = op->state;
    const char *type =
        xml_text(answer->xml, "DescribeTargetGroupsResult/TargetGroups/member/TargetType");
    if (answer->outcome != OUTCOME_OK) {
        if (!registers(op) && is(answer->error.code, "TargetGroupNotFound")) {
            operation_ok(op); /* nothing is in it any more */
            return;
        }
        operation_refused(op, answer);
    } else if (is(type, "instance") || is(type, "ip")) {
        targets->input = is(type, "ip") ? "private_ip" : "instance_id";
        send_targets(op);
    } else {
        for (size_t i = 0; i < op->n; i++) {
            operation_tell(op, i, OUTCOME_FATAL,
                           "name a group of the target type instance or ip in target_groups",
                           "target group %s takes targets of the type %s, no instances",
                           input_of(op, i, "target_group"), type ? type : "that AWS does not tell");
        }
    }
}

static void change_targets(struct operation *op)
{
    struct form form = {{0}};
    op->state = ARENA_NEW(op->arena, struct targets);
    form_begin(&form, AWS_SERVICE_ELB, "DescribeTargetGroups");
    form_add(&form, input_of(op, 0, "target_group"), "TargetGroupArns.member.1");
    operation_send_form(op, AWS_SERVICE_ELB, "DescribeTargetGroups", &form, false,
                        BUCKET_ELB_DESCRIBE, on_group);
}

const struct aws_action register_target_action = {.start = change_targets, .together = same_group};
const struct aws_action deregister_target_action = {.start = change_targets,
                                                    .together = same_group};

/* --- awaited --- */

static const char *help_for(const char *reason)
{
    static const struct {
        const char *reason, *help;
    } known[] = {
        {"Target.ResponseCodeMismatch",
         "the VM answers the health check with another status: check the group's path and matcher, "
         "and what runs on the VM"},
        {"Target.Timeout",
         "the health check gets no answer: check the VM's security groups, and that its service "
         "listens on the group's port"},
        {"Target.FailedHealthChecks",
         "the connection of the health check fails: check the VM's security groups, and that its "
         "service listens on the group's port"},
        {"Target.NotInUse", "no listener of a load balancer sends to the group, or none in the "
                            "VM's zone: until then no "
                            "target of it gets healthy"},
        {"Target.IpUnusable", "the address is a load balancer's own"},
    };
    for (size_t i = 0; reason && i < sizeof known / sizeof *known; i++) {
        if (is(reason, known[i].reason)) {
            return known[i].help;
        }
    }
    return NULL;
}

static void see_health(struct operation *op, size_t i, const struct xml *target)
{
    const char *state = xml_text(target, "TargetHealth/State");
    const char *reason = xml_text(target, "TargetHealth/Reason");
    const char *description = xml_text(target, "TargetHealth/Description");
    if (is(state, "healthy")) {
        operation_result(op, i, &(struct call_result){.outcome = OUTCOME_OK});
        return;
    }
    const char *why = reason && description
                          ? arena_printf(op->arena, " (%s: %s)", reason, description)
                      : reason ? arena_printf(op->arena, " (%s)", reason)
                               : "";
    operation_tell(op, i, OUTCOME_PENDING, help_for(reason), "%s is %s in the target group%s",
                   input_of(op, i, "instance_id"), state ? state : "in no state", why);
}

/* The target of call i; one that is healthy, where a group has it on several ports. */
static const struct xml *target_of(const struct operation *op, size_t i, const struct xml *first)
{
    const struct xml *found = NULL;
    for (const struct xml *one = first; one; one = one->next) {
        const char *id = xml_text(one, "Target/Id");
        bool ours = is(id, input_of(op, i, "instance_id")) || is(id, input_of(op, i, "private_ip"));
        if (ours && (!found || is(xml_text(one, "TargetHealth/State"), "healthy"))) {
            found = one;
        }
    }
    return found;
}

static void on_health(struct operation *op, const struct aws_answer *answer)
{
    if (answer->outcome != OUTCOME_OK) {
        operation_refused(op, answer);
        return;
    }
    const struct xml *first =
        xml_first(answer->xml, "DescribeTargetHealthResult/TargetHealthDescriptions");
    for (size_t i = 0; i < op->n; i++) {
        const struct xml *target = target_of(op, i, first);
        if (target) {
            see_health(op, i, target);
        } else {
            operation_tell(
                op, i, OUTCOME_PENDING, "somebody took it out of the group: register it again",
                "%s is not registered with the target group", input_of(op, i, "instance_id"));
        }
    }
}

/* All targets of the group are told at once. */
static void poll_health(struct operation *op)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_ELB, "DescribeTargetHealth");
    form_add(&form, input_of(op, 0, "target_group"), "TargetGroupArn");
    operation_send_form(op, AWS_SERVICE_ELB, "DescribeTargetHealth", &form, false,
                        BUCKET_ELB_DESCRIBE, on_health);
}

const struct aws_action wait_target_healthy_action = {.poll = poll_health, .together = same_group};
