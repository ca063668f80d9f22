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
        calls[i] = (struct canned_call){"db/wait", &inputs[i], 1, 0, ACTION_NONE};
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

/* NotFound that names nobody who was asked about: halves, until the one who spoils it is alone. */
static void test_halves_find_the_absent_one(void **state)
{
    (void)state;
    static const char *const ids[] = {"vol-1", "vol-2", "vol-3", "vol-4",
                                      "vol-5", "vol-6", "vol-7", "vol-8"};
    const struct canned_answer script[] = {
        {"VolumeId.8=vol-8", .status = 400, .body = NOT_FOUND("vol-99")},
        {"VolumeId.1=vol-1&VolumeId.2=vol-2&VolumeId.3=vol-3&VolumeId.4=vol-4\n",
         .body = VOLUMES(VOLUME("vol-1", "available") VOLUME("vol-2", "available")
                             VOLUME("vol-3", "creating") VOLUME("vol-4", "available"),
                         "")},
        {"VolumeId.1=vol-5&VolumeId.2=vol-6&VolumeId.3=vol-7&VolumeId.4=vol-8\n", .status = 400,
         .body = NOT_FOUND("vol-99")},
        {"VolumeId.1=vol-5&VolumeId.2=vol-6\n",
         .body = VOLUMES(VOLUME("vol-5", "available") VOLUME("vol-6", "available"), "")},
        {"VolumeId.1=vol-7&VolumeId.2=vol-8\n", .status = 400, .body = NOT_FOUND("vol-99")},
        {"VolumeId.1=vol-7\n", .status = 400, .body = NOT_FOUND("vol-99")},
        {"VolumeId.1=vol-8\n", .body = VOLUMES(VOLUME("vol-8", "available"), "")}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result results[8];
    poll(canned, ids, 8, results);
    for (int i = 0; i < 8; i++) {
        enum outcome expected = i == 2 ? OUTCOME_PENDING : i == 6 ? OUTCOME_ABSENT : OUTCOME_OK;
        assert_int_equal(results[i].outcome, expected);
    }
    canned_destroy(canned);
}

/* A server that names nobody, for ever, is not asked for ever. */
static void test_patience_has_an_end(void **state)
{
    (void)state;
    static const char *const ids[] = {"vol-1", "vol-2", "vol-3", "vol-4", "vol-5", "vol-6"};
    const struct canned_answer script[] = {
        {"Describe", .status = 400, .body = NOT_FOUND("vol-99"), .any_order = true}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result results[6];
    poll(canned, ids, 6, results);
    int requests = 0;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(results[i].outcome, OUTCOME_ABSENT); /* asked about alone */
        requests += results[i].requests;
    }
    assert_in_range(requests, 6, 12);
    canned_destroy(canned);
}

/* One question for waits of several actions: each is told what it waits for. */
static void test_actions_share_a_question(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"VolumeId.1=vol-1&VolumeId.2=vol-2\n",
         .body = VOLUMES("<item><volumeId>vol-1</volumeId><status>in-use</status><attachmentSet>"
                         "<item><instanceId>i-1</instanceId><status>attached</status></item>"
                         "</attachmentSet></item>" VOLUME("vol-2", "available"),
                         "")}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws *aws = canned_aws(canned);
    struct input one[] = {canned_text("volume_id", "vol-1"), canned_text("instance_id", "i-1")};
    struct input two[] = {canned_text("volume_id", "vol-2"), canned_text("instance_id", "i-1")};
    const struct canned_call calls[] = {
        {"db/a/wait-volume-attached", one, 2, 0, ACTION_WAIT_VOLUME_ATTACHED},
        {"db/a/wait-volume-available", one, 1, 0, ACTION_WAIT_VOLUME_AVAILABLE},
        {"db/b/wait-volume-available", two, 1, 0, ACTION_WAIT_VOLUME_AVAILABLE},
        {"db/b/wait-volume-attached", two, 2, 0, ACTION_WAIT_VOLUME_ATTACHED}};
    struct canned_result results[4];
    canned_run(canned, aws, CANNED_POLL, ACTION_NONE, calls, 4, results);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
    assert_int_equal(results[1].outcome, OUTCOME_PENDING);
    assert_int_equal(results[2].outcome, OUTCOME_OK);
    assert_int_equal(results[3].outcome, OUTCOME_PENDING);
    assert_int_equal(canned->requests, 1);
    aws_destroy(aws);
    canned_destroy(canned);
}

/* More than one request may name: chunks of batch_max, and never a question without ids, which
 * would mean all volumes of the account. */
static void test_chunks(void **state)
{
    (void)state;
    enum { CALLS = 501 };
    const struct canned_answer script[] = {
        {"VolumeId.500=vol-500\n", .body = VOLUMES("", "")},
        {"VolumeId.1=vol-501\n", .body = VOLUMES(VOLUME("vol-501", "available"), "")}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws *aws = canned_aws(canned);
    static struct canned_call calls[CALLS];
    static struct input inputs[CALLS];
    static struct canned_result results[CALLS];
    for (int i = 0; i < CALLS; i++) {
        inputs[i] = canned_text("volume_id", arena_printf(canned->arena, "vol-%d", i + 1));
        calls[i] = (struct canned_call){"db/wait", &inputs[i], 1, 0, ACTION_NONE};
    }
    canned_run(canned, aws, CANNED_POLL, ACTION_WAIT_VOLUME_AVAILABLE, calls, CALLS, results);
    assert_int_equal(results[0].outcome, OUTCOME_ABSENT);
    assert_int_equal(results[500].outcome, OUTCOME_OK);
    assert_int_equal(canned->requests, 2);
    aws_destroy(aws);
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
        cmocka_unit_test(test_halves_find_the_absent_one),
        cmocka_unit_test(test_actions_share_a_question),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_failure_is_everybodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
