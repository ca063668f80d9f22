/* Target groups: who may be registered, and how targets get healthy, by the state of their
 * instances. */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <string.h>

#include "compiler/base/arena.h"

#define GROUP "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/73e2d6bc24d8a067"

static int elb(struct sandbox_client *c, const char *form)
{
    client_send(c, "elasticloadbalancing", "https://elasticloadbalancing.eu-west-1.amazonaws.com/",
                NULL, form, strlen(form));
    return c->response.status;
}

static void assert_refused(struct sandbox_client *c, const char *form, const char *code)
{
    assert_int_equal(elb(c, form), 400);
    assert_string_equal(got(c, "Error/Code"), code);
}

static const char *health(struct sandbox_client *c, const char *member)
{
    assert_int_equal(elb(c, "Action=DescribeTargetHealth&TargetGroupArn=" GROUP), 200);
    return got(c, arena_printf(c->arena,
                               "DescribeTargetHealthResult/TargetHealthDescriptions/member/%s",
                               member));
}

static const char *instance(struct sandbox_client *c)
{
    const char *id = run_instance(c, "X=1");
    client_pass(c, 40);
    return id;
}

static void register_target(struct sandbox_client *c, const char *id)
{
    assert_int_equal(elb(c, arena_printf(c->arena,
                                         "Action=RegisterTargets&TargetGroupArn=" GROUP
                                         "&Targets.member.1.Id=%s",
                                         id)),
                     200);
}

static void test_groups(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    assert_int_equal(elb(c, "Action=DescribeTargetGroups&TargetGroupArns.member.1=" GROUP), 200);
    assert_string_equal(got(c, "DescribeTargetGroupsResult/TargetGroups/member/TargetType"),
                        "instance");
    assert_string_equal(got(c, "DescribeTargetGroupsResult/TargetGroups/member/VpcId"),
                        "vpc-0a000000000000001");
    assert_int_equal(elb(c, "Action=DescribeTargetGroups"), 200);
    assert_int_equal(got_count(c, "DescribeTargetGroupsResult/TargetGroups"), 1);
    assert_refused(c, "Action=DescribeTargetGroups&TargetGroupArns.member.1=arn:none",
                   "TargetGroupNotFound");
    assert_refused(c, "Action=DescribeTargetHealth&TargetGroupArn=arn:none", "TargetGroupNotFound");
    assert_refused(c, "Action=RegisterTargets", "ValidationError");
    assert_refused(c, "Action=RegisterTargets&TargetGroupArn=" GROUP "&Targets.member.1.Id=i-none",
                   "InvalidTarget");
    client_destroy(c);
}

static void test_health(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *id = instance(c);
    register_target(c, id);
    assert_string_equal(health(c, "Target/Id"), id);
    assert_string_equal(health(c, "TargetHealth/Reason"), "Elb.RegistrationInProgress");
    client_pass(c, 9);
    assert_string_equal(health(c, "TargetHealth/State"), "initial");
    client_pass(c, 60);
    assert_string_equal(health(c, "TargetHealth/State"), "healthy");
    client_fault(c, "unhealthy", 1);
    assert_string_equal(health(c, "TargetHealth/Reason"), "Target.ResponseCodeMismatch");
    ec2_ok(c, "Action=StopInstances&InstanceId.1=%s", id);
    client_pass(c, 60);
    assert_string_equal(health(c, "TargetHealth/State"), "unused");
    assert_string_equal(health(c, "TargetHealth/Description"), "Target is in the stopped state");
    assert_refused(
        c,
        arena_printf(c->arena,
                     "Action=RegisterTargets&TargetGroupArn=" GROUP "&Targets.member.1.Id=%s", id),
        "InvalidTarget");
    client_destroy(c);
}

static void test_deregistered(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *id = instance(c);
    const char *out = arena_printf(
        c->arena, "Action=DeregisterTargets&TargetGroupArn=" GROUP "&Targets.member.1.Id=%s", id);
    register_target(c, id);
    assert_int_equal(elb(c, out), 200);
    assert_string_equal(health(c, "TargetHealth/State"), "draining");
    assert_int_equal(elb(c, out), 200);
    client_pass(c, 60);
    assert_int_equal(elb(c, "Action=DescribeTargetHealth&TargetGroupArn=" GROUP), 200);
    assert_int_equal(got_count(c, "DescribeTargetHealthResult/TargetHealthDescriptions"), 0);
    assert_int_equal(elb(c, arena_printf(c->arena,
                                         "Action=DescribeTargetHealth&TargetGroupArn=" GROUP
                                         "&Targets.member.1.Id=%s",
                                         id)),
                     200);
    assert_string_equal(
        got(c, "DescribeTargetHealthResult/TargetHealthDescriptions/member/TargetHealth/Reason"),
        "Target.NotRegistered");
    register_target(c, id);
    assert_string_equal(health(c, "TargetHealth/State"), "initial");
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_deregistered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
