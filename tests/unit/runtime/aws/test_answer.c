#include "runtime/aws/answer.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "tests/unit/support/cmocka_all.h"

static struct arena *arena;

static struct aws_answer read_answer(enum aws_service service, const char *operation, bool changes,
                                     int status, const char *body)
{
    struct aws_answer answer;
    struct http_response response = {
        .status = status, .body = body, .body_length = body ? strlen(body) : 0};
    aws_answer_read(arena, &(struct aws_question){service, operation, changes, false}, &response,
                    &answer);
    return answer;
}

static const char *refusal(const char *code)
{
    return arena_printf(arena,
                        "<Response><Errors><Error><Code>%s</Code><Message>said</Message></Error>"
                        "</Errors><RequestID>r-1</RequestID></Response>",
                        code);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        int status;
        enum outcome outcome;
    } rows[] = {
        {"RequestLimitExceeded", 503, OUTCOME_THROTTLED},
        {"ThrottlingException", 400, OUTCOME_THROTTLED},
        {"InsufficientInstanceCapacity", 500, OUTCOME_EXHAUSTED},
        {"VcpuLimitExceeded", 400, OUTCOME_EXHAUSTED},
        {"InvalidVolume.NotFound", 400, OUTCOME_ABSENT},
        {"InvalidSnapshot.NotFound", 400, OUTCOME_FATAL},
        {"IncorrectInstanceState", 400, OUTCOME_CONFLICT},
        {"IdempotentParameterMismatch", 400, OUTCOME_UNKNOWN},
        {"IdempotentInstanceTerminated", 400, OUTCOME_FATAL},
        {"UnauthorizedOperation", 403, OUTCOME_FATAL},
        {"InternalError", 500, OUTCOME_UNKNOWN},
        {"ServiceUnavailable", 503, OUTCOME_UNKNOWN},
        {"SomethingNew", 400, OUTCOME_FATAL},
        {"SomethingNew", 429, OUTCOME_THROTTLED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aws_answer answer = read_answer(AWS_SERVICE_EC2, "RunInstances", true,
                                               rows[i].status, refusal(rows[i].code));
        if (answer.outcome != rows[i].outcome) {
            fail_msg("%s: %s", rows[i].code, outcome_name(answer.outcome));
        }
        assert_string_equal(answer.error.code, rows[i].code);
        assert_string_equal(answer.error.request_id, "r-1");
        assert_int_equal(answer.error.http_status, rows[i].status);
    }
}

static void test_lost_questions_are_asked_again(void **state)
{
    (void)state;
    struct aws_answer answer =
        read_answer(AWS_SERVICE_EC2, "DescribeVolumes", false, 500, refusal("InternalError"));
    assert_int_equal(answer.outcome, OUTCOME_RETRY);
    answer =
        read_answer(AWS_SERVICE_EC2, "DescribeVolumes", false, 502, "<html>bad gateway</html>");
    assert_int_equal(answer.outcome, OUTCOME_RETRY);
    assert_non_null(strstr(answer.error.message, "HTTP 502"));
    assert_non_null(strstr(answer.error.message, "<html>bad gateway</html>"));
}

static void test_proper_answers(void **state)
{
    (void)state;
    struct aws_answer answer =
        read_answer(AWS_SERVICE_EC2, "CreateVolume", true, 200,
                    "<CreateVolumeResponse><volumeId>vol-1</volumeId></CreateVolumeResponse>");
    assert_int_equal(answer.outcome, OUTCOME_OK);
    assert_string_equal(xml_text(answer.xml, "volumeId"), "vol-1");
    answer = read_answer(AWS_SERVICE_SSM, "SendCommand", true, 200, "{\"Command\":{}}");
    assert_int_equal(answer.outcome, OUTCOME_OK);
    assert_non_null(cJSON_GetObjectItem(answer.json, "Command"));
    aws_answer_clear(&answer);
}

/* Well-formed, and yet of somebody else. */
static void test_answers_of_others(void **state)
{
    (void)state;
    struct aws_answer answer = read_answer(AWS_SERVICE_EC2, "CreateVolume", true, 200,
                                           "<html><body>Sign in</body></html>");
    assert_int_equal(answer.outcome, OUTCOME_UNKNOWN);
    answer = read_answer(AWS_SERVICE_EC2, "CreateVolume", true, 200,
                         "<RunInstancesResponse></RunInstancesResponse>");
    assert_int_equal(answer.outcome, OUTCOME_UNKNOWN);
    answer = read_answer(AWS_SERVICE_SSM, "SendCommand", true, 200, "[]");
    assert_int_equal(answer.outcome, OUTCOME_UNKNOWN);
    answer = read_answer(AWS_SERVICE_SSM, "SendCommand", true, 200, "{\"Command\":{}} trailing");
    assert_int_equal(answer.outcome, OUTCOME_UNKNOWN);
    answer = read_answer(AWS_SERVICE_SSM, "SendCommand", true, 200, NULL);
    assert_int_equal(answer.outcome, OUTCOME_UNKNOWN);
    answer = read_answer(AWS_SERVICE_SSM, "SendCommand", true, 302, "");
    assert_int_equal(answer.outcome, OUTCOME_FATAL);
    answer = read_answer(AWS_SERVICE_SSM, "SendCommand", true, 407, "");
    assert_non_null(strstr(answer.error.help, "HTTPS_PROXY"));
}

static void test_json_refusal(void **state)
{
    (void)state;
    struct aws_answer answer =
        read_answer(AWS_SERVICE_SSM, "SendCommand", true, 400,
                    "{\"__type\":\"com.amazonaws.ssm#InvalidInstanceId\",\"Message\":\"x\\ny\"}");
    assert_int_equal(answer.outcome, OUTCOME_CONFLICT);
    assert_string_equal(answer.error.code, "InvalidInstanceId");
    assert_string_equal(answer.error.message, "ssm SendCommand: InvalidInstanceId: x y");
}

static void assert_failure(enum http_failure failure, bool changes, enum outcome outcome)
{
    struct aws_answer answer;
    struct http_response response = {.failure = failure, .failure_text = "why"};
    aws_answer_read(arena,
                    &(struct aws_question){AWS_SERVICE_EC2, "RunInstances", changes, false},
                    &response, &answer);
    assert_int_equal(answer.outcome, outcome);
    assert_non_null(strstr(answer.error.message, "why"));
}

static void test_failures(void **state)
{
    (void)state;
    assert_failure(HTTP_UNREACHABLE, true, OUTCOME_RETRY);
    assert_failure(HTTP_TLS, true, OUTCOME_FATAL);
    assert_failure(HTTP_TIMED_OUT, true, OUTCOME_UNKNOWN);
    assert_failure(HTTP_TIMED_OUT, false, OUTCOME_RETRY);
    assert_failure(HTTP_BROKEN, true, OUTCOME_UNKNOWN);
    assert_failure(HTTP_TOO_LARGE, true, OUTCOME_UNKNOWN);
    assert_failure(HTTP_TOO_LARGE, false, OUTCOME_FATAL);
}

static void test_encoded_messages_are_left_out(void **state)
{
    (void)state;
    struct aws_answer answer = read_answer(
        AWS_SERVICE_EC2, "RunInstances", true, 403,
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>not you. Encoded "
        "authorization failure message: AAAA</Message></Error></Errors></Response>");
    assert_string_equal(answer.error.message, "ec2 RunInstances: UnauthorizedOperation: not you.");
    assert_non_null(strstr(answer.error.help, "drc plan permissions"));
}

static struct aws_answer read_s3(bool raw, int status, const char *body, const char *region)
{
    static struct http_header headers[2];
    headers[0] = (struct http_header){"x-amz-request-id", "S3REQ"};
    headers[1] = (struct http_header){"x-amz-bucket-region", region};
    static struct http_response response; /* the answer points to it */
    response = (struct http_response){.status = status,
                                      .headers = headers,
                                      .header_count = region ? 2 : 1,
                                      .body = body,
                                      .body_length = strlen(body)};
    struct aws_answer answer;
    aws_answer_read(arena, &(struct aws_question){AWS_SERVICE_S3, "PutObject", true, raw}, &response,
                    &answer);
    return answer;
}

#define S3_ERROR(code, more)                                                                       \
    "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>said</Message>" more "</Error>"

static void test_s3_refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum outcome outcome;
        const char *code;
    } rows[] = {
        {503, S3_ERROR("SlowDown", ""), OUTCOME_THROTTLED, "SlowDown"},
        {500, S3_ERROR("InternalError", ""), OUTCOME_UNKNOWN, "InternalError"},
        {412, S3_ERROR("PreconditionFailed", ""), OUTCOME_CONFLICT, "PreconditionFailed"},
        {409, S3_ERROR("ConditionalRequestConflict", ""), OUTCOME_RETRY,
         "ConditionalRequestConflict"},
        {404, S3_ERROR("NoSuchKey", ""), OUTCOME_ABSENT, "NoSuchKey"},
        {404, S3_ERROR("NoSuchBucket", ""), OUTCOME_FATAL, "NoSuchBucket"},
        {400, S3_ERROR("BadDigest", ""), OUTCOME_RETRY, "BadDigest"},
        {400, S3_ERROR("IncompleteBody", ""), OUTCOME_RETRY, "IncompleteBody"},
        {403, S3_ERROR("InvalidObjectState", ""), OUTCOME_FATAL, "InvalidObjectState"},
        {403, S3_ERROR("AccessDenied", ""), OUTCOME_FATAL, "AccessDenied"},
        {404, "", OUTCOME_ABSENT, "NotFound"}, /* a HEAD's */
        {412, "", OUTCOME_CONFLICT, "PreconditionFailed"},
        {403, "", OUTCOME_FATAL, "Forbidden"},
        {502, "<html>bad gateway</html>", OUTCOME_UNKNOWN, NULL},
        {200, S3_ERROR("InternalError", ""), OUTCOME_UNKNOWN, "InternalError"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aws_answer answer = read_s3(false, rows[i].status, rows[i].body, NULL);
        if (answer.outcome != rows[i].outcome) {
            fail_msg("row %zu: %s", i, outcome_name(answer.outcome));
        }
        if (rows[i].code) {
            assert_string_equal(answer.error.code, rows[i].code);
        }
        assert_string_equal(answer.error.request_id, "S3REQ");
    }
}

static void test_s3_answers(void **state)
{
    (void)state;
    struct aws_answer put = read_s3(false, 200, "", NULL);
    assert_int_equal(put.outcome, OUTCOME_OK);
    assert_string_equal(http_response_header(put.response, "X-Amz-Request-Id"), "S3REQ");
    struct aws_answer raw = read_s3(true, 200, "<not xml", NULL);
    assert_int_equal(raw.outcome, OUTCOME_OK);
    assert_memory_equal(raw.body, "<not xml", raw.body_length);
    struct aws_answer list = read_s3(false, 200, "<ListBucketResult><A>1</A></ListBucketResult>", NULL);
    assert_string_equal(xml_text(list.xml, "A"), "1");
    assert_int_equal(read_s3(false, 200, "<html>x</html>", NULL).outcome, OUTCOME_UNKNOWN);
}

static void test_s3_elsewhere(void **state)
{
    (void)state;
    struct aws_answer redirect = read_s3(true, 301, S3_ERROR("PermanentRedirect", ""), "eu-west-1");
    assert_int_equal(redirect.outcome, OUTCOME_FATAL);
    assert_string_equal(redirect.bucket_region, "eu-west-1");
    assert_non_null(strstr(redirect.error.message, "the bucket is in eu-west-1"));
    assert_non_null(strstr(redirect.error.help, "AWS_REGION=eu-west-1"));
    struct aws_answer malformed = read_s3(
        false, 400, S3_ERROR("AuthorizationHeaderMalformed", "<Region>us-west-2</Region>"), NULL);
    assert_string_equal(malformed.bucket_region, "us-west-2");
    struct aws_answer head = read_s3(false, 400, "", "eu-north-1");
    assert_string_equal(head.bucket_region, "eu-north-1");
    struct aws_answer other = read_s3(false, 403, S3_ERROR("AccessDenied", ""), "eu-north-1");
    assert_null(other.bucket_region);
}

static void test_ebs_refusals(void **state)
{
    (void)state;
    struct aws_answer answer =
        read_answer(AWS_SERVICE_EBS, "PutSnapshotBlock", true, 400,
                    "{\"__type\":\"ValidationException\",\"Message\":\"bad block\","
                    "\"Reason\":\"INVALID_BLOCK\"}");
    assert_int_equal(answer.outcome, OUTCOME_FATAL);
    assert_string_equal(answer.reason, "INVALID_BLOCK");
    assert_string_equal(answer.error.message,
                        "ebs PutSnapshotBlock: ValidationException: INVALID_BLOCK: bad block");
    const struct http_header headers[] = {
        {"x-amzn-ErrorType", "RequestThrottledException:http://internal/"},
        {"x-amzn-RequestId", "E-1"}};
    struct http_response response = {
        .status = 400, .headers = headers, .header_count = 2, .body = "", .body_length = 0};
    const struct aws_question question = {AWS_SERVICE_EBS, "PutSnapshotBlock", true, false};
    aws_answer_read(arena, &question, &response, &answer);
    assert_int_equal(answer.outcome, OUTCOME_THROTTLED);
    assert_string_equal(answer.error.request_id, "E-1");
    response.status = 201; /* PutSnapshotBlock's: all is in the headers */
    aws_answer_read(arena, &question, &response, &answer);
    assert_int_equal(answer.outcome, OUTCOME_OK);
    assert_null(answer.json);
}

static const char *line(const char *text, size_t max)
{
    return one_line(arena, text, strlen(text), max);
}

static void test_one_line(void **state)
{
    (void)state;
    assert_string_equal(line("  a\r\n\tb\x01 c  ", 99), "a b c");
    assert_string_equal(line("\xc3\xa4\xff\xc3", 99), "\xc3\xa4??");
    assert_string_equal(line("\xc0\xaf\xed\xa0\x80", 99), "?????");
    assert_string_equal(line("\xf0\x9f\x98\x80x", 99), "\xf0\x9f\x98\x80x");
    assert_string_equal(line("abcdef", 3), "abc…");
    assert_string_equal(line("abc", 3), "abc");
    assert_string_equal(one_line(arena, "a\0b", 3, 9), "a b");
    assert_string_equal(line("", 9), "");
}

static int set_up(void **state)
{
    (void)state;
    arena = arena_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refusals),       TEST(test_lost_questions_are_asked_again),
        TEST(test_proper_answers), TEST(test_answers_of_others),
        TEST(test_json_refusal),   TEST(test_failures),
        TEST(test_one_line),       TEST(test_encoded_messages_are_left_out),
        TEST(test_s3_refusals),    TEST(test_s3_answers),
        TEST(test_s3_elsewhere),   TEST(test_ebs_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
