/* StartSnapshot: what may be asked for, what is inherited of the parent, and what a client token
 * answers a second time. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "compiler/base/sha256.h"
#include "runtime/sandbox/blobs.h"
#include "runtime/sandbox/ebs.h"
#include "runtime/sandbox/kms.h"

enum {
    GIB_MAX = 65536,
    TIMEOUT_MIN = 10, /* minutes */
    TIMEOUT_MAX = 4320,
    TIMEOUT_DEFAULT = 60,
    PENDING_MAX = 100,
    TOKEN_MAX = 255,
    DESCRIPTION_MAX = 255,
    KEY_ARN_MAX = 2048,
    TAGS_MAX = 50,
    TAG_KEY_MAX = 127,
    TAG_VALUE_MAX = 255,
    MINUTE_MS = 60000,
};

struct start {
    int64_t size_gib, timeout_min;
    const char *parent_id, *description, *token, *key;
    const cJSON *tags;
    bool has_encrypted, encrypted;
    struct snapshot *parent; /* NULL: none */
};

static const cJSON *member(struct request *r, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(r->json, name);
    return cJSON_IsNull(value) ? NULL : value;
}

static bool number(struct request *r, const char *name, int64_t least, int64_t most,
                   const char *reason, int64_t *value)
{
    const cJSON *given = member(r, name);
    if (!given) {
        return true;
    }
    double number = cJSON_IsNumber(given) ? given->valuedouble : -1;
    if (!(number >= (double)least && number <= (double)most) || number != (double)(int64_t)number) {
        return ebs_invalid(r, reason, "%s has to be a whole number from %" PRId64 " to %" PRId64,
                           name, least, most);
    }
    *value = (int64_t)number;
    return true;
}

static bool text(struct request *r, const char *name, size_t longest, const char **value)
{
    const cJSON *given = member(r, name);
    if (!given) {
        return true;
    }
    *value = cJSON_IsString(given) ? given->valuestring : NULL;
    return (*value && **value && strlen(*value) <= longest) ||
           ebs_invalid(r, "INVALID_PARAMETER_VALUE", "%s has to be a text of 1 to %zu characters",
                       name, longest);
}

static bool check_tag(struct request *r, const cJSON *tag)
{
    const cJSON *key = cJSON_GetObjectItemCaseSensitive(tag, "Key");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(tag, "Value");
    if (!cJSON_IsString(key) || !*key->valuestring || strlen(key->valuestring) > TAG_KEY_MAX * 4) {
        return ebs_invalid(r, "INVALID_TAG", "A tag's key has 1 to %d characters", TAG_KEY_MAX);
    }
    if (strncasecmp(key->valuestring, "aws:", 4) == 0) {
        return ebs_invalid(r, "INVALID_TAG", "Tag keys that begin with aws: are reserved");
    }
    if (value && (!cJSON_IsString(value) || strlen(value->valuestring) > TAG_VALUE_MAX * 4)) {
        return ebs_invalid(r, "INVALID_TAG", "A tag's value has at most %d characters",
                           TAG_VALUE_MAX);
    }
    return true;
}

static bool check_tags(struct request *r, const cJSON *tags)
{
    if (tags && (!cJSON_IsArray(tags) || cJSON_GetArraySize(tags) > TAGS_MAX)) {
        return ebs_invalid(r, "INVALID_TAG", "At most %d tags", TAGS_MAX);
    }
    struct map seen = {.arena = r->arena};
    const cJSON *tag;
    cJSON_ArrayForEach(tag, tags)
    {
        if (!check_tag(r, tag)) {
            return false;
        }
        const cJSON *key = cJSON_GetObjectItemCaseSensitive(tag, "Key");
        if (!map_put(&seen, key->valuestring, (void *)tag)) {
            return ebs_invalid(r, "INVALID_TAG", "The tag %s is given twice", key->valuestring);
        }
    }
    return true;
}

static bool read_start(struct request *r, struct start *start)
{
    *start = (struct start){.timeout_min = TIMEOUT_DEFAULT, .tags = member(r, "Tags")};
    const cJSON *encrypted = member(r, "Encrypted");
    start->has_encrypted = encrypted != NULL;
    start->encrypted = cJSON_IsTrue(encrypted);
    if (encrypted && !cJSON_IsBool(encrypted)) {
        return ebs_invalid(r, "INVALID_PARAMETER_VALUE", "Encrypted has to be true or false");
    }
    if (!member(r, "VolumeSize")) {
        return ebs_invalid(r, "INVALID_VOLUME_SIZE", "VolumeSize is missing");
    }
    return number(r, "VolumeSize", 1, GIB_MAX, "INVALID_VOLUME_SIZE", &start->size_gib) &&
           number(r, "Timeout", TIMEOUT_MIN, TIMEOUT_MAX, "INVALID_PARAMETER_VALUE",
                  &start->timeout_min) &&
           text(r, "ParentSnapshotId", 64, &start->parent_id) &&
           text(r, "Description", DESCRIPTION_MAX, &start->description) &&
           text(r, "ClientToken", TOKEN_MAX, &start->token) &&
           text(r, "KmsKeyArn", KEY_ARN_MAX, &start->key) && check_tags(r, start->tags);
}

/* arn:aws:kms:REGION:ACCOUNT:key/ID: neither an alias nor a key's id alone. */
static bool is_key_arn(const char *text)
{
    const char *kms = strncmp(text, "arn:aws", 7) == 0 ? strstr(text, ":kms:") : NULL;
    const char *key = kms ? strstr(kms, ":key/") : NULL;
    return key && key - kms >= 5 + 1 + 12 && strspn(key - 12, "0123456789") == 12 && key[5];
}

/* "Encryption outcomes for EBS direct APIs", EBS User Guide. */
static bool check_encryption(struct request *r, struct start *start)
{
    bool by_default = ebs_encryption_by_default(r);
    if (start->key && !is_key_arn(start->key)) {
        return ebs_invalid(r, "INVALID_CUSTOMER_KEY", "KmsKeyArn has to be the ARN of a key: %s",
                           start->key);
    }
    if (start->parent_id && (start->has_encrypted || start->key)) {
        return ebs_invalid(r, "INVALID_PARAMETER_VALUE",
                           "Encrypted and KmsKeyArn cannot be given with ParentSnapshotId");
    }
    if (start->parent) {
        start->encrypted = start->parent->encrypted;
        start->key = start->parent->kms_key;
        return start->encrypted || !by_default ||
               ebs_invalid(r, "INVALID_PARAMETER_VALUE",
                           "An unencrypted parent snapshot cannot be used: encryption by default "
                           "is on");
    }
    if (start->key && !start->encrypted) {
        return ebs_invalid(r, "INVALID_PARAMETER_VALUE", "KmsKeyArn needs Encrypted");
    }
    start->encrypted = start->encrypted || by_default;
    if (start->encrypted && !start->key) {
        start->key = kms_default_key(r);
    }
    return true;
}

static bool check_parent(struct request *r, struct start *start)
{
    if (!start->parent_id) {
        return true;
    }
    start->parent = ebs_find(r, start->parent_id);
    if (!start->parent) {
        return false;
    }
    if (strcmp(start->parent->state, "completed") != 0) {
        return ebs_invalid(r, "INVALID_SNAPSHOT_ID", "The parent snapshot %s is %s, not completed",
                           start->parent_id, start->parent->state);
    }
    return start->size_gib >= start->parent->size_gib ||
           ebs_invalid(r, "INVALID_VOLUME_SIZE",
                       "VolumeSize %" PRId64 " is below the parent snapshot's %" PRId64,
                       start->size_gib, start->parent->size_gib);
}

static bool check_pending(struct request *r)
{
    int64_t pending =
        state_value(r->state, 0,
                    "SELECT count(*) FROM snapshots WHERE deleted_ms IS NULL AND "
                    "CASE WHEN expires_ms IS NULL THEN completed_ms > ?1 ELSE expires_ms > ?1 END",
                    "i", r->now_ms);
    if (pending < PENDING_MAX) {
        return true;
    }
    r->failure.reason = "DEPENDENCY_SERVICE_QUOTA_EXCEEDED";
    return fail(r, 402, "ServiceQuotaExceededException",
                "%d snapshots are pending, and no more may be", PENDING_MAX);
}

/* All of the request but the token. */
static const char *digest_of(struct request *r, const struct start *start)
{
    struct buffer text = {0};
    struct json_writer json = json_writer(&text, 0);
    json_begin_object(&json);
    json_key_int(&json, "size", start->size_gib);
    json_key_int(&json, "timeout", start->timeout_min);
    json_key_string(&json, "parent", start->parent_id);
    json_key_string(&json, "description", start->description);
    json_key_string(&json, "key", start->key);
    json_key_bool(&json, "encrypted", start->encrypted);
    json_key_bool(&json, "has_encrypted", start->has_encrypted);
    const cJSON *tag;
    cJSON_ArrayForEach(tag, start->tags)
    {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(tag, "Value");
        json_key_string(&json, cJSON_GetObjectItemCaseSensitive(tag, "Key")->valuestring,
                        value ? value->valuestring : "");
    }
    json_end_object(&json);
    char *hex = arena_alloc(r->arena, SHA256_HEX_SIZE);
    sha256_hex(text.data, text.length, hex);
    buffer_free(&text);
    return hex;
}

static void write_started(struct request *r, const struct snapshot *snapshot)
{
    struct json_writer *json = &r->writer;
    r->answer.status = 201;
    json_begin_object(json);
    json_key_string(json, "Description", snapshot->description);
    json_key_string(json, "SnapshotId", snapshot->resource.id);
    json_key_string(json, "OwnerId", snapshot->owner);
    json_key_string(json, "Status", snapshot->state);
    json_key(json, "StartTime");
    json_number(json, (double)snapshot->resource.created_ms / 1000);
    json_key_int(json, "VolumeSize", snapshot->size_gib);
    json_key_int(json, "BlockSize", BLOCK_BYTES);
    json_key(json, "Tags");
    json_begin_array(json);
    for (size_t i = 0; i < snapshot->resource.tags.count; i++) {
        json_begin_object(json);
        json_key_string(json, "Key", snapshot->resource.tags.items[i].key);
        json_key_string(json, "Value", snapshot->resource.tags.items[i].value);
        json_end_object(json);
    }
    json_end_array(json);
    json_key_string(json, "ParentSnapshotId", snapshot->parent);
    json_key_string(json, "KmsKeyArn", snapshot->kms_key);
    json_end_object(json);
}

/* The blocks of the parent are there from the start: its deletion takes nothing away. A disk of
 * which nothing is known comes from outside, without the drivers that EC2 needs. */
static const char *make(struct request *r, const struct start *start)
{
    const struct snapshot *parent = start->parent;
    const char *id = new_id(r, "snap");
    const char *lineage = parent && parent->lineage ? parent->lineage
                          : parent                  ? parent->resource.id
                                                    : id;
    int64_t timeout_ms = start->timeout_min * MINUTE_MS;
    state_run(r->state,
              "INSERT INTO snapshots (id, created_ms, completed_ms, volume, size_gib, encrypted, "
              "description, content, firmware, kms_key, lineage, parent, expires_ms, timeout_ms, "
              "progress) VALUES (?, ?, 0, 'vol-ffffffff', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
              "siidssssssii", id, r->now_ms, start->size_gib, (int)start->encrypted,
              start->description ? start->description : "", parent ? parent->content : "vmware",
              parent ? parent->firmware : NULL, start->encrypted ? start->key : NULL, lineage,
              start->parent_id, r->now_ms + timeout_ms, timeout_ms);
    state_run(r->state, "UPDATE snapshots SET map = rowid WHERE id = ?", "s", id);
    if (parent && parent->map) {
        state_run(r->state,
                  "INSERT INTO blocks SELECT (SELECT map FROM snapshots WHERE id = ?), position, "
                  "digest, 0 FROM blocks WHERE map = ?",
                  "si", id, parent->map);
    }
    const cJSON *tag;
    cJSON_ArrayForEach(tag, start->tags)
    {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(tag, "Value");
        tag_put(r, id, cJSON_GetObjectItemCaseSensitive(tag, "Key")->valuestring,
                value ? value->valuestring : "");
    }
    return id;
}

/* The same request again is told what it was told; another one with its token is refused. */
static bool answer_again(struct request *r, const char *id, bool same)
{
    if (!same) {
        return fail(r, 409, "ConflictException",
                    "The request uses the same client token as a previous, but non-identical "
                    "request.");
    }
    const struct snapshot *snapshot = snapshot_load(r, id);
    if (!snapshot) {
        r->failure.reason = "SNAPSHOT_NOT_FOUND";
        return fail(r, 404, "ResourceNotFoundException",
                    "The snapshot %s that this client token has made is deleted", id);
    }
    write_started(r, snapshot);
    return true;
}

bool ebs_start_snapshot(struct request *r)
{
    struct start start;
    if (!read_start(r, &start)) {
        return false;
    }
    const char *digest = digest_of(r, &start), *before = NULL;
    bool same = false;
    if (start.token && token_find(r, start.token, digest, &before, &same)) {
        return answer_again(r, before, same);
    }
    if (!check_parent(r, &start) || !check_encryption(r, &start) || !check_pending(r)) {
        return false;
    }
    const char *id = make(r, &start);
    if (start.token) {
        token_remember(r, start.token, digest, id);
    }
    struct snapshot *snapshot = snapshot_load(r, id);
    if (!snapshot) {
        return false; /* the state has failed */
    }
    write_started(r, snapshot);
    return true;
}
