/* Policies of plans.
 * Covers: names.c policy_write.c statement.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/base/buffer.h"
#include "compiler/permissions/policy.h"
#include "tests/unit/support/lower_fixture.h"

static const char vms[] = "vms:\n"
                          "  db: {source: /DC0/vm/db, subnet: db, security_groups: [db]}\n";

struct made {
    struct lower_fixture fixture;
    struct policy *policy;
    struct buffer text; /* of all documents */
};

static struct made make(const char *plan, enum workflow workflow, const char *state)
{
    struct made made = {.fixture = lower_workflow(plan, NULL, workflow)};
    assert_non_null(made.fixture.graph);
    made.policy = policy_make(made.fixture.plan.arena, made.fixture.plan.plan, workflow,
                              made.fixture.graph, state);
    for (size_t i = 0; i < made.policy->count; i++) {
        policy_write_json(&made.policy->documents[i], 0, &made.text);
    }
    return made;
}

/* The text of fixture_head, `change` (from, to) made in it, with `more`. */
static struct made make_with(const char *from, const char *to, const char *more,
                             enum workflow workflow)
{
    struct arena *arena = arena_create();
    const char *plan = arena_printf(arena, "%s%s", fixture_head, more);
    struct made made = make(from ? fixture_replace(arena, plan, from, to) : plan, workflow, NULL);
    arena_destroy(arena);
    return made;
}

static void done(struct made *made)
{
    buffer_free(&made->text);
    fixture_free(&made->fixture.plan);
}

static const struct policy_statement *find(const struct made *made, const char *sid)
{
    for (size_t i = 0; i < made->policy->count; i++) {
        for (size_t k = 0; k < made->policy->documents[i].count; k++) {
            if (strcmp(made->policy->documents[i].statements[k].sid, sid) == 0) {
                return &made->policy->documents[i].statements[k];
            }
        }
    }
    return NULL;
}

static bool has(const char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool allows(const struct made *made, const char *sid, const char *action)
{
    const struct policy_statement *statement = find(made, sid);
    return statement && has(statement->actions, statement->action_count, action);
}

static bool names(const struct made *made, const char *sid, const char *resource)
{
    const struct policy_statement *statement = find(made, sid);
    return statement && has(statement->resources, statement->resource_count, resource);
}

static bool demands(const struct made *made, const char *sid, const char *comparison,
                    const char *key, const char *value)
{
    const struct policy_statement *statement = find(made, sid);
    for (size_t i = 0; statement && i < statement->condition_count; i++) {
        const struct policy_condition *condition = &statement->conditions[i];
        if (strcmp(condition->comparison, comparison) == 0 && strcmp(condition->key, key) == 0) {
            return has(condition->values, condition->value_count, value);
        }
    }
    return false;
}

static void test_failover_makes_and_changes_by_tag(void **state)
{
    (void)state;
    struct made made = make_with(NULL, NULL, vms, WORKFLOW_FAILOVER);
    assert_int_equal(made.policy->count, 1);
    assert_null(made.policy->documents[0].role);
    assert_true(demands(&made, "CreateVolumes", "StringEquals", "aws:RequestTag/drc:plan", "shop"));
    assert_true(demands(&made, "UseCopies", "StringEquals", "aws:ResourceTag/drc:plan", "shop"));
    assert_true(
        demands(&made, "ChangeInstances", "StringEquals", "aws:ResourceTag/drc:plan", "shop"));
    assert_true(allows(&made, "ChangeInstances", "ec2:TerminateInstances"));
    assert_true(allows(&made, "ChangeVolumes", "ec2:DeleteVolume"));
    assert_true(demands(&made, "LookInRegion", "StringEquals", "aws:RequestedRegion", "eu-west-1"));
    assert_true(demands(&made, "TagNew", "StringEquals", "ec2:CreateAction", "RunInstances"));
    assert_true(names(&made, "LaunchInPlan", "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-2"));
    assert_true(names(&made, "LaunchInPlan", "arn:aws:ec2:eu-west-1::image/ami-2"));
    assert_false(
        names(&made, "LaunchInPlan", "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1"));
    assert_true(names(&made, "UseConversions", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"));
    done(&made);
}

static void test_what_the_plan_lacks_is_not_allowed(void **state)
{
    (void)state;
    struct made made = make_with(NULL, NULL, vms, WORKFLOW_FAILOVER);
    static const char *const absent[] = {
        "ebs:",     "kms:",     "iam:PassRole",    "elasticload",
        "route53:", "s3:",      "RegisterImage",   "AssociateAddress",
        "sts:",     "KeyPairs", "CommandInstances"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        if (strstr(buffer_text(&made.text), absent[i])) {
            fail_msg("%s is allowed for nothing", absent[i]);
        }
    }
    assert_true(demands(&made, "LaunchInstances", "Null", "ec2:InstanceProfile", "true"));
    assert_null(find(&made, "LaunchInDefaultGroup"));
    done(&made);
}

static void test_profiles_keys_and_addresses_are_named(void **state)
{
    (void)state;
    struct made made =
        make_with("account:", "kms_key: alias/dr\n      account:",
                  "vms:\n"
                  "  db: {source: /DC0/vm/db, subnet: db, key_name: dr, iam_profile: dr-instance,\n"
                  "       elastic_ip: {production: eipalloc-7}, capacity_reservation: cr-1}\n",
                  WORKFLOW_FAILOVER);
    assert_true(names(&made, "PassRoles", "arn:aws:iam::111122223333:role/dr-instance"));
    assert_true(
        demands(&made, "PassRoles", "StringEquals", "iam:PassedToService", "ec2.amazonaws.com"));
    assert_true(demands(&made, "LaunchInstances", "ArnEqualsIfExists", "ec2:InstanceProfile",
                        "arn:aws:iam::111122223333:instance-profile/dr-instance"));
    assert_true(names(&made, "LaunchInPlan", "arn:aws:ec2:eu-west-1:111122223333:key-pair/dr"));
    assert_true(names(&made, "LaunchInPlan",
                      "arn:aws:ec2:eu-west-1:111122223333:capacity-reservation/cr-1"));
    assert_true(
        names(&made, "UseAddresses", "arn:aws:ec2:eu-west-1:111122223333:elastic-ip/eipalloc-7"));
    assert_true(
        demands(&made, "UseKey", "ForAnyValue:StringEquals", "kms:ResourceAliases", "alias/dr"));
    assert_true(
        demands(&made, "UseKey", "StringEquals", "kms:ViaService", "ec2.eu-west-1.amazonaws.com"));
    assert_true(demands(&made, "GrantKey", "Bool", "kms:GrantIsForAWSResource", "true"));
    assert_true(demands(&made, "LaunchInDefaultGroup", "ArnEquals", "ec2:Vpc",
                        "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1"));
    assert_true(allows(&made, "LookInRegion", "ec2:DescribeKeyPairs"));
    done(&made);
}

static void test_the_role_of_the_site_has_what_works_there(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *plan =
        fixture_replace(arena, arena_printf(arena, "%s%s", fixture_head, vms),
                        "account:", "role_arn: arn:aws:iam::111122223333:role/drc\n      account:");
    struct made made = make(plan, WORKFLOW_FAILOVER, "s3://acme-dr/state/");
    arena_destroy(arena);
    assert_int_equal(made.policy->count, 2);
    assert_null(made.policy->documents[0].role);
    assert_int_equal(made.policy->documents[0].count, 3);
    assert_true(names(&made, "AssumeRecoveryRole", "arn:aws:iam::111122223333:role/drc"));
    assert_true(names(&made, "KeepState", "arn:aws:s3:::acme-dr/state/*"));
    assert_true(names(&made, "ListState", "arn:aws:s3:::acme-dr"));
    assert_true(demands(&made, "ListState", "StringLikeIfExists", "s3:prefix", "state/*"));
    assert_string_equal(made.policy->documents[1].role, "arn:aws:iam::111122223333:role/drc");
    done(&made);
}

static void test_replicate_writes_snapshots_and_the_repository(void **state)
{
    (void)state;
    struct made made =
        make_with("account:", "kms_key: alias/dr\n      account:", vms, WORKFLOW_REPLICATE);
    assert_true(allows(&made, "CreateSnapshots", "ebs:StartSnapshot"));
    assert_true(
        demands(&made, "CreateSnapshots", "StringEquals", "aws:RequestTag/drc:plan", "shop"));
    assert_true(allows(&made, "ChangeSnapshots", "ebs:PutSnapshotBlock"));
    assert_true(allows(&made, "UseKeyForBlocks", "kms:GenerateDataKey"));
    assert_true(allows(&made, "DescribeKey", "kms:DescribeKey"));
    assert_true(names(&made, "KeepRepository", "arn:aws:s3:::acme-dr/shop/*"));
    assert_null(strstr(buffer_text(&made.text), "ec2:RunInstances"));
    done(&made);
}

static void test_a_test_is_launched_in_the_test_network(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    const char *plan = arena_printf(arena, "%s%s%s", fixture_head, fixture_test_network, vms);
    struct made made = make(plan, WORKFLOW_TEST, NULL);
    arena_destroy(arena);
    assert_true(names(&made, "LaunchInPlan", "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-4"));
    assert_null(strstr(buffer_text(&made.text), "subnet-2"));
    assert_null(find(&made, "Commit"));
    done(&made);
}

static const char dns[] =
    "dns:\n"
    "  shop.example: {provider: route53, zone_id: Z1}\n"
    "  other.example: {provider: route53, role_arn: \"arn:aws:iam::444455556666:role/dns\"}\n"
    "vms:\n"
    "  db:\n"
    "    source: /DC0/vm/db\n"
    "    subnet: db\n"
    "    security_groups: [db]\n"
    "    post_boot:\n"
    "      - dns: {zone: shop.example, record: www, type: A, ttl: 60, values: "
    "[\"${self.address}\"]}\n"
    "      - dns: {zone: other.example, record: db, type: A, ttl: 60, values: "
    "[\"${self.address}\"]}\n";

static void test_zones_are_changed_by_record(void **state)
{
    (void)state;
    struct made made = make_with(NULL, NULL, dns, WORKFLOW_FAILOVER);
    const char *types = "route53:ChangeResourceRecordSetsRecordTypes";
    const char *records = "route53:ChangeResourceRecordSetsNormalizedRecordNames";
    assert_int_equal(made.policy->count, 2);
    assert_true(names(&made, "ChangeRecords", "arn:aws:route53:::hostedzone/Z1"));
    assert_true(demands(&made, "ChangeRecords", "ForAllValues:StringEquals", types, "A"));
    assert_true(
        demands(&made, "ChangeRecords", "ForAllValues:StringEquals", records, "www.shop.example"));
    assert_false(
        demands(&made, "ChangeRecords", "ForAllValues:StringEquals", records, "db.other.example"));
    assert_true(names(&made, "AssumeZoneRoles", "arn:aws:iam::444455556666:role/dns"));
    assert_string_equal(made.policy->documents[1].role, "arn:aws:iam::444455556666:role/dns");
    assert_true(
        names(&made, "FindZones", "*")); /* of the second alone: the first is known by its id */
    done(&made);
}

enum { MANY = 250 };

static const char *many_vms(struct arena *arena)
{
    struct buffer text = {0};
    buffer_puts(&text, "dns: {shop.example: {provider: route53, zone_id: Z1}}\nvms:\n");
    for (int i = 0; i < MANY; i++) {
        buffer_printf(&text,
                      "  v%d:\n    source: /DC0/vm/v%d\n    subnet: db\n    security_groups: [db]\n"
                      "    elastic_ip: {production: eipalloc-%017d}\n"
                      "    post_boot: [{dns: {zone: shop.example, record: name-of-vm-%d, type: A, "
                      "ttl: 60, values: [\"${self.address}\"]}}]\n",
                      i, i, i, i);
    }
    const char *kept = arena_strdup(arena, buffer_text(&text));
    buffer_free(&text);
    return kept;
}

static void test_what_does_not_fit_becomes_more_policies(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct made made = make_with(NULL, NULL, many_vms(arena), WORKFLOW_FAILOVER);
    arena_destroy(arena);
    size_t addresses = 0;
    assert_true(made.policy->count > 3);
    for (size_t i = 0; i < made.policy->count; i++) {
        const struct policy_document *document = &made.policy->documents[i];
        struct buffer text = {0};
        policy_write_json(document, 0, &text);
        assert_true(document->characters <= POLICY_CHARACTERS_MAX);
        assert_true(document->characters + document->count * 40 >= text.length - 1);
        buffer_free(&text);
        for (size_t k = 0; k < document->count; k++) {
            bool is = strncmp(document->statements[k].sid, "UseAddresses", 12) == 0;
            addresses += is ? document->statements[k].resource_count : 0;
        }
    }
    assert_int_equal(addresses, MANY);
    assert_null(strstr(buffer_text(&made.text), "name-of-vm-7"));
    assert_non_null(strstr(made.policy->notes[0], "too many to be named"));
    done(&made);
}

static void test_markdown_says_what_each_is_for(void **state)
{
    (void)state;
    struct made made = make_with(NULL, NULL, vms, WORKFLOW_FAILOVER);
    struct buffer text = {0};
    policy_write_markdown(made.policy, &text);
    assert_non_null(strstr(buffer_text(&text), "# What failover of plan shop may do in AWS"));
    assert_non_null(
        strstr(buffer_text(&text), "### UseCopies\nWhat volumes and images are made from"));
    assert_non_null(
        strstr(buffer_text(&text), "- where `aws:RequestTag/drc:plan` (StringEquals) is `shop`\n"));
    buffer_free(&text);
    done(&made);
}

static void test_json_is_what_iam_takes(void **state)
{
    (void)state;
    static const char *const actions[] = {"ec2:A", "ec2:B"}, *const resources[] = {"*"};
    static const char *values[] = {"x"};
    struct policy_statement statement = {.sid = "One",
                                         .actions = (const char **)actions,
                                         .action_count = 2,
                                         .resources = (const char **)resources,
                                         .resource_count = 1,
                                         .conditions = {{"Null", "k1", values, 1},
                                                        {"StringEquals", "k2", values, 1},
                                                        {"StringEquals", "k3", values, 1}},
                                         .condition_count = 3};
    struct policy_document document = {.statements = &statement, .count = 1};
    struct buffer text = {0};
    policy_write_json(&document, 0, &text);
    for (char *at = text.data; (at = strchr(at, ' '));) {
        memmove(at, at + 1, strlen(at));
    }
    assert_string_equal(
        buffer_text(&text),
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"One\",\"Effect\":\"Allow\","
        "\"Action\":[\"ec2:A\",\"ec2:B\"],\"Resource\":\"*\",\"Condition\":{\"Null\":{\"k1\":\"x\"}"
        ","
        "\"StringEquals\":{\"k2\":\"x\",\"k3\":\"x\"}}}]}\n");
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failover_makes_and_changes_by_tag),
        cmocka_unit_test(test_what_the_plan_lacks_is_not_allowed),
        cmocka_unit_test(test_profiles_keys_and_addresses_are_named),
        cmocka_unit_test(test_the_role_of_the_site_has_what_works_there),
        cmocka_unit_test(test_replicate_writes_snapshots_and_the_repository),
        cmocka_unit_test(test_a_test_is_launched_in_the_test_network),
        cmocka_unit_test(test_zones_are_changed_by_record),
        cmocka_unit_test(test_what_does_not_fit_becomes_more_policies),
        cmocka_unit_test(test_markdown_says_what_each_is_for),
        cmocka_unit_test(test_json_is_what_iam_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
