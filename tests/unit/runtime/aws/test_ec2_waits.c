/* What each state of an instance means to each wait. */
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define INSTANCE(state, more)                                                                      \
    "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1"         \
    "</instanceId><instanceState><name>" state "</name></instanceState>" more                      \
    "</item></instancesSet></item></reservationSet></DescribeInstancesResponse>"
#define REASON(code, message)                                                                      \
    "<stateReason><code>" code "</code><message>" message "</message></stateReason>"
#define NOT_FOUND                                                                                  \
    "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>The instance ID "    \
    "'i-1' does not exist</Message></Error></Errors><RequestID>q</RequestID></Response>"

static struct canned_result poll(struct canned *canned, enum action action, const char *body)
{
    const struct canned_answer script[] = {
        {"InstanceId.1=i-1", .status = strcmp(body, NOT_FOUND) == 0 ? 400 : 200, .body = body}};
    canned_script(canned, script, 1);
    struct aws *aws = canned_aws(canned);
    struct input input = canned_text("instance_id", "i-1");
    struct canned_call call = {"db/wait", &input, 1, 0, ACTION_NONE};
    struct canned_result result;
    canned_run(canned, aws, CANNED_POLL, action, &call, 1, &result);
    aws_destroy(aws);
    canned_script(canned, NULL, 0);
    return result;
}

static void assert_outcome(struct canned *canned, enum action action, const char *body,
                           enum outcome outcome)
{
    struct canned_result result = poll(canned, action, body);
    if (result.outcome != outcome) {
        fail_msg("%s: %s: %s", body, outcome_name(result.outcome), result.message);
    }
}

static void test_running(void **state)
{
    struct canned *canned = *state;
    struct canned_result result = poll(
        canned, ACTION_WAIT_RUNNING,
        INSTANCE("running",
                 "<privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>192.0.2.1</ipAddress>"
                 "<rootDeviceName>/dev/xvda</rootDeviceName><blockDeviceMapping><item><deviceName>"
                 "/dev/sdf</deviceName><ebs><volumeId>vol-data</volumeId></ebs></item><item>"
                 "<deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-root</volumeId></ebs></item>"
                 "</blockDeviceMapping>"));
    assert_int_equal(result.outcome, OUTCOME_OK);
    assert_string_equal(canned_output(&result, "private_ip"), "10.0.0.1");
    assert_string_equal(canned_output(&result, "public_ip"), "192.0.2.1");
    assert_string_equal(canned_output(&result, "root_volume_id"), "vol-root");
    assert_outcome(canned, ACTION_WAIT_RUNNING, INSTANCE("pending", ""), OUTCOME_PENDING);
    assert_outcome(canned, ACTION_WAIT_RUNNING, NOT_FOUND, OUTCOME_ABSENT);
    /* A stop of our own before the start is what EC2 still shows for a moment. */
    assert_outcome(canned, ACTION_WAIT_RUNNING,
                   INSTANCE("stopped", REASON("Client.UserInitiatedShutdown", "User initiated")),
                   OUTCOME_PENDING);
}

static void test_why_it_does_not_run(void **state)
{
    struct canned_result result =
        poll(*state, ACTION_WAIT_RUNNING,
             INSTANCE("terminated", REASON("Client.InternalError", "Client error on launch")));
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_string_equal(result.message,
                        "i-1 is terminated instead of running: Client error on launch");
    assert_non_null(strstr(result.help, "KMS"));
    assert_true(result.gone);
    result = poll(*state, ACTION_WAIT_RUNNING,
                  INSTANCE("stopped", REASON("Client.InstanceInitiatedShutdown", "shut down")));
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(result.help, "the guest"));
    assert_false(result.gone); /* it can be started again */
    result = poll(*state, ACTION_WAIT_RUNNING, INSTANCE("shutting-down", ""));
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(result.message, "EC2 tells no reason"));
}

static void test_stopped(void **state)
{
    assert_outcome(*state, ACTION_WAIT_STOPPED, INSTANCE("stopped", ""), OUTCOME_OK);
    assert_outcome(*state, ACTION_WAIT_STOPPED, INSTANCE("stopping", ""), OUTCOME_PENDING);
    assert_outcome(*state, ACTION_WAIT_STOPPED, INSTANCE("running", ""), OUTCOME_PENDING);
    assert_outcome(*state, ACTION_WAIT_STOPPED, INSTANCE("terminated", ""), OUTCOME_FATAL);
    assert_outcome(*state, ACTION_WAIT_STOPPED, NOT_FOUND, OUTCOME_ABSENT);
}

static void test_terminated(void **state)
{
    assert_outcome(*state, ACTION_WAIT_TERMINATED, INSTANCE("terminated", ""), OUTCOME_OK);
    assert_outcome(*state, ACTION_WAIT_TERMINATED, INSTANCE("shutting-down", ""), OUTCOME_PENDING);
    assert_outcome(*state, ACTION_WAIT_TERMINATED, NOT_FOUND, OUTCOME_OK);
}

#define STATUS(instance, system)                                                                   \
    "<DescribeInstanceStatusResponse><instanceStatusSet><item><instanceId>i-1</instanceId>"        \
    "<systemStatus><status>" system "</status></systemStatus><instanceStatus><status>" instance    \
    "</status></instanceStatus></item></instanceStatusSet></DescribeInstanceStatusResponse>"

static void test_status_checks(void **state)
{
    assert_outcome(*state, ACTION_CHECK_INSTANCE_STATUS, STATUS("ok", "ok"), OUTCOME_OK);
    struct canned_result result =
        poll(*state, ACTION_CHECK_INSTANCE_STATUS, STATUS("impaired", "ok"));
    assert_int_equal(result.outcome, OUTCOME_PENDING);
    assert_string_equal(result.message, "i-1: instance check impaired, system check ok");
    assert_outcome(*state, ACTION_CHECK_INSTANCE_STATUS, STATUS("ok", "initializing"),
                   OUTCOME_PENDING);
}

static int set_up(void **state)
{
    *state = canned_create(NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    canned_destroy(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_running), TEST(test_why_it_does_not_run),
                                       TEST(test_stopped), TEST(test_terminated),
                                       TEST(test_status_checks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
