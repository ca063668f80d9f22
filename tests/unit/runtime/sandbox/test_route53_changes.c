/* Route 53: batches whole or not at all, its refusals word for word, lists in its order, changes
 * that are in sync after a while, zones of their account alone. Covers: route53_names.c
 * route53_records.c route53_zones.c populate_route53.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <string.h>

#include "compiler/base/arena.h"

#define RECORD(action, name, type, ttl, value)                                                     \
    "<Change><Action>" action "</Action><ResourceRecordSet><Name>" name "</Name><Type>" type       \
    "</Type><TTL>" ttl "</TTL><ResourceRecords><ResourceRecord><Value>" value                      \
    "</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change>"
#define ALIAS(action, name)                                                                        \
    "<Change><Action>" action "</Action><ResourceRecordSet><Name>" name "</Name><Type>A</Type>"    \
    "<AliasTarget><HostedZoneId>ZLB</HostedZoneId><DNSName>lb.example.</DNSName>"                  \
    "<EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget></ResourceRecordSet></"       \
    "Change>"

static int ask(struct sandbox_client *c, const char *method, const char *path, const char *body)
{
    const char *region = c->region;
    c->region = "us-east-1";
    int status = client_rest(c, "route53", method, arena_printf(c->arena, "/2013-04-01/%s", path),
                             NULL, body, body ? strlen(body) : 0);
    c->region = region;
    return status;
}

static const char *make_zone(struct sandbox_client *c, const char *name)
{
    const char *body =
        arena_printf(c->arena,
                     "<CreateHostedZoneRequest><Name>%s</Name><CallerReference>%s</CallerReference>"
                     "</CreateHostedZoneRequest>",
                     name, name);
    assert_int_equal(ask(c, "POST", "hostedzone", body), 201);
    return got(c, "HostedZone/Id") + strlen("/hostedzone/");
}

static int change(struct sandbox_client *c, const char *zone, const char *changes)
{
    const char *body = arena_printf(
        c->arena,
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">"
        "<ChangeBatch><Changes>%s</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>",
        changes);
    return ask(c, "POST", arena_printf(c->arena, "hostedzone/%s/rrset/", zone), body);
}

static void assert_refused(struct sandbox_client *c, const char *zone, const char *changes,
                           const char *message)
{
    assert_int_equal(change(c, zone, changes), 400);
    assert_string_equal(got(c, "Error/Code"), "InvalidChangeBatch");
    assert_string_equal(got(c, "Error/Message"), message);
}

static const char *value_of(struct sandbox_client *c, const char *zone, const char *name,
                            const char *type)
{
    assert_int_equal(ask(c, "GET",
                         arena_printf(c->arena, "hostedzone/%s/rrset?maxitems=1&name=%s&type=%s",
                                      zone, name, type),
                         NULL),
                     200);
    return got(c, "ResourceRecordSets/ResourceRecordSet/ResourceRecords/ResourceRecord/Value");
}

static void test_compare_and_swap(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *zone = make_zone(c, "shop.example");
    assert_int_equal(change(c, zone, RECORD("CREATE", "WWW.shop.example", "A", "60", "192.0.2.1")),
                     200);
    assert_int_equal(change(c, zone,
                            RECORD("DELETE", "www.shop.example.", "A", "60", "192.0.2.1")
                                RECORD("CREATE", "www.shop.example", "A", "30", "10.0.0.1")),
                     200);
    assert_string_equal(value_of(c, zone, "www.shop.example", "A"), "10.0.0.1");
    assert_refused(
        c, zone, RECORD("DELETE", "www.shop.example", "A", "60", "10.0.0.1"),
        "[Tried to delete resource record set [name='www.shop.example.', type='A'] but the "
        "values provided do not match the current values]");
    assert_refused(
        c, zone, RECORD("DELETE", "www.shop.example", "A", "30", "10.0.0.2"),
        "[Tried to delete resource record set [name='www.shop.example.', type='A'] but the "
        "values provided do not match the current values]");
    assert_refused(
        c, zone,
        RECORD("DELETE", "api.shop.example", "A", "30", "10.0.0.2")
            RECORD("CREATE", "www.shop.example", "A", "30", "10.0.0.3"),
        "[Tried to delete resource record set [name='api.shop.example.', type='A'] but it "
        "was not found, Tried to create resource record set [name='www.shop.example.', "
        "type='A'] but it already exists]");
    client_destroy(c);
}

static void test_all_or_nothing(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *zone = make_zone(c, "shop.example");
    assert_int_equal(change(c, zone,
                            RECORD("CREATE", "a.shop.example", "A", "60", "192.0.2.1")
                                RECORD("DELETE", "b.shop.example", "A", "60", "192.0.2.1")),
                     400);
    assert_int_equal(ask(c, "GET", arena_printf(c->arena, "hostedzone/%s/rrset", zone), NULL), 200);
    assert_int_equal(got_count(c, "ResourceRecordSets"), 2); /* NS and SOA */
    client_destroy(c);
}

static void test_what_may_be_there(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *zone = make_zone(c, "shop.example.");
    assert_int_equal(change(c, zone, RECORD("UPSERT", "www.shop.example", "A", "60", "192.0.2.1")),
                     200);
    assert_refused(c, zone, RECORD("CREATE", "www.shop.example", "CNAME", "60", "x.example"),
                   "[RRSet of type CNAME with DNS name www.shop.example. is not permitted as it "
                   "conflicts with other records with the same DNS name in zone shop.example.]");
    assert_refused(
        c, zone, RECORD("CREATE", "shop.example", "CNAME", "60", "x.example"),
        "[RRSet of type CNAME with DNS name shop.example. is not permitted at apex in zone "
        "shop.example.]");
    assert_refused(
        c, zone, RECORD("CREATE", "www.other.example", "A", "60", "192.0.2.1"),
        "[RRSet with DNS name www.other.example. is not permitted in zone shop.example.]");
    assert_refused(c, zone, RECORD("CREATE", "xshop.example", "A", "60", "192.0.2.1"),
                   "[RRSet with DNS name xshop.example. is not permitted in zone shop.example.]");
    assert_int_equal(change(c, zone, RECORD("CREATE", "x.shop.example", "A", "60", "192.0.2")),
                     400);
    assert_int_equal(change(c, zone, RECORD("CREATE", "x.shop.example", "AAAA", "60", "::g")), 400);
    assert_int_equal(change(c, zone, RECORD("CREATE", "x.shop.example", "TXT", "60", "bare")), 400);
    assert_int_equal(change(c, zone, RECORD("CREATE", "x.shop.example", "TXT", "60", "\"q\"")),
                     200);
    /* a CNAME takes the place of an A record in one batch */
    assert_int_equal(change(c, zone,
                            RECORD("DELETE", "www.shop.example", "A", "60", "192.0.2.1")
                                RECORD("CREATE", "www.shop.example", "CNAME", "60", "x.example")),
                     200);
    client_destroy(c);
}

static void test_aliases(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *zone = make_zone(c, "shop.example");
    assert_int_equal(change(c, zone, ALIAS("CREATE", "www.shop.example")), 200);
    assert_int_equal(change(c, zone, RECORD("DELETE", "www.shop.example", "A", "60", "192.0.2.1")),
                     400);
    assert_int_equal(ask(c, "GET",
                         arena_printf(c->arena, "hostedzone/%s/rrset?name=www.shop.example", zone),
                         NULL),
                     200);
    assert_string_equal(got(c, "ResourceRecordSets/ResourceRecordSet/AliasTarget/DNSName"),
                        "lb.example.");
    assert_int_equal(change(c, zone, ALIAS("DELETE", "www.shop.example")), 200);
    client_destroy(c);
}

static void test_in_sync_after_a_while(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *zone = make_zone(c, "shop.example");
    assert_int_equal(change(c, zone, RECORD("UPSERT", "a.shop.example", "A", "60", "192.0.2.1")),
                     200);
    assert_string_equal(got(c, "ChangeInfo/Status"), "PENDING");
    const char *id = got(c, "ChangeInfo/Id") + 1; /* change/C… */
    client_pass(c, 5);
    assert_int_equal(ask(c, "GET", id, NULL), 200);
    assert_string_equal(got(c, "ChangeInfo/Status"), "PENDING");
    client_pass(c, 40);
    assert_int_equal(ask(c, "GET", id, NULL), 200);
    assert_string_equal(got(c, "ChangeInfo/Status"), "INSYNC");
    assert_int_equal(ask(c, "GET", "change/C0", NULL), 404);
    assert_string_equal(got(c, "Error/Code"), "NoSuchChange");
    client_destroy(c);
}

/* By labels, the last one first, each with its dot: "a-b." is before "a." of a longer name. */
static void test_order_and_pages(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *zone = make_zone(c, "shop.example");
    assert_int_equal(change(c, zone,
                            RECORD("CREATE", "x.a.shop.example", "A", "1", "192.0.2.1") RECORD(
                                "CREATE", "\\052.shop.example", "A", "1", "192.0.2.1")
                                RECORD("CREATE", "b.shop.example", "A", "1", "192.0.2.1")
                                    RECORD("CREATE", "a.shop.example", "TXT", "1", "\"t\"")
                                        RECORD("CREATE", "a.shop.example", "A", "1", "192.0.2.1")),
                     200);
    static const char *const order[][2] = {{"shop.example.", "NS"},      {"shop.example.", "SOA"},
                                           {"\\052.shop.example.", "A"}, {"a.shop.example.", "A"},
                                           {"a.shop.example.", "TXT"},   {"x.a.shop.example.", "A"},
                                           {"b.shop.example.", "A"}};
    const char *from = "";
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        assert_int_equal(ask(c, "GET",
                             arena_printf(c->arena, "hostedzone/%s/rrset?maxitems=1%s", zone, from),
                             NULL),
                         200);
        assert_string_equal(got(c, "ResourceRecordSets/ResourceRecordSet/Name"), order[i][0]);
        assert_string_equal(got(c, "ResourceRecordSets/ResourceRecordSet/Type"), order[i][1]);
        bool last = i + 1 == sizeof order / sizeof *order;
        assert_string_equal(got(c, "IsTruncated"), last ? "false" : "true");
        from = last ? ""
                    : arena_printf(c->arena, "&name=%s&type=%s", uri(c, got(c, "NextRecordName")),
                                   got(c, "NextRecordType"));
    }
    client_destroy(c);
}

static void test_zones(void **state)
{
    (void)state;
    struct sandbox_client *c = client_create();
    const char *zone = make_zone(c, "shop.example");
    make_zone(c, "a.example");
    assert_int_equal(ask(c, "GET", "hostedzonesbyname?dnsname=shop.example.&maxitems=1", NULL),
                     200);
    assert_string_equal(got(c, "HostedZones/HostedZone/Name"), "shop.example.");
    assert_int_equal(ask(c, "GET", "hostedzone", NULL), 200);
    assert_int_equal(got_count(c, "HostedZones"), 2);
    assert_int_equal(ask(c, "GET", arena_printf(c->arena, "hostedzone/%s", zone), NULL), 200);
    assert_int_equal(ask(c, "GET", "hostedzone/ZNONE/rrset", NULL), 404);
    assert_string_equal(got(c, "Error/Code"), "NoSuchHostedZone");
    assert_int_equal(ask(c, "DELETE", "hostedzone/ZNONE", NULL), 404);

    sts_ok(c, "Action=AssumeRole&RoleArn=arn:aws:iam::444455556666:role/dns&RoleSessionName=x");
    c->key = (struct sigv4_key){got(c, "AssumeRoleResult/Credentials/AccessKeyId"),
                                got(c, "AssumeRoleResult/Credentials/SecretAccessKey"),
                                got(c, "AssumeRoleResult/Credentials/SessionToken")};
    assert_int_equal(ask(c, "GET", arena_printf(c->arena, "hostedzone/%s/rrset", zone), NULL), 403);
    assert_string_equal(got(c, "Error/Code"), "AccessDenied");
    make_zone(c, "other.example");
    client_destroy(c);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", "<a/>", "<ChangeResourceRecordSetsRequest/>",
        "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes><Change/></Changes></ChangeBatch>"
        "</ChangeResourceRecordSetsRequest>",
        "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes><Change><Action>CREATE</Action>"
        "<ResourceRecordSet><Name>a.shop.example</Name><Type>A</Type></ResourceRecordSet></Change>"
        "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"};
    struct sandbox_client *c = client_create();
    const char *zone = make_zone(c, "shop.example");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(
            ask(c, "POST", arena_printf(c->arena, "hostedzone/%s/rrset", zone), bodies[i]), 400);
        assert_string_equal(got(c, "Error/Code"), "InvalidInput");
    }
    client_fault(c, "prior", 1);
    assert_int_equal(change(c, zone, RECORD("UPSERT", "a.shop.example", "A", "60", "192.0.2.1")),
                     400);
    assert_string_equal(got(c, "Error/Code"), "PriorRequestNotComplete");
    client_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare_and_swap),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_what_may_be_there),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_in_sync_after_a_while),
        cmocka_unit_test(test_order_and_pages),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
