/* kms:DescribeKey, and the account's settings of EBS encryption in EC2. */
#include "runtime/sandbox/kms.h"

#include <inttypes.h>
#include <string.h>

static const char managed_alias[] = "alias/aws/ebs";
static const char managed_id[] = "3c1f9a52-6f0e-4d8b-9a31-5e0b00000eb5";

static const char *key_arn(struct request *r, const char *id)
{
    return arena_printf(r->arena, "arn:aws:kms:%s:%s:key/%s", r->region, r->caller.account, id);
}

const char *kms_default_key(struct request *r)
{
    const char *chosen = state_setting(r->state, r->arena, "ebs_key");
    return chosen ? chosen : key_arn(r, managed_id);
}

bool ebs_encryption_by_default(struct request *r)
{
    return state_setting_int(r->state, "encryption_by_default", 0) != 0;
}

/* "alias/x" and "key id" out of their ARNs. */
static const char *short_name(const char *name)
{
    const char *alias = strstr(name, ":alias/"), *key = strstr(name, ":key/");
    return alias ? alias + 1 : key ? key + strlen(":key/") : name;
}

const char *kms_find_key(struct request *r, const char *name)
{
    const char *given = short_name(name);
    if (strcmp(given, managed_alias) == 0 || strcmp(given, managed_id) == 0) {
        return key_arn(r, managed_id);
    }
    const char *id = state_value_text(
        r->state, r->arena, "SELECT id FROM kms_keys WHERE id = ?1 OR alias = ?1", "s", given);
    const char *arn = id ? key_arn(r, id) : NULL;
    /* An ARN of another account or region is another key. */
    bool other = strncmp(name, "arn:", 4) == 0 && arn &&
                 strncmp(name, arn, (size_t)(strstr(arn, ":key/") - arn)) != 0;
    return other ? NULL : arn;
}

void kms_make_key(struct request *r, const char *name)
{
    const char *given = short_name(name);
    bool alias = strncmp(given, "alias/", 6) == 0;
    if (!kms_find_key(r, given)) {
        state_run(r->state, "INSERT INTO kms_keys VALUES (?, ?, ?)", "ssi",
                  alias ? new_uuid(r) : given, alias ? given : NULL, r->now_ms);
    }
}

bool kms_describe_key(struct request *r)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(r->json, "KeyId");
    if (!cJSON_IsString(name) || !*name->valuestring) {
        return fail(r, 400, "ValidationException", "KeyId is missing");
    }
    const char *arn = kms_find_key(r, name->valuestring);
    if (!arn) {
        return fail(r, 400, "NotFoundException", "Key '%s' does not exist", name->valuestring);
    }
    const char *id = short_name(arn);
    bool managed = strcmp(id, managed_id) == 0;
    struct json_writer *json = &r->writer;
    json_begin_object(json);
    json_key(json, "KeyMetadata");
    json_begin_object(json);
    json_key_string(json, "AWSAccountId", r->caller.account);
    json_key_string(json, "KeyId", id);
    json_key_string(json, "Arn", arn);
    json_key_int(
        json, "CreationDate",
        state_value(r->state, 0, "SELECT created_ms / 1000 FROM kms_keys WHERE id = ?", "s", id));
    json_key_bool(json, "Enabled", true);
    json_key_string(json, "Description", "");
    json_key_string(json, "KeyUsage", "ENCRYPT_DECRYPT");
    json_key_string(json, "KeyState", "Enabled");
    json_key_string(json, "Origin", "AWS_KMS");
    json_key_string(json, "KeyManager", managed ? "AWS" : "CUSTOMER");
    json_key_string(json, "KeySpec", "SYMMETRIC_DEFAULT");
    json_key_bool(json, "MultiRegion", false);
    json_end_object(json);
    json_end_object(json);
    return true;
}

static void write_default(struct request *r)
{
    xml_bool(&r->xml, "ebsEncryptionByDefault", ebs_encryption_by_default(r));
}

bool ec2_get_encryption_by_default(struct request *r)
{
    write_default(r);
    return true;
}

bool ec2_enable_encryption_by_default(struct request *r)
{
    state_set_int(r->state, "encryption_by_default", 1);
    write_default(r);
    return true;
}

bool ec2_disable_encryption_by_default(struct request *r)
{
    state_set_int(r->state, "encryption_by_default", 0);
    write_default(r);
    return true;
}

bool ec2_get_default_key(struct request *r)
{
    const char *chosen = state_setting(r->state, r->arena, "ebs_key");
    xml_put(&r->xml, "kmsKeyId", chosen ? chosen : managed_alias);
    return true;
}

bool ec2_modify_default_key(struct request *r)
{
    const char *name, *arn;
    if (!need(r, "KmsKeyId", &name)) {
        return false;
    }
    arn = kms_find_key(r, name);
    if (!arn) {
        return fail(r, 400, "InvalidParameterValue", "The key '%s' does not exist", name);
    }
    state_set(r->state, "ebs_key", arn);
    xml_put(&r->xml, "kmsKeyId", arn);
    return true;
}
