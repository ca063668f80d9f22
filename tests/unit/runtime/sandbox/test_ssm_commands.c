/* Covers: ssm_inventory.c ssm_scripts.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <string.h>

#include "compiler/base/arena.h"

#define CONVERSION "i-0f00ba40000000000"

static const char *send(struct sandbox_client *c, const char *line, const char *comment)
{
    ssm_ok(c, "SendCommand",
           "{\"DocumentName\":\"AWS-RunShellScript\",\"InstanceIds\":[\"" CONVERSION "\"],"
           "\"Comment\":\"%s\",\"Parameters\":{\"commands\":[\"%s\"]}}",
           comment, line);
    const cJSON *command = cJSON_GetObjectItemCaseSensitive(c->json, "Command");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(command, "CommandId");
    assert_true(cJSON_IsString(id));
    return arena_strdup(c->arena, id->valuestring);
}

static const char *status_of(struct sandbox_client *c, const char *command)
{
    ssm_ok(c, "GetCommandInvocation", "{\"CommandId\":\"%s\",\"InstanceId\":\"" CONVERSION "\"}",
           command);
    return got_json(c, "Status");
}

static const char *attached(struct sandbox_client *c, const char *device)
{
    const char *volume = make_volume(c, copy_of(c, "db", 0));
    ec2_ok(c, "Action=AttachVolume&VolumeId=%s&InstanceId=" CONVERSION "&Device=%s", volume,
           device);
    client_pass(c, 5);
    return volume;
}

static void test_an_injection_takes_its_time(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *volume = attached(c, "/dev/sdp");
    const char *command = send(c, arena_printf(c->arena, "drc inject ebs:%s", volume), "run node");
    ssm_fails(c, "InvocationDoesNotExist", "GetCommandInvocation",
              "{\"CommandId\":\"%s\",\"InstanceId\":\"" CONVERSION "\"}", command);
    client_pass(c, 10);
    assert_string_equal(status_of(c, command), "InProgress");
    client_pass(c, 65);
    assert_string_equal(status_of(c, command), "Success");
    ssm_ok(c, "ListCommands", "{\"InstanceId\":\"" CONVERSION "\"}");
    assert_non_null(strstr(c->response.body, "\"Comment\":\"run node\""));
    client_destroy(c);
}

static void test_an_injection_needs_its_volume(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *away = make_volume(c, copy_of(c, "db", 0));
    const char *command = send(c, arena_printf(c->arena, "drc inject ebs:%s", away), "");
    client_pass(c, 10);
    assert_string_equal(status_of(c, command), "Failed");
    assert_non_null(strstr(got_json(c, "StandardErrorContent"), "not attached"));
    const char *taken = attached(c, "/dev/sdo");
    command = send(c, arena_printf(c->arena, "drc inject ebs:%s", taken), "");
    client_pass(c, 20);
    ec2_ok(c, "Action=DetachVolume&VolumeId=%s", taken);
    client_pass(c, 5);
    assert_string_equal(status_of(c, command), "Failed");
    const char *wrong = attached(c, "/dev/sdn");
    command = send(c, arena_printf(c->arena, "drc inject ebs:%s --device /dev/sdm", wrong), "");
    client_pass(c, 10);
    assert_string_equal(status_of(c, command), "Failed");
    client_fault(c, "inject", 1);
    command = send(c, arena_printf(c->arena, "drc inject ebs:%s", wrong), "");
    client_pass(c, 30);
    assert_string_equal(status_of(c, command), "Failed");
    client_destroy(c);
}

static void test_the_agent_runs_five_at_once(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *commands[6];
    for (int i = 0; i < 6; i++) {
        const char *volume = attached(c, arena_printf(c->arena, "/dev/sd%c", 'k' + i));
        commands[i] = volume;
    }
    for (int i = 0; i < 6; i++) {
        commands[i] = send(c, arena_printf(c->arena, "drc inject ebs:%s", commands[i]), "");
    }
    client_pass(c, 10);
    assert_string_equal(status_of(c, commands[4]), "InProgress");
    assert_string_equal(status_of(c, commands[5]), "Pending");
    client_pass(c, 75);
    assert_string_equal(status_of(c, commands[5]), "InProgress");
    client_pass(c, 75);
    assert_string_equal(status_of(c, commands[5]), "Success");
    client_destroy(c);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *stopped = run_instance(c, "IamInstanceProfile.Name=dr-instance");
    ssm_fails(c, "InvalidInstanceId", "SendCommand",
              "{\"DocumentName\":\"AWS-RunShellScript\",\"InstanceIds\":[\"%s\"],"
              "\"Parameters\":{\"commands\":[\"true\"]}}",
              stopped);
    ssm_fails(c, "InvalidDocument", "SendCommand",
              "{\"DocumentName\":\"mine\",\"InstanceIds\":[\"" CONVERSION "\"]}");
    ssm_fails(c, "InvalidInstanceId", "SendCommand",
              "{\"DocumentName\":\"AWS-RunShellScript\",\"Parameters\":{\"commands\":[\"true\"]}}");
    ssm_fails(c, "SerializationException", "SendCommand", "[1,2");
    ssm_fails(c, "UnknownOperationException", "SendPigeon", "{}");
    ssm_fails(c, "InvalidCommandId", "CancelCommand", "{\"CommandId\":\"x\"}");
    ssm_fails(c, "ParameterNotFound", "GetParameter", "{\"Name\":\"/nothing\"}");
    client_destroy(c);
}

#define STEP "drc 7k2f db/post-boot-1/send-script"

static const char *end_of(struct sandbox_client *c, const char *fault, double value, const char *status,
                          const char *details)
{
    if (fault) {
        client_fault(c, fault, value);
    }
    const char *command = send(c, "true", STEP);
    client_pass(c, 3602);
    assert_string_equal(status_of(c, command), status);
    assert_string_equal(got_json(c, "StatusDetails"), details);
    if (fault) {
        client_fault(c, fault, 0);
    }
    return arena_strdup(c->arena, c->response.body);
}

static void test_the_end_of_a_script_can_be_set(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    end_of(c, NULL, 0, "Success", "Success");
    assert_non_null(strstr(end_of(c, "script:db/post-boot-1", 7, "Failed", "Failed"),
                           "\"ResponseCode\":7"));
    end_of(c, "script:db", 1, "Failed", "Failed");
    end_of(c, "script:db/post-boot-2", 1, "Success", "Success"); /* another step */
    end_of(c, "script_ms:db/post-boot-1", 3700000, "TimedOut", "ExecutionTimedOut");
    end_of(c, "undelivered:db/post-boot-1", 1, "TimedOut", "DeliveryTimedOut");
    end_of(c, "undeliverable:db/post-boot-1", 1, "Failed", "Undeliverable");
    end_of(c, "cancelled:db/post-boot-1", 1, "Cancelled", "Cancelled");
    end_of(c, "script_bytes:db/post-boot-1", 1e6, "Success", "Success");
    assert_int_equal(strlen(got_json(c, "StandardOutputContent")), 24000);
    client_destroy(c);
}

static void test_one_that_is_not_delivered_waits(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    client_fault(c, "undelivered:db/post-boot-1", 1);
    const char *command = send(c, "true", STEP);
    client_pass(c, 3590);
    assert_string_equal(status_of(c, command), "Pending");
    client_destroy(c);
}

static bool is_told(struct sandbox_client *c, const char *instance)
{
    ssm_ok(c, "DescribeInstanceInformation", "{}");
    return strstr(c->response.body, instance) != NULL;
}

static void test_an_agent_comes_late_or_never(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    client_fault(c, "agent_ms:db", 100000);
    client_fault(c, "agent:app", 1);
    const char *db = run_instance(c, "IamInstanceProfile.Name=dr-instance&TagSpecification.1.ResourceType="
                                     "instance&TagSpecification.1.Tag.1.Key=drc:vm&"
                                     "TagSpecification.1.Tag.1.Value=db");
    const char *app = run_instance(c, "IamInstanceProfile.Name=dr-instance&TagSpecification.1.ResourceType="
                                      "instance&TagSpecification.1.Tag.1.Key=drc:vm&"
                                      "TagSpecification.1.Tag.1.Value=app");
    client_pass(c, 90);
    assert_false(is_told(c, db));
    ssm_fails(c, "InvalidInstanceId", "SendCommand",
              "{\"DocumentName\":\"AWS-RunShellScript\",\"InstanceIds\":[\"%s\"],\"Parameters\":{"
              "\"commands\":[\"true\"]}}", db);
    client_pass(c, 100);
    assert_true(is_told(c, db));
    assert_false(is_told(c, app));
    client_destroy(c);
}

static void test_managed_instances(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *managed = run_instance(c, "IamInstanceProfile.Name=dr-instance");
    run_instance(c, "");
    client_pass(c, 60);
    ssm_ok(c, "DescribeInstanceInformation", "{}");
    assert_non_null(strstr(c->response.body, managed));
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(c->json, "InstanceInformationList");
    assert_int_equal(cJSON_GetArraySize(list), 2); /* and the conversion instance */
    ssm_ok(c, "DescribeInstanceInformation",
           "{\"Filters\":[{\"Key\":\"InstanceIds\",\"Values\":[\"" CONVERSION "\"]}]}");
    list = cJSON_GetObjectItemCaseSensitive(c->json, "InstanceInformationList");
    assert_int_equal(cJSON_GetArraySize(list), 1);
    const char *version = send(c, "drc version", "");
    client_pass(c, 5);
    assert_string_equal(status_of(c, version), "Success");
    assert_non_null(strstr(got_json(c, "StandardOutputContent"), "drc "));
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_injection_takes_its_time),
        cmocka_unit_test(test_an_injection_needs_its_volume),
        cmocka_unit_test(test_the_agent_runs_five_at_once),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_the_end_of_a_script_can_be_set),
        cmocka_unit_test(test_one_that_is_not_delivered_waits),
        cmocka_unit_test(test_an_agent_comes_late_or_never),
        cmocka_unit_test(test_managed_instances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
