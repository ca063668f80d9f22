/* Preflight: an account in which all is well, and each thing that can be wrong with it.
 * Covers: ask.c preflight_isolation.c preflight_copies.c preflight_dry_run.c preflight_machines.c preflight_network.c
 * preflight_things.c */
#include <string.h>

#include "compiler/lower/lower.h"
#include "runtime/aws/preflight.h"
#include "tests/unit/support/canned_site.h"
#include "tests/unit/support/cmocka_all.h"

struct flight {
    struct canned *canned;
    struct plan_fixture plan;
    struct findings findings;
    struct error error;
    bool ok;
};

/* What may be lost, by the plan and by flags; of recovery points that are 15 minutes old. */
struct terms {
    int64_t rpo_minutes;
    bool refuse;
    struct loss_terms flags;
    const char *date; /* as AWS tells it; NULL: not at all */
};

/* Facts and graph of the sound site, then preflight with one answer replaced. */
static struct flight fly_with(const char *expect, int status, const char *body,
                              const struct terms *terms)
{
    struct flight f = {.canned = canned_create(NULL, 0), .plan = canned_site_plan()};
    struct arena *arena = f.canned->arena;
    size_t count;
    if (terms) {
        f.plan.plan->objectives.rpo.ms = terms->rpo_minutes * 60000;
        f.plan.plan->objectives.refuse_on_miss = terms->refuse;
    }
    struct canned_answer *site = canned_site(arena, NULL, 0, NULL, &count);
    canned_script(f.canned, site, count);
    struct aws *aws = canned_aws(f.canned);
    struct facts *facts =
        aws_gather_facts(aws, arena, f.plan.plan, WORKFLOW_FAILOVER, "latest", &f.error);
    if (!facts) {
        fail_msg("%s", f.error.message);
    }
    struct graph *graph =
        lower(f.plan.arena, f.plan.plan, WORKFLOW_FAILOVER, facts, f.plan.diagnostics);
    fixture_clean(&f.plan);
    assert_non_null(graph);
    site = canned_site(arena, expect, status, body, &count);
    for (size_t i = 0; terms && i < count; i++) {
        site[i].date = terms->date;
    }
    canned_script(f.canned, site, count);
    f.ok = aws_preflight(aws, arena, f.plan.plan, graph, facts, terms ? &terms->flags : NULL, &f.findings,
                         &f.error);
    aws_destroy(aws);
    return f;
}

static struct flight fly(const char *expect, int status, const char *body)
{
    return fly_with(expect, status, body, NULL);
}

static void land(struct flight *f)
{
    error_clear(&f->error);
    fixture_free(&f->plan);
    canned_destroy(f->canned);
}

static const struct finding *find(const struct flight *f, const char *subject)
{
    for (size_t i = 0; i < f->findings.count; i++) {
        if (strstr(f->findings.items[i].subject, subject)) {
            return &f->findings.items[i];
        }
    }
    fail_msg("nothing about %s", subject);
    return NULL;
}

static void assert_found(const char *expect, int status, const char *body, const char *subject,
                         enum finding_severity severity, const char *text)
{
    struct flight f = fly(expect, status, body);
    assert_true(f.ok);
    const struct finding *finding = find(&f, subject);
    if (finding->severity != severity || !strstr(finding->text, text)) {
        fail_msg("%s: %s", finding->subject, finding->text);
    }
    assert_int_equal(f.findings.fatal, severity == FINDING_FATAL);
    assert_int_equal(f.findings.unknown, severity == FINDING_UNKNOWN);
    assert_int_equal(f.findings.passed + f.findings.fatal + f.findings.unknown +
                         f.findings.warnings,
                     f.findings.count);
    land(&f);
}

static void test_all_is_well(void **state)
{
    (void)state;
    struct flight f = fly(NULL, 0, NULL);
    assert_true(f.ok);
    for (size_t i = 0; i < f.findings.count; i++) {
        if (f.findings.items[i].severity != FINDING_PASSED) {
            fail_msg("%s: %s", f.findings.items[i].subject, f.findings.items[i].text);
        }
    }
    static const char *const subjects[] = {"account",
                                           "DR copies of db",
                                           "VPC vpc-1",
                                           "subnet app subnet-1",
                                           "security group db sg-2",
                                           "address 10.20.2.10 of db",
                                           "instance types of web",
                                           "placeholder image ami-1",
                                           "quota of vCPUs",
                                           "key pair dr",
                                           "elastic address eipalloc-1",
                                           "conversion instance i-1",
                                           "SSM agent of i-1",
                                           "dry run of CreateVolume",
                                           "dry run of RunInstances"};
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        find(&f, subjects[i]);
    }
    assert_non_null(strstr(find(&f, "DR copies of db")->text, "15m would be lost"));
    assert_non_null(strstr(find(&f, "quota")->text, "4 vCPUs are needed, and 32"));
    land(&f);
}

/* One for both disks of db and the one of web; one for each of the two launches. */
static void test_dry_runs_are_few(void **state)
{
    (void)state;
    struct flight f = fly(NULL, 0, NULL);
    size_t volumes = 0, launches = 0;
    const char *at = f.canned->log.data;
    for (const char *hit = at; (hit = strstr(hit, "Action=CreateVolume")); hit++) {
        volumes++;
    }
    for (const char *hit = at; (hit = strstr(hit, "Action=RunInstances")); hit++) {
        launches++;
    }
    assert_int_equal(volumes, 1);
    assert_int_equal(launches, 2);
    assert_non_null(strstr(at, "&DryRun=true"));
    land(&f);
}

static void assert_loss(const struct terms *terms, enum finding_severity severity, const char *says,
                        const char *help)
{
    struct flight f = fly_with(NULL, 0, NULL, terms);
    assert_true(f.ok);
    const struct finding *finding = find(&f, "DR copies of db");
    if (finding->severity != severity || !strstr(finding->text, says) ||
        (help && !strstr(finding->help, help))) {
        fail_msg("%d: %s (%s)", finding->severity, finding->text, finding->help);
    }
    assert_int_equal(f.findings.fatal, severity == FINDING_FATAL ? 2 : 0); /* of db and web */
    land(&f);
}

static void test_what_may_be_lost(void **state)
{
    (void)state;
    int64_t at = parse_time("2026-11-22T09:45:00Z");
    assert_loss(&(struct terms){.rpo_minutes = 16}, FINDING_PASSED, ": 15m would be lost", NULL);
    assert_loss(&(struct terms){.rpo_minutes = 14}, FINDING_WARNING,
                "15m would be lost, more than the objective of 14m", NULL);
    struct terms refused = {.rpo_minutes = 14, .refuse = true};
    assert_loss(&refused, FINDING_FATAL, "more than the objective", "--accept-data-loss");
    refused.flags.accepted = true;
    assert_loss(&refused, FINDING_WARNING, "more than the objective", NULL);
    /* The disaster was earlier than now. */
    struct terms earlier = {.rpo_minutes = 14, .refuse = true, .flags.disaster_utc_ms = at + 60000};
    assert_loss(&earlier, FINDING_PASSED, ": 1m would be lost", NULL);
    earlier.flags.disaster_utc_ms = at - 1000;
    assert_loss(&earlier, FINDING_WARNING, "may hold what went wrong",
                "--recovery-point 2026-11-22T09:44:59Z");
}

static void test_clocks_that_differ(void **state)
{
    (void)state;
    struct terms slow = {.rpo_minutes = 30, .date = "Sun, 22 Nov 2026 10:20:00 GMT"};
    struct flight f = fly_with(NULL, 0, NULL, &slow);
    assert_int_equal(find(&f, "clock")->severity, FINDING_WARNING);
    assert_non_null(strstr(find(&f, "clock")->text, " slow"));
    assert_non_null(strstr(find(&f, "DR copies of db")->text, "35m would be lost, more than"));
    land(&f);
}

#define NONE(operation, set) "<" operation "Response><" set "/></" operation "Response>"

static void test_what_is_missing(void **state)
{
    (void)state;
    assert_found("DescribeVpcs", 200, NONE("DescribeVpcs", "vpcSet"), "VPC vpc-1", FINDING_FATAL,
                 "is not there");
    assert_found("key-name", 200, NONE("DescribeKeyPairs", "keySet"), "key pair dr", FINDING_FATAL,
                 "is not there");
    assert_found("allocation-id", 200, NONE("DescribeAddresses", "addressesSet"), "elastic address",
                 FINDING_FATAL, "is not there");
    assert_found("DescribeInstanceInformation", 200, "{\"InstanceInformationList\":[]}",
                 "SSM agent", FINDING_FATAL, "is not known to SSM");
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    assert_found("allocation-id", 200,
                 "<DescribeAddressesResponse><addressesSet><item><allocationId>eipalloc-1"
                 "</allocationId><publicIp>192.0.2.7</publicIp><associationId>a</associationId>"
                 "<instanceId>i-9</instanceId></item></addressesSet></DescribeAddressesResponse>",
                 "elastic address", FINDING_FATAL, "192.0.2.7 belongs to i-9");
    assert_found(
        "private-ip-address", 200,
        "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item><subnetId>subnet-2"
        "</subnetId><privateIpAddress>10.20.2.10</privateIpAddress><attachment><instanceId>"
        "i-8</instanceId></attachment></item></networkInterfaceSet>"
        "</DescribeNetworkInterfacesResponse>",
        "address 10.20.2.10", FINDING_FATAL, "is taken by i-8");
    /* The same address in another subnet is no matter. */
    assert_found("private-ip-address", 200,
                 "<DescribeNetworkInterfacesResponse><networkInterfaceSet><item><subnetId>subnet-7"
                 "</subnetId><privateIpAddress>10.20.2.10</privateIpAddress></item>"
                 "</networkInterfaceSet></DescribeNetworkInterfacesResponse>",
                 "address 10.20.2.10", FINDING_PASSED, "is free");
    assert_found("GetServiceQuota", 200, "{\"Quota\":{\"Value\":3}}", "quota", FINDING_FATAL,
                 "4 vCPUs are needed, and 3 allowed");
    assert_found(
        "DescribeSecurityGroups", 200,
        "<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-1</groupId>"
        "<vpcId>vpc-1</vpcId></item><item><groupId>sg-2</groupId><vpcId>vpc-9</vpcId></item>"
        "</securityGroupInfo></DescribeSecurityGroupsResponse>",
        "security group db", FINDING_FATAL, "is not in vpc-1");
    assert_found("CreateVolume", 403,
                 "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>not you"
                 "</Message></Error></Errors><RequestID>q</RequestID></Response>",
                 "dry run of CreateVolume", FINDING_FATAL, "not you");
}

#define SUBNETS(vpc, cidr, zone, left)                                                             \
    "<DescribeSubnetsResponse><subnetSet><item><subnetId>subnet-1</subnetId><vpcId>" vpc           \
    "</vpcId><cidrBlock>" cidr "</cidrBlock><availabilityZone>" zone "</availabilityZone>"         \
    "<availableIpAddressCount>" left "</availableIpAddressCount></item><item><subnetId>subnet-2"   \
    "</subnetId></item></subnetSet></DescribeSubnetsResponse>"

static void test_subnets(void **state)
{
    (void)state;
    const char *good = SUBNETS("vpc-1", "10.20.1.0/24", "eu-west-1a", "1");
    assert_found("DescribeSubnets", 200, good, "subnet app", FINDING_PASSED, "1 addresses left");
    assert_found("DescribeSubnets", 200, SUBNETS("vpc-9", "10.20.1.0/24", "eu-west-1a", "9"),
                 "subnet app", FINDING_FATAL, "is in vpc-9, not in vpc-1");
    assert_found("DescribeSubnets", 200, SUBNETS("vpc-1", "10.9.1.0/24", "eu-west-1a", "9"),
                 "subnet app", FINDING_FATAL, "has 10.9.1.0/24, not 10.20.1.0/24");
    assert_found("DescribeSubnets", 200, SUBNETS("vpc-1", "10.20.1.0/24", "eu-west-1b", "9"),
                 "subnet app", FINDING_FATAL, "is in eu-west-1b, not in eu-west-1a");
    assert_found("DescribeSubnets", 200, SUBNETS("vpc-1", "10.20.1.0/24", "eu-west-1a", "0"),
                 "subnet app", FINDING_FATAL, "0 addresses left, and 1 are needed");
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    const char *html = "<!doctype html><title>500</title>";
    assert_found("GetServiceQuota", 500, html, "quota", FINDING_UNKNOWN, "cannot be read");
    assert_found("DescribeInstanceInformation", 500, html, "SSM agent", FINDING_UNKNOWN,
                 "cannot be read");
    assert_found("CreateVolume", 500, html, "dry run of CreateVolume", FINDING_UNKNOWN,
                 "cannot be read");
}

/* --- a test's network --- */

/* The isolation of networks.test alone, with what EC2 answers about it. */
static struct flight fly_isolation(const char *test_vpc, const char *peerings, const char *tables)
{
    struct flight f = {.canned = canned_create(NULL, 0), .plan = canned_site_plan()};
    struct arena *arena = f.canned->arena;
    struct network *network = &f.plan.plan->networks[NETWORK_TEST];
    struct canned_answer *site = ARENA_ARRAY(arena, struct canned_answer, 2);
    site[0] = (struct canned_answer){.expect = "Action=DescribeVpcPeeringConnections", .body = peerings,
                                     .status = peerings ? 200 : 403, .any_order = true};
    site[1] = (struct canned_answer){.expect = "Action=DescribeRouteTables", .body = tables,
                                     .status = tables ? 200 : 403, .any_order = true};
    for (int i = 0; i < 2; i++) {
        site[i].body = site[i].body ? site[i].body
                                    : "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no"
                                      "</Message></Error></Errors></Response>";
    }
    canned_script(f.canned, site, 2);
    struct aws *aws = canned_aws(f.canned);
    network->given = true;
    network->vpc.value = test_vpc;
    struct preflight preflight = {.arena = arena, .kept = arena, .aws = aws, .plan = f.plan.plan,
                                  .network = network, .which = NETWORK_TEST,
                                  .asks = asks_create(aws->client), .findings = &f.findings};
    preflight_isolation(&preflight);
    f.ok = asks_run(preflight.asks, &f.error);
    asks_destroy(preflight.asks);
    aws_destroy(aws);
    return f;
}

#define NO_PEERINGS "<DescribeVpcPeeringConnectionsResponse><vpcPeeringConnectionSet/></DescribeVpcPeeringConnectionsResponse>"
#define NO_TABLES "<DescribeRouteTablesResponse><routeTableSet/></DescribeRouteTablesResponse>"
#define PEERED(state)                                                                              \
    "<DescribeVpcPeeringConnectionsResponse><vpcPeeringConnectionSet><item><vpcPeeringConnectionId>pcx-1</vpcPeeringConnectionId>"      \
    "<requesterVpcInfo><vpcId>vpc-2</vpcId></requesterVpcInfo><accepterVpcInfo><vpcId>vpc-1</vpcId>" \
    "</accepterVpcInfo><status><code>" state "</code></status></item></vpcPeeringConnectionSet></DescribeVpcPeeringConnectionsResponse>"
#define ROUTE(destination, way)                                                                    \
    "<DescribeRouteTablesResponse><routeTableSet><item><routeTableId>rtb-1</routeTableId><routeSet>"                          \
    "<item><destinationCidrBlock>10.99.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId>"   \
    "<state>active</state></item><item><destinationCidrBlock>" destination "</destinationCidrBlock>" \
    way "</item></routeSet></item></routeTableSet></DescribeRouteTablesResponse>"

static void assert_isolation(const char *test_vpc, const char *peerings, const char *tables,
                             const char *subject, enum finding_severity severity, const char *text)
{
    struct flight f = fly_isolation(test_vpc, peerings, tables);
    assert_true(f.ok);
    const struct finding *finding = find(&f, subject);
    if (finding->severity != severity || !strstr(finding->text, text)) {
        fail_msg("%s: %d %s", finding->subject, (int)finding->severity, finding->text);
    }
    assert_int_equal(f.findings.fatal, 0);
    land(&f);
}

static void test_isolation(void **state)
{
    (void)state;
    static const char tgw[] = ROUTE("10.0.0.0/8", "<transitGatewayId>tgw-1</transitGatewayId>");
    static const char vgw[] = ROUTE("10.20.2.128/25", "<gatewayId>vgw-1</gatewayId>");
    static const char gone[] = ROUTE("10.0.0.0/8", "<transitGatewayId>tgw-1</transitGatewayId><state>blackhole"
                                                   "</state>");
    static const char out[] = ROUTE("0.0.0.0/0", "<gatewayId>igw-1</gatewayId>");
    static const char elsewhere[] = ROUTE("10.30.0.0/16", "<vpcPeeringConnectionId>pcx-2</vpcPeeringConnectionId>");
    assert_isolation("vpc-1", NULL, NULL, "VPC", FINDING_WARNING, "production's VPC too");
    assert_isolation("vpc-2", NO_PEERINGS, NO_TABLES, "peering", FINDING_PASSED, "not with production's vpc-1");
    assert_isolation("vpc-2", NO_PEERINGS, NO_TABLES, "routes", FINDING_PASSED, "none leads to");
    assert_isolation("vpc-2", PEERED("active"), NO_TABLES, "peering", FINDING_WARNING, "vpc-1 (pcx-1)");
    assert_isolation("vpc-2", PEERED("deleted"), NO_TABLES, "peering", FINDING_PASSED, "not with");
    assert_isolation("vpc-2", NO_PEERINGS, tgw, "routes", FINDING_WARNING, "rtb-1 leads 10.0.0.0/8");
    assert_isolation("vpc-2", NO_PEERINGS, vgw, "routes", FINDING_WARNING, "subnet db too, to vgw-1");
    assert_isolation("vpc-2", NO_PEERINGS, gone, "routes", FINDING_PASSED, "none");
    assert_isolation("vpc-2", NO_PEERINGS, out, "routes", FINDING_PASSED, "none");
    assert_isolation("vpc-2", NO_PEERINGS, elsewhere, "routes", FINDING_PASSED, "none");
    /* What may not be asked is not known. */
    assert_isolation("vpc-2", NULL, NO_TABLES, "peering", FINDING_UNKNOWN, "cannot be read");
    assert_isolation("vpc-2", NO_PEERINGS, NULL, "routes", FINDING_UNKNOWN, "cannot be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_isolation),
        cmocka_unit_test(test_all_is_well),     cmocka_unit_test(test_what_may_be_lost),
        cmocka_unit_test(test_clocks_that_differ),
        cmocka_unit_test(test_dry_runs_are_few),
        cmocka_unit_test(test_what_is_missing), cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_subnets),         cmocka_unit_test(test_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
