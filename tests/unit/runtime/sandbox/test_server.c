/* Who asks, what is refused before any operation, and what goes wrong on purpose.
 * Covers: auth.c faults.c request.c sts.c sandbox.c telling.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <string.h>

#include "compiler/base/arena.h"

static void test_signatures(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    c->key.secret = "wrong";
    ec2_fails(c, 401, "AuthFailure", "Action=DescribeRegions");
    ssm_fails(c, "InvalidSignatureException", "GetParameter", "{}");
    client_send(c, "sts", "https://sts.eu-west-1.amazonaws.com/", NULL, "Action=GetCallerIdentity",
                24);
    assert_int_equal(c->response.status, 403);
    assert_string_equal(got(c, "Error/Code"), "SignatureDoesNotMatch");
    c->key = (struct sigv4_key){.id = "nobody", .secret = "sandbox"};
    ec2_fails(c, 401, "AuthFailure", "Action=DescribeRegions");
    ssm_fails(c, "UnrecognizedClientException", "GetParameter", "{}");
    c->key = (struct sigv4_key){.id = "sandbox", .secret = "sandbox", .token = "stolen"};
    ec2_fails(c, 401, "AuthFailure", "Action=DescribeRegions");
    c->key.token = NULL;
    ec2_ok(c, "Action=DescribeRegions");
    c->region = "us-east-1";
    ec2_fails(c, 401, "OptInRequired", "Action=DescribeRegions");
    client_send(c, NULL, "https://ec2.eu-west-1.amazonaws.com/", NULL, "Action=DescribeRegions",
                22);
    assert_int_equal(c->response.status, 403);
    assert_string_equal(got(c, "Errors/Error/Code"), "MissingAuthenticationToken");
    client_destroy(c);
}

static void test_roles(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    sts_ok(c, "Action=GetCallerIdentity");
    assert_string_equal(got(c, "GetCallerIdentityResult/Account"), "111122223333");
    sts_ok(c, "Action=AssumeRole&RoleArn=arn:aws:iam::111122223333:role/drc&RoleSessionName=me&"
              "DurationSeconds=900");
    struct sigv4_key role = {.id = got(c, "AssumeRoleResult/Credentials/AccessKeyId"),
                             .secret = got(c, "AssumeRoleResult/Credentials/SecretAccessKey"),
                             .token = got(c, "AssumeRoleResult/Credentials/SessionToken")};
    struct sigv4_key own = c->key;
    c->key = role;
    ec2_ok(c, "Action=DescribeRegions");
    sts_ok(c, "Action=GetCallerIdentity");
    assert_string_equal(got(c, "GetCallerIdentityResult/Arn"),
                        "arn:aws:sts::111122223333:assumed-role/drc/me");
    client_pass(c, 901);
    ec2_fails(c, 400, "RequestExpired", "Action=DescribeRegions");
    c->key = own;
    sts_ok(c, "Action=AssumeRole&RoleArn=arn:aws:iam::444455556666:role/dns&RoleSessionName=me");
    c->key = (struct sigv4_key){.id = got(c, "AssumeRoleResult/Credentials/AccessKeyId"),
                                .secret = got(c, "AssumeRoleResult/Credentials/SecretAccessKey"),
                                .token = got(c, "AssumeRoleResult/Credentials/SessionToken")};
    ec2_fails(c, 403, "UnauthorizedOperation", "Action=DescribeRegions");
    client_destroy(c);
}

static void test_malformed_requests(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    ec2_fails(c, 400, "InvalidAction", "Action=DoMagic");
    ec2_fails(c, 400, "MissingAction", "Version=2016-11-15");
    ec2_fails(c, 400, "MalformedQueryString", "Action=DescribeRegions&a=%%zz");
    ec2_fails(c, 400, "MalformedQueryString", "Action=DescribeRegions&a=%%00");
    ec2_fails(c, 400, "InvalidParameterValue", "Action=DescribeVolumes&Filter.1.Value.1=x");
    ec2_fails(c, 400, "InvalidParameterValue", "Action=DescribeVolumes&Filter.1.Name=status");
    ec2_fails(c, 400, "InvalidParameterValue", "Action=DescribeVolumes&DryRun=perhaps");
    client_destroy(c);
}

static void test_throttling(void **state)
{
    (void)state;
    struct sandbox_options options = {
        .seed = 1, .speed = 1, .throttle = true, .utc_base_ms = SANDBOX_BEGIN_MS};
    struct error error = {0};
    struct sandbox_client *c = client_over(sandbox_init(":memory:", &options, &error));
    for (int i = 0; i < 5; i++) { /* the bucket of RunInstances: 5, then 2 a second */
        ec2_fails(c, 400, "MissingParameter", "Action=RunInstances");
    }
    ec2_fails(c, 503, "RequestLimitExceeded", "Action=RunInstances");
    ec2_ok(c, "Action=DescribeRegions"); /* another bucket */
    client_pass(c, 1);
    ec2_fails(c, 400, "MissingParameter", "Action=RunInstances");
    ec2_fails(c, 400, "MissingParameter", "Action=RunInstances");
    ec2_fails(c, 503, "RequestLimitExceeded", "Action=RunInstances");
    client_fault(c, "busy", 0.5); /* others use up half of it */
    client_pass(c, 1);
    ec2_fails(c, 400, "MissingParameter", "Action=RunInstances");
    ec2_fails(c, 503, "RequestLimitExceeded", "Action=RunInstances");
    client_fault(c, "busy", 0);
    client_pass(c, 2);
    client_destroy(c);
}

static void test_faults(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    client_fault(c, "error", 1);
    ec2_fails(c, 500, "InternalError", "Action=CreateVolume&AvailabilityZone=eu-west-1a&Size=8");
    client_fault(c, "error", 0);
    client_fault(c, "lost", 1);
    const char *create = "Action=CreateVolume&AvailabilityZone=eu-west-1a&Size=8&ClientToken=t";
    client_send(c, "ec2", "https://ec2.eu-west-1.amazonaws.com/", NULL, create, strlen(create));
    assert_int_equal(c->response.failure, HTTP_BROKEN);
    client_fault(c, "lost", 0);
    ec2_ok(c, "Action=DescribeVolumes&Filter.1.Name=status&Filter.1.Value.1=creating");
    assert_int_equal(got_count(c, "volumeSet"), 1); /* carried out all the same */
    const char *made = got(c, "volumeSet/item/volumeId");
    ec2_ok(c, "%s", create);
    assert_string_equal(got(c, "volumeId"), made);
    client_fault(c, "unavailable", 1);
    client_send(c, "ec2", "https://ec2.eu-west-1.amazonaws.com/", NULL, create, strlen(create));
    assert_int_equal(c->response.failure, HTTP_TIMED_OUT);
    client_destroy(c);
}

static void test_eventual_consistency(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    client_fault(c, "consistency", 1);
    client_fault(c, "consistency_ms", 2000);
    ec2_ok(c, "Action=CreateVolume&AvailabilityZone=eu-west-1a&Size=8");
    const char *id = got(c, "volumeId");
    ec2_fails(c, 400, "InvalidVolume.NotFound", "Action=DescribeVolumes&VolumeId.1=%s", id);
    client_pass(c, 3);
    ec2_ok(c, "Action=DescribeVolumes&VolumeId.1=%s", id);
    client_destroy(c);
}

/* The same seed and the same requests: the same answers, to the byte. */
static void test_determinism(void **state)
{
    (void)state;
    struct sandbox_client *a = client_create(), *b = client_create();
    for (int i = 0; i < 10; i++) {
        assert_string_equal(run_instance(a, ""), run_instance(b, ""));
        assert_string_equal(a->response.body, b->response.body);
        assert_int_equal(a->latency_ms, b->latency_ms);
        assert_true(a->latency_ms > 0);
    }
    client_destroy(a);
    client_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_throttling),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_eventual_consistency),
        cmocka_unit_test(test_determinism),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
