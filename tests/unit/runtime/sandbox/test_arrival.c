/* What is found out about a body before the state is asked.
 * Covers: base64.c checksum.c chunked.c */
#include "tests/unit/support/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/buffer.h"
#include "runtime/sandbox/arrival.h"
#include "runtime/sandbox/base64.h"
#include "runtime/sandbox/blobs.h"
#include "runtime/sandbox/checksum.h"
#include "runtime/sandbox/chunked.h"

static void test_base64(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    char out[8] = "";
    assert_string_equal(base64(arena, "light work.", 11), "bGlnaHQgd29yay4=");
    assert_true(base64_decode("d29yaw==", out, 4));
    assert_memory_equal(out, "work", 4);
    assert_false(base64_decode("d29yaw==", out, 5));
    assert_false(base64_decode("d29yaw=", out, 4));
    assert_false(base64_decode("d29y!w==", out, 4));
    assert_false(base64_decode("d2=yaw==", out, 4));
    assert_false(base64_decode(NULL, out, 4));
    arena_destroy(arena);
}

/* The check values of the catalogue of CRCs, of FIPS 180 and of "123456789". */
static void test_checksums(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const unsigned char value[8];
        size_t length;
    } known[] = {
        {"x-amz-checksum-crc32", {0xCB, 0xF4, 0x39, 0x26}, 4},
        {"X-Amz-Checksum-CRC32C", {0xE3, 0x06, 0x92, 0x83}, 4},
        {"x-amz-checksum-crc64nvme", {0xAE, 0x8B, 0x14, 0x86, 0x0A, 0x79, 0x98, 0x88}, 8},
    };
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_string_equal(checksum_of(arena, known[i].header, "123456789", 9),
                            base64(arena, known[i].value, known[i].length));
    }
    assert_string_equal(checksum_of(arena, "x-amz-checksum-sha256", "", 0),
                        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_string_equal(checksum_of(arena, "x-amz-checksum-sha1", "", 0),
                        "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    assert_null(checksum_of(arena, "x-amz-checksum-type", "", 0));
    assert_null(checksum_of(arena, "x-amz-meta-crc32", "", 0));
    arena_destroy(arena);
}

static void expect_chunks(const char *body, const char *payload, const char *trailer)
{
    struct arena *arena = arena_create();
    struct chunked chunked;
    assert_true(chunked_read(arena, body, strlen(body), &chunked));
    assert_int_equal(chunked.length, strlen(payload));
    assert_memory_equal(chunked.bytes, payload, chunked.length);
    if (trailer) {
        assert_string_equal(chunked.trailer, trailer);
    } else {
        assert_null(chunked.trailer);
    }
    arena_destroy(arena);
}

static void test_chunks(void **state)
{
    (void)state;
    static const char *const broken[] = {"",
                                         "5",
                                         "5\r\nhel",
                                         "5\r\nhello",
                                         "5\r\nhelloxx0\r\n\r\n",
                                         "zz\r\nhello\r\n0\r\n\r\n",
                                         "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
                                         "5\r\nhello\r\n",
                                         "5\nhello\n0\n\n",
                                         "-1\r\n",
                                         "0\r\nx-amz-checksum-crc32:AAAAAA=="};
    expect_chunks("5\r\nhello\r\n6;chunk-signature=aa\r\n world\r\n0\r\n\r\n", "hello world", NULL);
    expect_chunks("A\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:pmTzjA==\r\n\r\n", "0123456789",
                  "x-amz-checksum-crc32:pmTzjA==");
    expect_chunks("0\r\n", "", NULL);
    struct arena *arena = arena_create();
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct chunked chunked;
        assert_false(chunked_read(arena, broken[i], strlen(broken[i]), &chunked));
    }
    assert_false(chunked_read(arena, NULL, 0, &(struct chunked){0}));
    arena_destroy(arena);
}

struct take {
    struct arena *arena;
    struct blobs *blobs;
    struct arrival arrival;
};

static int make_take(void **state)
{
    struct take *take = base_alloc(sizeof *take);
    take->arena = arena_create();
    take->blobs = blobs_create(NULL);
    *state = take;
    return 0;
}

static int end_take(void **state)
{
    struct take *take = *state;
    arena_destroy(take->arena);
    blobs_destroy(take->blobs);
    free(take);
    return 0;
}

/* An object that is put with these headers, ended by one without a name. */
static const struct arrival *take_put(struct take *take, const char *body,
                                      const struct http_header *given)
{
    struct http_header headers[8] = {
        {"Authorization", "AWS4-HMAC-SHA256 Credential=a/20261122/eu-west-1/s3/aws4_request, "
                          "SignedHeaders=host, Signature=0"}};
    size_t count = 1;
    for (; given->name; given++) {
        headers[count++] = *given;
    }
    struct http_request *request = ARENA_NEW(take->arena, struct http_request);
    *request = (struct http_request){.method = "PUT",
                                     .url = "http://127.0.0.1/b/k",
                                     .headers = arena_alloc(take->arena, sizeof headers),
                                     .header_count = count,
                                     .body = body,
                                     .body_length = strlen(body)};
    memcpy((void *)request->headers, headers, sizeof headers);
    arrival_take(&take->arrival, take->arena, request, NULL, take->blobs);
    return &take->arrival;
}

static bool is_stored(struct take *take, const char *bytes)
{
    uint8_t digest[SHA256_SIZE];
    struct buffer out = {0};
    sha256(bytes, strlen(bytes), digest);
    bool there = blobs_get(take->blobs, digest, 0, strlen(bytes), &out);
    buffer_free(&out);
    return there;
}

static void test_an_object_is_stored_when_its_sums_are_right(void **state)
{
    struct take *take = *state;
    const struct arrival *arrival =
        take_put(take, "hello",
                 (struct http_header[]){{"Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="},
                                        {"x-amz-checksum-crc32", "NhCmhg=="},
                                        {0}});
    assert_null(arrival->code);
    assert_string_equal(arrival->etag, "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_true(is_stored(take, "hello"));
}

static void test_wrong_sums_are_refused_and_nothing_is_stored(void **state)
{
    struct take *take = *state;
    static const struct http_header wrong[][2] = {
        {{"Content-MD5", "YUFAKrxLKna5cZ2REBfFkg=="}, {0}},
        {{"x-amz-checksum-crc32", "NhCmhh=="}, {0}},
        {{"x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}, {0}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct arrival *arrival = take_put(take, "hello", wrong[i]);
        assert_string_equal(arrival->code, "BadDigest");
    }
    assert_string_equal(
        take_put(take, "hello", (struct http_header[]){{"Content-MD5", "abc"}, {0}})->code,
        "InvalidDigest");
    assert_false(is_stored(take, "hello"));
}

static void test_chunks_are_taken_apart_and_their_trailer_checked(void **state)
{
    struct take *take = *state;
    static const struct http_header headers[] = {
        {"X-Amz-Content-SHA256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
        {"X-Amz-Decoded-Content-Length", "5"},
        {0}};
    const struct arrival *arrival =
        take_put(take, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", headers);
    assert_null(arrival->code);
    assert_int_equal(arrival->payload_length, 5);
    assert_true(is_stored(take, "hello"));
    arrival = take_put(take, "5\r\nhallo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", headers);
    assert_string_equal(arrival->code, "BadDigest");
    arrival = take_put(take, "4\r\nhell\r\n0\r\n\r\n", headers);
    assert_string_equal(arrival->code, "IncompleteBody");
    arrival = take_put(take, "junk", headers);
    assert_string_equal(arrival->code, "IncompleteBody");
    arrival = take_put(take, "5;chunk-signature=0\r\nhello\r\n0\r\n\r\n",
                       (struct http_header[]){
                           {"X-Amz-Content-SHA256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, {0}});
    assert_string_equal(arrival->code, "NotImplemented");
}

static void test_a_digest_that_is_known_is_taken(void **state)
{
    struct take *take = *state;
    struct http_request request = {
        .method = "POST", .url = "http://127.0.0.1/", .body = "x", .body_length = 1};
    const struct arrival_body known = {.sha256 = {7}, .length = 9, .stored = true};
    arrival_take(&take->arrival, take->arena, &request, &known, take->blobs);
    assert_memory_equal(take->arrival.sha256, known.sha256, SHA256_SIZE);
    assert_int_equal(take->arrival.length, 9);
    request.body = NULL;
    arrival_take(&take->arrival, take->arena, &request, NULL, take->blobs);
    assert_int_equal(take->arrival.payload_length, 0);
    assert_string_equal(take->arrival.payload, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test_setup_teardown(test_an_object_is_stored_when_its_sums_are_right, make_take,
                                        end_take),
        cmocka_unit_test_setup_teardown(test_wrong_sums_are_refused_and_nothing_is_stored,
                                        make_take, end_take),
        cmocka_unit_test_setup_teardown(test_chunks_are_taken_apart_and_their_trailer_checked,
                                        make_take, end_take),
        cmocka_unit_test_setup_teardown(test_a_digest_that_is_known_is_taken, make_take, end_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
