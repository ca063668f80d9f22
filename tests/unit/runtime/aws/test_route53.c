/* Records read, switched, restored, looked up and awaited.
 * Covers: route53_change.c */
#include <string.h>

#include "runtime/aws/operation.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define RECORD(name, type, ttl, value)                                                             \
    "<ResourceRecordSet><Name>" name "</Name><Type>" type "</Type><TTL>" ttl                       \
    "</TTL><ResourceRecords><ResourceRecord><Value>" value                                         \
    "</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
#define RECORDS(sets)                                                                              \
    "<ListResourceRecordSetsResponse><ResourceRecordSets>" sets                                    \
    "</ResourceRecordSets></ListResourceRecordSetsResponse>"
#define CHANGED                                                                                    \
    "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>"    \
    "</ChangeInfo></ChangeResourceRecordSetsResponse>"
#define REFUSED(code, message)                                                                     \
    "<ErrorResponse><Error><Code>" code "</Code><Message>" message                                 \
    "</Message></Error><RequestId>q1</RequestId></ErrorResponse>"
#define OLD "{\"ttl\":300,\"values\":[\"192.0.2.1\"]}"

/* What the calls came to, longer than the canned AWS of one test step. */
static struct arena *texts;

static int set_up(void **state)
{
    (void)state;
    texts = arena_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(texts);
    return 0;
}

static struct value new_values[1] = {{.kind = VALUE_TEXT, .text = "10.0.0.1"}};

/* All inputs of a switch of `record`, A, from OLD to 10.0.0.1 with a TTL of 60. */
static void fill(struct input inputs[7], const char *record, const char *old)
{
    inputs[0] = canned_text("zone", "shop.example");
    inputs[1] = canned_text("zone_id", "Z1");
    inputs[2] = canned_text("record", record);
    inputs[3] = canned_text("type", "A");
    inputs[4] = (struct input){"ttl", {.kind = VALUE_INT, .integer = 60}};
    inputs[5] = (struct input){"values", {.kind = VALUE_LIST, .items = new_values, .count = 1}};
    inputs[6] = canned_text("old", old);
}

static struct canned *run(const struct canned_answer *script, size_t count, enum canned_what what,
                          enum action action, size_t n, const char *old,
                          struct canned_result *results)
{
    static struct input inputs[2][7];
    static const char *const names[] = {"www.shop.example", "api.shop.example"};
    struct canned *canned = canned_create(script, count);
    struct aws *aws = canned_aws(canned);
    struct canned_call calls[2];
    for (size_t i = 0; i < n; i++) {
        fill(inputs[i], names[i], old);
        calls[i] = (struct canned_call){"db/x", inputs[i], 7, 0, ACTION_NONE};
    }
    canned_run(canned, aws, what, action, calls, n, results);
    canned_keep(texts, results, n);
    assert_int_equal(canned->next, count);
    aws_destroy(aws);
    return canned;
}

static void test_one_change_for_all(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"POST https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset/\n", .body = CHANGED}};
    struct canned_result results[2];
    struct canned *canned = run(script, 1, CANNED_START, ACTION_CHANGE_RECORD_SET, 2, OLD, results);
    const char *sent = buffer_text(&canned->log);
    assert_non_null(strstr(sent, "/us-east-1/route53/aws4_request"));
    const char *del =
        strstr(sent, "<Action>DELETE</Action><ResourceRecordSet><Name>www.shop.example."
                     "</Name><Type>A</Type><TTL>300</TTL>");
    assert_non_null(del);
    const char *create = strstr(del, "<Action>CREATE</Action><ResourceRecordSet><Name>www.shop."
                                     "example.</Name><Type>A</Type><TTL>60</TTL>");
    assert_non_null(create);
    assert_non_null(strstr(create, "<Name>api.shop.example.</Name>"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(results[i].outcome, OUTCOME_OK);
        assert_string_equal(canned_output(&results[i], "change_id"), "C1");
    }
    canned_destroy(canned);
}

static void test_new_record_is_created_only(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{"/rrset/", .body = CHANGED}};
    struct canned_result result;
    struct canned *canned = run(script, 1, CANNED_START, ACTION_CHANGE_RECORD_SET, 1, "", &result);
    assert_null(strstr(buffer_text(&canned->log), "DELETE"));
    canned_destroy(canned);
    canned = run(script, 1, CANNED_START, ACTION_RESTORE_RECORD_SET, 1, "", &result);
    assert_null(strstr(buffer_text(&canned->log), "CREATE"));
    canned_destroy(canned);
}

static void test_one_to_blame(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"/rrset/", .status = 400,
         .body =
             REFUSED("InvalidChangeBatch",
                     "[Tried to delete resource record set [name='api.shop.example.', type='A'] "
                     "but the values provided do not match the current values]")}};
    struct canned_result results[2];
    canned_destroy(run(script, 1, CANNED_START, ACTION_CHANGE_RECORD_SET, 2, OLD, results));
    assert_int_equal(results[0].outcome, OUTCOME_RETRY);
    assert_int_equal(results[1].outcome, OUTCOME_FATAL);
}

static const char batch_refused[] =
    "<InvalidChangeBatch "
    "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Messages><Message>"
    "Tried to delete resource record set www.shop.example. type A, but it was not found</Message>"
    "</Messages></InvalidChangeBatch>";

/* What a batch of one was refused for is looked at. */
static void refused(enum action action, const char *now, struct canned_result *result)
{
    const struct canned_answer script[] = {
        {"/rrset/", .status = 400, .body = batch_refused},
        {"GET https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/"
         "rrset?maxitems=20&name=www.shop.example.\n",
         .body = now}};
    canned_destroy(run(script, 2, CANNED_START, action, 1, OLD, result));
}

static void test_changed_by_somebody(void **state)
{
    (void)state;
    struct canned_result result;
    refused(ACTION_CHANGE_RECORD_SET, RECORDS(RECORD("www.shop.example.", "A", "30", "192.0.2.9")),
            &result);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_string_equal(result.message,
                        "www.shop.example A is 192.0.2.9 (TTL 30): not switched, because it was "
                        "192.0.2.1 (TTL 300) when it was read");
    refused(ACTION_RESTORE_RECORD_SET, RECORDS(RECORD("www.shop.example.", "A", "30", "192.0.2.9")),
            &result);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_string_equal(
        result.message,
        "www.shop.example A is 192.0.2.9 (TTL 30): not restored, because it is not "
        "what the run wrote (10.0.0.1 (TTL 60); before the run: 192.0.2.1 (TTL 300))");
    refused(ACTION_CHANGE_RECORD_SET, RECORDS(RECORD("xyz.shop.example.", "A", "30", "192.0.2.9")),
            &result);
    assert_non_null(strstr(result.message, "A is not there: not switched"));
}

/* The record is as it should be: something else stands in the way. */
static void test_another_reason(void **state)
{
    (void)state;
    struct canned_result result;
    refused(ACTION_CHANGE_RECORD_SET,
            RECORDS(RECORD("www.shop.example.", "A", "300", "192.0.2.1")
                        RECORD("www.shop.example.", "TXT", "5", "&quot;x&quot;")),
            &result);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_string_equal(result.code, "InvalidChangeBatch");
    assert_non_null(strstr(result.message, "but it was not found (www.shop.example has now: A "
                                           "192.0.2.1 (TTL 300); TXT x (TTL 5))"));
}

/* It is done already: a change of it to itself says when all servers have it. */
static void done_already(enum action action, const char *now, const char *written)
{
    const struct canned_answer script[] = {{"/rrset/", .status = 400, .body = batch_refused},
                                           {"/rrset?", .body = now},
                                           {written, .body = CHANGED}};
    struct canned_result result;
    canned_destroy(run(script, 3, CANNED_START, action, 1, OLD, &result));
    assert_int_equal(result.outcome, OUTCOME_OK);
    assert_string_equal(canned_output(&result, "change_id"), "C1");
}

static void test_done_already(void **state)
{
    (void)state;
    done_already(
        ACTION_CHANGE_RECORD_SET, RECORDS(RECORD("www.shop.example.", "A", "60", "10.0.0.1")),
        "<Changes><Change><Action>DELETE</Action><ResourceRecordSet><Name>www.shop.example."
        "</Name><Type>A</Type><TTL>60</TTL>");
    done_already(
        ACTION_RESTORE_RECORD_SET, RECORDS(RECORD("www.shop.example.", "A", "300", "192.0.2.1")),
        "<Changes><Change><Action>DELETE</Action><ResourceRecordSet><Name>www.shop.example."
        "</Name><Type>A</Type><TTL>300</TTL>");
}

static void test_lost_answers(void **state)
{
    (void)state;
    const struct canned_answer still_old[] = {
        {"/rrset?", .body = RECORDS(RECORD("www.shop.example.", "A", "300", "192.0.2.1"))}};
    const struct canned_answer done[] = {
        {"/rrset?", .body = RECORDS(RECORD("www.shop.example.", "A", "60", "10.0.0.1"))},
        {"/rrset/", .body = CHANGED}};
    const struct canned_answer foreign[] = {
        {"/rrset?", .body = RECORDS(RECORD("www.shop.example.", "A", "60", "10.0.0.9"))}};
    const struct canned_answer changed_again[] = {
        {"/rrset?", .body = RECORDS(RECORD("www.shop.example.", "A", "60", "10.0.0.1"))},
        {"/rrset/", .status = 400, .body = batch_refused}};
    struct canned_result result;
    canned_destroy(run(still_old, 1, CANNED_LOOKUP, ACTION_CHANGE_RECORD_SET, 1, OLD, &result));
    assert_int_equal(result.outcome, OUTCOME_ABSENT);
    canned_destroy(run(done, 2, CANNED_LOOKUP, ACTION_CHANGE_RECORD_SET, 1, OLD, &result));
    assert_int_equal(result.outcome, OUTCOME_OK);
    canned_destroy(run(foreign, 1, CANNED_LOOKUP, ACTION_CHANGE_RECORD_SET, 1, OLD, &result));
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    canned_destroy(run(changed_again, 2, CANNED_LOOKUP, ACTION_CHANGE_RECORD_SET, 1, OLD, &result));
    assert_int_equal(result.outcome, OUTCOME_RETRY);
    canned_destroy(run(done, 1, CANNED_LOOKUP, ACTION_RESTORE_RECORD_SET, 1, OLD, &result));
    assert_int_equal(result.outcome, OUTCOME_ABSENT);
}

static void test_restored_to_nothing(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{"/rrset?", .body = RECORDS("")}};
    struct canned_result result;
    canned_destroy(run(script, 1, CANNED_LOOKUP, ACTION_RESTORE_RECORD_SET, 1, "", &result));
    assert_int_equal(result.outcome, OUTCOME_OK);
    assert_string_equal(canned_output(&result, "change_id"), "");
}

static void test_passing_refusals(void **state)
{
    (void)state;
    const struct canned_answer prior[] = {
        {"/rrset/", .status = 400, .body = REFUSED("PriorRequestNotComplete", "still busy")}};
    const struct canned_answer throttled[] = {
        {"/rrset/", .status = 400, .body = REFUSED("Throttling", "Rate exceeded")}};
    const struct canned_answer lost[] = {{"/rrset/", .failure = HTTP_BROKEN}};
    struct canned_result result;
    canned_destroy(run(prior, 1, CANNED_START, ACTION_CHANGE_RECORD_SET, 1, OLD, &result));
    assert_int_equal(result.outcome, OUTCOME_RETRY);
    canned_destroy(run(throttled, 1, CANNED_START, ACTION_CHANGE_RECORD_SET, 1, OLD, &result));
    assert_int_equal(result.outcome, OUTCOME_THROTTLED);
    canned_destroy(run(lost, 1, CANNED_START, ACTION_CHANGE_RECORD_SET, 1, OLD, &result));
    assert_int_equal(result.outcome, OUTCOME_UNKNOWN);
}

static void test_damaged_journal(void **state)
{
    (void)state;
    struct canned_result result;
    canned_destroy(run(NULL, 0, CANNED_START, ACTION_CHANGE_RECORD_SET, 1, "{", &result));
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(result.message, "damaged"));
}

/* --- read --- */

static struct value expected[1] = {{.kind = VALUE_TEXT, .text = "192.0.2.1"}};

static void get(const struct canned_answer *script, size_t count, const char *zone_id, bool expect,
                size_t n, struct canned_result *results)
{
    static const char *const names[] = {"www.shop.example", "api.shop.example"};
    struct canned *canned = canned_create(script, count);
    struct aws *aws = canned_aws(canned);
    struct input inputs[2][5];
    struct canned_call calls[2];
    for (size_t i = 0; i < n; i++) {
        size_t used = 0;
        inputs[i][used++] = canned_text("zone", "shop.example");
        inputs[i][used++] = canned_text("record", names[i]);
        inputs[i][used++] = canned_text("type", "A");
        if (zone_id) {
            inputs[i][used++] = canned_text("zone_id", zone_id);
        }
        if (expect) {
            inputs[i][used++] =
                (struct input){"expect", {.kind = VALUE_LIST, .items = expected, .count = 1}};
        }
        calls[i] = (struct canned_call){"db/x", inputs[i], used, 0, ACTION_NONE};
    }
    canned_run(canned, aws, CANNED_START, ACTION_GET_RECORD_SET, calls, n, results);
    canned_keep(texts, results, n);
    assert_int_equal(canned->next, count);
    aws_destroy(aws);
    canned_destroy(canned);
}

#define ZONE(id, name, private)                                                                    \
    "<HostedZone><Id>/hostedzone/" id "</Id><Name>" name                                           \
    "</Name><Config><PrivateZone>" private "</PrivateZone></Config></HostedZone>"
#define ZONES(zones)                                                                               \
    "<ListHostedZonesByNameResponse><HostedZones>" zones                                           \
    "</HostedZones></ListHostedZonesByNameResponse>"

static void test_zone_by_name(void **state)
{
    (void)state;
    const struct canned_answer found[] = {
        {"GET https://route53.amazonaws.com/2013-04-01/"
         "hostedzonesbyname?dnsname=shop.example.&maxitems=100\n",
         .body = ZONES(ZONE("Z7", "Shop.example.", "false") ZONE("Z8", "shop2.example.", "false"))},
        {"/hostedzone/Z7/rrset?maxitems=1&name=www.shop.example.&type=A\n",
         .body = RECORDS(RECORD("www.shop.example.", "A", "300", "192.0.2.1"))}};
    const struct canned_answer none[] = {{"hostedzonesbyname", .body = ZONES("")}};
    const struct canned_answer two[] = {
        {"hostedzonesbyname",
         .body = ZONES(ZONE("Z7", "shop.example.", "false") ZONE("Z8", "shop.example.", "true"))}};
    struct canned_result result;
    get(found, 2, NULL, true, 1, &result);
    assert_int_equal(result.outcome, OUTCOME_OK);
    assert_string_equal(canned_output(&result, "zone_id"), "Z7");
    assert_string_equal(canned_output(&result, "old"), OLD);
    get(none, 1, NULL, false, 1, &result);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    get(two, 1, NULL, false, 1, &result);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_string_equal(result.message,
                        "there are 2 hosted zones shop.example: Z7 (public), Z8 (private)");
}

static void test_reading(void **state)
{
    (void)state;
    const struct canned_answer absent[] = {
        {"/rrset?", .body = RECORDS(RECORD("xyz.shop.example.", "A", "1", "192.0.2.1"))}};
    const struct canned_answer other[] = {
        {"/rrset?", .body = RECORDS(RECORD("www.shop.example.", "A", "300", "192.0.2.7"))}};
    const struct canned_answer weighted[] = {
        {"/rrset?",
         .body = RECORDS("<ResourceRecordSet><Name>www.shop.example.</Name><Type>A</Type>"
                         "<SetIdentifier>blue</SetIdentifier><TTL>5</TTL></ResourceRecordSet>")}};
    struct canned_result result;
    get(absent, 1, "Z1", false, 1, &result);
    assert_int_equal(result.outcome, OUTCOME_OK);
    assert_string_equal(canned_output(&result, "old"), "");
    get(absent, 1, "Z1", true, 1, &result);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    get(other, 1, "Z1", true, 1, &result);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_string_equal(result.message, "www.shop.example A is 192.0.2.7 (TTL 300), and the plan "
                                        "expects 192.0.2.1");
    get(weighted, 1, "Z1", false, 1, &result);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(result.message, "has a routing policy (SetIdentifier blue)"));
}

/* One page for what lies together; what is on no page is asked for by itself. */
static void test_several_at_once(void **state)
{
    (void)state;
    const struct canned_answer page[] = {
        {"/rrset?maxitems=300&name=api.shop.example.&type=A\n",
         .body = RECORDS(RECORD("api.shop.example.", "A", "5", "192.0.2.3")
                             RECORD("www.shop.example.", "A", "5", "192.0.2.1"))}};
    const struct canned_answer apart[] = {
        {"name=api.shop.example.",
         .body = RECORDS(RECORD("b.shop.example.", "A", "5", "192.0.2.3"))},
        {"/rrset?maxitems=1&name=www.shop.example.",
         .body = RECORDS(RECORD("www.shop.example.", "A", "5", "192.0.2.1"))}};
    struct canned_result results[2];
    get(page, 1, "Z1", false, 2, results);
    assert_string_equal(canned_output(&results[0], "old"),
                        "{\"ttl\":5,\"values\":[\"192.0.2.1\"]}");
    assert_string_equal(canned_output(&results[1], "old"),
                        "{\"ttl\":5,\"values\":[\"192.0.2.3\"]}");
    get(apart, 2, "Z1", false, 2, results);
    assert_string_equal(canned_output(&results[0], "old"),
                        "{\"ttl\":5,\"values\":[\"192.0.2.1\"]}");
    assert_string_equal(canned_output(&results[1], "old"), "");
}

/* --- awaited --- */

static void test_one_question_for_each_change(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"/2013-04-01/change/C1\n",
         .body = "<GetChangeResponse><ChangeInfo><Status>INSYNC</Status></ChangeInfo>"
                 "</GetChangeResponse>",
         .any_order = true},
        {"/2013-04-01/change/C2\n",
         .body = "<GetChangeResponse><ChangeInfo><Status>PENDING</Status></ChangeInfo>"
                 "</GetChangeResponse>",
         .any_order = true}};
    struct canned *canned = canned_create(script, 2);
    struct aws *aws = canned_aws(canned);
    static const char *const ids[] = {"C1", "C2", "C1", ""};
    struct input inputs[4];
    struct canned_call calls[4];
    struct canned_result results[4];
    for (int i = 0; i < 4; i++) {
        inputs[i] = canned_text("change_id", ids[i]);
        calls[i] = (struct canned_call){"db/x", &inputs[i], 1, 0, ACTION_NONE};
    }
    canned_run(canned, aws, CANNED_POLL, ACTION_WAIT_RECORD_SET, calls, 4, results);
    assert_int_equal(canned->requests, 2);
    assert_int_equal(results[0].outcome, OUTCOME_OK);
    assert_int_equal(results[1].outcome, OUTCOME_PENDING);
    assert_int_equal(results[2].outcome, OUTCOME_OK);
    assert_int_equal(results[3].outcome, OUTCOME_OK);
    aws_destroy(aws);
    canned_destroy(canned);
}

/* --- accounts --- */

/* The zone's role is assumed once, by the run's own credentials. */
static void test_role(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Fdns",
         .body = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAZONE"
                 "</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
                 "<Expiration>2026-11-22T11:00:00Z</Expiration></Credentials></AssumeRoleResult>"
                 "</AssumeRoleResponse>"},
        {"Credential=ASIAZONE/", .body = CHANGED},
        {"Credential=ASIAZONE/", .body = CHANGED}};
    struct canned *canned = canned_create(script, 3);
    struct aws *aws = canned_aws(canned);
    struct input inputs[8];
    struct canned_result result;
    fill(inputs, "www.shop.example", OLD);
    inputs[7] = canned_text("role_arn", "arn:aws:iam::444455556666:role/dns");
    struct canned_call call = {"db/x", inputs, 8, 0, ACTION_NONE};
    for (int i = 0; i < 2; i++) {
        canned_run(canned, aws, CANNED_START, ACTION_CHANGE_RECORD_SET, &call, 1, &result);
        assert_int_equal(result.outcome, OUTCOME_OK);
    }
    assert_int_equal(canned->next, 3);
    aws_destroy(aws);
    canned_destroy(canned);
}

static void test_together(void **state)
{
    (void)state;
    struct canned *canned = canned_create(NULL, 0);
    struct aws *aws = canned_aws(canned);
    struct graph_node node = {.action = ACTION_CHANGE_RECORD_SET};
    struct input a[2] = {canned_text("zone_id", "Z1"), canned_text("zone", "shop.example")};
    struct input b[2] = {canned_text("zone_id", "Z1"), canned_text("zone", "shop.example")};
    struct input c[2] = {canned_text("zone_id", "Z2"), canned_text("zone", "shop.example")};
    struct input d[3] = {a[0], a[1], canned_text("role_arn", "arn:aws:iam::1:role/x")};
    struct call calls[] = {{.node = &node, .inputs = a, .input_count = 2},
                           {.node = &node, .inputs = b, .input_count = 2},
                           {.node = &node, .inputs = c, .input_count = 2},
                           {.node = &node, .inputs = d, .input_count = 3}};
    struct provider *provider = aws_provider(aws);
    assert_true(provider->together(&calls[0], &calls[1]));
    assert_false(provider->together(&calls[0], &calls[2]));
    assert_false(provider->together(&calls[0], &calls[3]));
    node.action = ACTION_STOP_INSTANCE;
    assert_true(provider->together(&calls[0], &calls[2]));
    aws_destroy(aws);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_change_for_all),
        cmocka_unit_test(test_new_record_is_created_only),
        cmocka_unit_test(test_one_to_blame),
        cmocka_unit_test(test_changed_by_somebody),
        cmocka_unit_test(test_another_reason),
        cmocka_unit_test(test_done_already),
        cmocka_unit_test(test_lost_answers),
        cmocka_unit_test(test_restored_to_nothing),
        cmocka_unit_test(test_passing_refusals),
        cmocka_unit_test(test_damaged_journal),
        cmocka_unit_test(test_zone_by_name),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_one_question_for_each_change),
        cmocka_unit_test(test_role),
        cmocka_unit_test(test_together),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
