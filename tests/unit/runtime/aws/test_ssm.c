/* Injection by SSM: what is sent, how it is found again, how its end is told. */
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

static struct canned_result run(enum canned_what what, enum action action, const char *node,
                                const struct canned_answer *script, size_t count)
{
    struct canned *canned = canned_create(script, count);
    struct aws *aws = canned_aws(canned);
    struct input inputs[] = {canned_text("conversion_instance", "i-1"),
                             canned_text("volume_id", "vol-1; rm -rf '/'"),
                             canned_text("device", "/dev/sdp"),
                             canned_text("os", "linux"),
                             canned_text("firmware", "bios"),
                             canned_text("arch", "x86_64"),
                             {"timeout_ms", {.kind = VALUE_INT, .integer = 600000}},
                             canned_text("command_id", "0a-1")};
    struct canned_call call = {node, inputs, sizeof inputs / sizeof *inputs, 0};
    struct canned_result *result = arena_zalloc(canned->arena, sizeof *result);
    canned_run(canned, aws, what, action, &call, 1, result);
    struct canned_result copy = *result;
    static char texts[3][1024];
    copy.message = copy.message ? strncpy(texts[0], copy.message, sizeof texts[0] - 1) : NULL;
    copy.help = copy.help ? strncpy(texts[1], copy.help, sizeof texts[1] - 1) : NULL;
    if (copy.output_count > 0) {
        copy.outputs[0][1] = strncpy(texts[2], copy.outputs[0][1], sizeof texts[2] - 1);
        copy.outputs[0][0] = "command_id";
    }
    aws_destroy(aws);
    canned_destroy(canned);
    return copy;
}

static void test_what_is_sent(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"{\"DocumentName\":\"AWS-RunShellScript\",\"InstanceIds\":[\"i-1\"],"
         "\"Comment\":\"drc r1 "
         "db/disk-0/inject\",\"TimeoutSeconds\":120,\"Parameters\":{\"commands\":["
         "\"drc inject 'ebs:vol-1; rm -rf '\\\\''/'\\\\''' --device '/dev/sdp' --os 'linux' "
         "--firmware 'bios' --arch 'x86_64'\"],\"executionTimeout\":[\"600\"]}}",
         .body = "{\"Command\":{\"CommandId\":\"0a-1\"}}"}};
    struct canned_result result = run(CANNED_START, ACTION_INJECT, "db/disk-0/inject", script, 1);
    assert_int_equal(result.outcome, OUTCOME_OK);
    assert_string_equal(canned_output(&result, "command_id"), "0a-1");
}

static void test_answer_without_a_command(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"SendCommand", .body = "{\"Command\":{\"CommandId\":\"x; y\"}}"}};
    assert_int_equal(run(CANNED_START, ACTION_INJECT, "n", script, 1).outcome, OUTCOME_UNKNOWN);
}

static void test_it_is_found_by_its_comment(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"AmazonSSM.ListCommands", .body = "{\"Commands\":[{\"CommandId\":\"1\",\"Comment\":"
                                           "\"drc r1 other\"}],\"NextToken\":\"more\"}"},
        {"\"NextToken\":\"more\"",
         .body = "{\"Commands\":[{\"CommandId\":\"2\",\"Comment\":\"drc r1 db/disk-0/inject\"}]}"}};
    struct canned_result result = run(CANNED_LOOKUP, ACTION_INJECT, "db/disk-0/inject", script, 2);
    assert_string_equal(canned_output(&result, "command_id"), "2");
    const struct canned_answer nothing[] = {{"ListCommands", .body = "{\"Commands\":[]}"}};
    assert_int_equal(run(CANNED_LOOKUP, ACTION_INJECT, "db/disk-0/inject", nothing, 1).outcome,
                     OUTCOME_ABSENT);
}

static struct canned_result wait_for(const char *body, int status)
{
    const struct canned_answer script[] = {
        {"{\"CommandId\":\"0a-1\",\"InstanceId\":\"i-1\"}", .status = status, .body = body}};
    return run(CANNED_POLL, ACTION_WAIT_INJECTED, "db/disk-0/wait-injected", script, 1);
}

static void test_its_end(void **state)
{
    (void)state;
    assert_int_equal(wait_for("{\"Status\":\"Success\"}", 200).outcome, OUTCOME_OK);
    assert_int_equal(wait_for("{\"Status\":\"InProgress\"}", 200).outcome, OUTCOME_PENDING);
    assert_int_equal(wait_for("{\"__type\":\"InvocationDoesNotExist\"}", 400).outcome,
                     OUTCOME_PENDING);
    struct canned_result result =
        wait_for("{\"Status\":\"Failed\",\"StatusDetails\":\"Failed\",\"ResponseCode\":1,"
                 "\"StandardErrorContent\":\"reading the disk\\nerror: no kernel found\\n\"}",
                 200);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_string_equal(result.message, "drc inject on i-1 ended as Failed, exit status 1: reading "
                                        "the disk error: no kernel found");
    result = wait_for("{\"Status\":\"TimedOut\",\"StatusDetails\":\"Undeliverable\"}", 200);
    assert_non_null(strstr(result.help, "SSM agent"));
    assert_non_null(strstr(result.message, "it said nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_answer_without_a_command),
        cmocka_unit_test(test_it_is_found_by_its_comment),
        cmocka_unit_test(test_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
