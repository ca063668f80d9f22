/* Snapshots: made of a volume, awaited, tagged, held, released, deleted; and what their refusals mean. */
#include <stdio.h>
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define REFUSED(code, message)                                                                     \
    "<Response><Errors><Error><Code>" code "</Code><Message>" message "</Message></Error>"         \
    "</Errors><RequestID>q</RequestID></Response>"
#define SNAPSHOT(id, state, more)                                                                  \
    "<item><snapshotId>" id "</snapshotId><status>" state "</status>" more "</item>"
#define SNAPSHOTS(items)                                                                           \
    "<DescribeSnapshotsResponse><snapshotSet>" items "</snapshotSet></DescribeSnapshotsResponse>"
#define TAG(key, value) "<item><key>" key "</key><value>" value "</value></item>"
#define TAGS(items) "<tagSet>" items "</tagSet>"

static void run(const struct canned_answer *script, size_t count, enum canned_what what,
                enum action action, const struct canned_call *calls, size_t n,
                struct canned_result *results, char *log, size_t log_size)
{
    struct canned *canned = canned_create(script, count);
    struct aws *aws = canned_aws(canned);
    canned_run(canned, aws, what, action, calls, n, results);
    for (size_t i = 0; i < n; i++) { /* texts go with the canned arena */
        static char kept[8][3][300];
        const char **texts[] = {&results[i].code, &results[i].message, &results[i].help};
        for (int t = 0; t < 3; t++) {
            snprintf(kept[i][t], sizeof kept[i][t], "%s", *texts[t] ? *texts[t] : "");
            *texts[t] = kept[i][t];
        }
        static char output[8][200];
        if (results[i].output_count) {
            snprintf(output[i], sizeof output[i], "%s", results[i].outputs[0][1]);
            results[i].outputs[0][1] = output[i];
        }
    }
    if (log) {
        snprintf(log, log_size, "%s", buffer_text(&canned->log));
    }
    aws_destroy(aws);
    canned_destroy(canned);
}

static struct canned_result one(const struct canned_answer *script, size_t count,
                                enum canned_what what, enum action action, char *log,
                                size_t log_size)
{
    static const char *const keys[] = {"drc:role", "drc:recovery-point"};
    struct value items[] = {{.kind = VALUE_TEXT, .text = "dr-copy"},
                            {.kind = VALUE_TEXT, .text = "2026-11-22T10:00:00Z"}};
    struct input inputs[] = {canned_text("snapshot_id", "snap-1"),
                             {"disk", {.kind = VALUE_INT, .integer = 3}},
                             {"tags", {.kind = VALUE_MAP, .items = items,
                                       .keys = (const char **)keys, .count = 2}}};
    struct canned_call call = {"db/disk-3/x", inputs, 3, 0, ACTION_NONE};
    struct canned_result result;
    run(script, count, what, action, &call, 1, &result, log, log_size);
    return result;
}

static struct canned_result poll_one(int status, const char *body)
{
    const struct canned_answer script[] = {{"SnapshotId.1=snap-1", .status = status, .body = body}};
    return one(script, 1, CANNED_POLL, ACTION_WAIT_SNAPSHOT_COMPLETED, NULL, 0);
}

static void test_awaited(void **state)
{
    (void)state;
    struct canned_result r = poll_one(200, SNAPSHOTS(SNAPSHOT("snap-1", "completed", "")));
    assert_int_equal(r.outcome, OUTCOME_OK);
    r = poll_one(200, SNAPSHOTS(SNAPSHOT("snap-1", "pending", "<progress>40%</progress>")));
    assert_int_equal(r.outcome, OUTCOME_PENDING);
    assert_string_equal(r.message, "snap-1 is pending, 40%");
    r = poll_one(200, SNAPSHOTS(SNAPSHOT("snap-1", "error",
                                         "<statusMessage>Given key ID is not accessible"
                                         "</statusMessage>")));
    assert_int_equal(r.outcome, OUTCOME_FATAL);
    assert_true(r.gone);
    assert_string_equal(r.message, "snapshot snap-1 is in state error: Given key ID is not accessible");
    /* Not there: perhaps not yet; for good, it has to be made anew. */
    r = poll_one(400, REFUSED("InvalidSnapshot.NotFound", "The snapshot 'snap-1' does not exist."));
    assert_int_equal(r.outcome, OUTCOME_ABSENT);
    assert_true(r.gone);
    r = poll_one(200, SNAPSHOTS(""));
    assert_int_equal(r.outcome, OUTCOME_ABSENT);
    r = poll_one(503, REFUSED("RequestLimitExceeded", "slow down"));
    assert_int_equal(r.outcome, OUTCOME_THROTTLED);
}

/* One that is missing does not spoil the others. */
static void test_awaited_together(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"SnapshotId.2=snap-2", .status = 400,
         .body = REFUSED("InvalidSnapshot.NotFound", "The snapshot 'snap-1' does not exist.")},
        {"SnapshotId.1=snap-2", .body = SNAPSHOTS(SNAPSHOT("snap-2", "completed", ""))}};
    struct input a[] = {canned_text("snapshot_id", "snap-1")};
    struct input b[] = {canned_text("snapshot_id", "snap-2")};
    struct canned_call calls[] = {{"a/x", a, 1, 0, ACTION_NONE}, {"b/x", b, 1, 0, ACTION_NONE}};
    struct canned_result results[2];
    run(script, 2, CANNED_POLL, ACTION_WAIT_SNAPSHOT_COMPLETED, calls, 2, results, NULL, 0);
    assert_int_equal(results[0].outcome, OUTCOME_ABSENT);
    assert_int_equal(results[1].outcome, OUTCOME_OK);
}

static struct canned_result create_one(const struct canned_answer *script, enum canned_what what, char *log,
                                       size_t log_size)
{
    struct input inputs[] = {canned_text("volume_id", "vol-1"),
                             {"disk", {.kind = VALUE_INT, .integer = 0}}};
    struct canned_call call = {"db/disk-0/bootable/create-snapshot", inputs, 2, 0, ACTION_NONE};
    struct canned_result result;
    run(script, 1, what, ACTION_CREATE_SNAPSHOT, &call, 1, &result, log, log_size);
    return result;
}

#define CREATED(id) "<CreateSnapshotResponse>" id "<status>pending</status></CreateSnapshotResponse>"

/* Without a token: its tags are there from the beginning. */
static void test_made_of_a_volume(void **state)
{
    (void)state;
    char log[3000];
    struct canned_answer script = {"Action=CreateSnapshot",
                                   .body = CREATED("<snapshotId>snap-7</snapshotId>")};
    struct canned_result r = create_one(&script, CANNED_START, log, sizeof log);
    assert_int_equal(r.outcome, OUTCOME_OK);
    assert_string_equal(r.outputs[0][1], "snap-7");
    assert_non_null(strstr(log, "&VolumeId=vol-1"));
    assert_non_null(strstr(log, "TagSpecification.1.ResourceType=snapshot"));
    assert_non_null(strstr(log, "Key=drc%3Anode&TagSpecification.1.Tag."));
    assert_non_null(strstr(log, "Value=db%2Fdisk-0%2Fbootable%2Fcreate-snapshot"));
    assert_null(strstr(log, "ClientToken"));
    assert_null(strstr(log, "drc%3Arole")); /* not a copy yet */
    script.body = CREATED("");
    assert_int_equal(create_one(&script, CANNED_START, NULL, 0).outcome, OUTCOME_UNKNOWN);
    script.status = 400;
    script.body = REFUSED("SnapshotLimitExceeded", "Maximum allowed active snapshot limit exceeded.");
    assert_int_not_equal(create_one(&script, CANNED_START, NULL, 0).outcome, OUTCOME_OK);
}

/* By its tags, and of this very volume: the node may have made one of another before. */
static void test_made_and_looked_up(void **state)
{
    (void)state;
    char log[3000];
    struct canned_answer script = {
        "Action=DescribeSnapshots",
        .body = SNAPSHOTS(SNAPSHOT("snap-6", "error", "") SNAPSHOT("snap-7", "pending", ""))};
    struct canned_result r = create_one(&script, CANNED_LOOKUP, log, sizeof log);
    assert_int_equal(r.outcome, OUTCOME_OK);
    assert_string_equal(r.outputs[0][1], "snap-7");
    assert_non_null(strstr(log, "&Filter.1.Name=tag%3Adrc%3Arun"));
    assert_non_null(strstr(log, "&Filter.2.Name=tag%3Adrc%3Anode"));
    assert_non_null(strstr(log, "&Filter.3.Name=volume-id&Filter.3.Value.1=vol-1"));
    script.body = SNAPSHOTS(SNAPSHOT("snap-6", "error", ""));
    assert_int_equal(create_one(&script, CANNED_LOOKUP, NULL, 0).outcome, OUTCOME_ABSENT);
    script.body = SNAPSHOTS("");
    assert_int_equal(create_one(&script, CANNED_LOOKUP, NULL, 0).outcome, OUTCOME_ABSENT);
    script.status = 503;
    script.body = REFUSED("RequestLimitExceeded", "slow down");
    assert_int_equal(create_one(&script, CANNED_LOOKUP, NULL, 0).outcome, OUTCOME_THROTTLED);
}

static void test_tagged(void **state)
{
    (void)state;
    char log[2000];
    const struct canned_answer script[] = {
        {"Action=CreateTags", .body = "<CreateTagsResponse><return>true</return></CreateTagsResponse>"}};
    struct canned_result r = one(script, 1, CANNED_START, ACTION_TAG_COPY, log, sizeof log);
    assert_int_equal(r.outcome, OUTCOME_OK);
    assert_non_null(strstr(log, "&ResourceId.1=snap-1&Tag.1.Key=drc%3Adisk&Tag.1.Value=3"
                                "&Tag.2.Key=drc%3Arole&Tag.2.Value=dr-copy"
                                "&Tag.3.Key=drc%3Arecovery-point&Tag.3.Value=2026-11-22T10%3A00%3A00Z"));
}

static void test_held_and_released_in_batches(void **state)
{
    (void)state;
    char log[2000];
    struct input a[] = {canned_text("snapshot_id", "snap-1")};
    struct input b[] = {canned_text("snapshot_id", "snap-2")};
    struct canned_call calls[] = {{"a/x", a, 1, 0, ACTION_NONE},
                                  {"b/x", b, 1, 0, ACTION_NONE},
                                  {"c/x", a, 1, 0, ACTION_NONE}};
    struct canned_result results[3];
    const struct canned_answer hold[] = {
        {"Action=CreateTags", .body = "<CreateTagsResponse><return>true</return></CreateTagsResponse>"}};
    run(hold, 1, CANNED_START, ACTION_HOLD_COPY, calls, 3, results, log, sizeof log);
    assert_non_null(strstr(log, "&ResourceId.1=snap-1&ResourceId.2=snap-2&Tag.1.Key=drc%3Ahold%3Ar1"
                                "&Tag.1.Value=failover"));
    assert_null(strstr(log, "ResourceId.3"));
    const struct canned_answer release[] = {
        {"Action=DeleteTags", .body = "<DeleteTagsResponse><return>true</return></DeleteTagsResponse>"}};
    run(release, 1, CANNED_START, ACTION_RELEASE_COPY, calls, 3, results, log, sizeof log);
    assert_non_null(strstr(log, "ResourceId.2=snap-2&Tag.1.Key=drc%3Ahold%3Ar1"));
    assert_int_equal(results[2].outcome, OUTCOME_OK);
}

static void test_a_copy_that_is_gone_cannot_be_held_but_is_released(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"snap-1", .status = 400,
         .body = REFUSED("InvalidSnapshot.NotFound", "The snapshot 'snap-1' does not exist.")}};
    struct canned_result r = one(script, 1, CANNED_START, ACTION_HOLD_COPY, NULL, 0);
    assert_int_equal(r.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(r.help, "the DR copy is gone"));
    r = one(script, 1, CANNED_START, ACTION_RELEASE_COPY, NULL, 0);
    assert_int_equal(r.outcome, OUTCOME_OK);
}

#define OURS TAG("drc:plan", "shop") TAG("drc:hold:r1", "replicate")

static struct canned_result delete_one(const char *described, int status, const char *deleted)
{
    const struct canned_answer script[] = {{"Action=DescribeSnapshots", .body = described},
                                           {"Action=DeleteSnapshot", .status = status, .body = deleted}};
    return one(script, deleted ? 2 : 1, CANNED_START, ACTION_DELETE_SNAPSHOT, NULL, 0);
}

static void test_deleted(void **state)
{
    (void)state;
    const char *done = "<DeleteSnapshotResponse><return>true</return></DeleteSnapshotResponse>";
    struct canned_result r =
        delete_one(SNAPSHOTS(SNAPSHOT("snap-1", "completed", TAGS(OURS))), 200, done);
    assert_int_equal(r.outcome, OUTCOME_OK);
    assert_int_equal(r.output_count, 0);
    assert_int_equal(r.requests, 2);
    r = delete_one(SNAPSHOTS(SNAPSHOT("snap-1", "completed", TAGS(OURS))), 400,
                   REFUSED("InvalidSnapshot.NotFound", "gone"));
    assert_int_equal(r.outcome, OUTCOME_OK);
    r = delete_one(SNAPSHOTS(""), 0, NULL);
    assert_int_equal(r.outcome, OUTCOME_OK);
}

static void test_what_is_in_use_is_kept(void **state)
{
    (void)state;
    struct canned_result r = delete_one(
        SNAPSHOTS(SNAPSHOT("snap-1", "completed", TAGS(OURS TAG("drc:hold:k2", "failover")))), 0, NULL);
    assert_int_equal(r.outcome, OUTCOME_OK);
    assert_int_equal(r.output_count, 1);
    assert_string_equal(r.outputs[0][1], "run k2 holds it");
    r = delete_one(SNAPSHOTS(SNAPSHOT("snap-1", "completed", TAGS(OURS))), 400,
                   REFUSED("InvalidSnapshot.InUse", "snap-1 is currently in use by ami-1"));
    assert_int_equal(r.outcome, OUTCOME_OK);
    assert_non_null(strstr(r.outputs[0][1], "in use by ami-1"));
}

static void test_what_is_not_the_plans_is_not_deleted(void **state)
{
    (void)state;
    struct canned_result r = delete_one(
        SNAPSHOTS(SNAPSHOT("snap-1", "completed", TAGS(TAG("drc:plan", "erp")))), 0, NULL);
    assert_int_equal(r.outcome, OUTCOME_FATAL);
    assert_string_equal(r.message, "snap-1 is no snapshot of this plan (drc:plan is erp)");
    r = delete_one(SNAPSHOTS(SNAPSHOT("snap-1", "completed", "")), 0, NULL);
    assert_int_equal(r.outcome, OUTCOME_FATAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_awaited),
        cmocka_unit_test(test_awaited_together),
        cmocka_unit_test(test_made_of_a_volume),
        cmocka_unit_test(test_made_and_looked_up),
        cmocka_unit_test(test_tagged),
        cmocka_unit_test(test_held_and_released_in_batches),
        cmocka_unit_test(test_a_copy_that_is_gone_cannot_be_held_but_is_released),
        cmocka_unit_test(test_deleted),
        cmocka_unit_test(test_what_is_in_use_is_kept),
        cmocka_unit_test(test_what_is_not_the_plans_is_not_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
