/* Every column of action.def and bucket.def is right for every row.
 * Covers: action_reference.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "compiler/graph/action.h"

#define EACH_ACTION(info)                                                                          \
    for (int action_ = ACTION_NONE + 1; action_ < ACTION_COUNT; action_++)                         \
        for (const struct action_info *info = action_info((enum action)action_); info; info = NULL)

static bool is_name(const char *text, char extra)
{
    if (!text || *text < 'a' || *text > 'z') {
        return false;
    }
    for (; *text; text++) {
        if (!(*text >= 'a' && *text <= 'z') && *text != extra) {
            return false;
        }
    }
    return true;
}

static void test_names_are_unique_and_found(void **state)
{
    (void)state;
    EACH_ACTION(info)
    {
        assert_true(is_name(info->name, '-'));
        assert_int_equal(action_by_name(info->name), action_);
    }
    assert_int_equal(action_by_name("no-such-action"), ACTION_NONE);
    assert_int_equal(action_by_name("none"), ACTION_NONE);
    assert_int_equal(action_by_name(""), ACTION_NONE);
}

static void test_ports_are_named_and_differ(void **state)
{
    (void)state;
    EACH_ACTION(info)
    {
        assert_true(info->input_count < ACTION_PORTS_MAX);
        for (size_t i = 0; i < info->input_count; i++) {
            assert_true(is_name(info->inputs[i].name, '_'));
            assert_ptr_equal(action_input((enum action)action_, info->inputs[i].name),
                             &info->inputs[i]);
        }
        for (size_t i = 0; i < info->output_count; i++) {
            assert_true(is_name(info->outputs[i].name, '_'));
            assert_int_equal(info->outputs[i].type, TYPE_TEXT);
            assert_ptr_equal(action_output((enum action)action_, info->outputs[i].name),
                             &info->outputs[i]);
        }
        assert_null(info->inputs[info->input_count].name);
        assert_null(info->outputs[info->output_count].name);
    }
    assert_null(action_input(ACTION_CREATE_VOLUME, "volume_id"));
    assert_null(action_output(ACTION_CREATE_VOLUME, "zone"));
}

/* What undoes an action gets all that it needs from the action. */
static void test_undo_can_be_done(void **state)
{
    (void)state;
    EACH_ACTION(info)
    {
        if (info->effect == EFFECT_CREATE) {
            assert_int_not_equal(info->undo, ACTION_NONE);
            assert_int_equal(action_info(info->undo)->effect, EFFECT_DELETE);
        }
        if (info->effect == EFFECT_WAIT || info->effect == EFFECT_LOCAL) {
            assert_int_equal(info->undo, ACTION_NONE);
        }
        if (info->undo == ACTION_NONE) {
            continue;
        }
        const struct action_info *undo = action_info(info->undo);
        assert_int_equal(undo->provider, info->provider);
        for (size_t i = 0; i < undo->input_count; i++) {
            const char *name = undo->inputs[i].name;
            assert_true(undo->inputs[i].optional || action_input((enum action)action_, name) ||
                        action_output((enum action)action_, name));
        }
    }
}

static void test_resend_follows_the_effect(void **state)
{
    (void)state;
    EACH_ACTION(info)
    {
        bool by_lookup = info->resend == RESEND_TOKEN || info->resend == RESEND_NAME ||
                         info->resend == RESEND_LOOKUP;
        switch (info->effect) {
        case EFFECT_CREATE:
            assert_true(by_lookup);
            break;
        case EFFECT_CHANGE:
        case EFFECT_DELETE:
            assert_true(by_lookup || info->resend == RESEND_NATURAL);
            break;
        default:
            assert_int_equal(info->resend, RESEND_NEVER);
        }
        if (info->resend == RESEND_NAME) {
            assert_non_null(action_input((enum action)action_, "name"));
        }
    }
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* service:Operation, of the service whose limits count. */
static void test_permission_and_bucket_agree(void **state)
{
    (void)state;
    EACH_ACTION(info)
    {
        const char *bucket = bucket_info(info->bucket)->name, *permission = info->permission;
        if (info->provider != PROVIDER_AWS) {
            /* The mover passes the gate for each block by itself. */
            assert_true(!*permission || (info->provider == PROVIDER_MOVER && begins(permission, "ebs:")));
            assert_int_equal(info->bucket, BUCKET_NONE);
            assert_int_equal(info->resource, BUCKET_NONE);
            continue;
        }
        const char *colon = strchr(permission, ':');
        assert_non_null(colon);
        assert_true(colon[1] >= 'A' && colon[1] <= 'Z');
        assert_true((begins(permission, "ec2:") && begins(bucket, "EC2_")) ||
                    (begins(permission, "ebs:") && begins(bucket, "EBS_")) ||
                    (begins(permission, "ssm:") && begins(bucket, "SSM_")) ||
                    (begins(permission, "route53:") && begins(bucket, "ROUTE53")) ||
                    (begins(permission, "elasticloadbalancing:") && begins(bucket, "ELB_")));
        if (info->effect == EFFECT_WAIT) {
            assert_true(begins(colon + 1, "Describe") || begins(colon + 1, "Get"));
        }
        /* EC2 counts each API on its own. */
        const char *api = bucket_info(info->bucket)->api;
        assert_true(!begins(permission, "ec2:") || strcmp(api, colon + 1) == 0);
        assert_int_equal(bucket_of_api(colon + 1, info->bucket), info->bucket);
        if (info->resource != BUCKET_NONE) {
            assert_non_null(strstr(bucket_info(info->resource)->name, "_RESOURCES"));
        }
    }
}

static void test_times_and_batches(void **state)
{
    (void)state;
    EACH_ACTION(info)
    {
        assert_true(info->deadline_ms > 0);
        assert_true(info->expected_ms >= 0 && info->expected_ms < info->deadline_ms);
        assert_true(info->batch_max >= 1 && info->batch_max <= 1000);
        if (info->resend == RESEND_TOKEN) {
            assert_int_equal(info->batch_max, 1); /* a token is for one request */
        }
        size_t length = strlen(info->documentation);
        assert_true(length > 10 && info->documentation[length - 1] == '.');
    }
}

/* Waits share their questions with those of one provider, one API and one size of request; nothing
 * else is asked about. */
static void test_polls(void **state)
{
    (void)state;
    EACH_ACTION(info)
    {
        assert_non_null(poll_name(info->poll));
        bool asks = info->effect == EFFECT_WAIT && info->provider != PROVIDER_ENGINE;
        assert_int_equal(asks, info->poll != POLL_NONE);
        if (info->poll == POLL_EACH) {
            assert_int_equal(info->batch_max, 1);
            assert_true(info->provider == PROVIDER_HOST || info->provider == PROVIDER_DNS);
        }
        for (int other_ = ACTION_NONE + 1; other_ < ACTION_COUNT; other_++) {
            const struct action_info *other = action_info((enum action)other_);
            if (info->poll > POLL_EACH && other->effect == EFFECT_WAIT) {
                bool same_api = strcmp(other->permission, info->permission) == 0;
                assert_int_equal(other->poll == info->poll, same_api);
                assert_true(!same_api || other->batch_max == info->batch_max);
                assert_true(!same_api || other->bucket == info->bucket);
            }
        }
    }
}

/* Buckets that no action names are those of requests that providers make on their own. */
static void test_buckets_are_used(void **state)
{
    (void)state;
    bool used[BUCKET_COUNT] = {[BUCKET_NONE] = true,
                               [BUCKET_EC2_DESCRIBE] = true, /* preflight, lookups */
                               [BUCKET_EC2_MUTATE] = true,   /* changes of no action's own */
                               [BUCKET_EC2_DESCRIBE_UNFILTERED] = true, /* facts, preflight */
                               [BUCKET_EC2_CREATE_TAGS] = true,         /* tags after the fact */
                               [BUCKET_EBS_PUT_BLOCK] = true,           /* the mover's */
                               [BUCKET_EBS_GET_BLOCK] = true,           /* read-back */
                               [BUCKET_EBS_LIST] = true,                /* read-back */
                               [BUCKET_KMS] = true,                     /* preflight */
                               [BUCKET_S3_WRITE] = true,                /* stores */
                               [BUCKET_S3_READ] = true,
                               [BUCKET_STS] = true};                    /* identity */
    EACH_ACTION(info)
    {
        used[info->bucket] = true;
        used[info->resource] = true;
    }
    for (int i = 0; i < BUCKET_COUNT; i++) {
        const struct bucket_info *bucket = bucket_info((enum bucket)i);
        assert_true(used[i]);
        assert_non_null(bucket->name);
        assert_true(i == BUCKET_NONE || (bucket->capacity >= 1 && bucket->refill_per_s > 0));
    }
}

static void test_optional_ports_and_types(void **state)
{
    (void)state;
    assert_true(action_input(ACTION_CREATE_VOLUME, "iops")->optional);
    assert_false(action_input(ACTION_CREATE_VOLUME, "zone")->optional);
    assert_int_equal(action_input(ACTION_RUN_INSTANCE, "cards")->type, TYPE_LIST);
    assert_int_equal(action_input(ACTION_CHECK_HTTP, "tls")->type, TYPE_BOOL);
    assert_true(action_output(ACTION_WAIT_RUNNING, "public_ip")->optional);
    assert_string_equal(value_type_name(TYPE_MAP), "map");
    assert_string_equal(action_effect_name(EFFECT_CREATE), "create");
    assert_string_equal(action_resend_name(RESEND_LOOKUP), "lookup");
    assert_string_equal(action_provider_name(PROVIDER_HOST), "host");
}

static void test_reference_holds_all(void **state)
{
    (void)state;
    struct buffer page = {0}, heading = {0};
    action_reference(&page);
    EACH_ACTION(info)
    {
        buffer_clear(&heading);
        buffer_printf(&heading, "\n## %s\n\n%s\n", info->name, info->documentation);
        assert_non_null(strstr(buffer_text(&page), buffer_text(&heading)));
    }
    assert_non_null(strstr(buffer_text(&page), "- Permission: `ec2:CreateVolume`\n"));
    assert_non_null(strstr(buffer_text(&page), "- Taken back by: [delete-volume](#delete-volume)"));
    buffer_free(&page);
    buffer_free(&heading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_unique_and_found),
        cmocka_unit_test(test_ports_are_named_and_differ),
        cmocka_unit_test(test_undo_can_be_done),
        cmocka_unit_test(test_resend_follows_the_effect),
        cmocka_unit_test(test_permission_and_bucket_agree),
        cmocka_unit_test(test_times_and_batches),
        cmocka_unit_test(test_polls),
        cmocka_unit_test(test_buckets_are_used),
        cmocka_unit_test(test_optional_ports_and_types),
        cmocka_unit_test(test_reference_holds_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
