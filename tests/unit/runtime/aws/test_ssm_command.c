/* Injection by SSM: what is sent, how it is found again, how its end is told. Covers: ssm_inject.c ssm_wait.c */
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
    struct canned_call call = {node, inputs, sizeof inputs / sizeof *inputs, 0, ACTION_NONE};
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

/* Not having been found on pages without end proves nothing: it would be sent again. */
static void test_pages_without_end(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"ListCommands", .body = "{\"Commands\":[],\"NextToken\":\"more\"}"},
        {"\"NextToken\":\"more\"", .body = "{\"Commands\":[],\"NextToken\":\"more\"}"}};
    struct canned_result result = run(CANNED_LOOKUP, ACTION_INJECT, "db/disk-0/inject", script, 2);
    assert_int_equal(result.outcome, OUTCOME_UNKNOWN);
    assert_non_null(strstr(result.message, "do not end"));
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
                                        "the disk | error: no kernel found");
    result = wait_for("{\"Status\":\"TimedOut\",\"StatusDetails\":\"Undeliverable\"}", 200);
    assert_non_null(strstr(result.help, "SSM agent"));
    assert_non_null(strstr(result.message, "it said nothing"));
}

/* Five commands on one instance and one on another. The results' texts go with the canned world. */
static struct canned *poll_six(const struct canned_answer *script, size_t count,
                               struct canned_result *results)
{
    struct canned *canned = canned_create(script, count);
    struct aws *aws = canned_aws(canned);
    struct input inputs[6][2];
    struct canned_call calls[6];
    for (int i = 0; i < 6; i++) {
        inputs[i][0] = canned_text("command_id", arena_printf(canned->arena, "c-%d", i));
        inputs[i][1] = canned_text("conversion_instance", i == 2 ? "i-2" : "i-1");
        calls[i] = (struct canned_call){"db/wait-injected", inputs[i], 2, 0, ACTION_NONE};
    }
    canned_run(canned, aws, CANNED_POLL, ACTION_WAIT_INJECTED, calls, 6, results);
    aws_destroy(aws);
    return canned;
}

#define INVOCATION(id, status) "{\"CommandId\":\"" id "\",\"Status\":\"" status "\"}"

/* One list for the instance; who failed is asked for its output, who is not in the list alone. */
static void test_one_list_for_an_instance(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"{\"InstanceId\":\"i-1\",\"MaxResults\":50}",
         .body = "{\"CommandInvocations\":[" INVOCATION("c-0", "Success") "," INVOCATION(
             "c-1", "InProgress") "," INVOCATION("x", "Failed") "],\"NextToken\":\"1\"}"},
        {"{\"CommandId\":\"c-2\",\"InstanceId\":\"i-2\"}", .body = "{\"Status\":\"Success\"}"},
        {"\"NextToken\":\"1\"", .body = "{\"CommandInvocations\":[" INVOCATION(
                                    "c-3", "Failed") "," INVOCATION("c-5", "Pending") "]}"},
        {"{\"CommandId\":\"c-3\"", .body = "{\"Status\":\"Failed\",\"ResponseCode\":3,"
                                           "\"StandardErrorContent\":\"no kernel\"}"},
        {"{\"CommandId\":\"c-4\"", .body = "{\"Status\":\"Success\"}"}};
    struct canned_result results[6];
    struct canned *canned = poll_six(script, CANNED_COUNT(script), results);
    static const enum outcome expected[] = {OUTCOME_OK,    OUTCOME_PENDING, OUTCOME_OK,
                                            OUTCOME_FATAL, OUTCOME_OK,      OUTCOME_PENDING};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(results[i].outcome, expected[i]);
    }
    assert_non_null(strstr(results[3].message, "exit status 3: no kernel"));
    assert_int_equal(canned->requests, 5);
    canned_destroy(canned);
}

/* Who may not list asks one by one; who is throttled does not ask more at once. */
static void test_without_the_list(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"ListCommandInvocations", .status = 400, .body = "{\"__type\":\"AccessDeniedException\"}"},
        {"GetCommandInvocation", .body = "{\"Status\":\"Success\"}", .any_order = true}};
    struct canned_result results[6];
    struct canned *canned = poll_six(script, CANNED_COUNT(script), results);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(results[i].outcome, OUTCOME_OK);
    }
    assert_int_equal(canned->requests, 7);
    const struct canned_answer throttled[] = {
        {"ListCommandInvocations", .status = 400, .body = "{\"__type\":\"ThrottlingException\"}"},
        {"{\"CommandId\":\"c-2\"", .body = "{\"Status\":\"Success\"}"}};
    canned_destroy(canned);
    canned = poll_six(throttled, CANNED_COUNT(throttled), results);
    assert_int_equal(results[0].outcome, OUTCOME_THROTTLED);
    assert_int_equal(results[2].outcome, OUTCOME_OK);
    assert_int_equal(results[5].outcome, OUTCOME_THROTTLED);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_answer_without_a_command),
        cmocka_unit_test(test_it_is_found_by_its_comment),
        cmocka_unit_test(test_pages_without_end),
        cmocka_unit_test(test_its_end),
        cmocka_unit_test(test_one_list_for_an_instance),
        cmocka_unit_test(test_without_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
