#include "runtime/aws/replication.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "compiler/base/json_writer.h"
#include "runtime/aws/ask.h"
#include "runtime/aws/internal.h"
#include "runtime/aws/site_facts.h"

struct look {
    struct arena *arena;
    const struct plan *plan;
    struct aws_replication *found;
    struct error refusal; /* of the key */
};

/* ---- the key ---- */

static bool is_key_arn(const char *key)
{
    return strncmp(key, "arn:", 4) == 0 && strstr(key, ":key/");
}

static void on_key(void *context, const struct aws_answer *answer)
{
    struct look *look = context;
    const cJSON *key = cJSON_GetObjectItemCaseSensitive(answer->json, "KeyMetadata");
    const char *arn = json_text(key, "Arn"), *state = json_text(key, "KeyState");
    if (arn && is_key_arn(arn)) {
        look->found->key_arn = one_line(look->arena, arn, strlen(arn), 512);
        look->found->key_state = state ? one_line(look->arena, state, strlen(state), 64) : NULL;
    }
}

/* Whether it may be read says nothing of whether it may be used; but an alias has to be resolved. */
static bool on_key_refused(void *context, const struct aws_answer *answer)
{
    struct look *look = context;
    if (!look->found->key_arn) {
        aws_answer_error(answer, &look->refusal);
    }
    return true;
}

static void ask_key(struct look *look, struct asks *asks)
{
    const char *key = look->plan->aws.kms_key.value;
    if (!key) {
        return;
    }
    look->found->key_arn = is_key_arn(key) ? key : NULL;
    struct buffer body = {0};
    struct json_writer json = json_writer(&body, 0);
    json_begin_object(&json);
    json_key_string(&json, "KeyId", key);
    json_end_object(&json);
    struct question question = {.service = AWS_SERVICE_KMS,
                                .operation = "DescribeKey",
                                .body = buffer_text(&body),
                                .bucket = BUCKET_KMS,
                                .page = on_key,
                                .refused = on_key_refused,
                                .context = look};
    asks_add(asks, &question);
    buffer_free(&body);
}

/* ---- encryption by default ---- */

static void on_default(void *context, const struct aws_answer *answer)
{
    struct look *look = context;
    const char *word = xml_text(answer->xml, "ebsEncryptionByDefault");
    look->found->encrypts_by_default = word && strcmp(word, "true") == 0;
    look->found->encrypts_unknown = !word;
}

static bool on_default_refused(void *context, const struct aws_answer *answer)
{
    struct look *look = context;
    (void)answer;
    look->found->encrypts_unknown = true;
    return true;
}

static void ask_default(struct look *look, struct asks *asks)
{
    struct form form = {{0}};
    form_begin(&form, AWS_SERVICE_EC2, "GetEbsEncryptionByDefault");
    struct question question = {.service = AWS_SERVICE_EC2,
                                .operation = "GetEbsEncryptionByDefault",
                                .body = buffer_text(&form.body),
                                .bucket = BUCKET_EC2_DESCRIBE,
                                .page = on_default,
                                .refused = on_default_refused,
                                .context = look};
    asks_add(asks, &question);
    buffer_free(&form.body);
}

/* ---- all of it ---- */

static bool key_is_known(const struct look *look, struct error *error)
{
    const char *key = look->plan->aws.kms_key.value;
    if (!key || look->found->key_arn) {
        return true;
    }
    error_set(error, "the KMS key %s cannot be resolved: %s", key,
              look->refusal.message ? look->refusal.message : "the answer names no ARN");
    return error_help(error, "snapshots are written with the key's ARN: allow kms:DescribeKey, or write "
                             "kms_key as arn:aws:kms:REGION:ACCOUNT:key/ID");
}

bool aws_look_at_replication(struct aws *aws, struct arena *arena, const struct plan *plan,
                             struct aws_replication *replication, struct error *error)
{
    struct aws_identity identity = {0};
    *replication = (struct aws_replication){.points = {.arena = arena, .plan = plan->name}};
    if (!aws_identify(aws, arena, &identity, error)) {
        return false;
    }
    replication->account = identity.account;
    replication->region = arena_strdup(arena, aws_client_region(aws->client));
    struct look look = {.arena = arena, .plan = plan, .found = replication};
    struct site_facts site = {
        .arena = arena, .plan = plan, .client = aws->client, .facts = facts_create(arena)};
    struct asks *asks = site.asks = asks_create(aws->client);
    recovery_points_ask(&replication->points, asks);
    ask_key(&look, asks);
    ask_default(&look, asks);
    if (plan->aws.inject && plan->replication.prepare) {
        site_facts_ask_conversions(&site);
    }
    bool ok = asks_run(asks, error);
    asks_destroy(asks);
    replication->conversions = site.facts->conversions;
    if (!ok) {
        error_prefix(error, "looking at the DR copies in %s", replication->region);
    }
    ok = ok && key_is_known(&look, error);
    error_clear(&look.refusal);
    return ok;
}

/* ---- pending snapshots ---- */

static void on_pending(void *context, const struct aws_answer *answer)
{
    int64_t *count = context;
    for (const struct xml *item = xml_first(answer->xml, "snapshotSet"); item; item = item->next) {
        ++*count;
    }
}

bool aws_count_pending_snapshots(struct aws *aws, struct arena *arena, int64_t *count,
                                 struct error *error)
{
    struct form form = {{0}};
    (void)arena;
    *count = 0;
    form_begin(&form, AWS_SERVICE_EC2, "DescribeSnapshots");
    form_add(&form, "self", "Owner.1");
    form_filter(&form, 1, "status", "pending");
    form_add(&form, "1000", "MaxResults");
    struct asks *asks = asks_create(aws->client);
    asks_add_form(asks, "DescribeSnapshots", &form, true, on_pending, count);
    bool ok = asks_run(asks, error);
    asks_destroy(asks);
    return ok;
}
