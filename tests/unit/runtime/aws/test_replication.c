/* How copies would be encrypted, and how many are pending. The copies themselves: test_copies.c. */
#include "runtime/aws/replication.h"

#include <string.h>

#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define IDENTITY                                                                                   \
    {                                                                                              \
        .expect = "GetCallerIdentity", .any_order = true,                                          \
        .body = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account>"                      \
                "<Arn>arn:aws:iam::111122223333:user/dr</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"       \
    }
#define COPIES                                                                                     \
    {                                                                                              \
        .expect = "DescribeSnapshots", .any_order = true,                                          \
        .body = "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId><status>completed</status>"  \
                "<volumeSize>8</volumeSize><encrypted>true</encrypted><kmsKeyId>arn:k</kmsKeyId>"  \
                "<tagSet><item><key>drc:role</key><value>dr-copy</value></item>"                   \
                "<item><key>drc:vm</key><value>db</value></item>"                                  \
                "<item><key>drc:disk</key><value>0</value></item>"                                 \
                "<item><key>drc:hold:7k2f</key><value>x</value></item>"                            \
                "<item><key>drc:recovery-point</key><value>2026-11-22T09:00:00Z</value></item>"    \
                "</tagSet></item></snapshotSet></DescribeSnapshotsResponse>"                                               \
    }
#define DEFAULT(word)                                                                              \
    {                                                                                              \
        .expect = "GetEbsEncryptionByDefault", .any_order = true,                                  \
        .body = "<GetEbsEncryptionByDefaultResponse><ebsEncryptionByDefault>" word "</ebsEncryptionByDefault></GetEbsEncryptionByDefaultResponse>"                 \
    }
#define KEY                                                                                        \
    {                                                                                              \
        .expect = "TrentService.DescribeKey", .any_order = true,                                   \
        .body = "{\"KeyMetadata\":{\"Arn\":\"arn:aws:kms:eu-west-1:111122223333:key/1\","          \
                "\"KeyState\":\"Disabled\"}}"                                                      \
    }
#define NO_KEY                                                                                     \
    {                                                                                              \
        .expect = "TrentService.DescribeKey", .any_order = true, .status = 400,                    \
        .body = "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}"                        \
    }

static bool look(const struct canned_answer *script, size_t count, const char *key,
                 struct aws_replication *seen, struct canned **canned, struct aws **aws,
                 struct error *error)
{
    *canned = canned_create(script, count);
    *aws = canned_aws(*canned);
    struct plan *plan = ARENA_NEW((*canned)->arena, struct plan);
    *plan = (struct plan){.name = "shop", .aws.kms_key.value = key};
    return aws_look_at_replication(*aws, (*canned)->arena, plan, seen, error);
}

static void an_alias_becomes_an_arn(void **state)
{
    static const struct canned_answer script[] = {IDENTITY, COPIES, DEFAULT("false"), KEY};
    struct aws_replication seen;
    struct canned *canned;
    struct aws *aws;
    (void)state;
    assert_true(look(script, CANNED_COUNT(script), "alias/dr", &seen, &canned, &aws, NULL));
    assert_string_equal(seen.key_arn, "arn:aws:kms:eu-west-1:111122223333:key/1");
    assert_string_equal(seen.key_state, "Disabled");
    assert_false(seen.encrypts_by_default || seen.encrypts_unknown);
    const struct recovery_point *point = map_get(&seen.points.by_vm, "db");
    assert_string_equal(point->copies[0]->held_by, "7k2f");
    assert_string_equal(point->copies[0]->kms_key, "arn:k");
    assert_true(point->copies[0]->encrypted);
    aws_destroy(aws);
    canned_destroy(canned);
}

static void an_alias_that_may_not_be_read_is_an_error(void **state)
{
    static const struct canned_answer script[] = {IDENTITY, COPIES, DEFAULT("true"), NO_KEY};
    struct aws_replication seen;
    struct canned *canned;
    struct aws *aws;
    struct error error = {0};
    (void)state;
    assert_false(look(script, CANNED_COUNT(script), "alias/dr", &seen, &canned, &aws, &error));
    assert_non_null(strstr(error.message, "the KMS key alias/dr cannot be resolved"));
    assert_non_null(strstr(error.help, "kms:DescribeKey"));
    error_clear(&error);
    aws_destroy(aws);
    canned_destroy(canned);
    /* An ARN needs no resolving: then only its state is unknown. */
    assert_true(look(script, CANNED_COUNT(script), "arn:aws:kms:eu-west-1:111122223333:key/2", &seen,
                     &canned, &aws, NULL));
    assert_string_equal(seen.key_arn, "arn:aws:kms:eu-west-1:111122223333:key/2");
    assert_null(seen.key_state);
    assert_true(seen.encrypts_by_default);
    aws_destroy(aws);
    canned_destroy(canned);
}

static void pending_snapshots_are_counted(void **state)
{
    static const struct canned_answer script[] = {
        {.expect = "Filter.1.Value.1=pending",
         .body = "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId></item>"
                 "<item><snapshotId>snap-2</snapshotId></item></snapshotSet></DescribeSnapshotsResponse>"}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws *aws = canned_aws(canned);
    int64_t count = 0;
    (void)state;
    assert_true(aws_count_pending_snapshots(aws, canned->arena, &count, NULL));
    assert_int_equal(count, 2);
    aws_destroy(aws);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alias_becomes_an_arn),
        cmocka_unit_test(an_alias_that_may_not_be_read_is_an_error),
        cmocka_unit_test(pending_snapshots_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
