/* The store on S3 with canned answers: what is asked, what is tried again, whose an object is.
 * Covers: store_s3_call.c */
#include "runtime/aws/store_s3.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "runtime/world/simulated.h"
#include "tests/unit/support/canned_aws.h"
#include "tests/unit/support/cmocka_all.h"

#define S3_ERROR(code) "<Error><Code>" code "</Code><Message>said</Message></Error>"
#define PAGE(inside) "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" inside "</ListBucketResult>"
#define KEY(key) "<Contents><Key>" key "</Key><Size>1</Size></Contents>"

struct scene {
    struct canned *canned;
    struct store *store;
};

static struct scene begin(const struct canned_answer *script, size_t count)
{
    struct scene scene = {.canned = canned_create(script, count)};
    struct store_s3_options options = {
        .world = scene.canned->world, .url = "s3://acme/dr/state", .region = "eu-west-1"};
    scene.store = store_s3_open(&options, NULL);
    assert_non_null(scene.store);
    return scene;
}

static void end(struct scene *scene)
{
    store_destroy(scene->store);
    canned_destroy(scene->canned);
}

static enum store_outcome put(struct scene *scene, enum store_condition condition,
                              const char *version, struct error *error)
{
    return store_put_now(scene->store, scene->canned->world, "a/b", "hello", 5, condition, version,
                         error);
}

static bool asked(const struct scene *scene, const char *text)
{
    return strstr(scene->canned->log.data, text) != NULL;
}

static void test_put_as_it_goes_out(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"PUT https://acme.s3.eu-west-1.amazonaws.com/dr/state/a/b\n", .etag = "\"e1\""},
        {"If-None-Match: *\n", .etag = "\"e2\""},
        {"If-Match: \"e2\"\n", .etag = "\"e3\""}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    assert_int_equal(put(&scene, STORE_ALWAYS, NULL, NULL), STORE_OK);
    assert_int_equal(put(&scene, STORE_IF_ABSENT, NULL, NULL), STORE_OK);
    assert_int_equal(put(&scene, STORE_IF_VERSION, "\"e2\"", NULL), STORE_OK);
    /* CRC-32 of "hello" is 3610a686. */
    assert_true(asked(&scene, "x-amz-checksum-crc32: NhCmhg==\n"));
    assert_true(asked(&scene, "X-Amz-Content-SHA256: UNSIGNED-PAYLOAD\n")); /* by TLS */
    assert_true(asked(&scene, "SignedHeaders=content-type;host;if-none-match;"));
    end(&scene);
}

static void test_get_is_verified(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"GET https://acme.s3.eu-west-1.amazonaws.com/dr/state/a/b\n", .body = "hello",
         .etag = "\"e1\"", .crc32 = "NhCmhg=="},
        {"x-amz-checksum-mode: ENABLED", .body = "hellO", .etag = "\"e1\"", .crc32 = "NhCmhg=="},
        {"GET", .body = "hello", .etag = "\"e2\"", .crc32 = "NhCmhg=="},
        {"GET", .status = 404, .body = S3_ERROR("NoSuchKey")}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    void *bytes;
    size_t length;
    char version[STORE_VERSION_MAX];
    struct world *world = scene.canned->world;
    for (int i = 0; i < 2; i++) { /* the second time damaged on the way, and read again */
        assert_int_equal(store_get_now(scene.store, world, "a/b", &bytes, &length, version, NULL),
                         STORE_OK);
        assert_string_equal(bytes, "hello");
        assert_string_equal(version, i ? "\"e2\"" : "\"e1\"");
        free(bytes);
    }
    assert_int_equal(store_get_now(scene.store, world, "a/b", &bytes, &length, NULL, NULL),
                     STORE_ABSENT);
    end(&scene);
}

static void test_damaged_for_good(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"GET", .body = "hellO", .etag = "\"e1\"", .crc32 = "NhCmhg==", .any_order = true}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    void *bytes;
    size_t length;
    struct error error = {0};
    assert_int_equal(
        store_get_now(scene.store, scene.canned->world, "a/b", &bytes, &length, NULL, &error),
        STORE_FAILED);
    assert_string_equal(error.message, "reading s3://acme/dr/state/a/b: what S3 sent is not what its "
                                       "checksum says");
    assert_false(error.passing);
    error_clear(&error);
    end(&scene);
}

static void test_conflicts(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"If-None-Match", .status = 412, .body = S3_ERROR("PreconditionFailed")},
        {"If-Match", .status = 404, .body = S3_ERROR("NoSuchKey")},
        {"If-None-Match", .status = 409, .body = S3_ERROR("ConditionalRequestConflict")},
        {"If-None-Match", .status = 412, .body = S3_ERROR("PreconditionFailed")}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    assert_int_equal(put(&scene, STORE_IF_ABSENT, NULL, NULL), STORE_CONFLICT);
    assert_int_equal(put(&scene, STORE_IF_VERSION, "\"e\"", NULL), STORE_CONFLICT);
    assert_int_equal(put(&scene, STORE_IF_ABSENT, NULL, NULL), STORE_CONFLICT);
    end(&scene);
}

/* The answer of the first try was lost: is what is there now ours? */
static void lost_answer(const char *there, enum store_outcome expected)
{
    const struct canned_answer script[] = {
        {"If-None-Match", .failure = HTTP_BROKEN},
        {"If-None-Match", .status = 412, .body = S3_ERROR("PreconditionFailed")},
        {"GET", .status = there ? 200 : 404, .body = there ? there : S3_ERROR("NoSuchKey"),
         .etag = "\"e9\""}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    assert_int_equal(put(&scene, STORE_IF_ABSENT, NULL, NULL), expected);
    end(&scene);
}

static void test_lost_answers(void **state)
{
    (void)state;
    lost_answer("hello", STORE_OK);
    lost_answer("hellO", STORE_CONFLICT);
    lost_answer("hello!", STORE_CONFLICT);
    lost_answer(NULL, STORE_CONFLICT);
}

/* Refused for a passing reason nothing happened: what is there was there before. */
static void test_unsent_answers(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"If-None-Match", .status = 503, .body = S3_ERROR("SlowDown")},
        {"If-None-Match", .failure = HTTP_UNREACHABLE},
        {"If-None-Match", .status = 412, .body = S3_ERROR("PreconditionFailed")}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    assert_int_equal(put(&scene, STORE_IF_ABSENT, NULL, NULL), STORE_CONFLICT);
    end(&scene);
}

static void test_patience_ends(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"PUT", .status = 503, .body = S3_ERROR("SlowDown"), .any_order = true}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    struct error error = {0};
    int64_t from = world_monotonic_ms(scene.canned->world);
    assert_int_equal(put(&scene, STORE_ALWAYS, NULL, &error), STORE_FAILED);
    int64_t took = world_monotonic_ms(scene.canned->world) - from;
    assert_true(took > 1000 && took < 60000);
    assert_int_equal(scene.canned->requests, 10);
    assert_non_null(strstr(error.message, "writing s3://acme/dr/state/a/b: after 10 attempts: s3 "
                                          "PutObject: SlowDown"));
    assert_true(error.passing);
    error_clear(&error);
    /* Where all fails, the store's budget is used up and later calls fail sooner. */
    for (int i = 0; i < 20; i++) {
        put(&scene, STORE_ALWAYS, NULL, NULL);
    }
    assert_true(scene.canned->requests < 10 + 20 * 10);
    size_t before = scene.canned->requests;
    assert_int_equal(put(&scene, STORE_ALWAYS, NULL, NULL), STORE_FAILED);
    assert_int_equal(scene.canned->requests, before + 1);
    end(&scene);
}

static void refused(int status, const char *body, const char *message, const char *help)
{
    const struct canned_answer script[] = {
        {"PUT", .status = status, .body = body, .any_order = true}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    struct error error = {0};
    assert_int_equal(put(&scene, STORE_ALWAYS, NULL, &error), STORE_FAILED);
    if (!strstr(error.message, message) || !error.help || !strstr(error.help, help)) {
        fail_msg("%s\n%s", error.message, error.help ? error.help : "-");
    }
    assert_int_equal(error.passing, status < 400); /* an answer that makes no sense may be half of one */
    error_clear(&error);
    end(&scene);
}

static void test_refusals(void **state)
{
    (void)state;
    refused(404, S3_ERROR("NoSuchBucket"), "NoSuchBucket", "aws s3 mb s3://acme");
    refused(403, S3_ERROR("AccessDenied"), "(key AKIDEXAMPLE from the environment",
            "s3:PutObject and s3:DeleteObject on arn:aws:s3:::acme/dr/state/*");
    refused(403, S3_ERROR("SignatureDoesNotMatch"), "SignatureDoesNotMatch", "secret access key");
    refused(200, "<html>hotel portal</html>", "not AWS's", "check AWS_ENDPOINT_URL");
}

static void test_a_bucket_in_another_region_is_followed(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"https://acme.s3.eu-west-1.", .status = 301, .body = S3_ERROR("PermanentRedirect"),
         .bucket_region = "us-west-2"},
        {"https://acme.s3.us-west-2.", .etag = "\"e\""},
        {"https://acme.s3.us-west-2.", .etag = "\"e\""}, /* known from then on */
        {"https://acme.s3.us-west-2.", .status = 400, .bucket_region = "eu-north-1"},
        {"https://acme.s3.eu-north-1.", .status = 301, .bucket_region = "us-west-2"}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    struct error error = {0};
    assert_int_equal(put(&scene, STORE_ALWAYS, NULL, NULL), STORE_OK);
    assert_int_equal(put(&scene, STORE_ALWAYS, NULL, NULL), STORE_OK);
    assert_int_equal(put(&scene, STORE_ALWAYS, NULL, &error), STORE_FAILED); /* not in a circle */
    assert_non_null(strstr(error.message, "the bucket is in us-west-2"));
    error_clear(&error);
    end(&scene);
}

static void expect_list(struct scene *scene, const char *prefix, const char *after,
                        const char *expected)
{
    struct arena *arena = arena_create();
    const char **keys;
    size_t count;
    char text[256] = "";
    assert_int_equal(store_list_now(scene->store, scene->canned->world, prefix, after, arena, &keys,
                                    &count, NULL), STORE_OK);
    for (size_t i = 0; i < count; i++) {
        strcat(strcat(text, keys[i]), " ");
    }
    assert_string_equal(text, expected);
    arena_destroy(arena);
}

static void test_lists_are_paged(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"/?list-type=2&encoding-type=url&max-keys=1000&prefix=dr%2Fstate%2Fshop%2F&"
         "start-after=dr%2Fstate%2Fshop%2Fa\n",
         .body = PAGE(KEY("dr/state/shop/a") KEY("dr/state/shop/b") KEY("dr/state/shop/x%20y")
                      "<IsTruncated>true</IsTruncated>"
                      "<NextContinuationToken>t/1=</NextContinuationToken>")},
        {"&continuation-token=t%2F1%3D\n", /* empty, and more to come */
         .body = PAGE("<IsTruncated>true</IsTruncated>"
                      "<NextContinuationToken>t2</NextContinuationToken>")},
        {"&continuation-token=t2\n",
         .body = PAGE(KEY("dr/state/shop/z") KEY("dr/state/shop/c") KEY("dr/stateless")
                      "<IsTruncated>false</IsTruncated>")}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    expect_list(&scene, "shop/", "shop/a", "shop/b shop/c shop/z ");
    end(&scene);
}

static void test_odd_lists(void **state)
{
    (void)state;
#define SAME PAGE("<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>")
    const struct canned_answer script[] = {{"GET", .body = SAME}, {"GET", .body = SAME},
                                           {"GET", .body = "<Other/>"}, {"GET", .body = ""}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    struct arena *arena = arena_create();
    const char **keys;
    size_t count;
    for (int i = 0; i < 3; i++) {
        struct error error = {0};
        assert_int_equal(store_list_now(scene.store, scene.canned->world, "", "", arena, &keys, &count,
                                        &error), STORE_FAILED);
        assert_non_null(strstr(error.message, "listing s3://acme/dr/state: the answer is no list"));
        error_clear(&error);
    }
    arena_destroy(arena);
    end(&scene);
}

static void test_remove_and_sync(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"DELETE https://acme.s3.eu-west-1.amazonaws.com/dr/state/a\n", .status = 204},
        {"DELETE", .status = 500, .body = S3_ERROR("InternalError")},
        {"DELETE", .status = 204}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    struct world *world = scene.canned->world;
    assert_int_equal(store_remove_now(scene.store, world, "a", NULL), STORE_OK);
    assert_int_equal(store_remove_now(scene.store, world, "a", NULL), STORE_OK);
    assert_int_equal(store_sync_now(scene.store, world, NULL), STORE_OK);
    end(&scene);
}

static void count_down(void *context, const struct store_result *result)
{
    assert_int_equal(result->outcome, STORE_OK);
    --*(int *)context;
}

static void must_not_come(void *context, const struct store_result *result)
{
    (void)context, (void)result;
    fail();
}

/* Two hundred blocks at once wait for their turn; a lease does not wait behind them. */
static void test_small_ones_go_past_large_ones(void **state)
{
    (void)state;
    enum { BLOCKS = 200, BYTES = 128 << 10 };
    const struct canned_answer script[] = {{"PUT", .etag = "\"e\"", .any_order = true}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    char *block = malloc(BYTES);
    memset(block, 0x78, BYTES); /* no NUL: the log is searched as text */
    int left = BLOCKS + 1;
    assert_int_equal(put(&scene, STORE_ALWAYS, NULL, NULL), STORE_OK); /* the keys are there */
    for (int i = 0; i < BLOCKS; i++) {
        scene.store->put(scene.store, "block", block, BYTES, STORE_ALWAYS, NULL, count_down, &left);
    }
    scene.store->put(scene.store, "lease", "x", 1, STORE_ALWAYS, NULL, count_down, &left);
    world_run(scene.canned->world, NULL);
    assert_int_equal(left, 0);
    /* By the 60th request it was out. */
    size_t lease = 0, requests = 0;
    for (const char *at = scene.canned->log.data; lease == 0 && (at = strstr(at, "\nPUT "));) {
        requests++;
        at += strlen("\nPUT ");
        lease = strncmp(strchr(at, '\n') - strlen("/lease"), "/lease", strlen("/lease")) == 0
                    ? requests
                    : 0;
    }
    assert_in_range(lease, 2, 60);
    free(block);
    end(&scene);
}

static void destroy_it(void *context, const struct store_result *result)
{
    struct scene *scene = context;
    assert_int_equal(result->outcome, STORE_OK);
    store_destroy(scene->store);
    scene->store = NULL;
}

static void test_ended_on_the_way(void **state)
{
    (void)state;
    const struct canned_answer script[] = {{"PUT", .etag = "\"e\"", .any_order = true}};
    struct scene scene = begin(script, CANNED_COUNT(script));
    struct store *store = scene.store;
    int left = 1;
    store->put(store, "a", "x", 1, STORE_ALWAYS, NULL, must_not_come, &scene);
    store->put(store, "b", "x", 1, STORE_ALWAYS, NULL, count_down, &left);
    store->forget(store, &scene);
    world_run(scene.canned->world, NULL);
    assert_int_equal(left, 0);
    assert_true(asked(&scene, "/dr/state/a\n"));
    store->put(store, "c", "x", 1, STORE_ALWAYS, NULL, destroy_it, &scene);
    store->put(store, "d", "x", 1, STORE_ALWAYS, NULL, must_not_come, NULL);
    store->sync(store, must_not_come, NULL);
    store_destroy(store);
    scene.store = NULL;
    world_run(scene.canned->world, NULL);
    scene = (struct scene){.canned = scene.canned};
    struct store_s3_options options = {.world = scene.canned->world, .url = "s3://acme/"};
    scene.store = store_s3_open(&options, NULL);
    scene.store->put(scene.store, "c", "x", 1, STORE_ALWAYS, NULL, destroy_it, &scene);
    world_run(scene.canned->world, NULL); /* from within its own callback */
    assert_null(scene.store);
    end(&scene);
}

static void test_urls(void **state)
{
    (void)state;
    static const char *const good[] = {"s3://abc", "s3://abc/", "s3://a.b-c/x/y", "s3://abc/x/"};
    static const char *const bad[] = {"s3://",        "s3://ab",      "s3://abc//",   "s3://abc/x//y",
                                      "s3://abc/../x", "s3://abc/a b", "s3://abc/x?y", "s3:///x"};
    struct error error = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(store_s3_is_url(good[i], &error));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(store_s3_is_url(bad[i], &error));
        assert_non_null(strstr(error.message, "names no place in S3"));
        error_clear(&error);
    }
    assert_false(store_s3_is_url("file:///x", &error));
    assert_null(error.message);
}

/* Not a region, and asked for by its path. */
static void test_regions_and_paths(void **state)
{
    (void)state;
    const struct canned_answer script[] = {
        {"PUT https://s3.us-gov-west-1.amazonaws.com/acme/a/b\n", .etag = "\"e\""}};
    struct canned *canned = canned_create(script, CANNED_COUNT(script));
    world_simulated_set_environment(canned->world, "AWS_REGION", "us-gov-west-1");
    struct store_s3_options options = {
        .world = canned->world, .url = "s3://acme", .path_style = true};
    struct scene scene = {canned, store_s3_open(&options, NULL)};
    assert_int_equal(put(&scene, STORE_ALWAYS, NULL, NULL), STORE_OK);
    store_destroy(scene.store);
    struct error error = {0};
    options.region = "Europe";
    assert_null(store_s3_open(&options, &error));
    assert_non_null(strstr(error.message, "not the name of an AWS region"));
    error_clear(&error);
    canned_destroy(canned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_as_it_goes_out),
        cmocka_unit_test(test_get_is_verified),
        cmocka_unit_test(test_damaged_for_good),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_lost_answers),
        cmocka_unit_test(test_unsent_answers),
        cmocka_unit_test(test_patience_ends),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_a_bucket_in_another_region_is_followed),
        cmocka_unit_test(test_lists_are_paged),
        cmocka_unit_test(test_odd_lists),
        cmocka_unit_test(test_remove_and_sync),
        cmocka_unit_test(test_small_ones_go_past_large_ones),
        cmocka_unit_test(test_ended_on_the_way),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_regions_and_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
