/* Target groups: one request for a group, health told with its reason. */
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define GROUP(type)                                                                                \
    "<DescribeTargetGroupsResponse><DescribeTargetGroupsResult><TargetGroups><member><"            \
    "TargetType>" type "</TargetType></member></TargetGroups></DescribeTargetGroupsResult>"        \
    "</DescribeTargetGroupsResponse>"
#define REFUSED(code, message)                                                                     \
    "<ErrorResponse><Error><Code>" code "</Code><Message>" message                                 \
    "</Message></Error><RequestId>q1</RequestId></ErrorResponse>"

/* What the calls came to, longer than the canned AWS of one test step. */
static struct arena *texts;

static int set_up(void **state)
{
    (void)state;
    texts = arena_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(texts);
    return 0;
}

static void run(const struct canned_answer *script, size_t count, enum canned_what what,
                enum action action, size_t n, struct canned_result *results)
{
    static const char *const ids[] = {"i-1", "i-2"}, *const addresses[] = {"10.0.0.1", "10.0.0.2"};
    struct canned *canned = canned_create(script, count);
    struct aws *aws = canned_aws(canned);
    struct input inputs[2][3];
    struct canned_call calls[2];
    for (size_t i = 0; i < n; i++) {
        inputs[i][0] = canned_text("target_group", "arn:tg/web");
        inputs[i][1] = canned_text("instance_id", ids[i]);
        inputs[i][2] = canned_text("private_ip", addresses[i]);
        calls[i] = (struct canned_call){"db/x", inputs[i], 3, 0, ACTION_NONE};
    }
    canned_run(canned, aws, what, action, calls, n, results);
    canned_keep(texts, results, n);
    assert_int_equal(canned->next, count);
    aws_destroy(aws);
    canned_destroy(canned);
}

static void test_registered_together(void **state)
{
    (void)state;
    const struct canned_answer by_id[] = {
        {"Action=DescribeTargetGroups&Version=2015-12-01&TargetGroupArns.member.1=arn%3Atg%2Fweb\n",
         .body = GROUP("instance")},
        {"Action=RegisterTargets&Version=2015-12-01&TargetGroupArn=arn%3Atg%2Fweb&"
         "Targets.member.1.Id=i-1&Targets.member.2.Id=i-2\n",
         .body = "<RegisterTargetsResponse/>"}};
    const struct canned_answer by_address[] = {
        {"DescribeTargetGroups", .body = GROUP("ip")},
        {"Action=DeregisterTargets&Version=2015-12-01&TargetGroupArn=arn%3Atg%2Fweb&"
         "Targets.member.1.Id=10.0.0.1\n",
         .body = "<DeregisterTargetsResponse/>"}};
    const struct canned_answer lambda[] = {{"DescribeTargetGroups", .body = GROUP("lambda")}};
    struct canned_result results[2];
    run(by_id, 2, CANNED_START, ACTION_REGISTER_TARGET, 2, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
    assert_int_equal(results[1].outcome, OUTCOME_OK);
    run(by_address, 2, CANNED_START, ACTION_DEREGISTER_TARGET, 1, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
    run(lambda, 1, CANNED_START, ACTION_REGISTER_TARGET, 1, results);
    assert_int_equal(results[0].outcome, OUTCOME_FATAL);
}

static void test_refusals(void **state)
{
    (void)state;
    const struct canned_answer early[] = {
        {"DescribeTargetGroups", .body = GROUP("instance")},
        {"RegisterTargets", .status = 400,
         .body = REFUSED("InvalidTarget", "The following targets are not in a running state and "
                                          "cannot be registered: 'i-2'")}};
    const struct canned_answer wrong[] = {
        {"DescribeTargetGroups", .body = GROUP("instance")},
        {"RegisterTargets", .status = 400,
         .body = REFUSED("InvalidTarget", "The following targets are not in the target group VPC "
                                          "'vpc-1': 'i-1'")}};
    const struct canned_answer gone[] = {
        {"DescribeTargetGroups", .status = 400,
         .body = REFUSED("TargetGroupNotFound", "One or more target groups not found")}};
    struct canned_result results[2];
    run(early, 2, CANNED_START, ACTION_REGISTER_TARGET, 2, results);
    assert_int_equal(results[0].outcome, OUTCOME_RETRY);
    assert_int_equal(results[1].outcome, OUTCOME_CONFLICT);
    run(wrong, 2, CANNED_START, ACTION_REGISTER_TARGET, 2, results);
    assert_int_equal(results[0].outcome, OUTCOME_FATAL);
    assert_int_equal(results[1].outcome, OUTCOME_RETRY);
    run(gone, 1, CANNED_START, ACTION_REGISTER_TARGET, 1, results);
    assert_int_equal(results[0].outcome, OUTCOME_FATAL);
    run(gone, 1, CANNED_START, ACTION_DEREGISTER_TARGET, 1, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
}

#define HEALTH(id, state, reason)                                                                  \
    "<member><Target><Id>" id "</Id><Port>80</Port></Target><TargetHealth><State>" state           \
    "</State>" reason "</TargetHealth></member>"
#define HEALTHS(members)                                                                           \
    "<DescribeTargetHealthResponse><DescribeTargetHealthResult><TargetHealthDescriptions>" members \
    "</TargetHealthDescriptions></DescribeTargetHealthResult></DescribeTargetHealthResponse>"

static void test_health(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"Action=DescribeTargetHealth&Version=2015-12-01&TargetGroupArn=arn%3Atg%2Fweb\n",
         .body = HEALTHS(HEALTH("10.0.0.1", "healthy", "") HEALTH(
             "i-2", "unhealthy",
             "<Reason>Target.ResponseCodeMismatch</Reason><Description>Health "
             "checks failed with these codes: [503]</Description>"))}};
    const struct canned_answer unused[] = {
        {"DescribeTargetHealth",
         .body = HEALTHS(HEALTH("i-1", "unused", "<Reason>Target.NotInUse</Reason>"))}};
    const struct canned_answer absent[] = {{"DescribeTargetHealth", .body = HEALTHS("")}};
    const struct canned_answer ports[] = {
        {"DescribeTargetHealth",
         .body = HEALTHS(HEALTH("i-1", "healthy", "") HEALTH("i-1", "draining", ""))}};
    struct canned_result results[2];
    run(script, 1, CANNED_POLL, ACTION_WAIT_TARGET_HEALTHY, 2, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
    assert_int_equal(results[1].outcome, OUTCOME_PENDING);
    assert_string_equal(results[1].message,
                        "i-2 is unhealthy in the target group (Target.ResponseCodeMismatch: Health "
                        "checks failed with these codes: [503])");
    assert_non_null(strstr(results[1].help, "another status"));
    run(unused, 1, CANNED_POLL, ACTION_WAIT_TARGET_HEALTHY, 1, results);
    assert_int_equal(results[0].outcome, OUTCOME_PENDING);
    assert_non_null(strstr(results[0].help, "no listener"));
    run(absent, 1, CANNED_POLL, ACTION_WAIT_TARGET_HEALTHY, 1, results);
    assert_int_equal(results[0].outcome, OUTCOME_PENDING);
    assert_non_null(strstr(results[0].message, "not registered"));
    run(ports, 1, CANNED_POLL, ACTION_WAIT_TARGET_HEALTHY, 1, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registered_together),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_health),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
