/* One request's way: clock skew, expired sessions, refusals that name the keys.
 * Covers: transfer.c */
#include "runtime/aws/client.h"

#include <string.h>

#include "runtime/world/simulated.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define REFUSED(code)                                                                              \
    "<ErrorResponse><Error><Code>" code "</Code><Message>no</Message></Error>"                     \
    "<RequestId>q</RequestId></ErrorResponse>"
#define EC2_REFUSED(code)                                                                          \
    "<Response><Errors><Error><Code>" code "</Code><Message>no</Message></Error></Errors>"         \
    "<RequestID>q</RequestID></Response>"
#define DELETED "<DeleteVolumeResponse><return>true</return></DeleteVolumeResponse>"

static struct canned_result delete_volume(struct canned *canned)
{
    struct aws *aws = canned_aws(canned);
    struct input inputs[] = {canned_text("volume_id", "vol-1")};
    struct canned_call call = {"db/x/delete-volume", inputs, 1, 0, ACTION_NONE};
    struct canned_result result;
    canned_run(canned, aws, CANNED_START, ACTION_DELETE_VOLUME, &call, 1, &result);
    aws_destroy(aws);
    return result;
}

static void test_clock_is_adjusted_once(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{"X-Amz-Date: 20261122T100000Z", .status = 403,
                                            .body = EC2_REFUSED("RequestExpired"),
                                            .date = "Sun, 22 Nov 2026 12:00:00 GMT"},
                                           {"X-Amz-Date: 20261122T1200", .body = DELETED}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result result = delete_volume(canned);
    assert_int_equal(result.outcome, OUTCOME_OK);
    assert_int_equal(result.requests, 2);
    canned_destroy(canned);
}

static void test_a_right_clock_is_left_alone(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{"DeleteVolume", .status = 403,
                                            .body = EC2_REFUSED("AuthFailure"),
                                            .date = "Sun, 22 Nov 2026 10:01:00 GMT"}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result result = delete_volume(canned);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(result.message, "key AKIDEXAMPLE from the environment"));
    canned_destroy(canned);
}

static void expect_renewal(const char *refused)
{
#define TASK_KEYS(id)                                                                              \
    "{\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","                       \
    "\"Expiration\":\"2026-11-22T16:00:00Z\"}"
    const struct canned_answer script[] = {
        {"GET http://169.254.170.2/x", .body = TASK_KEYS("ASIA1")},
        {"Credential=ASIA1/", .status = 400, .body = refused},
        {"GET http://169.254.170.2/x", .body = TASK_KEYS("ASIA2")},
        {"Credential=ASIA2/", .body = DELETED}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    world_simulated_set_environment(canned->world, "AWS_ACCESS_KEY_ID", NULL);
    world_simulated_set_environment(canned->world, "AWS_SECRET_ACCESS_KEY", NULL);
    world_simulated_set_environment(canned->world, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
    assert_int_equal(delete_volume(canned).outcome, OUTCOME_OK);
    canned_destroy(canned);
}

static void test_expired_session_is_renewed(void **state)
{
    (void)state;
    expect_renewal(EC2_REFUSED("ExpiredToken"));
    expect_renewal(EC2_REFUSED("RequestExpired")); /* EC2's word for it */
}

static void test_expired_keys_of_the_environment_are_final(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"DeleteVolume", .status = 400, .body = EC2_REFUSED("ExpiredToken")}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct canned_result result = delete_volume(canned);
    assert_int_equal(result.outcome, OUTCOME_FATAL);
    assert_non_null(strstr(result.help, "get new credentials"));
    canned_destroy(canned);
}

static void test_questions_are_patient_for_a_minute(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"GetCallerIdentity", .status = 503, .body = "<html>busy</html>", .any_order = true}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws *aws = canned_aws(canned);
    struct aws_identity identity;
    struct error error = {0};
    int64_t from = world_monotonic_ms(canned->world);
    assert_false(aws_identify(aws, canned->arena, &identity, &error));
    int64_t took = world_monotonic_ms(canned->world) - from;
    assert_true(took > 30000 && took <= 60000);
    assert_non_null(strstr(error.message, "HTTP 503"));
    assert_true(canned->requests > 5);
    error_clear(&error);
    aws_destroy(aws);
    canned_destroy(canned);
}

static void test_a_silent_service_ends_within_a_minute(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"GetCallerIdentity", .latency_ms = 3600000, .any_order = true}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws *aws = canned_aws(canned);
    struct aws_identity identity;
    struct error error = {0};
    int64_t from = world_monotonic_ms(canned->world);
    assert_false(aws_identify(aws, canned->arena, &identity, &error));
    assert_true(world_monotonic_ms(canned->world) - from <= 60000);
    assert_non_null(strstr(error.message, "no answer within "));
    error_clear(&error);
    aws_destroy(aws);
    canned_destroy(canned);
}

static void test_throttled_questions_go_on(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"GetCallerIdentity", .status = 400, .body = REFUSED("Throttling")},
        {"GetCallerIdentity", .status = 400, .body = REFUSED("Throttling")},
        {"GetCallerIdentity",
         .body = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1"
                 "</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws *aws = canned_aws(canned);
    struct aws_identity identity;
    assert_true(aws_identify(aws, canned->arena, &identity, NULL));
    assert_string_equal(identity.account, "1");
    assert_int_equal(aws_request_count(aws), 3);
    aws_destroy(aws);
    canned_destroy(canned);
}

/* Destroyed while a request is under way: its callback never comes, and nothing is left. */
static void test_destroyed_on_the_way(void **state)
{
    (void)state;
    struct canned *canned = canned_create(NULL, 0);
    struct aws *aws = canned_aws(canned);
    struct graph graph = {.plan_name = "shop"};
    struct graph_node node = {.id = "x", .action = ACTION_STOP_INSTANCE, .vm = NO_VM};
    struct call call = {.graph = &graph, .node = &node, .run_id = "r"}, *list[] = {&call};
    aws_provider(aws)->start(aws_provider(aws), list, 1, NULL, NULL);
    node.action = ACTION_CHECK_TCP; /* not AWS's */
    aws_provider(aws)->poll(aws_provider(aws), list, 1, NULL, NULL);
    aws_destroy(aws);
    canned_destroy(canned);
}

struct said {
    bool there;
    enum outcome outcome;
    char body[64];
    size_t length;
};

static void on_said(void *context, const struct aws_answer *answer)
{
    struct said *said = context;
    said->there = true;
    said->outcome = answer->outcome;
    said->length = answer->body_length;
    memcpy(said->body, answer->body, answer->body_length);
}

/* A REST request as it goes out, and bytes as they come in: with a secret's form in them, and NULs. */
static void test_rest_requests(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"PUT https://ebs.eu-west-1.amazonaws.com/snapshots/snap-1/blocks/7?a=b%2Fc\n",
         .body = "AKIDEXAMPLE secret Basic QUtJREVYQU1QTEU6c2VjcmV0"}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws_client *client = canned_client(canned);
    const struct http_header headers[] = {{"x-amz-Data-Length", "4"}};
    struct aws_client_request request = {.service = AWS_SERVICE_EBS,
                                         .operation = "PutSnapshotBlock",
                                         .changes = true,
                                         .rest = {.method = "PUT",
                                                  .path = "/snapshots/snap-1/blocks/7",
                                                  .query = "a=b%2Fc",
                                                  .headers = headers,
                                                  .header_count = 1,
                                                  .payload_hash = SIGV4_UNSIGNED_PAYLOAD,
                                                  .raw = true},
                                         .body = "\0\1\2\3",
                                         .body_length = 4,
                                         .borrowed = true};
    struct said said = {0};
    aws_client_send(client, &request, on_said, &said);
    world_run(canned->world, &said.there);
    assert_int_equal(said.outcome, OUTCOME_OK);
    assert_memory_equal(said.body, script[0].body, said.length);
    assert_int_equal(said.length, strlen(script[0].body));
    const char *log = canned->log.data;
    assert_non_null(strstr(log, "X-Amz-Content-SHA256: UNSIGNED-PAYLOAD\n"));
    assert_non_null(strstr(log, "SignedHeaders=host;x-amz-content-sha256;x-amz-data-length;"));
    aws_client_destroy(client);
    canned_destroy(canned);
}

static void test_a_bucket_elsewhere_in_another_region(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"GET https://state.s3.us-west-2.amazonaws.com/a%2Bb\n", .body = "x"}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    struct aws_client *client = canned_client(canned);
    struct aws_client_request request = {.service = AWS_SERVICE_S3,
                                         .operation = "GetObject",
                                         .region = "us-west-2",
                                         .rest = {.bucket = "state", .path = "/a%2Bb", .raw = true}};
    struct said said = {0};
    aws_client_send(client, &request, on_said, &said);
    world_run(canned->world, &said.there);
    assert_int_equal(said.outcome, OUTCOME_OK);
    assert_non_null(strstr(canned->log.data, "/us-west-2/s3/aws4_request"));
    aws_client_destroy(client);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_is_adjusted_once),
        cmocka_unit_test(test_a_right_clock_is_left_alone),
        cmocka_unit_test(test_expired_session_is_renewed),
        cmocka_unit_test(test_expired_keys_of_the_environment_are_final),
        cmocka_unit_test(test_questions_are_patient_for_a_minute),
        cmocka_unit_test(test_a_silent_service_ends_within_a_minute),
        cmocka_unit_test(test_throttled_questions_go_on),
        cmocka_unit_test(test_destroyed_on_the_way),
        cmocka_unit_test(test_rest_requests),
        cmocka_unit_test(test_a_bucket_elsewhere_in_another_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
