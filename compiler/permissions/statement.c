#include "compiler/permissions/statement.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"

/* ---- resources ---- */

static void fill_in(const struct statement_terms *terms, const char *template, const char *name,
                    struct buffer *out)
{
    for (const char *at = template; *at;) {
        const char *value = strncmp(at, "{p}", 3) == 0   ? terms->partition
                            : strncmp(at, "{r}", 3) == 0 ? terms->region
                            : strncmp(at, "{a}", 3) == 0 ? terms->account
                                                         : NULL;
        if (value) {
            buffer_puts(out, value);
            at += 3;
        } else if (strncmp(at, "{}", 2) == 0) {
            buffer_puts(out, name);
            at += 2;
        } else {
            buffer_putc(out, *at++);
        }
    }
}

static const char *arn_of(const struct statement_terms *terms, enum resource_kind kind,
                          const char *name)
{
    if (name && strncmp(name, "arn:", 4) == 0) {
        return name;
    }
    struct buffer out = {0};
    fill_in(terms, resource_template(kind), name, &out);
    const char *arn = arena_strdup(terms->arena, buffer_text(&out));
    buffer_free(&out);
    return arn;
}

static void add_resources(const struct statement_terms *terms, enum resource_kind kind,
                          struct names *to)
{
    const struct names *names = &terms->holder->resources[kind];
    if (!strstr(resource_template(kind), "{}")) {
        names_add(terms->arena, to, arn_of(terms, kind, NULL));
    }
    for (size_t i = 0; i < names->count; i++) {
        names_add(terms->arena, to, arn_of(terms, kind, names->items[i]));
    }
}

static int compare(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

/* ---- conditions ---- */

static void add(struct policy_statement *to, const char *comparison, const char *key,
                struct names values)
{
    if (values.count > 0 && to->condition_count < POLICY_CONDITIONS_MAX) {
        to->conditions[to->condition_count++] =
            (struct policy_condition){.comparison = comparison,
                                      .key = key,
                                      .values = values.items,
                                      .value_count = values.count};
    }
}

static struct names one(const struct statement_terms *terms, const char *text)
{
    struct names names = {0};
    names_add(terms->arena, &names, text);
    return names;
}

static struct names arns(const struct statement_terms *terms, enum resource_kind kind)
{
    struct names names = {0};
    add_resources(terms, kind, &names);
    return names;
}

/* What lies below s3://BUCKET/PREFIX. */
static struct names below(const struct statement_terms *terms, const char *url)
{
    const char *slash = url ? strchr(url + strlen("s3://"), '/') : NULL;
    size_t length = slash ? strlen(slash + 1) : 0;
    while (length > 0 && slash[length] == '/') {
        length--;
    }
    if (length == 0) {
        return (struct names){0};
    }
    return one(terms, arena_printf(terms->arena, "%.*s/*", (int)length, slash + 1));
}

static void add_profile(const struct statement_terms *terms, struct policy_statement *to)
{
    struct names profiles = arns(terms, RESOURCE_PROFILES);
    if (profiles.count > 0) {
        add(to, "ArnEqualsIfExists", "ec2:InstanceProfile", profiles);
    } else {
        add(to, "Null", "ec2:InstanceProfile", one(terms, "true"));
    }
}

static void add_records(const struct statement_terms *terms, struct policy_statement *to)
{
    const struct holder *holder = terms->holder;
    add(to, "ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsRecordTypes",
        holder->record_types);
    if (!terms->drops_records) {
        add(to, "ForAllValues:StringEquals",
            "route53:ChangeResourceRecordSetsNormalizedRecordNames", holder->record_names);
    }
}

static void add_alias(const struct statement_terms *terms, struct policy_statement *to)
{
    const char *key = terms->plan->aws.kms_key.value;
    const char *alias = key ? strstr(key, "alias/") : NULL;
    if (alias) {
        add(to, "ForAnyValue:StringEquals", "kms:ResourceAliases", one(terms, alias));
    }
}

static void add_condition(const struct statement_terms *terms, enum condition condition,
                          struct policy_statement *to)
{
    static const char resource_tag[] = "aws:ResourceTag/drc:plan",
                      request_tag[] = "aws:RequestTag/drc:plan";
    struct names plan = one(terms, terms->plan->name);
    switch (condition) {
    case CONDITION_REGION:
        add(to, "StringEquals", "aws:RequestedRegion", one(terms, terms->region));
        return;
    case CONDITION_REQUEST_TAG:
        add(to, "StringEquals", request_tag, plan);
        return;
    case CONDITION_RESOURCE_TAG:
        add(to, "StringEquals", resource_tag, plan);
        return;
    case CONDITION_NEW_OR_OWN:
        add(to, "StringEqualsIfExists", resource_tag, plan);
        return;
    case CONDITION_SAME_PLAN:
        add(to, "StringEqualsIfExists", request_tag, plan);
        return;
    case CONDITION_CREATE_ACTION:
        add(to, "StringEquals", "ec2:CreateAction", terms->create_actions);
        return;
    case CONDITION_PROFILE:
        add_profile(terms, to);
        return;
    case CONDITION_VPC:
        add(to, "ArnEquals", "ec2:Vpc", arns(terms, RESOURCE_DEFAULT_GROUP_VPCS));
        return;
    case CONDITION_TO_EC2:
        add(to, "StringEquals", "iam:PassedToService",
            one(terms, strcmp(terms->partition, "aws-cn") == 0 ? "ec2.amazonaws.com.cn"
                                                               : "ec2.amazonaws.com"));
        return;
    case CONDITION_HOLD_KEYS:
        add(to, "ForAllValues:StringLike", "aws:TagKeys", one(terms, "drc:hold:*"));
        return;
    case CONDITION_COMMIT_KEYS:
        add(to, "ForAllValues:StringEquals", "aws:TagKeys", one(terms, "drc:committed"));
        return;
    case CONDITION_SSM_TAG:
        add(to, "StringEquals", "ssm:resourceTag/drc:plan", plan);
        return;
    case CONDITION_KEY_ALIAS:
        add_alias(terms, to);
        return;
    case CONDITION_VIA_EC2:
        add(to, "StringEquals", "kms:ViaService",
            one(terms, arena_printf(terms->arena, "ec2.%s.amazonaws.com%s", terms->region,
                                    strcmp(terms->partition, "aws-cn") == 0 ? ".cn" : "")));
        return;
    case CONDITION_FOR_AWS:
        add(to, "Bool", "kms:GrantIsForAWSResource", one(terms, "true"));
        return;
    case CONDITION_RECORDS:
        add_records(terms, to);
        return;
    case CONDITION_STATE_PREFIX:
        add(to, "StringLikeIfExists", "s3:prefix", below(terms, terms->state));
        return;
    case CONDITION_REPOSITORY_PREFIX:
        add(to, "StringLikeIfExists", "s3:prefix", below(terms, terms->repository));
        return;
    case CONDITION_COUNT:
        return;
    }
}

static int compare_conditions(const void *left, const void *right)
{
    const struct policy_condition *a = left, *b = right;
    int order = strcmp(a->comparison, b->comparison);
    return order ? order : strcmp(a->key, b->key);
}

/* The default group is one of many: without a VPC to tell it by there is nothing to allow. */
static bool lacks_its_condition(const struct statement_terms *terms, uint32_t conditions)
{
    return (conditions & (UINT32_C(1) << CONDITION_VPC)) &&
           terms->holder->resources[RESOURCE_DEFAULT_GROUP_VPCS].count == 0;
}

bool statement_fill(const struct statement_terms *terms, enum statement statement,
                    struct policy_statement *to)
{
    const struct statement_info *info = statement_info(statement);
    struct names resources = {0};
    for (int kind = 0; kind < RESOURCE_COUNT; kind++) {
        if (info->resources & (UINT64_C(1) << kind)) {
            add_resources(terms, (enum resource_kind)kind, &resources);
        }
    }
    if (resources.count == 0 || lacks_its_condition(terms, info->conditions)) {
        return false;
    }
    qsort(resources.items, resources.count, sizeof *resources.items, compare);
    to->sid = info->sid;
    to->about = info->about;
    to->resources = resources.items;
    to->resource_count = resources.count;
    for (int condition = 0; condition < CONDITION_COUNT; condition++) {
        if (info->conditions & (UINT32_C(1) << condition)) {
            add_condition(terms, (enum condition)condition, to);
        }
    }
    qsort(to->conditions, to->condition_count, sizeof *to->conditions, compare_conditions);
    return true;
}
