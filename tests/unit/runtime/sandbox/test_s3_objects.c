/* S3: buckets and objects, conditions, ranges, lists.
 * Covers: s3_buckets.c s3_lists.c s3_delete.c */
#include "tests/unit/support/cmocka_all.h"
#include "tests/unit/support/sandbox_client.h"

#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/sandbox/checksum.h"

static int make(void **state)
{
    struct sandbox_client *c = client_create();
    *state = c;
    return client_rest(c, "s3", "PUT", "/dr-state", NULL, NULL, 0) == 200 ? 0 : -1;
}

static int end(void **state)
{
    client_destroy(*state);
    return 0;
}

static int ask(struct sandbox_client *c, const char *method, const char *path, const char *header,
               const char *value)
{
    return client_rest(c, "s3", method, path, (struct http_header[]){{header, value}, {0}}, NULL,
                       0);
}

static int put(struct sandbox_client *c, const char *path, const char *body, const char *header,
               const char *value)
{
    return client_rest(c, "s3", "PUT", path, (struct http_header[]){{header, value}, {0}}, body,
                       strlen(body));
}

static void expect_refusal(struct sandbox_client *c, int status, const char *code)
{
    assert_int_equal(c->response.status, status);
    assert_non_null(c->xml);
    assert_string_equal(got(c, "Code"), code);
    assert_non_null(http_response_header(&c->response, "x-amz-request-id"));
}

static const char *header(struct sandbox_client *c, const char *name)
{
    const char *value = http_response_header(&c->response, name);
    if (!value) {
        fail_msg("no header %s", name);
    }
    return arena_strdup(c->arena, value);
}

static void test_buckets(void **state)
{
    struct sandbox_client *c = *state;
    ask(c, "PUT", "/dr-state", NULL, NULL);
    expect_refusal(c, 409, "BucketAlreadyOwnedByYou");
    ask(c, "PUT", "/Bad_Name", NULL, NULL);
    expect_refusal(c, 400, "InvalidBucketName");
    assert_int_equal(ask(c, "HEAD", "/dr-state", NULL, NULL), 200);
    assert_string_equal(header(c, "x-amz-bucket-region"), "eu-west-1");
    assert_int_equal(ask(c, "GET", "/dr-state?location", NULL, NULL), 200);
    assert_string_equal(c->xml->text, "eu-west-1");
    assert_int_equal(ask(c, "HEAD", "/other", NULL, NULL), 404);
    assert_int_equal(c->response.body_length, 0);
    ask(c, "GET", "/other?list-type=2", NULL, NULL);
    expect_refusal(c, 404, "NoSuchBucket");
    assert_int_equal(ask(c, "GET", "/", NULL, NULL), 200);
    assert_string_equal(got(c, "Buckets/Bucket/Name"), "dr-shop"); /* the plan's state */
    assert_non_null(strstr(c->response.body, "<Name>dr-state</Name>"));
    put(c, "/dr-state/k", "x", NULL, NULL);
    ask(c, "DELETE", "/dr-state", NULL, NULL);
    expect_refusal(c, 409, "BucketNotEmpty");
    assert_int_equal(ask(c, "DELETE", "/dr-state/k", NULL, NULL), 204);
    assert_int_equal(ask(c, "DELETE", "/dr-state", NULL, NULL), 204);
}

static void test_an_object(void **state)
{
    struct sandbox_client *c = *state;
    struct http_header headers[] = {{"Content-Type", "text/plain"}, {"x-amz-meta-drc", "1"}, {0}};
    assert_int_equal(client_rest(c, "s3", "PUT", "/dr-state/a/b%20c", headers, "hello", 5), 200);
    const char *etag = header(c, "ETag");
    assert_int_equal(ask(c, "GET", "/dr-state/a/b%20c", NULL, NULL), 200);
    assert_int_equal(c->response.body_length, 5);
    assert_string_equal(c->response.body, "hello");
    assert_string_equal(header(c, "Content-Type"), "text/plain");
    assert_string_equal(header(c, "x-amz-meta-drc"), "1");
    assert_string_equal(header(c, "Last-Modified"), "Sun, 22 Nov 2026 10:00:00 GMT");
    assert_string_equal(header(c, "ETag"), etag);
    assert_int_equal(ask(c, "HEAD", "/dr-state/a/b%20c", NULL, NULL), 200);
    assert_string_equal(header(c, "Content-Length"), "5");
    assert_int_equal(c->response.body_length, 0);
    assert_int_equal(ask(c, "DELETE", "/dr-state/a/b%20c", NULL, NULL), 204);
    assert_int_equal(ask(c, "DELETE", "/dr-state/a/b%20c", NULL, NULL), 204);
    ask(c, "GET", "/dr-state/a/b%20c", NULL, NULL);
    expect_refusal(c, 404, "NoSuchKey");
    assert_int_equal(ask(c, "HEAD", "/dr-state/a/b%20c", NULL, NULL), 404);
}

static void test_virtual_hosts(void **state)
{
    struct sandbox_client *c = *state;
    put(c, "/dr-state/k", "path", NULL, NULL);
    c->bucket = "dr-state";
    assert_int_equal(ask(c, "GET", "/k", NULL, NULL), 200);
    assert_string_equal(c->response.body, "path");
    assert_int_equal(put(c, "/l", "host", NULL, NULL), 200);
    c->bucket = NULL;
    assert_int_equal(ask(c, "GET", "/dr-state/l", NULL, NULL), 200);
    assert_string_equal(c->response.body, "host");
}

/* What the journal in S3 relies on. */
static void test_writes_on_conditions(void **state)
{
    struct sandbox_client *c = *state;
    assert_int_equal(put(c, "/dr-state/k", "1", "If-None-Match", "*"), 200);
    const char *etag = header(c, "ETag");
    put(c, "/dr-state/k", "2", "If-None-Match", "*");
    expect_refusal(c, 412, "PreconditionFailed");
    assert_int_equal(put(c, "/dr-state/k", "2", "If-Match", etag), 200);
    put(c, "/dr-state/k", "3", "If-Match", etag);
    expect_refusal(c, 412, "PreconditionFailed");
    put(c, "/dr-state/none", "3", "If-Match", etag);
    expect_refusal(c, 404, "NoSuchKey");
    put(c, "/dr-state/k", "3", "If-None-Match", etag);
    expect_refusal(c, 501, "NotImplemented");
    ask(c, "DELETE", "/dr-state/k", "If-Match", etag);
    expect_refusal(c, 412, "PreconditionFailed");
    ask(c, "GET", "/dr-state/k", NULL, NULL);
    assert_string_equal(c->response.body, "2");
    client_fault(c, "conflict", 1);
    put(c, "/dr-state/new", "3", "If-None-Match", "*");
    expect_refusal(c, 409, "ConditionalRequestConflict");
    assert_int_equal(put(c, "/dr-state/new", "3", NULL, NULL), 200);
}

static void test_reads_on_conditions(void **state)
{
    struct sandbox_client *c = *state;
    put(c, "/dr-state/k", "1", NULL, NULL);
    const char *etag = header(c, "ETag");
    assert_int_equal(ask(c, "GET", "/dr-state/k", "If-None-Match", etag), 304);
    assert_int_equal(c->response.body_length, 0);
    assert_int_equal(ask(c, "GET", "/dr-state/k", "If-None-Match", "\"other\""), 200);
    assert_int_equal(ask(c, "GET", "/dr-state/k", "If-Match", etag), 200);
    ask(c, "GET", "/dr-state/k", "If-Match", "\"other\"");
    expect_refusal(c, 412, "PreconditionFailed");
}

static void test_ranges(void **state)
{
    struct sandbox_client *c = *state;
    static const struct {
        const char *range, *body, *told;
    } ranges[] = {
        {"bytes=0-3", "0123", "bytes 0-3/10"},       {"bytes=7-", "789", "bytes 7-9/10"},
        {"bytes=-2", "89", "bytes 8-9/10"},          {"bytes=5-99", "56789", "bytes 5-9/10"},
        {"bytes=-99", "0123456789", "bytes 0-9/10"},
    };
    put(c, "/dr-state/k", "0123456789", NULL, NULL);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        assert_int_equal(ask(c, "GET", "/dr-state/k", "Range", ranges[i].range), 206);
        assert_string_equal(c->response.body, ranges[i].body);
        assert_string_equal(header(c, "Content-Range"), ranges[i].told);
    }
    ask(c, "GET", "/dr-state/k", "Range", "bytes=10-");
    expect_refusal(c, 416, "InvalidRange");
    assert_int_equal(ask(c, "GET", "/dr-state/k", "Range", "lines=1-2"), 200);
    assert_int_equal(ask(c, "GET", "/dr-state/k", "Range", "bytes=5-2"), 200);
}

static void test_payload_hashes(void **state)
{
    struct sandbox_client *c = *state;
    c->payload_hash = "UNSIGNED-PAYLOAD";
    assert_int_equal(put(c, "/dr-state/k", "x", NULL, NULL), 200);
    c->payload_hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4882";
    put(c, "/dr-state/k", "z", NULL, NULL);
    expect_refusal(c, 400, "XAmzContentSHA256Mismatch");
    c->payload_hash = NULL;
    put(c, "/dr-state/k", "z", "Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==");
    expect_refusal(c, 400, "BadDigest");
    c->key.secret = "wrong";
    put(c, "/dr-state/k", "z", NULL, NULL);
    expect_refusal(c, 403, "SignatureDoesNotMatch");
    c->key.id = "nobody";
    put(c, "/dr-state/k", "z", NULL, NULL);
    expect_refusal(c, 403, "InvalidAccessKeyId");
    c->key = (struct sigv4_key){.id = "sandbox", .secret = "sandbox"};
    c->region = "us-east-1";
    put(c, "/dr-state/k", "z", NULL, NULL);
    expect_refusal(c, 400, "AuthorizationHeaderMalformed");
    assert_string_equal(got(c, "Region"), "eu-west-1"); /* which clients go to then */
}

static void put_all(struct sandbox_client *c, const char *const *keys)
{
    for (; *keys; keys++) {
        const char *path = arena_printf(c->arena, "/dr-state/%s", *keys);
        assert_int_equal(put(c, path, "x", NULL, NULL), 200);
    }
}

/* Keys, or prefixes, of all pages of `limit`, joined by blanks. */
static const char *listed(struct sandbox_client *c, const char *query, int limit, int *pages)
{
    const char *all = "", *token = NULL;
    *pages = 0;
    do {
        const char *path =
            arena_printf(c->arena, "/dr-state?list-type=2&max-keys=%d%s%s%s", limit, query,
                         token ? "&continuation-token=" : "", token ? uri(c, token) : "");
        if (ask(c, "GET", path, NULL, NULL) != 200) {
            fail_msg("%s", c->response.body);
        }
        for (const struct xml *item = c->xml->first; item; item = item->next) {
            const char *name = strcmp(item->name, "Contents") == 0 ? xml_text(item, "Key")
                               : strcmp(item->name, "CommonPrefixes") == 0
                                   ? xml_text(item, "Prefix")
                                   : NULL;
            all = name ? arena_printf(c->arena, "%s%s ", all, name) : all;
        }
        (*pages)++;
        token = xml_text(c->xml, "NextContinuationToken");
        assert_string_equal(got(c, "IsTruncated"), token ? "true" : "false");
        token = token ? arena_strdup(c->arena, token) : NULL;
    } while (token);
    return all;
}

static void test_lists(void **state)
{
    struct sandbox_client *c = *state;
    int pages;
    put_all(c, (const char *const[]){"b/2", "a", "b/1", "b/x/1", "c", "b0", "%C3%A4", NULL});
    assert_string_equal(listed(c, "", 1000, &pages), "a b/1 b/2 b/x/1 b0 c \xc3\xa4 ");
    assert_string_equal(listed(c, "", 2, &pages), "a b/1 b/2 b/x/1 b0 c \xc3\xa4 ");
    assert_int_equal(pages, 4);
    assert_string_equal(listed(c, "&prefix=b%2F", 1, &pages), "b/1 b/2 b/x/1 ");
    assert_string_equal(listed(c, "&prefix=b%2F&delimiter=%2F", 1, &pages), "b/1 b/2 b/x/ ");
    assert_string_equal(listed(c, "&delimiter=%2F", 2, &pages), "a b/ b0 c \xc3\xa4 ");
    assert_string_equal(listed(c, "&start-after=b%2F2", 1000, &pages), "b/x/1 b0 c \xc3\xa4 ");
    assert_string_equal(listed(c, "&encoding-type=url&prefix=%C3", 1000, &pages), "%C3%A4 ");
    assert_int_equal(ask(c, "GET", "/dr-state?list-type=2&max-keys=0", NULL, NULL), 200);
    assert_string_equal(got(c, "KeyCount"), "0");
    ask(c, "GET", "/dr-state?list-type=2&continuation-token=junk", NULL, NULL);
    expect_refusal(c, 400, "InvalidArgument");
    ask(c, "GET", "/dr-state?list-type=2&max-keys=-1", NULL, NULL);
    expect_refusal(c, 400, "InvalidArgument");
    ask(c, "GET", "/dr-state?list-type=2&encoding-type=hex", NULL, NULL);
    expect_refusal(c, 400, "InvalidArgument");
    ask(c, "GET", "/dr-state", NULL, NULL);
    expect_refusal(c, 501, "NotImplemented");
}

static const char *sha256_sum(struct sandbox_client *c, const char *text)
{
    return checksum_of(c->arena, "x-amz-checksum-sha256", text, strlen(text));
}

static void test_many_are_deleted(void **state)
{
    struct sandbox_client *c = *state;
    static const char body[] = "<Delete><Object><Key>a</Key></Object><Object><Key>gone</Key>"
                               "</Object></Delete>";
    struct http_header sum[] = {
        {"x-amz-checksum-sha256", "pE2X8ME4/wkAgTPiEqYVRsl+HqQpIqLqHzKfkRxNaYs="}, {0}};
    int pages;
    put_all(c, (const char *const[]){"a", "b", NULL});
    client_rest(c, "s3", "POST", "/dr-state?delete", NULL, body, sizeof body - 1);
    expect_refusal(c, 400, "InvalidRequest");
    client_rest(c, "s3", "POST", "/dr-state?delete", sum, body, sizeof body - 1);
    expect_refusal(c, 400, "BadDigest");
    sum[0].value = sha256_sum(c, body);
    assert_int_equal(client_rest(c, "s3", "POST", "/dr-state?delete", sum, body, sizeof body - 1),
                     200);
    assert_string_equal(got(c, "Deleted/Key"), "a");
    assert_non_null(strstr(c->response.body, "<Key>gone</Key>"));
    assert_string_equal(listed(c, "", 1000, &pages), "b ");
    sum[0].value = sha256_sum(c, "<Delete>");
    client_rest(c, "s3", "POST", "/dr-state?delete", sum, "<Delete>", 8);
    expect_refusal(c, 400, "MalformedXML");
}

static void test_what_the_sandbox_has_not(void **state)
{
    struct sandbox_client *c = *state;
    ask(c, "GET", "/dr-state?acl", NULL, NULL);
    expect_refusal(c, 501, "NotImplemented");
    ask(c, "POST", "/dr-state/k?uploads", NULL, NULL);
    expect_refusal(c, 501, "NotImplemented");
    put(c, "/dr-state/k", "x", "x-amz-copy-source", "/dr-state/a");
    expect_refusal(c, 501, "NotImplemented");
    ask(c, "GET", "/dr-state/a%00b", NULL, NULL);
    expect_refusal(c, 400, "InvalidURI");
    ask(c, "GET", "/dr-state/a%FFb", NULL, NULL);
    expect_refusal(c, 400, "InvalidURI");
    client_fault(c, "error", 1);
    int status = ask(c, "GET", "/dr-state?list-type=2", NULL, NULL);
    assert_true(status == 500 || status == 503);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_buckets),
        TEST(test_an_object),
        TEST(test_virtual_hosts),
        TEST(test_writes_on_conditions),
        TEST(test_reads_on_conditions),
        TEST(test_ranges),
        TEST(test_payload_hashes),
        TEST(test_lists),
        TEST(test_many_are_deleted),
        TEST(test_what_the_sandbox_has_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
