/* Target groups before the first change. */
#include <string.h>

#include "runtime/aws/preflight.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define GROUP(vpc, type, balancers)                                                                \
    "<DescribeTargetGroupsResponse><DescribeTargetGroupsResult><TargetGroups><member><VpcId>" vpc  \
    "</VpcId><TargetType>" type "</TargetType><LoadBalancerArns>" balancers                        \
    "</LoadBalancerArns></member></TargetGroups></DescribeTargetGroupsResult>"                     \
    "</DescribeTargetGroupsResponse>"
#define REFUSED(code)                                                                              \
    "<ErrorResponse><Error><Code>" code "</Code><Message>no</Message></Error></ErrorResponse>"

static void assert_found(const char *body, int status, enum finding_severity severity,
                         const char *text)
{
    const struct canned_answer script[] = {
        {"TargetGroupArns.member.1=arn%3Aaws%3Aelasticloadbalancing%3Aeu-west-1%3A1%3Atargetgroup%"
         "2F"
         "web%2F73e2\n",
         .status = status, .body = body}};
    struct canned *canned = canned_create(script, 1);
    struct aws_client *client = canned_client(canned);
    struct input input = canned_text(
        "target_group", "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/73e2");
    struct graph_node nodes[2] = {
        {.action = ACTION_REGISTER_TARGET, .inputs = &input, .input_count = 1},
        {.action = ACTION_REGISTER_TARGET, .inputs = &input, .input_count = 1}};
    struct graph graph = {.workflow = WORKFLOW_FAILOVER, .nodes = nodes, .node_count = 2};
    struct network network = {.vpc = {.value = "vpc-1"}};
    struct findings findings = {0};
    struct preflight preflight = {.arena = canned->arena,
                                  .kept = canned->arena,
                                  .asks = asks_create(client),
                                  .network = &network,
                                  .graph = &graph,
                                  .findings = &findings};
    preflight_targets(&preflight);
    assert_true(asks_run(preflight.asks, NULL));
    assert_int_equal(findings.count, 1); /* asked about once */
    assert_int_equal(findings.items[0].severity, severity);
    assert_string_equal(findings.items[0].subject, "target group web");
    assert_non_null(strstr(findings.items[0].text, text));
    asks_destroy(preflight.asks);
    aws_client_destroy(client);
    canned_destroy(canned);
}

static void test_groups(void **state)
{
    (void)state;
    assert_found(GROUP("vpc-1", "instance", "<member>arn:lb</member>"), 200, FINDING_PASSED,
                 "is of vpc-1, takes targets by instance");
    assert_found(GROUP("vpc-1", "ip", "<member>arn:lb</member>"), 200, FINDING_PASSED,
                 "by address");
    assert_found(GROUP("vpc-1", "instance", ""), 200, FINDING_WARNING, "no load balancer");
    assert_found(GROUP("vpc-2", "instance", "<member>arn:lb</member>"), 200, FINDING_FATAL,
                 "is of vpc-2, the VMs are launched in vpc-1");
    assert_found(GROUP("vpc-1", "lambda", ""), 200, FINDING_FATAL, "lambda");
    assert_found(REFUSED("TargetGroupNotFound"), 400, FINDING_FATAL, "is not there");
    assert_found(REFUSED("AccessDenied"), 403, FINDING_UNKNOWN, "AccessDenied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
