/* Coalesced polls: pages, ids that are not there, several calls about one id. */
#include "runtime/aws/describe.h"

#include <string.h>

#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define VOLUME(id, state)                                                                          \
    "<item><volumeId>" id "</volumeId><status>" state "</status><attachmentSet/></item>"
#define VOLUMES(items, next)                                                                       \
    "<DescribeVolumesResponse><volumeSet>" items "</volumeSet>" next "</DescribeVolumesResponse>"
#define NEXT "<nextToken>more</nextToken>"
#define NOT_FOUND(ids)                                                                             \
    "<Response><Errors><Error><Code>InvalidVolume.NotFound</Code><Message>The volume '" ids        \
    "' does not exist.</Message></Error></Errors><RequestID>q</RequestID></Response>"

static void poll(struct canned *canned, const char *const *ids, size_t n,
                 struct canned_result *results)
{
    struct aws *aws = canned_aws(canned);
    struct canned_call calls[8];
    struct input inputs[8];
    for (size_t i = 0; i < n; i++) {
        inputs[i] = canned_text("volume_id", ids[i]);
        calls[i] = (struct canned_call){"db/wait", &inputs[i], 1, 0};
    }
    canned_run(canned, aws, CANNED_POLL, ACTION_WAIT_VOLUME_AVAILABLE, calls, n, results);
    aws_destroy(aws);
}

static void test_pages(void **state)
{
    (void)state;
    static const char *const ids[] = {"vol-1", "vol-2", "vol-3", "vol-1"};
    const struct canned_answer script[] = {
        {"VolumeId.1=vol-1&VolumeId.2=vol-2&VolumeId.3=vol-3\n",
         .body = VOLUMES(VOLUME("vol-1", "available"), NEXT)},
        /* The next page wants the same ids. */
        {"VolumeId.1=vol-1&VolumeId.2=vol-2&VolumeId.3=vol-3&NextToken=more",
         .body = VOLUMES(VOLUME("vol-3", "creating") VOLUME("vol-9", "error"), "")}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result results[4];
    poll(canned, ids, 4, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
    assert_int_equal(results[3].outcome, OUTCOME_OK);
    assert_int_equal(results[2].outcome, OUTCOME_PENDING);
    assert_string_equal(results[2].message, "vol-3 is creating");
    assert_int_equal(results[1].outcome, OUTCOME_ABSENT);
    assert_int_equal(
        results[0].requests + results[1].requests + results[2].requests + results[3].requests, 2);
    canned_destroy(canned);
}

static void test_absent_ones_are_taken_out(void **state)
{
    (void)state;
    static const char *const ids[] = {"vol-1", "vol-2", "vol-3"};
    const struct canned_answer script[] = {
        {"VolumeId.3=vol-3", .status = 400, .body = NOT_FOUND("vol-2")},
        {"VolumeId.1=vol-1&VolumeId.2=vol-3\n", .status = 400, .body = NOT_FOUND("vol-1")},
        {"VolumeId.1=vol-3\n", .body = VOLUMES(VOLUME("vol-3", "available"), "")}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result results[3];
    poll(canned, ids, 3, results);
    assert_int_equal(results[0].outcome, OUTCOME_ABSENT);
    assert_int_equal(results[1].outcome, OUTCOME_ABSENT);
    assert_non_null(strstr(results[1].help, "KMS"));
    assert_int_equal(results[2].outcome, OUTCOME_OK);
    canned_destroy(canned);
}

/* However many are missing, one poll asks a few times only. */
static void test_patience_has_an_end(void **state)
{
    (void)state;
    static const char *const ids[] = {"vol-1", "vol-2", "vol-3", "vol-4", "vol-5", "vol-6"};
    const struct canned_answer script[] = {{"Describe", .status = 400, .body = NOT_FOUND("vol-1")},
                                           {"Describe", .status = 400, .body = NOT_FOUND("vol-2")},
                                           {"Describe", .status = 400, .body = NOT_FOUND("vol-3")},
                                           {"Describe", .status = 400, .body = NOT_FOUND("vol-4")}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result results[6];
    poll(canned, ids, 6, results);
    assert_int_equal(results[3].outcome, OUTCOME_ABSENT);
    assert_int_equal(results[4].outcome, OUTCOME_RETRY);
    assert_int_equal(results[5].outcome, OUTCOME_RETRY);
    canned_destroy(canned);
}

static void test_not_found_that_names_nobody(void **state)
{
    (void)state;
    static const char *const ids[] = {"vol-1", "vol-2"};
    const struct canned_answer script[] = {{"Describe", .status = 400, .body = NOT_FOUND("vol-9")}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result results[2];
    poll(canned, ids, 2, results);
    assert_int_equal(results[0].outcome, OUTCOME_RETRY);
    assert_int_equal(results[1].outcome, OUTCOME_RETRY);
    canned_destroy(canned);
}

static void test_failure_is_everybodys(void **state)
{
    (void)state;
    static const char *const ids[] = {"vol-1", "vol-2"};
    const struct canned_answer script[] = {{"Describe", .failure = HTTP_TIMED_OUT}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result results[2];
    poll(canned, ids, 2, results);
    assert_int_equal(results[0].outcome, OUTCOME_RETRY);
    assert_int_equal(results[1].outcome, OUTCOME_RETRY);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_absent_ones_are_taken_out),
        cmocka_unit_test(test_patience_has_an_end),
        cmocka_unit_test(test_not_found_that_names_nobody),
        cmocka_unit_test(test_failure_is_everybodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
