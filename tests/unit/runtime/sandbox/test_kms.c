/* KMS keys, and what gets encrypted with them. */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <string.h>

#include "compiler/base/arena.h"

static const char *describe(struct sandbox_client *c, const char *name)
{
    const char *body = arena_printf(c->arena, "{\"KeyId\":\"%s\"}", name);
    client_send(c, "kms", "https://kms.eu-west-1.amazonaws.com/", "TrentService.DescribeKey", body,
                strlen(body));
    const cJSON *key = cJSON_GetObjectItem(c->json, "KeyMetadata");
    const cJSON *arn = cJSON_GetObjectItem(key, "Arn");
    return arn ? arena_strdup(c->arena, arn->valuestring) : NULL;
}

static void test_keys(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *own = describe(c, "alias/aws/ebs");
    assert_non_null(own);
    assert_string_equal(describe(c, own), own);
    assert_null(describe(c, "alias/nobody"));
    assert_string_equal(got_json(c, "__type"), "NotFoundException");
    assert_null(describe(c, ""));
    assert_string_equal(got_json(c, "__type"), "ValidationException");
    const char *made = describe(c, "alias/dr"); /* the plan's */
    assert_non_null(made);
    assert_string_not_equal(made, own);
    assert_string_equal(describe(c, made), made);
    assert_string_equal(describe(c, strrchr(made, '/') + 1), made);
    assert_string_equal(describe(c, "arn:aws:kms:eu-west-1:111122223333:alias/dr"), made);
    assert_null(describe(c, "arn:aws:kms:us-east-1:111122223333:alias/dr"));
    client_destroy(c);
}

static void test_encryption_by_default(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *plain = copy_of(c, "db", 0), *made = describe(c, "alias/dr");
    ec2_ok(c, "Action=GetEbsEncryptionByDefault");
    assert_string_equal(got(c, "ebsEncryptionByDefault"), "false");
    ec2_ok(c, "Action=EnableEbsEncryptionByDefault");
    ec2_ok(c, "Action=GetEbsDefaultKmsKeyId");
    assert_string_equal(got(c, "kmsKeyId"), "alias/aws/ebs");
    ec2_fails(c, 400, "InvalidParameterValue", "Action=ModifyEbsDefaultKmsKeyId&KmsKeyId=alias/no");
    ec2_ok(c, "Action=ModifyEbsDefaultKmsKeyId&KmsKeyId=alias/dr");
    ec2_ok(c, "Action=GetEbsEncryptionByDefault");
    assert_string_equal(got(c, "ebsEncryptionByDefault"), "true");
    const char *volume = make_volume(c, plain);
    ec2_ok(c, "Action=DescribeVolumes&VolumeId.1=%s", volume);
    assert_string_equal(got(c, "volumeSet/item/encrypted"), "true");
    assert_string_equal(got(c, "volumeSet/item/kmsKeyId"), made);

    const char *body = "{\"VolumeSize\":1}";
    assert_int_equal(client_rest(c, "ebs", "POST", "/snapshots", NULL, body, strlen(body)), 201);
    assert_string_equal(got_json(c, "KmsKeyArn"), made);
    body = arena_printf(c->arena, "{\"VolumeSize\":100,\"ParentSnapshotId\":\"%s\"}", plain);
    assert_int_equal(client_rest(c, "ebs", "POST", "/snapshots", NULL, body, strlen(body)), 400);
    ec2_ok(c, "Action=DisableEbsEncryptionByDefault");
    assert_int_equal(client_rest(c, "ebs", "POST", "/snapshots", NULL, body, strlen(body)), 201);
    assert_null(cJSON_GetObjectItem(c->json, "KmsKeyArn"));
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_encryption_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
