/* Against the examples that AWS publishes ("Signature Version 4 test suite", IAM User Guide;
 * "Examples: signature calculations", S3 API Reference). tests/interop/test_sigv4.py does thousands
 * more. */
#include "runtime/aws/sigv4.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "tests/unit/support/cmocka_all.h"

static const struct sigv4_key suite_key = {"AKIDEXAMPLE",
                                           "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL};
static const struct sigv4_key s3_key = {"AKIAIOSFODNN7EXAMPLE",
                                        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};

static void assert_signature(const struct sigv4_request *request, const struct sigv4_key *key,
                             const char *time, const char *signature)
{
    struct arena *arena = arena_create();
    struct sigv4_headers headers;
    sigv4_sign(arena, request, key, parse_time(time), &headers);
    const char *found = strstr(headers.items[headers.count - 1].value, "Signature=");
    assert_non_null(found);
    assert_string_equal(found + strlen("Signature="), signature);
    arena_destroy(arena);
}

static void test_of_the_suite(const char *method, const char *path, const char *query,
                              const char *signature)
{
    struct sigv4_request request = {.method = method,
                                    .host = "example.amazonaws.com",
                                    .path = path,
                                    .query = query,
                                    .service = "service",
                                    .region = "us-east-1"};
    assert_signature(&request, &suite_key, "2015-08-30T12:36:00Z", signature);
}

static void test_suite(void **state)
{
    (void)state;
    test_of_the_suite("GET", "/", "",
                      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    test_of_the_suite("GET", "", NULL,
                      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    test_of_the_suite("GET", "/", "Param2=value2&Param1=value1",
                      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
    test_of_the_suite("POST", "/", "",
                      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    /* Normalised paths sign as what they mean. */
    test_of_the_suite("GET", "/example/..", "",
                      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    test_of_the_suite("GET", "//./", "",
                      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

static const char *signed_as(struct arena *arena, const struct sigv4_request *request,
                             const struct sigv4_key *key, const char *time)
{
    struct sigv4_headers headers;
    sigv4_sign(arena, request, key, parse_time(time), &headers);
    return headers.items[headers.count - 1].value;
}

/* What is remembered never signs for another secret, day, region or service. */
static void test_memory(void **state)
{
    (void)state;
    static const struct {
        const struct sigv4_key *key;
        const char *time, *region, *service;
    } rows[] = {{&suite_key, "2015-08-30T12:36:00Z", "us-east-1", "ec2"},
                {&suite_key, "2015-08-30T12:37:00Z", "us-east-1", "ec2"},
                {&suite_key, "2015-08-31T00:00:00Z", "us-east-1", "ec2"},
                {&suite_key, "2015-08-31T00:00:00Z", "eu-west-1", "ec2"},
                {&suite_key, "2015-08-31T00:00:00Z", "eu-west-1", "ssm"},
                {&s3_key, "2015-08-31T00:00:00Z", "eu-west-1", "ssm"},
                {&suite_key, "2015-08-30T12:36:00Z", "us-east-1", "ec2"}};
    struct arena *arena = arena_create();
    struct sigv4_memory memory = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sigv4_request request = {.method = "POST",
                                        .host = "example.amazonaws.com",
                                        .path = "/",
                                        .service = rows[i].service,
                                        .region = rows[i].region};
        const char *without = signed_as(arena, &request, rows[i].key, rows[i].time);
        request.memory = &memory;
        assert_string_equal(signed_as(arena, &request, rows[i].key, rows[i].time), without);
        assert_string_equal(signed_as(arena, &request, rows[i].key, rows[i].time), without);
    }
    sigv4_memory_clear(&memory);
    assert_null(memory.secret);
    arena_destroy(arena);
}

static void test_list_users(void **state)
{
    (void)state;
    struct http_header type = {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"};
    struct sigv4_request request = {.method = "GET",
                                    .host = "iam.amazonaws.com",
                                    .path = "/",
                                    .query = "Action=ListUsers&Version=2010-05-08",
                                    .headers = &type,
                                    .header_count = 1,
                                    .service = "iam",
                                    .region = "us-east-1"};
    assert_signature(&request, &suite_key, "2015-08-30T12:36:00Z",
                     "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

static void test_s3(void **state)
{
    (void)state;
    struct http_header range = {"Range", "bytes=0-9"};
    struct sigv4_request request = {.method = "GET",
                                    .host = "examplebucket.s3.amazonaws.com",
                                    .path = "/test.txt",
                                    .headers = &range,
                                    .header_count = 1,
                                    .service = "s3",
                                    .region = "us-east-1",
                                    .s3 = true};
    assert_signature(&request, &s3_key, "2013-05-24T00:00:00Z",
                     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    request.path = "/";
    request.query = "max-keys=2&prefix=J";
    request.header_count = 0;
    assert_signature(&request, &s3_key, "2013-05-24T00:00:00Z",
                     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void test_headers_are_folded(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct http_header headers[] = {
        {"My-Header", "  b \t c "}, {"my-header", "a"}, {"User-Agent", "drc"}, {"Z", ""}};
    struct sigv4_request request = {.method = "GET",
                                    .host = "h",
                                    .path = "/a//%20b/../",
                                    .query = "b=2&a=&a&=x",
                                    .headers = headers,
                                    .header_count = 4,
                                    .service = "s",
                                    .region = "r"};
    assert_string_equal(sigv4_canonical_request(arena, &request, NULL, 0, "HASH"),
                        "GET\n/a/\n=x&a=&a=&b=2\nhost:h\nmy-header:b c,a\nz:\n\nhost;my-header;z\n"
                        "HASH");
    request.path = "/a%20b";
    assert_non_null(
        strstr(sigv4_canonical_request(arena, &request, NULL, 0, "HASH"), "\n/a%2520b\n"));
    request.s3 = true;
    assert_non_null(
        strstr(sigv4_canonical_request(arena, &request, NULL, 0, "HASH"), "\n/a%20b\n"));
    arena_destroy(arena);
}

static void test_session_and_payload(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    struct sigv4_key key = {"AKIDEXAMPLE", "s", "token"};
    struct sigv4_request request = {.method = "PUT",
                                    .host = "h",
                                    .path = "/",
                                    .service = "s3",
                                    .region = "r",
                                    .s3 = true,
                                    .payload_hash = SIGV4_UNSIGNED_PAYLOAD};
    struct sigv4_headers out;
    sigv4_sign(arena, &request, &key, parse_time("2026-11-22T10:00:00Z"), &out);
    assert_int_equal(out.count, 4);
    assert_string_equal(out.items[0].value, "20261122T100000Z");
    assert_string_equal(out.items[1].value, "token");
    assert_string_equal(out.items[2].value, "UNSIGNED-PAYLOAD");
    assert_non_null(
        strstr(out.items[3].value, "Credential=AKIDEXAMPLE/20261122/r/s3/aws4_request"));
    assert_non_null(strstr(out.items[3].value, "x-amz-security-token"));
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_list_users),
        cmocka_unit_test(test_s3),
        cmocka_unit_test(test_headers_are_folded),
        cmocka_unit_test(test_session_and_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
