/* Target groups that VMs are registered with: there, of the VMs' VPC, and in use by a load
 * balancer. */
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/aws/preflight.h"

struct group {
    struct preflight_topic topic;
};

static void on_group(void *context, const struct aws_answer *answer)
{
    struct group *group = context;
    struct preflight *preflight = group->topic.preflight;
    const char *subject = group->topic.subject;
    const char *wanted = preflight->network->vpc.value;
    const struct xml *found = xml_at(answer->xml, "DescribeTargetGroupsResult/TargetGroups/member");
    const char *vpc = xml_text(found, "VpcId"), *type = xml_text(found, "TargetType");
    bool takes_instances = type && (strcmp(type, "instance") == 0 || strcmp(type, "ip") == 0);
    if (!takes_instances) {
        preflight_find(preflight, FINDING_FATAL, subject,
                       "name a group of the target type instance or ip in target_groups",
                       "takes targets of the type %s", type ? type : "that AWS does not tell");
    } else if (vpc && wanted && strcmp(vpc, wanted) != 0) {
        preflight_find(preflight, FINDING_FATAL, subject,
                       "name a group of the VMs' VPC in target_groups",
                       "is of %s, the VMs are launched in %s", vpc, wanted);
    } else if (!xml_first(found, "LoadBalancerArns")) {
        preflight_find(
            preflight, FINDING_WARNING, subject,
            "let a listener of a load balancer send to it: until then no target of it gets "
            "healthy",
            "no load balancer uses it");
    } else {
        preflight_find(preflight, FINDING_PASSED, subject, NULL, "is of %s, takes targets by %s",
                       vpc ? vpc : "no VPC", strcmp(type, "ip") == 0 ? "address" : "instance");
    }
}

/* Not there is an answer; not allowed to look is none. */
static bool on_refused(void *context, const struct aws_answer *answer)
{
    struct group *group = context;
    const char *code = answer->error.code;
    if (!code || strcmp(code, "TargetGroupNotFound") != 0) {
        return preflight_unknown(context, answer);
    }
    preflight_find(group->topic.preflight, FINDING_FATAL, group->topic.subject,
                   "check target_groups in the plan, and the region", "is not there");
    return true;
}

static void ask_group(struct preflight *preflight, const char *arn)
{
    struct group *group = ARENA_NEW(preflight->arena, struct group);
    const char *name = strstr(arn, ":targetgroup/");
    name = name ? name + strlen(":targetgroup/") : arn;
    group->topic =
        (struct preflight_topic){preflight, arena_printf(preflight->arena, "target group %.*s",
                                                         (int)strcspn(name, "/"), name)};
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_ELB, "DescribeTargetGroups");
    form_add(&form, arn, "TargetGroupArns.member.1");
    struct question question = {.service = AWS_SERVICE_ELB,
                                .operation = "DescribeTargetGroups",
                                .body = buffer_text(&form.body),
                                .brief = true,
                                .bucket = BUCKET_ELB_DESCRIBE,
                                .page = on_group,
                                .refused = on_refused,
                                .context = group};
    asks_add(preflight->asks, &question);
    buffer_free(&form.body);
}

void preflight_targets(struct preflight *preflight)
{
    struct map asked = {.arena = preflight->arena};
    for (uint32_t i = 0; i < preflight->graph->node_count; i++) {
        const struct graph_node *node = &preflight->graph->nodes[i];
        const char *arn = node->action == ACTION_REGISTER_TARGET
                              ? value_text(graph_input(node, "target_group"))
                              : NULL;
        if (arn && map_put(&asked, arn, preflight)) {
            ask_group(preflight, arn);
        }
    }
}
