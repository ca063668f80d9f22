/* Snapshots begun and sealed by EBS direct. */
#include <stdio.h>
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define SNAPSHOTS(items)                                                                           \
    "<DescribeSnapshotsResponse><snapshotSet>" items "</snapshotSet></DescribeSnapshotsResponse>"
#define SNAPSHOT(id, state, more)                                                                  \
    "<item><snapshotId>" id "</snapshotId><status>" state "</status>" more "</item>"

struct seen {
    struct canned_result result;
    char message[400], help[400], output[64], log[6000];
};

static struct seen try(const struct canned_answer *script, size_t count, enum canned_what what,
                       enum action action, const struct input *inputs, size_t n)
{
    struct seen seen = {0};
    struct canned *canned = canned_create(script, count);
    struct aws *aws = canned_aws(canned);
    struct canned_call call = {"db/disk-0/x", inputs, n, 0, ACTION_NONE};
    canned_run(canned, aws, what, action, &call, 1, &seen.result);
    snprintf(seen.message, sizeof seen.message, "%s", seen.result.message ? seen.result.message : "");
    snprintf(seen.help, sizeof seen.help, "%s", seen.result.help ? seen.result.help : "");
    const char *id = canned_output(&seen.result, "snapshot_id");
    snprintf(seen.output, sizeof seen.output, "%s", id ? id : "");
    snprintf(seen.log, sizeof seen.log, "%s", buffer_text(&canned->log));
    aws_destroy(aws);
    canned_destroy(canned);
    return seen;
}

#define ARN "arn:aws:kms:eu-west-1:111122223333:key/1234"

static struct seen start(int status, const char *body, const char *parent, const char *key)
{
    const struct canned_answer script[] = {
        {"POST https://ebs.eu-west-1.amazonaws.com/snapshots\n", .status = status, .body = body}};
    static const char *const keys[] = {"team", "drc:role"};
    struct value items[] = {{.kind = VALUE_TEXT, .text = "shop"},
                            {.kind = VALUE_TEXT, .text = "dr-copy"}};
    struct input inputs[8];
    size_t n = 0;
    inputs[n++] = (struct input){"size_gib", {.kind = VALUE_INT, .integer = 20}};
    inputs[n++] = (struct input){"disk", {.kind = VALUE_INT, .integer = 1}};
    inputs[n++] = (struct input){"tags", {.kind = VALUE_MAP, .items = items,
                                          .keys = (const char **)keys, .count = 2}};
    if (parent) {
        inputs[n++] = canned_text("parent_snapshot_id", parent);
    }
    if (key) {
        inputs[n++] = canned_text("kms_key", key);
    }
    return try(script, body ? 1 : 0, CANNED_START, ACTION_START_SNAPSHOT, inputs, n);
}

static void test_started(void **state)
{
    (void)state;
    struct seen s = start(201, "{\"SnapshotId\":\"snap-9\",\"Status\":\"pending\"}", NULL, ARN);
    assert_int_equal(s.result.outcome, OUTCOME_OK);
    assert_string_equal(s.output, "snap-9");
    assert_non_null(strstr(s.log, "{\"VolumeSize\":20,\"ClientToken\":\"t0\",\"Description\":\"drc: "
                                  "shop/db, disk 1\",\"Timeout\":4320,\"Encrypted\":true,"
                                  "\"KmsKeyArn\":\"" ARN "\",\"Tags\":["));
    assert_non_null(strstr(s.log, "{\"Key\":\"drc:disk\",\"Value\":\"1\"}"));
    assert_non_null(strstr(s.log, "{\"Key\":\"drc:run\",\"Value\":\"r1\"}"));
    assert_non_null(strstr(s.log, "{\"Key\":\"team\",\"Value\":\"shop\"}"));
    assert_null(strstr(s.log, "drc:role")); /* it is no copy yet */
    assert_null(strstr(s.log, "Parent"));
}

/* Encrypted or a key beside a parent is a ValidationException. */
static void test_a_parent_has_its_key(void **state)
{
    (void)state;
    struct seen s = start(201, "{\"SnapshotId\":\"snap-9\"}", "snap-8", ARN);
    assert_non_null(strstr(s.log, "\"ParentSnapshotId\":\"snap-8\""));
    assert_null(strstr(s.log, "Encrypted"));
    assert_null(strstr(s.log, "Kms"));
}

static void test_refusals(void **state)
{
    (void)state;
    struct seen s = start(0, NULL, NULL, "alias/backup");
    assert_int_equal(s.result.outcome, OUTCOME_FATAL);
    assert_string_equal(s.message, "StartSnapshot takes the ARN of a KMS key, not \"alias/backup\"");
    s = start(400,
              "{\"__type\":\"ValidationException\",\"Message\":\"Unencrypted parent snapshot\","
              "\"Reason\":\"INVALID_PARAMETER_VALUE\"}",
              "snap-8", NULL);
    assert_int_equal(s.result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(s.help, "copies the whole disk"));
    s = start(403,
              "{\"__type\":\"AccessDeniedException\",\"Message\":\"key\","
              "\"Reason\":\"DEPENDENCY_ACCESS_DENIED\"}",
              NULL, ARN);
    assert_non_null(strstr(s.help, "KMS key's state"));
    s = start(402,
              "{\"__type\":\"ServiceQuotaExceededException\",\"Message\":\"too many pending\","
              "\"Reason\":\"DEPENDENCY_SERVICE_QUOTA_EXCEEDED\"}",
              NULL, NULL);
    assert_int_equal(s.result.outcome, OUTCOME_THROTTLED); /* others end */
    s = start(201, "{}", NULL, NULL);
    assert_int_equal(s.result.outcome, OUTCOME_UNKNOWN);
}

static struct seen find(const char *body)
{
    const struct canned_answer script[] = {
        {"Filter.1.Name=tag%3Adrc%3Arun&Filter.1.Value.1=r1&Filter.2.Name=tag%3Adrc%3Anode", .body = body}};
    return try(script, 1, CANNED_LOOKUP, ACTION_START_SNAPSHOT, NULL, 0);
}

static void test_found_again(void **state)
{
    (void)state;
    struct seen s = find(SNAPSHOTS(SNAPSHOT("snap-1", "error", "")
                                       SNAPSHOT("snap-2", "pending",
                                                "<tagSet><item><key>drc:generation</key>"
                                                "<value>1</value></item></tagSet>")
                                           SNAPSHOT("snap-3", "pending", "")));
    assert_int_equal(s.result.outcome, OUTCOME_OK);
    assert_string_equal(s.output, "snap-3"); /* of this generation, and alive */
    s = find(SNAPSHOTS(""));
    assert_int_equal(s.result.outcome, OUTCOME_ABSENT);
}

static struct seen complete(const struct canned_answer *script, size_t count)
{
    struct input inputs[] = {canned_text("snapshot_id", "snap-1"),
                             canned_text("changed_blocks", "42"), canned_text("checksum", "abc=")};
    return try(script, count, CANNED_START, ACTION_COMPLETE_SNAPSHOT, inputs, 3);
}

#define SEAL "POST https://ebs.eu-west-1.amazonaws.com/snapshots/completion/snap-1\n"

static void test_completed(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{SEAL, .status = 202, .body = "{\"Status\":\"pending\"}"}};
    struct seen s = complete(script, 1);
    assert_int_equal(s.result.outcome, OUTCOME_OK);
    assert_non_null(strstr(s.log, "x-amz-ChangedBlocksCount: 42\nx-amz-Checksum: abc=\n"
                                  "x-amz-Checksum-Algorithm: SHA256\n"
                                  "x-amz-Checksum-Aggregation-Method: LINEAR\n"));
}

#define CONFLICT "{\"__type\":\"ConflictException\",\"Message\":\"not pending\"}"

static struct seen complete_again(int status, const char *refusal, const char *described)
{
    const struct canned_answer script[] = {{SEAL, .status = status, .body = refusal},
                                           {"SnapshotId.1=snap-1", .body = described}};
    return complete(script, 2);
}

/* The answer of the first try was lost: the second is refused, and that is no failure. */
static void test_completed_already(void **state)
{
    (void)state;
    struct seen s = complete_again(409, CONFLICT, SNAPSHOTS(SNAPSHOT("snap-1", "completed", "")));
    assert_int_equal(s.result.outcome, OUTCOME_OK);
    assert_int_equal(s.result.requests, 2);
    s = complete_again(400,
                       "{\"__type\":\"ValidationException\",\"Message\":\"checksum differs\","
                       "\"Reason\":\"INVALID_PARAMETER_VALUE\"}",
                       SNAPSHOTS(SNAPSHOT("snap-1", "pending", "")));
    assert_int_equal(s.result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(s.message, "checksum differs"));
    assert_false(s.result.gone);
}

static void test_gone_while_it_was_written(void **state)
{
    (void)state;
    struct seen s = complete_again(
        409, CONFLICT,
        SNAPSHOTS(SNAPSHOT("snap-1", "error", "<statusMessage>timed out</statusMessage>")));
    assert_int_equal(s.result.outcome, OUTCOME_FATAL);
    assert_true(s.result.gone);
    assert_string_equal(s.message, "snapshot snap-1 is in state error: timed out");
    s = complete_again(404,
                       "{\"__type\":\"ResourceNotFoundException\",\"Message\":\"none\","
                       "\"Reason\":\"SNAPSHOT_NOT_FOUND\"}",
                       SNAPSHOTS(""));
    assert_int_equal(s.result.outcome, OUTCOME_ABSENT); /* for good, or not yet: time tells */
    assert_true(s.result.gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_started),
        cmocka_unit_test(test_a_parent_has_its_key),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_found_again),
        cmocka_unit_test(test_completed),
        cmocka_unit_test(test_completed_already),
        cmocka_unit_test(test_gone_while_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
