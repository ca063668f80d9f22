/* Batches: one id that is wrong does not take the others with it; a start as the next type. */
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define REFUSED(code, message)                                                                     \
    "<Response><Errors><Error><Code>" code "</Code><Message>" message "</Message></Error>"         \
    "</Errors><RequestID>q</RequestID></Response>"

static struct input ids[3];
static struct value type_items[2];

static void run(struct canned *canned, enum action action, const int *choices, size_t n,
                struct canned_result *results)
{
    static struct input inputs[3][2];
    struct canned_call calls[3];
    struct aws *aws = canned_aws(canned);
    static const char *const names[] = {"i-1", "i-2", "i-3"};
    type_items[0] = (struct value){.kind = VALUE_TEXT, .text = "m6i.large"};
    type_items[1] = (struct value){.kind = VALUE_TEXT, .text = "m5.large"};
    for (size_t i = 0; i < n; i++) {
        ids[i] = canned_text("instance_id", names[i]);
        inputs[i][0] = ids[i];
        inputs[i][1] =
            (struct input){"instance_types", {.kind = VALUE_LIST, .items = type_items, .count = 2}};
        calls[i] =
            (struct canned_call){"db/x", inputs[i], 2, choices ? choices[i] : 0, ACTION_NONE};
    }
    canned_run(canned, aws, CANNED_START, action, calls, n, results);
    aws_destroy(aws);
    canned_destroy(canned);
}

static void test_one_request_for_all(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{"Action=StopInstances&Version=2016-11-15&InstanceId.1="
                                            "i-1&InstanceId.2=i-2&InstanceId.3=i-3\n",
                                            .body = "<StopInstancesResponse/>"}};
    struct canned_result results[3];
    run(canned_create(script, 1), ACTION_STOP_INSTANCE, NULL, 3, results);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].outcome, OUTCOME_OK);
        assert_int_equal(results[i].requests, i == 0);
    }
}

static void test_the_named_one_only(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"StopInstances", .status = 400,
         .body = REFUSED("IncorrectInstanceState", "The instance 'i-2' is not in a state ...")}};
    struct canned_result results[3];
    run(canned_create(script, 1), ACTION_STOP_INSTANCE, NULL, 3, results);
    assert_int_equal(results[0].outcome, OUTCOME_RETRY);
    assert_int_equal(results[1].outcome, OUTCOME_CONFLICT);
    assert_int_equal(results[2].outcome, OUTCOME_RETRY);
}

static void test_nobody_named(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"StartInstances", .status = 500,
         .body = REFUSED("InsufficientInstanceCapacity", "not enough")}};
    struct canned_result results[3];
    run(canned_create(script, 1), ACTION_START_INSTANCE, NULL, 3, results);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i].outcome, OUTCOME_EXHAUSTED);
    }
}

static void test_gone_is_terminated(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"TerminateInstances", .status = 400,
         .body =
             REFUSED("InvalidInstanceID.NotFound", "The instance IDs 'i-1, i-3' do not exist")}};
    struct canned_result results[3];
    run(canned_create(script, 1), ACTION_TERMINATE_INSTANCE, NULL, 3, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
    assert_int_equal(results[1].outcome, OUTCOME_RETRY);
    assert_int_equal(results[2].outcome, OUTCOME_OK);
}

static void test_next_type_before_the_start(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"Action=ModifyInstanceAttribute&Version=2016-11-15&InstanceId=i-1&InstanceType.Value=m5."
         "large",
         .body = "<ModifyInstanceAttributeResponse><return>true</return>"
                 "</ModifyInstanceAttributeResponse>"},
        {"InstanceId=i-3&InstanceType.Value=m5.large", .status = 400,
         .body = REFUSED("IncorrectInstanceState", "i-3 is not stopped")},
        {"Action=StartInstances&Version=2016-11-15&InstanceId.1=i-1&InstanceId.2=i-2\n",
         .body = "<StartInstancesResponse/>"}};
    struct canned_result results[3];
    const int choices[] = {1, 0, 1};
    run(canned_create(script, 3), ACTION_START_INSTANCE, choices, 3, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
    assert_int_equal(results[1].outcome, OUTCOME_OK);
    assert_int_equal(results[2].outcome, OUTCOME_CONFLICT);
}

/* Which request was refused for its rate: the start, which the executor let through, or the change
 * of the type before it, which passed the gate. The one is no reason to slow the other. */
static void test_who_was_throttled(void **state)
{
    (void)state;
    static const char refused[] =
        "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit "
        "exceeded.</Message></Error></Errors><RequestID>q</RequestID></Response>";
    const struct canned_answer modify[] = {
        {"ModifyInstanceAttribute", .status = 503, .body = refused}};
    const struct canned_answer start[] = {{"StartInstances", .status = 503, .body = refused}};
    const int second[] = {1};
    struct canned_result result;
    run(canned_create(modify, 1), ACTION_START_INSTANCE, second, 1, &result);
    assert_int_equal(result.outcome, OUTCOME_THROTTLED);
    assert_true(result.told_gate);
    run(canned_create(start, 1), ACTION_START_INSTANCE, NULL, 1, &result);
    assert_int_equal(result.outcome, OUTCOME_THROTTLED);
    assert_false(result.told_gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_was_throttled),
        cmocka_unit_test(test_one_request_for_all),
        cmocka_unit_test(test_the_named_one_only),
        cmocka_unit_test(test_nobody_named),
        cmocka_unit_test(test_gone_is_terminated),
        cmocka_unit_test(test_next_type_before_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
